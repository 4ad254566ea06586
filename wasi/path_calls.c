// wasi/path_calls.c: the calls that name a node by an open directory and a
// path.  Each finds the directory, locks its file system, walks and acts.

#include "wasi/wasi.h"

// A name as the program gives it, and where it leads.
struct name {
    u32 fd, ptr, size; // directory, path in the program's memory
    u64 rights;        // that the directory must carry
    enum follow follow;
    struct file *dir;
    struct string path; // a copy
    struct place place;
};

static struct name
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

static enum follow
follow_of(u32 flags)
{
    return flags & LOOKUP_FOLLOW ? FOLLOW_ALWAYS : FOLLOW_BEFORE_SLASH;
}

// Copy a string in; it must have no zero bytes.
static errno_t
take_text(u32 ptr, u32 size, char *buffer, struct string *out)
{
    if (size > PATH_SIZE)
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
    errno_t error = take_text(name->ptr, name->size, buffer, &name->path);

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

typedef errno_t (*action)(struct wasi *w, struct name *name, void *arg);

// Take the name, walk, and act where the walk arrives.
static errno_t
with_name(struct name *name, action act, void *arg)
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
        file_drop(w, name->dir);
    }
    mutex_unlock(&w->walking);
    return error;
}

// --- what is there -----------------------------------------------------------

static errno_t
do_stat(struct wasi *w, struct name *name, void *out)
{
    struct node *n = name->place.node;

    (void)w;
    if (n == NULL)
        return WASI_NOENT;
    n->ops->stat(n, out);
    return WASI_SUCCESS;
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

enum { SET_ATIME = 1, SET_ATIME_NOW = 2, SET_MTIME = 4, SET_MTIME_NOW = 8 };

errno_t
times_from(struct new_times *t, u64 atime, u64 mtime, u32 flags)
{
    u64 now = port_realtime_ns();

    if (flags > 15 || (flags & SET_ATIME && flags & SET_ATIME_NOW) ||
        (flags & SET_MTIME && flags & SET_MTIME_NOW))
        return WASI_INVAL;
    t->values[0] = flags & SET_ATIME ? atime : now;
    t->values[1] = flags & SET_MTIME ? mtime : now;
    t->atime = flags & (SET_ATIME | SET_ATIME_NOW) ? &t->values[0] : NULL;
    t->mtime = flags & (SET_MTIME | SET_MTIME_NOW) ? &t->values[1] : NULL;
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
    char *buffer = kernel_alloc(PATH_SIZE);

    if (buffer == NULL)
        return WASI_NOMEM;
    errno_t error = take_text(target, target_size, buffer, &text);
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

// --- two names ---------------------------------------------------------------

static bool
same_file_system(struct node *a, struct node *b)
{
    struct filestat stat_a, stat_b;

    node_stat(a, &stat_a);
    node_stat(b, &stat_b);
    return a->ops == b->ops && stat_a.device == stat_b.device;
}

typedef errno_t (*action2)(struct name *from, struct name *to);

// Walk from two directories that are held, in one file system.
static errno_t
walk_both(struct wasi *w, struct name *from, struct name *to, action2 act)
{
    if (!same_file_system(from->dir->node, to->dir->node))
        return WASI_XDEV;
    node_lock(from->dir->node);
    errno_t error = walk(from, w->path[1]);
    if (error == WASI_SUCCESS)
        error = walk(to, w->path[3]);
    if (error == WASI_SUCCESS)
        error = act(from, to);
    node_unlock(from->dir->node);
    return error;
}

static errno_t
with_names(struct name *from, struct name *to, action2 act)
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

    if (flags & LOOKUP_FOLLOW)
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

// --- open --------------------------------------------------------------------

struct opening {
    u32 flags; // OPEN_
    struct file init;
    u32 fd; // out
};

static errno_t
create_file(struct name *name, const struct opening *o)
{
    struct place *p = &name->place;

    if (!(o->flags & OPEN_CREATE))
        return WASI_NOENT;
    if (o->flags & OPEN_DIRECTORY)
        return WASI_INVAL;
    if (p->slash)
        return WASI_ISDIR;
    if (!(name->dir->rights & CAN_PATH_CREATE_FILE))
        return WASI_NOTCAPABLE;
    if (!node_writable(p->dir))
        return WASI_ROFS;
    return p->dir->ops->create(p->dir, p->name, FILETYPE_REGULAR_FILE,
                               STRING(""), &p->node);
}

// May this node be opened in this way?
static errno_t
check_existing(const struct name *name, const struct opening *o)
{
    struct node *n = name->place.node;
    bool create = o->flags & OPEN_CREATE;
    bool truncates = o->flags & OPEN_TRUNCATE;
    bool writes = o->init.rights & CAN_FD_WRITE;

    if (create && (o->flags & OPEN_EXCLUSIVE))
        return WASI_EXIST;
    if (n->type == FILETYPE_SYMBOLIC_LINK)
        return WASI_LOOP;
    if (n->type == FILETYPE_DIRECTORY)
        return writes || create || truncates ? WASI_ISDIR : WASI_SUCCESS;
    if (o->flags & OPEN_DIRECTORY)
        return WASI_NOTDIR;
    if (n->type != FILETYPE_REGULAR_FILE)
        return WASI_SUCCESS;
    if (truncates && !(name->dir->rights & CAN_PATH_FILESTAT_SET_SIZE))
        return WASI_NOTCAPABLE;
    if ((truncates || writes) && !node_writable(n))
        return WASI_ROFS;
    return WASI_SUCCESS;
}

// Let the new descriptor have all rights of its kind that the directory did not
// give up.  What a program asks for says only whether it will read and write.
static void
set_rights(struct file *init, const struct file *dir)
{
    const u64 mode = CAN_FD_READ | CAN_FD_WRITE;
    bool is_dir = init->node->type == FILETYPE_DIRECTORY;

    init->rights = (init->rights | ~mode) & dir->inheriting &
                   rights_of_type(init->node->type);
    init->inheriting = is_dir ? dir->inheriting : 0;
}

static errno_t
do_open(struct wasi *w, struct name *name, void *arg)
{
    struct opening *o = arg;
    struct file *init = &o->init;
    bool exists = name->place.node != NULL;

    if (init->rights & ~name->dir->inheriting)
        return WASI_NOTCAPABLE; // to read or write; it was given up
    if (!file_fits(w))
        return WASI_MFILE; // before anything is made or changed
    errno_t error = exists ? check_existing(name, o) : create_file(name, o);
    if (error != WASI_SUCCESS)
        return error;
    init->node = name->place.node;
    set_rights(init, name->dir);
    if (exists && o->flags & OPEN_TRUNCATE)
        error = init->node->ops->set_size(init->node, 0);
    return error == WASI_SUCCESS ? file_install(w, init, &o->fd) : error;
}

errno_t
wasi_path_open(u32 fd, u32 flags, u32 path, u32 size, u32 open_flags,
               u64 rights, u64 inheriting, u32 fd_flags, u32 out)
{
    bool exclusive =
        (open_flags & OPEN_CREATE) && (open_flags & OPEN_EXCLUSIVE);
    struct name name =
        name_of(fd, path, size, CAN_PATH_OPEN,
                exclusive ? FOLLOW_BEFORE_SLASH : follow_of(flags));
    struct opening o = {
        .flags = open_flags,
        .init =
            {
                   .flags = fd_flags,
                   .rights = rights & (CAN_FD_READ | CAN_FD_WRITE),
                   },
    };

    (void)inheriting;
    if (fd_flags & ~(u32)FDFLAGS_ALL)
        return WASI_INVAL;
    if (user_bytes(out, sizeof(o.fd)).ptr == NULL)
        return WASI_FAULT;
    errno_t error = with_name(&name, do_open, &o);
    if (error == WASI_SUCCESS && !user_write(out, &o.fd, sizeof(o.fd)))
        error = WASI_FAULT;
    return error;
}
