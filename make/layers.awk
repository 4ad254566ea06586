# make/layers.awk: checks the includes of C sources against make/layers.txt, and
# that table against the folders that are there.  So that nothing escapes it, an
# include has one of two forms,
#
#     #include "base/base.h"      its folder and name, or a table's (.def)
#     #include <stdint.h>         of the system
#
# and what another file has comes from a header: no source includes a source, or
# declares what it does not define.
#
#     awk -f make/layers_read.awk -f make/layers.awk make/layers.txt FILE...

function complain(text) {
    printf "%s: %s\n", text, what
    failed = 1
}

# What a line declares first: the word before a comma, bracket or the end.
function name_of(line) {
    sub(/^.*extern /, "", line)
    sub(/[,;=\[(].*/, "", line)
    sub(/ *$/, "", line)
    sub(/^.*[ *]/, "", line)
    return line
}

# Of our files: those of the own folder, tables, and what is public above.
function check_include(quoted,   path, to) {
    path = substr(quoted, 2, length(quoted) - 2)
    to = folder_of(path)
    what = path
    if (FILENAME ~ /\.def$/ && path !~ /\.def$/)
        complain(at ": a table includes only tables")
    else if ((FILENAME in public) && to == from && path ~ /\.h$/ && !(path in public))
        complain(at ": a public header, and a private one")
    if (path ~ /\.def$/ || to == from)
        return
    if (to == "")
        complain(at ": includes what is in no folder")
    else if (rank[to] > rank[from])
        complain(at ": " from " may not include what is below it")
    else if (!(path in public))
        complain(at ": private header of " to)
}

# Of the system: what is in both ports can do without an operating system.
function check_system(angled,   path, free) {
    path = substr(angled, 2, length(angled) - 2)
    free = path ~ /^std(arg|bool|def|int)\.h$/
    what = path
    if (path in ours)
        complain(at ": our own headers are included with \"\"")
    else if (!free && (part[from] == "compiler" || part[from] == "kernel"))
        complain(at ": needs an operating system")
}

BEGIN {
    for (i = 2; i < ARGC; i++)
        ours[ARGV[i]] = 1
}

FNR == 1 {
    from = folder_of(FILENAME)
    used[from] = 1
    what = "has no row in " ARGV[1]
    if (from == "" && FILENAME !~ /^user\//)
        complain(FILENAME)
}

# What was declared here and not defined.
FNR == 1 {
    what = "declared outside a header, and not defined here"
    for (name in declared)
        complain(declared[name] ": " name)
    split("", declared)
}

from == "" || part[from] == "test" { next }

# Without strings and comments; of an include no more is left than that it is one.
{
    at = FILENAME ":" FNR
    text = $0
    while (match(text, /"[^"\\]*(\\.[^"\\]*)*"/))
        text = substr(text, 1, RSTART - 1) "''" substr(text, RSTART + RLENGTH)
    sub(/\/\/.*/, "", text)
    gsub(/\/\*[^*]*\*\//, "", text)
    is_asm = FILENAME ~ /\.S$/
    continued = continues && FNR > 1
    continues = /\\$/
}

!is_asm && !continued && text ~ /^[ \t]*(#|%:|\?\?=)/ && text !~ /^#(include|define|undef|if|ifdef|ifndef|else|elif|endif|pragma|error)( |$)/ {
    what = "no directive that we know"
    complain(at)
    next
}

text ~ /(#|%:|\?\?=).*(include|import)/ {
    what = $0
    if (/^#include "[a-z0-9_]+(\/[a-z0-9_]+)+\.(h|def)"$/)
        check_include($2)
    else if (!/^#include <[A-Za-z0-9_]+(\/[A-Za-z0-9_]+)?\.h>$/)
        complain(at ": an include in another form")
    else
        check_system($2)
    next
}

# Assembly has includes of its own.
/(^|[^A-Za-z0-9_])\.inc(lude|bin)([^A-Za-z0-9_]|$)/ {
    what = "assembly includes only what # lines name"
    complain(at)
}

FILENAME !~ /\.c$/ { next }

# Symbols of assembly and of the linker have no header.
text ~ /(^|[^A-Za-z0-9_])extern([^A-Za-z0-9_]|$)/ && text !~ /^extern const u8 [a-z_]+\[\]/ {
    declared[name_of(text)] = at
    next
}

/^[a-z]/ && !/^(static|typedef)/ && /[;={]$/ { delete declared[name_of(text)] }

# A prototype has its type and its name on one line, a definition on two.
text ~ /^[A-Za-z_].*[ *][a-z_][a-z0-9_]*\(/ && text !~ /^(static|typedef|_Static_assert|enum \{)/ {
    name = text
    while (match(name, /__attribute__\(\([^)]*\)*/))
        name = substr(name, 1, RSTART - 1) substr(name, RSTART + RLENGTH)
    match(name, /[a-z_][a-z0-9_]*\(/)
    name = substr(name, RSTART, RLENGTH - 1)
    if (name !~ /^__/)
        declared[name] = at
}

/^[a-z_][a-z0-9_]*\(/ {
    name = $0
    sub(/\(.*/, "", name)
    delete declared[name]
}

END {
    what = "declared outside a header, and not defined here"
    for (name in declared)
        complain(declared[name] ": " name)
    what = "has a row in " ARGV[1] ", but no sources"
    for (folder in rank)
        if (!(folder in used))
            complain(folder)
    exit failed
}
