// path_calls.c: the calls that name a node by an open directory and a path.

#include "wasi/wasi.h"

// Where `path` leads from directory `fd`.  Holds the lock of *w afterwards,
// whatever comes out, since the path lies in its buffer.
static errno_t
walk_locked(struct wasi *w, u32 fd, u64 rights, struct string path, bool follow,
            struct file **dir, struct place *out)
{
    errno_t error = file_find(w, fd, 0, dir);

    if (error != WASI_SUCCESS)
        return error;
    if ((*dir)->node->type != FILETYPE_DIRECTORY)
        return WASI_NOTDIR;
    error = file_find(w, fd, rights, dir);
    if (error != WASI_SUCCESS)
        return error;
    return path_walk((*dir)->node, path, follow, w->path[1], out);
}

// Copy a path in; it must have no zero bytes.
static errno_t
take_path(struct wasi *w, u32 ptr, u32 size, struct string *path)
{
    if (size > PATH_SIZE)
        return WASI_NAMETOOLONG;
    if (!user_read(w->path[0], ptr, size))
        return WASI_FAULT;
    for (u32 i = 0; i < size; i++)
        if (w->path[0][i] == 0)
            return WASI_INVAL;
    *path = (struct string){w->path[0], size};
    return WASI_SUCCESS;
}

// --- stat and readlink -----------------------------------------------------------

static errno_t
stat_path(u32 fd, u32 flags, u32 ptr, u32 size, u32 out, bool old)
{
    struct wasi *w = wasi_current();
    struct filestat stat;
    struct string path;
    struct place place;
    struct file *dir;

    wasi_lock(w);
    errno_t error = take_path(w, ptr, size, &path);
    if (error == WASI_SUCCESS)
        error = walk_locked(w, fd, CAN_PATH_FILESTAT_GET, path,
                            flags & LOOKUP_FOLLOW, &dir, &place);
    if (error == WASI_SUCCESS && place.node == NULL)
        error = WASI_NOENT;
    if (error == WASI_SUCCESS)
        place.node->ops->stat(place.node, &stat);
    wasi_unlock(w);
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

errno_t
wasi_path_readlink(u32 fd, u32 ptr, u32 size, u32 to, u32 to_size, u32 out)
{
    struct wasi *w = wasi_current();
    struct string path, target = {NULL, 0};
    struct place place;
    struct file *dir;

    wasi_lock(w);
    errno_t error = take_path(w, ptr, size, &path);
    if (error == WASI_SUCCESS)
        error =
            walk_locked(w, fd, CAN_PATH_READLINK, path, false, &dir, &place);
    if (error == WASI_SUCCESS && place.node == NULL)
        error = WASI_NOENT;
    else if (error == WASI_SUCCESS &&
             place.node->type != FILETYPE_SYMBOLIC_LINK)
        error = WASI_INVAL;
    else if (error == WASI_SUCCESS)
        target = place.node->ops->target(place.node);
    u32 count = MIN(target.len, to_size);
    if (error == WASI_SUCCESS && (!user_write(to, target.ptr, count) ||
                                  !user_write(out, &count, sizeof(count))))
        error = WASI_FAULT;
    wasi_unlock(w);
    return error;
}

// --- open -----------------------------------------------------------------------

// May this node be opened in this way?
static errno_t
check_open(const struct place *place, u32 open_flags, u64 rights)
{
    bool writes = rights & CAN_FD_WRITE || open_flags & OPEN_TRUNCATE;
    struct node *n = place->node;

    if (n == NULL)
        return open_flags & OPEN_CREATE ? WASI_ROFS : WASI_NOENT;
    if ((open_flags & OPEN_CREATE) && (open_flags & OPEN_EXCLUSIVE))
        return WASI_EXIST;
    if (n->type == FILETYPE_SYMBOLIC_LINK)
        return WASI_LOOP;
    if (n->type != FILETYPE_DIRECTORY)
        return open_flags & OPEN_DIRECTORY     ? WASI_NOTDIR :
               writes && n->ops->write == NULL ? WASI_ROFS :
                                                 WASI_SUCCESS;
    if (open_flags & (OPEN_CREATE | OPEN_TRUNCATE))
        return WASI_ISDIR;
    return WASI_SUCCESS;
}

static errno_t
open_locked(struct wasi *w, u32 fd, bool follow, struct string path,
            u32 open_flags, struct file *init, u32 *opened)
{
    struct place place;
    struct file *dir;
    errno_t error =
        walk_locked(w, fd, CAN_PATH_OPEN, path, follow, &dir, &place);

    if (error != WASI_SUCCESS)
        return error;
    if ((init->rights | init->inheriting) & ~(dir->inheriting | dir->rights))
        return WASI_NOTCAPABLE;
    error = check_open(&place, open_flags, init->rights);
    if (error != WASI_SUCCESS)
        return error;
    init->node = place.node;
    init->rights &= rights_of_type(place.node->type);
    if (place.node->type != FILETYPE_DIRECTORY)
        init->inheriting = 0;
    return file_install(w, init, opened);
}

errno_t
wasi_path_open(u32 fd, u32 flags, u32 ptr, u32 size, u32 open_flags, u64 rights,
               u64 inheriting, u32 fd_flags, u32 out)
{
    struct wasi *w = wasi_current();
    struct file init = {
        .flags = fd_flags,
        .rights = rights,
        .inheriting = inheriting,
    };
    struct string path;
    u32 opened;

    if (fd_flags & ~(u32)FDFLAGS_ALL)
        return WASI_INVAL;
    if (user_bytes(out, sizeof(opened)).ptr == NULL)
        return WASI_FAULT;
    wasi_lock(w);
    errno_t error = take_path(w, ptr, size, &path);
    if (error == WASI_SUCCESS)
        error = open_locked(w, fd, flags & LOOKUP_FOLLOW, path, open_flags,
                            &init, &opened);
    wasi_unlock(w);
    if (error == WASI_SUCCESS && !user_write(out, &opened, sizeof(opened)))
        error = WASI_FAULT;
    return error;
}
