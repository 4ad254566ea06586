// wasi/files.c: the table of open files of a process, and the state it is part
// of.

#include "wasi/wasi.h"

struct wasi *
wasi_current(void)
{
    return process_personality(process_current());
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
    if (type == FILETYPE_SOCKET_STREAM)
        rights |= CAN_SOCK_SHUTDOWN | CAN_SOCK_ACCEPT;
    return rights;
}

// w->lock is held.
static u32
free_descriptor(const struct wasi *w, u32 at) REQUIRES(w->lock)
{
    assert_held(&w->lock);
    while (at < FILES_MAX && w->files[at] != NULL)
        at++;
    return at;
}

bool
file_fits(struct wasi *w)
{
    lock(&w->lock);
    bool fits = free_descriptor(w, 0) < FILES_MAX;
    unlock(&w->lock);
    return fits;
}

static errno_t
put_in(struct wasi *w, struct file *f, u32 first, struct adoption *a, u32 *fd)
    REQUIRES(w->lock)
{
    assert_held(&w->lock);
    *fd = free_descriptor(w, first);
    if (*fd == FILES_MAX)
        return WASI_MFILE;
    if (a != NULL && adoption_take(a) != OK)
        return WASI_BADF;
    node_hold(f->node);
    list_append(&w->open, &f->link);
    w->files[*fd] = f;
    return WASI_SUCCESS;
}

struct file *
file_prepare(void)
{
    return kernel_alloc(sizeof(struct file));
}

void
file_unprepare(struct file *f)
{
    kernel_free(f);
}

static errno_t
install(struct wasi *w, struct file *f, const struct file *init, u32 first,
        struct adoption *a, u32 *fd)
{
    *f = *init;
    f->refs = 1;
    mutex_init(&f->lock, LOCK_FILE);
    lock(&w->lock);
    errno_t error = put_in(w, f, first, a, fd);
    unlock(&w->lock);
    if (error != WASI_SUCCESS)
        file_unprepare(f);
    return error;
}

errno_t
file_install_prepared(struct wasi *w, struct file *f, const struct file *init,
                      u32 *fd)
{
    return install(w, f, init, 0, NULL, fd);
}

errno_t
file_install_from(struct wasi *w, const struct file *init, u32 first,
                  struct adoption *a, u32 *fd)
{
    struct file *f = file_prepare();

    return f != NULL ? install(w, f, init, first, a, fd) : WASI_NOMEM;
}

errno_t
file_install(struct wasi *w, const struct file *init, u32 *fd)
{
    return file_install_from(w, init, 0, NULL, fd);
}

errno_t
file_find(struct wasi *w, u32 fd, u64 rights, struct file **out)
{
    assert_held(&w->lock);
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

errno_t
file_hold(struct wasi *w, u32 fd, u64 rights, struct file **out)
{
    lock(&w->lock);
    errno_t error = file_find(w, fd, rights, out);
    if (error == WASI_SUCCESS)
        count_up(&(*out)->refs);
    unlock(&w->lock);
    return error;
}

errno_t
file_is_connection(const struct file *f)
{
    const struct node_ops *ops = f->node->ops;

    if (ops->shutdown != NULL)
        return WASI_SUCCESS;
    return ops->accept != NULL ? WASI_NOTCONN : WASI_NOTSOCK;
}

void
file_drop(struct wasi *w, struct file *f)
{
    lock(&w->lock);
    bool last = count_down(&f->refs);
    if (last)
        list_remove(&f->link);
    unlock(&w->lock);
    if (!last)
        return;
    node_drop(f->node);
    kernel_free(f);
}

errno_t
file_finish(struct wasi *w, struct file *f, errno_t error, u64 total, u32 out)
{
    u32 count = (u32)total;

    file_drop(w, f);
    if (error == WASI_SUCCESS && !user_write(out, &count, sizeof(count)))
        error = WASI_FAULT;
    return error;
}

errno_t
file_lock(struct file *f)
{
    if (node_is_stream(f->node))
        return WASI_SUCCESS;
    return mutex_lock(&f->lock) == OK ? WASI_SUCCESS : WASI_INTR;
}

void
file_unlock(struct file *f)
{
    if (!node_is_stream(f->node))
        mutex_unlock(&f->lock);
}

// Nobody runs in the process any more.
static void
wasi_detach(struct process *p)
{
    struct wasi *w = process_personality(p);

    while (!list_empty(&w->open)) {
        struct file *f = CONTAINER(w->open.next, struct file, link);
        assert(f->refs == 1); // the table's
        file_drop(w, f);
    }
    kernel_free(w->strings);
    kernel_free(w);
}

static const struct personality wasi_personality = {
    .exit = wasi_detach,
    .spawn = wasi_spawn,
    .adopt = wasi_adopt,
    .print = wasi_print,
    .share_output = wasi_share_output,
};

static errno_t
install_streams(struct wasi *w, u32 terminals, struct object *terminal)
{
    errno_t error = WASI_SUCCESS;
    u32 fd;

    for (u32 i = PORT_STDIN; i <= PORT_STDERR && error == WASI_SUCCESS; i++) {
        bool seat = terminal != NULL && (terminals >> i & 1) != 0;
        struct node *n =
            seat ? pipe_node(terminal) : console_node(i, terminals >> i & 1);
        if (n == NULL)
            return WASI_NOMEM;
        u64 missing = i == PORT_STDIN ? CAN_FD_WRITE : CAN_FD_READ;
        struct file stream = {
            .node = n,
            .rights = rights_of_type(n->type) & ~missing,
        };
        error = file_install(w, &stream, &fd);
        node_drop(n);
    }
    return error;
}

static errno_t
install_listener(struct wasi *w, struct node *n)
{
    struct file init = {.node = n, .rights = rights_of_type(n->type)};
    u32 fd;

    init.inheriting = init.rights;
    return file_install(w, &init, &fd);
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
wasi_attach_bare(struct process *p, const struct wasi_setup *setup)
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
    mutex_init(&w->walking, LOCK_WALKING);
    lock_init(&w->lock, LOCK_FILES);
    process_set_personality(p, &wasi_personality, w);
    return OK;
}

status_t
wasi_attach(struct process *p, const struct wasi_setup *setup)
{
    status_t status = wasi_attach_bare(p, setup);

    if (status != OK)
        return status;
    struct wasi *w = process_personality(p);
    errno_t error = install_streams(w, setup->terminals, setup->terminal);
    for (u32 i = 0; i < setup->listener_count && error == WASI_SUCCESS; i++)
        error = install_listener(w, setup->listeners[i]);
    for (u32 i = 0; i < setup->preopen_count && error == WASI_SUCCESS; i++)
        error = install_preopen(w, &setup->preopens[i]);
    return error == WASI_SUCCESS ? OK : ERR_NO_MEMORY;
}
