// wasi/io_calls.c: reading, writing, and the offset.  Each call checks the
// descriptor and its rights, then the program's memory, then acts, and writes
// results last; long ones go by pieces, between which the file system is free
// and a kill is seen.

#include "wasi/wasi.h"

enum {
    IOV_MAX = 1 << 20, // so that no call looks at more than some milliseconds
    GATHER = 512,      // pieces that are smaller are sent as one
    PIECE = 64 * KIB,  // of a file, under the lock of its file system
    FREE_PIECE = 512 * KIB, // where that has none
    STREAM_PIECE = MIB,     // the host may be asked about each
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

// How long a read or a write of a device waits.
static u64
deadline_of(const struct file *f)
{
    return f->flags & FDFLAG_NONBLOCK ? 0 : UINT64_MAX;
}

static u64
piece_of(const struct node *n)
{
    return n->ops->lock != NULL ? PIECE : FREE_PIECE;
}

// The file system is locked for a piece at a time, and a killed thread stops
// there.  A stream is asked once.
static errno_t
read_pieces(struct file *f, u64 at, struct bytes to, u64 *total)
{
    bool stream = node_is_stream(f->node);
    u64 deadline = deadline_of(f), got = 0, size;

    *total = 0;
    do {
        size = stream ? to.size : MIN(to.size - *total, piece_of(f->node));
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

// Small pieces on their way to a node, sent as one.  For a pipe there is room
// for what is written whole.
struct gather {
    struct file *file;
    bool appends;
    u64 at;    // where the next goes
    u64 total; // sent so far
    u32 size, room;
    u8 *bytes; // `few` or allocated
    u8 few[GATHER];
};

static errno_t
gather_init(struct gather *g, struct file *f, bool appends, u64 at, u32 count)
{
    g->file = f;
    g->appends = appends;
    g->at = at;
    g->total = g->size = 0;
    g->room = GATHER;
    g->bytes = g->few;
    if (count < 2 || f->node->ops->object == NULL)
        return WASI_SUCCESS;
    g->room = LIMIT_STREAM_WHOLE;
    g->bytes = kernel_alloc(g->room);
    return g->bytes != NULL ? WASI_SUCCESS : WASI_NOMEM;
}

static void
gather_clear(struct gather *g)
{
    if (g->bytes != g->few)
        kernel_free(g->bytes);
}

static errno_t
send_piece(struct gather *g, struct bytes from, u64 *done)
{
    struct node *n = g->file->node;
    errno_t error = WASI_SUCCESS;
    struct filestat stat;
    u64 at = g->at;

    node_lock(n);
    if (g->appends && n->ops->append != NULL) {
        error = n->ops->append(n, from, &at, done);
        at -= *done;
    } else {
        if (g->appends)
            error = n->ops->stat(n, &stat);
        if (g->appends && error == WASI_SUCCESS)
            at = stat.size;
        if (error == WASI_SUCCESS)
            error = n->ops->write(n, at, from, deadline_of(g->file), done);
    }
    node_unlock(n);
    if (*done > 0) // what was refused moves nothing
        g->at = at + *done;
    g->total += *done;
    return error == WASI_SUCCESS && *done < from.size ? WASI_NOSPC : error;
}

static errno_t
send(struct gather *g, struct bytes from)
{
    struct node *n = g->file->node;
    u64 piece = node_is_stream(n) ? STREAM_PIECE : piece_of(n);
    errno_t error = WASI_SUCCESS;

    for (u64 at = 0, done = 0; error == WASI_SUCCESS && at < from.size;
         at += done) {
        struct bytes part = {from.ptr + at, MIN(from.size - at, piece)};
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

// Small pieces wait in `g`.
static errno_t
gather(struct gather *g, struct bytes from)
{
    errno_t error = WASI_SUCCESS;

    if (from.size > g->room - g->size)
        error = send_gathered(g);
    if (error != WASI_SUCCESS)
        return error;
    if (from.size > g->room)
        return send(g, from);
    if (from.size > 0)
        memcpy(g->bytes + g->size, from.ptr, from.size);
    g->size += (u32)from.size;
    return WASI_SUCCESS;
}

static errno_t
write_vectors(struct file *f, bool appends, u64 *at, u64 iovs, u32 count,
              u64 *total)
{
    struct gather g;
    errno_t error = gather_init(&g, f, appends, *at, count);
    struct bytes from;

    while (error == WASI_SUCCESS && next_buffer(&iovs, &count, &from, &error))
        error = gather(&g, from);
    errno_t last = send_gathered(&g);
    gather_clear(&g);
    *at = g.at;
    *total = g.total;
    return partial(error != WASI_SUCCESS ? error : last, g.total);
}

static errno_t
write_text(struct file *f, struct bytes text)
{
    bool appends = f->flags & FDFLAG_APPEND;
    errno_t error = appends ? node_lock_end(f->node) : WASI_SUCCESS;
    struct gather g;

    if (error != WASI_SUCCESS)
        return error;
    error = gather_init(&g, f, appends, f->offset, 1);
    if (error == WASI_SUCCESS)
        error = send(&g, text);
    f->offset = g.at;
    gather_clear(&g);
    if (appends)
        node_unlock_end(f->node);
    return error;
}

bool
wasi_print(struct bytes text)
{
    struct wasi *w = wasi_current();
    struct file *f;
    errno_t error = file_hold(w, PORT_STDOUT, CAN_FD_WRITE, &f);

    if (error != WASI_SUCCESS)
        return false;
    bool can = f->node->ops->write != NULL;
    error = can ? file_lock(f) : WASI_NOTSUP;
    if (error == WASI_SUCCESS) {
        (void)write_text(f, text); // who prints does not hear of errors
        file_unlock(f);
    }
    file_drop(w, f);
    return can;
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
    if (!io->writes)
        return read_vectors(f, at, io->iovs, io->count, total);
    bool appends = f->flags & FDFLAG_APPEND;
    errno_t error = appends ? node_lock_end(f->node) : WASI_SUCCESS;
    if (error != WASI_SUCCESS)
        return error;
    error = write_vectors(f, appends, at, io->iovs, io->count, total);
    if (appends)
        node_unlock_end(f->node);
    if (error == WASI_SUCCESS && f->flags & (FDFLAG_SYNC | FDFLAG_DSYNC))
        error = node_sync(f->node, !(f->flags & FDFLAG_SYNC));
    return error;
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
    return file_finish(w, f, error, total, io->out);
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

// --- sockets -----------------------------------------------------------------

enum { RECEIVE_PEEK = 1, RECEIVE_ALL = 2 };

// As reads and writes, of a connection only.
static errno_t
transfer_at_socket(u32 fd, const struct io *io)
{
    struct wasi *w = wasi_current();
    struct file *f;
    errno_t error = file_hold(w, fd, 0, &f);

    if (error != WASI_SUCCESS)
        return error;
    error = file_is_connection(f);
    file_drop(w, f);
    return error == WASI_SUCCESS ? transfer(fd, io) : error;
}

// Nothing is left to look at again, and no more is waited for than there is.
errno_t
wasi_sock_recv(u32 fd, u32 iovs, u32 count, u32 flags, u32 out, u32 out_flags)
{
    const u16 none = 0;

    if (flags & ~(u32)(RECEIVE_PEEK | RECEIVE_ALL))
        return WASI_INVAL;
    if (flags != 0)
        return WASI_NOTSUP;
    if (!user_write(out_flags, &none, sizeof(none)))
        return WASI_FAULT;
    return transfer_at_socket(fd, &(struct io){false, iovs, count, out, NULL});
}

errno_t
wasi_sock_send(u32 fd, u32 iovs, u32 count, u32 flags, u32 out)
{
    if (flags != 0)
        return WASI_INVAL;
    return transfer_at_socket(fd, &(struct io){true, iovs, count, out, NULL});
}

// --- the offset --------------------------------------------------------------

enum { WHENCE_BAD = WHENCE_END + 1 };

static errno_t
file_size(const struct file *f, u64 *size)
{
    struct filestat stat;
    errno_t error = node_stat(f->node, &stat);

    if (error == WASI_SUCCESS)
        *size = stat.size;
    return error;
}

static errno_t
move_offset(struct file *f, u64 delta, u32 whence)
{
    u64 base = whence == WHENCE_CUR ? f->offset : 0;
    errno_t error = whence == WHENCE_END ? file_size(f, &base) : WASI_SUCCESS;
    u64 at = base + delta;

    if (error != WASI_SUCCESS)
        return error;
    if (whence >= WHENCE_BAD || (i64)at < 0)
        return WASI_INVAL;
    f->offset = at;
    return WASI_SUCCESS;
}

static errno_t
seek(u32 fd, u64 delta, u32 whence, u32 out)
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
    static const u8 order[] = {
        [OLD_WHENCE_CUR] = WHENCE_CUR,
        [OLD_WHENCE_END] = WHENCE_END,
        [OLD_WHENCE_SET] = WHENCE_SET,
        [OLD_WHENCE_SET + 1] = WHENCE_BAD,
    };

    return seek(fd, delta, order[MIN(whence, OLD_WHENCE_SET + 1)], out);
}

errno_t
wasi_fd_tell(u32 fd, u32 out)
{
    return seek(fd, 0, WHENCE_CUR, out);
}
