// test/wasi/pipe.c: pipes, what a program gives to one that it spawns, and poll
// with both: whose each reference and each right is.

#include "test/wasi/fake.h"

#include <string.h>
#include <sys/mman.h>

enum { OUT = 0x100, PATH = 0x200, IOV = 0x400, DATA = 0x1000 };

static struct archive a;
static struct tree *tree; // kept for the leak checker

// Fd 3: a directory with "f"; fd 4: that file, to be read.
static void
start(void)
{
    struct error error = {OK, 0, NULL};

    archive_add(&a, "f", '0', "0123456789", 10, "");
    archive_end(&a);
    tree = tree_new(archive_bytes(&a), &error);
    EXPECT(tree != NULL);
    fake_attach(tree_root(tree));
    EXPECT_EQ(CALL_WASI("path_open", 3, LOOKUP_FOLLOW, PATH,
                        fake_put(PATH, "f"), 0, CAN_FD_READ, 0, FDFLAG_NONBLOCK,
                        OUT),
              WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 4);
}

static u32
move_bytes(const char *call, u32 fd, u32 size, errno_t want)
{
    const u32 iov[] = {DATA, size};

    memcpy(fake.memory + IOV, iov, sizeof(iov));
    EXPECT_EQ(CALL_WASI(call, fd, IOV, 1, OUT), want);
    return want == WASI_SUCCESS ? fake_u32(OUT) : 0;
}

static status_t
adopt(struct fake_pipe *p, u32 rights, u32 *fd)
{
    struct adoption adoption = {
        .handle = 5,
        .object = {&p->object, rights},
    };

    return wasi_adopt(&adoption, fd);
}

// --- descriptors for others --------------------------------------------------

static status_t
spawn(const struct spawn_descriptor *d, u32 count,
      const struct carried *streams, struct process **child)
{
    const struct spawn_setup setup = {
        .descriptors = d,
        .descriptor_count = count,
        .streams = streams,
    };

    *child = fake_child();
    return wasi_spawn(*child, &setup);
}

static void
expect_same_stat(struct process *child, u32 fd, u32 from)
{
    u8 stat[24];

    EXPECT_EQ(CALL_WASI("fd_fdstat_get", from, DATA), WASI_SUCCESS);
    memcpy(stat, fake.memory + DATA, sizeof(stat));
    fake_enter(child);
    EXPECT_EQ(CALL_WASI("fd_fdstat_get", fd, DATA), WASI_SUCCESS);
    EXPECT(memcmp(stat, fake.memory + DATA, sizeof(stat)) == 0);
    fake_enter(NULL);
}

// A copy is the same file with the same flags and rights, from the same place
// on; each moves by itself then.
TEST(wasi_pipe_copies)
{
    const struct spawn_descriptor given[] = {
        {7, SPAWN_COPY, 4},
        {5, SPAWN_COPY, 3},
    };
    const u64 dir = rights_of_type(FILETYPE_DIRECTORY);
    struct process *child;

    start();
    EXPECT_EQ(CALL_WASI("fd_fdstat_set_rights", 3, dir, CAN_FD_READ),
              WASI_SUCCESS);
    EXPECT_EQ(move_bytes("fd_read", 4, 3, WASI_SUCCESS), 3);
    u64 blocks = fake.blocks;
    EXPECT_EQ(spawn(given, 2, NULL, &child), OK);
    expect_same_stat(child, 7, 4);
    expect_same_stat(child, 5, 3);
    fake_enter(child);
    EXPECT_EQ(CALL_WASI("fd_tell", 7, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u64(OUT), 3);
    EXPECT_EQ(move_bytes("fd_read", 7, 1, WASI_SUCCESS), 1);
    EXPECT_EQ(fake.memory[DATA], '3');
    EXPECT_EQ(CALL_WASI("fd_prestat_get", 5, OUT), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_fdstat_get", 0, OUT), WASI_BADF);
    fake_enter(NULL);
    EXPECT_EQ(CALL_WASI("fd_tell", 4, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u64(OUT), 3);
    fake_end(child);
    EXPECT_EQ(fake.blocks, blocks);
    EXPECT_EQ(CALL_WASI("fd_close", 4), WASI_SUCCESS);
    EXPECT_EQ(fake.blocks, blocks - 1); // the file is nobody's any more
}

// Where memory ends nothing is left behind.
TEST(wasi_pipe_no_memory)
{
    const struct spawn_descriptor given = {5, SPAWN_COPY, 4};
    struct process *child;

    start();
    u64 blocks = fake.blocks;
    for (u32 more = 0; more < 3; more++) {
        fake.memory_limit = blocks + more;
        EXPECT_EQ(spawn(&given, 1, NULL, &child), ERR_NO_MEMORY);
        fake_end(child);
        EXPECT_EQ(fake.blocks, blocks);
    }
    fake.memory_limit = blocks + 3;
    EXPECT_EQ(spawn(&given, 1, NULL, &child), OK);
    fake_end(child);
}

// A number names one descriptor, and each is one there can be.
TEST(wasi_pipe_bad_lists)
{
    const struct {
        u32 fds[2], from[2]; // of two descriptors
        status_t want;
    } table[] = {
        {{5, 6},                         {4, 4}, OK              },
        {{5, 5},                         {4, 3}, ERR_BAD_ARGUMENT},
        {{FILES_MAX - 1, FILES_MAX - 1}, {4, 4}, ERR_FULL        },
        {{5, FILES_MAX},                 {4, 4}, ERR_BAD_ARGUMENT},
        {{5, 6},                         {4, 9}, ERR_BAD_ARGUMENT},
    };
    struct process *child;

    start();
    u64 blocks = fake.blocks;
    for (u32 i = 0; i < COUNT(table); i++) {
        const struct spawn_descriptor given[] = {
            {table[i].fds[0], SPAWN_COPY, table[i].from[0]},
            {table[i].fds[1], SPAWN_COPY, table[i].from[1]},
        };
        EXPECT_EQ(spawn(given, 2, NULL, &child), table[i].want);
        fake_end(child);
        EXPECT_EQ(fake.blocks, blocks);
    }
}

// A descriptor of a stream can what its handle could.
TEST(wasi_pipe_rights)
{
    const u32 rights[] = {RIGHT_READ, RIGHT_WRITE, RIGHT_READ_WRITE};

    start();
    for (u32 i = 0; i < COUNT(rights); i++) {
        struct fake_pipe pipe;
        bool reads = rights[i] & RIGHT_READ, writes = rights[i] & RIGHT_WRITE;
        struct carried stream = {&pipe.object, rights[i]};
        struct process *child;

        fake_pipe_init(&pipe, 10);
        pipe.object.signals |= SIGNAL_PEER_DONE;
        EXPECT_EQ(spawn(&(struct spawn_descriptor){1, SPAWN_STREAM, 0}, 1,
                        &stream, &child),
                  OK);
        EXPECT_EQ(pipe.object.handles, 1);
        fake_enter(child);
        EXPECT_EQ(CALL_WASI("fd_fdstat_get", 1, OUT), WASI_SUCCESS);
        EXPECT_EQ((fake_u64(OUT + 8) & CAN_FD_READ) != 0, reads);
        EXPECT_EQ((fake_u64(OUT + 8) & CAN_FD_WRITE) != 0, writes);
        move_bytes("fd_read", 1, 1, reads ? WASI_SUCCESS : WASI_BADF);
        move_bytes("fd_write", 1, 1, writes ? WASI_SUCCESS : WASI_BADF);
        fake_end(child);
        EXPECT_EQ(pipe.object.handles, 0);
        EXPECT_EQ(pipe.object.references, 1);
    }
}

// A descriptor is there when the handle that it is made from has been taken,
// and not at all when another thread was faster.
TEST(wasi_pipe_adopt_takes_the_handle)
{
    struct fake_pipe pipe;
    u32 fd;

    start();
    fake_pipe_init(&pipe, 1);
    u64 blocks = fake.blocks;
    fake.adoption = ERR_BAD_HANDLE;
    EXPECT_EQ(adopt(&pipe, RIGHT_READ, &fd), ERR_BAD_HANDLE);
    EXPECT_EQ(pipe.object.handles, 0);
    EXPECT_EQ(fake.blocks, blocks);
    EXPECT_EQ(CALL_WASI("fd_close", 5), WASI_BADF);
    fake.adoption = OK;
    EXPECT_EQ(adopt(&pipe, RIGHT_READ, &fd), OK);
    EXPECT_EQ(fd, 5);
    EXPECT_EQ(pipe.object.handles, 1);
    EXPECT_EQ(CALL_WASI("fd_close", fd), WASI_SUCCESS);
    EXPECT_EQ(pipe.object.handles, 0);
    EXPECT_EQ(fake.blocks, blocks);
}

// What a stream says arrives as the program's errors.
TEST(wasi_pipe_reads_and_writes)
{
    struct fake_pipe pipe;
    u32 fd, other;

    start();
    fake_pipe_init(&pipe, 5);
    u64 blocks = fake.blocks;
    EXPECT_EQ(adopt(&pipe, RIGHT_READ_WRITE, &fd), OK);
    EXPECT_EQ(CALL_WASI("fd_fdstat_set_flags", fd, FDFLAG_NONBLOCK),
              WASI_SUCCESS);
    move_bytes("fd_read", fd, 9, WASI_AGAIN);
    fake_put(DATA, "abcdefg");
    EXPECT_EQ(move_bytes("fd_write", fd, 7, WASI_SUCCESS), 5);
    move_bytes("fd_write", fd, 1, WASI_AGAIN);
    memset(fake.memory + DATA, 0, 9);
    EXPECT_EQ(move_bytes("fd_read", fd, 2, WASI_SUCCESS), 2);
    EXPECT_EQ(move_bytes("fd_read", fd, 9, WASI_SUCCESS), 3);
    EXPECT(memcmp(fake.memory + DATA, "cde", 4) == 0);
    EXPECT_EQ(CALL_WASI("fd_fdstat_set_flags", fd, 0), WASI_SUCCESS);
    EXPECT_EQ(move_bytes("fd_write", fd, 5, WASI_SUCCESS), 5); // waits
    pipe.object.signals |= SIGNAL_PEER_CLOSED;
    EXPECT_EQ(move_bytes("fd_read", fd, 9, WASI_SUCCESS), FAKE_STEP);
    EXPECT_EQ(move_bytes("fd_read", fd, 9, WASI_SUCCESS), 1);
    EXPECT_EQ(move_bytes("fd_read", fd, 9, WASI_SUCCESS), 0);
    move_bytes("fd_write", fd, 1, WASI_PIPE);

    // Another descriptor of it is another file, with a number of its own.
    EXPECT_EQ(adopt(&pipe, RIGHT_READ, &other), OK);
    EXPECT_EQ(pipe.object.handles, 2);
    EXPECT_EQ(CALL_WASI("fd_filestat_get", fd, OUT), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_filestat_get", other, DATA), WASI_SUCCESS);
    EXPECT(fake_u64(OUT + 8) != fake_u64(DATA + 8));
    EXPECT_EQ(fake_u64(OUT + 24), 1);
    EXPECT_EQ(CALL_WASI("fd_close", fd), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_close", other), WASI_SUCCESS);
    EXPECT_EQ(pipe.object.handles, 0);
    EXPECT_EQ(pipe.object.references, 1);
    EXPECT_EQ(fake.blocks, blocks);
}

// Pieces of one call that fit are one write of the pipe; those of more are not.
TEST(wasi_pipe_gathers)
{
    struct fake_pipe pipe;
    u32 fd, half = LIMIT_STREAM_WHOLE / 2;

    start();
    fake_pipe_init(&pipe, 9);
    EXPECT_EQ(adopt(&pipe, RIGHT_READ_WRITE, &fd), OK);
    EXPECT_EQ(CALL_WASI("fd_fdstat_set_flags", fd, FDFLAG_NONBLOCK),
              WASI_SUCCESS);
    u64 blocks = fake.blocks;
    for (u32 more = 0; more < 2; more++) {
        const u32 iovs[] = {DATA, half, DATA + 10, half + more};
        memcpy(fake.memory + IOV, iovs, sizeof(iovs));
        pipe.largest = 0;
        EXPECT_EQ(CALL_WASI("fd_write", fd, IOV, 2, OUT),
                  more ? WASI_AGAIN : WASI_SUCCESS);
        EXPECT_EQ(pipe.largest, more ? half : 2 * half);
        EXPECT_EQ(fake.blocks, blocks);
    }
}

// What went through is no error of a node (struct node_ops).
TEST(wasi_pipe_node_writes_some)
{
    struct fake_pipe pipe;
    u64 count;
    u8 bytes[8] = {0};

    fake_pipe_init(&pipe, 5);
    struct node *n = pipe_node(&pipe.object);
    EXPECT_EQ(n->ops->write(n, 0, (struct bytes){bytes, 8}, 0, &count),
              WASI_SUCCESS);
    EXPECT_EQ(count, 5);
    EXPECT_EQ(n->ops->write(n, 0, (struct bytes){bytes, 8}, 0, &count),
              WASI_AGAIN);
    EXPECT_EQ(count, 0);
    node_drop(n);
    EXPECT_EQ(fake.blocks, 0);
}

// Sizes of arguments are numbers of 32 bits for the program.
TEST(wasi_pipe_long_arguments)
{
    const u64 size = 1ull << 32;
    u8 *text = mmap(NULL, size, PROT_READ,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    const struct {
        u64 args, env;
        status_t want;
    } table[] = {
        {size - 1, size - 1, OK              },
        {size,     0,        ERR_BAD_ARGUMENT},
        {0,        size,     ERR_BAD_ARGUMENT},
    };

    EXPECT(text != MAP_FAILED);
    for (u32 i = 0; i < COUNT(table); i++) {
        const struct wasi_setup setup = {
            .args = {text, table[i].args},
            .env = {text, table[i].env },
        };
        struct process *child = fake_child();
        EXPECT_EQ(wasi_attach_bare(child, &setup), table[i].want);
        fake_end(child);
    }
}

// --- standard streams --------------------------------------------------------

// Those that are terminals are seats, where there is a terminal of ours.
TEST(wasi_pipe_seats)
{
    struct fake_pipe seat;
    const struct wasi_setup setup = {
        .terminals = 1 << PORT_STDOUT,
        .terminal = &seat.object,
    };

    fake_pipe_init(&seat, 0);
    seat.object.type = &terminal_type;
    struct process *child = fake_child();
    EXPECT_EQ(wasi_attach(child, &setup), OK);
    EXPECT_EQ(seat.object.handles, 1);
    fake_enter(child);
    for (u32 fd = 0; fd < 3; fd++) {
        EXPECT_EQ(CALL_WASI("fd_filestat_get", fd, OUT), WASI_SUCCESS);
        EXPECT_EQ(fake_u64(OUT), fd == PORT_STDOUT ? 3 : 2);
        EXPECT_EQ(CALL_WASI("fd_fdstat_get", fd, OUT), WASI_SUCCESS);
        EXPECT_EQ(fake.memory[OUT], fd == PORT_STDOUT ?
                                        FILETYPE_CHARACTER_DEVICE :
                                        FILETYPE_UNKNOWN);
    }
    fake_end(child);
    EXPECT_EQ(seat.object.handles, 0);
    for (u32 limit = 1; limit < 5; limit++) {
        fake.memory_limit = limit;
        child = fake_child();
        EXPECT_EQ(wasi_attach(child, &setup), ERR_NO_MEMORY);
        fake_end(child);
        EXPECT_EQ(seat.object.references, 1);
        EXPECT_EQ(fake.blocks, 0);
    }
}

// --- poll --------------------------------------------------------------------

enum { CLOCK, READ, WRITE };

static void
put_subscription(u32 index, u32 type, u32 id, u64 timeout)
{
    u8 *s = fake.memory + IOV + 48 * index;

    memset(s, 0, 48);
    s[0] = (u8)(10 + index);
    s[8] = (u8)type;
    memcpy(s + 16, &id, 4);
    memcpy(s + 24, &timeout, 8);
}

// The one event of the next poll.
static void
expect_event(u32 subscriptions, u32 userdata, u64 size, u32 flags)
{
    EXPECT_EQ(CALL_WASI("poll_oneoff", IOV, DATA, subscriptions, OUT),
              WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 1);
    EXPECT_EQ(fake_u64(DATA), userdata);
    EXPECT_EQ(fake.memory[DATA + 8], WASI_SUCCESS);
    EXPECT_EQ(fake_u64(DATA + 16), size);
    EXPECT_EQ(fake.memory[DATA + 24], flags);
}

static struct fake_pipe polled;

static u32
start_polling(u64 room)
{
    u32 fd;

    start();
    fake_pipe_init(&polled, room);
    EXPECT_EQ(adopt(&polled, RIGHT_READ_WRITE, &fd), OK);
    return fd;
}

static void
stop_polling(u64 blocks)
{
    EXPECT_EQ(polled.object.references, 2); // ours, and the descriptor's
    EXPECT_EQ(fake.blocks, blocks);
}

// To read and to write are two questions; the end answers one of them.
TEST(wasi_pipe_poll)
{
    u32 fd = start_polling(0);
    u64 blocks = fake.blocks;

    put_subscription(0, READ, fd, 0);
    put_subscription(1, WRITE, fd, 0);
    put_subscription(2, CLOCK, 1, 300);
    expect_event(3, 12, 0, 0); // neither
    EXPECT_EQ(fake.now_ns, 300);
    polled.object.signals = SIGNAL_WRITABLE;
    expect_event(3, 11, 1, 0);
    polled.object.signals = SIGNAL_READABLE;
    expect_event(3, 10, 1, 0);
    polled.object.signals = SIGNAL_READABLE | SIGNAL_PEER_DONE;
    expect_event(3, 10, 1, 1);
    polled.object.signals = SIGNAL_PEER_DONE;
    expect_event(3, 10, 1, 1);
    polled.object.signals = SIGNAL_PEER_CLOSED;
    expect_event(1, 10, 1, 1);
    put_subscription(0, WRITE, fd, 0);
    expect_event(1, 10, 1, 0);
    EXPECT_EQ(fake.now_ns, 300);
    stop_polling(blocks);
}

static void
make_readable(void)
{
    polled.object.signals |= SIGNAL_READABLE;
}

// It waits for as long as it takes, and then looks again.
TEST(wasi_pipe_poll_waits)
{
    u32 fd = start_polling(0);
    u64 blocks = fake.blocks;

    fake.later = make_readable;
    put_subscription(0, READ, fd, 0);
    expect_event(1, 10, 1, 0);
    EXPECT(fake.waited_ns > UINT64_MAX / 2);
    stop_polling(blocks);
}

// What ended the wait may be gone: then it waits for that, too, anew.
TEST(wasi_pipe_poll_robbed)
{
    u32 fd = start_polling(0);
    u64 blocks = fake.blocks;

    fake.later = make_readable;
    fake.robbed = true;
    put_subscription(0, READ, fd, 0);
    expect_event(1, 10, 1, 0);
    EXPECT(!fake.robbed);
    stop_polling(blocks);
}

// Who may not read or write may not wait for it either.
TEST(wasi_pipe_poll_rights)
{
    struct fake_pipe pipe;
    u32 fd;

    start();
    fake_pipe_init(&pipe, 1);
    pipe.object.signals |= SIGNAL_READABLE;
    EXPECT_EQ(adopt(&pipe, RIGHT_READ, &fd), OK);
    put_subscription(0, WRITE, fd, 0);
    EXPECT_EQ(CALL_WASI("poll_oneoff", IOV, DATA, 1, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake.memory[DATA + 8], WASI_BADF);
    put_subscription(0, READ, fd, 0);
    expect_event(1, 10, 1, 0);
}

static u32 looks;

static void
type_something(void)
{
    if (++looks == 3)
        fake.in = "typed";
}

// Standard input is no object: it is looked at while an object is waited for.
TEST(wasi_pipe_poll_with_input)
{
    const u64 second = 1000000000;
    u32 fd = start_polling(0);
    u64 blocks = fake.blocks;

    put_subscription(0, READ, 0, 0);
    put_subscription(1, READ, fd, 0);
    put_subscription(2, CLOCK, 1, second);
    fake.later = type_something;
    expect_event(3, 10, 5, 0);
    EXPECT_EQ(looks, 3);
    EXPECT(fake.now_ns < second && fake.waited_ns < second / 10);
    fake.in = NULL;
    fake.later = make_readable;
    expect_event(3, 11, 1, 0);
    EXPECT(fake.now_ns < second);
    fake.later = NULL;
    polled.object.signals = 0;
    u64 now = fake.now_ns;
    expect_event(3, 12, 0, 0);
    EXPECT_EQ(fake.now_ns, now + second);
    stop_polling(blocks);
}

// More objects than one wait can have, and no memory for it.
TEST(wasi_pipe_poll_too_many)
{
    u32 fd = start_polling(0);
    u64 blocks = fake.blocks;

    for (u32 i = 0; i <= POLL_OBJECTS; i++)
        put_subscription(i, READ, fd, 0);
    EXPECT_EQ(CALL_WASI("poll_oneoff", IOV, DATA, POLL_OBJECTS + 1, OUT),
              WASI_NOMEM);
    stop_polling(blocks);
    fake.later = make_readable;
    EXPECT_EQ(CALL_WASI("poll_oneoff", IOV, IOV, POLL_OBJECTS, OUT),
              WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), POLL_OBJECTS);
    stop_polling(blocks);
    polled.object.signals = 0;
    put_subscription(0, READ, fd, 0);
    fake.memory_limit = 1;
    EXPECT_EQ(CALL_WASI("poll_oneoff", IOV, DATA, 1, OUT), WASI_NOMEM);
    fake.memory_limit = 0;
    stop_polling(blocks);
}
