// test/disk/help.c: disks in memory, what e2fsprogs say of them, and paths.

#include "test/disk/help.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TOOLS "PATH=$PATH:/sbin:/usr/sbin"

u64
disk_now(void)
{
    static u64 now = 1700000000ull * 1000000000;

    return now += 1000001;
}

// --- a disk ------------------------------------------------------------------

static void *
more_room(void *list, u64 *room, u64 wanted, u64 size)
{
    while (*room < wanted) {
        *room = 2 * *room + 1024;
        list = realloc(list, *room * size);
        assert(list != NULL);
    }
    return list;
}

static void
note(struct memory_disk *m, const struct disk_part *part)
{
    u64 size = part != NULL ? part->size : 0;

    if (!m->logs)
        return;
    m->events = more_room(m->events, &m->event_room, m->event_count + 1,
                          sizeof(*m->events));
    m->written =
        more_room(m->written, &m->written_room, m->written_size + size, 1);
    m->events[m->event_count++] = (struct disk_event){
        part != NULL ? part->at : 0, (u32)size, m->written_size};
    if (part != NULL)
        memcpy(m->written + m->written_size, part->data, size);
    m->written_size += size;
}

static bool
is_good(u64 *left)
{
    if (*left == 0)
        return false;
    *left -= *left != UINT64_MAX;
    return true;
}

static i32
move(struct disk *d, const struct disk_part *parts, u32 count, bool write)
{
    struct memory_disk *m = (struct memory_disk *)d;

    m->moves++;
    for (u32 i = 0; i < count; i++) {
        const struct disk_part *p = &parts[i];
        assert(p->at % 512 == 0 && p->size % 512 == 0 && p->size > 0 &&
               p->at <= d->size && p->size <= d->size - p->at);
        assert(!write || !d->read_only);
        if (!is_good(write ? &m->good_writes : &m->good_reads))
            return EIO;
        if (write)
            memcpy(m->bytes + p->at, p->data, p->size);
        else
            memcpy(p->data, m->bytes + p->at, p->size);
        if (write)
            note(m, p);
    }
    return 0;
}

static i32
flush(struct disk *d)
{
    struct memory_disk *m = (struct memory_disk *)d;

    m->flushes++;
    if (!is_good(&m->good_flushes))
        return EIO;
    note(m, NULL);
    return 0;
}

void
disk_open(struct memory_disk *m, const u8 *bytes, u64 size)
{
    *m = (struct memory_disk){
        .disk = {.size = size, .move = move, .flush = flush},
        .bytes = malloc(size),
        .good_reads = UINT64_MAX,
        .good_writes = UINT64_MAX,
        .good_flushes = UINT64_MAX,
    };
    assert(m->bytes != NULL);
    memcpy(m->bytes, bytes, size);
}

void
disk_close(struct memory_disk *m)
{
    free(m->bytes);
    free(m->events);
    free(m->written);
}

// --- files of the host -------------------------------------------------------

static void
temporary(char path[64], const u8 *bytes, u64 size)
{
    snprintf(path, 64, "%s/nebulet-disk-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    int fd = mkstemp(path);
    assert(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
    for (u64 at = 0; bytes != NULL && at < size;) {
        ssize_t count = pwrite(fd, bytes + at, size - at, (off_t)at);
        assert(count > 0);
        at += (u64)count;
    }
    close(fd);
}

static u8 *
read_all(const char *path, u64 *size)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert(fd >= 0 && fstat(fd, &st) == 0);
    *size = (u64)st.st_size;
    u8 *bytes = malloc(*size + 1);
    assert(bytes != NULL && pread(fd, bytes, *size, 0) == (ssize_t)*size);
    close(fd);
    return bytes;
}

static char *
output_of(const char *command, int *status)
{
    FILE *from = popen(command, "r");
    u64 room = 0, size = 0;
    char *text = NULL;

    assert(from != NULL);
    do {
        text = more_room(text, &room, size + 4097, 1);
        size += fread(text + size, 1, 4096, from);
    } while (!feof(from));
    text[size] = 0;
    int ended = pclose(from);
    *status = WIFEXITED(ended) ? WEXITSTATUS(ended) : -1;
    return text;
}

char *
disk_command(struct memory_disk *m, bool take_back, int *status,
             const char *format, ...)
{
    char path[64], command[4096];
    va_list list;

    temporary(path, m->bytes, m->disk.size);
    int at = snprintf(command, sizeof(command), TOOLS "; IMAGE=%s; ", path);
    va_start(list, format);
    vsnprintf(command + at, sizeof(command) - (u64)at, format, list);
    va_end(list);
    char *text = output_of(command, status);
    if (take_back) {
        u64 size;
        free(m->bytes);
        m->bytes = read_all(path, &size);
        assert(size == m->disk.size);
    }
    unlink(path);
    return text;
}

void
disk_make(struct memory_disk *m, const char *words, u32 kib)
{
    u8 *zeroes = calloc(kib, KIB);
    int status;

    assert(zeroes != NULL);
    disk_open(m, zeroes, kib * KIB);
    free(zeroes);
    char *text =
        disk_command(m, true, &status, "mke2fs -q %s $IMAGE 2>&1", words);
    if (status == 127)
        test_skip("e2fsprogs are not here");
    if (status != 0)
        printf("mke2fs %s: %s\n", words, text);
    EXPECT_EQ(status, 0);
    free(text);
}

int
disk_check(const struct memory_disk *m, const char *words, char **out)
{
    struct memory_disk copy;
    int status;

    disk_open(&copy, m->bytes, m->disk.size);
    *out = disk_command(&copy, true, &status, "e2fsck %s $IMAGE 2>&1", words);
    disk_close(&copy);
    return status;
}

bool
disk_is_sound(const struct memory_disk *m)
{
    char *text;
    int status = disk_check(m, "-fn", &text);

    if (status != 0)
        printf("e2fsck -fn: status %d\n%s\n", status, text);
    free(text);
    return status == 0;
}

// --- mounting ----------------------------------------------------------------

static void
say(const char *line)
{
    if (getenv("DISK_SAYS") != NULL)
        printf("diskfs: %s\n", line);
}

static struct fs_options
options(u32 cache_size, bool read_only)
{
    return (struct fs_options){read_only, cache_size, disk_now, say};
}

struct fs *
disk_mount(struct memory_disk *m, u32 cache_size)
{
    const struct fs_options o = options(cache_size, false);
    const char *why = "";
    struct fs *fs = NULL;
    i32 error = fs_mount(&fs, &m->disk, &o, &why);

    if (error != 0)
        printf("not mounted: %s\n", why);
    EXPECT_EQ(error, 0);
    return fs;
}

const char *
disk_refusal(struct memory_disk *m, bool read_only)
{
    const struct fs_options o = options(1 << 20, read_only);
    const char *why = "";
    struct fs *fs = NULL;

    if (fs_mount(&fs, &m->disk, &o, &why) != 0)
        return why;
    (void)fs_unmount(fs);
    return NULL;
}

// --- paths -------------------------------------------------------------------

// The directory of the last name, held; which is *name.
static i32
path_dir(struct fs *fs, const char *path, struct inode **dir, const char **name)
{
    i32 error = fs_get(fs, ROOT_INODE, dir);

    while (error == 0) {
        const char *slash = strchr(path, '/');
        struct inode *next = NULL;
        *name = path;
        if (slash == NULL)
            return 0;
        error = fs_lookup(*dir, (const u8 *)path, (u32)(slash - path), &next);
        fs_put(*dir);
        *dir = next;
        path = slash + 1;
    }
    return error;
}

i32
path_get(struct fs *fs, const char *path, struct inode **out)
{
    struct inode *dir;
    const char *name;
    i32 error = path_dir(fs, path, &dir, &name);

    if (error != 0)
        return error;
    if (*name == 0) {
        *out = dir;
        return 0;
    }
    error = fs_lookup(dir, (const u8 *)name, (u32)strlen(name), out);
    fs_put(dir);
    return error;
}

i32
path_create(struct fs *fs, const char *path, u32 mode)
{
    struct inode *dir, *i;
    const char *name;
    i32 error = path_dir(fs, path, &dir, &name);

    if (error != 0)
        return error;
    error = fs_create(dir, (const u8 *)name, (u32)strlen(name), mode, &i);
    fs_put(dir);
    if (error == 0)
        fs_put(i);
    return error;
}

static i32
move_in(void *arg, u32 offset, u8 *data, u32 size)
{
    memcpy(data, (const u8 *)arg + offset, size);
    return 0;
}

i32
disk_move_out(void *arg, u32 offset, u8 *data, u32 size)
{
    memcpy((u8 *)arg + offset, data, size);
    return 0;
}

i32
path_write(struct fs *fs, const char *path, u64 at, const void *bytes, u32 size)
{
    const struct fs_mover from = {move_in, (void *)bytes};
    struct inode *i;
    u32 count;
    i32 error = path_get(fs, path, &i);

    if (error != 0)
        return error;
    error = fs_write(i, at, size, &from, &count);
    fs_put(i);
    return error == 0 && count != size ? ENOSPC : error;
}

i64
path_read(struct fs *fs, const char *path, u64 at, void *bytes, u32 size)
{
    const struct fs_mover to = {disk_move_out, bytes};
    struct inode *i;
    u32 count;
    i32 error = path_get(fs, path, &i);

    if (error != 0)
        return -error;
    error = fs_read(i, at, size, &to, &count);
    fs_put(i);
    return error != 0 ? -error : (i64)count;
}

i64
path_target(struct fs *fs, const char *path, void *bytes, u32 size)
{
    const struct fs_mover to = {disk_move_out, bytes};
    struct inode *i;
    u32 count;
    i32 error = path_get(fs, path, &i);

    if (error != 0)
        return -error;
    error = fs_target(i, &to, size, &count);
    fs_put(i);
    return error != 0 ? -error : (i64)count;
}

i64
path_size(struct fs *fs, const char *path)
{
    struct inode *i;
    i32 error = path_get(fs, path, &i);

    if (error != 0)
        return -error;
    i64 size = (i64)i->size;
    fs_put(i);
    return size;
}

i32
path_set_size(struct fs *fs, const char *path, u64 size)
{
    struct inode *i;
    i32 error = path_get(fs, path, &i);

    if (error != 0)
        return error;
    error = fs_set_size(i, size);
    fs_put(i);
    return error;
}

i32
path_sync(struct fs *fs, const char *path, bool data)
{
    struct inode *i;
    i32 error = path_get(fs, path, &i);

    if (error != 0)
        return error;
    error = fs_sync(i, data);
    fs_put(i);
    return error;
}

i32
path_remove(struct fs *fs, const char *path)
{
    struct inode *dir;
    const char *name;
    i32 error = path_dir(fs, path, &dir, &name);

    if (error != 0)
        return error;
    error = fs_remove(dir, (const u8 *)name, (u32)strlen(name));
    fs_put(dir);
    return error;
}

i32
path_rename(struct fs *fs, const char *from, const char *to)
{
    struct inode *dir, *to_dir;
    const char *name, *to_name;
    i32 error = path_dir(fs, from, &dir, &name);

    if (error != 0)
        return error;
    error = path_dir(fs, to, &to_dir, &to_name);
    if (error == 0) {
        error = fs_rename(dir, (const u8 *)name, (u32)strlen(name), to_dir,
                          (const u8 *)to_name, (u32)strlen(to_name));
        fs_put(to_dir);
    }
    fs_put(dir);
    return error;
}

i32
path_link(struct fs *fs, const char *from, const char *to)
{
    struct inode *dir, *i;
    const char *name;
    i32 error = path_get(fs, from, &i);

    if (error != 0)
        return error;
    error = path_dir(fs, to, &dir, &name);
    if (error == 0) {
        error = fs_link(dir, (const u8 *)name, (u32)strlen(name), i);
        fs_put(dir);
    }
    fs_put(i);
    return error;
}

i32
path_symlink(struct fs *fs, const char *target, const char *path)
{
    struct inode *dir;
    const char *name;
    i32 error = path_dir(fs, path, &dir, &name);

    if (error != 0)
        return error;
    error = fs_symlink(dir, (const u8 *)name, (u32)strlen(name),
                       (const u8 *)target, (u32)strlen(target));
    fs_put(dir);
    return error;
}

struct names {
    char (*list)[256];
    u64 count, room;
};

static bool
add_name(void *arg, const struct fs_entry *e)
{
    struct names *n = arg;

    n->list = more_room(n->list, &n->room, n->count + 1, sizeof(*n->list));
    memcpy(n->list[n->count], e->name, e->name_size);
    n->list[n->count++][e->name_size] = 0;
    return true;
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

char *
path_list(struct fs *fs, const char *path)
{
    struct names n = {0};
    struct inode *i;

    if (path_get(fs, path, &i) != 0)
        return strdup("?");
    if (fs_list(i, 0, add_name, &n) != 0)
        n.count = 0;
    fs_put(i);
    char *text = malloc(n.count * 257 + 1), *at = text;
    assert(text != NULL);
    *at = 0;
    if (n.count > 0)
        qsort(n.list, n.count, sizeof(*n.list), by_name);
    for (u64 k = 0; k < n.count; k++)
        at += sprintf(at, "%s ", n.list[k]);
    free(n.list);
    return text;
}
