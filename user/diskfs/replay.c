// user/diskfs/replay.c: writes what the journal has, and only that, where it
// belongs: of each transaction that ends in a block that commits it, in order,
// up to the first that does not.  What a transaction revokes is not written
// from it nor from those before it.

#include "diskfs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct revoked {
    uint32_t block, sequence; // the last that has it
};

enum pass { FIND_END, FIND_REVOKED, WRITE };

struct replay {
    struct fs *fs;
    enum pass pass;
    uint32_t at, left;       // in the journal; so far no block was seen twice
    uint32_t sequence;       // that is expected
    uint32_t end;            // the first that is not there, after FIND_END
    uint8_t *block, *data;   // of the journal
    struct revoked *revoked; // sorted, after FIND_REVOKED
    uint32_t revoked_count, revoked_room;
};

uint32_t
swap(uint32_t value)
{
    return __builtin_bswap32(value);
}

// Sequence numbers go round.
static bool
is_after(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) > 0;
}

// The next block; false: there is none any more.
static bool
step(struct replay *r, uint32_t *block)
{
    const struct journal *j = &r->fs->journal;

    if (r->left == 0)
        return false;
    r->left--;
    *block = j->map[r->at++];
    if (r->at == j->length)
        r->at = j->first;
    return true;
}

// --- what is revoked ---------------------------------------------------------

static int
by_block(const void *a, const void *b)
{
    const struct revoked *x = a, *y = b;

    if (x->block != y->block)
        return x->block < y->block ? -1 : 1;
    return is_after(x->sequence, y->sequence) -
           is_after(y->sequence, x->sequence);
}

static int32_t
add_revoked(struct replay *r, uint32_t block)
{
    if (r->revoked_count == r->revoked_room) {
        uint32_t room = 2 * r->revoked_room + 256;
        struct revoked *list = realloc(r->revoked, room * sizeof(*list));
        if (list == NULL)
            return ENOMEM;
        r->revoked = list;
        r->revoked_room = room;
    }
    r->revoked[r->revoked_count++] = (struct revoked){block, r->sequence};
    return 0;
}

static int32_t
read_revoked(struct replay *r)
{
    const struct log_revoked *head = (const struct log_revoked *)r->block;
    uint32_t size = swap(head->size);
    int32_t error = 0;

    if (size < sizeof(*head) || size > r->fs->block_size)
        return fs_corrupt(r->fs, "the journal revokes more than a block has");
    for (uint32_t at = sizeof(*head); at + 4 <= size && error == 0; at += 4) {
        uint32_t block;
        memcpy(&block, r->block + at, sizeof(block));
        error = add_revoked(r, swap(block));
    }
    return error;
}

static bool
is_revoked(const struct replay *r, uint32_t block)
{
    uint32_t low = 0, high = r->revoked_count;

    while (low < high) { // to the last one with that number
        uint32_t middle = low + (high - low) / 2;
        if (r->revoked[middle].block <= block)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && r->revoked[low - 1].block == block &&
           !is_after(r->sequence, r->revoked[low - 1].sequence);
}

// --- blocks ------------------------------------------------------------------

static int32_t
write_block(struct replay *r, uint32_t from, uint32_t to, bool escaped)
{
    const uint32_t magic = swap(LOG_MAGIC);

    if (to >= r->fs->blocks)
        return fs_corrupt(r->fs, "the journal has a block behind the end");
    if (is_revoked(r, to))
        return 0;
    int32_t error = disk_block(r->fs, from, r->data, false);
    if (error != 0)
        return error;
    if (escaped)
        memcpy(r->data, &magic, sizeof(magic));
    return disk_block(r->fs, to, r->data, true);
}

// What the block of tags says; *ends: the journal does, before that.
static int32_t
follow_tags(struct replay *r, bool *ends)
{
    uint32_t at = sizeof(struct log_head), flags = 0, from;
    struct log_tag tag;
    int32_t error = 0;

    while ((flags & TAG_LAST) == 0 && error == 0 &&
           at + sizeof(tag) <= r->fs->block_size) {
        memcpy(&tag, r->block + at, sizeof(tag));
        flags = swap((uint32_t)tag.flags << 16);
        at += (uint32_t)sizeof(tag);
        if ((flags & TAG_SAME_UUID) == 0)
            at += TAG_UUID_SIZE;
        if (!step(r, &from)) {
            *ends = true;
            return 0;
        }
        if (r->pass == WRITE)
            error = write_block(r, from, swap(tag.block), flags & TAG_ESCAPED);
    }
    return error;
}

// One block of the journal that is none of a file; *ends: it is not one.
static int32_t
follow_block(struct replay *r, bool *ends)
{
    const struct log_head *head = (const struct log_head *)r->block;
    uint32_t block;

    *ends = r->pass != FIND_END && r->sequence == r->end;
    if (*ends || !step(r, &block)) {
        *ends = true;
        return 0;
    }
    int32_t error = disk_block(r->fs, block, r->block, false);
    if (error != 0)
        return error;
    *ends =
        head->magic != swap(LOG_MAGIC) || head->sequence != swap(r->sequence);
    if (*ends)
        return 0;
    switch (swap(head->kind)) {
    case LOG_TAGS:
        return follow_tags(r, ends);
    case LOG_COMMIT:
        r->sequence++;
        return 0;
    case LOG_REVOKED:
        return r->pass == FIND_REVOKED ? read_revoked(r) : 0;
    default:
        *ends = true;
        return 0;
    }
}

static int32_t
run(struct replay *r, enum pass pass, const struct log_super *s)
{
    bool ends = false;
    int32_t error = 0;

    r->pass = pass;
    r->at = swap(s->start);
    r->left = r->fs->journal.length - r->fs->journal.first;
    r->sequence = swap(s->sequence);
    while (!ends && error == 0)
        error = follow_block(r, &ends);
    if (pass == FIND_END)
        r->end = r->sequence;
    return error;
}

int32_t
journal_replay(struct fs *fs, struct log_super *s)
{
    struct replay r = {.fs = fs};
    int32_t error = ENOMEM;

    if (swap(s->start) < fs->journal.first)
        return fs_corrupt(fs, "the journal starts before its first block");
    r.block = malloc(fs->block_size);
    r.data = malloc(fs->block_size);
    if (r.block != NULL && r.data != NULL)
        error = run(&r, FIND_END, s);
    if (error == 0)
        error = run(&r, FIND_REVOKED, s);
    if (error == 0 && r.revoked_count > 1)
        qsort(r.revoked, r.revoked_count, sizeof(*r.revoked), by_block);
    if (error == 0)
        error = run(&r, WRITE, s);
    if (error == 0)
        error = disk_flush(fs);
    if (error == 0)
        fs->journal.sequence = r.end + 1;
    free(r.block);
    free(r.data);
    free(r.revoked);
    return error;
}
