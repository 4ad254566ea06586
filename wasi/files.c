// files.c: the table of open files of a process, and the state it is part of.

#include "wasi/wasi.h"

struct wasi *
wasi_current(void)
{
    return process_personality(process_current());
}

void
wasi_lock(struct wasi *w)
{
    while (__atomic_exchange_n(&w->lock, 1, __ATOMIC_ACQUIRE) != 0)
        thread_yield();
}

void
wasi_unlock(struct wasi *w)
{
    __atomic_store_n(&w->lock, 0, __ATOMIC_RELEASE);
}

u64
rights_of_type(u8 type)
{
    bool is_dir = type == FILETYPE_DIRECTORY;
    bool is_file = type == FILETYPE_REGULAR_FILE;
    u64 rights = 0;

#define RIGHT(bit, id, file, dir, stream)       \
    if ((is_dir && dir) || (is_file && file) || \
        (!is_dir && !is_file && stream))        \
        rights |= CAN_##id;
#include "wasi/rights.def"
    return rights;
}

errno_t
file_install(struct wasi *w, const struct file *init, u32 *fd)
{
    u32 at = 0;

    while (at < FILES_MAX && w->files[at] != NULL)
        at++;
    if (at == FILES_MAX)
        return WASI_MFILE;
    struct file *f = kernel_alloc(sizeof(*f));
    if (f == NULL)
        return WASI_NOMEM;
    *f = *init;
    f->refs = 1;
    node_hold(f->node);
    list_append(&w->open, &f->link);
    w->files[at] = f;
    *fd = at;
    return WASI_SUCCESS;
}

errno_t
file_find(struct wasi *w, u32 fd, u64 rights, struct file **out)
{
    if (fd >= FILES_MAX)
        return WASI_BADF;
    fd = (u32)index_masked(fd, FILES_MAX);
    if (w->files[fd] == NULL)
        return WASI_BADF;
    u64 missing = rights & ~w->files[fd]->rights;
    if (missing & (CAN_FD_READ | CAN_FD_WRITE))
        return WASI_BADF; // it was not opened for that, as in POSIX
    if (missing)
        return WASI_NOTCAPABLE;
    *out = w->files[fd];
    return WASI_SUCCESS;
}

static void
free_file(struct file *f)
{
    node_drop(f->node);
    list_remove(&f->link);
    kernel_free(f);
}

static void
drop_locked(struct file *f)
{
    if (count_down(&f->refs))
        free_file(f);
}

void
file_remove(struct wasi *w, u32 fd)
{
    fd = (u32)index_masked(fd, FILES_MAX);
    struct file *f = w->files[fd];

    w->files[fd] = NULL;
    drop_locked(f);
}

errno_t
file_hold(struct wasi *w, u32 fd, u64 rights, struct file **out)
{
    wasi_lock(w);
    errno_t error = file_find(w, fd, rights, out);
    if (error == WASI_SUCCESS)
        count_up(&(*out)->refs);
    wasi_unlock(w);
    return error;
}

void
file_drop(struct wasi *w, struct file *f)
{
    wasi_lock(w);
    drop_locked(f);
    wasi_unlock(w);
}

static void
wasi_detach(struct process *p)
{
    struct wasi *w = process_personality(p);

    while (!list_empty(&w->open))
        free_file(CONTAINER(w->open.next, struct file, link));
    kernel_free(w);
}

static const struct personality wasi_personality = {wasi_detach};

static errno_t
install_streams(struct wasi *w, u32 terminals)
{
    errno_t error = WASI_SUCCESS;
    u32 fd;

    for (u32 i = PORT_STDIN; i <= PORT_STDERR && error == WASI_SUCCESS; i++) {
        struct node *n = console_node(i, terminals >> i & 1);
        u64 missing = i == PORT_STDIN ? CAN_FD_WRITE : CAN_FD_READ;
        struct file stream = {
            .node = n,
            .rights = rights_of_type(n->type) & ~missing,
        };
        error = file_install(w, &stream, &fd);
    }
    return error;
}

static errno_t
install_preopen(struct wasi *w, const struct preopen *p)
{
    struct file dir = {
        .node = p->node,
        .preopen = p->name,
        .rights = rights_of_type(FILETYPE_DIRECTORY),
    };
    u32 fd;

    dir.inheriting = dir.rights | rights_of_type(FILETYPE_REGULAR_FILE);
    return file_install(w, &dir, &fd);
}

static bool
terminated(struct bytes strings)
{
    return strings.size == 0 || strings.ptr[strings.size - 1] == 0;
}

status_t
wasi_attach(struct process *p, const struct wasi_setup *setup)
{
    struct bytes args = setup->args, env = setup->env;

    if (!terminated(args) || !terminated(env) || args.size > UINT32_MAX ||
        env.size > UINT32_MAX)
        return ERR_BAD_ARGUMENT;
    struct wasi *w = kernel_alloc(sizeof(*w));
    if (w == NULL)
        return ERR_NO_MEMORY;
    w->args = args;
    w->env = env;
    w->started_ns = port_monotonic_ns();
    list_init(&w->open);
    process_set_personality(p, &wasi_personality, w);
    errno_t error = install_streams(w, setup->terminals);
    for (u32 i = 0; i < setup->preopen_count && error == WASI_SUCCESS; i++)
        error = install_preopen(w, &setup->preopens[i]);
    return error == WASI_SUCCESS ? OK : ERR_NO_MEMORY;
}
