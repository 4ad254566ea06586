# make/heads.awk: every file starts with its contract, and the contract with the
# file's path, so that neither can be about another file: "// PATH: ..." in C,
# the marks of a comment of their own in other languages, in commands
# "# PATH ARGUMENTS: ...".  The header named like its folder is the folder's:
# "// FOLDER/: ...".
#
#     awk -f make/heads.awk FILE...

function starts(line, name) {
    return index(line, name ":") == 1 || FILENAME !~ /\.([chS]|cc|rs|def)$/ &&
        index(line, name " ") == 1
}

function check(line, folder, base) {
    folder = base = FILENAME
    sub(/[^\/]*$/, "", folder)
    sub(/.*\//, "", base)
    sub(/^(\/\/!? |# |""+|\/\* )/, "", line)
    if (starts(line, FILENAME))
        return
    if (base ~ /\.h$/ && index("/" folder, "/" substr(base, 1, length(base) - 2) "/") &&
        starts(line, folder))
        return
    printf "%s: does not start with its path and contract\n", FILENAME
    failed = 1
}

FNR == 1 { wanted = 1 }
wanted && !/^#!/ { check($0); wanted = 0 }
END { exit failed }
