// wasi/name_calls.c: new, removed and changed names.

#include "wasi/resolve.h"

// --- new and removed names ---------------------------------------------------

// May something new get this name?
static errno_t
check_new(const struct place *place)
{
    if (place->node != NULL)
        return WASI_EXIST;
    return node_writable(place->dir) ? WASI_SUCCESS : WASI_ROFS;
}

// May the thing that has this name lose it?
static errno_t
check_old(const struct place *place)
{
    if (place->node == NULL)
        return WASI_NOENT;
    if (place->name.len == 0)
        return WASI_INVAL; // "." or ".."
    return node_writable(place->dir) ? WASI_SUCCESS : WASI_ROFS;
}

static errno_t
do_create_directory(struct wasi *w, struct name *name, void *arg)
{
    struct place *p = &name->place;
    errno_t error = check_new(p);

    (void)w, (void)arg;
    if (error != WASI_SUCCESS)
        return error;
    return p->dir->ops->create(p->dir, p->name, FILETYPE_DIRECTORY, STRING(""),
                               &p->node);
}

errno_t
wasi_path_create_directory(u32 fd, u32 path, u32 size)
{
    struct name name =
        name_of(fd, path, size, CAN_PATH_CREATE_DIRECTORY, FOLLOW_NEVER);

    return with_name(&name, do_create_directory, NULL);
}

static errno_t
do_symlink(struct wasi *w, struct name *name, void *target)
{
    struct place *p = &name->place;
    errno_t error = check_new(p);

    (void)w;
    if (error == WASI_SUCCESS && p->slash)
        error = WASI_NOENT;
    if (error != WASI_SUCCESS)
        return error;
    return p->dir->ops->create(p->dir, p->name, FILETYPE_SYMBOLIC_LINK,
                               *(struct string *)target, &p->node);
}

errno_t
wasi_path_symlink(u32 target, u32 target_size, u32 fd, u32 path, u32 size)
{
    struct name name = name_of(fd, path, size, CAN_PATH_SYMLINK, FOLLOW_NEVER);
    struct string text;
    char *buffer = kernel_alloc(LIMIT_PATH_SIZE);

    if (buffer == NULL)
        return WASI_NOMEM;
    errno_t error = name_text(target, target_size, buffer, &text);
    if (error == WASI_SUCCESS && text.len == 0)
        error = WASI_NOENT;
    else if (error == WASI_SUCCESS && text.ptr[0] == '/')
        error = WASI_PERM;
    if (error == WASI_SUCCESS)
        error = with_name(&name, do_symlink, &text);
    kernel_free(buffer);
    return error;
}

// Remove a directory (arg is not NULL) or something else.
static errno_t
do_remove(struct wasi *w, struct name *name, void *arg)
{
    struct place *p = &name->place;
    errno_t error = check_old(p);

    (void)w;
    if (error != WASI_SUCCESS)
        return error;
    if ((p->node->type == FILETYPE_DIRECTORY) != (arg != NULL))
        return arg != NULL ? WASI_NOTDIR : WASI_ISDIR;
    return p->dir->ops->remove(p->dir, p->name);
}

errno_t
wasi_path_remove_directory(u32 fd, u32 path, u32 size)
{
    struct name name =
        name_of(fd, path, size, CAN_PATH_REMOVE_DIRECTORY, FOLLOW_NEVER);

    return with_name(&name, do_remove, &name);
}

errno_t
wasi_path_unlink_file(u32 fd, u32 path, u32 size)
{
    struct name name =
        name_of(fd, path, size, CAN_PATH_UNLINK_FILE, FOLLOW_NEVER);

    return with_name(&name, do_remove, NULL);
}

static errno_t
do_link(struct name *from, struct name *to)
{
    struct place *old = &from->place, *p = &to->place;
    errno_t error = check_new(p);

    if (old->node == NULL)
        return WASI_NOENT;
    if (old->node->type == FILETYPE_DIRECTORY)
        return WASI_PERM;
    if (error == WASI_SUCCESS && p->slash)
        error = WASI_NOENT;
    return error == WASI_SUCCESS ?
               p->dir->ops->link(p->dir, p->name, old->node) :
               error;
}

errno_t
wasi_path_link(u32 fd, u32 flags, u32 path, u32 size, u32 new_fd, u32 new_path,
               u32 new_size)
{
    struct name from =
        name_of(fd, path, size, CAN_PATH_LINK_SOURCE, FOLLOW_NEVER);
    struct name to =
        name_of(new_fd, new_path, new_size, CAN_PATH_LINK_TARGET, FOLLOW_NEVER);

    if (flags != 0)
        return WASI_INVAL; // a link to a symlink is a link to the symlink
    return with_names(&from, &to, do_link);
}

static errno_t
do_rename(struct name *from, struct name *to)
{
    struct place *old = &from->place, *p = &to->place;
    errno_t error = check_old(old);

    if (error != WASI_SUCCESS)
        return error;
    if (p->name.len == 0)
        return WASI_INVAL;
    if (p->slash && old->node->type != FILETYPE_DIRECTORY)
        return WASI_NOTDIR;
    if (!node_writable(p->dir))
        return WASI_ROFS;
    return p->dir->ops->rename(old->dir, old->name, p->dir, p->name);
}

errno_t
wasi_path_rename(u32 fd, u32 path, u32 size, u32 new_fd, u32 new_path,
                 u32 new_size)
{
    struct name from =
        name_of(fd, path, size, CAN_PATH_RENAME_SOURCE, FOLLOW_NEVER);
    struct name to = name_of(new_fd, new_path, new_size, CAN_PATH_RENAME_TARGET,
                             FOLLOW_NEVER);

    return with_names(&from, &to, do_rename);
}
