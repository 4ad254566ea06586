// test/disk/crash.c: power that goes away.  Workloads of one to three changes,
// some after others that were synced; the log of what they write is cut before
// each flush: what was flushed is there, of what came after it any subset of
// sectors.  Then the journal is replayed, by us and by e2fsck, nothing is wrong
// with what is there, and it is what was there after one of the changes: not
// before one that was synced.
//
// NEBULET_DISK_WORKLOADS says how many, NEBULET_DISK_SEED which.

#include "test/disk/model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHANGES = 12, SECTOR_SIZE = 512, SEEN = 512 };

struct workload {
    u32 random;
    struct memory_disk m; // as it was written, with its log
    u8 *start;            // as it was before
    u32 count;            // of changes
    struct model times[CHANGES + 1];
    struct model_change changes[CHANGES];
    struct {
        u64 start, end; // events of its own
        bool all;       // everything was on the disk then
        u32 file;       // whose bytes were
    } marks[CHANGES + 1];
    u64 seen[SEEN]; // disks that were looked at
    u32 seen_count, images;
};

static u32
asked(const char *name, u32 otherwise)
{
    const char *text = getenv(name);

    return text != NULL ? (u32)strtoul(text, NULL, 10) : otherwise;
}

// --- making ------------------------------------------------------------------

static void
change(struct workload *w, struct fs *fs, struct model_change c)
{
    u32 k = w->count++;

    w->changes[k] = c;
    w->times[k + 1] = w->times[k];
    w->marks[k + 1].start = w->m.event_count;
    i32 want = model_do(&w->times[k + 1], &c), got = fs_do(fs, &c);
    if (want != got)
        printf("change %u of kind %u: %s %s\n", k, c.op, c.path, c.other);
    EXPECT_EQ(got, want);
    if (want != 0)
        w->times[k + 1] = w->times[k];
    w->marks[k + 1].end = w->m.event_count;
    w->marks[k + 1].all = got == 0 && (c.op == OP_FSYNC || c.op == OP_SYNC);
    w->marks[k + 1].file = got == 0 && c.op == OP_FDATASYNC ?
                               model_file(&w->times[k], c.path) :
                               MODEL_FILES;
}

static void
change_named(struct workload *w, struct fs *fs, enum model_op op,
             const char *path)
{
    struct model_change c = {.op = op, .size = 13000, .seed = 5};

    strcpy(c.path, path);
    change(w, fs, c);
}

// Where in the journal we are, and how soon there is a checkpoint.
static void
move_journal(struct workload *w, struct fs *fs)
{
    struct journal *j = &fs->journal;

    if (model_number(&w->random, 2) == 0) {
        j->head = j->length - 1 - model_number(&w->random, 30);
        EXPECT_EQ(journal_start(fs), 0);
    }
    if (model_number(&w->random, 2) == 0)
        j->used = j->length - j->first - j->transaction_max - 2 -
                  model_number(&w->random, 30);
}

static void
make(struct workload *w, const struct memory_disk *fresh)
{
    bool follows = model_number(&w->random, 2) == 0;
    u32 count = 1 + model_number(&w->random, 3);

    disk_open(&w->m, fresh->bytes, fresh->disk.size);
    w->m.logs = true;
    w->start = malloc(w->m.disk.size);
    assert(w->start != NULL);
    memcpy(w->start, w->m.bytes, w->m.disk.size);
    struct fs *fs = disk_mount(&w->m, 1 << 20);
    move_journal(w, fs);
    if (follows) {
        change_named(w, fs, OP_MKDIR, "A");
        change_named(w, fs, OP_CREATE, "A/foo");
        change_named(w, fs, OP_WRITE, "A/foo");
        change_named(w, fs, OP_CREATE, "bar");
        change_named(w, fs, OP_SYNC, "A");
    }
    for (u32 i = 0; i < count; i++) {
        change(w, fs, model_random(&w->times[w->count], &w->random));
        if (model_number(&w->random, 2) == 0)
            change_named(w, fs, OP_SYNC, "A");
    }
    EXPECT_EQ(fs_unmount(fs), 0);
}

// --- looking -----------------------------------------------------------------

static u64
hash_of(const u8 *bytes, u64 size)
{
    u64 hash = 14695981039346656037ull;

    for (u64 i = 0; i < size; i += 8) {
        u64 word;
        memcpy(&word, bytes + i, sizeof(word));
        hash = (hash ^ word) * 1099511628211ull;
        hash ^= hash >> 29;
    }
    return hash;
}

// Is it as after a change that may have been the last?
static bool
is_one_of(const struct workload *w, struct fs *fs, u32 first, u32 last,
          const u32 *since)
{
    for (u32 at = first; at <= last; at++)
        if (model_is(fs, w->times, at, last, since))
            return true;
    return false;
}

static bool
repaired_more(const char *text)
{
    return strstr(text, "Fix") != NULL || strstr(text, "FIXED") != NULL ||
           strstr(text, "wrong") != NULL || strstr(text, "UNEXPECTED") != NULL;
}

// As e2fsck replays it.
static bool
look_by_e2fsck(const struct workload *w, struct memory_disk *m, u32 first,
               u32 last, const u32 *since)
{
    int status;
    char *text = disk_command(m, true, &status, "e2fsck -fy $IMAGE 2>&1");
    bool good = (status == 0 || status == 1) && !repaired_more(text);

    if (!good)
        printf("e2fsck -fy: status %d\n%s\n", status, text);
    free(text);
    if (!good)
        return false;
    struct fs *fs = disk_mount(m, 1 << 20);
    good = fs != NULL && is_one_of(w, fs, first, last, since);
    if (!good)
        printf("what e2fsck replays is none of what was\n");
    if (fs != NULL)
        EXPECT_EQ(fs_unmount(fs), 0);
    return good;
}

static bool
look(struct workload *w, const u8 *bytes, u32 first, u32 last, const u32 *since)
{
    u64 hash = hash_of(bytes, w->m.disk.size);
    struct memory_disk m;

    for (u32 i = 0; i < w->seen_count; i++)
        if (w->seen[i] == hash)
            return true;
    if (w->seen_count < SEEN)
        w->seen[w->seen_count++] = hash;
    w->images++;
    disk_open(&m, bytes, w->m.disk.size);
    struct fs *fs = disk_mount(&m, 1 << 20);
    bool good = fs != NULL && is_one_of(w, fs, first, last, since);
    if (!good)
        printf("what was replayed is none of what was\n");
    if (fs != NULL)
        EXPECT_EQ(fs_unmount(fs), 0);
    good = disk_is_sound(&m) && good;
    disk_close(&m);
    disk_open(&m, bytes, w->m.disk.size);
    good = look_by_e2fsck(w, &m, first, last, since) && good;
    disk_close(&m);
    return good;
}

// --- cutting -----------------------------------------------------------------

static void
apply(const struct workload *w, u8 *bytes, const struct disk_event *e, u32 from,
      u32 size)
{
    memcpy(bytes + e->at + from, w->m.written + e->data + from, size);
}

// Some sectors of what is not flushed: events from `from` up to `end`.
static void
apply_some(struct workload *w, u8 *bytes, u64 from, u64 end, u32 how)
{
    for (u64 k = from; k < end; k++) {
        const struct disk_event *e = &w->m.events[k];
        for (u32 at = 0; at < e->size; at += SECTOR_SIZE)
            if (how == 0 || model_number(&w->random, how + 1) != 0)
                apply(w, bytes, e, at, SECTOR_SIZE);
    }
}

// Power goes between events `from` and `end`, of which no other is a flush.
static bool
cut(struct workload *w, const u8 *flushed, u64 from, u64 end, u32 subsets)
{
    u32 first = 0, last = 0, since[MODEL_FILES] = {0};
    u8 *bytes = malloc(w->m.disk.size);
    bool good = true;

    assert(bytes != NULL);
    for (u32 k = 1; k <= w->count; k++) {
        if (w->marks[k].start <= end)
            last = k;
        if (w->marks[k].end <= from && w->marks[k].all)
            first = k;
        if (w->marks[k].end <= from && w->marks[k].file != MODEL_FILES)
            since[w->marks[k].file] = k;
    }
    for (u32 i = 0; i <= subsets && good; i++) {
        memcpy(bytes, flushed, w->m.disk.size);
        apply_some(w, bytes, from, end, i);
        good = look(w, bytes, first, last, since);
        if (!good)
            printf("cut between %llu and %llu, %u\n", (unsigned long long)from,
                   (unsigned long long)end, i);
    }
    free(bytes);
    return good;
}

static bool
cut_everywhere(struct workload *w, u32 subsets)
{
    u64 from = 0;
    bool good = true;

    for (u64 k = 0; k < w->m.event_count && good; k++) {
        if (w->m.events[k].size > 0)
            continue;
        good = cut(w, w->start, from, k, subsets);
        for (; from < k; from++)
            if (w->m.events[from].size > 0)
                apply(w, w->start, &w->m.events[from], 0,
                      w->m.events[from].size);
    }
    return good;
}

static void
show(const struct workload *w)
{
    for (u32 k = 0; k < w->count; k++)
        printf("  %u: kind %u %s %s at %u, %u; events %llu to %llu\n", k + 1,
               w->changes[k].op, w->changes[k].path, w->changes[k].other,
               w->changes[k].at, w->changes[k].size,
               (unsigned long long)w->marks[k + 1].start,
               (unsigned long long)w->marks[k + 1].end);
}

// The blocks that the journal says are revoked.
static u32
count_revoked(const struct memory_disk *m)
{
    u32 count = 0;

    for (u64 at = 0; at < m->disk.size; at += 1024) {
        struct log_revoked r;
        memcpy(&r, m->bytes + at, sizeof(r));
        if (r.head.magic == swap(LOG_MAGIC) && r.head.kind == swap(LOG_REVOKED))
            count += (u32)(swap(r.size) - sizeof(r)) / 4;
    }
    return count;
}

// A block of metadata that the journal has, freed, becomes one of data: a
// replay does not write over it what it was.
TEST(disk_revoked)
{
    static u8 bytes[64 * KIB], got[64 * KIB];
    struct memory_disk m, crashed;
    char name[64];

    for (u32 i = 0; i < sizeof(bytes); i++)
        bytes[i] = (u8)(i * 7 + i / 256);
    disk_make(&m, "-t ext3 -b 1024 -J size=1 -N 64 -m 0", 2560);
    struct fs *fs = disk_mount(&m, 1 << 20);
    EXPECT_EQ(path_create(fs, "full", MODE_FILE | 0644), 0);
    u64 size = 0;
    while (path_write(fs, "full", size, bytes, 1024) == 0)
        size += 1024;
    EXPECT_EQ(path_set_size(fs, "full", size - 40 * KIB), 0);
    EXPECT_EQ(fs_commit(fs), 0);
    // 30 blocks and more of metadata, in one transaction; freed in the next.
    EXPECT_EQ(path_create(fs, "d", MODE_DIRECTORY | 0755), 0);
    EXPECT_EQ(path_create(fs, "x", MODE_FILE | 0644), 0);
    for (u32 i = 0; i < 500; i++) {
        snprintf(name, sizeof(name), "d/a name of %u, longer than it has to be",
                 i);
        EXPECT_EQ(path_link(fs, "x", name), 0);
    }
    EXPECT_EQ(fs_commit(fs), 0);
    for (u32 i = 0; i < 500; i++) {
        snprintf(name, sizeof(name), "d/a name of %u, longer than it has to be",
                 i);
        EXPECT_EQ(path_remove(fs, name), 0);
    }
    EXPECT_EQ(path_remove(fs, "d"), 0);
    EXPECT_EQ(fs_commit(fs), 0);
    EXPECT(count_revoked(&m) > 20);
    EXPECT_EQ(path_write(fs, "x", 0, bytes, 30 * KIB), 0);
    EXPECT_EQ(fs_commit(fs), 0);
    EXPECT(fs->journal.used > 30); // nothing of it is where it belongs
    for (u32 ours = 0; ours < 2; ours++) {
        disk_open(&crashed, m.bytes, m.disk.size);
        if (!ours) {
            int status;
            free(disk_command(&crashed, true, &status, "e2fsck -fy $IMAGE"));
        }
        struct fs *after = disk_mount(&crashed, 1 << 20);
        EXPECT_EQ(path_read(after, "x", 0, got, 30 * KIB), 30 * KIB);
        EXPECT(memcmp(got, bytes, 30 * KIB) == 0);
        EXPECT_EQ(path_size(after, "d"), -ENOENT);
        EXPECT_EQ(fs_unmount(after), 0);
        EXPECT(disk_is_sound(&crashed));
        disk_close(&crashed);
    }
    EXPECT_EQ(fs_unmount(fs), 0);
    disk_close(&m);
}

TEST(disk_crash)
{
    u32 count = asked("NEBULET_DISK_WORKLOADS", 20), images = 0;
    u32 seed = asked("NEBULET_DISK_SEED", 1);
    u32 subsets = asked("NEBULET_DISK_SUBSETS", 2);
    struct memory_disk fresh;
    bool good = true;

    disk_make(&fresh, "-t ext3 -b 1024 -J size=1 -N 64 -m 0", 2560);
    for (u32 i = 0; i < count && good; i++) {
        struct workload *w = calloc(1, sizeof(*w));
        assert(w != NULL);
        w->random = (seed + i) * 2654435761u | 1;
        make(w, &fresh);
        good = cut_everywhere(w, subsets);
        images += w->images;
        if (!good) {
            printf("workload %u\n", seed + i);
            show(w);
        }
        model_end();
        disk_close(&w->m);
        free(w->start);
        free(w);
    }
    EXPECT(good);
    printf("%u workloads, %u disks\n", count, images);
    disk_close(&fresh);
}
