// port/linux/stream.c: a standard stream of the host, used without waiting
// (stream.h says how).

#include "port/linux/stream.h"

#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum {
    HOW_FILE,   // never waits long
    HOW_OWN,    // through a non-blocking open file of our own
    HOW_POLL,   // such as we could not open: little at a time, after a poll
    HOW_SOCKET, // MSG_DONTWAIT
};

enum {
    BEHIND = 64 * 1024,
    POLL_PIECE = 256, // what poll's answer promises, for pipes and terminals
};

static status_t
status_of_errno(int error)
{
    static const struct {
        int error;
        status_t status;
    } table[] = {
        {EAGAIN, ERR_SHOULD_WAIT},
        {EINTR,  ERR_SHOULD_WAIT},
        {ENOSPC, ERR_NO_SPACE   },
        {EDQUOT, ERR_NO_SPACE   },
        {EFBIG,  ERR_LIMIT      },
        {EPIPE,  ERR_PEER_CLOSED},
        {EBADF,  ERR_NOT_OPEN   },
    };

    for (u32 i = 0; i < COUNT(table); i++)
        if (table[i].error == error)
            return table[i].status;
    return ERR_IO;
}

// --- opening -----------------------------------------------------------------

// The same file as a new open file.  Not the end of a pipe that has lost its
// other end, nor what belongs to somebody else.
static int
open_again(int fd)
{
    char path[32];
    int access = fd == STDIN_FILENO ? O_RDONLY : O_WRONLY;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, access | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void
host_stream_open(struct host_stream *s, int fd)
{
    struct stat stat;

    int access = fcntl(fd, F_GETFL) & O_ACCMODE;
    int wrong = fd == STDIN_FILENO ? O_WRONLY : O_RDONLY;

    *s = (struct host_stream){.fd = fd, .own = -1, .how = HOW_FILE};
    if (fstat(fd, &stat) != 0 || access == wrong)
        return; // reading and writing will say so
    s->pipe = S_ISFIFO(stat.st_mode) || S_ISSOCK(stat.st_mode);
    bool terminal = S_ISCHR(stat.st_mode) && isatty(fd);
    bool null = S_ISCHR(stat.st_mode) && stat.st_rdev == makedev(1, 3);
    if (terminal || null || s->pipe)
        s->behind = BEHIND;
    if (S_ISSOCK(stat.st_mode)) {
        s->how = HOW_SOCKET;
    } else if (S_ISFIFO(stat.st_mode) || terminal) {
        // The master's side of a terminal opens as another terminal.
        bool master =
            terminal && major(stat.st_rdev) == 5 && minor(stat.st_rdev) == 2;
        s->own = master ? -1 : open_again(fd);
        s->how = s->own >= 0 ? HOW_OWN : HOW_POLL;
    }
}

void
host_stream_close(struct host_stream *s)
{
    if (s->own >= 0)
        close(s->own);
    s->own = -1;
}

bool
host_stream_same(const struct host_stream *a, const struct host_stream *b)
{
    struct stat x, y;

    return fstat(a->fd, &x) == 0 && fstat(b->fd, &y) == 0 &&
           x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

int
host_stream_fd(const struct host_stream *s)
{
    return s->own >= 0 ? s->own : s->fd;
}

static bool
poll_now(const struct host_stream *s, short events, short *found)
{
    struct pollfd fds = {.fd = host_stream_fd(s), .events = events};
    bool some = poll(&fds, 1, 0) > 0;

    *found = some ? fds.revents : 0;
    return some;
}

// --- writing and reading -----------------------------------------------------

status_t
host_stream_write(struct host_stream *s, const void *bytes, u64 size,
                  u64 *count)
{
    ssize_t done;
    short found;

    *count = 0;
    if (s->how == HOW_POLL) {
        size = MIN(size, POLL_PIECE);
        if (!poll_now(s, POLLOUT, &found))
            return ERR_SHOULD_WAIT;
    }
    if (s->how == HOW_SOCKET)
        done = send(s->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    else
        done = write(host_stream_fd(s), bytes, size);
    if (done < 0)
        return status_of_errno(errno);
    *count = (u64)done;
    return done > 0 ? OK : ERR_IO;
}

status_t
host_stream_read(struct host_stream *s, void *to, u64 size, u64 *count)
{
    ssize_t done;
    short found;

    *count = 0;
    if (s->how == HOW_POLL && !poll_now(s, POLLIN, &found))
        return ERR_SHOULD_WAIT;
    if (s->how == HOW_SOCKET)
        done = recv(s->fd, to, size, MSG_DONTWAIT);
    else
        done = read(host_stream_fd(s), to, size);
    if (done < 0)
        return status_of_errno(errno);
    *count = (u64)done;
    return OK;
}

// What can be read now, where Linux knows; else as little as one byte.
static u64
bytes_ready(const struct host_stream *s)
{
    struct stat stat;
    int ready = 0;

    if (ioctl(s->fd, FIONREAD, &ready) == 0)
        return (u64)MAX(ready, 0);
    return fstat(s->fd, &stat) != 0 || stat.st_rdev != makedev(1, 3);
}

status_t
host_stream_look(struct host_stream *s, struct port_input *out)
{
    short found;

    *out = (struct port_input){0};
    if (!poll_now(s, POLLIN, &found))
        return ERR_TIMED_OUT;
    if (found & POLLNVAL)
        return ERR_NOT_OPEN;
    out->ready = bytes_ready(s);
    out->ended = out->ready == 0;
    return OK;
}

bool
host_stream_unread(const struct host_stream *s)
{
    short found;

    return s->pipe && poll_now(s, 0, &found) &&
           (found & (POLLERR | POLLHUP)) != 0;
}
