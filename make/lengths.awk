# make/lengths.awk: functions over 70 lines and lines over 80 columns (100 in
# tables); files over 1,000 lines; verify/, which has to be read whole, with 4,000.
# Definitions start in column 0 and end with "}" in column 0.
#
#     awk -f make/lengths.awk FILE...

function done_file() {
    if (last != "" && lines > 1000 && last !~ /\.def$/) {
        printf "%s: %d lines\n", last, lines
        failed = 1
    }
}

FNR == 1 {
    done_file()
    last = FILENAME
    start = 0
}

{
    lines = FNR
    verify += FILENAME ~ /^verify\//
    limit = FILENAME ~ /\.def$/ ? 100 : 80
    if (length($0) > limit) {
        printf "%s:%d: %d columns\n", FILENAME, FNR, length($0)
        failed = 1
    }
}

/^[a-z_][a-zA-Z0-9_]*\(/ { name = $0; start = FNR }

/^}$/ && start {
    if (FNR - start > 70) {
        printf "%s:%d: %d lines: %s\n", FILENAME, start, FNR - start, name
        failed = 1
    }
    start = 0
}

END {
    done_file()
    if (verify >= 4000) {
        printf "verify/: %d lines\n", verify
        failed = 1
    }
    exit failed
}
