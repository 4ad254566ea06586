// test/disk/model.c: a model of files, changed and compared.

#include "test/disk/model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const words[] = {"foo", "bar", "A", "B", "C"};

u32
model_number(u32 *random, u32 below)
{
    *random ^= *random << 13;
    *random ^= *random >> 17;
    *random ^= *random << 5;
    return *random % below;
}

// --- names -------------------------------------------------------------------

static u32
find(const struct model *m, u32 parent, const char *name, u64 size)
{
    for (u32 i = 0; i < MODEL_NAMES; i++) {
        const struct model_entry *e = &m->entries[i];
        if (e->kind != MODEL_FREE && e->parent == parent &&
            strlen(e->name) == size && memcmp(e->name, name, size) == 0)
            return i;
    }
    return MODEL_NAMES;
}

struct place {
    u32 parent, entry; // MODEL_NAMES: there is none
    char name[NAME];
};

static i32
resolve(const struct model *m, const char *path, struct place *p)
{
    p->parent = MODEL_NAMES;
    for (;;) {
        u64 size = strcspn(path, "/");
        u32 entry = find(m, p->parent, path, size);
        if (path[size] == 0) {
            strcpy(p->name, path);
            p->entry = entry;
            return 0;
        }
        if (entry == MODEL_NAMES)
            return ENOENT;
        if (m->entries[entry].kind != MODEL_DIR)
            return ENOTDIR;
        p->parent = entry;
        path += size + 1;
    }
}

u32
model_file(const struct model *m, const char *path)
{
    struct place p;

    if (resolve(m, path, &p) != 0 || p.entry == MODEL_NAMES)
        return MODEL_FILES;
    return m->entries[p.entry].file;
}

static bool
is_empty(const struct model *m, u32 dir)
{
    for (u32 i = 0; i < MODEL_NAMES; i++)
        if (m->entries[i].kind != MODEL_FREE && m->entries[i].parent == dir)
            return false;
    return true;
}

static i32
add(struct model *m, const struct place *p, enum model_kind kind, u32 file)
{
    for (u32 i = 0; i < MODEL_NAMES; i++) {
        struct model_entry *e = &m->entries[i];
        if (e->kind != MODEL_FREE)
            continue;
        *e = (struct model_entry){kind, p->parent, file, ""};
        strcpy(e->name, p->name);
        return 0;
    }
    return ENOSPC;
}

// --- changes -----------------------------------------------------------------

static struct model_content *all; // that there are

static struct model_content *
new_content(const struct model_content *old)
{
    struct model_content *c = calloc(1, sizeof(*c));

    assert(c != NULL);
    if (old != NULL)
        *c = *old;
    c->next = all;
    all = c;
    return c;
}

void
model_end(void)
{
    while (all != NULL) {
        struct model_content *c = all;
        all = c->next;
        free(c);
    }
}

static void
put_target(struct model_content *c, const struct model_change *change)
{
    c->size = change->size % 100 + 1;
    memset(c->bytes, 'a' + (int)(change->seed % 26), c->size);
}

static i32
make(struct model *m, const struct model_change *c, enum model_kind kind)
{
    struct place p;
    i32 error = resolve(m, c->path, &p);

    if (error == 0 && p.entry != MODEL_NAMES)
        error = EEXIST;
    if (error != 0)
        return error;
    u32 file = m->files++;
    assert(file < MODEL_FILES);
    m->contents[file] = new_content(NULL);
    if (kind == MODEL_LINK)
        put_target(m->contents[file], c);
    return add(m, &p, kind, file);
}

static i32
do_link(struct model *m, const struct model_change *c)
{
    struct place from, to;
    i32 error = resolve(m, c->path, &from);

    if (error == 0 && from.entry == MODEL_NAMES)
        error = ENOENT;
    if (error == 0)
        error = resolve(m, c->other, &to);
    if (error == 0 && m->entries[from.entry].kind == MODEL_DIR)
        error = EPERM;
    if (error == 0 && to.entry != MODEL_NAMES)
        error = EEXIST;
    if (error != 0)
        return error;
    return add(m, &to, m->entries[from.entry].kind,
               m->entries[from.entry].file);
}

static i32
do_remove(struct model *m, const struct model_change *c)
{
    struct place p;
    i32 error = resolve(m, c->path, &p);

    if (error == 0 && p.entry == MODEL_NAMES)
        error = ENOENT;
    if (error == 0 && !is_empty(m, p.entry))
        error = ENOTEMPTY;
    if (error == 0)
        m->entries[p.entry].kind = MODEL_FREE;
    return error;
}

static bool
is_inside(const struct model *m, u32 at, u32 dir)
{
    while (at != MODEL_NAMES && at != dir)
        at = m->entries[at].parent;
    return at == dir;
}

static i32
do_rename(struct model *m, const struct model_change *c)
{
    struct place from, to;
    i32 error = resolve(m, c->path, &from);

    if (error == 0)
        error = resolve(m, c->other, &to);
    if (error == 0 && from.entry == MODEL_NAMES)
        error = ENOENT;
    if (error != 0)
        return error;
    struct model_entry *moved = &m->entries[from.entry];
    struct model_entry *over =
        to.entry != MODEL_NAMES ? &m->entries[to.entry] : NULL;
    if (over != NULL && over->file == moved->file)
        return 0;
    if (moved->kind == MODEL_DIR && is_inside(m, to.parent, from.entry))
        return EINVAL;
    if (over != NULL && moved->kind == MODEL_DIR && over->kind != MODEL_DIR)
        return ENOTDIR;
    if (over != NULL && moved->kind != MODEL_DIR && over->kind == MODEL_DIR)
        return EISDIR;
    if (over != NULL && !is_empty(m, to.entry))
        return ENOTEMPTY;
    if (over != NULL)
        over->kind = MODEL_FREE;
    moved->parent = to.parent;
    strcpy(moved->name, to.name);
    return 0;
}

static i32
do_contents(struct model *m, const struct model_change *c)
{
    struct place p;
    i32 error = resolve(m, c->path, &p);

    if (error == 0 && p.entry == MODEL_NAMES)
        error = ENOENT;
    if (error == 0 && m->entries[p.entry].kind == MODEL_DIR)
        error = EISDIR;
    if (error == 0 && m->entries[p.entry].kind == MODEL_LINK)
        error = EINVAL;
    if (error != 0)
        return error;
    u32 file = m->entries[p.entry].file;
    struct model_content *new = new_content(m->contents[file]);
    u32 at = c->op == OP_APPEND ? new->size : c->at;
    u32 size = MIN(c->size, MODEL_SIZE - at);
    m->contents[file] = new;
    if (c->op == OP_TRUNCATE) {
        if (c->at < new->size)
            memset(new->bytes + c->at, 0, new->size - c->at);
        new->size = c->at;
        return 0;
    }
    for (u32 i = 0; i < size; i++)
        new->bytes[at + i] = (u8)(c->seed + i / 512 * 7 + 1);
    if (size > 0)
        new->size = MAX(new->size, at + size);
    return 0;
}

static i32
do_sync(struct model *m, const struct model_change *c)
{
    struct place p;
    i32 error = resolve(m, c->path, &p);

    if (c->op == OP_SYNC)
        return 0;
    return error == 0 && p.entry == MODEL_NAMES ? ENOENT : error;
}

i32
model_do(struct model *m, const struct model_change *c)
{
    switch (c->op) {
    case OP_CREATE:
        return make(m, c, MODEL_FILE);
    case OP_MKDIR:
        return make(m, c, MODEL_DIR);
    case OP_SYMLINK:
        return make(m, c, MODEL_LINK);
    case OP_LINK:
        return do_link(m, c);
    case OP_REMOVE:
        return do_remove(m, c);
    case OP_RENAME:
        return do_rename(m, c);
    case OP_WRITE:
    case OP_APPEND:
    case OP_TRUNCATE:
        return do_contents(m, c);
    default:
        return do_sync(m, c);
    }
}

// --- the same with the file system -------------------------------------------

static i32
fs_write_some(struct fs *fs, const struct model_change *c)
{
    static u8 bytes[MODEL_SIZE];
    i64 size = path_size(fs, c->path);

    if (size < 0)
        return (i32)-size;
    u32 at = c->op == OP_APPEND ? (u32)size : c->at;
    u32 count = MIN(c->size, MODEL_SIZE - at);
    for (u32 i = 0; i < count; i++)
        bytes[i] = (u8)(c->seed + i / 512 * 7 + 1);
    return path_write(fs, c->path, at, bytes, count);
}

i32
fs_do(struct fs *fs, const struct model_change *c)
{
    struct model_content target;

    switch (c->op) {
    case OP_CREATE:
        return path_create(fs, c->path, MODE_FILE | 0644);
    case OP_MKDIR:
        return path_create(fs, c->path, MODE_DIRECTORY | 0755);
    case OP_SYMLINK:
        memset(&target, 0, sizeof(target));
        put_target(&target, c);
        return path_symlink(fs, (char *)target.bytes, c->path);
    case OP_LINK:
        return path_link(fs, c->path, c->other);
    case OP_REMOVE:
        return path_remove(fs, c->path);
    case OP_RENAME:
        return path_rename(fs, c->path, c->other);
    case OP_WRITE:
    case OP_APPEND:
        return fs_write_some(fs, c);
    case OP_TRUNCATE:
        return path_set_size(fs, c->path, c->at);
    case OP_FSYNC:
    case OP_FDATASYNC:
        return path_sync(fs, c->path, c->op == OP_FDATASYNC);
    default:
        return fs_commit(fs);
    }
}

// --- comparing ---------------------------------------------------------------

struct comparison {
    struct fs *fs;
    const struct model *times;
    u32 at, end;
    const u32 *since;
    u32 parent, found; // entries
    u32 inodes[MODEL_FILES];
    bool same;
};

// Each sector is as it was at one of the times.
static bool
same_bytes(const struct comparison *c, u32 file, const u8 *bytes, u32 size)
{
    u32 from = MAX(c->at, c->since != NULL ? c->since[file] : 0);

    for (u32 at = 0; at < size; at += 512) {
        u32 count = MIN(512, size - at), time = MIN(from, c->end);
        for (; time <= c->end; time++) {
            const struct model_content *old = c->times[time].contents[file];
            if (old != NULL && memcmp(old->bytes + at, bytes + at, count) == 0)
                break;
        }
        if (time > c->end)
            return false;
    }
    return true;
}

static bool
same_content(const struct comparison *c, const struct model_entry *e,
             struct inode *i)
{
    static u8 bytes[MODEL_SIZE + 1];
    const struct model_content *want = c->times[c->at].contents[e->file];
    u32 count = 0;

    if (i->size != want->size)
        return false;
    const struct fs_mover to = {disk_move_out, bytes};
    i32 error = e->kind == MODEL_LINK ? fs_target(i, &to, MODEL_SIZE, &count) :
                                        fs_read(i, 0, MODEL_SIZE, &to, &count);
    if (error != 0 || count != want->size)
        return false;
    return e->kind == MODEL_LINK ? memcmp(bytes, want->bytes, count) == 0 :
                                   same_bytes(c, e->file, bytes, count);
}

static u32
links_of(const struct model *m, u32 file)
{
    u32 count = 0;

    for (u32 i = 0; i < MODEL_NAMES; i++)
        count += m->entries[i].kind != MODEL_FREE && m->entries[i].file == file;
    return count;
}

static bool compare_dir(struct comparison *c, struct inode *dir, u32 entry);

static bool
same_entry(struct comparison *c, u32 index, const struct fs_entry *f)
{
    static const u32 modes[] = {[MODEL_FILE] = MODE_FILE,
                                [MODEL_DIR] = MODE_DIRECTORY,
                                [MODEL_LINK] = MODE_SYMLINK};
    const struct model *m = &c->times[c->at];
    const struct model_entry *e = &m->entries[index];
    struct inode *i;

    if (f->mode != modes[e->kind] || fs_get(c->fs, f->inode, &i) != 0)
        return false;
    if (c->inodes[e->file] == 0)
        c->inodes[e->file] = f->inode;
    bool same = inode_is(i, modes[e->kind]) && c->inodes[e->file] == f->inode &&
                (e->kind == MODEL_DIR || i->links == links_of(m, e->file));
    if (same)
        same = e->kind == MODEL_DIR ? compare_dir(c, i, index) :
                                      same_content(c, e, i);
    fs_put(i);
    return same;
}

static bool
compare_entry(void *arg, const struct fs_entry *f)
{
    struct comparison *c = arg;
    bool dots = f->name_size <= 2 && memcmp(f->name, "..", f->name_size) == 0;

    if (dots || (f->name_size == 10 && memcmp(f->name, "lost+found", 10) == 0))
        return true;
    u32 index =
        find(&c->times[c->at], c->parent, (const char *)f->name, f->name_size);
    c->found++;
    c->same = index != MODEL_NAMES && same_entry(c, index, f);
    return c->same;
}

static bool
compare_dir(struct comparison *c, struct inode *dir, u32 entry)
{
    u32 above = c->parent;

    c->parent = entry;
    i32 error = fs_list(dir, 0, compare_entry, c);
    c->parent = above;
    return error == 0 && c->same;
}

bool
model_is(struct fs *fs, const struct model *times, u32 at, u32 end,
         const u32 *since)
{
    struct comparison c = {fs,          times, at,  end, since,
                           MODEL_NAMES, 0,     {0}, true};
    struct inode *root;
    u32 count = 0;

    if (fs_get(fs, ROOT_INODE, &root) != 0)
        return false;
    bool same = compare_dir(&c, root, MODEL_NAMES);
    fs_put(root);
    for (u32 i = 0; i < MODEL_NAMES; i++)
        count += times[at].entries[i].kind != MODEL_FREE;
    return same && c.found == count;
}

// --- at random ---------------------------------------------------------------

static void
random_path(const struct model *m, u32 *random, char *path)
{
    u32 parent = MODEL_NAMES, depth = 0;

    path[0] = 0;
    for (;;) {
        const char *word = words[model_number(random, COUNT(words))];
        strcat(path, word);
        u32 entry = find(m, parent, word, strlen(word));
        if (++depth == 3 || entry == MODEL_NAMES ||
            m->entries[entry].kind != MODEL_DIR || model_number(random, 3) == 0)
            return;
        parent = entry;
        strcat(path, "/");
    }
}

struct model_change
model_random(const struct model *m, u32 *random)
{
    static const u32 places[] = {0, 1, 511, 1000, 1024, 4096, 12288, 13000};
    struct model_change c = {.op = model_number(random, OPS),
                             .seed = model_number(random, 256)};
    u32 count = 0;

    for (u32 i = 0; i < MODEL_NAMES; i++)
        count += m->entries[i].kind != MODEL_FREE;
    if (count > MODEL_NAMES - 2 || m->files > MODEL_FILES - 2)
        c.op = OP_REMOVE;
    random_path(m, random, c.path);
    random_path(m, random, c.other);
    c.at = places[model_number(random, COUNT(places))];
    c.size = places[model_number(random, COUNT(places))] + 1;
    return c;
}
