// test/command/programs/sockets.c: what a program finds at the listener that is
// open as descriptor 3, by the calls of WASI themselves; the words are what it
// does, a line of output each.  docs/network.md says what holds.

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wasi/api.h>

static __wasi_fd_t connection;

static __wasi_ciovec_t
part(const char *text)
{
    return (__wasi_ciovec_t){(const uint8_t *)text, strlen(text)};
}

static void
tell(const char *word, __wasi_errno_t error)
{
    printf("%s %s\n", word, error == 0 ? "done" : strerror(error));
}

// What every descriptor is from 3 on, as libraries look for directories.
static void
list(void)
{
    __wasi_prestat_t prestat;
    __wasi_fdstat_t stat;

    for (__wasi_fd_t fd = 3; __wasi_fd_prestat_get(fd, &prestat) == 0; fd++) {
        __wasi_errno_t error = __wasi_fd_fdstat_get(fd, &stat);
        printf("%u: tag %u, type %u, error %u\n", fd, prestat.tag,
               stat.fs_filetype, error);
    }
}

// Which of the two events come, until there is one.
static void
wait(__wasi_fd_t fd, bool writes)
{
    __wasi_subscription_t in = {.userdata = 7};
    __wasi_event_t event = {0};
    __wasi_size_t count;

    in.u.tag = writes ? __WASI_EVENTTYPE_FD_WRITE : __WASI_EVENTTYPE_FD_READ;
    in.u.u.fd_read.file_descriptor = fd;
    __wasi_errno_t error = __wasi_poll_oneoff(&in, &event, 1, &count);
    printf("wait %u: %s, hang-up %d\n", error, strerror(event.error),
           event.fd_readwrite.flags);
}

static void
take(__wasi_fdflags_t flags)
{
    tell("take", __wasi_sock_accept(3, flags, &connection));
}

static void
read_some(bool all, bool receives)
{
    char text[64] = "";
    __wasi_iovec_t to = {(uint8_t *)text, sizeof(text) - 1};
    __wasi_size_t size = 0;
    __wasi_roflags_t flags;
    __wasi_errno_t error;

    do
        error = receives ?
                    __wasi_sock_recv(connection, &to, 1, 0, &size, &flags) :
                    __wasi_fd_read(connection, &to, 1, &size);
    while (all && error == 0 && size > 0);
    if (error != 0)
        tell("read", error);
    else
        printf("read \"%.*s\"\n", (int)size, text);
}

static void
say(const char *text, bool sends)
{
    __wasi_ciovec_t from = part(text);
    __wasi_size_t size = 0;

    tell("say", sends ? __wasi_sock_send(connection, &from, 1, 0, &size) :
                        __wasi_fd_write(connection, &from, 1, &size));
}

// Until it is refused.
static void
flood(void)
{
    static char zeros[65536];
    __wasi_ciovec_t from = {(const uint8_t *)zeros, sizeof(zeros)};
    __wasi_errno_t error = 0;
    __wasi_size_t size;

    while (error == 0)
        error = __wasi_fd_write(connection, &from, 1, &size);
    tell("flood", error);
}

static void
act(const char *word)
{
    if (strcmp(word, "list") == 0)
        list();
    else if (strcmp(word, "wait-listener") == 0)
        wait(3, false);
    else if (strcmp(word, "wait-read") == 0)
        wait(connection, false);
    else if (strcmp(word, "wait-write") == 0)
        wait(connection, true);
    else if (strcmp(word, "take") == 0)
        take(0);
    else if (strcmp(word, "take-now") == 0)
        take(__WASI_FDFLAGS_NONBLOCK);
    else if (strcmp(word, "listen-now") == 0)
        tell(word, __wasi_fd_fdstat_set_flags(3, __WASI_FDFLAGS_NONBLOCK));
    else if (strcmp(word, "listen") == 0)
        tell(word, __wasi_fd_fdstat_set_flags(3, 0));
    else if (strcmp(word, "read") == 0)
        read_some(false, false);
    else if (strcmp(word, "receive") == 0)
        read_some(false, true);
    else if (strcmp(word, "read-all") == 0)
        read_some(true, false);
    else if (strcmp(word, "say") == 0)
        say("hello", false);
    else if (strcmp(word, "send") == 0)
        say("hello", true);
    else if (strcmp(word, "flood") == 0)
        flood();
    else if (strcmp(word, "finish") == 0)
        tell(word, __wasi_sock_shutdown(connection, __WASI_SDFLAGS_WR));
    else if (strcmp(word, "deaf") == 0)
        tell(word, __wasi_sock_shutdown(connection, __WASI_SDFLAGS_RD));
    else if (strcmp(word, "shut-listener") == 0)
        tell(word, __wasi_sock_shutdown(3, __WASI_SDFLAGS_WR));
    else if (strcmp(word, "take-connection") == 0)
        tell(word, __wasi_sock_accept(connection, 0, &connection));
    else if (strcmp(word, "take-stdin") == 0)
        tell(word, __wasi_sock_accept(0, 0, &connection));
    else if (strcmp(word, "close") == 0)
        tell(word, __wasi_fd_close(connection));
    else
        exit(2);
    fflush(stdout);
}

int
main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        act(argv[i]);
    return 0;
}
