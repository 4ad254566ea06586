// test/mutants/guard.c: see test/mutants/guard.h.

#include "test/mutants/guard.h"
#include "verify/decode.h"
#include "verify/judge.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    MEMORIES = 3,
    TABLES = 3,
    MEMORY_MOST = 256 * 1024, // bytes
    TABLE_MOST = 4096,        // entries
    STACK_SIZE = 256 * 1024,
    ABOVE = 4096, // of the stack, above the frame that calls
    PAGE = 4096,
    TICK_US = 2000, // of CPU time
    TICKS = 2,      // a run is stopped with the last of so many
    STOPS = 200,    // or at so many calls
    CANARY = 0xa5,
    RSEQ_SIZE = 32,
};

// Each has 16 GiB of addresses, of which only its pages are mapped.
enum { TEXT, STUBS, VMCTX, FUNCS, VIEWS, CELLS, STACK, MEMORY, TABLE = 10 };
enum { PARTS = TABLE + TABLES, SPACING_LOG2 = 34 };
_Static_assert(MEMORY + MEMORIES == TABLE, "one after the other");

// In STUBS, an int3 each: where the function returns to, then builtins, then
// imports; in front, a system call.
enum { STUB_EXIT = 16, STUB_BUILTIN = 32 };
enum { STUB_IMPORT = STUB_BUILTIN + BUILTIN_COUNT };

struct part {
    u64 size;
    u32 free_at, free_size; // what may be written, and is put back
    u8 *ours, *first;       // as it is, as it was at first
    u64 offset;             // in the file
    int rights;
};

struct guard {
    const struct module *m;
    const struct code *code;
    struct part parts[PARTS];
    int file, child;
    u64 vmctx; // address there
    struct user_regs_struct regs;
    struct user_fpregs_struct vectors;
};

static u64
address_of(u32 part)
{
    return (1ull << 44) + ((u64)part << SPACING_LOG2);
}

// --- what there is -----------------------------------------------------------

// A part of so many bytes, at its end; the part's pages before are canaries.
static u8 *
part_new(struct guard *g, u32 part, u64 size, int rights, bool is_free)
{
    struct part *p = &g->parts[part];

    p->size = ALIGN_UP(MAX(size, 1), PAGE);
    p->offset = ALIGN_UP((u64)lseek(g->file, 0, SEEK_END), PAGE);
    p->rights = rights;
    if (ftruncate(g->file, (i64)(p->offset + p->size)) != 0)
        abort();
    p->ours = mmap(NULL, p->size, PROT_READ | PROT_WRITE, MAP_SHARED, g->file,
                   (i64)p->offset);
    p->first = malloc(p->size);
    if (p->ours == MAP_FAILED || p->first == NULL)
        abort();
    memset(p->ours, CANARY, p->size - size);
    p->free_at = (u32)(p->size - size);
    p->free_size = is_free ? (u32)size : 0;
    return p->ours + p->free_at;
}

// Where the part's contents start there.
static u64
contents_at(const struct guard *g, u32 part)
{
    return address_of(part) + g->parts[part].free_at;
}

static union value
global_value(void *self, u32 index)
{
    struct guard *g = self;
    union value value;
    u8 *vm = g->parts[VMCTX].ours + g->parts[VMCTX].free_at;

    memcpy(&value,
           vm + g->m->layout.globals + index * sizeof(struct vmctx_global),
           sizeof(value));
    return value;
}

static u64
func_value(void *self, u32 index)
{
    (void)self;
    return index + 1;
}

static struct const_env
env_of(struct guard *g)
{
    return (struct const_env){g, global_value, func_value, NULL};
}

static void
make_code(struct guard *g)
{
    u8 *text = part_new(g, TEXT, ALIGN_UP(g->code->size, PAGE),
                        PROT_READ | PROT_EXEC, false);
    u64 stubs = STUB_IMPORT + g->m->func_imports;
    u8 *stub =
        part_new(g, STUBS, ALIGN_UP(stubs, PAGE), PROT_READ | PROT_EXEC, false);

    memset(text, 0xcc, g->parts[TEXT].size);
    memcpy(text, g->code->text, g->code->size);
    memset(stub, 0xcc, g->parts[STUBS].size);
    stub[0] = 0x0f; // syscall
    stub[1] = 0x05;
}

static void
make_funcs(struct guard *g, struct func_entry *imports, u32 *types)
{
    const struct module *m = g->m;
    struct func_entry *funcs = (void *)part_new(
        g, FUNCS, (m->func_count + 1) * sizeof(*funcs), PROT_READ, false);

    funcs[0] = (struct func_entry){.code = address_of(STUBS) + STUB_EXIT,
                                   .id = m->func_count + 1};
    for (u32 i = 0; i < m->func_count; i++) {
        funcs[i + 1] =
            (struct func_entry){.code = address_of(TEXT) + g->code->entries[i],
                                .sig = m->types[m->funcs[i].type].canonical + 1,
                                .id = i + 1};
        if (i >= m->func_imports)
            continue;
        funcs[i + 1].code = address_of(STUBS) + STUB_IMPORT + i;
        imports[i] = funcs[i + 1];
    }
    for (u32 i = 0; i < m->type_count; i++)
        types[i] = m->types[i].canonical + 1;
}

static void
make_globals(struct guard *g, struct vmctx_global *globals)
{
    u64 *cells = (void *)part_new(g, CELLS, 16ull * (g->m->global_count + 1),
                                  PROT_READ | PROT_WRITE, true);
    const struct const_env env = env_of(g);
    union value value = {0};

    for (u32 i = 0; i < g->m->global_count; i++) {
        const struct global *global = &g->m->globals[i];
        memset(&value, 0, sizeof(value));
        if (i >= g->m->global_imports)
            value = const_eval(g->m, global->init, &env);
        memcpy(&globals[i], &value, sizeof(globals[i]));
        if (!global_is_shared(g->m, i))
            continue;
        memcpy(cells + 2 * i, &value, 16);
        globals[i].bits[0] = contents_at(g, CELLS) + 16ull * i;
    }
}

static void
make_memories(struct guard *g, struct memory_view *views,
              struct vmctx_memory *out)
{
    const struct const_env env = env_of(g);

    for (u32 i = 0; i < g->m->memory_count; i++) {
        const struct limits *l = &g->m->memories[i];
        u64 size = l->min << l->page_log2;
        if (size > 0)
            part_new(g, MEMORY + i, ALIGN_UP(size, PAGE),
                     PROT_READ | PROT_WRITE, true);
        views[i] = (struct memory_view){.size = size, .max = size};
        out[i].base = (void *)address_of(MEMORY + i);
        out[i].view =
            (void *)(contents_at(g, VIEWS) + i * sizeof(struct memory_view));
    }
    for (u32 i = 0; i < g->m->data_count; i++) {
        const struct data_segment *s = &g->m->datas[i];
        const struct part *p = &g->parts[MEMORY + s->memory];
        if (s->mode != SEGMENT_ACTIVE)
            continue;
        u64 at = (u32)const_eval(g->m, s->offset, &env).i32;
        if (at <= p->size && s->size <= p->size - at)
            memcpy(p->ours + at, g->m->bytes + s->at, s->size);
    }
}

static void
fill_table(struct guard *g, const struct elem_segment *s, u64 *entries,
           u64 count)
{
    const struct const_env env = env_of(g);
    u64 at = (u32)const_eval(g->m, s->offset, &env).i32, item = s->at;

    if (at > count || s->count > count - at)
        return;
    for (u32 i = 0; i < s->count; i++)
        entries[at + i] = elem_next(g->m, s, &item, &env);
}

static void
make_tables(struct guard *g, struct table_view *views, u64 views_at,
            struct vmctx_table *out)
{
    const struct const_env env = env_of(g);

    for (u32 i = 0; i < g->m->table_count; i++) {
        const struct table *t = &g->m->tables[i];
        u64 count = t->type.limits.min;
        u64 *entries = (void *)part_new(g, TABLE + i, 8 * MAX(count, 1),
                                        PROT_READ | PROT_WRITE, true);
        u64 first = t->has_init ? const_eval(g->m, t->init, &env).i64 : 0;
        for (u64 k = 0; k < MAX(count, 1); k++)
            entries[k] = first;
        views[i] = (struct table_view){
            .base = (void *)contents_at(g, TABLE + i), .count = count};
        out[i].view = (void *)(views_at + i * sizeof(*views));
        for (u32 k = 0; k < g->m->elem_count; k++)
            if (g->m->elems[k].mode == SEGMENT_ACTIVE &&
                g->m->elems[k].table == i)
                fill_table(g, &g->m->elems[k], entries, count);
    }
}

static void
make_world(struct guard *g)
{
    const struct vmctx_layout *l = &g->m->layout;
    struct vmctx *vm =
        (void *)part_new(g, VMCTX, l->size, PROT_READ | PROT_WRITE, false);
    u64 memories = MEMORIES * sizeof(struct memory_view);
    u64 tables = TABLES * sizeof(struct table_view);
    u8 *views = part_new(g, VIEWS, memories + tables + 8 * BUILTIN_COUNT,
                         PROT_READ, false);
    u64 *builtins = (u64 *)(views + memories + tables);

    memset(vm, 0, l->size);
    make_code(g);
    make_funcs(g, vmctx_imports(l, vm), vmctx_types(l, vm));
    make_globals(g, vmctx_globals(l, vm));
    make_memories(g, (void *)views, vmctx_memories(l, vm));
    make_tables(g, (void *)(views + memories), contents_at(g, VIEWS) + memories,
                vmctx_tables(l, vm));
    part_new(g, STACK, STACK_SIZE, PROT_READ | PROT_WRITE, true);
    for (u32 i = 0; i < BUILTIN_COUNT; i++)
        builtins[i] = address_of(STUBS) + STUB_BUILTIN + i;
    vm->stack_limit = address_of(STACK) + STACK_SLACK;
    vm->funcs = (void *)contents_at(g, FUNCS);
    vm->builtins = (void *)(contents_at(g, VIEWS) + memories + tables);
    vm->func_base = 1;
    g->vmctx = contents_at(g, VMCTX);
    for (u32 i = 0; i < PARTS; i++)
        if (g->parts[i].size > 0)
            memcpy(g->parts[i].first, g->parts[i].ours, g->parts[i].size);
}

// --- the process -------------------------------------------------------------

// In the new process: make what is in the file the only thing that matters.
NORETURN static void
be_child(const struct guard *g)
{
    const struct itimerval tick = {
        {0, TICK_US},
        {0, TICK_US}
    };

    for (u32 i = 0; i < PARTS; i++) {
        const struct part *p = &g->parts[i];
        if (p->size > 0 &&
            mmap((void *)address_of(i), p->size, p->rights,
                 MAP_SHARED | MAP_FIXED, g->file, (i64)p->offset) == MAP_FAILED)
            abort();
    }
    // Memory of the C library's that the system writes when it switches.
    (void)syscall(SYS_rseq, (u8 *)__builtin_thread_pointer() + __rseq_offset,
                  RSEQ_SIZE, RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
    setitimer(ITIMER_VIRTUAL, &tick, NULL);
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
    abort();
}

static int
wait_for(struct guard *g)
{
    int status = 0;

    if (waitpid(g->child, &status, 0) != g->child || !WIFSTOPPED(status)) {
        fprintf(stderr, "guard: the process is gone (%x)\n", status);
        exit(2);
    }
    return WSTOPSIG(status);
}

// Let it do a system call.
static void
unmap(struct guard *g, u64 from, u64 to)
{
    struct user_regs_struct regs = g->regs;

    regs.rip = address_of(STUBS);
    regs.rax = SYS_munmap;
    regs.rdi = from;
    regs.rsi = to - from;
    ptrace(PTRACE_SETREGS, g->child, NULL, &regs);
    do
        ptrace(PTRACE_CONT, g->child, NULL, NULL);
    while (wait_for(g) == SIGVTALRM);
}

// All that is not of this file goes, its first code and stack, too.
static void
strip(struct guard *g)
{
    char path[64], line[512];
    unsigned long long from[256], to[256];
    u32 count = 0;

    snprintf(path, sizeof(path), "/proc/%d/maps", g->child);
    FILE *maps = fopen(path, "r");
    while (maps != NULL && count < COUNT(from) &&
           fgets(line, sizeof(line), maps) != NULL) {
        if (sscanf(line, "%llx-%llx", &from[count], &to[count]) == 2 &&
            (from[count] < address_of(0) || from[count] >= address_of(PARTS)) &&
            to[count] < 1ull << 47)
            count++;
    }
    if (maps != NULL)
        fclose(maps);
    for (u32 i = 0; i < count; i++)
        unmap(g, from[i], to[i]);
}

static void
start(struct guard *g)
{
    fflush(NULL);
    g->child = fork();
    if (g->child == 0)
        be_child(g);
    (void)wait_for(g);
    ptrace(PTRACE_SETOPTIONS, g->child, NULL, PTRACE_O_EXITKILL);
    ptrace(PTRACE_GETREGS, g->child, NULL, &g->regs);
    ptrace(PTRACE_GETFPREGS, g->child, NULL, &g->vectors);
    g->regs.orig_rax = -1ull;
    strip(g);
}

static const char *
too_much(const struct module *m)
{
    if (m->has_heap || m->memory_count > MEMORIES || m->table_count > TABLES)
        return "memories or tables";
    for (u32 i = 0; i < m->memory_count; i++)
        if (m->memories[i].min > (u64)MEMORY_MOST >> m->memories[i].page_log2)
            return "a large memory";
    for (u32 i = 0; i < m->table_count; i++)
        if (m->tables[i].type.limits.min > TABLE_MOST)
            return "a large table";
    return NULL;
}

struct guard *
guard_new(const struct module *m, const struct code *code, const char **why)
{
    *why = too_much(m);
    if (*why != NULL)
        return NULL;
    struct guard *g = calloc(1, sizeof(*g));

    g->m = m;
    g->code = code;
    g->file = memfd_create("guard", 0);
    if (g->file < 0)
        abort();
    make_world(g);
    start(g);
    return g;
}

void
guard_free(struct guard *g)
{
    kill(g->child, SIGKILL);
    waitpid(g->child, NULL, 0);
    for (u32 i = 0; i < PARTS; i++) {
        if (g->parts[i].size > 0)
            munmap(g->parts[i].ours, g->parts[i].size);
        free(g->parts[i].first);
    }
    close(g->file);
    free(g);
}

u8 *
guard_text(struct guard *g)
{
    return g->parts[TEXT].ours;
}

// --- calls -------------------------------------------------------------------

static unsigned long long *
register_of(struct user_regs_struct *r, u32 number)
{
    unsigned long long *const order[16] = {
        &r->rax, &r->rcx, &r->rdx, &r->rbx, &r->rsp, &r->rbp, &r->rsi, &r->rdi,
        &r->r8,  &r->r9,  &r->r10, &r->r11, &r->r12, &r->r13, &r->r14, &r->r15};

    return order[number];
}

static const struct type *
type_of(const struct guard *g, u32 func)
{
    return &g->m->types[g->m->funcs[func].type];
}

static u8 *
stack_at(struct guard *g, u64 rsp)
{
    return g->parts[STACK].ours + (rsp - address_of(STACK));
}

// Where the stack is at the entry: the return address lies there.
static u64
entry_rsp(const struct type *type)
{
    struct abi_size size = abi_size(type);

    return address_of(STACK) + STACK_SIZE - ABOVE - size.args - size.results -
           8;
}

static void
place_args(struct guard *g, const struct guard_run *run,
           struct user_regs_struct *regs)
{
    const struct type *type = type_of(g, run->func);
    struct user_fpregs_struct vectors = g->vectors;
    struct abi_walk walk = {0};

    for (u32 i = 0; i < type->param_count; i++) {
        valtype_t t = type->vals[i];
        u64 pair[2] = {run->args[2 * i % GUARD_ARGS],
                       run->args[(2 * i + 1) % GUARD_ARGS]};
        struct abi_place place = abi_next(&walk, t);
        if (t == VAL_I32)
            pair[0] = (u32)pair[0];
        if (t != VAL_I32 && t != VAL_I64 && t != VAL_F32 && t != VAL_F64 &&
            t != VAL_V128)
            pair[0] = pair[0] % (g->m->func_count + 1); // a reference
        if (place.kind == ABI_INT)
            *register_of(regs, abi_int_args[place.at]) = pair[0];
        else if (place.kind == ABI_VECTOR)
            memcpy(&vectors.xmm_space[4 * place.at], pair, 16);
        else
            memcpy(stack_at(g, regs->rsp) + 8 + place.at, pair,
                   t == VAL_V128 ? 16 : 8);
    }
    ptrace(PTRACE_SETFPREGS, g->child, NULL, &vectors);
}

static void
enter(struct guard *g, const struct guard_run *run)
{
    struct user_regs_struct regs = g->regs;
    u64 back = address_of(STUBS) + STUB_EXIT;

    for (u32 i = 0; i < 16; i++)
        *register_of(&regs, i) = 0xb5b5b5b500000000 | i;
    regs.rip = address_of(TEXT) + g->code->entries[run->func];
    regs.rsp = entry_rsp(type_of(g, run->func));
    regs.r14 = g->vmctx;
    regs.r15 = address_of(MEMORY);
    regs.eflags = 0x202;
    memset(g->parts[STACK].ours + STACK_SIZE - 2 * ABOVE, CANARY, 2 * ABOVE);
    memcpy(stack_at(g, regs.rsp), &back, 8);
    place_args(g, run, &regs);
    ptrace(PTRACE_SETREGS, g->child, NULL, &regs);
}

__attribute__((format(printf, 2, 3))) static enum guard_end
escaped(struct guard_run *run, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(run->what, sizeof(run->what), format, args);
    va_end(args);
    return GUARD_ESCAPED;
}

// --- what it came to ---------------------------------------------------------

static enum guard_end
returned(struct guard *g, struct guard_run *run, struct user_regs_struct *regs)
{
    static const u8 kept[] = {VERIFY_RBX, VERIFY_RBP, 12, 13};
    const struct type *type = type_of(g, run->func);
    struct abi_walk walk = {0};

    for (u32 i = 0; i < COUNT(kept); i++)
        if (*register_of(regs, kept[i]) != (0xb5b5b5b500000000 | kept[i]))
            return escaped(run, "register %u is not as it was", kept[i]);
    if (regs->r14 != g->vmctx || regs->r15 != address_of(MEMORY))
        return escaped(run, "r14 or r15 is not as it was");
    if (regs->rsp != entry_rsp(type) + 8 + abi_size(type).args)
        return escaped(run, "rsp is not as it was: %llx", regs->rsp);
    for (u32 i = 0; i < type->result_count; i++) {
        valtype_t t = type->vals[type->param_count + i];
        struct abi_place place = abi_next(&walk, t);
        if (place.kind == ABI_INT && t == VAL_I32 &&
            *register_of(regs, abi_int_results[place.at]) >> 32 != 0)
            return escaped(run, "result %u has more than 32 bits", i);
    }
    return GUARD_RETURNED;
}

// A fault has to be a trap.
static enum guard_end
faulted(struct guard *g, struct guard_run *run, int number,
        const struct user_regs_struct *regs)
{
    u64 pc = regs->rip - address_of(TEXT), address = 0;
    const struct trap_site *site =
        pc < g->code->size ? code_trap(g->code, pc) : NULL;
    bool in_slot = false;
    siginfo_t info;

    if (ptrace(PTRACE_GETSIGINFO, g->child, NULL, &info) == 0)
        address = (u64)info.si_addr;
    for (u32 i = 0; i < g->m->memory_count; i++)
        in_slot |= address - address_of(MEMORY + i) < 8 * GIB;
    if (site == NULL)
        return escaped(run, "signal %d at code + %llx, address %llx", number,
                       (unsigned long long)pc, (unsigned long long)address);
    if (number == SIGSEGV && (!in_slot || site->trap != TRAP_MEMORY_BOUNDS))
        return escaped(run, "address %llx by code + %llx",
                       (unsigned long long)address, (unsigned long long)pc);
    return GUARD_TRAPPED;
}

// Is all that it may not write as it was?  What it may is put back.
static enum guard_end
check_parts(struct guard *g, struct guard_run *run, enum guard_end end)
{
    const struct vmctx_layout *l = &g->m->layout;
    u32 globals = g->parts[VMCTX].free_at + l->globals;

    for (u32 i = 0; i < g->m->global_count; i++) {
        u32 at = globals + i * (u32)sizeof(struct vmctx_global);
        if (g->m->globals[i].type.mutable && !global_is_shared(g->m, i))
            memcpy(g->parts[VMCTX].ours + at, g->parts[VMCTX].first + at, 16);
    }
    for (u32 i = VMCTX; i < PARTS; i++) {
        struct part *p = &g->parts[i];
        u32 free_end = p->free_at + p->free_size;
        if (p->size == 0 || i == STACK)
            continue;
        if (memcmp(p->ours, p->first, p->free_at) != 0 ||
            memcmp(p->ours + free_end, p->first + free_end,
                   p->size - free_end) != 0)
            end = escaped(run, "part %u is written", i);
        memcpy(p->ours, p->first, p->size);
    }
    for (u32 i = STACK_SIZE - ABOVE; i < STACK_SIZE; i++)
        if (g->parts[STACK].ours[i] != CANARY)
            return escaped(run, "the caller's frame is written");
    return end;
}

// Entries of tables of functions are references.
static enum guard_end
check_tables(struct guard *g, struct guard_run *run, enum guard_end end)
{
    for (u32 i = 0; i < g->m->table_count; i++) {
        struct part *p = &g->parts[TABLE + i];
        const u64 *entries = (const u64 *)(p->ours + p->free_at);
        if (g->m->tables[i].type.kind != REF_FUNC)
            continue;
        for (u32 k = 0; k < p->free_size / 8; k++)
            if (entries[k] > g->m->func_count)
                end = escaped(run, "no reference in table %u", i);
    }
    return end;
}

// --- calls out of it ---------------------------------------------------------

// Everything that a call may change is changed.
static void
go_back(struct guard *g, struct user_regs_struct *regs, u32 args)
{
    static const u8 lost[] = {1, 2, 6, 7, 8, 9, 10, 11};
    u64 back;

    memcpy(&back, stack_at(g, regs->rsp), 8);
    for (u32 i = 0; i < COUNT(lost); i++)
        *register_of(regs, lost[i]) = 0xc7c7c7c7c7c7c7c7;
    regs->rip = back;
    regs->rsp += 8 + args;
}

// True: it goes on; else *end is how it ended.
static bool
called(struct guard *g, struct guard_run *run, struct user_regs_struct *regs,
       u64 stub, enum guard_end *end)
{
    *end = GUARD_LEFT;
    if (regs->r14 != g->vmctx || regs->r15 != address_of(MEMORY) ||
        regs->rsp % 16 != 8 ||
        regs->rsp - address_of(STACK) >= STACK_SIZE - ABOVE)
        *end = escaped(run, "a call with r14, r15 or rsp changed");
    else if (stub < STUB_IMPORT && regs->rdi != g->vmctx)
        *end = escaped(run, "a builtin without the vmctx");
    if (*end == GUARD_ESCAPED)
        return false;
    if (stub >= STUB_IMPORT) {
        go_back(g, regs, abi_size(type_of(g, (u32)stub - STUB_IMPORT)).args);
        regs->rax = regs->rdx = regs->rcx = regs->rsi = regs->rdi = 0;
        regs->r8 = 0;
        return true;
    }
    stub -= STUB_BUILTIN;
    if (stub == BUILTIN_THROW || stub == BUILTIN_THROW_REF ||
        stub == BUILTIN_FUNC_ENTRY)
        return false;
    go_back(g, regs, 0);
    regs->rax =
        stub == BUILTIN_MEMORY_GROW || stub == BUILTIN_TABLE_GROW ? -1ull : 0;
    return true;
}

// An int3, or a step: *end is how it ended, or true: it goes on.
static bool
trapped(struct guard *g, struct guard_run *run, struct user_regs_struct *regs,
        enum guard_end *end)
{
    bool stepping = run->seen != NULL;
    u64 pc = regs->rip - !stepping, stub = pc - address_of(STUBS);
    u64 offset = pc - address_of(TEXT);

    if (stub >= STUB_BUILTIN && stub < STUB_IMPORT + g->m->func_imports) {
        if (!called(g, run, regs, stub, end))
            return false;
        stub = regs->rip - address_of(STUBS);
        if (stub != STUB_EXIT) // as after a tail call
            return true;
    }
    if (stub == STUB_EXIT) {
        *end = returned(g, run, regs);
        return false;
    }
    if (stepping && offset < g->code->size)
        return true;
    if (offset == run->watch && !run->reached) {
        run->reached = true;
        guard_text(g)[run->watch] = g->parts[TEXT].first[run->watch];
        regs->rip = pc;
        return true;
    }
    *end = escaped(run, "int3 at code + %llx", (unsigned long long)offset);
    return false;
}

static enum guard_end
go(struct guard *g, struct guard_run *run)
{
    enum guard_end end = GUARD_LOOPED;
    struct user_regs_struct regs;
    bool stepping = run->seen != NULL;
    u32 ticks = 0, stops = stepping ? run->steps : STOPS;

    for (u32 i = 0; i < stops && ticks < TICKS; i++) {
        ptrace(stepping ? PTRACE_SINGLESTEP : PTRACE_CONT, g->child, NULL,
               NULL);
        int number = wait_for(g);
        if (number == SIGVTALRM) {
            ticks += !stepping;
            continue;
        }
        ptrace(PTRACE_GETREGS, g->child, NULL, &regs);
        if (number != SIGTRAP)
            return faulted(g, run, number, &regs);
        u64 rip = regs.rip;
        if (!trapped(g, run, &regs, &end))
            return end;
        if (stepping && regs.rip - address_of(TEXT) < g->code->size)
            run->seen[regs.rip - address_of(TEXT)] = 1;
        regs.orig_rax = -1ull;
        if (!stepping || regs.rip != rip)
            ptrace(PTRACE_SETREGS, g->child, NULL, &regs);
    }
    return end;
}

enum guard_end
guard_call(struct guard *g, struct guard_run *run)
{
    u8 *text = guard_text(g);

    run->reached = false;
    run->what[0] = 0;
    enter(g, run);
    if (run->watch != NO_INDEX) {
        g->parts[TEXT].first[run->watch] = text[run->watch];
        text[run->watch] = 0xcc;
    }
    if (run->seen != NULL)
        run->seen[g->code->entries[run->func]] = 1;
    enum guard_end end = go(g, run);
    if (run->watch != NO_INDEX)
        text[run->watch] = g->parts[TEXT].first[run->watch];
    if (end != GUARD_ESCAPED)
        end = check_tables(g, run, end);
    return check_parts(g, run, end);
}
