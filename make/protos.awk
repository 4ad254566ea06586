# make/protos.awk: each prototype of a header has a comment: above it, or above
# the group that it stands in without an empty line, or beside it.
#
#     awk -f make/protos.awk FILE.h...

FNR == 1 || /^$/ { commented = 0 }
/^ *\/\// && !/^\/\/ ---/ { commented = 1 }

# A prototype starts in column 0 and may go on for some lines.
/^[A-Za-z_][A-Za-z0-9_ *]*[ *][a-z_0-9]+\(/ && !/^(static|typedef|return|struct [a-z_]+ \{)/ {
    open = FILENAME ":" FNR
    name = $0
    sub(/\(.*/, "", name)
    sub(/.*[ *]/, "", name)
}
open != "" && /;/ {
    if (!commented && !/\/\// && name !~ /^mem(cpy|move|set|cmp)$/) {
        print open ": nothing says what " name "() does"
        failed = 1
    }
    open = ""
}
/^}/ { open = "" }
END { exit failed }
