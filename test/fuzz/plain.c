// test/fuzz/plain.c: linked into out/nebulet-plain in front of module_compile,
// it makes every function be compiled in plain mode.

#include "x64/x64.h"

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

    plain.plain = true;
    return __real_module_compile(code, m, &plain, text, keep, temp, error);
}
