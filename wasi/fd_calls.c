// wasi/fd_calls.c: the calls on open files.  Each checks the descriptor and its
// rights, then the program's memory, then acts, and writes results last.

#include "wasi/wasi.h"

enum {
    IOV_MAX = 1 << 20, // so that no call looks at more than some milliseconds
    GATHER = 512,
    PIECE = 64 * KIB,
};

struct iovec {
    u32 ptr, size;
};

// --- reading and writing -----------------------------------------------------

// The part of the program's memory that the next vector names.  Advances past
// empty ones; false when there are no more, *error when one is bad.
static bool
next_buffer(u64 *vector, u32 *count, struct bytes *buffer, errno_t *error)
{
    struct iovec iov;

    while (*count > 0) {
        if (thread_is_killed()) {
            *error = WASI_INTR;
            return false;
        }
        if (!user_read(&iov, *vector, sizeof(iov))) {
            *error = WASI_FAULT;
            return false;
        }
        *vector += sizeof(iov);
        *count -= 1;
        if (iov.size == 0)
            continue;
        *buffer = user_bytes(iov.ptr, iov.size);
        *error = buffer->ptr == NULL ? WASI_FAULT : WASI_SUCCESS;
        return buffer->ptr != NULL;
    }
    return false;
}

// Are all vectors inside the program's memory, and is their sum a size?  Only
// then is anything moved.  (What another thread writes to them after this is
// looked at again by next_buffer.)
static errno_t
check_vectors(u64 vectors, u32 count)
{
    errno_t error = WASI_SUCCESS;
    struct bytes buffer;
    u64 total = 0;

    if (count > IOV_MAX)
        return WASI_INVAL;
    if (user_bytes(vectors, (u64)count * sizeof(struct iovec)).ptr == NULL)
        return WASI_FAULT;
    while (next_buffer(&vectors, &count, &buffer, &error)) {
        total += buffer.size;
        if (total > UINT32_MAX)
            return WASI_INVAL;
    }
    return error;
}

// An error after some bytes went through is for the next call to report.
static errno_t
partial(errno_t error, u64 total)
{
    return total > 0 ? WASI_SUCCESS : error;
}

// The file system is locked for a piece at a time, and a killed thread stops
// there.  A stream is asked once.
static errno_t
read_pieces(struct file *f, u64 at, struct bytes to, u64 *total)
{
    bool stream = node_is_stream(f->node);
    u64 deadline = f->flags & FDFLAG_NONBLOCK ? 0 : UINT64_MAX;
    u64 got = 0, size;

    *total = 0;
    do {
        size = stream ? to.size : MIN(to.size - *total, PIECE);
        struct bytes part = {to.ptr + *total, size};
        if (thread_is_killed())
            return WASI_INTR;
        node_lock(f->node);
        errno_t error =
            f->node->ops->read(f->node, at + *total, part, deadline, &got);
        node_unlock(f->node);
        if (error != WASI_SUCCESS)
            return error;
        *total += got;
    } while (!stream && got == size && *total < to.size);
    return WASI_SUCCESS;
}

// `*at` moves on; so in write_vectors.
static errno_t
read_vectors(struct file *f, u64 *at, u64 iovs, u32 count, u64 *total)
{
    errno_t error = WASI_SUCCESS;
    struct bytes to;
    u64 got;

    *total = 0;
    while (next_buffer(&iovs, &count, &to, &error)) {
        error = read_pieces(f, *at, to, &got);
        *at += got;
        *total += got;
        if (error != WASI_SUCCESS || got < to.size || node_is_stream(f->node))
            break;
    }
    return partial(error, *total);
}

// Small pieces on their way to a node, sent as one.
struct gather {
    struct file *file;
    u64 at;    // where the next goes
    u64 total; // sent so far
    u32 size;
    u8 bytes[GATHER];
};

static errno_t
send_piece(struct gather *g, struct bytes from, u64 *done)
{
    struct node *n = g->file->node;
    struct filestat stat;
    u64 at = g->at;

    node_lock(n);
    if (g->file->flags & FDFLAG_APPEND) {
        n->ops->stat(n, &stat);
        at = stat.size;
    }
    errno_t error = n->ops->write(n, at, from, done);
    node_unlock(n);
    if (*done > 0) // what was refused moves nothing
        g->at = at + *done;
    g->total += *done;
    return error == WASI_SUCCESS && *done < from.size ? WASI_NOSPC : error;
}

static errno_t
send(struct gather *g, struct bytes from)
{
    errno_t error = WASI_SUCCESS;

    for (u64 at = 0, done = 0; error == WASI_SUCCESS && at < from.size;
         at += done) {
        struct bytes part = {from.ptr + at, MIN(from.size - at, PIECE)};
        done = 0;
        error = thread_is_killed() ? WASI_INTR : send_piece(g, part, &done);
    }
    return error;
}

static errno_t
send_gathered(struct gather *g)
{
    u32 size = g->size;

    g->size = 0;
    return size > 0 ? send(g, (struct bytes){g->bytes, size}) : WASI_SUCCESS;
}

static errno_t
write_vectors(struct file *f, u64 *at, u64 iovs, u32 count, u64 *total)
{
    struct gather g = {.file = f, .at = *at};
    errno_t error = WASI_SUCCESS;
    struct bytes from;

    while (error == WASI_SUCCESS && next_buffer(&iovs, &count, &from, &error)) {
        if (from.size > GATHER - g.size)
            error = send_gathered(&g);
        if (error != WASI_SUCCESS)
            break;
        if (from.size > GATHER) {
            error = send(&g, from);
        } else {
            memcpy(g.bytes + g.size, from.ptr, from.size);
            g.size += (u32)from.size;
        }
    }
    errno_t last = send_gathered(&g);
    *at = g.at;
    *total = g.total;
    return partial(error != WASI_SUCCESS ? error : last, g.total);
}

// Tell the program how much went through.
static errno_t
finish_io(struct wasi *w, struct file *f, errno_t error, u64 total, u32 out)
{
    u32 count = (u32)total;

    file_drop(w, f);
    if (error == WASI_SUCCESS && !user_write(out, &count, sizeof(count)))
        error = WASI_FAULT;
    return error;
}

// What the arguments of a call say: which way, where the vectors are, where the
// count of bytes goes, and for pread and pwrite where in the file.
struct io {
    bool writes;
    u32 iovs, count, out;
    const u64 *at; // NULL: the file's offset
};

static errno_t
check_io(const struct file *f, const struct io *io)
{
    const struct node_ops *ops = f->node->ops;

    if (f->node->type == FILETYPE_DIRECTORY)
        return WASI_ISDIR;
    if (io->writes ? ops->write == NULL : ops->read == NULL)
        return WASI_NOTSUP;
    if (user_bytes(io->out, sizeof(u32)).ptr == NULL)
        return WASI_FAULT;
    errno_t error = check_vectors(io->iovs, io->count);
    if (error != WASI_SUCCESS || io->at == NULL)
        return error;
    if (node_is_stream(f->node))
        return WASI_SPIPE;
    if (!(f->rights & CAN_FD_SEEK))
        return WASI_NOTCAPABLE;
    return (i64)*io->at < 0 ? WASI_INVAL : WASI_SUCCESS;
}

static errno_t
move_bytes(struct file *f, const struct io *io, u64 *at, u64 *total)
{
    return io->writes ? write_vectors(f, at, io->iovs, io->count, total) :
                        read_vectors(f, at, io->iovs, io->count, total);
}

// Moves the offset by what went through, which is one step to other threads.
static errno_t
move_at_offset(struct file *f, const struct io *io, u64 *total)
{
    errno_t error = file_lock(f);

    if (error != WASI_SUCCESS)
        return error;
    error = move_bytes(f, io, &f->offset, total);
    file_unlock(f);
    return error;
}

static errno_t
transfer(u32 fd, const struct io *io)
{
    struct wasi *w = wasi_current();
    u64 total = 0, at = io->at != NULL ? *io->at : 0;
    struct file *f;
    errno_t error =
        file_hold(w, fd, io->writes ? CAN_FD_WRITE : CAN_FD_READ, &f);

    if (error != WASI_SUCCESS)
        return error;
    error = check_io(f, io);
    if (error == WASI_SUCCESS)
        error = io->at != NULL ? move_bytes(f, io, &at, &total) :
                                 move_at_offset(f, io, &total);
    return finish_io(w, f, error, total, io->out);
}

errno_t
wasi_fd_read(u32 fd, u32 iovs, u32 count, u32 out)
{
    return transfer(fd, &(struct io){false, iovs, count, out, NULL});
}

errno_t
wasi_fd_write(u32 fd, u32 iovs, u32 count, u32 out)
{
    return transfer(fd, &(struct io){true, iovs, count, out, NULL});
}

errno_t
wasi_fd_pread(u32 fd, u32 iovs, u32 count, u64 at, u32 out)
{
    return transfer(fd, &(struct io){false, iovs, count, out, &at});
}

errno_t
wasi_fd_pwrite(u32 fd, u32 iovs, u32 count, u64 at, u32 out)
{
    return transfer(fd, &(struct io){true, iovs, count, out, &at});
}

// --- the offset --------------------------------------------------------------

enum whence { WHENCE_SET, WHENCE_CUR, WHENCE_END, WHENCE_BAD };

static u64
file_size(const struct file *f)
{
    struct filestat stat;

    node_stat(f->node, &stat);
    return stat.size;
}

static errno_t
move_offset(struct file *f, u64 delta, enum whence whence)
{
    u64 base = whence == WHENCE_SET ? 0 :
               whence == WHENCE_CUR ? f->offset :
                                      file_size(f);
    u64 at = base + delta;

    if (whence >= WHENCE_BAD || (i64)at < 0)
        return WASI_INVAL;
    f->offset = at;
    return WASI_SUCCESS;
}

static errno_t
seek(u32 fd, u64 delta, enum whence whence, u32 out)
{
    struct wasi *w = wasi_current();
    u64 offset = 0;
    struct file *f;

    if (user_bytes(out, sizeof(offset)).ptr == NULL)
        return WASI_FAULT;
    // Asking where one is takes less than going somewhere else.
    bool asks = whence == WHENCE_CUR && delta == 0;
    errno_t error = file_hold(w, fd, 0, &f);
    if (error != WASI_SUCCESS)
        return error;
    if (node_is_stream(f->node))
        error = WASI_SPIPE;
    else if (f->node->type == FILETYPE_DIRECTORY)
        error = WASI_BADF;
    else if (!(f->rights & (asks ? CAN_FD_TELL : CAN_FD_SEEK)))
        error = WASI_NOTCAPABLE;
    else
        error = file_lock(f);
    if (error == WASI_SUCCESS) {
        error = move_offset(f, delta, whence);
        offset = f->offset;
        file_unlock(f);
    }
    file_drop(w, f);
    if (error == WASI_SUCCESS && !user_write(out, &offset, sizeof(offset)))
        error = WASI_FAULT;
    return error;
}

errno_t
wasi_fd_seek(u32 fd, u64 delta, u32 whence, u32 out)
{
    return seek(fd, delta, MIN(whence, WHENCE_BAD), out);
}

errno_t
wasi_fd_seek_old(u32 fd, u64 delta, u32 whence, u32 out)
{
    static const u8 order[] = {WHENCE_CUR, WHENCE_END, WHENCE_SET, WHENCE_BAD};

    return seek(fd, delta, order[MIN(whence, WHENCE_BAD)], out);
}

errno_t
wasi_fd_tell(u32 fd, u32 out)
{
    return seek(fd, 0, WHENCE_CUR, out);
}

// --- what is known about a file ----------------------------------------------

struct fdstat {
    u8 type;
    u8 pad0;
    u16 flags;
    u32 pad1;
    u64 rights, inheriting;
};

_Static_assert(sizeof(struct fdstat) == 24, "layout of preview 1");

errno_t
wasi_fd_fdstat_get(u32 fd, u32 out)
{
    struct wasi *w = wasi_current();
    struct fdstat stat = {0};
    struct file *f;

    lock(&w->lock);
    errno_t error = file_find(w, fd, 0, &f);
    if (error == WASI_SUCCESS)
        stat = (struct fdstat){
            .type = f->node->type,
            .flags = (u16)f->flags,
            .rights = f->rights,
            .inheriting = f->inheriting,
        };
    unlock(&w->lock);
    if (error == WASI_SUCCESS && !user_write(out, &stat, sizeof(stat)))
        error = WASI_FAULT;
    return error;
}

errno_t
wasi_fd_fdstat_set_flags(u32 fd, u32 flags)
{
    struct wasi *w = wasi_current();
    struct file *f;

    if (flags & ~(u32)FDFLAGS_ALL)
        return WASI_INVAL;
    lock(&w->lock);
    errno_t error = file_find(w, fd, CAN_FD_FDSTAT_SET_FLAGS, &f);
    if (error == WASI_SUCCESS)
        f->flags = flags;
    unlock(&w->lock);
    return error;
}

// Rights only shrink.
errno_t
wasi_fd_fdstat_set_rights(u32 fd, u64 rights, u64 inheriting)
{
    struct wasi *w = wasi_current();
    struct file *f;

    lock(&w->lock);
    errno_t error = file_find(w, fd, 0, &f);
    if (error == WASI_SUCCESS &&
        ((rights & ~f->rights) || (inheriting & ~f->inheriting)))
        error = WASI_NOTCAPABLE;
    if (error == WASI_SUCCESS) {
        f->rights = rights;
        f->inheriting = inheriting;
    }
    unlock(&w->lock);
    return error;
}

struct filestat_now {
    u64 device, inode;
    u8 type, pad[7];
    u64 links, size, atime, mtime, ctime;
};

struct filestat_old {
    u64 device, inode;
    u8 type, pad[3];
    u32 links;
    u64 size, atime, mtime, ctime;
};

_Static_assert(sizeof(struct filestat_now) == 64, "layout of preview 1");
_Static_assert(sizeof(struct filestat_old) == 56, "layout of preview 0");

errno_t
filestat_write(u32 ptr, const struct filestat *stat, bool old)
{
    struct filestat_now now = {
        .device = stat->device,
        .inode = stat->inode,
        .type = stat->type,
        .links = stat->links,
        .size = stat->size,
        .atime = stat->atime,
        .mtime = stat->mtime,
        .ctime = stat->ctime,
    };
    struct filestat_old then = {
        .device = stat->device,
        .inode = stat->inode,
        .type = stat->type,
        .links = (u32)stat->links,
        .size = stat->size,
        .atime = stat->atime,
        .mtime = stat->mtime,
        .ctime = stat->ctime,
    };
    bool done = old ? user_write(ptr, &then, sizeof(then)) :
                      user_write(ptr, &now, sizeof(now));

    return done ? WASI_SUCCESS : WASI_FAULT;
}

static errno_t
stat_fd(u32 fd, u32 out, bool old)
{
    struct wasi *w = wasi_current();
    struct filestat stat;
    struct file *f;
    errno_t error = file_hold(w, fd, CAN_FD_FILESTAT_GET, &f);

    if (error != WASI_SUCCESS)
        return error;
    node_stat(f->node, &stat);
    file_drop(w, f);
    return filestat_write(out, &stat, old);
}

errno_t
wasi_fd_filestat_get(u32 fd, u32 out)
{
    return stat_fd(fd, out, false);
}

errno_t
wasi_fd_filestat_get_old(u32 fd, u32 out)
{
    return stat_fd(fd, out, true);
}

// --- size and times ----------------------------------------------------------

// The file behind `fd`, to be changed.
static errno_t
hold_to_change(struct wasi *w, u32 fd, u64 rights, struct file **f)
{
    errno_t error = file_hold(w, fd, rights, f);

    if (error != WASI_SUCCESS || node_writable((*f)->node))
        return error;
    file_drop(w, *f);
    return WASI_ROFS;
}

// Let the size be `size`, or at least that when only to `grow`.
static errno_t
set_size(struct node *n, u64 size, bool grow)
{
    errno_t error = WASI_SUCCESS;
    struct filestat stat;

    node_lock(n);
    n->ops->stat(n, &stat);
    if (!grow || stat.size < size)
        error = n->ops->set_size(n, size);
    node_unlock(n);
    return error;
}

// Memory for the bytes [at, end), some at a time.
static errno_t
reserve(struct node *n, u64 at, u64 end)
{
    errno_t error = WASI_SUCCESS;
    u64 count = 0;

    for (; error == WASI_SUCCESS && at < end; at += count) {
        if (thread_is_killed())
            return WASI_INTR;
        node_lock(n);
        error = n->ops->reserve(n, at, end, &count);
        node_unlock(n);
    }
    return error;
}

// Give back what was reserved behind the end of a file.
static void
unreserve(struct node *n)
{
    struct filestat stat;
    errno_t error;

    node_lock(n);
    n->ops->stat(n, &stat);
    error = n->ops->set_size(n, stat.size);
    node_unlock(n);
    assert(error == WASI_SUCCESS);
}

errno_t
wasi_fd_allocate(u32 fd, u64 at, u64 size)
{
    struct wasi *w = wasi_current();
    struct file *f;

    if (size == 0 || size > INT64_MAX || at > INT64_MAX - size)
        return WASI_INVAL;
    errno_t error = hold_to_change(w, fd, CAN_FD_ALLOCATE, &f);
    if (error != WASI_SUCCESS)
        return error;
    error = f->node->type == FILETYPE_REGULAR_FILE ?
                reserve(f->node, at, at + size) :
                WASI_INVAL;
    if (error == WASI_SUCCESS)
        error = set_size(f->node, at + size, true);
    else if (error != WASI_INVAL)
        unreserve(f->node);
    file_drop(w, f);
    return error;
}

errno_t
wasi_fd_filestat_set_size(u32 fd, u64 size)
{
    struct wasi *w = wasi_current();
    struct file *f;
    errno_t error = hold_to_change(w, fd, CAN_FD_FILESTAT_SET_SIZE, &f);

    if (error != WASI_SUCCESS)
        return error;
    error = f->node->type == FILETYPE_REGULAR_FILE ?
                set_size(f->node, size, false) :
                WASI_INVAL;
    file_drop(w, f);
    return error;
}

errno_t
wasi_fd_filestat_set_times(u32 fd, u64 atime, u64 mtime, u32 flags)
{
    struct wasi *w = wasi_current();
    struct new_times times;
    struct file *f;
    errno_t error = times_from(&times, atime, mtime, flags);

    if (error == WASI_SUCCESS)
        error = hold_to_change(w, fd, CAN_FD_FILESTAT_SET_TIMES, &f);
    if (error != WASI_SUCCESS)
        return error;
    node_lock(f->node);
    error = f->node->ops->set_times(f->node, times.atime, times.mtime);
    node_unlock(f->node);
    file_drop(w, f);
    return error;
}

// --- preopened directories ---------------------------------------------------

static errno_t
find_preopen(struct wasi *w, u32 fd, struct string *name)
{
    struct file *f;

    lock(&w->lock);
    errno_t error = file_find(w, fd, 0, &f);
    if (error == WASI_SUCCESS)
        *name = f->preopen;
    unlock(&w->lock);
    return error == WASI_SUCCESS && name->len == 0 ? WASI_BADF : error;
}

errno_t
wasi_fd_prestat_get(u32 fd, u32 out)
{
    struct string name;
    errno_t error = find_preopen(wasi_current(), fd, &name);

    if (error != WASI_SUCCESS)
        return error;
    u32 prestat[2] = {0, name.len}; // the tag of directories, the length
    return user_write(out, prestat, sizeof(prestat)) ? WASI_SUCCESS :
                                                       WASI_FAULT;
}

errno_t
wasi_fd_prestat_dir_name(u32 fd, u32 to, u32 size)
{
    struct string name;
    errno_t error = find_preopen(wasi_current(), fd, &name);

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

// Some entries from *cookie on, which moves on; false when there are no more or
// there is no room.  The file system is locked.
static bool
list_some(struct node *dir, struct bytes to, u64 *used, u64 *cookie)
{
    struct dirent entry;

    for (u32 i = 0; i < LIST_STEP; i++) {
        if (*used == to.size || !dir->ops->next(dir, *cookie, &entry))
            return false;
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
    return true;
}

static errno_t
list_entries(struct node *dir, struct bytes to, u64 cookie, u64 *used)
{
    for (bool more = true; more;) {
        if (thread_is_killed())
            return WASI_INTR;
        node_lock(dir);
        more = list_some(dir, to, used, &cookie);
        node_unlock(dir);
    }
    return WASI_SUCCESS;
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
    return finish_io(w, f, error, used, out);
}

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
    enum { ADVICE_COUNT = 6 };
    errno_t error = check_only(fd, CAN_FD_ADVISE);

    if (error != WASI_SUCCESS)
        return error;
    if (advice >= ADVICE_COUNT || (i64)at < 0 || (i64)size < 0)
        return WASI_INVAL;
    return WASI_SUCCESS;
}

errno_t
wasi_fd_datasync(u32 fd)
{
    return check_only(fd, CAN_FD_DATASYNC);
}

errno_t
wasi_fd_sync(u32 fd)
{
    return check_only(fd, CAN_FD_SYNC);
}

// There are no sockets.
static errno_t
no_socket(u32 fd)
{
    errno_t error = check_only(fd, 0);

    return error == WASI_SUCCESS ? WASI_NOTSOCK : error;
}

errno_t
wasi_sock_accept(u32 fd, u32 flags, u32 out)
{
    (void)flags, (void)out;
    return no_socket(fd);
}

errno_t
wasi_sock_recv(u32 fd, u32 iovs, u32 count, u32 flags, u32 out, u32 out_flags)
{
    (void)iovs, (void)count, (void)flags, (void)out, (void)out_flags;
    return no_socket(fd);
}

errno_t
wasi_sock_send(u32 fd, u32 iovs, u32 count, u32 flags, u32 out)
{
    (void)iovs, (void)count, (void)flags, (void)out;
    return no_socket(fd);
}

errno_t
wasi_sock_shutdown(u32 fd, u32 how)
{
    (void)how;
    return no_socket(fd);
}
