// user/diskfs/blk.c: the driver of virtio-blk (virtio 1.2, 5.2): up to DEPTH
// requests at a time, each of a head, some memory and a byte that says how it
// went.  What lies side by side on the disk goes in one request.

#include "server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { DEPTH = 32, PIECES = 24, SECTOR = 512, ID_SIZE = 20 };

enum { FEATURE_PIECES = 2, FEATURE_READ_ONLY = 5, FEATURE_FLUSH = 9 };

enum { CONFIG_CAPACITY = 0, CONFIG_PIECES = 12 };

enum { IN = 0, OUT = 1, FLUSH = 4, GET_ID = 8 };

static struct request {
    struct {
        uint32_t type, zero;
        uint64_t sector;
    } head;
    uint8_t status;
} requests[DEPTH];

static struct nebulet_queue_request posted[DEPTH];
static struct nebulet_call_window segments[DEPTH * (PIECES + 2)];
static uint32_t posted_count, segment_count;

static uint32_t queue, depth; // requests that it takes
static uint32_t pieces;       // of memory in one
static bool has_flush, broken;
static const char *disk_name;

void
complain(const char *line)
{
    fprintf(stderr, "diskfs: %s: %s\n", disk_name, line);
}

// --- the queue ---------------------------------------------------------------

static void
add_segment(void *at, uint32_t size, uint32_t access)
{
    segments[segment_count++] = (struct nebulet_call_window){
        .kind = NEBULET_WINDOW_OWN,
        .offset = (uint32_t)(uintptr_t)at,
        .size = size,
        .access = access,
    };
    posted[posted_count - 1].segments++;
}

static void
begin(uint32_t type, uint64_t sector)
{
    struct request *r = &requests[posted_count];

    r->head.type = type;
    r->head.sector = sector;
    r->status = 0xff;
    posted[posted_count] =
        (struct nebulet_queue_request){.token = posted_count};
    posted_count++;
    add_segment(&r->head, sizeof(r->head), NEBULET_WINDOW_READ);
}

static void
end(void)
{
    add_segment(&requests[posted_count - 1].status, 1, NEBULET_WINDOW_WRITE);
}

// Wait for what is done; how many, 0: the device has stopped.
static uint32_t
reap(bool *good)
{
    struct nebulet_queue_done done[DEPTH];
    uint32_t count;

    if (nebulet_queue_reap(queue, done, DEPTH, UINT64_MAX, &count) != 0)
        return 0;
    for (uint32_t i = 0; i < count; i++)
        *good &=
            done[i].status == 0 && requests[done[i].token % DEPTH].status == 0;
    return count;
}

// All that was posted, from the first to the last.
static int32_t
run(void)
{
    uint32_t given = 0, from = 0, done = 0, count;
    bool good = true;

    while (done < posted_count && !broken) {
        if (given < posted_count) {
            int32_t status = nebulet_queue_submit(
                queue, &posted[given], posted_count - given, &segments[from],
                segment_count - from, &count);
            broken =
                status != 0 && (status != NEBULET_ERR_FULL || given == done);
            for (uint32_t i = 0; status == 0 && i < count; i++)
                from += posted[given++].segments;
        }
        count = broken ? 0 : reap(&good);
        broken |= count == 0;
        done += count;
    }
    if (broken)
        complain("the device has stopped");
    posted_count = segment_count = 0;
    return good && !broken ? 0 : EIO;
}

// --- a disk ------------------------------------------------------------------

// Does the part follow what the last request has, and is there room in that?
static bool
goes_on(const struct disk_part *before, const struct disk_part *part,
        uint32_t used)
{
    return before->at + before->size == part->at && used < pieces;
}

static int32_t
move(struct disk *d, const struct disk_part *parts, uint32_t count, bool write)
{
    uint32_t access = write ? NEBULET_WINDOW_READ : NEBULET_WINDOW_WRITE;
    uint32_t used = 0;
    int32_t error = 0, ended;

    (void)d;
    for (uint32_t i = 0; i < count; i++) {
        const struct disk_part *p = &parts[i];
        if (i == 0 || !goes_on(p - 1, p, used)) {
            if (i > 0)
                end();
            if (posted_count == depth) {
                ended = run();
                error = error == 0 ? ended : error;
            }
            begin(write ? OUT : IN, p->at / SECTOR);
            used = 0;
        }
        add_segment(p->data, p->size, access);
        used++;
    }
    if (count == 0)
        return 0;
    end();
    ended = run();
    return error == 0 ? ended : error;
}

static int32_t
flush(struct disk *d)
{
    (void)d;
    if (!has_flush)
        return 0;
    begin(FLUSH, 0);
    end();
    return run();
}

// --- the start ---------------------------------------------------------------

static int32_t
start(uint32_t device, uint64_t *features)
{
    const uint64_t wanted =
        1u << FEATURE_PIECES | 1u << FEATURE_READ_ONLY | 1u << FEATURE_FLUSH;
    int32_t status = nebulet_device_features(device, wanted, features);

    if (status == 0)
        status = nebulet_queue_create(device, 0, DEPTH, &queue, &depth);
    return status == 0 ? nebulet_device_start(device) : status;
}

// Not every disk has a name.
static bool
is_named(const char *name)
{
    char id[ID_SIZE + 1] = "";

    begin(GET_ID, 0);
    add_segment(id, ID_SIZE, NEBULET_WINDOW_WRITE);
    end();
    return run() != 0 || id[0] == 0 || strcmp(id, name) == 0;
}

bool
blk_start(struct disk *d, uint32_t device, const char *name)
{
    uint64_t features, sectors;
    uint32_t most = PIECES;

    disk_name = name;
    int32_t status = start(device, &features);
    if (status == 0)
        status = nebulet_device_config(device, CONFIG_CAPACITY, &sectors,
                                       sizeof(sectors));
    if (status == 0 && (features >> FEATURE_PIECES & 1) != 0)
        status =
            nebulet_device_config(device, CONFIG_PIECES, &most, sizeof(most));
    if (status != 0) {
        complain("the device does not start");
        return false;
    }
    pieces = most == 0 ? 1 : most < PIECES ? most : PIECES;
    has_flush = (features >> FEATURE_FLUSH & 1) != 0;
    if (!is_named(name)) {
        complain("this is another disk");
        return false;
    }
    *d = (struct disk){
        .size = sectors < UINT64_MAX / SECTOR ? sectors * SECTOR : 0,
        .read_only = (features >> FEATURE_READ_ONLY & 1) != 0,
        .move = move,
        .flush = flush,
    };
    if (!has_flush && !d->read_only)
        complain("it cannot flush: what is synced may be lost with its power");
    return true;
}
