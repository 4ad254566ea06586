# make/layers.awk: checks the includes of C sources against make/layers.txt, and
# that table against the folders that are there.
#
#     awk -f make/layers.awk make/layers.txt FILE...

function complain(text) {
    printf "%s: %s\n", text, what
    failed = 1
}

# The nearest folder above a file that has a row: "" if none.
function folder_of(path) {
    while (sub(/\/[^\/]*$/, "", path))
        if (path in rank)
            return path
    return ""
}

FILENAME == ARGV[1] {
    if (/^#/)
        next
    rank[$1] = FNR
    part[$1] = $2
    for (i = 3; i <= NF; i++)
        public[$1 "/" $i] = 1
    next
}

FNR == 1 {
    from = folder_of(FILENAME)
    used[from] = 1
    what = "has no row in " ARGV[1]
    if (from == "" && FILENAME !~ /^user\//)
        complain(FILENAME)
}

/^#include "/ && from != "" {
    split($2, quoted, "\"")
    path = quoted[2]
    to = folder_of(path)
    at = FILENAME ":" FNR
    if (path ~ /\.def$/ || to == from || part[from] == "test")
        next
    what = path
    if (to == "")
        complain(at ": includes what is in no folder")
    else if (rank[to] > rank[from])
        complain(at ": " from " may not include what is below it")
    else if (!(path in public))
        complain(at ": private header of " to)
}

END {
    what = "has a row in " ARGV[1] ", but no sources"
    for (folder in rank)
        if (!(folder in used))
            complain(folder)
    exit failed
}
