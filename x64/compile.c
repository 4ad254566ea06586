// x64/compile.c: a decoded module -> its machine code.
//
// Functions are compiled one after the other, each from its bytes to its place
// in the code; what the steps leave behind in `temp` goes after each.  A
// function that is not of the kind normal mode is made for is compiled again in
// plain mode, whose time and memory are proportional to the body.

#include "x64/emit.h"

struct compiler {
    const struct module *m;
    const struct compile_options *options;
    struct arena *temp;
    struct error *error;
    struct image image;
};

// The printer for this step of this function, or NULL.
static struct printer *
dump_of(const struct compiler *c, const char *step, u32 func)
{
    const struct compile_options *o = c->options;

    if (o->dump == NULL || o->dump_step == NULL ||
        (o->dump_func != NO_INDEX && o->dump_func != func) ||
        !string_equal(string_of(o->dump_step), string_of(step)))
        return NULL;
    return o->dump;
}

static void
print_head(struct printer *p, const struct compiler *c, u32 func)
{
    struct string name = module_func_name(c->m, func);

    print(p, "func %u \"%.*s\"\n", func, (int)name.len, name.ptr);
}

// A step is done: tell who wants to know, and show what it made.
static void
finish_step(const struct compiler *c, const char *step, const struct fn *fn,
            const struct mach *m, bool allocated)
{
    struct printer *p = dump_of(c, step, fn->index);

    if (c->options->step != NULL)
        c->options->step(c->options->self, step, fn->index);
    if (p == NULL)
        return;
    print_head(p, c, fn->index);
    if (m == NULL)
        fn_print(p, fn);
    else
        mach_print(p, m, allocated);
}

static status_t
emit(struct compiler *c, const struct mach *m, u32 index)
{
    struct printer *listing = dump_of(c, "emit", index);
    status_t status;

    if (listing != NULL)
        print_head(listing, c, index);
    status = mach_emit(m, &c->image, c->temp, listing);
    if (status == OK && c->options->step != NULL)
        c->options->step(c->options->self, "emit", index);
    return status;
}

static status_t
try_func(struct compiler *c, u32 index, bool plain)
{
    struct fn fn;
    struct mach m;
    status_t status = fn_build(&fn, c->m, index, plain, c->temp, c->error);

    if (status != OK)
        return status;
    finish_step(c, "build", &fn, NULL, false);
    u64 mark = arena_mark(c->temp);
    status = mach_select(&m, &fn, c->options->features, c->temp);
    if (status != OK)
        return status;
    mach_keep(&m, c->temp, mark);
    finish_step(c, "select", &fn, &m, false);
    m.dump_live = dump_of(c, "live", index);
    if (m.dump_live != NULL)
        print_head(m.dump_live, c, index);
    status = mach_allocate(&m, c->temp);
    if (status != OK)
        return status;
    mach_keep(&m, c->temp, mark);
    finish_step(c, "allocate", &fn, &m, true);
    return emit(c, &m, index);
}

static status_t
compile_func(struct compiler *c, u32 index)
{
    status_t status = try_func(c, index, c->options->plain);

    image_settle(&c->image);
    if (status == ERR_BUDGET && !c->options->plain) {
        status = try_func(c, index, true);
        image_settle(&c->image);
    }
    if (status != OK)
        error_set(c->error, status, c->m->funcs[index].at, status_text(status));
    return status;
}

status_t
module_compile(struct code *code, const struct module *m,
               const struct compile_options *options, struct arena *text,
               struct arena *keep, struct arena *temp, struct error *error)
{
    struct compiler c = {
        .m = m, .options = options, .temp = temp, .error = error};
    u64 mark = arena_mark(temp);
    status_t status = image_init(&c.image, code, m, text, keep, temp);

    if (status == OK)
        status = emit_stubs(&c.image);
    if (status == OK)
        image_settle(&c.image);
    for (u32 i = m->func_imports; i < m->func_count && status == OK; i++)
        status = compile_func(&c, i);
    if (status == OK)
        status = emit_thunks(&c.image);
    if (status == OK)
        status = image_finish(&c.image);
    arena_reset(temp, mark);
    if (status != OK)
        error_set(error, status, 0, status_text(status));
    return status;
}
