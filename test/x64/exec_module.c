// test/x64/exec_module.c: instantiate and call a module, without the kernel.

#include "test/x64/exec.h"
#include "runtime/internal.h"
#include "port/x64/port_x64.h"

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <ucontext.h>

enum {
    SPECTEST_TABLE = 10,
    SPECTEST_TABLE_MAX = 20,
    STACK_USED = 1 << 20, // what a call may take of the stack
};

static const u64 SLOT_SIZE = 8 * GIB;

// --- traps -------------------------------------------------------------------

static sigjmp_buf trapped;
static volatile enum trap trap_kind;

// The general registers in the order of their numbers.
static void
registers_of(const ucontext_t *uc, u64 regs[16])
{
    static const int order[16] = {
        REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
        REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

    for (u32 i = 0; i < 16; i++)
        regs[i] = (u64)uc->uc_mcontext.gregs[order[i]];
}

// Does an access out of bounds hit the slot of one of the memories?
static bool
in_a_slot(u64 address)
{
    const struct exec *e = exec_current;

    for (u32 i = 0; i < e->m.memory_count; i++)
        if (address - (u64)e->memories[i].base < SLOT_SIZE)
            return true;
    return false;
}

static void
on_signal(int number, siginfo_t *info, void *context)
{
    const ucontext_t *uc = context;
    u64 pc = (u64)uc->uc_mcontext.gregs[REG_RIP], regs[16];
    u64 text = exec_current ? (u64)exec_current->pc : 0;
    const struct trap_site *site = NULL;

    if (exec_current != NULL && pc >= text &&
        pc < text + exec_current->code.size)
        site = code_trap(&exec_current->code, pc - text);
    if (site != NULL && number == SIGSEGV && !in_a_slot((u64)info->si_addr))
        site = NULL;
    if (site == NULL) {
        fprintf(stderr, "signal %d at %#llx (code + %#llx), address %p\n",
                number, (unsigned long long)pc, (unsigned long long)(pc - text),
                info->si_addr);
        signal(number, SIG_DFL);
        return;
    }
    trap_kind = site->trap;
    if (number == SIGFPE) {
        registers_of(uc, regs);
        trap_kind = divisor_is_zero((const u8 *)pc, regs) ?
                        TRAP_DIVIDE_BY_ZERO :
                        TRAP_INTEGER_OVERFLOW;
    }
    siglongjmp(trapped, 1);
}

void
exec_init(void)
{
    static u8 stack[64 * 1024];
    const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
    const stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)};
    struct sigaction action = {.sa_sigaction = on_signal,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK};

    sigaltstack(&alternate, NULL);
    for (u32 i = 0; i < COUNT(signals); i++)
        sigaction(signals[i], &action, NULL);
}

void
exec_trap(enum trap trap)
{
    trap_kind = trap;
    siglongjmp(trapped, 1);
}

enum trap
exec_call(struct exec *e, u32 func, u64 (*slots)[2])
{
    const struct type *type = &e->m.types[e->m.funcs[func].type];
    u8 here;

    exec_current = e;
    e->vm->stack_limit = (u64)&here - STACK_USED;
    if (sigsetjmp(trapped, 1) != 0)
        return trap_kind;
    call_entry(e->vm, &e->vm->funcs[e->vm->func_base + func], type, slots);
    return TRAP_NONE;
}

// --- memory of all kinds -----------------------------------------------------

static bool
commit(struct arena *arena, u64 from, u64 to)
{
    return mprotect(arena->base + from, to - from, PROT_READ | PROT_WRITE) == 0;
}

static void *
reserve(u64 size)
{
    void *p = mmap(NULL, size, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED)
        abort();
    return p;
}

static void
arena_reserve(struct arena *arena)
{
    *arena =
        (struct arena){.base = reserve(GIB), .reserved = GIB, .commit = commit};
}

static struct bytes
read_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct bytes file;

    if (f == NULL)
        abort();
    fseek(f, 0, SEEK_END);
    file.size = (u64)ftell(f);
    file.ptr = malloc(file.size + 1);
    rewind(f);
    if (fread(file.ptr, 1, file.size, f) != file.size)
        abort();
    fclose(f);
    return file;
}

// --- imports -----------------------------------------------------------------

static void
host_nothing(void)
{
}

static bool
is_spectest(const struct module *m)
{
    for (u32 i = 0; i < m->import_count; i++)
        if (!string_equal(m->imports[i].module, STRING("spectest")) ||
            m->imports[i].kind == EXTERN_TAG)
            return false;
    return true;
}

// spectest's globals: 666 of each type, by its bits.
static u64
spectest_global(valtype_t type)
{
    switch (type) {
    case VAL_F32:
        return 0x4426a666; // 666.6
    case VAL_F64:
        return 0x4084d4cccccccccd;
    default:
        return 666;
    }
}

// --- instances ---------------------------------------------------------------

static void
make_memories(struct exec *e)
{
    struct vmctx_memory *out = vmctx_memories(&e->m.layout, e->vm);

    e->memories = calloc(e->m.memory_count + 1, sizeof(*e->memories));
    for (u32 i = 0; i < e->m.memory_count; i++) {
        const struct limits *limits = &e->m.memories[i];
        bool imported = i < e->m.memory_imports;
        u64 min = imported ? 1 : limits->min;
        u64 max = imported ? 2 : limits->max;
        struct exec_memory *m = &e->memories[i];
        u64 most = 4 * GIB >> limits->page_log2;
        m->base = reserve(SLOT_SIZE + 64 * KIB);
        m->view.size = MIN(min, most) << limits->page_log2;
        m->view.max = MIN(max, most) << limits->page_log2;
        if (m->view.size > 0 && mprotect(m->base, ALIGN_UP(m->view.size, 4096),
                                         PROT_READ | PROT_WRITE) != 0)
            abort();
        out[i] = (struct vmctx_memory){m->base, &m->view};
    }
}

static void
make_tables(struct exec *e)
{
    struct vmctx_table *out = vmctx_tables(&e->m.layout, e->vm);

    e->tables = calloc(e->m.table_count + 1, sizeof(*e->tables));
    for (u32 i = 0; i < e->m.table_count; i++) {
        struct exec_table *t = &e->tables[i];
        bool imported = i < e->m.table_imports;
        t->view.base = calloc(EXEC_TABLE_MAX, sizeof(u64));
        t->view.count =
            MIN(imported ? SPECTEST_TABLE : e->m.tables[i].type.limits.min,
                EXEC_TABLE_MAX);
        out[i] = (struct vmctx_table){&t->view};
    }
}

static void
make_functions(struct exec *e)
{
    struct func_entry *imports = vmctx_imports(&e->m.layout, e->vm);
    u32 *types = vmctx_types(&e->m.layout, e->vm);
    static const u8 ud2[2] = {0x0f, 0x0b};

    e->vm->func_base = 1;
    e->vm->funcs = calloc(e->m.func_count + 1, sizeof(*e->vm->funcs));
    e->vm->funcs[0].code = (u64)ud2;
    e->vm->funcs[0].id = e->m.func_count + 1;
    for (u32 i = 0; i < e->m.func_count; i++) {
        const struct type *type = &e->m.types[e->m.funcs[i].type];
        struct func_entry *entry = &e->vm->funcs[i + 1];
        entry->code = (u64)(e->pc + e->code.entries[i]);
        entry->sig = type->canonical + 1;
        entry->id = i + 1;
        if (i < e->m.func_imports) {
            entry->code = (u64)host_nothing;
            imports[i] = *entry;
        }
    }
    for (u32 i = 0; i < e->m.type_count; i++)
        types[i] = e->m.types[i].canonical + 1;
}

static union value
global_value(void *self, u32 index)
{
    struct exec *e = self;
    struct vmctx_global *globals = vmctx_globals(&e->m.layout, e->vm);
    union value value;
    const void *from = &globals[index];

    if (global_is_shared(&e->m, index))
        from = (const void *)globals[index].bits[0];
    memcpy(&value, from, sizeof(value));
    return value;
}

static u64
func_value(void *self, u32 index)
{
    struct exec *e = self;

    return e->vm->func_base + index;
}

static void
make_globals(struct exec *e, const struct const_env *env)
{
    struct vmctx_global *globals = vmctx_globals(&e->m.layout, e->vm);

    for (u32 i = 0; i < e->m.global_count; i++) {
        const struct global *g = &e->m.globals[i];
        if (i >= e->m.global_imports) {
            union value value = const_eval(&e->m, g->init, env);
            memcpy(&globals[i], &value, sizeof(value));
            continue;
        }
        globals[i].bits[0] = spectest_global(g->type.type);
        if (g->type.mutable) {
            u64 *own = calloc(2, sizeof(u64));
            own[0] = globals[i].bits[0];
            globals[i].bits[0] = (u64)own;
        }
    }
}

// The initial contents of tables; ERR_TRAP when they do not fit.
static enum trap
fill_tables(struct exec *e, const struct const_env *env)
{
    typedef u32 init_fn(struct vmctx *, u64, u64, u64, u64);
    typedef u32 fill_fn(struct vmctx *, u32, u64, u64, u64);
    init_fn *init = (init_fn *)exec_builtins[BUILTIN_TABLE_INIT];
    fill_fn *fill = (fill_fn *)exec_builtins[BUILTIN_TABLE_FILL];

    for (u32 i = 0; i < e->m.table_count; i++)
        if (e->m.tables[i].has_init)
            fill(e->vm, i, 0, const_eval(&e->m, e->m.tables[i].init, env).i64,
                 e->tables[i].view.count);
    for (u32 i = 0; i < e->m.elem_count; i++) {
        const struct elem_segment *s = &e->m.elems[i];
        if (s->mode == SEGMENT_ACTIVE) {
            union value at = const_eval(&e->m, s->offset, env);
            bool is64 = e->m.tables[s->table].type.limits.is64;
            if (init(e->vm, s->table | (u64)i << 32, is64 ? at.i64 : at.i32, 0,
                     s->count) != 0)
                return TRAP_TABLE_BOUNDS;
        }
        e->dropped_elems[i] = s->mode != SEGMENT_PASSIVE;
    }
    return TRAP_NONE;
}

static enum trap
fill_memories(struct exec *e, const struct const_env *env)
{
    typedef u32 init_fn(struct vmctx *, u64, u64, u64, u64);
    init_fn *init = (init_fn *)exec_builtins[BUILTIN_MEMORY_INIT];

    for (u32 i = 0; i < e->m.data_count; i++) {
        const struct data_segment *s = &e->m.datas[i];
        if (s->mode != SEGMENT_ACTIVE)
            continue;
        union value at = const_eval(&e->m, s->offset, env);
        bool is64 = e->m.memories[s->memory].is64;
        if (init(e->vm, s->memory | (u64)i << 32, is64 ? at.i64 : at.i32, 0,
                 s->size) != 0)
            return TRAP_MEMORY_BOUNDS;
        e->dropped_datas[i] = true;
    }
    return TRAP_NONE;
}

static enum trap
instantiate(struct exec *e)
{
    const struct const_env env = {e, global_value, func_value, NULL};
    u64 slots[1][2] = {0};
    enum trap trap;

    exec_current = e;
    e->vm = aligned_alloc(64, ALIGN_UP(e->m.layout.size, 64));
    memset(e->vm, 0, e->m.layout.size);
    e->dropped_datas = calloc(e->m.data_count + 1, sizeof(bool));
    e->dropped_elems = calloc(e->m.elem_count + 1, sizeof(bool));
    e->vm->builtins = exec_builtins;
    make_functions(e);
    make_memories(e);
    make_tables(e);
    make_globals(e, &env);
    trap = fill_tables(e, &env);
    if (trap == TRAP_NONE)
        trap = fill_memories(e, &env);
    if (trap == TRAP_NONE && e->m.start != NO_INDEX)
        trap = exec_call(e, e->m.start, slots);
    return trap;
}

static bool
publish(struct exec *e)
{
    u64 size = ALIGN_UP(e->code.size + 1, 4096);

    e->pc = mmap(NULL, size, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (e->pc == MAP_FAILED)
        return false;
    memcpy(e->pc, e->code.text, e->code.size);
    return mprotect(e->pc, size, PROT_READ | PROT_EXEC) == 0;
}

status_t
exec_new(struct exec *e, const char *path, const struct exec_options *options,
         enum trap *trap)
{
    return exec_new_bytes(e, read_file(path), options, trap);
}

status_t
exec_new_bytes(struct exec *e, struct bytes bytes,
               const struct exec_options *options, enum trap *trap)
{
    struct compile_options compile = {.features = options->features,
                                      .plain = options->plain,
                                      .part_ins = options->part_ins};

    *e = (struct exec){.file = bytes};
    *trap = TRAP_NONE;
    arena_reserve(&e->keep);
    arena_reserve(&e->text);
    arena_reserve(&e->temp);
    status_t status = module_decode(&e->m, e->file, &e->keep, &e->error);
    if (status == OK && !is_spectest(&e->m))
        return ERR_UNKNOWN_IMPORT;
    if (status == OK && (e->m.tag_count > 0 || e->m.has_heap))
        return ERR_UNSUPPORTED; // unwinding and objects are the kernel's
    if (status == OK)
        status = module_compile(&e->code, &e->m, &compile, &e->text, &e->keep,
                                &e->temp, &e->error);
    if (status != OK)
        return status;
    if (!publish(e))
        return ERR_NO_MEMORY;
    *trap = instantiate(e);
    return *trap == TRAP_NONE ? OK : ERR_TRAP;
}

void
exec_free(struct exec *e)
{
    munmap(e->keep.base, e->keep.reserved);
    munmap(e->text.base, e->text.reserved);
    munmap(e->temp.base, e->temp.reserved);
    free(e->file.ptr);
    for (u32 i = 0; e->memories != NULL && i < e->m.memory_count; i++)
        munmap(e->memories[i].base, SLOT_SIZE + 64 * KIB);
    for (u32 i = 0; e->tables != NULL && i < e->m.table_count; i++)
        free(e->tables[i].view.base);
    free(e->memories);
    free(e->tables);
    free(e->dropped_datas);
    free(e->dropped_elems);
    if (e->vm != NULL)
        free(e->vm->funcs);
    free(e->vm);
    *e = (struct exec){0};
}
