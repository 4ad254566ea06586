# make/mentions.awk: what comments and docs name is there.  A file, from the
# root or from the folder of who names it (docs may leave the folder out); a
# function, field, constant or any other name with "_" or "()", in code.  What
# is elsewhere has a row in make/elsewhere.txt.
#
#     list of all files | awk -f make/mentions.awk make/elsewhere.txt - \
#         pass=code FILE... pass=text FILE...

# bench/NAME.c, FILE.h
BEGIN { PLACEHOLDER = "(^|/)[A-Z]+[.]" }

function basename(path) {
    sub(/.*\//, "", path)
    return path
}

function complain(text) {
    printf "%s:%d: names %s, which is not there\n", FILENAME, FNR, text
    failed = 1
}

function is_elsewhere(name) {
    if (name in elsewhere)
        used[name] = 1
    return name in elsewhere
}

# The comment in a line; docs are all comment.
function comment(line) {
    if (FILENAME ~ /\.md$/)
        return line
    if (FILENAME ~ /\.([chS]|cc|rs|def|mjs)$/)
        return match(line, /(^|[^:"])\/\//) ? substr(line, RSTART) : ""
    return line ~ /^ *#/ ? line : ""
}

function check_file(path, folder) {
    folder = FILENAME
    if (!sub(/\/[^\/]*$/, "", folder))
        folder = "."
    while (sub(/^\.\.\//, "", path))
        if (!sub(/\/[^\/]*$/, "", folder))
            folder = "."
    if (path in files || folder "/" path in files || is_elsewhere(path))
        return
    if (FILENAME !~ /\.md$/ || path ~ /\// || !(path in bases))
        complain(path)
}

function check_name(name) {
    if (!(name in names) && !is_elsewhere(name))
        complain(name)
}

# A name, or several as in reader.at and m->types.
function check_members(token, count, part, k) {
    count = split(token, part, /\.|->/)
    for (k = 1; k <= count; k++)
        if (part[k] ~ /^[a-z][a-z0-9]*(_[a-z0-9]+)+$/ ||
            part[k] ~ /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$/)
            check_name(part[k])
}

FILENAME == ARGV[1] {
    if (!/^#/ && NF > 0)
        elsewhere[$1] = 1
    next
}

FILENAME == "-" || FILENAME == "" {
    files[$0] = bases[basename($0)] = 1
    next
}

pass == "code" {
    text = comment($0)
    code = substr($0, 1, length($0) - length(text))
    count = split(code, word, /[^A-Za-z0-9_]+/)
    for (i = 1; i <= count; i++)
        names[word[i]] = 1
    next
}

{
    text = comment($0)
    count = split(text, word, /[^A-Za-z0-9_.\/<>*+:-]+/)
    for (i = 1; i <= count; i++) {
        token = word[i]
        sub(/[.:]+$/, "", token)
        if (token ~ PLACEHOLDER)
            continue
        if (token ~ /^([A-Za-z0-9_.-]+\/)*[A-Za-z0-9_-]+\.([chS]|cc|def|py|sh|awk|txt|md|mk|ld|rs|wat)$/)
            check_file(token)
        else if (token ~ /^([A-Za-z0-9_]+(\.|->))*[A-Za-z0-9_]+$/)
            check_members(token)
    }
    while (match(text, /[a-z_][a-z0-9_]*\(\)/)) {
        check_name(substr(text, RSTART, RLENGTH - 2))
        text = substr(text, RSTART + RLENGTH)
    }
}

END {
    for (name in elsewhere)
        if (!(name in used)) {
            printf "%s: nobody needs the row of %s\n", ARGV[1], name
            failed = 1
        }
    exit failed
}
