// test/fuzz/lines.c: any bytes as what a trap report reads: .debug_line, the
// sections of its texts, and the name section.  What is found lies inside them.
//
// An input is the sizes of the three others in two bytes each, and then
// .debug_line, .debug_line_str, .debug_str and the names.  Each is a block of
// its own, so that the sanitizers see its end.  Built and run as README.md
// says.

#include "test/fuzz/fuzz.h"

#include <stdlib.h>

enum { OTHERS = 3, SIZES = 2 * OTHERS, CODE_AT = 64 };

static struct bytes
copy(const u8 *bytes, u64 size)
{
    struct bytes b = {malloc(size), size};

    memcpy(b.ptr, bytes, size);
    return b;
}

static bool
is_inside(struct bytes b, struct string s)
{
    u64 at = (u64)s.ptr - (u64)b.ptr;

    return at <= b.size && s.len <= b.size - at;
}

static void
check(const struct module *m)
{
    struct code_place places[PLACES_MAX];

    for (u32 i = 0; i < PLACES_MAX; i++)
        places[i] = (struct code_place){.func = i, .at = CODE_AT - 2 + i};
    module_names(m, places, PLACES_MAX, NULL);
    module_lines(m, places, PLACES_MAX, NULL);
    for (u32 i = 0; i < PLACES_MAX; i++) {
        const struct code_place *p = &places[i];
        assert(p->name.len == 0 || is_inside(m->names, p->name));
        assert(p->file.len == 0 || is_inside(m->debug_line, p->file) ||
               is_inside(m->debug_str, p->file) ||
               is_inside(m->debug_line_str, p->file));
    }
}

int
LLVMFuzzerTestOneInput(const u8 *bytes, size_t size)
{
    struct module m = {.code_at = CODE_AT};
    struct bytes *const to[] = {&m.debug_line_str, &m.debug_str, &m.names};
    u64 left = size - SIZES;

    if (size < SIZES)
        return 0;
    for (u32 i = OTHERS; i-- > 0;) {
        u64 part = MIN((u64)(bytes[2 * i] | bytes[2 * i + 1] << 8), left);
        left -= part;
        *to[i] = copy(bytes + SIZES + left, part);
    }
    m.debug_line = copy(bytes + SIZES, left);
    check(&m);
    free(m.debug_line.ptr);
    for (u32 i = 0; i < OTHERS; i++)
        free(to[i]->ptr);
    return 0;
}
