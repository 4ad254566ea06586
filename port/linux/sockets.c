// port/linux/sockets.c: listeners of the host as sockets of programs (struct
// node_ops).  A node is a socket of the host and an event, whose signals say
// how it is: they are set when somebody looks, and by what the host says later
// through one epoll, which is polled beside the standard streams.
//
// The host's socket is never waited for; all addresses are its own.

#include "port/linux/files.h"
#include "port/linux/linux.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    LISTENERS_MAX = 64,
    BACKLOG = 128,
    HEARD = 16,        // sockets of which one look tells
    DEVICE_SOCKET = 5, // device number of all
};

enum {
    SIGNALS = SIGNAL_READABLE | SIGNAL_WRITABLE | SIGNAL_PEER_DONE,
};

struct host_socket {
    struct node node;
    u32 references; // atomic
    i32 fd;
    u64 number;           // counted, what programs know it by
    struct object *event; // READABLE, WRITABLE, PEER_DONE; it has a handle
};

static const struct node_ops connection_ops, listener_ops;

static struct {
    const char *name;
    i32 fd;
} listeners[LISTENERS_MAX];
static u32 listener_count;

static i32 epoll = -1; // made with the first listener
// Who hears from the host of a socket; and no socket ends meanwhile.
static struct lock sockets_lock = LOCK_INIT(SOCKETS);
static struct epoll_event heard[HEARD] GUARDED_BY(sockets_lock);

static struct host_socket *
host_socket(struct node *n)
{
    return CONTAINER(n, struct host_socket, node);
}

// --- before the start --------------------------------------------------------

int
linux_listen(const char *name, u32 address, u16 port)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(address),
    };
    int type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, yes = 1;

    if (listener_count == LISTENERS_MAX)
        return ENFILE;
    if (epoll < 0)
        epoll = epoll_create1(EPOLL_CLOEXEC);
    int fd = socket(AF_INET, type, 0);
    if (epoll < 0 || fd < 0)
        return errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0 ||
        bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 ||
        listen(fd, BACKLOG) != 0) {
        int error = errno;
        close(fd);
        return error;
    }
    listeners[listener_count].name = name;
    listeners[listener_count++].fd = fd;
    return 0;
}

// --- what the host says ------------------------------------------------------

static u32
signals_of(u32 events)
{
    bool bad = (events & (EPOLLERR | EPOLLHUP)) != 0;

    return (bad || (events & EPOLLIN) != 0 ? SIGNAL_READABLE : 0) |
           (bad || (events & EPOLLOUT) != 0 ? SIGNAL_WRITABLE : 0) |
           (bad || (events & EPOLLRDHUP) != 0 ? SIGNAL_PEER_DONE : 0);
}

int
linux_sockets_fd(void)
{
    return epoll;
}

void
linux_sockets_hear(void)
{
    lock_irq_nested(&sockets_lock);
    i64 count = HOST_CALL(SYS_epoll_pwait, epoll, (i64)heard, HEARD, 0, 0);
    for (i64 i = 0; i < count; i++) {
        const struct host_socket *s = heard[i].data.ptr;
        object_signal(s->event, 0, signals_of(heard[i].events));
    }
    unlock_irq_nested(&sockets_lock);
}

// Have the signals say how the socket is now, and the host tell of the rest.
static void
look(struct host_socket *s)
{
    struct epoll_event event = {.data.ptr = s};
    struct pollfd now = {.fd = s->fd, .events = POLLIN | POLLOUT | POLLRDHUP};

    object_signal(s->event, SIGNALS, 0);
    i64 found = HOST_CALL(SYS_poll, (i64)&now, 1, 0);
    u32 ready = found > 0 ? (u32)(u16)now.revents : 0;
    event.events = ((EPOLLIN | EPOLLOUT | EPOLLRDHUP) & ~ready) | EPOLLONESHOT;
    HOST_CALL(SYS_epoll_ctl, epoll, EPOLL_CTL_MOD, s->fd, (i64)&event);
    object_signal(s->event, 0, signals_of(ready));
    linux_timer_wake();
}

// WASI_SUCCESS: look again.
static errno_t
wait(struct host_socket *s, u32 signal, u64 deadline_ns)
{
    if (deadline_ns == 0)
        return WASI_AGAIN;
    look(s);
    return stream_errno(object_wait_one(s->event, signal, deadline_ns, NULL));
}

// --- nodes -------------------------------------------------------------------

static void
socket_hold(struct node *n)
{
    count_up(&host_socket(n)->references);
}

static void
socket_drop(struct node *n)
{
    struct host_socket *s = host_socket(n);

    if (!count_down(&s->references))
        return;
    bool on = lock_irq(&sockets_lock);
    HOST_CALL(SYS_epoll_ctl, epoll, EPOLL_CTL_DEL, s->fd, 0);
    unlock_irq(&sockets_lock, on);
    HOST_CALL(SYS_close, s->fd);
    object_release_handle(s->event);
    object_release(s->event);
    kernel_free(s);
}

// The host's socket is taken.
static struct host_socket *
socket_new(i32 fd, const struct node_ops *ops)
{
    static u64 numbers; // atomic
    struct host_socket *s = kernel_alloc(sizeof(*s));
    struct epoll_event event = {.data.ptr = s};
    i64 added = -1;

    if (s == NULL || event_new(&s->event, account_root()) != OK) {
        kernel_free(s);
        HOST_CALL(SYS_close, fd);
        return NULL;
    }
    object_hold_handle(s->event);
    s->node = (struct node){ops, FILETYPE_SOCKET_STREAM};
    s->references = 1;
    s->fd = fd;
    s->number = __atomic_add_fetch(&numbers, 1, __ATOMIC_RELAXED);
    added = HOST_CALL(SYS_epoll_ctl, epoll, EPOLL_CTL_ADD, fd, (i64)&event);
    if (added >= 0)
        return s;
    socket_drop(&s->node);
    return NULL;
}

static errno_t
socket_stat(struct node *n, struct filestat *out)
{
    *out = (struct filestat){
        .device = DEVICE_SOCKET,
        .inode = host_socket(n)->number,
        .links = 1,
        .type = n->type,
    };
    return WASI_SUCCESS;
}

static struct object *
socket_object(struct node *n, struct node_signals *out)
{
    struct host_socket *s = host_socket(n);

    look(s);
    *out = (struct node_signals){
        .read = SIGNAL_READABLE | SIGNAL_PEER_DONE,
        .write = SIGNAL_WRITABLE,
        .end = SIGNAL_PEER_DONE,
    };
    return s->event;
}

static errno_t
connection_read(struct node *n, u64 at, struct bytes to, u64 deadline_ns,
                u64 *count)
{
    struct host_socket *s = host_socket(n);
    errno_t error = WASI_SUCCESS;
    i64 got = -EAGAIN;

    (void)at;
    host_touch(to);
    *count = 0;
    while (error == WASI_SUCCESS) {
        got = HOST_CALL(SYS_recvfrom, s->fd, (i64)to.ptr, (i64)to.size,
                        MSG_DONTWAIT, 0, 0);
        if (got != -EAGAIN && got != -EINTR)
            break;
        error = wait(s, SIGNAL_READABLE | SIGNAL_PEER_DONE, deadline_ns);
    }
    *count = (u64)MAX(got, 0);
    return error == WASI_SUCCESS ? host_errno(got) : error;
}

// All of it, until the deadline.
static errno_t
connection_write(struct node *n, u64 at, struct bytes from, u64 deadline_ns,
                 u64 *count)
{
    struct host_socket *s = host_socket(n);
    errno_t error = WASI_SUCCESS;

    (void)at;
    host_touch(from);
    for (*count = 0; error == WASI_SUCCESS && *count < from.size;) {
        i64 done = HOST_CALL(SYS_sendto, s->fd, (i64)(from.ptr + *count),
                             (i64)(from.size - *count),
                             MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0);
        if (done == -EAGAIN || done == -EINTR)
            error = wait(s, SIGNAL_WRITABLE, deadline_ns);
        else
            error = host_errno(done);
        *count += (u64)MAX(done, 0);
    }
    return *count > 0 ? WASI_SUCCESS : error;
}

static errno_t
connection_shutdown(struct node *n, bool reads, bool writes)
{
    int how = reads && writes ? SHUT_RDWR : writes ? SHUT_WR : SHUT_RD;

    return host_errno(HOST_CALL(SYS_shutdown, host_socket(n)->fd, how));
}

// Connections that ended while they waited are none.
static bool
is_passing(i64 result)
{
    return result == -EAGAIN || result == -EINTR || result == -ECONNABORTED ||
           result == -EPROTO;
}

static errno_t
listener_accept(struct node *n, u64 deadline_ns, struct node **out)
{
    struct host_socket *s = host_socket(n), *made;
    errno_t error = WASI_SUCCESS;
    i64 fd = -EAGAIN;
    i32 yes = 1;

    while (error == WASI_SUCCESS) {
        fd = HOST_CALL(SYS_accept4, s->fd, 0, 0, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (!is_passing(fd))
            break;
        error = wait(s, SIGNAL_READABLE, deadline_ns);
    }
    if (error != WASI_SUCCESS || fd < 0)
        return error != WASI_SUCCESS ? error : host_errno(fd);
    HOST_CALL(SYS_setsockopt, fd, IPPROTO_TCP, TCP_NODELAY, (i64)&yes,
              sizeof(yes));
    made = socket_new((i32)fd, &connection_ops);
    if (made != NULL)
        *out = &made->node;
    return made != NULL ? WASI_SUCCESS : WASI_NOMEM;
}

static const struct node_ops connection_ops = {
    .hold = socket_hold,
    .drop = socket_drop,
    .stat = socket_stat,
    .read = connection_read,
    .write = connection_write,
    .object = socket_object,
    .shutdown = connection_shutdown,
};

static const struct node_ops listener_ops = {
    .hold = socket_hold,
    .drop = socket_drop,
    .stat = socket_stat,
    .object = socket_object,
    .accept = listener_accept,
};

struct node *
host_listener(struct string name)
{
    struct host_socket *s = NULL;

    for (u32 i = 0; i < listener_count && s == NULL; i++) {
        bool found = string_equal(string_of(listeners[i].name), name);
        if (found && listeners[i].fd >= 0) {
            s = socket_new(listeners[i].fd, &listener_ops);
            listeners[i].fd = -1;
        }
    }
    return s != NULL ? &s->node : NULL;
}
