// test/kernel/stress.c: many threads do what they like, each step checked
// against a small model.
//
// The seeds are fixed; what differs from run to run is who comes first.  With
// several CPUs this is where a lost wake-up (the test hangs), a thread that
// runs twice, and memory by an old translation are found.

#include "test/kernel/frame.h"

enum { THREADS = 64, WORDS = 8, KEPT = 8, PIECE_MAX = 512 * KIB };

enum kind { // of steps
    PFEX,
    TOKENS,
    HANDLE,
    CHILD,
    MEMORY,
    PAGES,
    PROCESS,
    KINDS
};

static const char *const names[KINDS] = {"pfex", "wait",  "handle", "thread",
                                         "heap", "pages", "process"};

static struct {
    u32 word[WORDS], inside[WORDS], held[WORDS]; // held: counted inside
    u32 entered[WORDS];                          // counted by atomics
    u32 tokens[WORDS], given[WORDS], taken[WORDS];
    struct handle_table handles;
    struct code_module *count, *endless;
    u32 children;     // that ran
    u32 expected;     // that were let run
    u32 wrong[KINDS]; // of steps
    u32 done[KINDS];  // the same
    u32 steps, seed;  // of each thread, of all
} s;

struct actor {
    u64 random;
    u32 number;
    handle_t handle[KEPT]; // 0: none
    u32 rights[KEPT];
};

static u32
draw(struct actor *a, u32 below)
{
    return test_draw(&a->random, below);
}

static void
expect(enum kind kind, bool right)
{
    if (!right)
        COUNT_UP(s.wrong[kind]);
}

static void
sometimes_yield(struct actor *a)
{
    if (draw(a, 4) == 0)
        thread_yield();
}

// --- steps -------------------------------------------------------------------

static void
step_pfex(struct actor *a)
{
    u32 n = draw(a, WORDS);

    expect(PFEX, pfex_acquire(&s.word[n]) == OK);
    expect(PFEX, COUNT_UP(s.inside[n]) == 0);
    u32 held = s.held[n];
    sometimes_yield(a);
    s.held[n] = held + 1;
    COUNT_UP(s.entered[n]);
    COUNT_DOWN(s.inside[n]);
    expect(PFEX, pfex_release(&s.word[n]) == OK);
}

// Tokens are given one by one; whoever finds none waits for a while.
static void
step_tokens(struct actor *a)
{
    u32 n = draw(a, WORDS), result, have = COUNT_OF(s.tokens[n]);

    if (draw(a, 2) == 0) {
        COUNT_UP(s.given[n]);
        COUNT_UP(s.tokens[n]);
        atomic_notify(&s.tokens[n], 1);
        return;
    }
    while (have > 0) {
        if (__atomic_compare_exchange_n(&s.tokens[n], &have, have - 1, false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
            COUNT_UP(s.taken[n]);
            return;
        }
    }
    i64 patience = 1000 * (i64)draw(a, 1000);
    expect(TOKENS,
           atomic_wait(&s.tokens[n], false, 0, patience, &result) == OK);
}

static void
step_handle(struct actor *a)
{
    struct object *own = thread_object(thread_current()), *found = NULL;
    u32 k = draw(a, KEPT), rights = draw(a, 256);
    handle_t *h = &a->handle[k];

    if (*h == 0) {
        expect(HANDLE, handle_new(&s.handles, own, rights, h) == OK);
        a->rights[k] = rights & own->type->rights;
        return;
    }
    bool allowed = (a->rights[k] & rights) == rights;
    status_t status = handle_get(&s.handles, *h, own->type, rights, &found);
    expect(HANDLE, status == (allowed ? OK : ERR_ACCESS));
    expect(HANDLE, !allowed || found == own);
    object_release(found);
    if (draw(a, 2) == 0) {
        expect(HANDLE, handle_close(&s.handles, *h) == OK);
        expect(HANDLE, handle_close(&s.handles, *h) == ERR_BAD_HANDLE);
        *h = 0;
    }
}

static void
run_child(void *arg)
{
    u64 until = (u64)arg;

    if (until == 0 ||
        thread_sleep_until(port_monotonic_ns() + until) == ERR_KILLED)
        COUNT_UP(s.children);
}

// A thread that ends at once, or one that sleeps until it is killed.
static void
step_child(struct actor *a)
{
    bool killed = draw(a, 2) == 0;
    struct thread *t;

    if (thread_new(&t, run_child, (void *)(killed ? 1ull << 40 : 0)) != OK) {
        expect(CHILD, false);
        return;
    }
    COUNT_UP(s.expected);
    sched_start(t);
    sometimes_yield(a);
    if (killed)
        thread_kill(t);
    expect(CHILD, thread_join(t, UINT64_MAX) == OK);
    thread_release(t);
}

static bool
is_all(const u64 *words, u64 size, u64 value)
{
    for (u64 i = 0; i < size / sizeof(u64); i++)
        if (words[i] != value)
            return false;
    return true;
}

static void
set_all(u64 *words, u64 size, u64 value)
{
    for (u64 i = 0; i < size / sizeof(u64); i++)
        words[i] = value;
}

static void
step_memory(struct actor *a)
{
    u64 size = (draw(a, 4000) + 1) * sizeof(u64), value = a->random;
    u64 *words = kernel_alloc(size);

    if (words == NULL) {
        expect(MEMORY, false);
        return;
    }
    expect(MEMORY, is_all(words, size, 0));
    set_all(words, size, value);
    sometimes_yield(a);
    expect(MEMORY, is_all(words, size, value));
    kernel_free(words);
}

// Addresses and frames of others, who have them no more.
static void
step_pages(struct actor *a)
{
    u64 size = (draw(a, 16) + 1) * PAGE_SIZE, value = a->random;
    u64 *words = port_reserve(PIECE_MAX, PAGE_SIZE);

    if (words == NULL || !port_commit(words, size)) {
        expect(PAGES, false);
        return;
    }
    for (u32 round = 0; round < 2; round++) {
        expect(PAGES, is_all(words, size, 0));
        set_all(words, size, value);
        sometimes_yield(a);
        expect(PAGES, is_all(words, size, value));
        if (round == 0 && draw(a, 4) == 0) {
            port_decommit(words, size);
            if (!port_commit(words, size))
                expect(PAGES, false);
        } else {
            break;
        }
    }
    port_release(words, PIECE_MAX);
}

static void
step_process(struct actor *a)
{
    bool killed = draw(a, 2) == 0;
    struct process *p;
    struct error error;
    char text[128];
    u32 status = UINT32_MAX;

    if (process_new(&p, NULL, killed ? s.endless : s.count, "stress", &error,
                    text, sizeof(text)) != OK) {
        expect(PROCESS, false);
        return;
    }
    expect(PROCESS, process_start(p) == OK);
    sometimes_yield(a);
    if (killed)
        process_kill(p, 77);
    expect(PROCESS, process_wait(p, UINT64_MAX, &status) == OK);
    expect(PROCESS, status == (killed ? 77 : 42));
    process_release(p);
}

// --- all of them -------------------------------------------------------------

static void
act(void *arg)
{
    static void (*const steps[KINDS])(struct actor *) = {
        step_pfex,   step_tokens, step_handle, step_child,
        step_memory, step_pages,  step_process};
    // Of 64 steps; processes are large.
    static const u8 share[64] = {
        [20] = TOKENS,  TOKENS, TOKENS, TOKENS, TOKENS, TOKENS, TOKENS, TOKENS,
        [28] = TOKENS,  TOKENS, HANDLE, HANDLE, HANDLE, HANDLE, HANDLE, HANDLE,
        [36] = HANDLE,  HANDLE, HANDLE, HANDLE, CHILD,  CHILD,  CHILD,  CHILD,
        [44] = CHILD,   CHILD,  MEMORY, MEMORY, MEMORY, MEMORY, MEMORY, MEMORY,
        [52] = MEMORY,  MEMORY, MEMORY, MEMORY, PAGES,  PAGES,  PAGES,  PAGES,
        [60] = PROCESS, PAGES,  PAGES,  PAGES};
    struct actor a = {.number = (u32)(u64)arg};

    a.random = 0x9e3779b97f4a7c15 * (a.number + 1 + THREADS * s.seed);
    for (u32 i = 0; i < s.steps; i++) {
        enum kind kind = (enum kind)share[draw(&a, COUNT(share))];
        steps[kind](&a);
        COUNT_UP(s.done[kind]);
    }
    for (u32 k = 0; k < KEPT; k++)
        if (a.handle[k] != 0)
            expect(HANDLE, handle_close(&s.handles, a.handle[k]) == OK);
}

static void
expect_model(void)
{
    for (u32 n = 0; n < WORDS; n++) {
        EXPECT_EQ(s.word[n], 0);
        EXPECT_EQ(s.held[n], s.entered[n]);
        EXPECT_EQ(s.tokens[n], s.given[n] - s.taken[n]);
    }
    EXPECT_EQ(s.handles.used, 0);
    EXPECT_EQ(s.children, s.expected);
    for (u32 k = 0; k < KINDS; k++)
        EXPECT_EQ(s.wrong[k], 0);
}

TEST_KERNEL(stress)
{
    struct thread *threads[THREADS];

    memset(&s, 0, sizeof(s));
    s.steps = test_stress_steps();
    s.seed = test_stress_seed();
    s.count = test_compile("count");
    s.endless = test_compile("endless");
    handle_table_init(&s.handles, account_root());
    for (u64 i = 0; i < THREADS; i++) {
        threads[i] = test_start_thread(act, (void *)i);
    }
    for (u32 i = 0; i < THREADS; i++) {
        EXPECT_EQ(thread_join(threads[i], UINT64_MAX), OK);
        thread_release(threads[i]);
    }
    expect_model();
    handle_table_free(&s.handles);
    code_module_release(s.count);
    code_module_release(s.endless);
    for (u32 k = 0; k < KINDS; k++)
        klog("stress: %u of %s on %u CPUs", s.done[k], names[k],
             port_cpu_count());
}
