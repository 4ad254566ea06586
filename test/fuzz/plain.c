// test/fuzz/plain.c: linked into out/nebulet-plain in front of module_compile,
// it makes every function be compiled in plain mode, with parts of PART_INS
// instructions if that is in the environment; `none`: in normal mode.  With
// COLLECT there heaps are collected whenever an object is made, all at once
// (`all`) or a few words each time (`some`), and looked through after it.

#include "compile/compile.h"
#include "runtime/internal.h"
#include "test/fuzz/heap.h"

#include <stdlib.h>
#include <string.h>

status_t __real_module_compile(struct code *code, const struct module *m,
                               const struct compile_options *options,
                               struct arena *text, struct arena *keep,
                               struct arena *temp, struct error *error);
status_t __wrap_module_compile(struct code *code, const struct module *m,
                               const struct compile_options *options,
                               struct arena *text, struct arena *keep,
                               struct arena *temp, struct error *error);

status_t
__wrap_module_compile(struct code *code, const struct module *m,
                      const struct compile_options *options, struct arena *text,
                      struct arena *keep, struct arena *temp,
                      struct error *error)
{
    struct compile_options plain = *options;
    const char *part_ins = getenv("PART_INS");
    bool normal = part_ins != NULL && strcmp(part_ins, "none") == 0;

    const char *collect = getenv("COLLECT");

    if (collect != NULL) {
        heap_collected = heap_check;
        heap_set_mode(strcmp(collect, "some") == 0 ? HEAP_CREEPING :
                                                     HEAP_EAGER);
    }
    plain.plain = !normal;
    plain.part_ins = part_ins != NULL && !normal ? (u32)atoi(part_ins) : 0;
    return __real_module_compile(code, m, &plain, text, keep, temp, error);
}
