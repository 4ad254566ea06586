// test/wasi/network.c: sockets that a process serves (wasi/network.c), and the
// calls on them: what programs are told, whatever the server says, and that
// nothing stays of what failed.  Channels and streams are as fake_net says.

#include "test/wasi/fake.h"

#include <string.h>

enum { OUT = 0x100, OUT_FLAGS = 0x108, IOV = 0x200, DATA = 0x1000 };
enum { LISTENER = 3, CONNECTION = 4, NUMBER = 77 };

static struct {
    status_t reads, writes, streams, handles; // what these answer
    struct net_message next, sent;
    u32 size, sent_count, refused;
    u32 handle_count;              // that were made and not moved
    struct object ends[2];         // of the channel
    struct fake_pipe ours, theirs; // of the stream
    bool finished, peer_finished;
} fake_net;

// --- a kernel with one channel and one stream --------------------------------

const struct object_type channel_type = {.name = "channel", .rights = 7};
const struct object_type stream_type = {.name = "stream", .rights = 7};

struct channel *
channel_from_object(struct object *o)
{
    return (struct channel *)o;
}

struct object *
channel_object(struct channel *c)
{
    return (struct object *)c;
}

struct object *
stream_object(struct stream *s)
{
    return (struct object *)s;
}

status_t
channel_new(struct channel *ends[2], struct account *payer)
{
    (void)payer;
    for (u32 i = 0; i < 2; i++) {
        fake_net.ends[i] =
            (struct object){.type = &channel_type, .references = 1};
        ends[i] = channel_from_object(&fake_net.ends[i]);
    }
    return OK;
}

status_t
message_read(struct channel *c, struct channel_read *r, u64 deadline)
{
    EXPECT(channel_object(c) == &fake_net.ends[0]);
    EXPECT(fake_net.reads != ERR_SHOULD_WAIT || deadline == 0);
    if (fake_net.reads != OK)
        return fake_net.reads;
    memcpy(r->room.ptr, &fake_net.next, sizeof(fake_net.next));
    r->size = fake_net.size;
    return OK;
}

// The stream's end is the server's from then on, who keeps it.
status_t
message_write(struct channel *c, struct bytes bytes,
              const struct channel_side *side)
{
    EXPECT(channel_object(c) == &fake_net.ends[0]);
    EXPECT(side->handle_count <= 1 && bytes.size == sizeof(fake_net.sent));
    if (fake_net.writes != OK)
        return fake_net.writes;
    memcpy(&fake_net.sent, bytes.ptr, bytes.size);
    fake_net.refused += side->handle_count == 0;
    if (side->handle_count == 0)
        return OK;
    fake_net.sent_count++;
    fake_net.handle_count--;
    return OK;
}

void
handle_table_init(struct handle_table *t, struct account *account)
{
    t->account = account;
}

void
handle_table_free(struct handle_table *t)
{
    (void)t;
}

status_t
handle_new(struct handle_table *t, struct object *o, u32 rights, handle_t *out)
{
    (void)t, (void)rights;
    if (fake_net.handles != OK)
        return fake_net.handles;
    object_hold_handle(o);
    fake_net.handle_count++;
    *out = 1;
    return OK;
}

status_t
handle_close(struct handle_table *t, handle_t h)
{
    (void)t, (void)h;
    fake_net.handle_count--;
    object_release_handle(&fake_net.theirs.object);
    return OK;
}

status_t
stream_new(struct stream *ends[2], const u64 sizes[2], struct account *payer)
{
    (void)payer;
    EXPECT(sizes[0] == NET_STREAM_SIZE && sizes[1] == NET_STREAM_SIZE);
    if (fake_net.streams != OK)
        return fake_net.streams;
    fake_pipe_init(&fake_net.ours, 32);
    fake_pipe_init(&fake_net.theirs, 32);
    ends[0] = stream_from_object(&fake_net.ours.object);
    ends[1] = stream_from_object(&fake_net.theirs.object);
    return OK;
}

void
stream_finish(struct stream *s)
{
    EXPECT(stream_object(s) == &fake_net.ours.object);
    fake_net.finished = true;
}

bool
stream_is_finished(struct stream *s)
{
    EXPECT(stream_object(s) == &fake_net.ours.object);
    return fake_net.peer_finished;
}

// --- the listener ------------------------------------------------------------

static struct archive a;
static struct tree *tree; // kept for the leak checker
static struct network *network;

static void
start(void)
{
    struct error error = {OK, 0, NULL};
    u32 fd;

    archive_end(&a);
    tree = tree_new(archive_bytes(&a), &error);
    EXPECT(tree != NULL);
    fake_attach(tree_root(tree));
    EXPECT_EQ(CALL_WASI("fd_close", LISTENER), WASI_SUCCESS);
    EXPECT_EQ(network_new(&network, 1), OK);
    EXPECT(network_listener(network, 1) == NULL);
    struct node *n = network_listener(network, 0);
    EXPECT(n != NULL && network_listener(network, 0) == NULL);
    struct file init = {.node = n, .rights = rights_of_type(n->type)};
    EXPECT_EQ(file_install(wasi_current(), &init, &fd), WASI_SUCCESS);
    EXPECT_EQ(fd, LISTENER);
    node_drop(n);
    fake_net.next = (struct net_message){.op = NET_WAITS, .connection = NUMBER};
    fake_net.size = sizeof(struct net_message);
}

// All that was open is closed: nobody has a handle any more.
static void
stop(void)
{
    fake_detach();
    network_free(network);
    EXPECT_EQ(fake_net.ends[0].handles, 0);
    EXPECT_EQ(fake_net.ends[0].references, 0);
    EXPECT_EQ(fake_net.ends[1].references, 0);
    EXPECT_EQ(fake_net.ours.object.handles, 0);
    EXPECT_EQ(fake_net.handle_count, 0);
    tree_free(tree);
}

static errno_t
take(u32 flags)
{
    return CALL_WASI("sock_accept", LISTENER, flags, OUT);
}

static errno_t
move_bytes(const char *call, const char *text)
{
    const u32 iov[] = {DATA, (u32)strlen(text)};

    memcpy(fake.memory + IOV, iov, sizeof(iov));
    memcpy(fake.memory + DATA, text, strlen(text));
    return CALL_WASI(call, CONNECTION, IOV, 1, OUT);
}

// One who waits is taken, by the number that the server gave.
TEST(wasi_network_accept)
{
    start();
    EXPECT_EQ(CALL_WASI("fd_prestat_get", LISTENER, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 1);
    EXPECT_EQ(CALL_WASI("fd_prestat_dir_name", LISTENER, OUT, 0), WASI_NOTDIR);
    EXPECT_EQ(take(FDFLAG_NONBLOCK), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), CONNECTION);
    EXPECT(fake_net.sent.op == NET_TAKE && fake_net.sent.connection == NUMBER);
    EXPECT_EQ(CALL_WASI("fd_fdstat_get", CONNECTION, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake.memory[OUT], FILETYPE_SOCKET_STREAM);
    EXPECT_EQ(fake.memory[OUT + 2], FDFLAG_NONBLOCK);
    EXPECT_EQ(CALL_WASI("fd_prestat_get", CONNECTION, OUT), WASI_BADF);
    EXPECT_EQ(move_bytes("fd_write", "abcdef"), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 6);
    EXPECT_EQ(move_bytes("fd_read", "......"), WASI_SUCCESS);
    EXPECT(memcmp(fake.memory + DATA, "abcd", 4) == 0);
    EXPECT_EQ(CALL_WASI("sock_accept", CONNECTION, 0, OUT), WASI_INVAL);
    EXPECT_EQ(CALL_WASI("sock_shutdown", LISTENER, 1), WASI_NOTCONN);
    EXPECT_EQ(move_bytes("fd_write", ""), WASI_SUCCESS);
    stop();
}

// What the server says that it may not, and what there is no memory for.
TEST(wasi_network_accept_fails)
{
    static const struct {
        status_t *what, answer;
        errno_t error;
        u32 flags;
    } rows[] = {
        {&fake_net.reads,   ERR_SHOULD_WAIT, WASI_AGAIN,       FDFLAG_NONBLOCK},
        {&fake_net.reads,   ERR_PEER_CLOSED, WASI_CONNABORTED, 0              },
        {&fake_net.reads,   ERR_TOO_SMALL,   WASI_IO,          0              },
        {&fake_net.reads,   ERR_KILLED,      WASI_INTR,        0              },
        {&fake_net.streams, ERR_LIMIT,       WASI_NOMEM,       0              },
        {&fake_net.handles, ERR_LIMIT,       WASI_NFILE,       0              },
        {&fake_net.writes,  ERR_SHOULD_WAIT, WASI_NOBUFS,      0              },
        {&fake_net.writes,  ERR_PEER_CLOSED, WASI_CONNABORTED, 0              },
        {&fake_net.writes,  ERR_KILLED,      WASI_INTR,        0              },
    };

    start();
    u64 blocks = fake.blocks;
    for (u32 i = 0; i < COUNT(rows); i++) {
        *rows[i].what = rows[i].answer;
        EXPECT_EQ(take(rows[i].flags), rows[i].error);
        *rows[i].what = OK;
        EXPECT_EQ(fake.blocks, blocks);
        EXPECT_EQ(fake_net.handle_count, 0);
    }
    EXPECT(fake_net.refused == 2 && fake_net.sent.connection == NUMBER);
    fake_net.size--;
    EXPECT_EQ(take(0), WASI_IO);
    fake_net.size++;
    fake_net.next.op = NET_TAKE;
    EXPECT_EQ(take(0), WASI_IO);
    fake_net.next.op = NET_WAITS;
    EXPECT_EQ(take(FDFLAG_APPEND), WASI_INVAL);
    for (u64 i = 0; i < 2; i++) {
        fake.requests = 0;
        fake.fail_at = i + 1;
        EXPECT_EQ(take(0), WASI_NOMEM);
        fake.fail_at = 0;
        EXPECT_EQ(fake.blocks, blocks);
    }
    EXPECT_EQ(fake_net.ours.object.handles, 0);
    EXPECT_EQ(take(0), WASI_SUCCESS);
    stop();
}

// An end is not a reset, and nothing is said after an end of one's own.
TEST(wasi_network_ends)
{
    u32 *signals = &fake_net.ours.object.signals;

    start();
    EXPECT_EQ(take(0), WASI_SUCCESS);
    *signals |= SIGNAL_PEER_DONE;
    fake_net.peer_finished = true;
    EXPECT_EQ(move_bytes("fd_read", "..."), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 0);
    *signals |= SIGNAL_PEER_CLOSED;
    EXPECT_EQ(move_bytes("fd_read", "..."), WASI_SUCCESS);
    EXPECT_EQ(move_bytes("fd_write", "x"), WASI_PIPE);
    fake_net.peer_finished = false;
    EXPECT_EQ(move_bytes("fd_read", "..."), WASI_CONNRESET);
    EXPECT_EQ(move_bytes("fd_write", "x"), WASI_CONNRESET);
    EXPECT_EQ(CALL_WASI("sock_shutdown", CONNECTION, 0), WASI_INVAL);
    EXPECT_EQ(CALL_WASI("sock_shutdown", CONNECTION, 4), WASI_INVAL);
    EXPECT(!fake_net.finished);
    EXPECT_EQ(CALL_WASI("sock_shutdown", CONNECTION, 2), WASI_SUCCESS);
    EXPECT(fake_net.finished);
    EXPECT_EQ(move_bytes("fd_write", "x"), WASI_PIPE);
    EXPECT_EQ(CALL_WASI("sock_shutdown", CONNECTION, 1), WASI_SUCCESS);
    EXPECT_EQ(move_bytes("fd_read", "..."), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 0);
    stop();
}

// sock_recv and sock_send are of connections, and have no flags.
TEST(wasi_network_send_and_receive)
{
    const u32 iov[] = {DATA, 3};

    start();
    EXPECT_EQ(take(0), WASI_SUCCESS);
    memcpy(fake.memory + IOV, iov, sizeof(iov));
    memcpy(fake.memory + DATA, "abc", 3);
    EXPECT_EQ(CALL_WASI("sock_send", CONNECTION, IOV, 1, 0, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 3);
    memset(fake.memory + DATA, 0, 3);
    EXPECT_EQ(CALL_WASI("sock_recv", CONNECTION, IOV, 1, 0, OUT, OUT_FLAGS),
              WASI_SUCCESS);
    EXPECT(fake_u32(OUT) == 3 && memcmp(fake.memory + DATA, "abc", 3) == 0);
    EXPECT_EQ(CALL_WASI("sock_recv", CONNECTION, IOV, 1, 1, OUT, OUT_FLAGS),
              WASI_NOTSUP);
    EXPECT_EQ(CALL_WASI("sock_recv", CONNECTION, IOV, 1, 4, OUT, OUT_FLAGS),
              WASI_INVAL);
    EXPECT_EQ(CALL_WASI("sock_send", CONNECTION, IOV, 1, 1, OUT), WASI_INVAL);
    EXPECT_EQ(CALL_WASI("sock_send", LISTENER, IOV, 1, 0, OUT), WASI_NOTCONN);
    EXPECT_EQ(CALL_WASI("sock_send", 1, IOV, 1, 0, OUT), WASI_NOTSOCK);
    EXPECT_EQ(CALL_WASI("fd_read", LISTENER, IOV, 1, OUT), WASI_NOTSUP);
    stop();
}
