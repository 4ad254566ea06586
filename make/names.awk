# make/names.awk: what a folder of the compiler exports says the folder's name,
# or that of the thing it is about: all of it are global symbols of the kernel.
#
#     awk -f make/names.awk FILE.h...

BEGIN {
    prefix["ir"] = "ir_|fn_|build_|parts_"
    prefix["x64"] = "x64_|mach_|mins_|abi_"
    prefix["x64/select"] = "select_|lower_"
    prefix["x64/alloc"] = "alloc_"
    prefix["x64/emit"] = "emit_|emission_|encode|image_|mach_emit"
    prefix["code"] = "code_|cpu_|abi_"
    prefix["compile"] = "module_compile"
}

{
    folder = FILENAME
    sub(/\/[^\/]*$/, "", folder)
}

# A prototype starts in column 0 and is not static; macros take a name, too.
folder in prefix && /^[A-Za-z_][A-Za-z0-9_ *]*[ *][a-z_0-9]+\(/ && !/^(static|typedef|return|#)/ {
    name = $0
    sub(/\(.*/, "", name)
    sub(/.*[ *]/, "", name)
    if (name !~ "^(" prefix[folder] ")" && name !~ /^_/) {
        printf "%s:%d: %s() does not say its folder (%s)\n", FILENAME, FNR,
            name, prefix[folder]
        failed = 1
    }
}

END { exit failed }
