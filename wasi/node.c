// wasi/node.c: calls of node_ops where the back end may have nothing to do, and
// the errors of those that are streams.

#include "wasi/wasi.h"

void
node_lock(struct node *n)
{
    if (n->ops->lock != NULL)
        n->ops->lock(n);
}

void
node_unlock(struct node *n)
{
    if (n->ops->unlock != NULL)
        n->ops->unlock(n);
}

errno_t
node_lock_end(struct node *n)
{
    return n->ops->lock_end != NULL ? n->ops->lock_end(n) : WASI_SUCCESS;
}

void
node_unlock_end(struct node *n)
{
    if (n->ops->unlock_end != NULL)
        n->ops->unlock_end(n);
}

void
node_hold(struct node *n)
{
    if (n->ops->hold != NULL)
        n->ops->hold(n);
}

void
node_drop(struct node *n)
{
    if (n->ops->drop != NULL)
        n->ops->drop(n);
}

bool
node_writable(struct node *n)
{
    return n->ops->writable != NULL && n->ops->writable(n);
}

errno_t
node_open(struct node *n, bool reads, bool writes)
{
    return n->ops->open != NULL ? n->ops->open(n, reads, writes) : WASI_SUCCESS;
}

errno_t
node_sync(struct node *n, bool data)
{
    return n->ops->sync != NULL ? n->ops->sync(n, data) : WASI_SUCCESS;
}

errno_t
node_stat(struct node *n, struct filestat *out)
{
    node_lock(n);
    errno_t error = n->ops->stat(n, out);
    node_unlock(n);
    return error;
}

errno_t
stream_errno(status_t status)
{
    static const struct {
        status_t status;
        errno_t error;
    } table[] = {
        {OK,              WASI_SUCCESS},
        {ERR_SHOULD_WAIT, WASI_AGAIN  },
        {ERR_TIMED_OUT,   WASI_AGAIN  },
        {ERR_KILLED,      WASI_INTR   },
        {ERR_NO_SPACE,    WASI_NOSPC  },
        {ERR_LIMIT,       WASI_FBIG   },
        {ERR_PEER_CLOSED, WASI_PIPE   },
        {ERR_NOT_OPEN,    WASI_BADF   },
    };

    for (u32 i = 0; i < COUNT(table); i++)
        if (table[i].status == status)
            return table[i].error;
    return WASI_IO;
}
