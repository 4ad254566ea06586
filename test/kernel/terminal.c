// test/kernel/terminal.c: the line discipline: what is typed, what of it is
// shown, who reads it and when.

#include "test/kernel/frame.h"

static struct terminal *
new_seat(void)
{
    struct terminal *t = NULL;

    EXPECT_EQ(terminal_new(&t, NULL), OK);
    return t;
}

static u32
take_echo(u8 *to, u32 size)
{
    u32 count = terminal_see_echo(to, size);

    terminal_drop_echo(count);
    return count;
}

// In front, with nothing typed yet.
static struct terminal *
new_front(void)
{
    struct terminal *t = new_seat();
    u8 bytes[256];

    while (take_echo(bytes, sizeof(bytes)) > 0)
        continue;
    terminal_focus(t);
    return t;
}

static void
leave(struct terminal *t)
{
    object_release(terminal_object(t));
}

static void
press(const char *keys)
{
    terminal_input((struct bytes){(u8 *)(u64)keys, string_of(keys).len});
}

static void
expect_text(const char *file, int line, const char *got, u64 size,
            const char *want)
{
    u32 len = string_of(want).len;

    if (size != len || memcmp(got, want, size) != 0)
        test_failed(file, line, want, (i64)size, len);
}

#define EXPECT_ECHO(want)                                         \
    do {                                                          \
        char shown[256];                                          \
        u32 shown_size = take_echo((u8 *)shown, sizeof(shown));   \
        expect_text(__FILE__, __LINE__, shown, shown_size, want); \
    } while (0)

#define EXPECT_READ(t, want)                                     \
    do {                                                         \
        char read[256];                                          \
        u64 read_size;                                           \
        struct bytes read_to = {(u8 *)read, sizeof(read)};       \
        EXPECT_EQ(terminal_read(t, read_to, 0, &read_size), OK); \
        expect_text(__FILE__, __LINE__, read, read_size, want);  \
    } while (0)

static void
expect_nothing(struct terminal *t)
{
    u8 byte;
    u64 count;

    EXPECT_EQ(terminal_read(t, (struct bytes){&byte, 1}, 0, &count),
              ERR_TIMED_OUT);
    EXPECT_EQ(object_signals(terminal_object(t)) & SIGNAL_READABLE, 0);
}

// --- lines -------------------------------------------------------------------

TEST_KERNEL(terminal_gives_lines)
{
    struct terminal *t = new_front();

    expect_nothing(t);
    press("on");
    expect_nothing(t); // not before it ends
    press("e\rtwo\nth");
    EXPECT_EQ(object_signals(terminal_object(t)),
              SIGNAL_READABLE | SIGNAL_WRITABLE);
    EXPECT_READ(t, "one\n");
    EXPECT_READ(t, "two\n");
    expect_nothing(t);
    EXPECT_ECHO("one\ntwo\nth");
    press("\n");
    EXPECT_READ(t, "th\n");
    EXPECT_ECHO("\n");
    leave(t);
}

TEST_KERNEL(terminal_gives_part_of_a_line)
{
    struct terminal *t = new_front();
    char bytes[3];
    u64 count;

    press("abcde\n");
    EXPECT_EQ(terminal_read(t, (struct bytes){(u8 *)bytes, 3}, 0, &count), OK);
    EXPECT_EQ(count, 3);
    EXPECT_READ(t, "de\n");
    EXPECT_EQ(terminal_read(t, (struct bytes){(u8 *)bytes, 0}, 0, &count), OK);
    EXPECT_EQ(count, 0);
    leave(t);
}

TEST_KERNEL(terminal_mends_lines)
{
    struct terminal *t = new_front();

    press("ab\177c\n");
    EXPECT_READ(t, "ac\n");
    EXPECT_ECHO("ab\b \bc\n");
    press("\177\bx\n");
    EXPECT_READ(t, "x\n");
    press("one two \027X\n");
    EXPECT_READ(t, "one X\n");
    press("one two\025three\n");
    EXPECT_READ(t, "three\n");
    while (take_echo((u8[64]){0}, 64) > 0)
        continue;
    press("a\001\177b\xc3\xa4\177\n"); // two columns, two bytes
    EXPECT_READ(t, "ab\n");
    EXPECT_ECHO("a^A\b \b\b \bb\xc3\xa4\b \b\n");
    leave(t);
}

TEST_KERNEL(terminal_ends)
{
    struct terminal *t = new_front();

    press("ab\004");
    EXPECT_READ(t, "ab");
    expect_nothing(t);
    press("\004");
    EXPECT_READ(t, "");
    press("c\n\004d\n");
    EXPECT_READ(t, "c\n");
    EXPECT_READ(t, "");
    EXPECT_READ(t, "d\n");
    leave(t);
}

TEST_KERNEL(terminal_has_room_for_a_line)
{
    struct terminal *t = new_front();
    char bytes[4200], got[4200];
    u64 count, all = 0;

    memset(bytes, 'x', sizeof(bytes));
    terminal_input((struct bytes){(u8 *)bytes, sizeof(bytes)});
    press("\n");
    do {
        EXPECT_EQ(
            terminal_read(t, (struct bytes){(u8 *)got, sizeof(got)}, 0, &count),
            OK);
        all += count;
    } while (got[count - 1] != '\n');
    EXPECT_EQ(all, 4096); // with its end
    leave(t);
}

// --- signals -----------------------------------------------------------------

TEST_KERNEL(terminal_signals)
{
    struct terminal *t = new_front();
    struct object *o = terminal_object(t);

    press("one\ntw");
    press("\003");
    EXPECT_EQ(object_signals(o), SIGNAL_INTERRUPTED | SIGNAL_WRITABLE);
    expect_nothing(t);
    EXPECT_ECHO("one\ntw^C\n");
    object_signal(o, SIGNAL_INTERRUPTED, 0);
    press("\032");
    EXPECT_EQ(object_signals(o), SIGNAL_STOPPED | SIGNAL_WRITABLE);
    EXPECT_ECHO("^Z\n");
    press("x\n");
    EXPECT_READ(t, "x\n");
    leave(t);
}

TEST_KERNEL(terminal_raw_is_bytes)
{
    struct terminal *t = new_front();

    EXPECT_EQ(terminal_set_mode(t, 3), ERR_BAD_ARGUMENT);
    press("ab");
    EXPECT_EQ(terminal_set_mode(t, 1), OK);
    EXPECT_READ(t, "ab"); // what there was of a line
    EXPECT_ECHO("ab");
    press("\003\004\032\r\n\033[A\033\177");
    EXPECT_READ(t, "\003\004\032\r\n\033[A\033\177");
    EXPECT_ECHO("");
    press("\033");
    EXPECT_READ(t, "\033"); // a key alone
    EXPECT_EQ(terminal_set_mode(t, 0), OK);
    press("c\n");
    EXPECT_READ(t, "c\n");
    leave(t);
}

// Bytes, but for ^C and ^Z, which drop what was typed before them.
TEST_KERNEL(terminal_raw_with_signals)
{
    struct terminal *t = new_front();

    EXPECT_EQ(terminal_set_mode(t, 2), OK);
    press("a\004\n");
    EXPECT_READ(t, "a\004\n");
    EXPECT_ECHO("");
    press("b\032c");
    EXPECT_EQ(object_signals(terminal_object(t)),
              SIGNAL_STOPPED | SIGNAL_READABLE | SIGNAL_WRITABLE);
    EXPECT_ECHO("^Z\n");
    EXPECT_READ(t, "c");
    press("d\003");
    expect_nothing(t);
    EXPECT_EQ(object_signals(terminal_object(t)),
              SIGNAL_INTERRUPTED | SIGNAL_STOPPED | SIGNAL_WRITABLE);
    leave(t);
}

// What was typed ahead for one who reads bytes is lines for the next, signals
// and all.
TEST_KERNEL(terminal_cooks_what_was_raw)
{
    struct terminal *t = new_front(), *job = new_seat();

    EXPECT_EQ(terminal_set_mode(t, 1), OK);
    press("one\ntwx\177o\nrest");
    EXPECT_ECHO("");
    terminal_focus(job);
    EXPECT_ECHO("one\ntwx\b \bo\nrest");
    EXPECT_READ(job, "one\n");
    EXPECT_READ(job, "two\n");
    expect_nothing(job);
    terminal_focus(t);
    EXPECT_READ(t, "rest"); // as it was typed
    press("sleep\032");
    EXPECT_EQ(object_signals(terminal_object(t)),
              SIGNAL_READABLE | SIGNAL_WRITABLE);
    EXPECT_EQ(terminal_set_mode(t, 0), OK);
    EXPECT_EQ(object_signals(terminal_object(t)),
              SIGNAL_STOPPED | SIGNAL_WRITABLE);
    EXPECT_ECHO("sleep^Z\n");
    leave(job);
    leave(t);
}

// However much that is, all of it comes, in order.
TEST_KERNEL(terminal_cooks_all_that_was_raw)
{
    enum { LINES = 6000 };
    struct terminal *t = new_front();
    char line[16], read[16];
    u64 size;

    EXPECT_EQ(terminal_set_mode(t, 1), OK);
    for (u32 i = 0; i < LINES; i++) {
        format(line, sizeof(line), "%08u\n", i);
        press(line);
    }
    EXPECT_EQ(terminal_set_mode(t, 0), OK);
    for (u32 i = 0; i < LINES; i++) {
        format(line, sizeof(line), "%08u\n", i);
        struct bytes to = {(u8 *)read, sizeof(read)};
        EXPECT_EQ(terminal_read(t, to, 0, &size), OK);
        EXPECT(size == 9 && memcmp(line, read, 9) == 0);
    }
    expect_nothing(t);
    leave(t);
}

// --- seats -------------------------------------------------------------------

TEST_KERNEL(terminal_has_one_front)
{
    struct terminal *a = new_front(), *b = new_seat();

    EXPECT_EQ(terminal_set_mode(b, 1), OK); // not a's affair
    press("one\n");
    expect_nothing(b);
    terminal_focus(b);
    expect_nothing(a);
    EXPECT_READ(b, "one\n");
    press("\003");
    EXPECT_EQ(object_signals(terminal_object(a)), SIGNAL_WRITABLE);
    EXPECT_READ(b, "\003");
    terminal_focus(a);
    press("\003");
    EXPECT_EQ(object_signals(terminal_object(a)),
              SIGNAL_INTERRUPTED | SIGNAL_WRITABLE);
    leave(a); // in front
    press("two\n");
    terminal_focus(b);
    EXPECT_READ(b, "two\n");
    leave(b);
}

struct line_reader {
    struct terminal *t;
    u64 count;
    status_t status;
};

static void
read_line(void *arg)
{
    struct line_reader *r = arg;
    u8 bytes[16];

    r->status = terminal_read(r->t, (struct bytes){bytes, sizeof(bytes)},
                              UINT64_MAX, &r->count);
}

// One line is one reader's; a killed one leaves it to others.
TEST_KERNEL(terminal_wakes_readers)
{
    struct terminal *t = new_front();
    struct line_reader readers[3] = {{.t = t}, {.t = t}, {.t = t}};
    struct thread *threads[3];

    for (u32 i = 0; i < 3; i++) {
        threads[i] = test_start_thread(read_line, &readers[i]);
    }
    for (u32 i = 0; i < 10; i++)
        thread_yield();
    thread_kill(threads[0]);
    EXPECT_EQ(thread_join(threads[0], UINT64_MAX), OK);
    EXPECT_EQ(readers[0].status, ERR_KILLED);
    press("abc\n");
    press("defgh\n");
    for (u32 i = 1; i < 3; i++) {
        EXPECT_EQ(thread_join(threads[i], UINT64_MAX), OK);
        EXPECT_EQ(readers[i].status, OK);
    }
    EXPECT_EQ(readers[1].count + readers[2].count, 10);
    for (u32 i = 0; i < 3; i++)
        thread_release(threads[i]);
    expect_nothing(t);
    leave(t);
}

// What comes while a reader is suspended is for others; its own is what comes
// later.
TEST_KERNEL(terminal_suspended_takes_nothing)
{
    struct terminal *t = new_front();
    struct group *g;

    EXPECT_EQ(group_new(&g, group_root(), "test"), OK);
    struct line_reader r = {.t = t};
    struct thread *thread, *self = thread_current();
    struct account *own = self->account;
    self->account = group_account(g); // a new one's is that of its maker
    EXPECT_EQ(thread_new(&thread, read_line, &r), OK);
    self->account = own;
    sched_start(thread);
    test_wait_until_blocked(thread);
    group_suspend(g);
    press("abc\n");
    for (u32 i = 0; i < 10; i++)
        thread_yield();
    EXPECT_READ(t, "abc\n");
    press("defg\n");
    group_resume(g);
    EXPECT_EQ(thread_join(thread, UINT64_MAX), OK);
    EXPECT_EQ(r.status, OK);
    EXPECT_EQ(r.count, 5);
    thread_release(thread);
    object_release(group_object(g));
    expect_nothing(t);
    leave(t);
}

// --- the size ----------------------------------------------------------------

TEST_KERNEL(terminal_is_told_its_size)
{
    struct terminal *t = new_front();
    struct object *o = terminal_object(t);
    u32 rows = 0, columns = 0;

    press("a\033_N24;80\033\\b\n");
    EXPECT_EQ(terminal_size(&rows, &columns), OK);
    EXPECT_EQ(rows, 24);
    EXPECT_EQ(columns, 80);
    EXPECT_EQ(object_signals(o) & SIGNAL_RESIZED, SIGNAL_RESIZED);
    object_signal(o, SIGNAL_RESIZED, 0);
    EXPECT_READ(t, "ab\n");
    press("\033_N5"); // in two pieces
    press("0;132\033\\");
    EXPECT_EQ(terminal_size(&rows, &columns), OK);
    EXPECT_EQ(rows, 50);
    EXPECT_EQ(columns, 132);
    expect_nothing(t);
    // What is none is typed, and numbers of any size do no harm.
    EXPECT_EQ(terminal_set_mode(t, 1), OK);
    press("\033_N1x\033_M\033_N123456789;1\033\\");
    EXPECT_READ(t, "\033_N1x\033_M");
    press("\033_N1;2;3;4;5;6;7;8;9;1;2;3;4;5;6;7;8;9\033\\");
    EXPECT_READ(t, "\033_N1;2;3;4;5;6;7;8;9;1;2;3;4;5;6;7;8;9\033\\");
    leave(t);
}

// What nobody reads is kept up to a size, and no further.
TEST_KERNEL(terminal_keeps_what_is_typed)
{
    struct terminal *t = new_front();
    char line[128];
    u64 count, all = 0;

    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\n';
    for (u32 i = 0; i < 1024; i++)
        terminal_input((struct bytes){(u8 *)line, sizeof(line)});
    while (terminal_read(t, (struct bytes){(u8 *)line, sizeof(line)}, 0,
                         &count) == OK)
        all += count;
    EXPECT_EQ(all, 65536);
    while (take_echo((u8 *)line, sizeof(line)) > 0)
        continue;
    leave(t);
}
