// tool/tar.c: write ustar archives (POSIX.1-2017, pax), the form of an initrd.

#include "tool/tool.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 512, NAME_SIZE = 100, PATH_SIZE = 4096, DEPTH_MAX = 64 };

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
    u64 mtime;
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
    snprintf(h.size, sizeof(h.size), "%011llo", (unsigned long long)e->size);
    snprintf(h.mtime, sizeof(h.mtime), "%011llo", (unsigned long long)e->mtime);
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

static void
add(struct buffer *tar, const struct entry *e)
{
    struct buffer record = {0};

    if (strlen(e->name) > NAME_SIZE)
        pax_record(&record, "path", e->name);
    if (e->link != NULL && strlen(e->link) > NAME_SIZE)
        pax_record(&record, "linkpath", e->link);
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

// --- trees -------------------------------------------------------------------

static bool
add_path(struct buffer *tar, const char *name, const char *path,
         const struct stat *st)
{
    struct entry e = {
        .name = name, .mode = st->st_mode, .mtime = (u64)st->st_mtime};
    struct bytes contents = {0};
    char link[PATH_SIZE] = "", slashed[PATH_SIZE + 1];

    if (S_ISDIR(st->st_mode)) {
        snprintf(slashed, sizeof(slashed), "%s/", name);
        e.type = '5';
        e.name = slashed;
    } else if (S_ISLNK(st->st_mode)) {
        if (readlink(path, link, sizeof(link) - 1) < 0)
            return complain("%s: %s", path, strerror(errno)), false;
        e.type = '2';
        e.link = link;
    } else if (S_ISREG(st->st_mode)) {
        contents = file_read(path);
        if (contents.ptr == NULL)
            return false;
        e.type = '0';
        e.bytes = contents.ptr;
        e.size = contents.size;
    } else {
        return complain("%s: not a file, directory or link: left out", path),
               true;
    }
    add(tar, &e);
    free(contents.ptr);
    return true;
}

static bool add_dir(struct buffer *tar, const char *prefix, const char *dir,
                    u32 depth);

static bool
add_child(struct buffer *tar, const char *prefix, const char *dir,
          const char *child, u32 depth)
{
    char name[PATH_SIZE], path[PATH_SIZE];
    struct stat st;

    if (snprintf(name, sizeof(name), "%s%s", prefix, child) >= PATH_SIZE - 2 ||
        snprintf(path, sizeof(path), "%s/%s", dir, child) >= PATH_SIZE)
        return complain("%s/%s: the path is too long", dir, child), false;
    if (lstat(path, &st) != 0)
        return complain("%s: %s", path, strerror(errno)), false;
    if (!add_path(tar, name, path, &st))
        return false;
    if (!S_ISDIR(st.st_mode))
        return true;
    strcat(name, "/");
    return add_dir(tar, name, path, depth + 1);
}

static bool
add_dir(struct buffer *tar, const char *prefix, const char *dir, u32 depth)
{
    struct dirent **items;
    bool ok = true;

    if (depth > DEPTH_MAX)
        return complain("%s: directories nest too deeply", dir), false;
    int count = scandir(dir, &items, NULL, alphasort);
    if (count < 0)
        return complain("%s: %s", dir, strerror(errno)), false;
    for (int i = 0; i < count; i++) {
        const char *child = items[i]->d_name;
        if (ok && strcmp(child, ".") != 0 && strcmp(child, "..") != 0)
            ok = add_child(tar, prefix, dir, child, depth);
        free(items[i]);
    }
    free(items);
    return ok;
}

bool
tar_add_tree(struct buffer *tar, const char *prefix, const char *dir)
{
    return add_dir(tar, prefix, dir, 0);
}

void
tar_end(struct buffer *tar)
{
    static const u8 zeros[2 * BLOCK];

    buffer_put(tar, zeros, sizeof(zeros));
}
