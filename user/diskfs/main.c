// user/diskfs/main.c: a driver of disks, which serves the ext2 or ext3 on one
// to the kernel (struct nebulet_file_request).
//
//     diskfs NAME UMASK [ro]
//
// NAME is what the disk is called, where it has a name.  Its handles: the
// device, a gate.

#include "server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wasi/api.h>

enum {
    CACHE = 16 * 1024 * 1024,
    TARGET_MAX = 4096,
    LISTING = 16 * 1024,
    COMMIT_S = 5, // what nobody syncs is on the disk after so long
};

static struct fs *fs;
static uint32_t umask_bits;
static uint64_t commit_at; // UINT64_MAX: there is nothing

// --- time --------------------------------------------------------------------

static uint64_t
clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t
wall_ns(void)
{
    return clock_ns(CLOCK_REALTIME);
}

static uint64_t
deadline(void)
{
    return commit_at;
}

static void
idle(void)
{
    commit_at = UINT64_MAX;
    (void)fs_commit(fs);
}

// Something is about to change.  Where requests follow each other all the time
// nobody is idle.
static void
changed(void)
{
    uint64_t now = clock_ns(CLOCK_MONOTONIC);

    if (now >= commit_at)
        idle();
    if (commit_at == UINT64_MAX)
        commit_at = now + COMMIT_S * 1000000000ull;
}

// --- what is known -----------------------------------------------------------

static uint32_t
type_of(uint32_t mode)
{
    switch (mode & MODE_TYPE) {
    case MODE_DIRECTORY:
        return __WASI_FILETYPE_DIRECTORY;
    case MODE_FILE:
        return __WASI_FILETYPE_REGULAR_FILE;
    case MODE_SYMLINK:
        return __WASI_FILETYPE_SYMBOLIC_LINK;
    default:
        return __WASI_FILETYPE_UNKNOWN;
    }
}

static void
put_attributes(struct sip_file_request *q, const struct inode *i)
{
    q->reply.inode = i->number;
    q->reply.links = i->links;
    q->reply.size = i->size;
    q->reply.atime = i->atime;
    q->reply.mtime = i->mtime;
    q->reply.ctime = i->ctime;
    q->reply.filetype = type_of(i->mode);
}

// An inode that was found, and held, gets the number that was asked for.
static int32_t
give(struct sip_file_request *q, struct inode *i)
{
    int32_t error = node_add(q->head.made, i);

    if (error != 0)
        fs_put(i);
    else
        put_attributes(q, i);
    return error;
}

static int32_t
do_attach(struct sip_file_request *q)
{
    struct inode *i;
    int32_t error = fs_get(fs, ROOT_INODE, &i);

    return error == 0 ? give(q, i) : error;
}

static int32_t
do_lookup(struct sip_file_request *q)
{
    struct inode *dir = node_find(q->head.node), *i;

    if (dir == NULL)
        return EBADF;
    int32_t error = fs_lookup(dir, q->name, q->head.name_size, &i);
    return error == 0 ? give(q, i) : error;
}

static int32_t
do_stat(struct sip_file_request *q)
{
    const struct inode *i = node_find(q->head.node);

    if (i == NULL)
        return EBADF;
    put_attributes(q, i);
    return 0;
}

static int32_t
do_open(struct sip_file_request *q)
{
    struct inode *i = node_find(q->head.node);

    if (i == NULL)
        return EBADF;
    if ((q->head.flags & NEBULET_FILE_WRITES) != 0 && fs->read_only)
        return EROFS;
    if (q->head.made == q->head.node)
        return 0;
    i->references++;
    return give(q, i);
}

// --- changes to directories --------------------------------------------------

static int32_t
create(struct sip_file_request *q, uint32_t mode, struct inode **i)
{
    struct inode *dir = node_find(q->head.node);

    changed();
    return dir == NULL ? EBADF :
                         fs_create(dir, q->name, q->head.name_size,
                                   mode & ~umask_bits, i);
}

static int32_t
do_create(struct sip_file_request *q)
{
    struct inode *i;
    int32_t error = create(q, MODE_FILE | 0666, &i);

    return error == 0 ? give(q, i) : error;
}

static int32_t
do_directory(struct sip_file_request *q)
{
    struct inode *i;
    int32_t error = create(q, MODE_DIRECTORY | 0777, &i);

    if (error == 0)
        fs_put(i);
    return error;
}

static int32_t
do_symlink(struct sip_file_request *q)
{
    static uint8_t target[TARGET_MAX];
    struct inode *dir = node_find(q->head.node);
    uint32_t size = sip_window_size();

    if (dir == NULL)
        return EBADF;
    if (size > sizeof(target))
        return ENAMETOOLONG;
    if (nebulet_window_read(0, 0, target, size) != 0)
        return EINTR;
    changed();
    return fs_symlink(dir, q->name, q->head.name_size, target, size);
}

static int32_t
do_link(struct sip_file_request *q)
{
    struct inode *dir = node_find(q->head.node);
    struct inode *i = node_find(q->head.other);

    if (dir == NULL || i == NULL)
        return EBADF;
    changed();
    return fs_link(dir, q->name, q->head.name_size, i);
}

static int32_t
do_remove(struct sip_file_request *q)
{
    struct inode *dir = node_find(q->head.node);

    if (dir == NULL)
        return EBADF;
    changed();
    return fs_remove(dir, q->name, q->head.name_size);
}

static int32_t
do_rename(struct sip_file_request *q)
{
    struct inode *from = node_find(q->head.node);
    struct inode *to = node_find(q->head.other);

    if (from == NULL || to == NULL)
        return EBADF;
    changed();
    return fs_rename(from, q->name, q->head.name_size, to, q->new_name,
                     q->head.new_size);
}

// --- contents ----------------------------------------------------------------

// Who asked may have left: that is his error, and none of the disk's.
static int32_t
to_window(void *arg, uint32_t offset, uint8_t *data, uint32_t size)
{
    (void)arg;
    return nebulet_window_write(0, offset, data, size) == 0 ? 0 : EINTR;
}

static int32_t
from_window(void *arg, uint32_t offset, uint8_t *data, uint32_t size)
{
    (void)arg;
    return nebulet_window_read(0, offset, data, size) == 0 ? 0 : EINTR;
}

static const struct fs_mover out = {to_window, NULL}, in = {from_window, NULL};

static int32_t
do_target(struct sip_file_request *q)
{
    struct inode *i = node_find(q->head.node);
    uint32_t count = 0;

    if (i == NULL)
        return EBADF;
    int32_t error = fs_target(i, &out, sip_window_size(), &count);
    q->reply.count = count;
    return error;
}

static int32_t
do_read(struct sip_file_request *q)
{
    struct inode *i = node_find(q->head.node);
    uint32_t count;

    if (i == NULL)
        return EBADF;
    int32_t error = fs_read(i, q->head.at, sip_window_size(), &out, &count);
    q->reply.count = count;
    return error;
}

static int32_t
write_at(struct sip_file_request *q, struct inode *i, uint64_t at)
{
    uint32_t count;

    changed();
    int32_t error = fs_write(i, at, sip_window_size(), &in, &count);
    q->reply.count = count;
    q->reply.size = i->size;
    return error;
}

static int32_t
do_write(struct sip_file_request *q)
{
    struct inode *i = node_find(q->head.node);

    return i != NULL ? write_at(q, i, q->head.at) : EBADF;
}

// One request is served at a time, so nothing comes between.
static int32_t
do_append(struct sip_file_request *q)
{
    struct inode *i = node_find(q->head.node);

    return i != NULL ? write_at(q, i, i->size) : EBADF;
}

static int32_t
do_set_size(struct sip_file_request *q)
{
    struct inode *i = node_find(q->head.node);

    if (i == NULL)
        return EBADF;
    changed();
    return fs_set_size(i, q->head.size);
}

static int32_t
do_set_times(struct sip_file_request *q)
{
    bool atime = (q->head.flags & NEBULET_FILE_ATIME) != 0;
    bool mtime = (q->head.flags & NEBULET_FILE_MTIME) != 0;
    struct inode *i = node_find(q->head.node);

    if (i == NULL)
        return EBADF;
    changed();
    return fs_set_times(i, atime ? &q->head.at : NULL,
                        mtime ? &q->head.size : NULL);
}

static int32_t
do_sync(struct sip_file_request *q)
{
    struct inode *i = node_find(q->head.node);

    if (i == NULL)
        return EBADF;
    return fs_sync(i, (q->head.flags & NEBULET_FILE_DATA) != 0);
}

// --- listings ----------------------------------------------------------------

struct listing {
    uint32_t size, room;
    uint8_t bytes[LISTING];
};

static bool
add_entry(void *arg, const struct fs_entry *e)
{
    struct listing *l = arg;
    const struct nebulet_file_entry entry = {
        .next = e->next,
        .inode = e->inode,
        .filetype = type_of(e->mode),
        .name_size = e->name_size,
    };

    if (e->name_size > l->room - l->size ||
        sizeof(entry) > l->room - l->size - e->name_size)
        return false;
    memcpy(l->bytes + l->size, &entry, sizeof(entry));
    memcpy(l->bytes + l->size + sizeof(entry), e->name, e->name_size);
    l->size += sizeof(entry) + e->name_size;
    return true;
}

static int32_t
do_list(struct sip_file_request *q)
{
    static struct listing l;
    struct inode *i = node_find(q->head.node);
    uint32_t size = sip_window_size();

    if (i == NULL)
        return EBADF;
    l.size = 0;
    l.room = size < LISTING ? size : LISTING;
    int32_t error = fs_list(i, q->head.at, add_entry, &l);
    if (error == 0 && l.size > 0)
        error = to_window(NULL, 0, l.bytes, l.size);
    q->reply.count = l.size;
    return error;
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
    .close = node_close,
    .deadline = deadline,
    .idle = idle,
};

int
main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "disk", *why;
    struct fs_options options = {
        .read_only = argc > 3 && strcmp(argv[3], "ro") == 0,
        .cache_size = CACHE,
        .now = wall_ns,
        .say = complain,
    };
    static struct disk disk;
    uint32_t device, gate;

    umask_bits = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 8) : 022;
    commit_at = UINT64_MAX;
    if (nebulet_process_given(0, &device) != 0 ||
        nebulet_process_given(1, &gate) != 0)
        return fprintf(stderr, "diskfs: no device, or no gate\n"), 1;
    if (!blk_start(&disk, device, name))
        return 1;
    if (fs_mount(&fs, &disk, &options, &why) != 0)
        return complain(why), 1;
    int32_t status = sip_serve_files(gate, &files);
    nodes_close_all();
    return fs_unmount(fs) == 0 && status == 0 ? 0 : 1;
}
