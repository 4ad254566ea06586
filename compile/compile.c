// compile/compile.c: a decoded module -> its machine code.
//
// Functions are compiled one after the other, each from its bytes to its place
// in the code; what the steps leave behind in `temp` goes after each.  A
// function that is not of the kind normal mode is made for, or would take more
// memory than it is worth, is compiled again in plain mode: in parts, in time
// proportional to the body and in memory that depends little on it.

#include "compile/compile.h"

#include "x64/emit/emit.h"

// What normal mode may take of `temp` for a body.  Large functions of real
// programs take 30 to 65 bytes a byte, small ones up to 230.
enum { TEMP_PER_BYTE = 64, TEMP_MIN = 8 * MIB };

struct compiler {
    const struct module *m;
    const struct compile_options *options;
    struct arena *temp;
    struct error *error;
    struct image image;
    u8 *leaves; // see fn_build
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
static status_t
finish_step(const struct compiler *c, const char *step, const struct fn *fn,
            const struct mach *m, bool allocated)
{
    struct printer *p = dump_of(c, step, fn->index);

    if (c->options->step != NULL)
        c->options->step(c->options->self, step, fn->index);
    if (p != NULL) {
        print_head(p, c, fn->index);
        if (m == NULL)
            fn_print(p, fn);
        else
            mach_print(p, m, allocated);
    }
    bool stop = c->options->stopped != NULL && c->options->stopped();
    return stop ? ERR_KILLED : OK;
}

static status_t
emit(struct compiler *c, const struct mach *m, u32 index)
{
    struct printer *listing = dump_of(c, "emit", index);
    status_t status;

    if (listing != NULL)
        print_head(listing, c, index);
    status = mach_emit(m, &c->image, c->options->check_pads, c->temp, listing);
    if (status == OK && c->options->step != NULL)
        c->options->step(c->options->self, "emit", index);
    return status;
}

// The machine code of a function or a part, on real registers.
static status_t
generate(struct compiler *c, struct fn *fn, struct mach *m)
{
    u64 mark = arena_mark(c->temp);
    status_t status = finish_step(c, "build", fn, NULL, false);

    if (status == OK)
        status = mach_select(m, fn, c->options->features, c->temp);
    if (status != OK)
        return status;
    mach_keep(m, c->temp, mark);
    status = finish_step(c, "select", fn, m, false);
    if (status != OK)
        return status;
    m->dump_live = dump_of(c, "live", fn->index);
    if (m->dump_live != NULL)
        print_head(m->dump_live, c, fn->index);
    status = mach_allocate(m, c->temp);
    if (status != OK)
        return status;
    mach_keep(m, c->temp, mark);
    return finish_step(c, "allocate", fn, m, true);
}

static status_t
compile_whole(struct compiler *c, u32 index)
{
    struct fn fn;
    struct mach m;
    status_t status = fn_build(&fn, c->m, index, c->leaves, c->temp, c->error);

    if (status == OK)
        status = generate(c, &fn, &m);
    if (status == OK)
        status = emit(c, &m, index);
    return status;
}

// In normal mode, with as much memory as that may take.  Then *again says
// whether plain mode, which needs less, is to try.
static status_t
compile_normal(struct compiler *c, u32 index, bool *again)
{
    const struct func *func = &c->m->funcs[index];
    u64 most = TEMP_PER_BYTE * (func->end - func->at) + TEMP_MIN;

    c->temp->limit = arena_mark(c->temp) + most;
    status_t status = compile_whole(c, index);
    c->temp->limit = 0;
    *again = status == ERR_BUDGET || status == ERR_NO_MEMORY;
    if (*again)
        *c->error = (struct error){0};
    return status;
}

static status_t
compile_part(struct compiler *c, struct builder *b, struct fn *fn, u32 *frame)
{
    struct mach m;
    status_t status = parts_next(b, fn);

    if (status == OK)
        status = generate(c, fn, &m);
    if (status != OK)
        return status;
    *frame = m.frame_size = MAX(*frame, m.frame_size);
    return emit(c, &m, fn->index);
}

static status_t
compile_plain(struct compiler *c, u32 index)
{
    struct builder *b;
    struct fn fn = {.part = FN_PART};
    u32 frame = 0;
    status_t status =
        parts_open(&b, c->m, index, c->options->part_ins, c->temp, c->error);

    if (status == OK && !image_open(&c->image, parts_labels(b)))
        status = ERR_NO_MEMORY;
    while (status == OK && fn.part != FN_LAST) {
        u64 mark = arena_mark(c->temp);
        status = compile_part(c, b, &fn, &frame);
        image_keep(&c->image, mark);
    }
    return status;
}

static status_t
compile_func(struct compiler *c, u32 index)
{
    bool plain = c->options->plain;
    status_t status = OK;

    if (!plain) {
        status = compile_normal(c, index, &plain);
        image_settle(&c->image);
    }
    if (plain) {
        status = compile_plain(c, index);
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
    status_t status = OK;

    if (!options->no_inline) {
        c.leaves = ARENA_NEW(temp, u8, m->func_count);
        status = c.leaves == NULL ? ERR_NO_MEMORY : OK;
    }
    if (status == OK)
        status = image_init(&c.image, code, m, text, keep, temp);
    if (status == OK)
        status = emit_stubs(&c.image);
    if (status == OK)
        image_settle(&c.image);
    for (u32 i = m->func_imports; i < m->func_count && status == OK; i++)
        status = compile_func(&c, i);
    if (status == OK)
        status = image_finish(&c.image);
    arena_reset(temp, mark);
    if (status != OK)
        error_set(error, status, 0, status_text(status));
    return status;
}
