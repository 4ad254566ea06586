// test/fuzz/validate.c: any bytes through the decoder and the validator; what
// is valid must be readable by everything that relies on it.
//
// Built and run as README.md says.

#include "test/fuzz/fuzz.h"

static union value
global_value(void *self, u32 index)
{
    (void)self;
    return (union value){.i64 = index};
}

static u64
func_ref(void *self, u32 index)
{
    const struct module *m = self;

    assert(index < m->func_count);
    return index + 1;
}

static void
walk_constants(struct module *m)
{
    struct const_env env = {m, global_value, func_ref, NULL};

    for (u32 i = m->global_imports; i < m->global_count; i++)
        const_eval(m, m->globals[i].init, &env);
    for (u32 i = 0; i < m->table_count; i++)
        if (m->tables[i].has_init)
            const_eval(m, m->tables[i].init, &env);
    for (u32 i = 0; i < m->data_count; i++)
        if (m->datas[i].mode == SEGMENT_ACTIVE)
            const_eval(m, m->datas[i].offset, &env);
    for (u32 i = 0; i < m->elem_count; i++) {
        const struct elem_segment *s = &m->elems[i];
        u64 at = s->at;
        if (s->mode == SEGMENT_ACTIVE)
            const_eval(m, s->offset, &env);
        for (u32 item = 0; item < s->count; item++)
            elem_next(m, s, &at, &env);
        assert(at <= m->size);
    }
}

static void
walk_names(const struct module *m)
{
    char text[256];

    for (u32 i = 0; i < MIN(m->func_count, 100); i++)
        assert(module_func_name(m, i).ptr != NULL);
    for (u32 i = 0; i < MIN(m->type_count, 100); i++) {
        type_format(text, sizeof(text), m, i);
        assert(m->types[i].canonical <= i);
    }
    for (u32 i = 0; i < MIN(m->export_count, 100); i++)
        assert(module_export(m, m->exports[i].name) == &m->exports[i]);
}

// Step through a body as the compiler does.
static void
walk_body(const struct module *m, u32 func, struct arena *arena,
          struct error *error)
{
    u64 mark = arena_mark(arena);
    struct validator v;
    struct op op;
    u64 at = m->funcs[func].at;

    validator_init(&v, m, func, arena, error);
    for (u32 i = 0; i < v.local_count && error->status == OK; i++)
        assert(validator_local_type(&v, i) != VAL_NONE);
    while (validator_next(&v, &op)) {
        assert(op.at >= at && op.at < m->funcs[func].end);
        at = op.at;
        assert(v.operand_count <= v.operand_capacity || v.frame_count == 0);
        assert(v.frame_count > 0 || op.code == WASM_END);
    }
    assert(error->status != OK || v.frame_count == 0);
    arena_reset(arena, mark);
}

int
LLVMFuzzerTestOneInput(const u8 *bytes, size_t size)
{
    struct arena *arena = fuzz_arena();
    struct error error = {0};
    struct module m;

    status_t status =
        module_decode(&m, (struct bytes){(u8 *)bytes, size}, arena, &error);
    if (status == OK) {
        walk_constants(&m);
        walk_names(&m);
    }
    if (status == OK || status == ERR_UNSUPPORTED) {
        error = (struct error){0};
        for (u32 i = m.func_imports; i < m.func_count && !error.status; i++)
            walk_body(&m, i, arena, &error);
        status = error.status;
    }
    fuzz_check_verdict(status, &error, size);
    assert(arena->peak <= 64 * size + MIB);
    return 0;
}
