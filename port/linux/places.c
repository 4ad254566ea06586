// port/linux/places.c: where the mounts are: a tree of names.  Some lead to a
// directory or a file of the host, others only to names below them.  It never
// changes once programs run.

#include "port/linux/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

static struct host_place root = {.fd = -1};
static u32 numbers; // of places, the root has 0

i64
host_call(i64 number, const i64 arguments[6])
{
    register i64 fourth __asm__("r10") = arguments[3];
    register i64 fifth __asm__("r8") = arguments[4];
    register i64 sixth __asm__("r9") = arguments[5];
    i64 result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(arguments[0]), "S"(arguments[1]),
                       "d"(arguments[2]), "r"(fourth), "r"(fifth), "r"(sixth)
                     : "rcx", "r11", "memory");
    return result;
}

struct host_place *
host_place_child(const struct host_place *place, struct string name)
{
    struct host_place *p = place->children;

    while (p != NULL && !string_equal(p->name, name))
        p = p->next;
    return p;
}

// A new place in another; NULL: no memory.
static struct host_place *
add_place(struct host_place *at, struct string name)
{
    struct host_place *p = malloc(sizeof(*p));

    if (p == NULL)
        return NULL;
    *p = (struct host_place){.name = name, .next = at->children, .fd = -1};
    p->number = ++numbers;
    at->children = p;
    return p;
}

int
linux_mount(const char *guest, const char *host, bool writable)
{
    struct string path = string_of(guest), name;
    struct host_place *at = &root;

    while (at != NULL && (name = path_component(&path)).len > 0) {
        struct host_place *child = host_place_child(at, name);
        at = child != NULL ? child : add_place(at, name);
    }
    if (at == NULL)
        return ENOMEM;
    at->mounted = true;
    if (host == NULL)
        return 0;
    at->writable = writable;
    at->fd = open(host, O_PATH | O_CLOEXEC);
    return at->fd < 0 ? errno : 0;
}

struct host_place *
host_place_find(struct string path)
{
    struct host_place *at = &root;
    struct string name;

    while (at != NULL && (name = path_component(&path)).len > 0)
        at = host_place_child(at, name);
    return at != NULL && at->mounted ? at : NULL;
}
