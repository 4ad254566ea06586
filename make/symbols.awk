# make/symbols.awk: the table of a kernel's functions that panics look names up
# in (port/metal/symbols.c), as assembly, from the symbols of the image without
# it.  The table lies behind the code, which stays where it is.
#
#     nm -n IMAGE | awk -f make/symbols.awk

BEGIN { print ".section .symbols, \"a\"" }

# Those at KERNEL_BASE: their low halves tell them apart.
$2 ~ /^[tT]$/ && $1 ~ /^ffffffff/ && $3 !~ /^\./ && $3 != "text_end" && $1 != last {
    last = $1
    name[count++] = $3
    printf ".long 0x%s, %d\n", substr($1, 9), at
    at += length($3) + 1
}

END {
    print ".section .symbol_names, \"a\""
    for (i = 0; i < count; i++)
        printf ".asciz \"%s\"\n", name[i]
    print ".section .note.GNU-stack, \"\", @progbits"
}
