// wasi/resolve.c: from a descriptor and a path to a node: find the directory,
// lock its file system, walk and act.  A process makes one such call at a time.

#include "wasi/resolve.h"

struct name
name_of(u32 fd, u32 ptr, u32 size, u64 rights, enum follow follow)
{
    return (struct name){
        .fd = fd,
        .ptr = ptr,
        .size = size,
        .rights = rights,
        .follow = follow,
    };
}

enum follow
follow_of(u32 flags)
{
    if (flags & ~(u32)LOOKUP_ALL)
        return FOLLOW_UNKNOWN;
    return flags & LOOKUP_FOLLOW ? FOLLOW_ALWAYS : FOLLOW_BEFORE_SLASH;
}

errno_t
name_text(u32 ptr, u32 size, char *buffer, struct string *out)
{
    if (size > LIMIT_PATH_SIZE)
        return WASI_NAMETOOLONG;
    if (!user_read(buffer, ptr, size))
        return WASI_FAULT;
    for (u32 i = 0; i < size; i++)
        if (buffer[i] == 0)
            return WASI_INVAL;
    *out = (struct string){buffer, size};
    return WASI_SUCCESS;
}

// On success the directory is held.
static errno_t
take_name(struct wasi *w, struct name *name, char *buffer)
{
    if (name->follow == FOLLOW_UNKNOWN)
        return WASI_INVAL;
    errno_t error = name_text(name->ptr, name->size, buffer, &name->path);
    if (error == WASI_SUCCESS)
        error = file_hold(w, name->fd, 0, &name->dir);
    if (error != WASI_SUCCESS)
        return error;
    if (name->dir->node->type != FILETYPE_DIRECTORY)
        error = WASI_NOTDIR;
    else if (name->rights & ~name->dir->rights)
        error = WASI_NOTCAPABLE;
    if (error != WASI_SUCCESS)
        file_drop(w, name->dir);
    return error;
}

static errno_t
walk(struct name *name, char *buffer)
{
    return path_walk(name->dir->node, name->path, name->follow, buffer,
                     &name->place);
}

errno_t
with_name(struct name *name, name_action act, void *arg)
{
    struct wasi *w = wasi_current();

    if (mutex_lock(&w->walking) != OK)
        return WASI_INTR;
    errno_t error = take_name(w, name, w->path[0]);
    if (error == WASI_SUCCESS) {
        node_lock(name->dir->node);
        error = walk(name, w->path[1]);
        if (error == WASI_SUCCESS)
            error = act(w, name, arg);
        node_unlock(name->dir->node);
        place_release(&name->place);
        file_drop(w, name->dir);
    }
    mutex_unlock(&w->walking);
    return error;
}

// --- two names ---------------------------------------------------------------

static errno_t
check_file_system(struct node *a, struct node *b)
{
    struct filestat stat_a, stat_b;

    if (a->ops != b->ops)
        return WASI_XDEV;
    errno_t error = node_stat(a, &stat_a);
    if (error == WASI_SUCCESS)
        error = node_stat(b, &stat_b);
    if (error != WASI_SUCCESS)
        return error;
    return stat_a.device == stat_b.device ? WASI_SUCCESS : WASI_XDEV;
}

// Walk from two directories that are held, in one file system.
static errno_t
walk_both(struct wasi *w, struct name *from, struct name *to, names_action act)
{
    errno_t error = check_file_system(from->dir->node, to->dir->node);

    if (error != WASI_SUCCESS)
        return error;
    node_lock(from->dir->node);
    error = walk(from, w->path[1]);
    if (error == WASI_SUCCESS)
        error = walk(to, w->path[3]);
    if (error == WASI_SUCCESS)
        error = act(from, to);
    node_unlock(from->dir->node);
    place_release(&from->place);
    place_release(&to->place);
    return error;
}

errno_t
with_names(struct name *from, struct name *to, names_action act)
{
    struct wasi *w = wasi_current();

    if (mutex_lock(&w->walking) != OK)
        return WASI_INTR;
    errno_t error = take_name(w, from, w->path[0]);
    if (error == WASI_SUCCESS) {
        error = take_name(w, to, w->path[2]);
        if (error == WASI_SUCCESS) {
            error = walk_both(w, from, to, act);
            file_drop(w, to->dir);
        }
        file_drop(w, from->dir);
    }
    mutex_unlock(&w->walking);
    return error;
}
