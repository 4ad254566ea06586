// wasi/stat_calls.c: what is known about an open file, and what of it a program
// may set: flags, rights, times, the size.

#include "wasi/wasi.h"

// --- what is known about a file ----------------------------------------------

struct fdstat {
    u8 type;
    u8 pad0;
    u16 flags;
    u32 pad1;
    u64 rights, inheriting;
};

_Static_assert(sizeof(struct fdstat) == 24, "layout of preview 1");

errno_t
wasi_fd_fdstat_get(u32 fd, u32 out)
{
    struct wasi *w = wasi_current();
    struct fdstat stat = {0};
    struct file *f;

    lock(&w->lock);
    errno_t error = file_find(w, fd, 0, &f);
    if (error == WASI_SUCCESS)
        stat = (struct fdstat){
            .type = f->node->type,
            .flags = (u16)f->flags,
            .rights = f->rights,
            .inheriting = f->inheriting,
        };
    unlock(&w->lock);
    if (error == WASI_SUCCESS && !user_write(out, &stat, sizeof(stat)))
        error = WASI_FAULT;
    return error;
}

errno_t
wasi_fd_fdstat_set_flags(u32 fd, u32 flags)
{
    struct wasi *w = wasi_current();
    struct file *f;

    if (flags & ~(u32)FDFLAGS_ALL)
        return WASI_INVAL;
    lock(&w->lock);
    errno_t error = file_find(w, fd, CAN_FD_FDSTAT_SET_FLAGS, &f);
    if (error == WASI_SUCCESS)
        f->flags = flags;
    unlock(&w->lock);
    return error;
}

// Rights only shrink.
errno_t
wasi_fd_fdstat_set_rights(u32 fd, u64 rights, u64 inheriting)
{
    struct wasi *w = wasi_current();
    struct file *f;

    lock(&w->lock);
    errno_t error = file_find(w, fd, 0, &f);
    if (error == WASI_SUCCESS &&
        ((rights & ~f->rights) || (inheriting & ~f->inheriting)))
        error = WASI_NOTCAPABLE;
    if (error == WASI_SUCCESS) {
        f->rights = rights;
        f->inheriting = inheriting;
    }
    unlock(&w->lock);
    return error;
}

struct filestat_now {
    u64 device, inode;
    u8 type, pad[7];
    u64 links, size, atime, mtime, ctime;
};

struct filestat_old {
    u64 device, inode;
    u8 type, pad[3];
    u32 links;
    u64 size, atime, mtime, ctime;
};

_Static_assert(sizeof(struct filestat_now) == 64, "layout of preview 1");
_Static_assert(sizeof(struct filestat_old) == 56, "layout of preview 0");

errno_t
filestat_write(u32 ptr, const struct filestat *stat, bool old)
{
    struct filestat_now now = {
        .device = stat->device,
        .inode = stat->inode,
        .type = stat->type,
        .links = stat->links,
        .size = stat->size,
        .atime = stat->atime,
        .mtime = stat->mtime,
        .ctime = stat->ctime,
    };
    struct filestat_old then = {
        .device = stat->device,
        .inode = stat->inode,
        .type = stat->type,
        .links = (u32)stat->links,
        .size = stat->size,
        .atime = stat->atime,
        .mtime = stat->mtime,
        .ctime = stat->ctime,
    };
    bool done = old ? user_write(ptr, &then, sizeof(then)) :
                      user_write(ptr, &now, sizeof(now));

    return done ? WASI_SUCCESS : WASI_FAULT;
}

static errno_t
stat_fd(u32 fd, u32 out, bool old)
{
    struct wasi *w = wasi_current();
    struct filestat stat;
    struct file *f;
    errno_t error = file_hold(w, fd, CAN_FD_FILESTAT_GET, &f);

    if (error != WASI_SUCCESS)
        return error;
    error = node_stat(f->node, &stat);
    file_drop(w, f);
    return error == WASI_SUCCESS ? filestat_write(out, &stat, old) : error;
}

errno_t
wasi_fd_filestat_get(u32 fd, u32 out)
{
    return stat_fd(fd, out, false);
}

errno_t
wasi_fd_filestat_get_old(u32 fd, u32 out)
{
    return stat_fd(fd, out, true);
}

// --- size and times ----------------------------------------------------------

// The file behind `fd`, to be changed.
static errno_t
hold_to_change(struct wasi *w, u32 fd, u64 rights, struct file **f)
{
    errno_t error = file_hold(w, fd, rights, f);

    if (error != WASI_SUCCESS || node_writable((*f)->node))
        return error;
    file_drop(w, *f);
    return WASI_ROFS;
}

static errno_t
set_size(struct node *n, u64 size)
{
    node_lock(n);
    errno_t error = n->ops->set_size(n, size);
    node_unlock(n);
    return error;
}

// Memory for the bytes [at, end), and a size that has them.
static errno_t
reserve(struct node *n, u64 at, u64 end)
{
    struct reservation r = {.at = at, .end = end};
    errno_t error = WASI_SUCCESS;

    while (error == WASI_SUCCESS && r.done < end - at) {
        if (thread_is_killed())
            return WASI_INTR;
        node_lock(n);
        error = n->ops->reserve(n, &r);
        node_unlock(n);
    }
    return error;
}

// Give back what was reserved behind the end of a file.
static void
unreserve(struct node *n)
{
    if (n->ops->unreserve == NULL)
        return;
    node_lock(n);
    n->ops->unreserve(n);
    node_unlock(n);
}

errno_t
wasi_fd_allocate(u32 fd, u64 at, u64 size)
{
    struct wasi *w = wasi_current();
    struct file *f;

    if (size == 0 || size > INT64_MAX || at > INT64_MAX - size)
        return WASI_INVAL;
    errno_t error = hold_to_change(w, fd, CAN_FD_ALLOCATE, &f);
    if (error != WASI_SUCCESS)
        return error;
    error = f->node->type == FILETYPE_REGULAR_FILE ?
                reserve(f->node, at, at + size) :
                WASI_INVAL;
    if (error != WASI_SUCCESS && error != WASI_INVAL)
        unreserve(f->node);
    file_drop(w, f);
    return error;
}

errno_t
wasi_fd_filestat_set_size(u32 fd, u64 size)
{
    struct wasi *w = wasi_current();
    struct file *f;
    errno_t error = hold_to_change(w, fd, CAN_FD_FILESTAT_SET_SIZE, &f);

    if (error != WASI_SUCCESS)
        return error;
    error = f->node->type == FILETYPE_REGULAR_FILE ? set_size(f->node, size) :
                                                     WASI_INVAL;
    file_drop(w, f);
    return error;
}

errno_t
wasi_fd_filestat_set_times(u32 fd, u64 atime, u64 mtime, u32 flags)
{
    struct wasi *w = wasi_current();
    struct new_times times;
    struct file *f;
    errno_t error = times_from(&times, atime, mtime, flags);

    if (error == WASI_SUCCESS)
        error = hold_to_change(w, fd, CAN_FD_FILESTAT_SET_TIMES, &f);
    if (error != WASI_SUCCESS)
        return error;
    node_lock(f->node);
    error = f->node->ops->set_times(f->node, times.atime, times.mtime);
    node_unlock(f->node);
    file_drop(w, f);
    return error;
}
