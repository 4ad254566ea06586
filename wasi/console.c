// wasi/console.c: the standard streams.

#include "wasi/wasi.h"

enum { STREAMS = 3 };

static struct node nodes[2 * STREAMS]; // terminals, then others

static enum port_stream
stream_of(const struct node *n)
{
    return (enum port_stream)((n - nodes) % STREAMS);
}

static errno_t
device_stat(struct node *n, struct filestat *out)
{
    *out = (struct filestat){.device = 2, .links = 1, .type = n->type};
    out->inode = (u64)stream_of(n) + 1;
    return WASI_SUCCESS;
}

static errno_t
input_read(struct node *n, u64 at, struct bytes to, u64 deadline_ns, u64 *count)
{
    (void)n, (void)at;
    return stream_errno(console_read(to.ptr, to.size, deadline_ns, count));
}

static errno_t
input_wait(struct node *n, u64 deadline_ns, struct port_input *out)
{
    (void)n;
    return stream_errno(console_wait(deadline_ns, out));
}

static errno_t
output_write(struct node *n, u64 at, struct bytes from, u64 deadline_ns,
             u64 *count)
{
    (void)at;
    return stream_errno(
        console_write(stream_of(n), from.ptr, from.size, deadline_ns, count));
}

static const struct node_ops in_ops = {
    .stat = device_stat,
    .read = input_read,
    .wait = input_wait,
};

static const struct node_ops out_ops = {
    .stat = device_stat,
    .write = output_write,
};

static struct node nodes[2 * STREAMS] = {
    {&in_ops,  FILETYPE_CHARACTER_DEVICE},
    {&out_ops, FILETYPE_CHARACTER_DEVICE},
    {&out_ops, FILETYPE_CHARACTER_DEVICE},
    {&in_ops,  FILETYPE_UNKNOWN         },
    {&out_ops, FILETYPE_UNKNOWN         },
    {&out_ops, FILETYPE_UNKNOWN         },
};

struct node *
console_node(enum port_stream stream, bool terminal)
{
    return &nodes[stream + (terminal ? 0 : STREAMS)];
}

bool
node_is_stream(const struct node *n)
{
    return n->type == FILETYPE_CHARACTER_DEVICE ||
           n->type == FILETYPE_UNKNOWN || n->type == FILETYPE_SOCKET_STREAM;
}
