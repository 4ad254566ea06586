# make/links.awk: what objects need of other folders is what public headers of
# those declare.  Read from symbols, however a source came to have the prototype:
# a folder uses a symbol that another defines only if a public header of that
# one, or of the folder that it is in, declares it.  What is defined elsewhere by
# contract is declared where the contract is: what a port defines by a header of
# the compiler or the kernel, what a port calls by kernel/port.h, the end of an
# object by abi/objects.def.  And nobody else declares it, used or not.
#
#     nm -A OBJECT... | awk -f make/layers_read.awk -f make/links.awk \
#         make/layers.txt abi/objects.def HEADER... -
#
# Of one build, in ROOT/FILE.o.  What assembly uses or defines has no prototype to
# check.

function complain(text) {
    print text
    failed = 1
}

# May a header of one folder declare what another defines?
function may_declare(header, name,   definer) {
    definer = defined[name]
    return header == definer || index(definer, header "/") == 1 ||
        part[definer] == "port" && part[header] ~ /^(compiler|kernel)$/ ||
        header == "kernel" && (name in contract)
}

FILENAME == "abi/objects.def" {
    if (match($0, /^OBJECT\([0-9]+, [a-z_]+,/)) {
        name = substr($2, 1, length($2) - 1)
        declared["kernel", name "_type"] = 1
        declared["kernel", name "_free"] = 1
        contract[name "_free"] = 1
    }
    next
}

# Headers: what stands in column 0, before its bracket or the end.
FILENAME ~ /\.h$/ {
    sub(/\/\/.*/, "")
    while (match($0, /__attribute__\(\([^)]*\)*/))
        $0 = substr($0, 1, RSTART - 1) substr($0, RSTART + RLENGTH)
    if (/^(static|typedef|_Static_assert|#)/)
        next
    if (!match($0, /^[A-Za-z_][A-Za-z0-9_ *]*[ *][a-z_][a-z0-9_]*\(/) &&
        !(/^extern / && match($0, /^[A-Za-z0-9_ *]*[ *][a-z_][a-z0-9_]*[;\[]/)))
        next
    name = substr($0, RSTART, RLENGTH - 1)
    sub(/.*[ *]/, "", name)
    header = folder_of(FILENAME)
    if (FILENAME in public)
        declared[header, name] = 1
    if (FILENAME == "kernel/port.h")
        contract[name] = 1
    if (part[header] != "test")
        headers[++count] = FILENAME ":" FNR " " name
    next
}

# Symbols: OBJECT:ADDRESS KIND NAME, or OBJECT: U NAME.
{
    file = $1
    sub(/\.o:.*/, "", file)
    while (folder_of(file) == "" && sub(/^[^\/]*\//, "", file))
        ;
    kind = $(NF - 1)
    symbols++
    if (file ~ /\.S$/)
        assembly[$NF] = 1
    else if (kind ~ /^[A-TV-Z]$/)
        defined[$NF] = folder_of(file)
    else if (kind == "U")
        needed[file " " $NF] = 1
}

# Does a public header declare this?
function is_public(name,   folder) {
    for (folder in part)
        if (((folder, name) in declared) && may_declare(folder, name))
            return 1
    return 0
}

# Who puts bytes into code that are not from a row: pieces, constants, distances.
function may_write(file) {
    return file == "x64/emit/layout.c" || file == "x64/emit/image.c"
}

END {
    for (need in needed) {
        split(need, word, " ")
        name = word[2]
        from = folder_of(word[1])
        if (name ~ /^encode_(copy|word)$/ && !may_write(word[1]))
            complain(word[1] ": uses " name ", which is for layout.c and image.c")
        if ((name in defined) && defined[name] != from && part[from] != "test" &&
            !is_public(name))
            complain(word[1] ": uses " name ", which no public header of " \
                defined[name] " declares")
    }
    for (i = 1; i <= count; i++) {
        split(headers[i], word, " ")
        if ((word[2] in defined) && !may_declare(folder_of(word[1]), word[2]))
            complain(word[1] ": declares " word[2] ", which " \
                defined[word[2]] " defines")
    }
    if (!symbols)
        complain("no symbols")
    exit failed
}
