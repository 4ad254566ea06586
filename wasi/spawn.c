// wasi/spawn.c: what a program gives to one that it spawns: arguments,
// environment, and descriptors, each made from one of its own or from a stream.

#include "wasi/wasi.h"

static u64
rights_of_stream(const struct node *n, u32 handle_rights)
{
    u64 rights = rights_of_type(n->type);

    if ((handle_rights & RIGHT_READ) == 0)
        rights &= ~CAN_FD_READ;
    if ((handle_rights & RIGHT_WRITE) == 0)
        rights &= ~CAN_FD_WRITE;
    return rights;
}

static status_t
status_of(errno_t error)
{
    return error == WASI_SUCCESS ? OK :
           error == WASI_NOMEM   ? ERR_NO_MEMORY :
           error == WASI_INTR    ? ERR_KILLED :
           error == WASI_MFILE   ? ERR_FULL :
                                   ERR_BAD_ARGUMENT;
}

static errno_t
install_stream(struct wasi *w, const struct carried *stream, struct adoption *a,
               u32 *fd)
{
    struct node *n = pipe_node(stream->object);

    if (n == NULL)
        return WASI_NOMEM;
    struct file init = {.node = n,
                        .rights = rights_of_stream(n, stream->rights)};
    errno_t error = file_install_from(w, &init, *fd, a, fd);

    node_drop(n);
    return error;
}

// The same file, from the same place on; who moves on in it is on his own.
static errno_t
install_copy(struct wasi *w, u32 from, u32 *to)
{
    struct wasi *parent = wasi_current();
    struct file *f;
    errno_t error = file_hold(parent, from, 0, &f);

    if (error != WASI_SUCCESS)
        return error;
    struct file init = {
        .node = f->node,
        .flags = f->flags,
        .rights = f->rights,
        .inheriting = f->inheriting,
        .preopen = f->preopen,
    };
    error = file_lock(f);
    if (error == WASI_SUCCESS) {
        init.offset = f->offset;
        file_unlock(f);
        error = file_install_from(w, &init, *to, NULL, to);
    }
    file_drop(parent, f);
    return error;
}

static status_t
install_all(struct wasi *w, const struct spawn_setup *setup)
{
    const struct carried *stream = setup->streams;
    errno_t error = WASI_SUCCESS;

    for (u32 i = 0; i < setup->descriptor_count; i++) {
        const struct spawn_descriptor *d = &setup->descriptors[i];
        u32 fd = d->descriptor;
        if (fd >= FILES_MAX)
            return ERR_BAD_ARGUMENT;
        error = d->kind == SPAWN_STREAM ?
                    install_stream(w, stream++, NULL, &fd) :
                    install_copy(w, d->from, &fd);
        if (error != WASI_SUCCESS)
            return status_of(error);
        if (fd != d->descriptor)
            return ERR_BAD_ARGUMENT; // it was named twice
    }
    return OK;
}

// Copied once, then looked at: what is given is the program's memory.
static status_t
copy_strings(const struct spawn_setup *setup, u8 **out)
{
    struct bytes args = setup->args, env = setup->env;

    *out = kernel_alloc(MAX(args.size + env.size, 1));
    if (*out == NULL)
        return ERR_NO_MEMORY;
    if (args.size > 0)
        memcpy(*out, args.ptr, args.size);
    if (env.size > 0)
        memcpy(*out + args.size, env.ptr, env.size);
    return OK;
}

status_t
wasi_spawn(struct process *child, const struct spawn_setup *setup)
{
    u8 *strings;
    status_t status = copy_strings(setup, &strings);

    if (status != OK)
        return status;
    const struct wasi_setup start = {
        .args = {strings,                    setup->args.size},
        .env = {strings + setup->args.size, setup->env.size },
    };
    status = wasi_attach_bare(child, &start);
    if (status != OK) {
        kernel_free(strings);
        return status;
    }
    struct wasi *w = process_personality(child);
    w->strings = strings;
    return install_all(w, setup);
}

status_t
wasi_share_output(struct process *child)
{
    status_t status =
        wasi_spawn(child, &(struct spawn_setup){.descriptor_count = 0});

    for (u32 i = PORT_STDOUT; i <= PORT_STDERR && status == OK; i++) {
        u32 fd = i;
        errno_t error = install_copy(process_personality(child), i, &fd);
        if (error != WASI_BADF) // the parent has none either
            status = status_of(error);
    }
    return status;
}

status_t
wasi_adopt(struct adoption *a, u32 *fd)
{
    *fd = 0;
    errno_t error = install_stream(wasi_current(), &a->object, a, fd);
    return error == WASI_BADF ? ERR_BAD_HANDLE : status_of(error);
}
