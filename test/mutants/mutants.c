// test/mutants/mutants.c: bytes of compiled code are changed at random; the
// verifier judges the function, and what it accepts runs in a process that has
// nothing but its instance (test/mutants/guard.h), with arguments that lead to
// the change.
//
// Words of the tables beside it are changed, too, which is only judged.
//
//     mutants SEED CHUNKS FOLDER...
//
// Does chunks SEED, SEED + 1, ..., of 4,000 mutants, each of a module in one of
// the folders.  Fails where one of them escapes, or if less than 80 % of those
// that are accepted come to what was changed; and where code that does what it
// may not is not seen.  Ends with the line "N passed, N failed, N skipped", of
// chunks and of such code.

#include "test/mutants/guard.h"
#include "test/wasm/help.h"
#include "verify/decode.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHUNK = 4000,
    VECTORS = 8,         // of arguments, tried for each function
    STEPS = 200,         // of each that are looked at
    TABLES_MOST = 65536, // bytes of code, to be judged as a whole
    FUNC_MOST = 8192,    // bytes of a function
    REACHED_LEAST = 80,  // percent
    REACHED_FREE = 88    // from there on others are changed, too
};

// What is known of a byte of the code.
struct byte_info {
    u32 ins;   // offset of the instruction that it is of, or NO_INDEX
    u8 vector; // arguments that lead there
};

struct target {
    struct module m;
    struct code code;
    struct verify_module vm;
    struct guard *guard;
    u32 *owners;             // of handlers
    struct byte_info *bytes; // by offset
    u8 *traced;              // by row of code.funcs
    u8 *seen;
    u64 accepted, reached; // of its mutants
};

struct tally {
    u64 made, accepted, reached, ends[GUARD_ENDS];
    u64 tables; // refused because of a word of a table
    u32 passed, failed;
    bool known; // code that does what it may not was tried
};

static struct arena keep, text, temp;
static u64 state;

static u32
any(u32 below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (u32)(state >> 20) % below;
}

static u64
word_of(u32 kind)
{
    static const u64 edges[] = {0,          1,
                                2,          7,
                                0x7fffffff, 0x80000000,
                                0xffffffff, 0x10000,
                                1ull << 63, -1ull,
                                0x3f800000, 0xfffc,
                                64,         0x3ff0000000000000,
                                255,        4096};
    u64 wide = (u64)any(1 << 16) << 48 | (u64)any(1 << 24) << 24 | any(1 << 24);

    switch (kind) {
    case 0:
        return 0;
    case 1:
        return 1;
    case 2:
        return any(16);
    case 3:
        return any(4096) * 4;
    case 4:
        return -1ull;
    }
    return any(3) == 0 ? wide : edges[any(COUNT(edges))];
}

// The same ones whenever they are asked for.
static void
make_args(u64 args[GUARD_ARGS], u32 vector)
{
    u64 before = state;

    state = 0x9e3779b97f4a7c15 * (vector + 1);
    for (u32 i = 0; i < GUARD_ARGS; i++)
        args[i] = word_of(vector);
    state = before;
}

static bool
can_change(const struct func_code *f)
{
    return f->func != NO_INDEX && f->end - f->start <= FUNC_MOST;
}

// --- a module ----------------------------------------------------------------

// Is there something to change?
static bool
has_func(const struct code *code)
{
    for (u32 i = 0; i < code->func_count; i++)
        if (can_change(&code->funcs[i]))
            return true;
    return false;
}

static bool
target_open(struct target *t, struct bytes file, u32 how)
{
    const struct compile_options options = {.features = cpu_features_detect(),
                                            .plain = how % 4 == 0,
                                            .part_ins = how / 4 % 4 * 3,
                                            .check_pads = how / 16 == 0,
                                            .dump_func = NO_INDEX};
    struct error error = {0};
    struct verify_error why;
    const char *more;

    *t = (struct target){0};
    arena_reset(&keep, 0);
    arena_reset(&text, 0);
    arena_reset(&temp, 0);
    if (module_decode(&t->m, file, &keep, &error) != OK ||
        module_compile(&t->code, &t->m, &options, &text, &keep, &temp,
                       &error) != OK ||
        !has_func(&t->code) ||
        module_compile_describe(&t->vm, &t->m, &t->code, options.features,
                                &temp) != OK)
        return false;
    t->owners = ARENA_NEW(&temp, u32, t->code.try_count);
    t->bytes = ARENA_NEW(&temp, struct byte_info, t->code.size);
    t->traced = ARENA_NEW(&temp, u8, t->code.func_count);
    t->seen = ARENA_NEW(&temp, u8, t->code.size);
    if (verify_tables(&t->vm, t->owners, &temp, &why) != OK)
        return false;
    t->guard = guard_new(&t->m, &t->code, &more);
    if (t->guard != NULL)
        t->vm.code.text = guard_text(t->guard);
    return t->guard != NULL;
}

// Which instructions do the arguments lead to?
static bool
trace(struct target *t, const struct func_code *f, u32 vector)
{
    u64 args[GUARD_ARGS];
    struct guard_run run = {.func = f->func,
                            .args = args,
                            .watch = NO_INDEX,
                            .seen = t->seen,
                            .steps = STEPS};
    struct verify_ins ins;
    const u8 *code = guard_text(t->guard);

    make_args(args, vector);
    memset(t->seen, 0, t->code.size);
    if (guard_call(t->guard, &run) == GUARD_ESCAPED) {
        printf("func[%u] as it is compiled: %s\n", f->func, run.what);
        return false;
    }
    for (u32 pc = f->start; pc < f->end; pc++) {
        if (!t->seen[pc] || t->bytes[pc].ins != NO_INDEX ||
            verify_decode(&ins, code + pc, code + f->end) != RULE_OK)
            continue;
        for (u32 i = 0; i < ins.length; i++)
            t->bytes[pc + i] = (struct byte_info){pc, (u8)vector};
    }
    return true;
}

static bool
trace_all(struct target *t, u32 row)
{
    const struct func_code *f = &t->code.funcs[row];
    bool ok = true;

    if (t->traced[row])
        return true;
    t->traced[row] = 1;
    for (u32 pc = f->start; pc < f->end; pc++)
        t->bytes[pc].ins = NO_INDEX;
    for (u32 i = 0; i < VECTORS && ok; i++)
        ok = trace(t, f, i);
    return ok;
}

// --- mutants -----------------------------------------------------------------

// A place that arguments lead to; and, as long as these are enough, others.
static u32
place_in(const struct target *t, const struct func_code *f)
{
    u32 at = f->start + any(f->end - f->start);

    if (any(8) == 0 && 100 * t->reached >= REACHED_FREE * t->accepted)
        return at;
    for (u32 i = 0; i < 100 && t->bytes[at].ins == NO_INDEX; i++)
        at = f->start + any(f->end - f->start);
    for (u32 i = f->start; i < f->end && t->bytes[at].ins == NO_INDEX; i++)
        at = at + 1 < f->end ? at + 1 : f->start;
    return at;
}

static void
change(u8 *at)
{
    u8 old = *at;

    while (*at == old)
        *at = any(4) == 0 ? old ^ (u8)(1 << any(8)) : (u8)any(256);
}

// It was accepted: does it stay where it may be?
static bool
run_mutant(struct target *t, const struct func_code *f, u32 at, u32 seed,
           struct tally *tally)
{
    u64 args[GUARD_ARGS];
    struct byte_info info = t->bytes[at];
    struct guard_run run = {
        .func = f->func, .args = args, .watch = info.ins, .steps = 0};

    make_args(args, info.vector);
    enum guard_end end = guard_call(t->guard, &run);
    tally->accepted++;
    tally->reached += run.reached;
    t->accepted++;
    t->reached += run.reached;
    tally->ends[end]++;
    if (end == GUARD_ESCAPED)
        printf("escaped: chunk %u, func[%u], code + 0x%x is 0x%02x: %s\n", seed,
               f->func, at, guard_text(t->guard)[at], run.what);
    return end != GUARD_ESCAPED;
}

static bool
mutant(struct target *t, u32 row, u32 seed, struct tally *tally)
{
    const struct func_code *f = &t->code.funcs[row];
    struct verify_error error;
    u8 *code = guard_text(t->guard), before[2];
    u32 at = place_in(t, f);
    bool two = any(8) == 0 && at + 1 < f->end, ok = true;

    memcpy(before, code + at, 1u + two);
    change(code + at);
    if (two)
        change(code + at + 1);
    tally->made++;
    if (verify_range(&t->vm, t->owners, row, row + 1, &temp, &error) == OK)
        ok = run_mutant(t, f, at, seed, tally);
    memcpy(code + at, before, 1u + two);
    return ok;
}

// A word of a table; NULL: it has none.
static u32 *
any_word(const void *rows, u64 size, u32 count)
{
    if (count == 0)
        return NULL;
    return (u32 *)((u8 *)(uintptr_t)rows + any(count) * size) +
           any((u32)size / 4);
}
#define ANY_WORD(rows, count) any_word((rows), sizeof(*(rows)), (count))

static u32 *
any_word_of(const struct code *c, u32 func_count)
{
    switch (any(7)) {
    case 0:
        return ANY_WORD(c->funcs, c->func_count);
    case 1:
        return ANY_WORD(c->traps, c->trap_count);
    case 2:
        return ANY_WORD(c->calls, c->call_count);
    case 3:
        return ANY_WORD(c->tries, c->try_count);
    case 4:
        return ANY_WORD(c->catches, c->catch_count);
    case 5:
        return ANY_WORD(c->heads, c->head_count);
    }
    return ANY_WORD(c->entries, func_count);
}

// The whole module is judged, as no row is alone.
static void
change_table(struct target *t, struct tally *tally)
{
    struct verify_error error;
    u32 *word = any_word_of(&t->code, t->m.func_count);

    if (word == NULL)
        return;
    u32 before = *word, more = any(4) * 4 + any(4);
    *word = any(4) == 0 ? (u32)word_of(9) :
            any(2) == 0 ? before + more :
                          before - more;
    if (t->code.size < TABLES_MOST)
        tally->tables += verify_code(&t->vm, &temp, &error) != OK;
    *word = before;
}

// Of a file that some function of can be changed; false: one has escaped.
static bool
mutate(struct target *t, u32 seed, struct tally *tally)
{
    bool ok = true;

    for (u32 i = 0; i < CHUNK;) {
        u32 row = any(t->code.func_count);
        if (!can_change(&t->code.funcs[row]))
            continue;
        if (!trace_all(t, row))
            return false;
        ok &= mutant(t, row, seed, tally);
        if (any(16) == 0)
            change_table(t, tally);
        i++;
    }
    return ok;
}

// --- what is seen ------------------------------------------------------------

// In the place of a function: what it ends with.
struct known {
    const char *what, *code;
    enum guard_end end;
};

// clang-format off
static const struct known known[] = {
    {"a return", "c3", GUARD_RETURNED},
    {"an endless loop", "eb fe", GUARD_LOOPED},
    {"an int3", "cc", GUARD_ESCAPED},
    {"an address that is none", "48 8b 00", GUARD_ESCAPED},
    {"below memory 0", "49 8b 47 f8", GUARD_ESCAPED},
    {"the code is written", "c6 05 00 00 00 00 90", GUARD_ESCAPED},
    {"vmctx.stack_limit is written", "49 89 06 c3", GUARD_ESCAPED},
    {"behind the vmctx", "49 89 86 00 10 00 00", GUARD_ESCAPED},
    {"a func_entry is written", "49 8b 46 20 48 89 00", GUARD_ESCAPED},
    {"a frame of the caller", "48 89 84 24 00 02 00 00 c3", GUARD_ESCAPED},
    {"another return address", "48 89 04 24 c3", GUARD_ESCAPED},
    {"rbx is lost", "48 8b d8 c3", GUARD_ESCAPED},
    {"r15 is lost", "4c 8b f8 c3", GUARD_ESCAPED},
    {"rsp is lost", "8f 04 24 c3", GUARD_ESCAPED},
    {"far away", "e9 00 00 00 01", GUARD_ESCAPED},
    {"a trap without a site", "0f 0b", GUARD_ESCAPED},
    {"a builtin without vmctx", "50 49 8b 46 28 ff 10", GUARD_ESCAPED},
};
// clang-format on

static bool
is_seen(struct target *t, const struct func_code *f, u32 k)
{
    u8 *code = guard_text(t->guard) + f->start, before[16];
    const u64 args[GUARD_ARGS] = {0};
    struct guard_run run = {.func = f->func, .args = args, .watch = NO_INDEX};
    struct build b = {0};

    build_hex(&b, known[k].code);
    memcpy(before, code, sizeof(before));
    memcpy(code, b.ptr, b.size);
    enum guard_end end = guard_call(t->guard, &run);
    memcpy(code, before, sizeof(before));
    build_free(&b);
    if (end != known[k].end)
        printf("%s: %u, not %u: %s\n", known[k].what, end, known[k].end,
               run.what);
    return end == known[k].end;
}

// Of the first function without results and without arguments on the stack.
static void
see_known(struct target *t, struct tally *tally)
{
    for (u32 i = 0; i < t->code.func_count; i++) {
        const struct func_code *f = &t->code.funcs[i];
        if (f->func == NO_INDEX || f->args > 0 || f->end - f->start < 16 ||
            t->code.entries[f->func] != f->start ||
            t->m.types[t->m.funcs[f->func].type].result_count > 0)
            continue;
        for (u32 k = 0; k < COUNT(known); k++) {
            bool ok = is_seen(t, f, k);
            tally->passed += ok;
            tally->failed += !ok;
        }
        tally->known = true;
        return;
    }
}

// --- files -------------------------------------------------------------------

struct folder {
    const char *path;
    struct dirent **entries;
    int count;
};

static int
is_file(const struct dirent *e)
{
    u64 len = strlen(e->d_name);

    return e->d_name[0] != '.' && (strchr(e->d_name, '.') == NULL ||
                                   strcmp(e->d_name + len - 5, ".wasm") == 0);
}

static struct bytes
read_entry(const struct folder *folder, u32 k)
{
    char path[1024];

    snprintf(path, sizeof(path), "%s/%s", folder->path,
             folder->entries[k]->d_name);
    return whole_file(path);
}

// In the first file that has a function for that.
static void
try_known(const struct folder *folders, u32 count, struct tally *tally)
{
    for (u32 i = 0; i < count; i++)
        for (int k = 0; k < folders[i].count && !tally->known; k++) {
            struct target t;
            struct bytes file = read_entry(&folders[i], (u32)k);
            if (target_open(&t, file, 1))
                see_known(&t, tally);
            if (t.guard != NULL)
                guard_free(t.guard);
            free(file.ptr);
        }
}

// Each seed takes the next file of its folder: the first from there that can be
// taken.
static void
do_chunk(u32 seed, const struct folder *folders, u32 count, struct tally *tally)
{
    struct target t;

    state = 0xd1342543de82ef95 * (seed + 1ull);
    for (u32 i = 0; i < 20; i++)
        (void)any(2);
    const struct folder *folder = &folders[any(count)];
    u32 files = (u32)folder->count, first = seed % files, how = any(32);
    for (u32 i = 0; i < files; i++) {
        struct bytes file = read_entry(folder, (first + i) % files);
        bool opened = target_open(&t, file, how);
        bool ok = opened && mutate(&t, seed, tally);
        if (opened && !ok)
            printf("... in %s/%s\n", folder->path,
                   folder->entries[(first + i) % files]->d_name);
        if (t.guard != NULL)
            guard_free(t.guard);
        free(file.ptr);
        tally->passed += ok;
        tally->failed += opened && !ok;
        if (opened)
            return;
    }
    tally->failed++;
}

static u32
percent(u64 part, u64 whole)
{
    return (u32)(100 * part / MAX(whole, 1));
}

static void
report(const struct tally *t)
{
    const u64 *ends = t->ends;

    printf("%llu mutants, %llu accepted (%u %%), %u %% of these reached\n",
           (unsigned long long)t->made, (unsigned long long)t->accepted,
           percent(t->accepted, t->made), percent(t->reached, t->accepted));
    printf("%llu words of tables are refused\n", (unsigned long long)t->tables);
    printf("%llu returned, %llu trapped, %llu left, %llu were stopped, %llu "
           "escaped\n",
           (unsigned long long)ends[GUARD_RETURNED],
           (unsigned long long)ends[GUARD_TRAPPED],
           (unsigned long long)ends[GUARD_LEFT],
           (unsigned long long)ends[GUARD_LOOPED],
           (unsigned long long)ends[GUARD_ESCAPED]);
}

int
main(int argc, char **argv)
{
    static struct folder folders[64];
    struct tally tally = {0};
    u32 count = 0;

    for (int i = 3; i < argc && count < COUNT(folders); i++) {
        struct folder *f = &folders[count];
        f->path = argv[i];
        f->count = scandir(f->path, &f->entries, is_file, alphasort);
        count += f->count > 0;
    }
    if (count == 0) {
        fprintf(stderr, "usage: mutants SEED CHUNKS FOLDER...\n");
        return 2;
    }
    keep = arena_make(GIB);
    text = arena_make(GIB);
    temp = arena_make(4 * GIB);
    u32 seed = (u32)atoi(argv[1]), chunks = (u32)atoi(argv[2]);
    try_known(folders, count, &tally);
    for (u32 i = 0; i < chunks; i++)
        do_chunk(seed + i, folders, count, &tally);
    report(&tally);
    tally.failed += percent(tally.reached, tally.accepted) < REACHED_LEAST ||
                    tally.accepted == 0 || !tally.known;
    printf("seeds %u to %u: %u passed, %u failed, 0 skipped\n", seed,
           seed + chunks - 1, tally.passed, tally.failed);
    printf("%u passed, %u failed, 0 skipped\n", tally.passed, tally.failed);
    return tally.failed > 0;
}
