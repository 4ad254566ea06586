// wasi/served.c: files that a process serves behind a gate, as a file system of
// programs (struct node_ops).  The requests are struct file_request
// (abi/structs.def); a node is a number, which we choose.  Data goes straight
// between the server's memory and whoever reads or writes, by a window.
//
// A number is used again when the server has heard that it is closed, and has
// answered whatever else named it: not where a caller has left before the
// answer, because the request may be served later than what comes after it.
//
// Names are looked up one by one, symlinks are followed by us, and ".." leads
// to the node from which the walk came: the server is asked for none of them.
// It is not trusted: it can answer what it likes about its own files, no more.
// When it has ended, all of them are errors (WASI_IO), and stay so when another
// server has begun in its place: a node is of the server whose era it has, as
// round_begin() compares.  Only the root goes from one to the next.
//
// Nodes have references and no lock: each call is one request.  What is not
// used any more is closed with a later request, or, where there is much of it,
// by one of its own: who drops a node waits for nobody, mostly.

#include "wasi/numbers.h"
#include "wasi/wasi.h"

enum {
    REQUEST_SIZE = sizeof(struct file_request) + 2 * FILE_NAME_MAX +
                   FILE_CLOSINGS * sizeof(u32),
    LISTING = 16 * KIB,
    UNUSED_MOST = 4 * FILE_CLOSINGS, // nodes that wait to be closed
    DEVICE_SERVED = 16,              // device number of the first
};

_Static_assert((int)REQUEST_SIZE <= (int)LIMIT_GATE_SIZE, "fits");

struct served {
    bool writable;
    u64 device;
    struct numbers numbers;
    // Of who starts servers.
    struct served_node *root; // no reference; NULL: there was none yet
    struct gate *next_gate;   // of a server that begins, or NULL
    struct door *next_door;
    struct lock lock;
    u64 era MEMBER_GUARDED_BY(lock);           // how many servers there were
    struct gate *gate MEMBER_GUARDED_BY(lock); // of the last of them, or NULL
    struct door *door MEMBER_GUARDED_BY(lock);
    struct served_node *unused MEMBER_GUARDED_BY(lock);
    u32 unused_count MEMBER_GUARDED_BY(lock);
};

struct listing {
    u64 cookie;  // of the entry at `at`
    u32 at, end; // of what is not given yet
    u8 bytes[LISTING];
};

struct served_node {
    struct node node;
    struct served *served;
    u32 references; // atomic
    u64 era;        // with served->lock; 0: no server has heard of it
    u32 number;
    u32 opened;  // the number to read, write and list by; 0: it is not open
    bool unsure; // atomic: a request that names it may come after its end
    struct served_node *above; // of a directory that was walked to
    struct served_node *next;  // of those that are not used any more
    // What is known of it, from the walk that came here; once.
    bool fresh;
    struct filestat stat;
    char *target; // of a symlink
    u32 target_size;
    struct mutex lock;
    struct listing *listing MEMBER_GUARDED_BY(lock); // or NULL
};

static const struct node_ops served_ops;

static struct served_node *
served_node(struct node *n)
{
    return CONTAINER(n, struct served_node, node);
}

// --- nodes that are not used any more ----------------------------------------

// The server has nothing of them any more.
static void
free_nodes(struct served *s, struct served_node *list)
{
    while (list != NULL) {
        struct served_node *n = list;
        list = n->next;
        if (!__atomic_load_n(&n->unsure, __ATOMIC_RELAXED)) {
            numbers_leave(&s->numbers, n->number);
            if (n->opened != 0 && n->opened != n->number)
                numbers_leave(&s->numbers, n->opened);
        }
        kernel_free(n->listing);
        kernel_free(n->target);
        kernel_free(n);
    }
}

static void
leave_nodes(struct served *s, struct served_node *list)
{
    lock(&s->lock);
    while (list != NULL) {
        struct served_node *n = list;
        list = n->next;
        n->next = s->unused;
        s->unused = n;
        s->unused_count++;
    }
    unlock(&s->lock);
}

// --- requests ----------------------------------------------------------------

struct question {
    struct file_request head;
    struct served_node *on, *other, *made; // what it names, or NULL
    struct string name, new_name;
    struct window_offer window; // of size 0: none
    u64 deadline_ns;            // 0: none
    struct file_reply reply;    // out
};

static errno_t
errno_of(status_t status)
{
    return status == ERR_KILLED    ? WASI_INTR :
           status == ERR_TIMED_OUT ? WASI_TIMEDOUT :
           status == ERR_FULL      ? WASI_AGAIN :
           status == ERR_DEADLOCK  ? WASI_DEADLK :
                                     WASI_IO;
}

static u8 *
append(u8 *to, const void *from, u64 size)
{
    if (size > 0)
        memcpy(to, from, size);
    return to + size;
}

// What the server says, as far as it may be so.
static errno_t
check_reply(const struct question *q)
{
    const struct file_reply *r = &q->reply;

    if (r->error != WASI_SUCCESS)
        return r->error <= WASI_NOTCAPABLE ? r->error : WASI_IO;
    return r->count <= q->window.memory.size ? WASI_SUCCESS : WASI_IO;
}

static void
set_unsure(struct served_node *n)
{
    if (n != NULL)
        __atomic_store_n(&n->unsure, true, __ATOMIC_RELAXED);
}

// The caller has left: the server may still come to it, or be at it.
static void
be_unsure(const struct question *q, struct served_node *unused)
{
    set_unsure(q->on);
    set_unsure(q->other);
    set_unsure(q->made);
    for (; unused != NULL; unused = unused->next)
        set_unsure(unused);
}

// Whom a request goes to, and what it closes.
struct round {
    struct door *door; // a reference; NULL: whoever knew of its nodes has ended
    struct served_node *unused;
    u32 numbers[FILE_CLOSINGS], closed;
};

static bool
is_lost(const struct served *s, const struct served_node *n)
{
    assert(lock_held(&s->lock));
    return n != NULL && n->era != s->era;
}

// Some of what is not used any more, with those numbers that the server knows.
static void
take_unused(struct served *s, struct round *r)
{
    assert(lock_held(&s->lock));
    for (u32 i = 0; s->unused != NULL && i < FILE_CLOSINGS / 2; i++) {
        struct served_node *n = s->unused;
        s->unused = n->next;
        s->unused_count--;
        n->next = r->unused;
        r->unused = n;
        if (is_lost(s, n)) {
            n->unsure = false; // nobody is left who could come to it
            continue;
        }
        r->numbers[r->closed++] = n->number;
        if (n->opened != 0 && n->opened != n->number)
            r->numbers[r->closed++] = n->opened;
    }
}

// What a request makes is of the server that it goes to.
static struct round
round_begin(struct served *s, const struct question *q)
{
    struct round r = {.door = NULL};

    lock(&s->lock);
    if (s->door != NULL && !is_lost(s, q->on) && !is_lost(s, q->other)) {
        r.door = s->door;
        object_hold(door_object(r.door));
        if (q->made != NULL)
            q->made->era = s->era;
        take_unused(s, &r);
    }
    unlock(&s->lock);
    return r;
}

static status_t
call(struct door *door, struct question *q, const struct round *r, bool *said)
{
    u8 request[REQUEST_SIZE], *end = request;
    struct bytes room = {(u8 *)&q->reply, sizeof(q->reply)};
    u64 deadline = q->deadline_ns > 0 ? q->deadline_ns : UINT64_MAX;
    u32 size;

    assert(q->name.len <= FILE_NAME_MAX && q->new_name.len <= FILE_NAME_MAX);
    q->head.name_size = q->name.len;
    q->head.new_size = q->new_name.len;
    q->head.closed = r->closed;
    end = append(end, &q->head, sizeof(q->head));
    end = append(end, q->name.ptr, q->name.len);
    end = append(end, q->new_name.ptr, q->new_name.len);
    end = append(end, r->numbers, r->closed * sizeof(r->numbers[0]));
    status_t status =
        gate_call(door, (struct bytes){request, (u64)(end - request)}, room,
                  &q->window, q->window.memory.size > 0, deadline, &size);
    *said = status == OK && size == sizeof(q->reply);
    return status;
}

static errno_t
result(const struct question *q, status_t status, bool said)
{
    if (!said)
        return status == OK ? WASI_IO : errno_of(status);
    return check_reply(q);
}

// Ask the server; *said: it has answered, with an error or without.
static errno_t
ask_and_see(struct served *s, struct question *q, bool *said)
{
    struct round r = round_begin(s, q);

    *said = false;
    if (r.door == NULL)
        return WASI_IO;
    status_t status = call(r.door, q, &r, said);
    object_release(door_object(r.door));
    if (status == ERR_KILLED || status == ERR_TIMED_OUT)
        be_unsure(q, r.unused);
    if (status == ERR_KILLED || status == ERR_TIMED_OUT || status == ERR_FULL ||
        status == ERR_DEADLOCK)
        leave_nodes(s, r.unused); // it may not have heard
    else
        free_nodes(s, r.unused);
    return result(q, status, *said);
}

static errno_t
ask(struct served *s, struct question *q)
{
    bool said;

    return ask_and_see(s, q, &said);
}

static struct question
question(u32 op, struct served_node *on)
{
    return (struct question){
        .head = {.op = op, .node = on != NULL ? on->number : 0},
        .on = on,
    };
}

static struct window_offer
window(struct bytes memory, u32 access)
{
    return (struct window_offer){memory, access, NULL};
}

// --- references --------------------------------------------------------------

static void
served_hold(struct node *n)
{
    count_up(&served_node(n)->references);
}

// Close what has gathered.  A thread that is killed may reach nobody.
static void
close_unused(struct served *s)
{
    while (__atomic_load_n(&s->unused_count, __ATOMIC_RELAXED) > UNUSED_MOST) {
        struct question q = question(FILE_CLOSE, NULL);
        if (ask(s, &q) != WASI_SUCCESS)
            return;
    }
}

// The last reference of a directory may be the last of those above it.
static void
served_drop(struct node *n)
{
    struct served_node *at = served_node(n), *above;
    struct served *s = at->served;

    for (; at != NULL && count_down(&at->references); at = above) {
        above = at->above;
        at->next = NULL;
        leave_nodes(s, at);
    }
    close_unused(s);
}

static struct served_node *
new_node(struct served *s, struct served_node *above)
{
    struct served_node *n = kernel_alloc(sizeof(*n));

    if (n == NULL || numbers_take(&s->numbers, &n->number) != OK) {
        kernel_free(n);
        return NULL;
    }
    n->node.ops = &served_ops;
    n->served = s;
    n->references = 1;
    n->above = above; // held once it is known to be a directory
    mutex_init(&n->lock, LOCK_LISTING);
    return n;
}

static u8
known_type(u32 type)
{
    return type == FILETYPE_DIRECTORY || type == FILETYPE_REGULAR_FILE ||
                   type == FILETYPE_SYMBOLIC_LINK ?
               (u8)type :
               FILETYPE_UNKNOWN;
}

static struct filestat
stat_of(const struct served_node *n, const struct file_reply *r)
{
    return (struct filestat){
        .device = n->served->device,
        .inode = r->inode,
        .links = r->links,
        .size = r->size,
        .atime = r->atime,
        .mtime = r->mtime,
        .ctime = r->ctime,
        .type = n->node.type,
    };
}

static errno_t
read_target(struct served_node *n)
{
    struct question q = question(FILE_TARGET, n);
    u64 size = LIMIT_PATH_SIZE;

    n->target = kernel_alloc(size);
    if (n->target == NULL)
        return WASI_NOMEM;
    q.window = window((struct bytes){(u8 *)n->target, size}, WINDOW_WRITE);
    errno_t error = ask(n->served, &q);
    n->target_size = (u32)q.reply.count;
    return error;
}

// Ask for what is to become node n, which this takes: *out is it, or it goes.
static errno_t
make(struct served_node *n, struct question *q, struct node **out)
{
    bool said;

    q->head.made = n->number;
    q->made = n;
    errno_t error = ask_and_see(n->served, q, &said);
    if (error != WASI_SUCCESS) {
        n->above = NULL;
        if (said)
            free_nodes(n->served, n); // there is nothing of this number
        else
            leave_nodes(n->served, n);
        return error;
    }
    n->node.type = known_type(q->reply.filetype);
    if (n->node.type != FILETYPE_DIRECTORY)
        n->above = NULL;
    else if (n->above != NULL)
        served_hold(&n->above->node);
    n->fresh = q->reply.links > 0;
    n->stat = stat_of(n, &q->reply);
    if (n->node.type == FILETYPE_SYMBOLIC_LINK)
        error = read_target(n);
    if (error == WASI_SUCCESS)
        *out = &n->node;
    else
        served_drop(&n->node);
    return error;
}

// --- what is known -----------------------------------------------------------

static bool
served_writable(struct node *n)
{
    return served_node(n)->served->writable;
}

static errno_t
served_stat(struct node *node, struct filestat *out)
{
    struct served_node *n = served_node(node);
    struct question q = question(FILE_STAT, n);

    if (n->fresh) { // nobody else has it yet
        n->fresh = false;
        *out = n->stat;
        return WASI_SUCCESS;
    }
    errno_t error = ask(n->served, &q);
    *out = stat_of(n, &q.reply);
    return error;
}

static struct string
served_target(struct node *link)
{
    const struct served_node *n = served_node(link);

    return (struct string){n->target, n->target_size};
}

static errno_t
open_locked(struct served_node *n, bool reads, bool writes)
{
    bool dir = n->node.type == FILETYPE_DIRECTORY;
    struct question q = question(FILE_OPEN, n);
    bool said;

    assert(mutex_held(&n->lock));
    if (n->opened != 0)
        return WASI_SUCCESS;
    n->fresh = false;
    u32 made = n->number;
    if (dir && numbers_take(&n->served->numbers, &made) != OK)
        return WASI_NOMEM;
    q.head.made = made;
    q.head.flags =
        (writes ? FILE_WRITES : 0) | (reads || !writes ? FILE_READS : 0);
    errno_t error = ask_and_see(n->served, &q, &said);
    if (error == WASI_SUCCESS || !said)
        n->opened = made;
    else if (dir)
        numbers_leave(&n->served->numbers, made);
    // Names can be looked up in a directory that may not be listed; what is
    // known of a file needs no right to read it.
    if (error == WASI_ACCES && (dir || (!reads && !writes)))
        return WASI_SUCCESS;
    return error;
}

static errno_t
served_open(struct node *node, bool reads, bool writes)
{
    struct served_node *n = served_node(node);

    if (node->type != FILETYPE_DIRECTORY && node->type != FILETYPE_REGULAR_FILE)
        return WASI_NOTSUP;
    if (mutex_lock(&n->lock) != OK)
        return WASI_INTR;
    errno_t error = open_locked(n, reads, writes);
    mutex_unlock(&n->lock);
    return error;
}

// --- directories -------------------------------------------------------------

static errno_t
served_lookup(struct node *node, struct string name, struct node **out)
{
    struct served_node *dir = served_node(node);
    struct served_node *n = new_node(dir->served, dir);
    struct question q = question(FILE_LOOKUP, dir);

    q.name = name;
    return n != NULL ? make(n, &q, out) : WASI_NOMEM;
}

// Only asked for where the walk came down.
static struct node *
served_parent(struct node *node)
{
    struct node *above = &served_node(node)->above->node;

    served_hold(above);
    return above;
}

// Let there be entries from the cookie on, if there are any.
static errno_t
list_more(struct served_node *dir, struct listing *l, u64 cookie)
{
    struct question q = question(FILE_LIST, dir);

    assert(mutex_held(&dir->lock));
    if (l->cookie == cookie && l->at < l->end)
        return WASI_SUCCESS;
    q.head.node = dir->opened;
    q.head.at = cookie;
    q.window = window((struct bytes){l->bytes, LISTING}, WINDOW_WRITE);
    errno_t error = ask(dir->served, &q);
    l->at = 0;
    l->end = error == WASI_SUCCESS ? (u32)q.reply.count : 0;
    return error;
}

static errno_t
next_locked(struct served_node *dir, u64 cookie, struct dirent *out)
{
    assert(mutex_held(&dir->lock));
    if (dir->listing == NULL)
        dir->listing = kernel_alloc(sizeof(*dir->listing));
    struct listing *l = dir->listing;
    struct file_entry entry;
    errno_t error = l != NULL ? list_more(dir, l, cookie) : WASI_NOMEM;

    if (error != WASI_SUCCESS || l->at == l->end)
        return error;
    u64 left = l->end - l->at;
    if (left < sizeof(entry))
        return WASI_IO;
    memcpy(&entry, l->bytes + l->at, sizeof(entry));
    left -= sizeof(entry);
    if (entry.name_size == 0 || entry.name_size > MIN(left, FILE_NAME_MAX))
        return WASI_IO;
    memcpy(out->text, l->bytes + l->at + sizeof(entry), entry.name_size);
    out->next = entry.next;
    out->inode = entry.inode;
    out->type = known_type(entry.filetype);
    out->name = (struct string){out->text, entry.name_size};
    l->at += (u32)sizeof(entry) + entry.name_size;
    l->cookie = entry.next;
    return WASI_SUCCESS;
}

static errno_t
served_next(struct node *node, u64 cookie, struct dirent *out)
{
    struct served_node *dir = served_node(node);

    out->name = STRING("");
    if (dir->opened == 0)
        return WASI_ACCES;
    if (mutex_lock(&dir->lock) != OK)
        return WASI_INTR;
    errno_t error = next_locked(dir, cookie, out);
    mutex_unlock(&dir->lock);
    return error;
}

// --- changes to directories --------------------------------------------------

static errno_t
create_file(struct served_node *dir, struct string name, struct node **out)
{
    struct served_node *n = new_node(dir->served, dir);
    struct question q = question(FILE_CREATE, dir);

    if (n == NULL)
        return WASI_NOMEM;
    q.name = name;
    n->opened = n->number;
    errno_t error = make(n, &q, out);
    if (error == WASI_SUCCESS)
        n->fresh = false; // it is open
    return error;
}

static errno_t
served_create(struct node *node, struct string name, u8 type,
              struct string target, struct node **out)
{
    struct served_node *dir = served_node(node);
    struct question q = question(FILE_DIRECTORY, dir);

    if (type == FILETYPE_REGULAR_FILE)
        return create_file(dir, name, out);
    q.name = name;
    if (type != FILETYPE_DIRECTORY) {
        q.head.op = FILE_SYMLINK;
        q.window =
            window((struct bytes){(u8 *)target.ptr, target.len}, WINDOW_READ);
    }
    errno_t error = ask(dir->served, &q);
    return error == WASI_SUCCESS ? served_lookup(node, name, out) : error;
}

static errno_t
served_link(struct node *node, struct string name, struct node *file)
{
    struct served_node *dir = served_node(node), *old = served_node(file);
    struct question q = question(FILE_LINK, dir);

    assert(old->served == dir->served);
    q.head.other = old->number;
    q.other = old;
    q.name = name;
    old->fresh = false;
    return ask(dir->served, &q);
}

static errno_t
served_remove(struct node *node, struct string name)
{
    struct served_node *dir = served_node(node);
    struct question q = question(FILE_REMOVE, dir);

    q.name = name;
    return ask(dir->served, &q);
}

static errno_t
served_rename(struct node *from_node, struct string from, struct node *to_node,
              struct string to)
{
    struct served_node *dir = served_node(from_node);
    struct served_node *to_dir = served_node(to_node);
    struct question q = question(FILE_RENAME, dir);

    assert(to_dir->served == dir->served);
    q.head.other = to_dir->number;
    q.other = to_dir;
    q.name = from;
    q.new_name = to;
    return ask(dir->served, &q);
}

// --- contents ----------------------------------------------------------------

// Of an open file.
static struct question
question_on(struct node *node, u32 op, u64 at)
{
    struct served_node *n = served_node(node);
    struct question q = question(op, n);

    if (n->opened != 0)
        q.head.node = n->opened;
    q.head.at = at;
    return q;
}

static errno_t
served_read(struct node *n, u64 at, struct bytes to, u64 deadline_ns,
            u64 *count)
{
    struct question q = question_on(n, FILE_READ, at);

    (void)deadline_ns;
    q.window = window(to, WINDOW_WRITE);
    errno_t error = ask(served_node(n)->served, &q);
    *count = error == WASI_SUCCESS ? q.reply.count : 0;
    return error;
}

static errno_t
served_write(struct node *n, u64 at, struct bytes from, u64 deadline_ns,
             u64 *count)
{
    struct question q = question_on(n, FILE_WRITE, at);

    (void)deadline_ns;
    q.window = window(from, WINDOW_READ);
    errno_t error = ask(served_node(n)->served, &q);
    *count = error == WASI_SUCCESS ? q.reply.count : 0;
    return error;
}

static errno_t
served_append(struct node *n, struct bytes from, u64 *at, u64 *count)
{
    struct question q = question_on(n, FILE_APPEND, 0);

    q.window = window(from, WINDOW_READ);
    errno_t error = ask(served_node(n)->served, &q);
    *count = error == WASI_SUCCESS ? q.reply.count : 0;
    *at = q.reply.size;
    return error;
}

static errno_t
served_set_size(struct node *n, u64 size)
{
    struct question q = question_on(n, FILE_SET_SIZE, 0);

    if (size > INT64_MAX)
        return WASI_FBIG;
    q.head.size = size;
    return ask(served_node(n)->served, &q);
}

// Only the size: nobody can be asked for the room.
static errno_t
served_reserve(struct node *n, struct reservation *r)
{
    struct filestat stat;
    errno_t error = served_stat(n, &stat);

    if (error == WASI_SUCCESS && stat.size < r->end)
        error = served_set_size(n, r->end);
    r->done = r->end - r->at;
    return error;
}

static errno_t
served_sync(struct node *n, bool data)
{
    struct question q = question_on(n, FILE_SYNC, 0);

    if (served_node(n)->opened == 0)
        return WASI_SUCCESS;
    q.head.flags = data ? FILE_DATA : 0;
    return ask(served_node(n)->served, &q);
}

static errno_t
served_set_times(struct node *n, const u64 *atime, const u64 *mtime)
{
    struct question q = question(FILE_SET_TIMES, served_node(n));

    q.head.flags =
        (atime != NULL ? FILE_ATIME : 0) | (mtime != NULL ? FILE_MTIME : 0);
    q.head.at = atime != NULL ? *atime : 0;
    q.head.size = mtime != NULL ? *mtime : 0;
    return ask(served_node(n)->served, &q);
}

static const struct node_ops served_ops = {
    .hold = served_hold,
    .drop = served_drop,
    .release = served_drop,
    .stat = served_stat,
    .writable = served_writable,
    .open = served_open,
    .lookup = served_lookup,
    .parent = served_parent,
    .next = served_next,
    .create = served_create,
    .link = served_link,
    .remove = served_remove,
    .rename = served_rename,
    .target = served_target,
    .read = served_read,
    .write = served_write,
    .append = served_append,
    .set_size = served_set_size,
    .reserve = served_reserve,
    .sync = served_sync,
    .set_times = served_set_times,
};

// --- servers -----------------------------------------------------------------

static void
release_ends(struct gate *gate, struct door *door)
{
    if (door != NULL) {
        object_release_handle(door_object(door));
        object_release(door_object(door));
    }
    if (gate != NULL)
        object_release(gate_object(gate));
}

status_t
served_renew(struct served *s)
{
    struct gate *gate;
    struct door *door;
    status_t status = gate_new(&gate, REQUEST_SIZE, account_root());

    if (status != OK)
        return status;
    status = door_new(&door, gate, 0, account_root());
    if (status != OK) {
        object_release(gate_object(gate));
        return status;
    }
    object_hold_handle(door_object(door)); // so that it can be closed
    release_ends(s->next_gate, s->next_door);
    s->next_gate = gate;
    s->next_door = door;
    return OK;
}

// From now on it is the server that there is, and the root is its own.
static void
take_over(struct served *s)
{
    lock(&s->lock);
    struct gate *gate = s->gate;
    struct door *door = s->door;
    s->gate = s->next_gate;
    s->door = s->next_door;
    s->era++;
    if (s->root != NULL)
        s->root->era = s->era;
    unlock(&s->lock);
    s->next_gate = NULL;
    s->next_door = NULL;
    release_ends(gate, door);
}

status_t
served_new(struct served **out, bool writable)
{
    static u64 devices; // atomic
    struct served *s = kernel_alloc(sizeof(*s));

    if (s == NULL)
        return ERR_NO_MEMORY;
    lock_init(&s->lock, LOCK_UNUSED);
    numbers_init(&s->numbers);
    s->writable = writable;
    s->device =
        DEVICE_SERVED + __atomic_fetch_add(&devices, 1, __ATOMIC_RELAXED);
    status_t status = served_renew(s);
    if (status == OK)
        *out = s;
    else
        served_free(s);
    return status;
}

status_t
served_give(struct served *s, struct process *p)
{
    return process_give(p, gate_object(s->next_gate), gate_type.rights);
}

// Of the first server.
static errno_t
find_root(struct served *s, u64 deadline_ns, struct node **out)
{
    struct served_node *n = new_node(s, NULL);
    struct question q = question(FILE_ATTACH, NULL);

    if (n == NULL)
        return WASI_NOMEM;
    q.deadline_ns = deadline_ns;
    errno_t error = make(n, &q, out);
    if (error == WASI_SUCCESS && n->node.type != FILETYPE_DIRECTORY)
        error = WASI_NOTDIR;
    else if (error == WASI_SUCCESS)
        error = served_open(&n->node, true, false);
    else
        return error;
    if (error != WASI_SUCCESS)
        served_drop(&n->node);
    else
        s->root = n;
    return error;
}

static errno_t
ask_next(struct served *s, struct question *q)
{
    static const struct round nothing; // is to be closed
    bool said;
    status_t status = call(s->next_door, q, &nothing, &said);

    return result(q, status, said);
}

// Of another one, by the same numbers.  What the root can be listed by stays
// even where that may not be listed any more: then the server says so.
static errno_t
find_again(struct served *s, u64 deadline_ns)
{
    struct served_node *root = s->root;
    struct question attach = question(FILE_ATTACH, NULL);
    struct question open = question(FILE_OPEN, root);

    assert(mutex_held(&root->lock));
    attach.deadline_ns = open.deadline_ns = deadline_ns;
    attach.head.made = root->number;
    errno_t error = ask_next(s, &attach);
    if (error != WASI_SUCCESS)
        return error;
    if (known_type(attach.reply.filetype) != FILETYPE_DIRECTORY)
        return WASI_NOTDIR;
    open.head.made = root->opened;
    open.head.flags = FILE_READS;
    if (root->opened != 0)
        error = ask_next(s, &open);
    if (root->listing != NULL)
        root->listing->at = root->listing->end = 0;
    return error == WASI_ACCES ? WASI_SUCCESS : error;
}

errno_t
served_root(struct served *s, u64 deadline_ns, struct node **out)
{
    struct served_node *root = s->root;

    if (root == NULL) {
        take_over(s);
        return find_root(s, deadline_ns, out);
    }
    if (mutex_lock(&root->lock) != OK)
        return WASI_INTR;
    errno_t error = find_again(s, deadline_ns);
    if (error == WASI_SUCCESS)
        take_over(s);
    mutex_unlock(&root->lock);
    return error;
}

void
served_leave(struct served *s)
{
    lock(&s->lock);
    struct door *door = s->door;
    s->door = NULL;
    unlock(&s->lock);
    release_ends(s->next_gate, s->next_door);
    s->next_gate = NULL;
    s->next_door = NULL;
    release_ends(NULL, door);
}

void
served_free(struct served *s)
{
    if (s == NULL)
        return;
    free_nodes(s, s->unused);
    numbers_free(&s->numbers);
    served_leave(s);
    if (s->gate != NULL)
        object_release(gate_object(s->gate));
    kernel_free(s);
}
