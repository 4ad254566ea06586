// tool/network.c: what programs have of the network: ports of the host that
// lead to listeners (--publish).  On linux they are the host's own; a machine
// has a device, whose other end is QEMU's user network, and a process that
// drives it (user/netd), as run/net of the initrd (wasi/wasi.h).

#include "tool/tool.h"

#include "port/linux/files.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LOCALHOST = 0x7f000001 };

// A number of a port from `least` on, which ends at `end`; NULL: there is none.
static const char *
read_port(const char *text, u64 least, char end, u16 *port)
{
    u64 number;
    const char *at = number_read(text, UINT16_MAX, &number);

    if (at == NULL || *at != end || number < least)
        return NULL;
    *port = (u16)number;
    return at + (end != 0);
}

// [ADDRESS:]HOSTPORT:PORT
static bool
read_publish(struct publish *p, const char *text)
{
    const char *rest = strchr(text, ':');
    char address[INET_ADDRSTRLEN] = "";
    struct in_addr in;

    p->address = LOCALHOST;
    if (rest != NULL && strchr(rest + 1, ':') != NULL) {
        u64 len = (u64)(rest - text);
        if (len >= sizeof(address))
            return false;
        memcpy(address, text, len);
        if (inet_pton(AF_INET, address, &in) != 1)
            return false;
        p->address = ntohl(in.s_addr);
        text = rest + 1;
    }
    text = read_port(text, 1, ':', &p->host_port);
    if (text == NULL || read_port(text, 1, 0, &p->port) == NULL)
        return false;
    snprintf(p->name, sizeof(p->name), "%u", p->port);
    return true;
}

bool
network_publish(struct network_options *n, const struct command *c,
                const struct option *o, const char *value)
{
    struct publish *p = &n->list[n->count];

    if (n->count == PUBLISH_MAX) {
        misuse(c, "%s %s: more than %d of them", o->name, value, PUBLISH_MAX);
        return false;
    }
    if (!read_publish(p, value)) {
        misuse(c, "%s %s: not of the form [ADDRESS:]HOSTPORT:PORT", o->name,
               value);
        return false;
    }
    for (u32 i = 0; i < n->count; i++) {
        if (n->list[i].port != p->port)
            continue;
        misuse(c, "%s %s: port %u is published already", o->name, value,
               p->port);
        return false;
    }
    n->count++;
    return true;
}

static bool
refuse(const struct publish *p, int error)
{
    complain("--publish: port %u of the host: %s", p->host_port,
             strerror(error));
    return false;
}

bool
network_listen(const struct network_options *n)
{
    for (u32 i = 0; i < n->count; i++) {
        const struct publish *p = &n->list[i];
        int error = linux_listen(p->name, p->address, p->host_port);
        if (error != 0)
            return refuse(p, error);
    }
    return true;
}

// QEMU takes the port soon after.
bool
network_is_free(const struct network_options *n)
{
    for (u32 i = 0; i < n->count; i++) {
        const struct publish *p = &n->list[i];
        struct sockaddr_in at = {
            .sin_family = AF_INET,
            .sin_port = htons(p->host_port),
            .sin_addr.s_addr = htonl(p->address),
        };
        int yes = 1, error = 0;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 ||
            setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0 ||
            bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 ||
            listen(fd, 1) != 0)
            error = errno;
        close(fd);
        if (error != 0)
            return refuse(p, error);
    }
    return true;
}

void
network_words(const struct network_options *n, char *to, u64 size)
{
    u64 used = (u64)snprintf(to, size, "user,id=net,restrict=on");

    for (u32 i = 0; i < n->count && used < size; i++) {
        const struct publish *p = &n->list[i];
        struct in_addr in = {.s_addr = htonl(p->address)};
        char address[INET_ADDRSTRLEN];
        inet_ntop(AF_INET, &in, address, sizeof(address));
        used += (u64)snprintf(to + used, size - used, ",hostfwd=tcp:%s:%u-:%u",
                              address, p->host_port, p->port);
    }
}

// --- the initrd --------------------------------------------------------------

static void
add_net(struct buffer *tar, const char *name, const void *bytes, u64 size)
{
    char path[64];

    snprintf(path, sizeof(path), "run/net/%s", name);
    tar_add(tar, path, bytes, size);
}

// A word for each listener, in the order of run/listen.
static void
add_arguments(struct buffer *tar, const struct network_options *n)
{
    struct buffer args = {0};
    char word[32];

    buffer_put(&args, "netd", sizeof("netd"));
    for (u32 i = 0; i < n->count; i++) {
        int len = snprintf(word, sizeof(word), "listen=%s", n->list[i].name);
        buffer_put(&args, word, (u64)len + 1);
    }
    add_net(tar, "args", args.ptr, args.size);
    buffer_free(&args);
}

static bool
add_server(struct buffer *tar, const struct network_options *n)
{
    char path[4096];
    const char *file = kernel_path("user/netd.wasm", path, sizeof(path));

    if (access(file, R_OK) != 0) {
        complain("--publish: there is no %s: `make` says why it did not build "
                 "it; run with --on linux",
                 file);
        return false;
    }
    struct bytes driver = module_read(file);
    if (driver.ptr == NULL)
        return false;
    add_net(tar, "path", "netd", strlen("netd"));
    add_net(tar, "app.wasm", driver.ptr, driver.size);
    add_net(tar, "grants", "net", strlen("net"));
    add_arguments(tar, n);
    free(driver.ptr);
    return true;
}

bool
network_pack(struct buffer *tar, const struct network_options *n, bool metal)
{
    struct buffer names = {0};

    if (n->count == 0)
        return true;
    for (u32 i = 0; i < n->count; i++)
        buffer_put(&names, n->list[i].name, strlen(n->list[i].name) + 1);
    tar_add(tar, "run/listen", names.ptr, names.size);
    buffer_free(&names);
    return !metal || add_server(tar, n);
}
