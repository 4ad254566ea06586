# make/layers_read.awk: what make/layers.txt says, for those who check against
# it; the first file that is named.
#
#     awk -f make/layers_read.awk -f make/... make/layers.txt ...
#
# rank[folder], its row; part[folder]; public[header], for those that are.

# The nearest folder above a file that has a row: "" if none.
function folder_of(path) {
    while (sub(/\/[^\/]*$/, "", path))
        if (path in part)
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
