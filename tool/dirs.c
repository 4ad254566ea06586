// tool/dirs.c: what programs see of the host's files, HOST[::GUEST[::ro]].
// They are the host's own where the port can have that; a copy becomes members
// root/GUEST/... of the initrd, measured first: what there is no room for is
// not read.
//
// Directories may lie in each other; like a mount, one hides what the outer
// one has at its place.  A file outside of all directories is in one of its
// own, which has nothing else.

#include "port/linux/files.h"
#include "port/linux/linux.h"
#include "tool/tool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool
dirs_add(struct dirs *dirs, const struct command *c, const struct option *o,
         const char *value)
{
    struct dir dir = {.option = o->name, .text = value};

    if (dirs->count == DIRS_MAX) {
        misuse(c, "%s %s: more than %d of them", o->name, value, DIRS_MAX);
        return false;
    }
    const char *guest = strstr(value, "::");
    const char *mode = guest ? strstr(guest + 2, "::") : NULL;
    u64 len = guest ? (u64)(guest - value) : strlen(value);
    if (len == 0 || len >= sizeof(dir.host)) {
        misuse(c, "%s %s: no directory or file is named", o->name, value);
        return false;
    }
    if (mode != NULL && strcmp(mode + 2, "ro") != 0) {
        misuse(c, "%s %s: what follows the second :: is not ro", o->name,
               value);
        return false;
    }
    snprintf(dir.host, sizeof(dir.host), "%.*s", (int)len, value);
    dir.disk = strcmp(o->name, "--disk") == 0;
    dir.live = dir.disk || (!dirs->copies && strcmp(o->name, "--dir") == 0);
    dir.read_only = mode != NULL;
    if (guest != NULL) {
        len = mode ? (u64)(mode - guest - 2) : strlen(guest + 2);
        if (len >= sizeof(dir.guest)) {
            misuse(c, "%s %s: the name is too long", o->name, value);
            return false;
        }
        snprintf(dir.guest, sizeof(dir.guest), "%.*s", (int)len, guest + 2);
    }
    dirs->list[dirs->count++] = dir;
    return true;
}

// --- where things are --------------------------------------------------------

static bool
refuse(const struct dir *dir, const char *why)
{
    complain("%s %s: %s", dir->option, dir->text, why);
    return false;
}

// Let dir->guest be "/" or "/NAME/...", without ".", ".." and double slashes.
static bool
normalise(struct dir *dir)
{
    char clean[sizeof(dir->guest) + 1] = "";
    const char *at = dir->guest;

    while (*at != 0) {
        size_t len = strcspn(at, "/");
        if (len == 2 && memcmp(at, "..", 2) == 0)
            return refuse(dir, "the program's name for it has a ..");
        if (len > 0 && !(len == 1 && at[0] == '.')) {
            strcat(clean, "/");
            strncat(clean, at, len);
        }
        at += len + (at[len] == '/');
    }
    if (strlen(clean) >= sizeof(dir->guest))
        return refuse(dir, "the name is too long");
    strcpy(dir->guest, clean[0] ? clean : "/");
    return true;
}

// A file is in the program's directory GUEST under its own name when GUEST is
// empty or ends in a slash.
static bool
locate(struct dir *dir, bool named)
{
    size_t len = strlen(dir->guest);
    struct stat st;

    if (stat(dir->host, &st) != 0)
        return refuse(dir, strerror(errno));
    dir->is_file = S_ISREG(st.st_mode) && !dir->disk;
    if (dir->disk && !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
        return refuse(dir, "neither a file nor a disk");
    if (!dir->disk && !dir->is_file && !S_ISDIR(st.st_mode))
        return refuse(dir, "neither a directory nor a file");
    if (dir->is_file && (len == 0 || dir->guest[len - 1] == '/')) {
        const char *name = base_name(dir->host);
        if (len + strlen(name) >= sizeof(dir->guest))
            return refuse(dir, "the name is too long");
        strcat(dir->guest, name);
    }
    if (!dir->is_file && named && len == 0) {
        char *real = realpath(dir->host, NULL);
        if (real != NULL)
            snprintf(dir->guest, sizeof(dir->guest), "%s", base_name(real));
        free(real);
    }
    if (!normalise(dir))
        return false;
    return !dir->is_file || strcmp(dir->guest, "/") != 0 ||
           refuse(dir, "a file cannot be /");
}

// Is `path` a place below `dir`?
static bool
is_below(const char *path, const char *dir)
{
    size_t len = strcmp(dir, "/") == 0 ? 0 : strlen(dir);

    return strncmp(path, dir, len) == 0 && path[len] == '/' &&
           strcmp(path, dir) != 0;
}

static bool
check_pair(const struct dir *a, const struct dir *b)
{
    const char *how = NULL;

    if (strcmp(a->guest, b->guest) == 0)
        how = "both";
    else if ((a->is_file && is_below(b->guest, a->guest)) ||
             (b->is_file && is_below(a->guest, b->guest)))
        how = "a file and below it";
    if (how == NULL)
        return true;
    complain("%s %s and %s %s: they are %s %s for the program; give one "
             "another place, HOST::GUEST",
             a->option, a->text, b->option, b->text, how, a->guest);
    return false;
}

// The innermost directory that a place is in; NULL: none.
static const struct dir *
home_of(const struct dirs *dirs, const char *guest)
{
    const struct dir *home = NULL;

    for (u32 i = 0; i < dirs->count; i++) {
        const struct dir *d = &dirs->list[i];
        if (!d->is_file && is_below(guest, d->guest) &&
            (home == NULL || is_below(d->guest, home->guest)))
            home = d;
    }
    return home;
}

// A file is the host's or a copy as the directory is that has it.
static bool
settle_file(const struct dirs *dirs, struct dir *file)
{
    const struct dir *home = home_of(dirs, file->guest);

    bool asked = strcmp(file->option, "--dir") == 0;

    if (home != NULL && home->disk)
        return refuse(file, "a file has no place in what is on a disk; give it "
                            "another, HOST::GUEST");
    if (home != NULL && home->live && !file->live && asked && dirs->served)
        return refuse(file, "a single file is a copy in the machine, and has "
                            "no place in a directory that is the host's own; "
                            "give it another, HOST::GUEST");
    if (home != NULL && home->live && !file->live)
        return refuse(file, "a copy has no place in a directory that is the "
                            "host's own; give it another, HOST::GUEST");
    file->live = file->live && (home == NULL || home->live);
    if (home == NULL) {
        strcpy(file->home, file->guest);
        char *slash = strrchr(file->home, '/');
        slash[slash == file->home] = 0;
    }
    return true;
}

// Two files with one home that none of the directories is.
static bool
check_homes(const struct dir *a, const struct dir *b)
{
    if (a->home[0] == 0 || strcmp(a->home, b->home) != 0 || a->live == b->live)
        return true;
    complain("%s %s and %s %s: one is a copy, and both are in %s; give one "
             "another place, HOST::GUEST",
             a->option, a->text, b->option, b->text, a->home);
    return false;
}

static bool
locate_all(struct dirs *dirs)
{
    for (u32 i = 0; i < dirs->count; i++) {
        if (!locate(&dirs->list[i], dirs->named))
            return false;
        dirs->list[i].live &= !dirs->served || !dirs->list[i].is_file;
        for (u32 k = 0; k < i; k++)
            if (!check_pair(&dirs->list[k], &dirs->list[i]))
                return false;
    }
    for (u32 i = 0; i < dirs->count; i++) {
        if (dirs->list[i].is_file && !settle_file(dirs, &dirs->list[i]))
            return false;
        for (u32 k = 0; k < i; k++)
            if (!check_homes(&dirs->list[k], &dirs->list[i]))
                return false;
    }
    return true;
}

// --- packing -----------------------------------------------------------------

// Left out is what another --dir hides: what has its place, and what would be
// in the way to it.
struct hidden {
    const struct dirs *dirs;
    const char *above; // what members begin with
};

static bool
is_hidden(void *self, const char *member, bool is_dir)
{
    const struct hidden *h = self;
    const char *guest = member + strlen(h->above);
    const struct dirs *dirs = h->dirs;

    for (u32 i = 0; i < dirs->count; i++) {
        const char *other = dirs->list[i].guest;
        if (strcmp(guest, other) == 0 || (!is_dir && is_below(other, guest)))
            return true;
    }
    return false;
}

struct member_name {
    char name[sizeof(ROOT) + sizeof(((struct dir *)0)->guest)];
};

static struct member_name
member_of(const struct dir *dir, const char *above)
{
    bool is_root = strcmp(dir->guest, "/") == 0;
    struct member_name m;

    snprintf(m.name, sizeof(m.name), "%s%s", above, is_root ? "" : dir->guest);
    return m;
}

bool
dirs_measure(struct dirs *dirs, u64 *size, const struct dir **largest)
{
    *size = 0;
    *largest = NULL;
    if (!locate_all(dirs))
        return false;
    for (u32 i = 0; i < dirs->count; i++) {
        struct dir *dir = &dirs->list[i];
        struct hidden hidden = {dirs, ROOT};
        if (!dir->live && !tar_measure(&dir->size, member_of(dir, ROOT).name,
                                       dir->host, is_hidden, &hidden))
            return false;
        *size += MIN(dir->size, UINT64_MAX - *size);
        if (*largest == NULL || dir->size > (*largest)->size)
            *largest = dir;
    }
    return true;
}

// The names of the directories that the program has open, in the order of the
// options, each once.
static void
pack_preopens(const struct dirs *dirs, struct buffer *tar)
{
    struct buffer names = {0};

    for (u32 i = 0; i < dirs->count; i++) {
        const struct dir *dir = &dirs->list[i];
        const char *name = dir->is_file ? dir->home : dir->guest;
        bool known = name[0] == 0;
        for (u64 at = 0; at < names.size;
             at += strlen((char *)names.ptr + at) + 1)
            known |= strcmp((char *)names.ptr + at, name) == 0;
        if (!known)
            buffer_put(&names, name, strlen(name) + 1);
    }
    tar_add(tar, "run/dirs", names.ptr, names.size);
    buffer_free(&names);
}

// Where a directory of the host is in a copied one, that shows its name.
static void
pack_live(const struct dirs *dirs, const struct dir *dir, struct buffer *tar)
{
    const struct dir *home = home_of(dirs, dir->guest);

    if (!dir->is_file && home != NULL && !home->live)
        tar_add_dir(tar, member_of(dir, ROOT).name);
}

static int
by_guest(const void *a, const void *b)
{
    return strcmp(((const struct dir *)a)->guest,
                  ((const struct dir *)b)->guest);
}

// Which places may be written to: outer ones first.
static void
pack_modes(const struct dirs *dirs, struct buffer *tar)
{
    struct dir *sorted = malloc(sizeof(dirs->list));
    struct buffer modes = {0};

    assert(sorted != NULL);
    memcpy(sorted, dirs->list, dirs->count * sizeof(*sorted));
    qsort(sorted, dirs->count, sizeof(*sorted), by_guest);
    for (u32 i = 0; i < dirs->count; i++) {
        bool copy = dirs->copies || strcmp(sorted[i].option, "--dir") != 0;
        if (sorted[i].live)
            continue;
        buffer_put(&modes, copy && !sorted[i].read_only ? "w" : "r", 1);
        buffer_put(&modes, sorted[i].guest, strlen(sorted[i].guest) + 1);
    }
    tar_add(tar, "run/modes", modes.ptr, modes.size);
    buffer_free(&modes);
    free(sorted);
}

bool
dirs_copy(struct dirs *dirs, struct buffer *tar, const char *above)
{
    struct hidden hidden = {dirs, above};

    for (u32 i = 0; i < dirs->count; i++) {
        const struct dir *dir = &dirs->list[i];
        if (dir->live)
            pack_live(dirs, dir, tar);
        else if (!tar_add_path(tar, member_of(dir, above).name, dir->host,
                               is_hidden, &hidden))
            return false;
    }
    return true;
}

bool
dirs_pack(struct dirs *dirs, struct buffer *tar)
{
    if (dirs->count == 0)
        return true;
    if (!dirs_copy(dirs, tar, ROOT))
        return false;
    pack_preopens(dirs, tar);
    pack_modes(dirs, tar);
    return true;
}

bool
dir_is_served(const struct dirs *dirs, const struct dir *dir)
{
    return dir->live && (dirs->served || dir->disk);
}

u32
dirs_served(const struct dirs *dirs)
{
    u32 count = 0;

    for (u32 i = 0; i < dirs->count; i++)
        count += dir_is_served(dirs, &dirs->list[i]);
    return count;
}

u32
dir_disk_number(const struct dirs *dirs, const struct dir *disk)
{
    u32 number = 0;

    for (const struct dir *dir = dirs->list; dir < disk; dir++)
        number += dir->disk;
    return number;
}

// As the host has it.
static int
mount_dir(const struct dir *dir)
{
    int error = 0;

    if (dir->disk)
        return linux_disk(dir->host, !dir->read_only);
    if (dir->home[0] != 0)
        error = linux_mount(dir->home, NULL, false);
    return error != 0 ? error :
                        linux_mount(dir->guest, dir->host, !dir->read_only);
}

bool
dirs_mount(const struct dirs *dirs)
{
    for (u32 i = 0; i < dirs->count; i++) {
        const struct dir *dir = &dirs->list[i];
        int error = dir->live ? mount_dir(dir) : 0;
        if (error != 0)
            return refuse(dir, strerror(error));
    }
    return true;
}
