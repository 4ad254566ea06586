// wasi/sockets.c: the calls on sockets that move no bytes: who waits at a
// listener is let in, and a direction of a connection ends.  Listeners are open
// from the start, as directories are (struct wasi_setup); nothing else makes a
// socket.

#include "wasi/wasi.h"

enum { SHUT_READ = 1, SHUT_WRITE = 2 };

// A new descriptor for the next connection; there is room for it.
static errno_t
install_next(struct wasi *w, struct file *listener, u32 flags,
             struct file *made, u32 *fd)
{
    bool waits = ((listener->flags | flags) & FDFLAG_NONBLOCK) == 0;
    struct node *n;
    errno_t error =
        listener->node->ops->accept(listener->node, waits ? UINT64_MAX : 0, &n);

    if (error != WASI_SUCCESS) {
        file_unprepare(made);
        return error;
    }
    struct file init = {
        .node = n,
        .flags = flags,
        .rights = rights_of_type(n->type),
    };
    error = file_install_prepared(w, made, &init, fd);
    node_drop(n);
    return error;
}

static errno_t
accept_at(struct wasi *w, struct file *listener, u32 flags, u32 *fd)
{
    const struct node_ops *ops = listener->node->ops;

    if (ops->accept == NULL)
        return ops->shutdown != NULL ? WASI_INVAL : WASI_NOTSOCK;
    if (!file_fits(w))
        return WASI_MFILE;
    struct file *made = file_prepare();
    if (made == NULL)
        return WASI_NOMEM;
    return install_next(w, listener, flags, made, fd);
}

errno_t
wasi_sock_accept(u32 fd, u32 flags, u32 out)
{
    struct wasi *w = wasi_current();
    struct file *f;
    u32 made = 0;

    if (flags & ~(u32)FDFLAG_NONBLOCK)
        return WASI_INVAL;
    if (user_bytes(out, sizeof(made)).ptr == NULL)
        return WASI_FAULT;
    errno_t error = file_hold(w, fd, 0, &f);
    if (error != WASI_SUCCESS)
        return error;
    error = accept_at(w, f, flags, &made);
    return file_finish(w, f, error, made, out);
}

static errno_t
shut_down(struct file *f, u32 how)
{
    if (how == 0 || (how & ~(u32)(SHUT_READ | SHUT_WRITE)) != 0)
        return WASI_INVAL;
    if (!(f->rights & CAN_SOCK_SHUTDOWN))
        return WASI_NOTCAPABLE;
    return f->node->ops->shutdown(f->node, (how & SHUT_READ) != 0,
                                  (how & SHUT_WRITE) != 0);
}

errno_t
wasi_sock_shutdown(u32 fd, u32 how)
{
    struct wasi *w = wasi_current();
    struct file *f;
    errno_t error = file_hold(w, fd, 0, &f);

    if (error != WASI_SUCCESS)
        return error;
    error = file_is_connection(f);
    if (error == WASI_SUCCESS)
        error = shut_down(f, how);
    file_drop(w, f);
    return error;
}
