// compile/judge.c: what the verifier is told about a module: its declarations,
// in the few words that matter.

#include "compile/compile.h"

#include "verify/decode.h"

static u32
features_of(u32 cpu)
{
    static const struct {
        u32 cpu, verify;
    } rows[] = {
        {CPU_AVX,   VERIFY_AVX  },
        {CPU_AVX2,  VERIFY_AVX2 },
        {CPU_BMI1,  VERIFY_BMI1 },
        {CPU_BMI2,  VERIFY_BMI2 },
        {CPU_LZCNT, VERIFY_LZCNT},
    };
    u32 all = 0;

    for (u32 i = 0; i < COUNT(rows); i++)
        if ((cpu & rows[i].cpu) != 0)
            all |= rows[i].verify;
    return all;
}

// The general registers among the next places that get an i32.
static u32
narrow_of(const struct module *m, struct abi_walk *walk, const valtype_t *vals,
          u32 count, const u8 regs[ABI_INTS])
{
    u32 set = 0;

    for (u32 i = 0; i < count; i++) {
        struct abi_place place = abi_next(walk, vals[i]);
        if (place.kind == ABI_INT && valtype_is_narrow(m, vals[i]))
            set |= 1u << regs[place.at];
    }
    abi_end(walk);
    return set;
}

static struct verify_type
type_of(const struct module *m, const struct type *t, struct abi_size size)
{
    struct abi_walk walk = {0};
    u32 params = narrow_of(m, &walk, t->vals, t->param_count, abi_int_args);
    u32 results = narrow_of(m, &walk, t->vals + t->param_count, t->result_count,
                            abi_int_results);

    return (struct verify_type){.params = (u16)params,
                                .results = (u16)results,
                                .args = size.args,
                                .returned = size.results};
}

static struct verify_memory
memory_of(const struct limits *l)
{
    return (struct verify_memory){.guarded = memory_is_guarded(l),
                                  .bits = l->is64 ? 64 : 33};
}

static struct verify_table
table_of(const struct table_type *t)
{
    return (struct verify_table){
        .min = t->limits.min, .funcs = t->kind == REF_FUNC, .kind = t->kind};
}

static u8
global_of(const struct module *m, u32 k)
{
    if (global_is_shared(m, k))
        return VERIFY_SHARED;
    return m->globals[k].type.mutable ? VERIFY_OWN : VERIFY_CONSTANT;
}

// The arrays of a module.
struct declared {
    struct verify_type *types;
    u32 *func_types;
    struct verify_memory *memories;
    struct verify_table *tables;
    u8 *globals;
    u32 *tags;
};

static bool
declared_new(struct declared *d, const struct module *m, struct arena *temp)
{
    *d = (struct declared){
        .types = ARENA_NEW(temp, struct verify_type, m->type_count),
        .func_types = ARENA_NEW(temp, u32, m->func_count),
        .memories = ARENA_NEW(temp, struct verify_memory, m->memory_count),
        .tables = ARENA_NEW(temp, struct verify_table, m->table_count),
        .globals = ARENA_NEW(temp, u8, m->global_count),
        .tags = ARENA_NEW(temp, u32, m->tag_count),
    };
    return d->types != NULL && d->func_types != NULL && d->memories != NULL &&
           d->tables != NULL && d->globals != NULL && d->tags != NULL;
}

static status_t
declared_fill(struct declared *d, const struct module *m,
              const struct code *code, struct arena *temp)
{
    for (u32 k = 0; k < m->type_count; k++) {
        if (!arena_may_step(temp, k * 64ull))
            return ERR_KILLED;
        if (m->types[k].kind == TYPE_FUNC)
            d->types[k] = type_of(m, &m->types[k], code->sizes[k]);
    }
    for (u32 k = 0; k < m->func_count; k++) {
        if (!arena_may_step(temp, k))
            return ERR_KILLED;
        d->func_types[k] = m->funcs[k].type;
    }
    for (u32 k = 0; k < m->memory_count; k++)
        d->memories[k] = memory_of(&m->memories[k]);
    for (u32 k = 0; k < m->table_count; k++)
        d->tables[k] = table_of(&m->tables[k].type);
    for (u32 k = 0; k < m->global_count; k++) {
        if (!arena_may_step(temp, k))
            return ERR_KILLED;
        d->globals[k] = global_of(m, k);
    }
    for (u32 k = 0; k < m->tag_count; k++)
        d->tags[k] = m->types[m->tags[k]].param_count;
    return OK;
}

static struct verify_code
code_of(const struct code *c)
{
    return (struct verify_code){
        .text = c->text,
        .size = (u32)c->size,
        .entries = c->entries,
        .funcs = c->funcs,
        .traps = c->traps,
        .calls = c->calls,
        .tries = c->tries,
        .catches = c->catches,
        .heads = c->heads,
        .func_count = c->func_count,
        .trap_count = c->trap_count,
        .call_count = c->call_count,
        .try_count = c->try_count,
        .catch_count = c->catch_count,
        .head_count = c->head_count,
    };
}

status_t
module_compile_describe(struct verify_module *out, const struct module *m,
                        const struct code *code, u32 features,
                        struct arena *temp)
{
    struct declared d;
    status_t status = ERR_NO_MEMORY;

    if (declared_new(&d, m, temp))
        status = declared_fill(&d, m, code, temp);
    *out = (struct verify_module){
        .code = code_of(code),
        .layout = m->layout,
        .counts = m->counts,
        .types = d.types,
        .func_types = d.func_types,
        .memories = d.memories,
        .tables = d.tables,
        .globals = d.globals,
        .tags = d.tags,
        .func_count = m->func_count,
        .func_imports = m->func_imports,
        .memory_count = m->memory_count,
        .elem_count = m->elem_count,
        .data_count = m->data_count,
        .features = features_of(features),
    };
    return status;
}

status_t
module_compile_verify(const struct code *code, const struct module *m,
                      u32 features, struct arena *temp,
                      struct verify_error *error)
{
    u64 mark = arena_mark(temp);
    struct verify_module v;
    status_t status = module_compile_describe(&v, m, code, features, temp);

    if (status == OK)
        status = verify_code(&v, temp, error);
    arena_reset(temp, mark);
    return status;
}

// --- in pieces ---------------------------------------------------------------

enum { PIECE = 64 * 1024 }; // bytes of code, or one function

// The first row of funcs from there on.
static u32
row_from(const struct verify_code *c, u64 pc)
{
    u32 low = 0, high = c->func_count;

    while (low < high) {
        u32 middle = low + (high - low) / 2;
        if (c->funcs[middle].start < pc)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

status_t
module_compile_judging(struct module_judging *j, const struct code *code,
                       const struct module *m, u32 features, struct arena *temp,
                       struct verify_error *error)
{
    status_t status =
        module_compile_describe(&j->module, m, code, features, temp);

    j->pieces = (u32)(ALIGN_UP(MAX(code->size, 1), PIECE) / PIECE);
    j->try_funcs = ARENA_NEW(temp, u32, code->try_count);
    if (status == OK && j->try_funcs == NULL)
        status = ERR_NO_MEMORY;
    if (status == OK)
        status = verify_tables(&j->module, j->try_funcs, temp, error);
    return status;
}

status_t
module_compile_judge(const struct module_judging *j, u32 piece,
                     struct arena *temp, struct verify_error *error)
{
    u32 first = row_from(&j->module.code, (u64)piece * PIECE);
    u32 end = row_from(&j->module.code, (piece + 1ull) * PIECE);

    return verify_range(&j->module, j->try_funcs, first, end, temp, error);
}

u64
module_compile_judge_room(const struct module_judging *j)
{
    return 8ull * j->module.code.size + MIB; // more than twice what it does
}

// --- in words ----------------------------------------------------------------

// The instruction there: its bytes, and what they are.
static void
instruction_words(char *to, u64 size, const struct code *code, u32 pc)
{
    enum { SHOWN = 8 };
    struct verify_ins ins;
    const u8 *at = code->text + pc, *end = code->text + code->size;
    u32 len = 0;

    to[0] = 0;
    if (at >= end)
        return;
    bool decoded = verify_decode(&ins, at, end) == RULE_OK;
    u64 count = decoded ? ins.length : MIN((u64)(end - at), (u64)SHOWN);
    for (u32 i = 0; i < count; i++)
        len += format(to + len, size - len, " %02x", at[i]);
    format(to + len, size - len, " (%s)",
           decoded ? verify_form_text(ins.form) : "not decoded");
}

void
module_compile_words(char *to, u64 size, const struct module *m,
                     const struct code *code, const struct verify_error *e)
{
    char ins[128] = "";
    struct string name;

    if (e->func == NO_INDEX) { // the tables
        format_safe(to, size, "the verifier refuses the code: %s",
                    verify_rule_text(e->rule));
        return;
    }
    name = module_func_name(m, e->func);
    instruction_words(ins, sizeof(ins), code, e->pc);
    format_safe(to, size,
                "the verifier refuses func[%u] \"%.*s\" at 0x%x: %s:%s",
                e->func, (int)MIN(name.len, 64u), name.ptr, e->pc,
                verify_rule_text(e->rule), ins);
}
