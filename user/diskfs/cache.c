// user/diskfs/cache.c: blocks of the disk in memory.  Those that are as on the
// disk make room for others, those used last at the end, but only when
// cache_trim() is called: until then every buffer stays where it is.

#include "diskfs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SLAB = 64 * 1024 }; // memory is taken by so much

struct slab {
    struct slab *next;
    uint8_t *memory;
    struct buffer buffers[];
};

// --- lists -------------------------------------------------------------------

static void
list_init(struct buffer *head)
{
    head->prev = head->next = head;
}

static void
list_remove(struct buffer *b)
{
    b->prev->next = b->next;
    b->next->prev = b->prev;
}

static void
list_put(struct buffer *head, struct buffer *b)
{
    b->prev = head;
    b->next = head->next;
    b->next->prev = b;
    head->next = b;
}

static struct buffer **
bucket(struct fs *fs, uint32_t block)
{
    return &fs->buckets[(block * 2654435761u >> 7) & (fs->bucket_count - 1)];
}

static uint32_t
index_of(uint32_t flag)
{
    return (uint32_t)__builtin_ctz(flag);
}

// --- life --------------------------------------------------------------------

int32_t
cache_new(struct fs *fs)
{
    list_init(&fs->clean);
    list_init(&fs->busy);
    fs->limit = fs->options.cache_size / fs->block_size;
    fs->bucket_count = 256;
    while (fs->bucket_count < fs->limit)
        fs->bucket_count *= 2;
    fs->buckets = calloc(fs->bucket_count, sizeof(struct buffer *));
    return fs->buckets != NULL ? 0 : ENOMEM;
}

void
cache_free(struct fs *fs)
{
    while (fs->slabs != NULL) {
        struct slab *s = fs->slabs;
        fs->slabs = s->next;
        free(s->memory);
        free(s);
    }
    free(fs->buckets);
    free(fs->sorted);
}

// cache_sort() has to have room for all that there are.
static int32_t
more_buffers(struct fs *fs)
{
    uint32_t count = SLAB / fs->block_size;
    struct buffer **sorted =
        realloc(fs->sorted, (fs->total + count) * sizeof(struct buffer *));
    struct slab *s;

    if (sorted == NULL)
        return ENOMEM;
    fs->sorted = sorted;
    s = calloc(1, sizeof(*s) + count * sizeof(struct buffer));
    if (s == NULL)
        return ENOMEM;
    s->memory = aligned_alloc(4096, SLAB);
    if (s->memory == NULL) {
        free(s);
        return ENOMEM;
    }
    s->next = fs->slabs;
    fs->slabs = s;
    fs->total += count;
    for (uint32_t i = 0; i < count; i++) {
        s->buffers[i].data = s->memory + i * fs->block_size;
        s->buffers[i].chain = fs->spare;
        fs->spare = &s->buffers[i];
    }
    return 0;
}

static int32_t
take(struct fs *fs, uint32_t block, struct buffer **out)
{
    if (fs->spare == NULL && more_buffers(fs) != 0)
        return ENOMEM;
    struct buffer *b = fs->spare;
    fs->spare = b->chain;
    b->block = block;
    b->flags = b->held = 0;
    b->chain = *bucket(fs, block);
    *bucket(fs, block) = b;
    list_put(&fs->clean, b);
    fs->in_use++;
    *out = b;
    return 0;
}

void
buffer_drop(struct fs *fs, struct buffer *b)
{
    struct buffer **at = bucket(fs, b->block);

    buffer_unmark(fs, b, b->flags);
    while (*at != b)
        at = &(*at)->chain;
    *at = b->chain;
    list_remove(b);
    b->chain = fs->spare;
    fs->spare = b;
    fs->in_use--;
}

void
cache_trim(struct fs *fs)
{
    struct buffer *b = fs->clean.prev, *before;

    for (; fs->in_use > fs->limit && b != &fs->clean; b = before) {
        before = b->prev;
        if (b->held == 0)
            buffer_drop(fs, b);
    }
}

// --- what has become of them -------------------------------------------------

void
buffer_mark(struct fs *fs, struct buffer *b, uint32_t flag)
{
    if ((b->flags & flag) != 0)
        return;
    if (b->flags == 0) {
        list_remove(b);
        list_put(&fs->busy, b);
    }
    b->flags |= flag;
    fs->marked[index_of(flag)]++;
}

void
buffer_unmark(struct fs *fs, struct buffer *b, uint32_t flags)
{
    flags &= b->flags;
    if (flags == 0)
        return;
    b->flags &= ~flags;
    for (; flags != 0; flags &= flags - 1)
        fs->marked[index_of(flags)]--;
    if (b->flags == 0) {
        list_remove(b);
        list_put(&fs->clean, b);
    }
}

uint32_t
cache_count(const struct fs *fs, uint32_t flag)
{
    return fs->marked[index_of(flag)];
}

struct buffer *
cache_find(struct fs *fs, uint32_t block)
{
    struct buffer *b = *bucket(fs, block);

    while (b != NULL && b->block != block)
        b = b->chain;
    if (b != NULL && b->flags == 0) {
        list_remove(b);
        list_put(&fs->clean, b);
    }
    return b;
}

// --- the disk ----------------------------------------------------------------

int32_t
disk_block(struct fs *fs, uint32_t block, uint8_t *data, bool write)
{
    const struct disk_part part = {
        .at = (uint64_t)block * fs->block_size,
        .data = data,
        .size = fs->block_size,
    };

    return fs->disk->move(fs->disk, &part, 1, write);
}

int32_t
disk_flush(struct fs *fs)
{
    int32_t error = fs->disk->flush(fs->disk);

    if (error == 0)
        fs->unflushed = false;
    return error;
}

static void
add_part(struct fs *fs, uint32_t index, const struct buffer *b)
{
    fs->parts[index] = (struct disk_part){
        .at = (uint64_t)b->block * fs->block_size,
        .data = b->data,
        .size = fs->block_size,
    };
}

int32_t
buffer_get(struct fs *fs, uint32_t block, struct buffer **out)
{
    *out = cache_find(fs, block);
    if (*out != NULL)
        return 0;
    if (block >= fs->blocks)
        return fs_corrupt(fs, "a block is behind the end");
    int32_t error = take(fs, block, out);
    if (error != 0)
        return error;
    error = disk_block(fs, block, (*out)->data, false);
    if (error != 0)
        buffer_drop(fs, *out);
    return error;
}

int32_t
buffer_new(struct fs *fs, uint32_t block, struct buffer **out)
{
    int32_t error = 0;

    *out = cache_find(fs, block);
    if (*out == NULL)
        error = take(fs, block, out);
    if (error == 0)
        memset((*out)->data, 0, fs->block_size);
    return error;
}

int32_t
cache_fill(struct fs *fs, const uint32_t *blocks, uint32_t count)
{
    struct buffer *list[PARTS];
    uint32_t parts = 0;

    for (uint32_t i = 0; i < count && parts < PARTS; i++) {
        if (blocks[i] == 0 || blocks[i] >= fs->blocks ||
            cache_find(fs, blocks[i]) != NULL)
            continue;
        if (take(fs, blocks[i], &list[parts]) != 0)
            break;
        add_part(fs, parts, list[parts]);
        parts++;
    }
    if (parts == 0)
        return 0;
    int32_t error = fs->disk->move(fs->disk, fs->parts, parts, false);
    for (uint32_t i = 0; i < parts && error != 0; i++)
        buffer_drop(fs, list[i]);
    return error;
}

static int
by_block(const void *a, const void *b)
{
    uint32_t x = (*(struct buffer *const *)a)->block;
    uint32_t y = (*(struct buffer *const *)b)->block;

    return x < y ? -1 : x > y;
}

uint32_t
cache_sort(struct fs *fs, uint32_t flag)
{
    struct buffer *b = fs->busy.next;
    uint32_t count = 0;

    for (; b != &fs->busy; b = b->next)
        if ((b->flags & flag) != 0)
            fs->sorted[count++] = b;
    if (count > 1)
        qsort(fs->sorted, count, sizeof(struct buffer *), by_block);
    return count;
}

int32_t
cache_write(struct fs *fs, uint32_t flag)
{
    uint32_t left = cache_count(fs, flag) > 0 ? cache_sort(fs, flag) : 0;
    struct buffer **list = fs->sorted;

    while (left > 0) {
        uint32_t count = left < PARTS ? left : PARTS;
        for (uint32_t i = 0; i < count; i++)
            add_part(fs, i, list[i]);
        fs->unflushed = true;
        int32_t error = fs->disk->move(fs->disk, fs->parts, count, true);
        if (error != 0)
            return error;
        for (uint32_t i = 0; i < count; i++)
            buffer_unmark(fs, list[i], flag);
        list += count;
        left -= count;
    }
    return 0;
}
