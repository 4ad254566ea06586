// port/linux/files.c: directories of the host as a file system of programs
// (struct node_ops).  A node is a descriptor of the host, at first one that
// only names the file (O_PATH): names are looked up one by one below it, links
// are not followed by the host, and ".." leads to the node from which the walk
// came, so that whatever the host renames meanwhile, no path leaves what is
// mounted.  Nothing is kept of a file but its descriptor: what another program
// of the host changes is seen at once.
//
// Nodes have references and no lock: each call is one step of the host's.
// Special files have a name and no more: opened, they would wait or act.

#include "port/linux/files.h"
#include "port/linux/linux.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

enum { DEVICE_PLACES = 4 }; // device number of directories that are only names

// Cookies from here on are of the places in a directory, which come last.
#define COOKIE_PLACES (1ull << 63)

struct listing {
    u64 cookie;  // of the entry at `at`
    u32 at, end; // of what is not read yet
    u8 bytes[4 * KIB] __attribute__((aligned(8)));
};

struct host_node {
    struct node node;
    u32 references; // atomic
    i32 fd;         // -1: a directory that has nothing but places
    bool opened;    // fd does more than to name the file
    bool writable;
    const struct host_place *place; // that it is, or NULL
    struct host_node *above;        // of a directory that was walked to
    u32 target_size;                // of a symlink
    struct mutex lock;
    struct listing *listing MEMBER_GUARDED_BY(lock); // or NULL
    char target[];                                   // stays as it is
};

static const struct node_ops host_ops;

static struct host_node *
host_node(struct node *n)
{
    return CONTAINER(n, struct host_node, node);
}

// --- errors ------------------------------------------------------------------

// WASI has Linux's names for errors, and two of its own.
#define ESUCCESS    0
#define ENOTCAPABLE (EHWPOISON + 1)

static const u8 errnos[] = {
#define ERRNO(number, id, text) [E##id] = (number),
#include "wasi/errno.def"
};

errno_t
host_errno(i64 result)
{
    if (result >= 0)
        return WASI_SUCCESS;
    u64 error = (u64)-result;
    return error < COUNT(errnos) && errnos[error] != 0 ? errnos[error] :
                                                         WASI_IO;
}

// --- names -------------------------------------------------------------------

// A name as the host wants it: no longer than the walk lets through.
struct name_text {
    char text[FILE_NAME_MAX + 1];
};

static struct name_text
text_of(struct string name)
{
    struct name_text t;
    u32 len = MIN(name.len, (u32)FILE_NAME_MAX);

    memcpy(t.text, name.ptr, len);
    t.text[len] = 0;
    return t;
}

// --- nodes -------------------------------------------------------------------

static u8
type_of_mode(u32 mode)
{
    return S_ISDIR(mode) ? FILETYPE_DIRECTORY :
           S_ISREG(mode) ? FILETYPE_REGULAR_FILE :
           S_ISLNK(mode) ? FILETYPE_SYMBOLIC_LINK :
                           FILETYPE_UNKNOWN;
}

static void
close_fd(i32 fd)
{
    if (fd >= 0)
        (void)HOST_CALL(SYS_close, fd);
}

static void
host_hold(struct node *n)
{
    count_up(&host_node(n)->references);
}

// The last reference of a directory may be the last of those above it.
static void
host_drop(struct node *n)
{
    struct host_node *h = host_node(n);

    while (h != NULL && count_down(&h->references)) {
        struct host_node *above = h->above;
        close_fd(h->fd);
        kernel_free(h->listing);
        kernel_free(h);
        h = above;
    }
}

// Memory for the node of a file, with what a symlink leads to; NULL: *result is
// the host's error.
static struct host_node *
new_node(i32 fd, const struct stat *st, i64 *result)
{
    u8 type = type_of_mode(st->st_mode);
    u64 room = 0;

    if (type == FILETYPE_SYMBOLIC_LINK)
        room = 1 + (st->st_size > 0 ? MIN((u64)st->st_size, LIMIT_PATH_SIZE) :
                                      LIMIT_PATH_SIZE);
    struct host_node *h = kernel_alloc(sizeof(*h) + room);
    *result = h != NULL ? 0 : -ENOMEM;
    if (h == NULL)
        return NULL;
    h->node = (struct node){&host_ops, type};
    if (room > 0)
        *result =
            HOST_CALL(SYS_readlinkat, fd, (i64) "", (i64)h->target, (i64)room);
    if (*result == (i64)room && room > 0)
        *result = -ENAMETOOLONG; // or it is another's by now
    h->target_size = (u32)MAX(*result, 0);
    if (*result >= 0)
        return h;
    kernel_free(h);
    return NULL;
}

// A node of this descriptor, which it takes also when it fails: then it is NULL
// and *error says why.
static struct host_node *
node_of_fd(i32 fd, const struct host_place *place, struct host_node *above,
           errno_t *error)
{
    struct stat st = {.st_mode = S_IFDIR};
    bool mounted = place != NULL && place->fd >= 0;
    i64 result = fd >= 0 ? HOST_CALL(SYS_fstat, fd, (i64)&st) : 0;
    struct host_node *h = result < 0 ? NULL : new_node(fd, &st, &result);

    *error = host_errno(result);
    if (h == NULL) {
        close_fd(fd);
        return NULL;
    }
    h->references = 1;
    h->fd = fd;
    h->place = place;
    mutex_init(&h->lock, LOCK_LISTING);
    if (mounted)
        h->writable = place->writable;
    else if (fd >= 0 && above != NULL)
        h->writable = above->writable;
    if (h->node.type == FILETYPE_DIRECTORY && above != NULL) {
        host_hold(&above->node);
        h->above = above;
    }
    return h;
}

static i64
place_fd(const struct host_place *place)
{
    return HOST_CALL(SYS_fcntl, place->fd, F_DUPFD_CLOEXEC);
}

struct node *
host_mounted(struct string path)
{
    const struct host_place *place = host_place_find(path);
    errno_t error;

    if (place == NULL)
        return NULL;
    i64 fd = place->fd >= 0 ? place_fd(place) : -1;
    struct host_node *h = node_of_fd((i32)MAX(fd, -1), place, NULL, &error);
    if (h == NULL)
        return NULL;
    if (h->node.type == FILETYPE_DIRECTORY &&
        host_ops.open(&h->node, true, false) == WASI_SUCCESS)
        return &h->node;
    host_drop(&h->node);
    return NULL;
}

static bool
host_writable(struct node *n)
{
    return host_node(n)->writable;
}

// --- what is known -----------------------------------------------------------

// Saturates on both sides.
static u64
time_ns(const struct timespec *t)
{
    u64 seconds = (u64)MAX(t->tv_sec, 0);

    if (t->tv_sec < 0)
        return 0;
    if (seconds >= UINT64_MAX / 1000000000)
        return UINT64_MAX;
    return seconds * 1000000000 + (u64)t->tv_nsec;
}

static errno_t
host_stat(struct node *n, struct filestat *out)
{
    struct host_node *h = host_node(n);
    struct stat st = {.st_dev = DEVICE_PLACES, .st_nlink = 1};
    i64 result = 0;

    if (h->fd >= 0)
        result = HOST_CALL(SYS_fstat, h->fd, (i64)&st);
    else
        st.st_ino = h->place->number + 1ull;
    *out = (struct filestat){
        .device = st.st_dev,
        .inode = st.st_ino,
        .links = st.st_nlink,
        .size = (u64)st.st_size,
        .atime = time_ns(&st.st_atim),
        .mtime = time_ns(&st.st_mtim),
        .ctime = time_ns(&st.st_ctim),
        .type = n->type,
    };
    return host_errno(result);
}

static struct string
host_target(struct node *link)
{
    struct host_node *h = host_node(link);

    return (struct string){h->target, h->target_size};
}

// The descriptor now does what was asked for, whatever has the name now.
static errno_t
host_open(struct node *n, bool reads, bool writes)
{
    struct host_node *h = host_node(n);
    struct fd_path path = fd_path(h->fd);
    bool dir = n->type == FILETYPE_DIRECTORY;
    i64 how = dir     ? O_RDONLY | O_DIRECTORY :
              !writes ? O_RDONLY :
              reads   ? O_RDWR :
                        O_WRONLY;

    if (h->fd < 0 || h->opened)
        return WASI_SUCCESS;
    if (!dir && n->type != FILETYPE_REGULAR_FILE)
        return WASI_NOTSUP;
    i64 fd = HOST_CALL(SYS_openat, AT_FDCWD, (i64)path.text,
                       how | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    // Names can be looked up in a directory that may not be listed; what is
    // known of a file needs no right to read it.
    if (fd == -EACCES && (dir || (!reads && !writes)))
        return WASI_SUCCESS;
    if (fd < 0)
        return host_errno(fd);
    // Others may be using the number: it never stands for another file.
    i64 result = HOST_CALL(SYS_dup3, fd, h->fd, O_CLOEXEC);
    close_fd((i32)fd);
    h->opened = result >= 0;
    return host_errno(result);
}

// --- directories -------------------------------------------------------------

static i64
open_name(const struct host_node *dir, struct string name)
{
    struct name_text text = text_of(name);

    if (dir->fd < 0)
        return -ENOENT;
    return HOST_CALL(SYS_openat, dir->fd, (i64)text.text,
                     O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

static struct host_place *
place_in(const struct host_node *dir, struct string name)
{
    return dir->place != NULL ? host_place_child(dir->place, name) : NULL;
}

static errno_t
host_lookup(struct node *node, struct string name, struct node **out)
{
    struct host_node *dir = host_node(node);
    const struct host_place *place = place_in(dir, name);
    bool mounted = place != NULL && place->fd >= 0;
    i64 fd = mounted ? place_fd(place) : open_name(dir, name);
    errno_t error;

    if (fd < 0 && (mounted || place == NULL))
        return host_errno(fd);
    struct host_node *h = node_of_fd((i32)MAX(fd, -1), place, dir, &error);
    if (h != NULL && place != NULL && !mounted &&
        h->node.type != FILETYPE_DIRECTORY) {
        host_drop(&h->node); // the way to a mount leads through directories
        h = node_of_fd(-1, place, dir, &error);
    }
    if (h != NULL)
        *out = &h->node;
    return error;
}

// Only asked for where the walk came down.
static struct node *
host_parent(struct node *node)
{
    struct node *above = &host_node(node)->above->node;

    host_hold(above);
    return above;
}

// As getdents64(2) has it; the name follows.
struct entry_head {
    u64 inode, next;
    u16 size;
    u8 type;
} __attribute__((packed));

// One of the host's entries at the cookie; without a name: there are no more.
static errno_t
next_of_host(struct host_node *dir, u64 cookie, struct dirent *out)
{
    assert(mutex_held(&dir->lock));
    struct listing *l = dir->listing;
    struct entry_head head;

    out->name = STRING("");
    if (l->cookie != cookie || l->at == l->end) {
        i64 size = HOST_CALL(SYS_lseek, dir->fd, (i64)cookie, SEEK_SET);
        if (size >= 0)
            size = HOST_CALL(SYS_getdents64, dir->fd, (i64)l->bytes,
                             sizeof(l->bytes));
        l->at = l->end = 0;
        if (size <= 0)
            return host_errno(size);
        l->end = (u32)size;
    }
    memcpy(&head, l->bytes + l->at, sizeof(head));
    const char *name = (const char *)l->bytes + l->at + sizeof(head);
    *out = (struct dirent){.next = head.next, .inode = head.inode};
    out->type = type_of_mode((u32)head.type << 12);
    out->name =
        (struct string){out->text, (u32)MIN(strlen(name), FILE_NAME_MAX)};
    memcpy(out->text, name, out->name.len);
    l->at += head.size;
    l->cookie = head.next;
    return WASI_SUCCESS;
}

// The place at the cookie.
static void
next_place(const struct host_node *dir, u64 cookie, struct dirent *out)
{
    const struct host_place *p = dir->place->children;

    for (u64 i = cookie - COOKIE_PLACES; i > 0 && p != NULL; i--)
        p = p->next;
    if (p == NULL)
        return;
    struct stat st = {.st_mode = S_IFDIR, .st_ino = p->number + 1ull};
    if (p->fd >= 0)
        (void)HOST_CALL(SYS_fstat, p->fd, (i64)&st);
    *out = (struct dirent){
        .next = cookie + 1,
        .inode = st.st_ino,
        .name = p->name,
        .type = type_of_mode(st.st_mode),
    };
}

// A directory that is only a place has no others than these two.
static void
next_of_none(const struct host_node *dir, u64 cookie, struct dirent *out)
{
    if (cookie < 2)
        *out = (struct dirent){
            .next = cookie + 1,
            .inode = dir->place->number + 1ull,
            .name = cookie == 0 ? STRING(".") : STRING(".."),
            .type = FILETYPE_DIRECTORY,
        };
}

static errno_t
next_in(struct host_node *dir, u64 cookie, struct dirent *out)
{
    errno_t error = WASI_SUCCESS;

    assert(mutex_held(&dir->lock));
    if (dir->fd < 0) {
        next_of_none(dir, cookie, out);
    } else {
        if (dir->listing == NULL)
            dir->listing = kernel_alloc(sizeof(*dir->listing));
        if (dir->listing == NULL)
            return WASI_NOMEM;
        do // what a place hides is not there
            error = next_of_host(dir, cookie, out);
        while (error == WASI_SUCCESS && out->name.len > 0 &&
               place_in(dir, out->name) != NULL && (cookie = out->next, true));
    }
    return error;
}

static errno_t
host_next(struct node *node, u64 cookie, struct dirent *out)
{
    struct host_node *dir = host_node(node);
    errno_t error = WASI_SUCCESS;

    out->name = STRING("");
    if (dir->fd >= 0 && !dir->opened)
        return WASI_ACCES;
    if (cookie < COOKIE_PLACES) {
        mutex_lock_always(&dir->lock);
        error = next_in(dir, cookie, out);
        mutex_unlock(&dir->lock);
        cookie = COOKIE_PLACES;
    }
    if (error == WASI_SUCCESS && out->name.len == 0 && dir->place != NULL)
        next_place(dir, cookie, out);
    return error;
}

// --- changes to directories --------------------------------------------------

static errno_t
create_file(struct host_node *dir, const char *name, struct node **out)
{
    i64 fd = HOST_CALL(SYS_openat, dir->fd, (i64)name,
                       O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    errno_t error;

    if (fd < 0)
        return host_errno(fd);
    struct host_node *h = node_of_fd((i32)fd, NULL, dir, &error);
    if (h == NULL)
        return error;
    h->opened = true;
    *out = &h->node;
    return error;
}

static i64
create_symlink(struct host_node *dir, const char *name, struct string target)
{
    char *text = kernel_alloc(target.len + 1ull);

    if (text == NULL)
        return -ENOMEM;
    memcpy(text, target.ptr, target.len);
    i64 result = HOST_CALL(SYS_symlinkat, (i64)text, dir->fd, (i64)name);
    kernel_free(text);
    return result;
}

static errno_t
host_create(struct node *node, struct string name, u8 type,
            struct string target, struct node **out)
{
    struct host_node *dir = host_node(node);
    struct name_text text = text_of(name);

    if (place_in(dir, name) != NULL)
        return WASI_EXIST;
    if (type == FILETYPE_REGULAR_FILE)
        return create_file(dir, text.text, out);
    i64 result = type == FILETYPE_DIRECTORY ?
                     HOST_CALL(SYS_mkdirat, dir->fd, (i64)text.text, 0777) :
                     create_symlink(dir, text.text, target);
    return result < 0 ? host_errno(result) : host_lookup(node, name, out);
}

static errno_t
host_link(struct node *node, struct string name, struct node *file)
{
    struct host_node *dir = host_node(node);
    struct fd_path from = fd_path(host_node(file)->fd);
    struct name_text text = text_of(name);

    if (place_in(dir, name) != NULL)
        return WASI_EXIST;
    return host_errno(HOST_CALL(SYS_linkat, AT_FDCWD, (i64)from.text, dir->fd,
                                (i64)text.text, AT_SYMLINK_FOLLOW));
}

static errno_t
host_remove(struct node *node, struct string name)
{
    struct host_node *dir = host_node(node);
    struct name_text text = text_of(name);

    if (place_in(dir, name) != NULL)
        return WASI_BUSY;
    i64 result = HOST_CALL(SYS_unlinkat, dir->fd, (i64)text.text);
    if (result == -EISDIR)
        result = HOST_CALL(SYS_unlinkat, dir->fd, (i64)text.text, AT_REMOVEDIR);
    return host_errno(result);
}

static errno_t
host_rename(struct node *from_node, struct string from, struct node *to_node,
            struct string to)
{
    struct host_node *from_dir = host_node(from_node);
    struct host_node *to_dir = host_node(to_node);
    struct name_text old = text_of(from), new = text_of(to);

    if (place_in(from_dir, from) != NULL || place_in(to_dir, to) != NULL)
        return WASI_BUSY;
    return host_errno(HOST_CALL(SYS_renameat, from_dir->fd, (i64)old.text,
                                to_dir->fd, (i64) new.text));
}

// --- contents ----------------------------------------------------------------

void
host_touch(struct bytes bytes)
{
    for (u64 at = 0; at < bytes.size; at += PAGE_SIZE)
        (void)*(volatile const u8 *)(bytes.ptr + at);
    (void)*(volatile const u8 *)(bytes.ptr + bytes.size - 1);
}

// What the host did with some bytes.
static errno_t
counted(i64 result, u64 *count)
{
    *count = (u64)MAX(result, 0);
    return host_errno(result);
}

static errno_t
host_read(struct node *n, u64 at, struct bytes to, u64 deadline_ns, u64 *count)
{
    (void)deadline_ns;
    host_touch(to);
    return counted(HOST_CALL(SYS_pread64, host_node(n)->fd, (i64)to.ptr,
                             (i64)to.size, (i64)at),
                   count);
}

static errno_t
host_write(struct node *n, u64 at, struct bytes from, u64 deadline_ns,
           u64 *count)
{
    (void)deadline_ns;
    host_touch(from);
    return counted(HOST_CALL(SYS_pwrite64, host_node(n)->fd, (i64)from.ptr,
                             (i64)from.size, (i64)at),
                   count);
}

static errno_t
host_append(struct node *n, struct bytes from, u64 *at, u64 *count)
{
    i32 fd = host_node(n)->fd;
    struct iovec vector = {from.ptr, from.size};
    struct stat st;

    host_touch(from);
    errno_t error = counted(
        HOST_CALL(SYS_pwritev2, fd, (i64)&vector, 1, 0, 0, RWF_APPEND), count);
    if (error == WASI_SUCCESS)
        error = host_errno(HOST_CALL(SYS_fstat, fd, (i64)&st));
    if (error == WASI_SUCCESS)
        *at = (u64)st.st_size;
    return error;
}

static errno_t
host_set_size(struct node *n, u64 size)
{
    if (size > INT64_MAX)
        return WASI_FBIG;
    return host_errno(HOST_CALL(SYS_ftruncate, host_node(n)->fd, (i64)size));
}

static errno_t
host_reserve(struct node *n, struct reservation *r)
{
    i64 result = HOST_CALL(SYS_fallocate, host_node(n)->fd, 0, (i64)r->at,
                           (i64)(r->end - r->at));

    r->done = r->end - r->at;
    return host_errno(result);
}

static errno_t
host_sync(struct node *n, bool data)
{
    struct host_node *h = host_node(n);

    if (!h->opened)
        return WASI_SUCCESS;
    return host_errno(HOST_CALL(data ? SYS_fdatasync : SYS_fsync, h->fd));
}

static struct timespec
timespec_of(const u64 *ns)
{
    if (ns == NULL)
        return (struct timespec){.tv_nsec = UTIME_OMIT};
    return (struct timespec){(time_t)(*ns / 1000000000),
                             (long)(*ns % 1000000000)};
}

static errno_t
host_set_times(struct node *n, const u64 *atime, const u64 *mtime)
{
    struct timespec times[2] = {timespec_of(atime), timespec_of(mtime)};

    return host_errno(HOST_CALL(SYS_utimensat, host_node(n)->fd, (i64) "",
                                (i64)times, AT_EMPTY_PATH));
}

static const struct node_ops host_ops = {
    .hold = host_hold,
    .drop = host_drop,
    .release = host_drop,
    .stat = host_stat,
    .writable = host_writable,
    .open = host_open,
    .lookup = host_lookup,
    .parent = host_parent,
    .next = host_next,
    .create = host_create,
    .link = host_link,
    .remove = host_remove,
    .rename = host_rename,
    .target = host_target,
    .read = host_read,
    .write = host_write,
    .append = host_append,
    .set_size = host_set_size,
    .reserve = host_reserve,
    .sync = host_sync,
    .set_times = host_set_times,
};
