// wasi/network.c: listeners that a process serves (user/netd), as sockets of
// programs (struct node_ops).
//
// A listener is a channel: for each connection the server says that one waits
// (struct net_message, abi/structs.def), and who accepts it makes a stream, and
// sends one end there.  That stream is the connection, and the program's own,
// which pays for it.  The server ends it where the other side has ended
// (stream_finish), and closes it where there is no connection any more, so that
// one which closes without an end is a reset; so is the server's own end.
//
// Nothing that the server says is trusted to be more than that.

#include "wasi/wasi.h"

enum { DEVICE_NETWORK = 6 }; // device number of all sockets

struct network {
    struct handle_table table; // of streams, on their way to the server
    u32 count;
    struct channel *ends[]; // 2 for each listener, NULL: given away
};

struct net_socket {
    struct node node;
    u32 references;        // atomic
    struct object *object; // with the references of a handle
    struct network *network;
    u64 number;          // counted, what programs know it by
    bool deaf, finished; // atomic: nothing more is read, is written
};

static const struct node_ops connection_ops, listener_ops;

static struct net_socket *
net_socket(struct node *n)
{
    return CONTAINER(n, struct net_socket, node);
}

// --- both kinds --------------------------------------------------------------

static void
socket_hold(struct node *n)
{
    count_up(&net_socket(n)->references);
}

static void
socket_drop(struct node *n)
{
    struct net_socket *s = net_socket(n);

    if (!count_down(&s->references))
        return;
    object_release_handle(s->object);
    object_release(s->object);
    kernel_free(s);
}

// The reference to `object` is taken.
static struct net_socket *
socket_new(struct network *network, struct object *object,
           const struct node_ops *ops)
{
    static u64 numbers; // atomic
    struct net_socket *s = kernel_alloc(sizeof(*s));

    if (s == NULL) {
        object_release(object);
        return NULL;
    }
    s->node = (struct node){ops, FILETYPE_SOCKET_STREAM};
    s->references = 1;
    s->network = network;
    s->number = __atomic_add_fetch(&numbers, 1, __ATOMIC_RELAXED);
    s->object = object;
    object_hold_handle(object);
    return s;
}

static errno_t
socket_stat(struct node *n, struct filestat *out)
{
    *out = (struct filestat){
        .device = DEVICE_NETWORK,
        .inode = net_socket(n)->number,
        .links = 1,
        .type = n->type,
    };
    return WASI_SUCCESS;
}

// --- connections -------------------------------------------------------------

static struct stream *
stream_of(const struct net_socket *s)
{
    return stream_from_object(s->object);
}

// The other end is closed: had the other side ended what it sends?
static bool
has_ended(const struct net_socket *s)
{
    return stream_is_finished(stream_of(s));
}

static errno_t
connection_read(struct node *n, u64 at, struct bytes to, u64 deadline_ns,
                u64 *count)
{
    const struct net_socket *s = net_socket(n);

    (void)at;
    *count = 0;
    if (__atomic_load_n(&s->deaf, __ATOMIC_RELAXED))
        return WASI_SUCCESS;
    status_t status = stream_read(stream_of(s), to, deadline_ns, count);
    if (status == ERR_PEER_CLOSED)
        return has_ended(s) ? WASI_SUCCESS : WASI_CONNRESET;
    return stream_errno(status);
}

static errno_t
connection_write(struct node *n, u64 at, struct bytes from, u64 deadline_ns,
                 u64 *count)
{
    const struct net_socket *s = net_socket(n);
    status_t status = OK;
    u64 part;

    (void)at;
    *count = 0;
    while (status == OK && *count < from.size) {
        struct bytes rest = {from.ptr + *count, from.size - *count};
        status = stream_write(stream_of(s), rest, deadline_ns, &part);
        *count += status == OK ? part : 0;
    }
    if (*count > 0)
        return WASI_SUCCESS;
    bool over = __atomic_load_n(&s->finished, __ATOMIC_RELAXED) || has_ended(s);
    return status == ERR_PEER_CLOSED && !over ? WASI_CONNRESET :
                                                stream_errno(status);
}

static struct object *
connection_object(struct node *n, struct node_signals *out)
{
    *out = (struct node_signals){
        .read = SIGNAL_READABLE | SIGNAL_PEER_DONE | SIGNAL_PEER_CLOSED,
        .write = SIGNAL_WRITABLE | SIGNAL_PEER_CLOSED,
        .end = SIGNAL_PEER_DONE | SIGNAL_PEER_CLOSED,
    };
    return net_socket(n)->object;
}

static errno_t
connection_shutdown(struct node *n, bool reads, bool writes)
{
    struct net_socket *s = net_socket(n);

    if (reads)
        __atomic_store_n(&s->deaf, true, __ATOMIC_RELAXED);
    if (writes) {
        __atomic_store_n(&s->finished, true, __ATOMIC_RELAXED);
        stream_finish(stream_of(s));
    }
    return WASI_SUCCESS;
}

static const struct node_ops connection_ops = {
    .hold = socket_hold,
    .drop = socket_drop,
    .stat = socket_stat,
    .read = connection_read,
    .write = connection_write,
    .object = connection_object,
    .shutdown = connection_shutdown,
};

// --- listeners ---------------------------------------------------------------

// Wait for word of a connection.
static errno_t
next_waiting(struct net_socket *s, u64 deadline_ns, struct net_message *m)
{
    struct channel_read r = {
        .table = &s->network->table,
        .room = {(u8 *)m, sizeof(*m)},
    };
    status_t status =
        message_read(channel_from_object(s->object), &r, deadline_ns);

    if (status == ERR_PEER_CLOSED)
        return WASI_CONNABORTED;
    if (status == OK && (r.size != sizeof(*m) || m->op != NET_WAITS))
        return WASI_IO;
    return stream_errno(status);
}

// There is no room for the connection: a message without a stream resets it.
static void
refuse(struct net_socket *s, u32 connection)
{
    struct net_message m = {.op = NET_TAKE, .connection = connection};
    const struct channel_side side = {.payer = account_current()};

    (void)!message_write(channel_from_object(s->object),
                         (struct bytes){(u8 *)&m, sizeof(m)}, &side);
}

// Send the server its end of the stream, whose reference is taken.
static errno_t
send_end(struct net_socket *s, u32 connection, struct object *end)
{
    struct net_message m = {.op = NET_TAKE, .connection = connection};
    struct handle_table *table = &s->network->table;
    handle_t handle;
    const struct channel_side side = {account_current(), table, &handle, 1};
    status_t status = handle_new(table, end, stream_type.rights, &handle);

    object_release(end);
    if (status != OK) {
        refuse(s, connection);
        return WASI_NFILE;
    }
    status = message_write(channel_from_object(s->object),
                           (struct bytes){(u8 *)&m, sizeof(m)}, &side);
    if (status != OK && handle_close(table, handle) != OK)
        return WASI_IO;
    return status == OK              ? WASI_SUCCESS :
           status == ERR_PEER_CLOSED ? WASI_CONNABORTED :
           status == ERR_KILLED      ? WASI_INTR :
                                       WASI_NOBUFS;
}

static errno_t
listener_accept(struct node *n, u64 deadline_ns, struct node **out)
{
    const u64 sizes[2] = {NET_STREAM_SIZE, NET_STREAM_SIZE};
    struct net_socket *s = net_socket(n), *made;
    struct net_message m;
    struct stream *ends[2];
    errno_t error = next_waiting(s, deadline_ns, &m);

    if (error != WASI_SUCCESS)
        return error;
    if (stream_new(ends, sizes, account_current()) != OK) {
        refuse(s, m.connection);
        return WASI_NOMEM;
    }
    made = socket_new(s->network, stream_object(ends[0]), &connection_ops);
    error = send_end(s, m.connection, stream_object(ends[1]));
    if (made == NULL)
        return WASI_NOMEM;
    if (error != WASI_SUCCESS)
        socket_drop(&made->node);
    *out = &made->node;
    return error;
}

static struct object *
listener_object(struct node *n, struct node_signals *out)
{
    *out = (struct node_signals){
        .read = SIGNAL_READABLE | SIGNAL_PEER_CLOSED,
        .end = SIGNAL_PEER_CLOSED,
    };
    return net_socket(n)->object;
}

static const struct node_ops listener_ops = {
    .hold = socket_hold,
    .drop = socket_drop,
    .stat = socket_stat,
    .object = listener_object,
    .accept = listener_accept,
};

// --- the server's ------------------------------------------------------------

status_t
network_new(struct network **out, u32 count)
{
    struct network *n =
        kernel_alloc(sizeof(*n) + 2 * count * sizeof(struct channel *));
    status_t status = OK;

    if (n == NULL)
        return ERR_NO_MEMORY;
    handle_table_init(&n->table, account_root());
    n->table.shared = true;
    for (u32 i = 0; i < count && status == OK; i++) {
        status = channel_new(&n->ends[2 * i], account_root());
        n->count += status == OK;
    }
    if (status == OK)
        *out = n;
    else
        network_free(n);
    return status;
}

status_t
network_give(struct network *n, struct process *p)
{
    status_t status = OK;

    for (u32 i = 0; i < n->count && status == OK; i++) {
        struct channel **end = &n->ends[2 * i + 1];
        status = process_give(p, channel_object(*end), channel_type.rights);
        if (status == OK) {
            object_release(channel_object(*end));
            *end = NULL;
        }
    }
    return status;
}

struct node *
network_listener(struct network *n, u32 index)
{
    if (index >= n->count || n->ends[2 * index] == NULL)
        return NULL;
    struct object *end = channel_object(n->ends[2 * index]);
    struct net_socket *s = socket_new(n, end, &listener_ops);
    n->ends[2 * index] = NULL;
    return s != NULL ? &s->node : NULL;
}

void
network_free(struct network *n)
{
    if (n == NULL)
        return;
    for (u32 i = 0; i < 2 * n->count; i++)
        if (n->ends[i] != NULL)
            object_release(channel_object(n->ends[i]));
    handle_table_free(&n->table);
    kernel_free(n);
}
