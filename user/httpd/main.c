// user/httpd/main.c: serve the files below DIRECTORY (default: /) by HTTP to
// whoever comes to the listener that is open as descriptor 3.
//
//     nebulet run --publish 8080:80 --dir . httpd.wasm [DIRECTORY]
//
// One thread waits for all sockets at once.  Where there are too many
// connections, others wait in line until one ends.

#include "httpd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LISTENER = 3, CONNECTIONS = 400 };

static struct connection *connections[CONNECTIONS]; // NULL: never used
static int count;                                   // that are open
static const char *root;

// --- connections -------------------------------------------------------------

static void
end(struct connection *c)
{
    if (c->file >= 0)
        close(c->file);
    close(c->fd);
    c->fd = c->file = -1;
    count--;
}

static struct connection *
free_connection(void)
{
    for (int i = 0; i < CONNECTIONS; i++) {
        if (connections[i] == NULL) {
            connections[i] = malloc(sizeof(*connections[i]));
            return connections[i];
        }
        if (connections[i]->fd < 0)
            return connections[i];
    }
    return NULL;
}

// False: nobody waits, or there is no room.
static bool
take_one(void)
{
    struct connection *c = free_connection();

    if (c == NULL)
        return errno = EMFILE, false;
    c->fd = accept4(LISTENER, NULL, NULL, SOCK_NONBLOCK);
    c->file = -1;
    c->answering = c->last = false;
    c->in = c->at = c->out = 0;
    c->left = 0;
    count += c->fd >= 0;
    return c->fd >= 0;
}

// False: the connection is over.
static bool
receive(struct connection *c)
{
    ssize_t got = read(c->fd, c->request + c->in, REQUEST_SIZE - c->in);

    if (got < 0)
        return errno == EAGAIN;
    c->in += (size_t)got;
    return got > 0;
}

// Send what goes now.  False: the connection is over.
static bool
answer(struct connection *c)
{
    while (c->at < c->out || c->file >= 0) {
        if (c->at == c->out)
            c->at = c->out = 0;
        if (c->file >= 0 && !http_fill(c))
            return false;
        ssize_t done = write(c->fd, c->piece + c->at, c->out - c->at);
        if (done < 0)
            return errno == EAGAIN;
        c->at += (size_t)done;
    }
    c->answering = false;
    return !c->last;
}

// One request after the other, as far as they are there.
static bool
go_on(struct connection *c, bool readable)
{
    if (!c->answering && readable && !receive(c))
        return false;
    while (c->answering || http_answer(c, root)) {
        if (!answer(c))
            return false;
        if (c->answering)
            return true;
    }
    return true;
}

// --- all of them -------------------------------------------------------------

static struct pollfd polled[CONNECTIONS + 1];
static struct connection *polled_for[CONNECTIONS + 1];

static nfds_t
fill_polled(void)
{
    nfds_t n = 0;

    for (int i = 0; i < CONNECTIONS && connections[i] != NULL; i++) {
        struct connection *c = connections[i];
        if (c->fd < 0)
            continue;
        polled[n] = (struct pollfd){.fd = c->fd};
        polled[n].events = c->answering ? POLLOUT : POLLIN;
        polled_for[n++] = c;
    }
    if (count < CONNECTIONS)
        polled[n++] = (struct pollfd){.fd = LISTENER, .events = POLLIN};
    return n;
}

// False: there is no listener any more.
static bool
serve_once(void)
{
    nfds_t n = fill_polled();

    if (poll(polled, n, -1) < 0)
        return errno == EINTR;
    for (nfds_t i = 0; i < n; i++) {
        if (polled[i].revents == 0)
            continue;
        if (polled[i].fd == LISTENER) {
            while (take_one())
                continue;
            if (errno != EAGAIN && errno != EMFILE && errno != ENOMEM)
                return false;
        } else if (!go_on(polled_for[i], true)) {
            end(polled_for[i]);
        }
    }
    return true;
}

int
main(int argc, char **argv)
{
    struct stat stat;

    root = argc > 1 ? argv[1] : "";
    if (fstat(LISTENER, &stat) != 0 || !S_ISSOCK(stat.st_mode) ||
        fcntl(LISTENER, F_SETFL, O_NONBLOCK) != 0) {
        fprintf(stderr, "httpd: descriptor 3 is no listener: run with "
                        "--publish HOSTPORT:PORT\n");
        return 1;
    }
    while (serve_once())
        continue;
    fprintf(stderr, "httpd: the listener: %s\n", strerror(errno));
    return 1;
}
