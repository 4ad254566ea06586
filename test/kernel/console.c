// test/kernel/console.c: many threads wait for one stream, and cost no more
// than one; answers to those that were killed; writes that do not wait.  The
// port's streams are led to __wrap_... (see the Makefile), which counts the
// questions while `port.on`.

#include "test/kernel/frame.h"

enum { THREADS = 100 };

status_t __real_port_read(void *to, u64 size, u64 *count);
status_t __real_port_look(bool now, struct port_input *out);
status_t __wrap_port_read(void *to, u64 size, u64 *count);
status_t __wrap_port_look(bool now, struct port_input *out);
status_t __real_port_write(enum port_stream stream, const void *bytes, u64 size,
                           u64 *count);
status_t __wrap_port_write(enum port_stream stream, const void *bytes, u64 size,
                           u64 *count);
status_t __real_port_settle(enum port_stream stream, u64 *lost);
status_t __wrap_port_settle(enum port_stream stream, u64 *lost);

static struct {
    bool on;
    u64 room;     // of outputs
    bool unknown; // what becomes of what was written
    u32 asked;    // questions
    u64 ready;    // bytes

    // The host answers what there is now a while after it was asked.
    bool slow;
    bool is_asked, is_answered;
    u64 answer;
} port;

// From whatever CPU.
#define GET(field)        __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define SET(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)

void
test_console_stop(bool stopped)
{
    SET(port.room, 0);
    SET(port.on, stopped);
}

static u32 served, wrong; // threads

status_t
__wrap_port_read(void *to, u64 size, u64 *count)
{
    if (!GET(port.on))
        return __real_port_read(to, size, count);
    COUNT_UP(port.asked);
    *count = MIN(size, GET(port.ready));
    SET(port.ready, GET(port.ready) - *count);
    memset(to, 'x', *count);
    return *count > 0 ? OK : ERR_SHOULD_WAIT;
}

// The answer of a slow host, once.
static status_t
take_answer(struct port_input *out)
{
    bool known = GET(port.is_answered);

    SET(port.is_asked, !known);
    SET(port.is_answered, false);
    *out = (struct port_input){.ready = GET(port.answer)};
    return !known ? ERR_SHOULD_WAIT : GET(port.answer) > 0 ? OK : ERR_TIMED_OUT;
}

status_t
__wrap_port_look(bool now, struct port_input *out)
{
    if (!GET(port.on))
        return __real_port_look(now, out);
    COUNT_UP(port.asked);
    if (GET(port.slow) && now)
        return take_answer(out);
    *out = (struct port_input){.ready = GET(port.ready)};
    return GET(port.ready) > 0 ? OK : now ? ERR_TIMED_OUT : ERR_SHOULD_WAIT;
}

status_t
__wrap_port_write(enum port_stream stream, const void *bytes, u64 size,
                  u64 *count)
{
    if (!GET(port.on))
        return __real_port_write(stream, bytes, size, count);
    *count = MIN(size, GET(port.room));
    SET(port.room, GET(port.room) - *count);
    return *count > 0 ? OK : ERR_SHOULD_WAIT;
}

status_t
__wrap_port_settle(enum port_stream stream, u64 *lost)
{
    if (!GET(port.on))
        return __real_port_settle(stream, lost);
    *lost = 0;
    return GET(port.unknown) ? ERR_SHOULD_WAIT : OK;
}

static void
read_one(void *arg)
{
    u64 count;
    u8 byte = 0;

    (void)arg;
    if (console_read(&byte, 1, UINT64_MAX, &count) != OK || count != 1 ||
        byte != 'x')
        COUNT_UP(wrong);
    COUNT_UP(served);
}

static void
look_one(void *arg)
{
    struct port_input state;

    (void)arg;
    if (console_wait(UINT64_MAX, &state) != OK || state.ready == 0)
        COUNT_UP(wrong);
    COUNT_UP(served);
}

static void
interrupt(u32 streams)
{
    bool on = port_interrupts_off();

    console_interrupt(streams);
    port_interrupts_restore(on);
}

static void
start_all(struct thread **threads, void (*run)(void *arg))
{
    served = wrong = 0;
    SET(port.on, true);
    SET(port.ready, 0);
    for (u32 i = 0; i < THREADS; i++) {
        threads[i] = test_start_blocked(run, NULL);
    }
    SET(port.asked, 0);
}

// Interrupts of others cost them nothing, one of theirs a question; then one
// byte for each.
static void
serve_all(struct thread **threads)
{
    for (u32 i = 0; i < 10; i++) {
        interrupt(1u << PORT_STDOUT | 1u << PORT_STDERR);
        thread_yield();
    }
    EXPECT_EQ(GET(port.asked), 0);
    interrupt(1u << PORT_STDIN);
    TEST_WAIT(GET(port.asked) != 0); // on another CPU, it may take its time
    for (u32 i = 0; i < 10; i++)
        thread_yield();
    EXPECT_EQ(GET(port.asked), 1);
    EXPECT_EQ(served, 0);
    SET(port.ready, THREADS);
    interrupt(1u << PORT_STDIN);
    for (u32 i = 0; i < THREADS; i++) {
        EXPECT_EQ(thread_join(threads[i], UINT64_MAX), OK);
        thread_release(threads[i]);
    }
    EXPECT_EQ(served, THREADS);
    EXPECT_EQ(wrong, 0);
    EXPECT(GET(port.asked) <= THREADS + 1);
    SET(port.on, false);
}

TEST_KERNEL(console_many_readers)
{
    struct thread *threads[THREADS];

    start_all(threads, read_one);
    serve_all(threads);
    EXPECT_EQ(GET(port.ready), 0);
}

TEST_KERNEL(console_many_look)
{
    struct thread *threads[THREADS];

    start_all(threads, look_one);
    serve_all(threads);
}

// Who waits for a turn can be killed, and the turn of a killed one passes on.
TEST_KERNEL(console_turn_of_the_killed)
{
    struct thread *threads[THREADS];

    start_all(threads, read_one);
    thread_kill(threads[0]); // it is its turn
    thread_kill(threads[2]);
    EXPECT_EQ(thread_join(threads[0], UINT64_MAX), OK);
    EXPECT_EQ(thread_join(threads[2], UINT64_MAX), OK);
    EXPECT_EQ(wrong, 2);
    wrong = served = 0;
    SET(port.ready, THREADS - 2);
    interrupt(1u << PORT_STDIN);
    for (u32 i = 0; i < THREADS; i++) {
        if (i != 0 && i != 2)
            EXPECT_EQ(thread_join(threads[i], UINT64_MAX), OK);
        thread_release(threads[i]);
    }
    EXPECT_EQ(served, THREADS - 2);
    EXPECT_EQ(wrong, 0);
    SET(port.on, false);
}

static void
answer(void)
{
    EXPECT(GET(port.is_asked));
    SET(port.answer, GET(port.ready));
    SET(port.is_asked, false);
    SET(port.is_answered, true);
    interrupt(1u << PORT_STDIN);
}

static void
read_byte(void *arg)
{
    u64 count = 0;
    u8 byte = 0;

    (void)arg;
    EXPECT_EQ(console_read(&byte, 1, UINT64_MAX, &count), OK);
    EXPECT_EQ(count, 1);
    COUNT_UP(served);
}

// One that counts as the group's.
static struct thread *
start_in(struct group *g, void (*run)(void *arg))
{
    struct thread *self = thread_current();
    struct account *own = self->account;

    self->account = group_account(g); // a new one's is that of its maker
    struct thread *t = test_start_blocked(run, NULL);
    self->account = own;
    return t;
}

static void
read_killed(void *arg)
{
    u64 count = 0;
    u8 byte = 0;

    (void)arg;
    EXPECT_EQ(console_read(&byte, 1, UINT64_MAX, &count), ERR_KILLED);
}

// It was its turn: what comes is the next one's, and what comes later its own.
TEST_KERNEL(console_turn_of_the_suspended)
{
    struct group *g;

    EXPECT_EQ(group_new(&g, group_root(), "test"), OK);
    served = 0;
    SET(port.on, true);
    SET(port.ready, 0);
    struct thread *first = start_in(g, read_byte),
                  *third = start_in(g, read_byte),
                  *last = test_start_blocked(read_byte, NULL);
    group_suspend(g);
    SET(port.ready, 1);
    interrupt(1u << PORT_STDIN);
    EXPECT_EQ(thread_join(last, UINT64_MAX), OK);
    EXPECT_EQ(served, 1);
    EXPECT_EQ(GET(port.ready), 0);
    for (u32 i = 0; i < 10; i++)
        thread_yield();
    SET(port.ready, 1);
    interrupt(1u << PORT_STDIN); // there is nobody who would take it
    for (u32 i = 0; i < 10; i++)
        thread_yield();
    EXPECT_EQ(GET(port.ready), 1);
    group_resume(g);
    TEST_WAIT(COUNT_OF(served) >= 2);
    SET(port.ready, 1);
    interrupt(1u << PORT_STDIN);
    EXPECT_EQ(thread_join(first, UINT64_MAX), OK);
    EXPECT_EQ(thread_join(third, UINT64_MAX), OK);
    EXPECT_EQ(GET(port.ready), 0);
    thread_release(first);
    thread_release(third);
    thread_release(last);
    object_release(group_object(g));
    SET(port.on, false);
}

// A kill ends the wait of one that is suspended.
TEST_KERNEL(console_suspended_is_killed)
{
    struct group *g;

    EXPECT_EQ(group_new(&g, group_root(), "test"), OK);
    group_suspend(g);
    SET(port.on, true);
    SET(port.ready, 1);
    struct thread *t = start_in(g, read_killed);
    EXPECT_EQ(GET(port.ready), 1);
    thread_kill(t);
    EXPECT_EQ(thread_join(t, UINT64_MAX), OK);
    EXPECT_EQ(GET(port.ready), 1);
    thread_release(t);
    group_resume(g);
    object_release(group_object(g));
    SET(port.on, false);
}

static void
look_now(void *arg)
{
    struct port_input state;

    *(status_t *)arg = console_wait(0, &state);
}

// The host said that there was nothing, to a thread that has gone; or is about
// to say so.
static void
look_after_killed(bool answered)
{
    status_t first = OK, second = OK;

    SET(port.on, true);
    SET(port.slow, true);
    SET(port.is_asked, false);
    SET(port.is_answered, false);
    SET(port.ready, 0);
    struct thread *t = test_start_blocked(look_now, &first);
    thread_kill(t);
    EXPECT_EQ(thread_join(t, UINT64_MAX), OK);
    thread_release(t);
    EXPECT_EQ(first, ERR_KILLED);
    if (answered) {
        answer();
        SET(port.ready, 1);
    }
    t = test_start_blocked(look_now, &second);
    if (!answered) {
        answer();
        SET(port.ready, 1);
        while (!GET(port.is_asked) && GET(t->state) != THREAD_DEAD)
            thread_yield();
    }
    if (GET(port.is_asked))
        answer();
    EXPECT_EQ(thread_join(t, UINT64_MAX), OK);
    thread_release(t);
    EXPECT_EQ(second, OK);
    SET(port.on, false);
    SET(port.slow, false);
}

TEST_KERNEL(console_answer_to_the_killed)
{
    look_after_killed(true);
    look_after_killed(false);
}

// --- output ------------------------------------------------------------------

static void
write_one(void *arg)
{
    u64 count;

    (void)arg;
    if (console_write(PORT_STDOUT, "abc", 3, UINT64_MAX, &count) != OK ||
        count != 3)
        COUNT_UP(wrong);
    COUNT_UP(served);
}

static status_t
write_now(u64 size, u64 *count)
{
    return console_write(PORT_STDOUT, "0123456789", size, 0, count);
}

// Who may not wait gets what there is room for, or nothing: for the host, to
// know what became of it, or behind another writer.
TEST_KERNEL(console_writes_that_do_not_wait)
{
    struct thread *t;
    u64 count;

    SET(port.on, true);
    SET(port.room, 4);
    EXPECT_EQ(write_now(10, &count), OK);
    EXPECT_EQ(count, 4);
    EXPECT_EQ(write_now(10, &count), ERR_TIMED_OUT);
    EXPECT_EQ(count, 0);
    SET(port.unknown, true);
    SET(port.room, 4);
    EXPECT_EQ(write_now(2, &count), OK);
    EXPECT_EQ(count, 2);
    SET(port.unknown, false);
    SET(port.room, 0);
    served = wrong = 0;
    t = test_start_blocked(write_one, NULL);
    SET(port.room, 4);
    EXPECT_EQ(write_now(1, &count), ERR_TIMED_OUT);
    interrupt(1u << PORT_STDOUT);
    EXPECT_EQ(thread_join(t, UINT64_MAX), OK);
    thread_release(t);
    EXPECT(served == 1 && wrong == 0 && GET(port.room) == 1);
    EXPECT_EQ(write_now(1, &count), OK);
    SET(port.on, false);
}
