// test/fuzz/replay.c: feed files to a fuzz target, without libFuzzer.  The
// last name printed is the one a target died of.
//
//     fuzz-NAME FILE...
//
// Ends with the line "N passed, 0 failed, 0 skipped".

#include "test/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>

// In memory of just the file's size, so that ASan sees reads past the end.
static u8 *
read_file(const char *name, u64 *size)
{
    FILE *file = fopen(name, "rb");
    long end = -1;

    if (file != NULL && fseek(file, 0, SEEK_END) == 0)
        end = ftell(file);
    assert(end >= 0);
    rewind(file);
    u8 *bytes = malloc((u64)end);
    *size = fread(bytes, 1, (u64)end, file);
    assert(*size == (u64)end);
    fclose(file);
    return bytes;
}

int
main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        u64 size = 0;
        puts(argv[i]);
        fflush(stdout);
        u8 *bytes = read_file(argv[i], &size);
        LLVMFuzzerTestOneInput(bytes, size);
        free(bytes);
    }
    printf("%d passed, 0 failed, 0 skipped\n", argc - 1);
    return 0;
}
