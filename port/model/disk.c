// port/model/disk.c: a disk of sectors in memory, or where functions move them
// (virtio 1.2, 5.2), which notes what is written and flushed, in the order in
// which it does that.

#include "port/model/model.h"

enum {
    FEATURE_RO = 5,
    FEATURE_FLUSH = 9,
    IN = 0,
    OUT = 1,
    FLUSH = 4,
    GET_ID = 8,
    DONE = 0,
    FAILED = 1,
    UNSUPPORTED = 2,
    HEAD_SIZE = 16,
};

struct head {
    u32 type, zero;
    u64 sector;
};

static void
note(struct model_disk *disk, u64 sector, u32 count)
{
    if (disk->logged < disk->log_size)
        disk->log[disk->logged] = (struct model_write){sector, count};
    disk->logged++;
}

static bool
move_piece(struct model_disk *disk, u64 at, u8 *ptr, u32 size, bool in)
{
    if (disk->sectors == NULL)
        return disk->move(disk, at, ptr, size, in);
    if (in)
        memcpy(ptr, disk->sectors + at, size);
    else
        memcpy(disk->sectors + at, ptr, size);
    return true;
}

// Between the disk and the pieces between head and status; how many bytes were
// moved, 0: none may be.
static u32
move(struct model_disk *disk, const struct model_request *r, u64 sector,
     bool in)
{
    u64 size = 0, at = sector * SECTOR;

    for (u32 i = 1; i + 1 < r->count; i++) {
        if (r->pieces[i].in != in)
            return 0;
        size += r->pieces[i].size;
    }
    if (size % SECTOR != 0 || sector > disk->count ||
        size / SECTOR > disk->count - sector)
        return 0;
    for (u32 i = 1; i + 1 < r->count; i++) {
        u32 part = r->pieces[i].size;
        if (!move_piece(disk, at, r->pieces[i].ptr, part, in))
            return 0;
        at += part;
    }
    return (u32)size;
}

// Its name into the piece; how many bytes.
static u32
give_name(const struct model_disk *disk, const struct model_request *r)
{
    if (r->count < 3 || !r->pieces[1].in)
        return 0;
    u32 size = MIN(r->pieces[1].size, (u32)DISK_NAME);
    memcpy(r->pieces[1].ptr, disk->name, size);
    return size;
}

static u8
do_request(struct model_disk *disk, const struct model_request *r,
           const struct head *head, u32 *moved)
{
    bool writes = head->type == OUT;

    if (head->type == FLUSH) {
        note(disk, 0, 0);
        return disk->flush == NULL || disk->flush(disk) ? DONE : FAILED;
    }
    if (head->type == GET_ID && disk->name[0] != 0) {
        *moved = give_name(disk, r);
        return *moved > 0 ? DONE : FAILED;
    }
    if (head->type != IN && !writes)
        return UNSUPPORTED;
    if (writes && disk->read_only)
        return FAILED;
    *moved = move(disk, r, head->sector, !writes);
    if (*moved == 0)
        return FAILED;
    if (writes)
        note(disk, head->sector, *moved / SECTOR);
    return DONE;
}

static u32
serve(struct model *m, u32 queue, const struct model_request *r)
{
    u32 moved = 0;
    struct head head;

    (void)queue;
    if (r->count < 2 || r->pieces[0].size != HEAD_SIZE || r->pieces[0].in ||
        !r->pieces[r->count - 1].in || r->pieces[r->count - 1].size == 0)
        return 0;
    memcpy(&head, r->pieces[0].ptr, sizeof(head));
    u8 status = do_request(m->state, r, &head, &moved);
    *r->pieces[r->count - 1].ptr = status;
    return head.type == IN || head.type == GET_ID ? moved + 1 : 1;
}

const struct model_type model_disk = {
    .kind = 2,
    .features = 1ull << FEATURE_RO | 1ull << FEATURE_FLUSH,
    .queues = 1,
    .serve = serve,
};

void
model_disk_init(struct model *m, struct model_disk *disk)
{
    m->state = disk;
    if (!disk->read_only)
        m->features &= ~(1ull << FEATURE_RO);
    memcpy(m->config, &disk->count, sizeof(disk->count));
}
