# make/chains.awk: what sources depend on, however long the way: see step chains
# of make/lint.sh.
#
#     gcc -MM -I. SOURCE... >RULES
#     awk -f make/layers_read.awk -f make/chains.awk make/layers.txt RULES

# Is this how a program is made, for a source that only runs it?
function is_making(header) {
    return header == "ir/ir.h" || header ~ /^x64\/.*\.h$/ && part[from] != "test"
}

# Makes programs, or tests how that is done.
function is_maker(file) {
    return file ~ /^(ir|x64|compile)\// || file ~ /^test\/(ir|x64|verify)_/
}

function is_private(header,   to) {
    to = folder_of(header)
    return header ~ /\.h$/ && part[from] != "test" && to != from && to != "" &&
        !(header in public)
}

/^[^ ]*\.o: / {
    file = $2
    from = folder_of(file)
}

{
    for (i = 1; i <= NF; i++)
        if (!is_maker(file) && is_making($i) || is_private($i) ||
            $i ~ /^(wasm|code|compile)\// && file ~ /^kernel\//) {
            print file ": depends on " $i
            failed = 1
        }
}

END { exit failed || file == "" }
