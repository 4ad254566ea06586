// wasi/path.c: from a directory and a path to a node, as openat does it, but
// never out of that directory: an absolute path, an absolute symlink and a ".."
// that would climb above the start are refused.

#include "wasi/wasi.h"

struct string
path_component(struct string *rest)
{
    while (rest->len > 0 && rest->ptr[0] == '/') {
        rest->ptr++;
        rest->len--;
    }
    struct string name = {rest->ptr, 0};
    while (name.len < rest->len && name.ptr[name.len] != '/')
        name.len++;
    rest->ptr += name.len;
    rest->len -= name.len;
    return name;
}

// A walk in progress.  What is left of the path lies at the end of the buffer,
// so that the target of a symlink goes in front of it.
struct walk {
    struct node *at; // with a reference of ours
    u32 depth;       // directories below the start
    u32 links;       // symlinks followed
    u32 steps;       // names looked at: they bound the time under the lock
    char *buffer;
    struct string rest;
};

static errno_t
prepend(struct walk *w, struct string text)
{
    u64 room = (u64)(w->rest.ptr - w->buffer);

    if (text.len > 0 && text.ptr[0] == '/')
        return WASI_PERM;
    if (text.len > room)
        return WASI_NAMETOOLONG;
    memcpy(w->buffer + (room - text.len), text.ptr, text.len);
    w->rest.ptr -= text.len;
    w->rest.len += text.len;
    return WASI_SUCCESS;
}

static errno_t
follow_link(struct walk *w, struct node *link)
{
    struct string target = link->ops->target(link);

    if (++w->links > SYMLINKS_MAX)
        return WASI_LOOP;
    if (target.len == 0)
        return WASI_NOENT;
    return prepend(w, target);
}

static void
release(struct node *n)
{
    if (n->ops->release != NULL)
        n->ops->release(n);
}

// The same node with one more reference, as lookup gives it.
static struct node *
again(struct node *n)
{
    if (n->ops->release != NULL)
        n->ops->hold(n);
    return n;
}

static void
go_to(struct walk *w, struct node *n)
{
    release(w->at);
    w->at = n;
}

// Go through "." or ".."; false when `name` is neither.
static bool
walk_dots(struct walk *w, struct string name, errno_t *error)
{
    if (string_equal(name, STRING(".")))
        return true;
    if (!string_equal(name, STRING("..")))
        return false;
    if (w->depth == 0) {
        *error = WASI_PERM;
    } else {
        w->depth--;
        go_to(w, w->at->ops->parent(w->at));
    }
    return true;
}

static bool
only_slashes(struct string s)
{
    return path_component(&s).len == 0;
}

static bool
is_followed(bool last, bool slash, enum follow follow)
{
    if (!last || follow == FOLLOW_ALWAYS)
        return true;
    return slash && follow == FOLLOW_BEFORE_SLASH;
}

// A component that is a name, the last one or not.  `*child` is what has it,
// NULL when that is nothing or a symlink that the walk now follows.
static errno_t
walk_name(struct walk *w, struct string name, bool last, enum follow follow,
          struct node **child, bool *followed)
{
    bool slash = w->rest.len > 0;

    if (name.len > FILE_NAME_MAX)
        return WASI_NAMETOOLONG;
    errno_t error = w->at->ops->lookup(w->at, name, child);
    if (error != WASI_SUCCESS)
        return error == WASI_NOENT && last ? WASI_SUCCESS : error;
    u8 type = (*child)->type;
    *followed =
        type == FILETYPE_SYMBOLIC_LINK && is_followed(last, slash, follow);
    if (*followed)
        error = follow_link(w, *child);
    else if (type != FILETYPE_DIRECTORY && (slash || !last))
        error = WASI_NOTDIR;
    if (*followed || error != WASI_SUCCESS) {
        release(*child);
        *child = NULL;
    }
    return error;
}

// `node` is with a reference for the place.
static struct place
place_at(const struct walk *w, struct node *node, struct string name,
         bool slash)
{
    return (struct place){
        .node = node,
        .dir = again(w->at),
        .release = w->at->ops->release,
        .name = name,
        .slash = slash,
    };
}

// One component; `*done` when the walk has arrived.
static errno_t
walk_step(struct walk *w, enum follow follow, struct place *out, bool *done)
{
    struct string name = path_component(&w->rest);
    bool last = only_slashes(w->rest), slash = w->rest.len > 0;
    errno_t error = WASI_SUCCESS;
    struct node *child = NULL;
    bool followed = false;

    if (++w->steps > STEPS_MAX)
        return WASI_LOOP;
    *done = name.len == 0;
    if (*done)
        *out = place_at(w, again(w->at), name, slash);
    if (*done || walk_dots(w, name, &error))
        return error;
    error = walk_name(w, name, last, follow, &child, &followed);
    if (error != WASI_SUCCESS || followed)
        return error;
    *done = last;
    if (last) {
        *out = place_at(w, child, name, slash);
    } else {
        go_to(w, child);
        w->depth++;
    }
    return WASI_SUCCESS;
}

errno_t
path_walk(struct node *dir, struct string path, enum follow follow,
          char *buffer, struct place *out)
{
    struct walk w = {.at = dir, .buffer = buffer};
    bool done = false;

    if (path.len == 0)
        return WASI_NOENT;
    if (dir->type != FILETYPE_DIRECTORY)
        return WASI_NOTDIR;
    w.rest = (struct string){buffer + LIMIT_PATH_SIZE, 0};
    w.at = again(dir);
    errno_t error = prepend(&w, path);
    while (error == WASI_SUCCESS && !done)
        error = walk_step(&w, follow, out, &done);
    release(w.at);
    return error;
}

void
place_release(struct place *place)
{
    if (place->release != NULL && place->node != NULL)
        place->release(place->node);
    if (place->release != NULL)
        place->release(place->dir);
    *place = (struct place){0};
}
