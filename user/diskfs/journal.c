// user/diskfs/journal.c: transactions.  What changes metadata runs between
// change_begin() and change_end(), in the running transaction, and is written
// only when that is committed:
//
//     data that is not on the disk, then to the journal the numbers of blocks
//     that are freed and the changed blocks; flush; the block that commits;
//     flush.
//
// The blocks stay in the cache until a checkpoint writes them where they
// belong, which is done between transactions, when the journal has no room for
// one more. A block that a transaction frees is not used again until that is
// committed.
//
// Without a journal (ext2) a commit writes data, flushes, and writes metadata:
// what is cut in the middle of that e2fsck has to repair.

#include "diskfs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// --- the log -----------------------------------------------------------------

static uint32_t
next_block(struct journal *j)
{
    uint32_t block = j->map[j->head++];

    if (j->head == j->length)
        j->head = j->first;
    j->used++;
    return block;
}

static uint32_t
tags_in_block(const struct fs *fs)
{
    return (
        uint32_t)((fs->block_size - sizeof(struct log_head) - TAG_UUID_SIZE) /
                  sizeof(struct log_tag));
}

static uint32_t
revoked_in_block(const struct fs *fs)
{
    return (uint32_t)((fs->block_size - sizeof(struct log_revoked)) /
                      sizeof(uint32_t));
}

// Blocks of the journal for a transaction with so many blocks more.
static uint32_t
log_size(const struct fs *fs, uint32_t more)
{
    uint32_t blocks = cache_count(fs, BUFFER_RUNNING) + more;
    uint32_t revoked = fs->journal.revoked_count + more;

    return blocks + blocks / tags_in_block(fs) +
           revoked / revoked_in_block(fs) + 3;
}

static void
begin_block(struct fs *fs, uint32_t kind)
{
    struct journal *j = &fs->journal;
    const struct log_head head = {swap(LOG_MAGIC), swap(kind),
                                  swap(j->sequence)};

    memset(j->block, 0, fs->block_size);
    memcpy(j->block, &head, sizeof(head));
}

static int32_t
log_block(struct fs *fs, uint8_t *data)
{
    return disk_block(fs, next_block(&fs->journal), data, true);
}

static int32_t
log_revoked_blocks(struct fs *fs)
{
    struct journal *j = &fs->journal;
    uint32_t done = 0, most = revoked_in_block(fs);
    int32_t error = 0;

    while (done < j->revoked_count && error == 0) {
        uint32_t left = j->revoked_count - done;
        uint32_t count = left < most ? left : most;
        struct log_revoked *r = (struct log_revoked *)j->block;
        begin_block(fs, LOG_REVOKED);
        r->size = swap((uint32_t)(sizeof(*r) + count * sizeof(uint32_t)));
        for (uint32_t i = 0; i < count; i++) {
            uint32_t block = swap(j->revoked[done + i]);
            memcpy(j->block + sizeof(*r) + i * sizeof(block), &block,
                   sizeof(block));
        }
        error = log_block(fs, j->block);
        done += count;
    }
    return error;
}

static bool
looks_like_log(const struct buffer *b)
{
    uint32_t word;

    memcpy(&word, b->data, sizeof(word));
    return word == swap(LOG_MAGIC);
}

// The block that says what the next ones are.
static void
put_tags(struct fs *fs, struct buffer **list, uint32_t count)
{
    struct journal *j = &fs->journal;
    uint8_t *at = j->block + sizeof(struct log_head);

    begin_block(fs, LOG_TAGS);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t flags = (i > 0 ? TAG_SAME_UUID : 0) |
                         (i + 1 == count ? TAG_LAST : 0) |
                         (looks_like_log(list[i]) ? TAG_ESCAPED : 0);
        const struct log_tag tag = {
            .block = swap(list[i]->block),
            .flags = (uint16_t)(swap(flags) >> 16),
        };
        memcpy(at, &tag, sizeof(tag));
        at += sizeof(tag);
        if (i == 0) {
            const struct log_super *s = (const struct log_super *)j->super;
            memcpy(at, s->uuid, TAG_UUID_SIZE);
            at += TAG_UUID_SIZE;
        }
    }
}

// A block as the journal has it: without what would make it look like a part of
// the journal itself.
static int32_t
log_escaped(struct fs *fs, const struct buffer *b)
{
    memcpy(fs->journal.block, b->data, fs->block_size);
    memset(fs->journal.block, 0, sizeof(uint32_t));
    return log_block(fs, fs->journal.block);
}

static int32_t
log_buffers(struct fs *fs, struct buffer **list, uint32_t count)
{
    uint32_t parts = 0;
    int32_t error;

    put_tags(fs, list, count);
    error = log_block(fs, fs->journal.block);
    for (uint32_t i = 0; i < count && error == 0; i++) {
        if (looks_like_log(list[i])) {
            error = log_escaped(fs, list[i]);
            continue;
        }
        fs->parts[parts++] = (struct disk_part){
            .at = (uint64_t)next_block(&fs->journal) * fs->block_size,
            .data = list[i]->data,
            .size = fs->block_size,
        };
        if (parts == PARTS) {
            error = fs->disk->move(fs->disk, fs->parts, parts, true);
            parts = 0;
        }
    }
    if (error == 0 && parts > 0)
        error = fs->disk->move(fs->disk, fs->parts, parts, true);
    return error;
}

static int32_t
log_transaction(struct fs *fs)
{
    uint32_t left = cache_sort(fs, BUFFER_RUNNING), most = tags_in_block(fs);
    struct buffer **list = fs->sorted;
    uint64_t now = fs->options.now();
    int32_t error = log_revoked_blocks(fs);

    while (left > 0 && error == 0) {
        uint32_t count = left < most ? left : most;
        error = log_buffers(fs, list, count);
        list += count;
        left -= count;
    }
    if (error == 0)
        error = disk_flush(fs);
    if (error != 0)
        return error;
    struct log_commit *c = (struct log_commit *)fs->journal.block;
    begin_block(fs, LOG_COMMIT);
    c->seconds_high = swap((uint32_t)(now / 1000000000 >> 32));
    c->seconds = swap((uint32_t)(now / 1000000000));
    c->ns = swap((uint32_t)(now % 1000000000));
    error = log_block(fs, fs->journal.block);
    return error == 0 ? disk_flush(fs) : error;
}

// --- checkpoints -------------------------------------------------------------

// Where to begin when this is mounted again; `start` 0: there is nothing.
static int32_t
write_super(struct fs *fs, uint32_t start, uint32_t error)
{
    struct journal *j = &fs->journal;
    struct log_super *s = (struct log_super *)j->super;

    s->start = swap(start);
    s->sequence = swap(j->sequence);
    s->error = swap(error);
    s->compat &= ~swap(LOG_COMPAT_CHECKSUM);
    s->incompat |= swap(LOG_INCOMPAT_REVOKE);
    int32_t result = disk_block(fs, j->map[0], j->super, true);
    return result == 0 ? disk_flush(fs) : result;
}

static int32_t
checkpoint(struct fs *fs)
{
    struct journal *j = &fs->journal;
    int32_t error = cache_write(fs, BUFFER_COMMITTED);

    if (error == 0)
        error = disk_flush(fs);
    if (error == 0)
        error = write_super(fs, j->head, 0);
    if (error == 0)
        j->used = 0;
    return error;
}

static bool
needs_checkpoint(const struct fs *fs)
{
    const struct journal *j = &fs->journal;

    return j->length - j->first - j->used < j->transaction_max + 1 ||
           cache_count(fs, BUFFER_COMMITTED) > fs->limit / 2;
}

// --- commits -----------------------------------------------------------------

// What the transaction has freed may be used again.
static void
settle_freed(struct fs *fs)
{
    for (uint32_t i = 0; i < fs->groups && fs->freed_count > 0; i++) {
        if (fs->places[i].freed == NULL)
            continue;
        free(fs->places[i].freed);
        fs->places[i].freed = NULL;
        fs->freed_count--;
    }
}

static void
settle(struct fs *fs)
{
    struct buffer *b = fs->busy.next, *next;

    for (; b != &fs->busy; b = next) {
        next = b->next;
        bool running = (b->flags & BUFFER_RUNNING) != 0;
        bool forgotten = (b->flags & BUFFER_FORGOTTEN) != 0;
        if (running && fs->journal.map != NULL)
            buffer_mark(fs, b, BUFFER_COMMITTED);
        buffer_unmark(fs, b, BUFFER_RUNNING | BUFFER_FORGOTTEN);
        if (forgotten && !running && b->held == 0)
            buffer_drop(fs, b);
    }
    settle_freed(fs);
    fs->freed_blocks = 0;
    fs->journal.revoked_count = 0;
    fs->journal.sequence++;
}

static int32_t
commit(struct fs *fs)
{
    struct journal *j = &fs->journal;
    int32_t error = cache_write(fs, BUFFER_DIRTY);
    bool some =
        cache_count(fs, BUFFER_RUNNING) + j->revoked_count + fs->freed_count >
        0;

    if (error == 0 && !some)
        return fs->unflushed ? disk_flush(fs) : 0;
    if (error == 0 && j->map != NULL) {
        error = log_transaction(fs);
    } else if (error == 0) {
        error = fs->unflushed ? disk_flush(fs) : 0;
        if (error == 0)
            error = cache_write(fs, BUFFER_RUNNING);
        if (error == 0)
            error = disk_flush(fs);
    }
    if (error != 0)
        return error;
    settle(fs);
    return j->map != NULL && needs_checkpoint(fs) ? checkpoint(fs) : 0;
}

int32_t
fs_commit(struct fs *fs)
{
    if (fs->broken)
        return EIO;
    if (fs->read_only)
        return 0;
    int32_t error = commit(fs);
    if (error != 0)
        fs_break(fs, "the disk does not take what is written");
    return error;
}

// --- changes -----------------------------------------------------------------

// Is there so little room that what the transaction has freed may be needed?
static bool
is_short(struct fs *fs, uint32_t blocks)
{
    struct buffer *b;
    const struct super *s = fs->freed_blocks > 0 ? fs_super(fs, &b) : NULL;

    return s != NULL && s->free_blocks < fs->freed_blocks + blocks;
}

static bool
is_full(struct fs *fs, uint32_t blocks)
{
    if (cache_count(fs, BUFFER_RUNNING) + blocks > fs->limit / 4 ||
        is_short(fs, blocks))
        return true;
    return fs->journal.map != NULL &&
           log_size(fs, blocks) > fs->journal.transaction_max;
}

int32_t
change_room(struct fs *fs, uint32_t blocks)
{
    if (fs->broken)
        return EIO;
    if (is_full(fs, blocks))
        return fs_commit(fs);
    if (cache_count(fs, BUFFER_DIRTY) <= fs->limit / 2)
        return 0;
    int32_t error = cache_write(fs, BUFFER_DIRTY);
    if (error != 0)
        fs_break(fs, "the disk does not take what is written");
    return error;
}

int32_t
change_begin(struct fs *fs, uint32_t blocks)
{
    if (fs->broken || fs->read_only)
        return EROFS;
    cache_trim(fs);
    fs->changed = false;
    return change_room(fs, blocks);
}

// One that stopped in its middle is not to be committed.
int32_t
change_end(struct fs *fs, int32_t error)
{
    if (fs->changed && (error == EIO || error == ENOMEM)) {
        fs_break(fs, "a change could not be finished");
        error = EIO;
    }
    return error;
}

void
meta_dirty(struct fs *fs, struct buffer *b)
{
    fs->changed = true;
    buffer_unmark(fs, b, BUFFER_DIRTY);
    buffer_mark(fs, b, BUFFER_RUNNING);
}

int32_t
meta_forget(struct fs *fs, uint32_t block)
{
    struct buffer *b = cache_find(fs, block);
    struct journal *j = &fs->journal;

    if (b == NULL)
        return 0;
    buffer_unmark(fs, b, BUFFER_DIRTY | BUFFER_RUNNING);
    if ((b->flags & BUFFER_COMMITTED) == 0) {
        if (b->held == 0)
            buffer_drop(fs, b);
        return 0;
    }
    if (j->revoked_count == j->revoked_room) {
        uint32_t room = 2 * j->revoked_room + 64;
        uint32_t *list = realloc(j->revoked, room * sizeof(uint32_t));
        if (list == NULL)
            return ENOMEM;
        j->revoked = list;
        j->revoked_room = room;
    }
    j->revoked[j->revoked_count++] = block;
    buffer_mark(fs, b, BUFFER_FORGOTTEN);
    return 0;
}

// --- from start to end -------------------------------------------------------

// The journal is a file; is it one that we can write?
static int32_t
read_map(struct fs *fs, struct inode *i)
{
    struct journal *j = &fs->journal;
    uint64_t length = i->size / fs->block_size;

    if (!inode_is(i, MODE_FILE) || i->links == 0 || length < LOG_BLOCKS_MIN ||
        length > fs->blocks)
        return fs_corrupt(fs, "the journal is no file of its size");
    j->length = (uint32_t)length;
    j->map = malloc(j->length * sizeof(uint32_t));
    j->super = malloc(fs->block_size);
    j->block = malloc(fs->block_size);
    if (j->map == NULL || j->super == NULL || j->block == NULL)
        return ENOMEM;
    for (uint32_t k = 0; k < j->length; k++) {
        int32_t error = map_block(i, k, &j->map[k]);
        if (error == 0 && j->map[k] == 0)
            error = fs_corrupt(fs, "the journal has a hole");
        if (error != 0)
            return error;
        cache_trim(fs);
    }
    return disk_block(fs, j->map[0], j->super, false);
}

static int32_t
check_super(struct fs *fs)
{
    struct journal *j = &fs->journal;
    const struct log_super *s = (const struct log_super *)j->super;
    uint32_t length = swap(s->length);

    if (s->head.magic != swap(LOG_MAGIC) || s->head.kind != swap(LOG_SUPER) ||
        swap(s->block_size) != fs->block_size) {
        fs->why = "its journal does not begin as one";
        return EINVAL;
    }
    if ((s->incompat & ~swap(LOG_INCOMPAT_REVOKE)) != 0 || s->ro_compat != 0) {
        fs->why = "its journal has features that are not known here";
        return EINVAL;
    }
    if (length > j->length || length < LOG_BLOCKS_MIN || swap(s->first) == 0 ||
        swap(s->first) > length - LOG_BLOCKS_MIN / 2 ||
        swap(s->start) >= length) {
        fs->why = "its journal has numbers that cannot be";
        return EINVAL;
    }
    j->length = length;
    j->first = swap(s->first);
    j->sequence = swap(s->sequence);
    return 0;
}

int32_t
journal_open(struct fs *fs, uint32_t inode)
{
    struct journal *j = &fs->journal;
    struct inode *i;
    int32_t error = fs_get(fs, inode, &i);

    if (error != 0)
        return error;
    error = read_map(fs, i);
    fs_put(i);
    if (error == 0)
        error = check_super(fs);
    if (error != 0)
        return error;
    j->head = j->first;
    j->transaction_max = (j->length - j->first) / 4;
    return 0;
}

int32_t
journal_start(struct fs *fs)
{
    return fs->journal.map != NULL ? write_super(fs, fs->journal.head, 0) : 0;
}

// `error`: what it ended of, 0: all is where it belongs.
int32_t
journal_end(struct fs *fs, int32_t error)
{
    struct log_super *s = (struct log_super *)fs->journal.super;

    if (fs->journal.map == NULL)
        return 0;
    if (error != 0) { // it has what is not anywhere else
        s->error = swap((uint32_t)-5);
        return disk_block(fs, fs->journal.map[0], fs->journal.super, true);
    }
    error = checkpoint(fs);
    return error == 0 ? write_super(fs, 0, 0) : error;
}

void
journal_free(struct fs *fs)
{
    settle_freed(fs);
    free(fs->journal.map);
    free(fs->journal.super);
    free(fs->journal.block);
    free(fs->journal.revoked);
}
