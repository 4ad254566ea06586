// wasi/path_calls.c: what a path leads to: what is known about it, where a
// symlink leads, times.

#include "wasi/resolve.h"

// --- what is there -----------------------------------------------------------

static errno_t
do_stat(struct wasi *w, struct name *name, void *out)
{
    struct node *n = name->place.node;

    (void)w;
    if (n == NULL)
        return WASI_NOENT;
    return n->ops->stat(n, out);
}

static errno_t
stat_path(u32 fd, u32 flags, u32 path, u32 size, u32 out, bool old)
{
    struct name name =
        name_of(fd, path, size, CAN_PATH_FILESTAT_GET, follow_of(flags));
    struct filestat stat;
    errno_t error = with_name(&name, do_stat, &stat);

    return error == WASI_SUCCESS ? filestat_write(out, &stat, old) : error;
}

errno_t
wasi_path_filestat_get(u32 fd, u32 flags, u32 path, u32 size, u32 out)
{
    return stat_path(fd, flags, path, size, out, false);
}

errno_t
wasi_path_filestat_get_old(u32 fd, u32 flags, u32 path, u32 size, u32 out)
{
    return stat_path(fd, flags, path, size, out, true);
}

static errno_t
do_readlink(struct wasi *w, struct name *name, void *to)
{
    struct node *n = name->place.node;
    struct bytes *buffer = to;

    (void)w;
    if (n == NULL)
        return WASI_NOENT;
    if (n->type != FILETYPE_SYMBOLIC_LINK)
        return WASI_INVAL;
    struct string target = n->ops->target(n);
    buffer->size = MIN(buffer->size, target.len);
    memcpy(buffer->ptr, target.ptr, buffer->size);
    return WASI_SUCCESS;
}

errno_t
wasi_path_readlink(u32 fd, u32 path, u32 size, u32 to, u32 to_size, u32 out)
{
    struct name name =
        name_of(fd, path, size, CAN_PATH_READLINK, FOLLOW_BEFORE_SLASH);
    struct bytes buffer = user_bytes(to, to_size);

    if (buffer.ptr == NULL || user_bytes(out, sizeof(u32)).ptr == NULL)
        return WASI_FAULT;
    errno_t error = with_name(&name, do_readlink, &buffer);
    u32 used = (u32)buffer.size;
    if (error == WASI_SUCCESS && !user_write(out, &used, sizeof(used)))
        error = WASI_FAULT;
    return error;
}

// --- times -------------------------------------------------------------------

errno_t
times_from(struct new_times *t, u64 atime, u64 mtime, u32 flags)
{
    u64 now = clock_told(port_realtime_ns());

    if (flags > 15 || (flags & TIME_ATIME && flags & TIME_ATIME_NOW) ||
        (flags & TIME_MTIME && flags & TIME_MTIME_NOW))
        return WASI_INVAL;
    t->values[0] = flags & TIME_ATIME ? atime : now;
    t->values[1] = flags & TIME_MTIME ? mtime : now;
    t->atime = flags & (TIME_ATIME | TIME_ATIME_NOW) ? &t->values[0] : NULL;
    t->mtime = flags & (TIME_MTIME | TIME_MTIME_NOW) ? &t->values[1] : NULL;
    return WASI_SUCCESS;
}

static errno_t
do_set_times(struct wasi *w, struct name *name, void *times)
{
    struct node *n = name->place.node;
    struct new_times *t = times;

    (void)w;
    if (n == NULL)
        return WASI_NOENT;
    if (!node_writable(n))
        return WASI_ROFS;
    return n->ops->set_times(n, t->atime, t->mtime);
}

errno_t
wasi_path_filestat_set_times(u32 fd, u32 flags, u32 path, u32 size, u64 atime,
                             u64 mtime, u32 fst_flags)
{
    struct name name =
        name_of(fd, path, size, CAN_PATH_FILESTAT_SET_TIMES, follow_of(flags));
    struct new_times times;
    errno_t error = times_from(&times, atime, mtime, fst_flags);

    return error == WASI_SUCCESS ? with_name(&name, do_set_times, &times) :
                                   error;
}
