// wasi/fd_calls.c: the calls on descriptors that move no bytes of files: the
// table, preopened directories, listings, and what has nothing to do.

#include "wasi/wasi.h"

// --- the table ---------------------------------------------------------------

errno_t
wasi_fd_close(u32 fd)
{
    struct wasi *w = wasi_current();
    struct file *f;

    lock(&w->lock);
    errno_t error = file_find(w, fd, 0, &f);
    if (error == WASI_SUCCESS)
        w->files[index_masked(fd, FILES_MAX)] = NULL;
    unlock(&w->lock);
    if (error == WASI_SUCCESS)
        file_drop(w, f);
    return error;
}

errno_t
wasi_fd_renumber(u32 from, u32 to)
{
    struct wasi *w = wasi_current();
    struct file *f, *old = NULL;

    lock(&w->lock);
    errno_t error = file_find(w, from, 0, &f);
    if (error == WASI_SUCCESS)
        error = file_find(w, to, 0, &old);
    bool moves = error == WASI_SUCCESS && from != to;
    if (moves) {
        w->files[index_masked(to, FILES_MAX)] = f;
        w->files[index_masked(from, FILES_MAX)] = NULL;
    }
    unlock(&w->lock);
    if (moves)
        file_drop(w, old);
    return error;
}

// --- preopened directories ---------------------------------------------------

static errno_t
find_preopen(struct wasi *w, u32 fd, struct string *name, bool *listener)
{
    struct file *f;

    lock(&w->lock);
    errno_t error = file_find(w, fd, 0, &f);
    if (error == WASI_SUCCESS) {
        *name = f->preopen;
        *listener = f->node->ops->accept != NULL;
    }
    unlock(&w->lock);
    bool found = error == WASI_SUCCESS && (name->len > 0 || *listener);
    return error == WASI_SUCCESS && !found ? WASI_BADF : error;
}

// A listener is open from the start, too, and has no name: libraries that look
// for directories go on to the next descriptor at a tag that they do not know,
// and stop at an error.
errno_t
wasi_fd_prestat_get(u32 fd, u32 out)
{
    enum { TAG_DIRECTORY, TAG_LISTENER };
    u32 prestat[2] = {TAG_DIRECTORY, 0};
    struct string name;
    bool listener;
    errno_t error = find_preopen(wasi_current(), fd, &name, &listener);

    if (error != WASI_SUCCESS)
        return error;
    prestat[0] = listener ? TAG_LISTENER : TAG_DIRECTORY;
    prestat[1] = name.len;
    return user_write(out, prestat, sizeof(prestat)) ? WASI_SUCCESS :
                                                       WASI_FAULT;
}

errno_t
wasi_fd_prestat_dir_name(u32 fd, u32 to, u32 size)
{
    struct string name;
    bool listener;
    errno_t error = find_preopen(wasi_current(), fd, &name, &listener);

    if (error == WASI_SUCCESS && listener)
        error = WASI_NOTDIR;
    if (error != WASI_SUCCESS)
        return error;
    if (size < name.len)
        return WASI_NAMETOOLONG;
    return user_write(to, name.ptr, name.len) ? WASI_SUCCESS : WASI_FAULT;
}

// --- directories -------------------------------------------------------------

struct dirent_head {
    u64 next, inode;
    u32 name_size;
    u8 type, pad[3];
};

_Static_assert(sizeof(struct dirent_head) == 24, "layout of preview 1");

enum { LIST_STEP = 64 }; // entries under one lock

// Append what fits.
static void
fill(struct bytes to, u64 *used, const void *from, u64 size)
{
    u64 part = MIN(size, to.size - *used);

    if (part > 0)
        memcpy(to.ptr + *used, from, part);
    *used += part;
}

// Some entries from *cookie on, which moves on; *more is false when there are
// no others or there is no room.  The file system is locked.
static errno_t
list_some(struct node *dir, struct bytes to, u64 *used, u64 *cookie, bool *more)
{
    struct dirent entry;

    for (u32 i = 0; i < LIST_STEP; i++) {
        *more = *used < to.size;
        if (!*more)
            return WASI_SUCCESS;
        errno_t error = dir->ops->next(dir, *cookie, &entry);
        *more = error == WASI_SUCCESS && entry.name.len > 0;
        if (!*more)
            return error;
        struct dirent_head head = {
            .next = entry.next,
            .inode = entry.inode,
            .name_size = entry.name.len,
            .type = entry.type,
        };
        fill(to, used, &head, sizeof(head));
        fill(to, used, entry.name.ptr, entry.name.len);
        *cookie = entry.next;
    }
    return WASI_SUCCESS;
}

static errno_t
list_entries(struct node *dir, struct bytes to, u64 cookie, u64 *used)
{
    errno_t error = WASI_SUCCESS;

    for (bool more = true; more && error == WASI_SUCCESS;) {
        if (thread_is_killed())
            return WASI_INTR;
        node_lock(dir);
        error = list_some(dir, to, used, &cookie, &more);
        node_unlock(dir);
    }
    return error;
}

errno_t
wasi_fd_readdir(u32 fd, u32 to, u32 size, u64 cookie, u32 out)
{
    struct wasi *w = wasi_current();
    struct bytes buffer = user_bytes(to, size);
    struct file *f;
    u64 used = 0;
    errno_t error = file_hold(w, fd, 0, &f);

    if (error != WASI_SUCCESS)
        return error;
    if (f->node->type != FILETYPE_DIRECTORY)
        error = WASI_NOTDIR;
    else if (!(f->rights & CAN_FD_READDIR))
        error = WASI_NOTCAPABLE;
    else if (buffer.ptr == NULL || user_bytes(out, sizeof(u32)).ptr == NULL)
        error = WASI_FAULT;
    if (error == WASI_SUCCESS)
        error = list_entries(f->node, buffer, cookie, &used);
    return file_finish(w, f, error, used, out);
}

// --- what stays --------------------------------------------------------------

static errno_t
sync_file(u32 fd, u64 right, bool data)
{
    struct wasi *w = wasi_current();
    struct file *f;
    errno_t error = file_hold(w, fd, right, &f);

    if (error != WASI_SUCCESS)
        return error;
    error = node_sync(f->node, data);
    file_drop(w, f);
    return error;
}

errno_t
wasi_fd_datasync(u32 fd)
{
    return sync_file(fd, CAN_FD_DATASYNC, true);
}

errno_t
wasi_fd_sync(u32 fd)
{
    return sync_file(fd, CAN_FD_SYNC, false);
}

// --- calls that have nothing to do but check ---------------------------------

static errno_t
check_only(u32 fd, u64 rights)
{
    struct wasi *w = wasi_current();
    struct file *f;

    lock(&w->lock);
    errno_t error = file_find(w, fd, rights, &f);
    unlock(&w->lock);
    return error;
}

errno_t
wasi_fd_advise(u32 fd, u64 at, u64 size, u32 advice)
{
    errno_t error = check_only(fd, CAN_FD_ADVISE);

    if (error != WASI_SUCCESS)
        return error;
    if (advice > ADVICE_NO_REUSE || (i64)at < 0 || (i64)size < 0)
        return WASI_INVAL;
    return WASI_SUCCESS;
}
