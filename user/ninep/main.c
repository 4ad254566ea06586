// user/ninep/main.c: a driver, of virtio-9p: serves a directory of the host, as
// the kernel asks for it (struct nebulet_file_request).  Nodes are fids by the
// same numbers, so that there is nothing to remember: no attributes, no
// contents.  Names come one by one; none of them is ".", ".." or has a slash.
//
//     ninep UMASK
//
// Its handles: a device of files, a gate.

#include "ninep.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wasi/api.h>

enum { CLUNKS = NEBULET_FILE_CLOSINGS, SMALL = 64 };

enum { // flags of Linux
    O_L_WRONLY = 1,
    O_L_RDWR = 2,
    O_L_CREAT = 0100,
    O_L_EXCL = 0200,
    O_L_NONBLOCK = 04000,
    O_L_DIRECTORY = 0200000,
    UNLINK_DIRECTORY = 0x200,
    ATTRIBUTES = 0x7ff, // all that stat(2) has
    SET_SIZE = 8,
    SET_ATIME = 0x90,
    SET_MTIME = 0x120,
};

enum { QID_DIRECTORY = 0x80, QID_SYMLINK = 2 };

static uint8_t sent[MESSAGE], got[MESSAGE];
static uint8_t small[CLUNKS][2][SMALL];
struct rpc main_rpc = {.sent = sent, .got = got, .got_room = sizeof(got)};
static struct rpc clunks[CLUNKS];
static uint32_t umask_bits;

// --- attributes --------------------------------------------------------------

uint32_t
type_of_mode(uint32_t mode)
{
    switch (mode & 0170000) {
    case 0040000:
        return __WASI_FILETYPE_DIRECTORY;
    case 0100000:
        return __WASI_FILETYPE_REGULAR_FILE;
    case 0120000:
        return __WASI_FILETYPE_SYMBOLIC_LINK;
    default:
        return __WASI_FILETYPE_UNKNOWN;
    }
}

static uint64_t
get_time(struct rpc *r)
{
    uint64_t seconds = get_64(r), ns = get_64(r);

    if ((int64_t)seconds < 0)
        return 0;
    return seconds >= UINT64_MAX / 1000000000 ? UINT64_MAX :
                                                seconds * 1000000000 + ns;
}

int32_t
get_attributes(uint32_t fid, struct nebulet_file_reply *out)
{
    struct rpc *r = &main_rpc;

    rpc_begin(r, T_GETATTR);
    put_32(r, fid);
    put_64(r, ATTRIBUTES);
    int32_t error = rpc_call(r);
    if (error != 0)
        return error;
    (void)get_64(r);       // which are valid
    (void)get_bytes(r, 5); // type and version of the file
    out->inode = get_64(r);
    out->filetype = type_of_mode(get_32(r));
    (void)get_64(r); // owner and group
    out->links = get_64(r);
    (void)get_64(r); // device, of device files
    out->size = get_64(r);
    (void)get_bytes(r, 16); // blocks
    out->atime = get_time(r);
    out->mtime = get_time(r);
    out->ctime = get_time(r);
    return r->bad ? EIO : 0;
}

static int32_t
do_stat(struct sip_file_request *q)
{
    return get_attributes(q->head.node, &q->reply);
}

// --- fids --------------------------------------------------------------------

static void
clunk(uint32_t fid)
{
    static uint32_t next;
    struct rpc *r = &clunks[next++ % CLUNKS];

    contents_close(fid);
    if (r->busy)
        (void)rpc_wait(r);
    rpc_begin(r, T_CLUNK);
    put_32(r, fid);
    rpc_post(r);
}

// A new fid: `from` itself, or what has a name there.
static int32_t
walk(uint32_t from, uint32_t to, const uint8_t *name, uint32_t size)
{
    struct rpc *r = &main_rpc;

    rpc_begin(r, T_WALK);
    put_32(r, from);
    put_32(r, to);
    put_8(r, size > 0);
    put_8(r, 0);
    if (size > 0)
        put_text(r, name, size);
    int32_t error = rpc_call(r);
    if (error == 0 && get_16(r) != (size > 0))
        error = ENOENT; // then there is no new one
    return error;
}

static int32_t
do_attach(struct sip_file_request *q)
{
    static const char version[] = "9P2000.L";
    struct rpc *r = &main_rpc;

    rpc_begin(r, T_VERSION);
    put_32(r, CHUNK + MESSAGE);
    put_text(r, version, sizeof(version) - 1);
    int32_t error = rpc_call(r);
    uint32_t msize = error == 0 ? get_32(r) : 0;
    uint16_t size = get_16(r);
    const uint8_t *text = get_bytes(r, size);
    bool known = text != NULL && size == sizeof(version) - 1 &&
                 memcmp(text, version, size) == 0;
    if (error == 0 && (!known || msize < CHUNK + MESSAGE))
        error = EPROTO;
    if (error != 0)
        return error;
    rpc_begin(r, T_ATTACH);
    put_32(r, q->head.made);
    put_32(r, ALL_ONES);
    put_text(r, "", 0);
    put_text(r, "", 0);
    put_32(r, ALL_ONES);
    error = rpc_call(r);
    if (error != 0)
        return error;
    error = get_attributes(q->head.made, &q->reply);
    if (error != 0)
        clunk(q->head.made);
    return error;
}

static int32_t
do_lookup(struct sip_file_request *q)
{
    int32_t error =
        walk(q->head.node, q->head.made, q->name, q->head.name_size);

    if (error != 0)
        return error;
    // What has been walked to is one of these, or there is more to ask.
    uint8_t kind = get_8(&main_rpc);
    q->reply.filetype = (kind & QID_DIRECTORY) != 0 ?
                            __WASI_FILETYPE_DIRECTORY :
                            __WASI_FILETYPE_SYMBOLIC_LINK;
    if ((kind & (QID_DIRECTORY | QID_SYMLINK)) != 0)
        return 0;
    error = get_attributes(q->head.made, &q->reply);
    if (error != 0)
        clunk(q->head.made);
    return error;
}

static int32_t
open_fid(uint32_t fid, uint32_t flags)
{
    struct rpc *r = &main_rpc;

    rpc_begin(r, T_LOPEN);
    put_32(r, fid);
    put_32(r, flags | O_L_NONBLOCK);
    return rpc_call(r);
}

// A directory goes on being walked from, so what is open is another fid.
static int32_t
do_open(struct sip_file_request *q)
{
    bool writes = (q->head.flags & NEBULET_FILE_WRITES) != 0;
    bool reads = (q->head.flags & NEBULET_FILE_READS) != 0;

    if (q->head.made == q->head.node)
        return open_fid(q->head.node, !writes ? 0 :
                                      reads   ? O_L_RDWR :
                                                O_L_WRONLY);
    int32_t error = walk(q->head.node, q->head.made, NULL, 0);
    if (error != 0)
        return error;
    error = open_fid(q->head.made, O_L_DIRECTORY);
    if (error != 0)
        clunk(q->head.made);
    return error;
}

// --- changes to directories --------------------------------------------------

static int32_t
do_create(struct sip_file_request *q)
{
    struct rpc *r = &main_rpc;
    int32_t error = walk(q->head.node, q->head.made, NULL, 0);

    if (error != 0)
        return error;
    rpc_begin(r, T_LCREATE);
    put_32(r, q->head.made);
    put_text(r, q->name, q->head.name_size);
    put_32(r, O_L_RDWR | O_L_CREAT | O_L_EXCL);
    put_32(r, 0666 & ~umask_bits);
    put_32(r, ALL_ONES);
    error = rpc_call(r);
    q->reply.filetype = __WASI_FILETYPE_REGULAR_FILE;
    if (error != 0)
        clunk(q->head.made);
    return error;
}

static int32_t
do_directory(struct sip_file_request *q)
{
    struct rpc *r = &main_rpc;

    rpc_begin(r, T_MKDIR);
    put_32(r, q->head.node);
    put_text(r, q->name, q->head.name_size);
    put_32(r, 0777 & ~umask_bits);
    put_32(r, ALL_ONES);
    return rpc_call(r);
}

static int32_t
do_symlink(struct sip_file_request *q)
{
    static uint8_t target[MESSAGE / 2];
    struct rpc *r = &main_rpc;
    uint32_t size = sip_window_size();

    if (size > sizeof(target) || nebulet_window_read(0, 0, target, size) != 0)
        return EIO;
    rpc_begin(r, T_SYMLINK);
    put_32(r, q->head.node);
    put_text(r, q->name, q->head.name_size);
    put_text(r, target, size);
    put_32(r, ALL_ONES);
    return rpc_call(r);
}

static int32_t
do_link(struct sip_file_request *q)
{
    struct rpc *r = &main_rpc;

    rpc_begin(r, T_LINK);
    put_32(r, q->head.node);
    put_32(r, q->head.other);
    put_text(r, q->name, q->head.name_size);
    return rpc_call(r);
}

static int32_t
unlink_at(struct sip_file_request *q, uint32_t flags)
{
    struct rpc *r = &main_rpc;

    rpc_begin(r, T_UNLINKAT);
    put_32(r, q->head.node);
    put_text(r, q->name, q->head.name_size);
    put_32(r, flags);
    return rpc_call(r);
}

static int32_t
do_remove(struct sip_file_request *q)
{
    int32_t error = unlink_at(q, 0);

    return error == EISDIR ? unlink_at(q, UNLINK_DIRECTORY) : error;
}

static int32_t
do_rename(struct sip_file_request *q)
{
    struct rpc *r = &main_rpc;

    rpc_begin(r, T_RENAMEAT);
    put_32(r, q->head.node);
    put_text(r, q->name, q->head.name_size);
    put_32(r, q->head.other);
    put_text(r, q->new_name, q->head.new_size);
    return rpc_call(r);
}

static int32_t
do_target(struct sip_file_request *q)
{
    struct rpc *r = &main_rpc;

    rpc_begin(r, T_READLINK);
    put_32(r, q->head.node);
    int32_t error = rpc_call(r);
    if (error != 0)
        return error;
    uint16_t size = get_16(r);
    const uint8_t *text = get_bytes(r, size);
    if (text == NULL)
        return EIO;
    q->reply.count = size;
    return nebulet_window_write(0, 0, text, size) == 0 ? 0 : ENAMETOOLONG;
}

// --- attributes that are set -------------------------------------------------

static void
put_time(struct rpc *r, uint64_t ns)
{
    put_64(r, ns / 1000000000);
    put_64(r, ns % 1000000000);
}

static int32_t
set_attributes(struct sip_file_request *q, uint32_t which, uint64_t size,
               uint64_t atime, uint64_t mtime)
{
    struct rpc *r = &main_rpc;

    rpc_begin(r, T_SETATTR);
    put_32(r, q->head.node);
    put_32(r, which);
    put_32(r, 0); // mode
    put_32(r, 0); // owner
    put_32(r, 0); // group
    put_64(r, size);
    put_time(r, atime);
    put_time(r, mtime);
    return rpc_call(r);
}

static int32_t
do_set_size(struct sip_file_request *q)
{
    forget_ahead();
    return set_attributes(q, SET_SIZE, q->head.size, 0, 0);
}

static int32_t
do_set_times(struct sip_file_request *q)
{
    bool atime = (q->head.flags & NEBULET_FILE_ATIME) != 0;
    bool mtime = (q->head.flags & NEBULET_FILE_MTIME) != 0;

    return set_attributes(q, (atime ? SET_ATIME : 0) | (mtime ? SET_MTIME : 0),
                          0, q->head.at, q->head.size);
}

static int32_t
do_sync(struct sip_file_request *q)
{
    struct rpc *r = &main_rpc;

    rpc_begin(r, T_FSYNC);
    put_32(r, q->head.node);
    put_32(r, (q->head.flags & NEBULET_FILE_DATA) != 0);
    return rpc_call(r);
}

// --- serving -----------------------------------------------------------------

static const struct sip_files files = {
    .ops =
        {
              [NEBULET_FILE_ATTACH] = do_attach,
              [NEBULET_FILE_LOOKUP] = do_lookup,
              [NEBULET_FILE_OPEN] = do_open,
              [NEBULET_FILE_CREATE] = do_create,
              [NEBULET_FILE_DIRECTORY] = do_directory,
              [NEBULET_FILE_SYMLINK] = do_symlink,
              [NEBULET_FILE_LINK] = do_link,
              [NEBULET_FILE_REMOVE] = do_remove,
              [NEBULET_FILE_RENAME] = do_rename,
              [NEBULET_FILE_TARGET] = do_target,
              [NEBULET_FILE_READ] = do_read,
              [NEBULET_FILE_WRITE] = do_write,
              [NEBULET_FILE_APPEND] = do_append,
              [NEBULET_FILE_STAT] = do_stat,
              [NEBULET_FILE_SET_SIZE] = do_set_size,
              [NEBULET_FILE_SET_TIMES] = do_set_times,
              [NEBULET_FILE_LIST] = do_list,
              [NEBULET_FILE_SYNC] = do_sync,
              },
    .close = clunk,
    .answered = wire_flush,
};

int
main(int argc, char **argv)
{
    uint32_t device, gate;

    contents_init(CLUNKS + 1);
    umask_bits = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 8) : 022;
    for (uint32_t i = 0; i < CLUNKS; i++)
        clunks[i] = (struct rpc){.tag = (uint16_t)(i + 1),
                                 .sent = small[i][0],
                                 .got = small[i][1],
                                 .got_room = SMALL};
    if (nebulet_process_given(0, &device) != 0 ||
        nebulet_process_given(1, &gate) != 0)
        return fprintf(stderr, "ninep: no device, or no gate\n"), 1;
    if (!wire_start(device))
        return 1;
    return sip_serve_files(gate, &files) == 0 ? 0 : 1;
}
