// wasi/open_call.c: path_open: which rights a new descriptor has, what it makes
// or cuts off.

#include "wasi/resolve.h"

enum { TRIES = 8 };

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
    // By these programs see that a device is no terminal.
    u64 beside = is_dir ? 0 : CAN_FD_SEEK | CAN_FD_TELL;

    init->rights = (init->rights | ~mode) & dir->inheriting &
                   (rights_of_type(init->node->type) | beside);
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
    struct file *f = file_prepare();
    if (f == NULL)
        return WASI_NOMEM; // so is this
    errno_t error = exists ? check_existing(name, o) : create_file(name, o);
    if (error == WASI_SUCCESS) {
        init->node = name->place.node;
        set_rights(init, name->dir);
    }
    bool truncates = exists && o->flags & OPEN_TRUNCATE &&
                     name->place.node->type == FILETYPE_REGULAR_FILE;
    if (error == WASI_SUCCESS)
        error = node_open(init->node, init->rights & CAN_FD_READ,
                          truncates || init->rights & CAN_FD_WRITE);
    if (error == WASI_SUCCESS && truncates)
        error = init->node->ops->set_size(init->node, 0);
    if (error == WASI_SUCCESS)
        return file_install_prepared(w, f, init, &o->fd);
    file_unprepare(f);
    return error;
}

errno_t
wasi_path_open(u32 fd, u32 flags, u32 path, u32 size, u32 open_flags,
               u64 rights, u64 inheriting, u32 fd_flags, u32 out)
{
    bool exclusive =
        (open_flags & OPEN_CREATE) && (open_flags & OPEN_EXCLUSIVE);
    enum follow follow = follow_of(flags);
    struct name name = name_of(
        fd, path, size, CAN_PATH_OPEN,
        exclusive && follow == FOLLOW_ALWAYS ? FOLLOW_BEFORE_SLASH : follow);
    struct opening o = {
        .flags = open_flags,
        .init =
            {
                   .flags = fd_flags,
                   .rights = rights & (CAN_FD_READ | CAN_FD_WRITE),
                   },
    };

    (void)inheriting;
    if (fd_flags & ~(u32)FDFLAGS_ALL || open_flags & ~(u32)OPEN_ALL)
        return WASI_INVAL;
    if (user_bytes(out, sizeof(o.fd)).ptr == NULL)
        return WASI_FAULT;
    errno_t error;
    u32 tries = 0;
    do // again where somebody else has made the file after we looked
        error = with_name(&name, do_open, &o);
    while (error == WASI_EXIST && !exclusive && ++tries < TRIES);
    if (error == WASI_SUCCESS && !user_write(out, &o.fd, sizeof(o.fd)))
        error = WASI_FAULT;
    return error;
}
