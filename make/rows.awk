# make/rows.awk: every byte of an instruction comes from a row of x64/ops.def
# through x64/emit/encode.c: nobody else writes one by hand or looks at opcodes,
# and somebody emits each row.  Nor does anybody make a pointer to write to of one
# to machine code, which is const: by a cast, a number, a union or its bytes.
#
#     awk -f make/rows.awk x64/ops.def x64/select/select.def FILE...

function complain(what) {
    printf "%s:%d: %s\n", FILENAME, FNR, what
    failed = 1
}

FILENAME == "x64/ops.def" {
    if (match($0, /^X64\([A-Z0-9_]+/))
        rows[substr($0, 5, RLENGTH - 4)] = FNR
    next
}

{ sub(/\/\/.*/, "") }

# A pointer from a number; or from the bytes of another pointer, as source of a
# copy or beside it in a union.
/\*\)? *\) *\((u64|i64|uintptr_t|intptr_t|size_t|unsigned long|long)\)/ {
    complain("makes a pointer of a number")
}
/(^|[^a-z_])mem(cpy|move)\([^;]*, *(\([^()]*\) *)?&/ && !/, *&(value|block),/ {
    complain("copies the bytes of a variable, which may be a pointer")
}
/^ *(typedef )?union[^;]*\{/ { in_union = 1 }
in_union && /\*/ { complain("a pointer in a union") }
/^ *\}/ { in_union = 0 }

# The rest is for those who make code.
FILENAME ~ /^runtime\// { next }

# Assembly would be bytes by hand; what asks the CPU what it is emits nothing.
/(^|[^a-z_])(asm|__asm|__asm__)([^a-z_]|$)/ && FILENAME != "code/cpu.c" {
    complain("assembly: only encode.c writes instructions")
}

/(^|[^a-z_])(__builtin_)?(mem|memr|str|strr)chr *\(|#pragma +GCC|_Pragma/ {
    complain("a way to take the const from machine code")
}

# Names: X64_ADD32, and in x64/select/select.def the bare name.
{
    text = $0
    pattern = FILENAME ~ /\.def$/ ? "[A-Z][A-Z0-9_]+" : "X64_[A-Z0-9_]+"
    while (match(text, pattern)) {
        name = substr(text, RSTART, RLENGTH)
        sub(/^X64_/, "", name)
        named[name] = 1
        text = substr(text, RSTART + RLENGTH)
    }
}

# Machine code is `const u8 *` (x64/emit/emit.h): nobody takes the const away.
FILENAME ~ /^(x64\/emit|x64\/select|compile|code)\// && FILENAME != "x64/emit/encode.c" && /\((void|char|signed char|unsigned char|[ui](8|16|32|64)) \*\)/ {
    complain("takes the const away: only encode.c writes machine code")
}

FILENAME == "x64/emit/encode.c" || FILENAME !~ /^(x64|compile)\// { next }

/\\x|encode_copy\(.*"|encode_word\(.*[^A-Za-z0-9_]([0-9][0-9]+|0x)/ && FILENAME ~ /^x64\/emit\// && FILENAME != "x64/emit/emit.h" {
    complain("bytes by hand: only encode.c writes instructions")
}

# One or two bytes in hex; larger numbers are marks and limits.
/(^|[^A-Za-z0-9_])0x[0-9a-fA-F][0-9a-fA-F]?[0-9a-fA-F]?[0-9a-fA-F]?([^0-9A-Za-z]|$)/ && FILENAME ~ /^x64\/emit\// {
    complain("a byte by hand: only encode.c writes instructions")
}

/at\+\+ *=[^=]|(at|bytes|text)\[[^]]*\] *=[^=]/ && FILENAME ~ /^(x64\/emit|compile)\// {
    complain("writes at the encoder: only encode.c does")
}

/(->|\.)opcode/ && FILENAME != "x64/operands.c" {
    complain("looks at an opcode: name the row")
}

END {
    for (name in rows)
        if (!(name in named)) {
            printf "x64/ops.def:%d: nothing emits %s\n", rows[name], name
            failed = 1
        }
    exit failed
}
