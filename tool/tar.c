// tool/tar.c: write ustar archives (POSIX.1-2017, pax), the form of an initrd.
//
// What has no room in a field of the header is in a pax record before it: long
// names, sizes from 8 GiB up, and times before 1970, after 2242 or with a
// fraction of a second.
//
// Others may change files while they are read: what is archived is then some of
// each state, in a sound archive, and said to be so.

#include "tool/tool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BLOCK = 512,
    PAGE = 4096,
    NAME_SIZE = 100,
    DEPTH_MAX = 64,
    UNSIZED_MOST = 64 * MIB, // of a file that has no size
};

static const u64 FIELD_MAX = 077777777777; // of 11 octal digits

struct header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12];
    char checksum[8], type, link[100], magic[6], version[2];
    char user[32], group[32], major[8], minor[8], prefix[155], pad[12];
};

_Static_assert(sizeof(struct header) == BLOCK, "ustar");

struct entry {
    const char *name;
    char type; // '0' file, '5' directory, '2' symbolic link, 'x' pax record
    u32 mode;
    struct timespec mtime;
    const char *link;
    const void *bytes;
    u64 size;
};

// A field of text needs no terminator when it is full; what is too long for it
// is in a pax record as well.
static void
copy_field(char *field, u64 size, const char *text)
{
    for (u64 i = 0; i < size && text[i] != 0; i++)
        field[i] = text[i];
}

// A number that does not fit is in a pax record as well.
static void
number_field(char *field, u64 size, u64 number)
{
    snprintf(field, size, "%0*llo", (int)size - 1,
             (unsigned long long)MIN(number, FIELD_MAX));
}

static void
put_header(struct buffer *tar, const struct entry *e)
{
    struct header h = {.type = e->type, .magic = "ustar"};
    u32 sum = 0;

    copy_field(h.name, sizeof(h.name), e->name);
    copy_field(h.link, sizeof(h.link), e->link ? e->link : "");
    snprintf(h.mode, sizeof(h.mode), "%07o", e->mode & 07777);
    snprintf(h.uid, sizeof(h.uid), "%07o", 0);
    snprintf(h.gid, sizeof(h.gid), "%07o", 0);
    number_field(h.size, sizeof(h.size), e->size);
    number_field(h.mtime, sizeof(h.mtime), (u64)MAX(e->mtime.tv_sec, 0));
    memcpy(h.version, "00", 2);
    memset(h.checksum, ' ', sizeof(h.checksum));
    for (u32 i = 0; i < sizeof(h); i++)
        sum += ((const u8 *)&h)[i];
    snprintf(h.checksum, sizeof(h.checksum), "%06o", sum);
    buffer_put(tar, &h, sizeof(h));
}

static void
put_data(struct buffer *tar, const void *bytes, u64 size)
{
    static const u8 zeros[BLOCK];

    buffer_put(tar, bytes, size);
    buffer_put(tar, zeros, ALIGN_UP(size, BLOCK) - size);
}

// "LENGTH KEY=VALUE\n", where LENGTH counts itself.
static void
pax_record(struct buffer *record, const char *key, const char *value)
{
    u64 rest = strlen(key) + strlen(value) + 3, len = rest + 1;
    char text[32];

    while (rest + (u64)snprintf(text, sizeof(text), "%llu",
                                (unsigned long long)len) !=
           len)
        len++;
    buffer_put(record, text, strlen(text));
    buffer_put(record, " ", 1);
    buffer_put(record, key, strlen(key));
    buffer_put(record, "=", 1);
    buffer_put(record, value, strlen(value));
    buffer_put(record, "\n", 1);
}

// Seconds since 1970 with their fraction; the one of a negative time is below.
static void
time_record(struct buffer *record, struct timespec t)
{
    bool negative = t.tv_sec < 0;
    u64 seconds = negative ? 0 - (u64)t.tv_sec : (u64)t.tv_sec;
    u32 fraction = (u32)t.tv_nsec;
    char text[64];

    if (fraction == 0 && !negative && seconds <= FIELD_MAX)
        return;
    if (negative && fraction > 0) { // tv_nsec counts up from tv_sec
        seconds--;
        fraction = 1000000000 - fraction;
    }
    snprintf(text, sizeof(text), "%s%llu.%09u", negative ? "-" : "",
             (unsigned long long)seconds, fraction);
    pax_record(record, "mtime", text);
}

static void
add(struct buffer *tar, const struct entry *e)
{
    struct buffer record = {0};
    char text[32];

    if (strlen(e->name) > NAME_SIZE)
        pax_record(&record, "path", e->name);
    if (e->link != NULL && strlen(e->link) > NAME_SIZE)
        pax_record(&record, "linkpath", e->link);
    if (e->size > FIELD_MAX) {
        snprintf(text, sizeof(text), "%llu", (unsigned long long)e->size);
        pax_record(&record, "size", text);
    }
    time_record(&record, e->mtime);
    if (record.size > 0) {
        put_header(tar, &(struct entry){.name = "pax",
                                        .type = 'x',
                                        .mode = 0644,
                                        .size = record.size});
        put_data(tar, record.ptr, record.size);
        buffer_free(&record);
    }
    put_header(tar, e);
    put_data(tar, e->bytes, e->size);
}

void
tar_add(struct buffer *tar, const char *name, const void *bytes, u64 size)
{
    add(tar, &(struct entry){.name = name,
                             .type = '0',
                             .mode = 0644,
                             .bytes = bytes,
                             .size = size});
}

// A file in front fills the archive up, so that contents begin with a page.
void
tar_add_mapped(struct buffer *tar, const char *name, void *mapped, u64 size)
{
    static const u8 zeros[PAGE];
    u64 begin = tar->size + 2 * BLOCK; // two headers on
    char fill[NAME_SIZE];

    snprintf(fill, sizeof(fill), "%s-fill", name);
    tar_add(tar, fill, zeros, ALIGN_UP(begin, PAGE) - begin);
    put_header(tar, &(struct entry){
                        .name = name, .type = '0', .mode = 0644, .size = size});
    buffer_put_mapped(tar, mapped, size);
    buffer_put(tar, zeros, ALIGN_UP(size, BLOCK) - size);
}

// --- trees -------------------------------------------------------------------

struct walk {
    const char *top; // the path that was asked for
    struct buffer *tar;
    tar_hides *hides;
    void *self;
    u64 *size; // NULL; or nothing is archived, only counted here, and *tar
               // has each member's header for a moment
};

static void
count(struct walk *w, u64 size)
{
    *w->size += MIN(size, UINT64_MAX - *w->size);
}

static void
put(struct walk *w, const struct entry *e)
{
    add(w->tar, e);
    if (w->size != NULL) {
        count(w, w->tar->size);
        w->tar->size = 0;
    }
}

// What cannot be read is left out, as are devices and the like; but what was
// asked for has to be there.
static bool
leave_out(const struct walk *w, const char *path, const char *why)
{
    if (path == w->top)
        return complain("%s: %s", path, why), false;
    if (w->size == NULL)
        complain("%s: %s: left out", path, why);
    return true;
}

static bool
has_changed(const struct stat *a, const struct stat *b)
{
    return a->st_size != b->st_size || a->st_mtim.tv_sec != b->st_mtim.tv_sec ||
           a->st_mtim.tv_nsec != b->st_mtim.tv_nsec;
}

// Read to the end, but no further than that was at first: a log may grow as
// fast as it is read.  Files that have no size (in /proc) are read whole,
// unless they seem to have no end either.
static int
read_some(int fd, struct buffer *b, bool *changed)
{
    struct stat before, after;
    u8 chunk[65536];
    ssize_t got = 1;

    if (fstat(fd, &before) != 0)
        return errno;
    if (!S_ISREG(before.st_mode))
        return ESTALE; // it was one
    bool sized = before.st_size > 0;
    u64 most = sized ? (u64)before.st_size : UINT64_MAX;
    while (b->size < most && got > 0 && (sized || b->size <= UNSIZED_MOST)) {
        got = read(fd, chunk, MIN(sizeof(chunk), most - b->size));
        if (got > 0)
            buffer_put(b, chunk, (u64)got);
        progress_more((u64)MAX(got, 0));
    }
    if (got < 0 || fstat(fd, &after) != 0)
        return errno;
    if (!sized && b->size > UNSIZED_MOST)
        return EFBIG;
    *changed = has_changed(&before, &after);
    return 0;
}

// What a file will take in the archive; it is not even opened.
static bool
measure_file(struct walk *w, struct entry *e, const char *path, u64 size)
{
    if (access(path, R_OK) == 0) {
        e->type = '0';
        put(w, e);
        count(w, ALIGN_UP(size, BLOCK));
    }
    return true;
}

static bool
add_file(struct walk *w, struct entry *e, const char *path)
{
    struct buffer contents = {0};
    bool changed = false;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    int error = fd < 0 ? errno : read_some(fd, &contents, &changed);

    if (fd >= 0)
        close(fd);
    if (changed)
        complain("%s: changed while it was copied", path);
    if (error == 0) {
        e->type = '0';
        e->bytes = contents.ptr;
        e->size = contents.size;
        put(w, e);
    }
    buffer_free(&contents);
    return error == 0 || leave_out(w, path, strerror(error));
}

static bool
add_link(struct walk *w, struct entry *e, const char *path)
{
    char link[LIMIT_PATH_SIZE] = "";

    if (readlink(path, link, sizeof(link) - 1) < 0)
        return leave_out(w, path, strerror(errno));
    e->type = '2';
    e->link = link;
    put(w, e);
    return true;
}

static bool add_path(struct walk *w, const char *name, const char *path,
                     const struct stat *st, u32 depth);

static bool
add_child(struct walk *w, const char *dir_name, const char *dir,
          const char *child, u32 depth)
{
    char name[LIMIT_PATH_SIZE], path[LIMIT_PATH_SIZE];
    struct stat st;

    if (snprintf(name, sizeof(name), "%s/%s", dir_name, child) >=
            LIMIT_PATH_SIZE - 2 ||
        snprintf(path, sizeof(path), "%s/%s", dir, child) >= LIMIT_PATH_SIZE)
        return complain("%s/%s: the path is too long", dir, child), false;
    if (lstat(path, &st) != 0)
        return leave_out(w, path, strerror(errno));
    if (w->hides(w->self, name, S_ISDIR(st.st_mode)))
        return true;
    return add_path(w, name, path, &st, depth);
}

static bool
add_dir(struct walk *w, struct entry *e, const char *path, u32 depth)
{
    char slashed[LIMIT_PATH_SIZE + 1];
    const char *name = e->name;
    struct dirent **items;
    bool ok = true;

    _Static_assert(DEPTH_MAX == 64, "as the message says");
    if (depth > DEPTH_MAX)
        return leave_out(w, path, "more than 64 directories in each other");
    int count = scandir(path, &items, NULL, alphasort);
    if (count < 0)
        return leave_out(w, path, strerror(errno));
    snprintf(slashed, sizeof(slashed), "%s/", name);
    e->type = '5';
    e->name = slashed;
    put(w, e);
    for (int i = 0; i < count; i++) {
        const char *child = items[i]->d_name;
        if (ok && strcmp(child, ".") != 0 && strcmp(child, "..") != 0)
            ok = add_child(w, name, path, child, depth + 1);
        free(items[i]);
    }
    free(items);
    return ok;
}

static i64 latest = INT64_MAX;

void
tar_set_latest(i64 seconds)
{
    latest = seconds;
}

static struct timespec
clamped(struct timespec t)
{
    return t.tv_sec < latest ? t : (struct timespec){.tv_sec = latest};
}

static bool
add_path(struct walk *w, const char *name, const char *path,
         const struct stat *st, u32 depth)
{
    struct entry e = {
        .name = name, .mode = st->st_mode, .mtime = clamped(st->st_mtim)};

    if (S_ISDIR(st->st_mode))
        return add_dir(w, &e, path, depth);
    if (S_ISLNK(st->st_mode))
        return add_link(w, &e, path);
    if (S_ISREG(st->st_mode))
        return w->size != NULL ? measure_file(w, &e, path, (u64)st->st_size) :
                                 add_file(w, &e, path);
    return leave_out(w, path, "not a file, directory or link");
}

static bool
walk(struct walk *w, const char *name, const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0 || access(path, R_OK) != 0)
        return complain("%s: %s", path, strerror(errno)), false;
    return add_path(w, name, path, &st, 0);
}

void
tar_add_member(struct buffer *tar, const char *folder, u32 number,
               const char *name, struct bytes contents)
{
    char path[64];

    snprintf(path, sizeof(path), "%s/%u/%s", folder, number, name);
    tar_add(tar, path, contents.ptr, contents.size);
}

void
tar_add_dir(struct buffer *tar, const char *name)
{
    add(tar, &(struct entry){.name = name, .type = '5', .mode = 0755});
}

bool
tar_add_path(struct buffer *tar, const char *name, const char *path,
             tar_hides *hides, void *self)
{
    struct walk w = {path, tar, hides, self, NULL};

    return walk(&w, name, path);
}

bool
tar_measure(u64 *size, const char *name, const char *path, tar_hides *hides,
            void *self)
{
    struct buffer headers = {0};
    struct walk w = {path, &headers, hides, self, size};

    *size = 0;
    bool done = walk(&w, name, path);
    buffer_free(&headers);
    return done;
}

void
tar_end(struct buffer *tar)
{
    static const u8 zeros[2 * BLOCK];

    buffer_put(tar, zeros, sizeof(zeros));
}
