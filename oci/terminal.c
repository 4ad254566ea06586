// oci/terminal.c: a terminal for a container: its other end goes, by a socket
// of the caller's, to who shows it.

#include "oci/oci.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// A descriptor, beside the name of what it is.
static bool
send_fd(int socket, int fd, const char *name)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.bytes = {0}};
    struct iovec text = {(char *)name, strlen(name)};
    struct msghdr message = {.msg_iov = &text,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);

    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(head), &fd, sizeof(fd));
    return sendmsg(socket, &message, MSG_NOSIGNAL) >= 0;
}

static bool
pass(const char *path, int fd, const char *name)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool fits = strlen(path) < sizeof(to.sun_path);

    if (fits)
        strcpy(to.sun_path, path);
    else
        errno = ENAMETOOLONG;
    bool done = s >= 0 && fits &&
                connect(s, (struct sockaddr *)&to, sizeof(to)) == 0 &&
                send_fd(s, fd, name);
    if (!done)
        complain("%s: %s", path, strerror(errno));
    if (s >= 0)
        close(s);
    return done;
}

bool
terminal_open(const struct process_spec *p, const char *socket)
{
    struct winsize size = {.ws_row = p->height, .ws_col = p->width};
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    const char *name = NULL;

    if (master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0)
        name = ptsname(master);
    int slave = name != NULL ? open(name, O_RDWR | O_CLOEXEC) : -1;
    bool done = slave >= 0 && ioctl(slave, TIOCSCTTY, 0) == 0;
    if (!done)
        complain("terminal: %s", strerror(errno));
    if (done && (p->width > 0 || p->height > 0))
        ioctl(slave, TIOCSWINSZ, &size);
    done = done && pass(socket, master, name);
    for (int fd = 0; fd < 3 && done; fd++)
        done = dup2(slave, fd) >= 0;
    if (slave >= 0)
        close(slave);
    if (master >= 0)
        close(master);
    return done;
}
