// test/kernel/crew.c: work in pieces is done, each piece once, by whomever.

#include "test/kernel/frame.h"

enum { PIECES = 200, NONE = PIECES, ROOM = 64 * 1024 };

// What the pieces do.
static struct job {
    struct thread *caller;
    u32 wrong[2];  // these go wrong
    u32 kill;      // here the caller is killed
    bool poor;     // others have no memory
    u32 by_others; // pieces, atomic
    u32 told;      // the piece that went wrong, alone
    u32 done[PIECES], begun[PIECES];
} job;

static status_t
do_piece(void *self, u32 piece, struct arena *temp, bool alone)
{
    bool other = thread_current() != job.caller;
    u64 mark = arena_mark(temp);

    EXPECT(self == &job && piece < PIECES && !(other && alone));
    COUNT_UP(job.begun[piece]);
    if (other && job.poor)
        return ERR_NO_MEMORY;
    if (ARENA_NEW(temp, u8, 4096) == NULL)
        return thread_is_killed() ? ERR_KILLED : ERR_NO_MEMORY;
    arena_reset(temp, mark);
    if (piece == job.kill)
        thread_kill(job.caller);
    if (!arena_may_go_on(temp))
        return ERR_KILLED;
    if (port_cpu_count() > 1 && thread_sleep_until(port_monotonic_ns() + 20000))
        return ERR_KILLED;
    if (piece == job.wrong[0] || piece == job.wrong[1]) {
        job.told = alone ? piece : job.told;
        return ERR_INVALID;
    }
    COUNT_UP(job.done[piece]);
    if (other)
        COUNT_UP(job.by_others);
    return OK;
}

struct crew_test {
    struct arena temp;
    struct charge memory;
    status_t status;
};

static bool
commit(struct arena *arena, u64 from, u64 to)
{
    return code_commit(arena, from, to,
                       &CONTAINER(arena, struct crew_test, temp)->memory);
}

static void
run(void *arg)
{
    struct crew_test *t = arg;
    const struct crew_work work = {
        .pieces = PIECES, .room = ROOM, .run = do_piece, .self = &job};

    job.caller = thread_current();
    t->status = crew_run(&work, &t->temp);
}

static status_t
run_crew(struct job as)
{
    struct crew_test t = {.status = ERR_IO};

    job = as;
    EXPECT(code_arena_new(&t.temp, ROOM, commit));
    status_t status = thread_run_until(run, &t, UINT64_MAX);
    EXPECT_EQ(status, OK);
    code_arena_free(&t.temp);
    charge_end(&t.memory, RESOURCE_CODE);
    return t.status;
}

static void
expect_all_done(void)
{
    for (u32 i = 0; i < PIECES; i++)
        EXPECT_EQ(job.done[i], 1);
}

TEST_KERNEL(crew_does_each_piece_once)
{
    EXPECT_EQ(run_crew((struct job){
                  .wrong = {NONE, NONE},
                    .kill = NONE
    }),
              OK);
    expect_all_done();
    EXPECT((job.by_others > 0) == (port_cpu_count() > 1));
}

// The others leave theirs to the caller.
TEST_KERNEL(crew_without_memory)
{
    EXPECT_EQ(run_crew((struct job){
                  .wrong = {NONE, NONE},
                    .kill = NONE, .poor = true
    }),
              OK);
    expect_all_done();
    EXPECT_EQ(job.by_others, 0);
}

// Whoever was faster: what is told is of the first, and all before it are done.
TEST_KERNEL(crew_tells_the_first)
{
    for (u32 first = 0; first < 40; first += 3) {
        struct job as = {
            .wrong = {first + 5, first},
              .kill = NONE, .told = NONE
        };

        EXPECT_EQ(run_crew(as), ERR_INVALID);
        EXPECT_EQ(job.told, first);
        for (u32 i = 0; i < first; i++)
            EXPECT(job.done[i] > 0);
        EXPECT(job.begun[PIECES - 1] == 0 || port_cpu_count() > 1);
    }
}

// Unless others have done all meanwhile, which takes them some time.
TEST_KERNEL(crew_is_killed)
{
    for (u32 at = 0; at < 60; at += 7) {
        struct job as = {
            .wrong = {NONE, NONE},
              .kill = at
        };

        if (run_crew(as) == OK && port_cpu_count() > 1)
            expect_all_done();
        else
            EXPECT(job.done[PIECES - 1] == 0 || port_cpu_count() > 1);
    }
}

// Each of the things that it asks for is not there once.
TEST_KERNEL(crew_goes_on_without)
{
    u64 asked = 1;

    for (u64 i = 0; i < asked; i++) {
        struct job as = {
            .wrong = {NONE, NONE},
              .kill = NONE
        };
        struct crew_test t = {.status = ERR_IO};

        job = as;
        EXPECT(code_arena_new(&t.temp, ROOM, commit));
        test_fail_supply(i, true);
        run(&t);
        asked = test_end_supply();
        if (t.status == OK)
            expect_all_done();
        else
            EXPECT_EQ(t.status, ERR_NO_MEMORY);
        code_arena_free(&t.temp);
        charge_end(&t.memory, RESOURCE_CODE);
    }
}
