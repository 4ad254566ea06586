# make/layers.awk: a folder includes only headers of folders above it, and
# verify/ never includes x64/; the rooms of x64/ know x64/mach.h only.  Tables (*.def) may be read from anywhere.
# Programs (user/) are compiled without a way to the other folders.
#
#     awk -f make/layers.awk FILE...

BEGIN {
    count = split("base abi wasm code ir x64 compile verify kernel wasi port tool test bench", order)
    for (i = 1; i <= count; i++)
        rank[order[i]] = i
}

/^#include "/ && FILENAME !~ /^user\// {
    split($2, part, "\"")
    path = part[2]
    if (path ~ /\.def$/)
        next
    split(FILENAME, from, "/")
    split(path, to, "/")
    # The kernel declares what it needs from a port; ports may be reached only
    # from ports, tools and tests.
    room = from[3] != "" && to[3] != "" && from[1] == "x64" &&
           (to[1] == "x64" && to[2] != from[2])
    bad = room || !(to[1] in rank) || rank[to[1]] > rank[from[1]] ||
          (from[1] == "verify" && (to[1] != "base" && to[1] != "abi" &&
                                   to[1] != "verify"))
    if (bad) {
        printf "%s:%d: %s may not include %s\n", FILENAME, FNR, from[1], path
        failed = 1
    }
}

END { exit failed }
