// wasi/device.c: /dev/null, /dev/zero, /dev/random and /dev/urandom: nodes of a
// tree that have no contents.  Who finds an empty directory `dev` in what is
// open as "/" has them in it.

#include "wasi/tree.h"

enum { DEVICE_PIECE = 64 * KIB }; // between two looks at whether we are killed

static void
device_hold(struct node *n)
{
    tree_ops.hold(n);
}

static void
device_drop(struct node *n)
{
    tree_ops.drop(n);
}

static errno_t
device_stat(struct node *n, struct filestat *out)
{
    return tree_ops.stat(n, out);
}

static errno_t
read_nothing(struct node *n, u64 at, struct bytes to, u64 deadline_ns,
             u64 *count)
{
    (void)n, (void)at, (void)to, (void)deadline_ns;
    *count = 0;
    return WASI_SUCCESS;
}

static void
fill_zeros(void *to, u64 size)
{
    memset(to, 0, size);
}

// All of `to`, however much that is.
static errno_t
fill(struct bytes to, void (*with)(void *to, u64 size), u64 *count)
{
    for (*count = 0; *count < to.size;) {
        u64 size = MIN(to.size - *count, DEVICE_PIECE);
        if (thread_is_killed())
            return WASI_INTR;
        with(to.ptr + *count, size);
        *count += size;
    }
    return WASI_SUCCESS;
}

static errno_t
read_zeros(struct node *n, u64 at, struct bytes to, u64 deadline_ns, u64 *count)
{
    (void)n, (void)at, (void)deadline_ns;
    return fill(to, fill_zeros, count);
}

static errno_t
read_random(struct node *n, u64 at, struct bytes to, u64 deadline_ns,
            u64 *count)
{
    (void)n, (void)at, (void)deadline_ns;
    return fill(to, port_random, count);
}

static errno_t
write_away(struct node *n, u64 at, struct bytes from, u64 deadline_ns,
           u64 *count)
{
    (void)n, (void)at, (void)deadline_ns;
    *count = from.size;
    return WASI_SUCCESS;
}

#define DEVICE_OPS(reads)                                              \
    {                                                                  \
        .hold = device_hold, .drop = device_drop, .stat = device_stat, \
        .read = (reads), .write = write_away                           \
    }

static const struct node_ops null_ops = DEVICE_OPS(read_nothing);
static const struct node_ops zero_ops = DEVICE_OPS(read_zeros);
static const struct node_ops random_ops = DEVICE_OPS(read_random);

static const struct {
    const char *name;
    const struct node_ops *ops;
} devices[] = {
    {"null",    &null_ops  },
    {"zero",    &zero_ops  },
    {"random",  &random_ops},
    {"urandom", &random_ops},
};

errno_t
devices_add(struct node *root)
{
    struct tree_name *dev = name_find(tree_node(root), STRING("dev"));
    errno_t error = WASI_SUCCESS;
    struct tree_node *n = NULL;
    u64 now = clock_told(port_realtime_ns());

    if (dev == NULL || dev->node->node.type != FILETYPE_DIRECTORY ||
        dev->node->used > 0)
        return WASI_SUCCESS;
    for (u32 i = 0; i < COUNT(devices) && error == WASI_SUCCESS; i++) {
        error = node_add(dev->node, string_of(devices[i].name),
                         FILETYPE_CHARACTER_DEVICE, now, STRING(""), false, &n);
        if (error == WASI_SUCCESS)
            n->node.ops = devices[i].ops;
    }
    return error;
}
