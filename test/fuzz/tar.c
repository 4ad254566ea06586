// test/fuzz/tar.c: any bytes through the reader of archives: members whose
// names and contents lie inside the bytes, or an error with an offset
// there.  The checksums of the headers are put right first, since hardly any
// input would get past them.
//
// Built and run as README.md says.

#include "test/fuzz/fuzz.h"
#include "wasi/wasi.h"

#include <stdio.h>
#include <stdlib.h>

enum { BLOCK = 512, SUM_AT = 148, SUM_SIZE = 8 };

static void
repair_sum(u8 *header)
{
    char text[SUM_SIZE];
    u32 sum = SUM_SIZE * ' ';

    for (u32 i = 0; i < BLOCK; i++)
        if (i - SUM_AT >= SUM_SIZE)
            sum += header[i];
    snprintf(text, sizeof(text), "%06o", sum);
    memcpy(header + SUM_AT, text, sizeof(text));
}

static void
check_inside(struct bytes archive, const void *ptr, u64 size)
{
    u64 at = (u64)ptr - (u64)archive.ptr;

    assert(size == 0 || (at <= archive.size && size <= archive.size - at));
}

static void
check_name(struct bytes archive, struct string name)
{
    check_inside(archive, name.ptr, name.len);
    for (u32 i = 0; i < name.len; i++)
        assert(name.ptr[i] != 0);
}

int
LLVMFuzzerTestOneInput(const u8 *bytes, size_t size)
{
    struct error error = {0};
    struct tar_entry entry;
    struct bytes archive = {malloc(MAX(size, 1)), size};

    memcpy(archive.ptr, bytes, size);
    for (u64 at = 0; at + BLOCK <= size; at += BLOCK)
        if (archive.ptr[at] != 0)
            repair_sum(archive.ptr + at);
    struct tar tar = {.archive = archive, .error = &error};
    u64 before = 0;
    while (tar_next(&tar, &entry)) {
        assert(tar.at > before && tar.at <= size);
        before = tar.at;
        check_name(archive, entry.path[0]);
        check_name(archive, entry.path[1]);
        check_name(archive, entry.target);
        check_inside(archive, entry.data.ptr, entry.data.size);
    }
    assert(error.at <= size);
    assert((error.status == OK) == (error.what == NULL));
    free(archive.ptr);
    return 0;
}
