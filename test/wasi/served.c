// test/wasi/served.c: files behind a gate, as programs see them and as their
// server does.  The server is a tree in memory, which answers as it is asked;
// it knows which numbers are in use, so that none is forgotten.  Then one that
// answers anything, one that has ended, and one whose callers are killed.

#include "test/wasi/fake.h"
#include "wasi/tree.h"

#include <string.h>

enum { PATH = 0x200, OTHER = 0x300, IOV = 0x400, OUT = 0x500, DATA = 0x4000 };
enum { DIR = 3, FILE_1 = 4, FILE_2 = 5, NUMBERS = 1 << 16 };
enum { READ_WRITE = 0x42 }; // rights of fd_read, fd_write

static struct archive a;
static struct tree *tree;

// --- a server ----------------------------------------------------------------

static struct node *nodes[NUMBERS]; // by number; each has a reference
static bool late[NUMBERS];          // a request that names it may still come
static u32 used, calls, highest;
static bool tells_types; // and no attributes, of what is walked to

struct request {
    struct file_request head;
    const u8 *name, *new_name, *closed;
    struct bytes window;
    struct file_reply reply;
};

static struct node *
node_at(u32 number)
{
    EXPECT(number < NUMBERS && nodes[number] != NULL);
    return nodes[number];
}

static void
put_node(u32 number, struct node *n)
{
    EXPECT(number < NUMBERS && nodes[number] == NULL);
    EXPECT(!late[number]);
    nodes[number] = n;
    highest = MAX(highest, number);
    node_hold(n);
    used++;
}

static struct string
name_of_request(const struct request *q)
{
    return (struct string){(const char *)q->name, q->head.name_size};
}

static errno_t
describe(struct request *q, struct node *n)
{
    struct filestat st;
    errno_t error = n->ops->stat(n, &st);

    q->reply = (struct file_reply){
        .inode = st.inode,
        .links = st.links,
        .size = st.size,
        .atime = st.atime,
        .mtime = st.mtime,
        .ctime = st.ctime,
        .filetype = n->type,
    };
    return error;
}

static errno_t
make_one(struct request *q, struct node *dir, struct node *n)
{
    errno_t error = WASI_SUCCESS;

    if (q->head.op == FILE_ATTACH)
        n = tree_root(tree);
    else if (q->head.op == FILE_LOOKUP)
        error = dir->ops->lookup(dir, name_of_request(q), &n);
    else if (q->head.op == FILE_CREATE)
        error = dir->ops->create(dir, name_of_request(q), FILETYPE_REGULAR_FILE,
                                 STRING(""), &n);
    if (error != WASI_SUCCESS)
        return error;
    put_node(q->head.made, n);
    error = describe(q, n);
    if (tells_types)
        q->reply = (struct file_reply){.filetype = q->reply.filetype};
    return error;
}

static errno_t
list(struct request *q, struct node *dir)
{
    struct dirent e;

    for (u64 at = q->head.at;; at = e.next) {
        errno_t error = dir->ops->next(dir, at, &e);
        u64 left = q->window.size - q->reply.count;
        struct file_entry head = {e.next, e.inode, e.type, e.name.len};
        if (error != WASI_SUCCESS || e.name.len == 0 ||
            sizeof(head) + e.name.len > left)
            return error;
        memcpy(q->window.ptr + q->reply.count, &head, sizeof(head));
        q->reply.count += sizeof(head);
        memcpy(q->window.ptr + q->reply.count, e.name.ptr, e.name.len);
        q->reply.count += e.name.len;
    }
}

static errno_t
change(struct request *q, struct node *n)
{
    struct string name = name_of_request(q), text, new_name;
    struct node *made;

    switch (q->head.op) {
    case FILE_DIRECTORY:
        return n->ops->create(n, name, FILETYPE_DIRECTORY, STRING(""), &made);
    case FILE_SYMLINK:
        text = (struct string){(char *)q->window.ptr, (u32)q->window.size};
        return n->ops->create(n, name, FILETYPE_SYMBOLIC_LINK, text, &made);
    case FILE_LINK:
        return n->ops->link(n, name, node_at(q->head.other));
    case FILE_REMOVE:
        return n->ops->remove(n, name);
    case FILE_RENAME:
        new_name = (struct string){(const char *)q->new_name, q->head.new_size};
        return n->ops->rename(n, name, node_at(q->head.other), new_name);
    case FILE_SET_SIZE:
        return n->ops->set_size(n, q->head.size);
    case FILE_SET_TIMES:
        return n->ops->set_times(
            n, q->head.flags & FILE_ATIME ? &q->head.at : NULL,
            q->head.flags & FILE_MTIME ? &q->head.size : NULL);
    default:
        return WASI_NOSYS;
    }
}

static errno_t
transfer(struct request *q, struct node *n)
{
    u64 at = q->head.at;
    struct string target;
    errno_t error;

    switch (q->head.op) {
    case FILE_TARGET:
        target = n->ops->target(n);
        memcpy(q->window.ptr, target.ptr, target.len);
        q->reply.count = target.len;
        return WASI_SUCCESS;
    case FILE_READ:
        return n->ops->read(n, at, q->window, 0, &q->reply.count);
    case FILE_APPEND:
        error = describe(q, n);
        at = q->reply.size;
        if (error == WASI_SUCCESS)
            error = n->ops->write(n, at, q->window, 0, &q->reply.count);
        q->reply.size = at + q->reply.count;
        return error;
    case FILE_WRITE:
        return n->ops->write(n, at, q->window, 0, &q->reply.count);
    default:
        return change(q, n);
    }
}

static errno_t
serve_one(struct request *q)
{
    struct node *n = q->head.node > 0 ? node_at(q->head.node) : NULL;

    switch (q->head.op) {
    case FILE_CLOSE:
        return WASI_SUCCESS;
    case FILE_ATTACH:
    case FILE_LOOKUP:
    case FILE_CREATE:
        return make_one(q, n, NULL);
    case FILE_OPEN:
        if (q->head.made != q->head.node)
            put_node(q->head.made, n);
        return WASI_SUCCESS;
    case FILE_STAT:
        return describe(q, n);
    case FILE_LIST:
        return list(q, n);
    case FILE_SYNC:
        return WASI_SUCCESS;
    default:
        return transfer(q, n);
    }
}

static u32
closed_number(const struct request *q, u32 i)
{
    u32 number;

    memcpy(&number, q->closed + i * sizeof(number), sizeof(number));
    EXPECT(number < NUMBERS);
    return number;
}

static void
close_numbers(const struct request *q)
{
    for (u32 i = 0; i < q->head.closed; i++) {
        u32 number = closed_number(q, i);
        if (nodes[number] == NULL)
            continue; // of a call that was given up
        node_drop(nodes[number]);
        nodes[number] = NULL;
        used--;
    }
}

static void
take(struct request *q, struct bytes bytes)
{
    EXPECT(bytes.size >= sizeof(q->head));
    memcpy(&q->head, bytes.ptr, sizeof(q->head));
    q->name = bytes.ptr + sizeof(q->head);
    q->new_name = q->name + q->head.name_size;
    q->closed = q->new_name + q->head.new_size;
    EXPECT_EQ((u64)(q->closed - bytes.ptr) + q->head.closed * sizeof(u32),
              bytes.size);
    EXPECT(q->head.closed <= FILE_CLOSINGS);
}

static status_t
serve(struct bytes request, struct bytes room,
      const struct window_offer *window, u32 *size)
{
    struct request q = {
        .window = {NULL, 0}
    };

    if (window != NULL)
        q.window = window->memory;
    calls++;
    take(&q, request);
    close_numbers(&q);
    q.reply.error = serve_one(&q);
    EXPECT(room.size >= sizeof(q.reply));
    memcpy(room.ptr, &q.reply, sizeof(q.reply));
    *size = sizeof(q.reply);
    return OK;
}

// The server ends, and what it has goes.
static void
end_server(void)
{
    fake.serve = NULL;
    fake.doors_dead = fake.doors;
    for (u32 i = 0; i < NUMBERS; i++) {
        if (nodes[i] != NULL)
            node_drop(nodes[i]);
        used -= nodes[i] != NULL;
        nodes[i] = NULL;
        late[i] = false;
    }
}

// Another one comes in its place.
static void
begin_again(struct served *s)
{
    struct node *root = NULL;

    EXPECT_EQ(served_renew(s), OK);
    fake.serve = serve;
    EXPECT_EQ(served_root(s, UINT64_MAX, &root), WASI_SUCCESS);
    EXPECT(root == NULL); // it stays
}

// After that, and the end of the program: nothing is left.
static void
expect_nothing(struct served *s)
{
    served_free(s);
    tree_free(tree);
    EXPECT_EQ(fake.blocks, 0);
}

// --- the world ---------------------------------------------------------------

static struct served *
make_served(void)
{
    struct error error = {OK, 0, NULL};
    struct served *s;

    archive_add(&a, "d/", '5', "", 0, "");
    archive_add(&a, "d/f", '0', "hello", 5, "");
    archive_add(&a, "link", '2', "", 0, "d/f");
    archive_add(&a, "out", '2', "", 0, "../secret");
    archive_add(&a, "abs", '2', "", 0, "/etc/passwd");
    archive_add(&a, "g", '0', "gg", 2, "");
    archive_end(&a);
    tree = tree_new(archive_bytes(&a), &error);
    EXPECT_EQ(error.status, OK);
    tree_set_writable(tree_root(tree), true);
    EXPECT_EQ(served_new(&s, true), OK);
    return s;
}

static struct served *
attach(void)
{
    struct served *s = make_served();
    struct node *root;

    fake.serve = serve;
    EXPECT_EQ(served_root(s, UINT64_MAX, &root), WASI_SUCCESS);
    fake_attach(root);
    node_drop(root);
    return s;
}

// Put it into the program's memory; the address.
static u64
text_at(u32 at, const char *text)
{
    fake_put(at, text);
    return at;
}

static u64
call_path(const char *name, const char *path, u64 more)
{
    return CALL_WASI(name, DIR, text_at(PATH, path), strlen(path), more);
}

static errno_t
open_path(const char *path, u32 flags, u64 rights)
{
    return CALL_WASI("path_open", DIR, 0, text_at(PATH, path), strlen(path),
                     flags, rights, 0, 0, OUT);
}

static errno_t
io(const char *name, u32 fd, u32 size)
{
    u32 iov[2] = {DATA, size};

    memcpy(fake.memory + IOV, iov, sizeof(iov));
    return CALL_WASI(name, fd, IOV, 1, OUT);
}

// --- tests -------------------------------------------------------------------

TEST(wasi_served_contents)
{
    attach();
    EXPECT_EQ(open_path("d/../d/./f", 0, READ_WRITE), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), FILE_1);
    EXPECT_EQ(io("fd_read", FILE_1, 100), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 5);
    EXPECT(memcmp(fake.memory + DATA, "hello", 5) == 0);
    EXPECT_EQ(io("fd_read", FILE_1, 100), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 0);
    text_at(DATA, " world");
    EXPECT_EQ(io("fd_write", FILE_1, 6), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_filestat_get", FILE_1, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u64(OUT + 32), 11);
    EXPECT_EQ(CALL_WASI("fd_filestat_set_size", FILE_1, 3), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_allocate", FILE_1, 2, 8), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_filestat_get", FILE_1, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u64(OUT + 32), 10);
    EXPECT_EQ(CALL_WASI("fd_allocate", FILE_1, 0, 4), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_sync", FILE_1), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_filestat_set_times", FILE_1, 1, 2, 5),
              WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_filestat_get", FILE_1, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u64(OUT + 32), 10);
    EXPECT_EQ(fake_u64(OUT + 40), 1);
    EXPECT_EQ(fake_u64(OUT + 48), 2);
}

TEST(wasi_served_append)
{
    attach();
    EXPECT_EQ(open_path("g", 0, READ_WRITE), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_fdstat_set_flags", FILE_1, 1), WASI_SUCCESS);
    text_at(DATA, "xyz");
    EXPECT_EQ(io("fd_write", FILE_1, 3), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_tell", FILE_1, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u64(OUT), 5);
}

TEST(wasi_served_names)
{
    attach();
    EXPECT_EQ(call_path("path_create_directory", "d/new", 0), WASI_SUCCESS);
    EXPECT_EQ(call_path("path_create_directory", "d/new", 0), WASI_EXIST);
    EXPECT_EQ(open_path("d/new/x", 1, READ_WRITE), WASI_SUCCESS);
    EXPECT_EQ(open_path("d/new/x", 5, READ_WRITE), WASI_EXIST);
    EXPECT_EQ(call_path("path_remove_directory", "d/new", 0), WASI_NOTEMPTY);
    EXPECT_EQ(CALL_WASI("path_rename", DIR, text_at(PATH, "d/new/x"), 7, DIR,
                        text_at(OTHER, "y"), 1),
              WASI_SUCCESS);
    text_at(PATH, "y");
    EXPECT_EQ(
        CALL_WASI("path_link", DIR, 0, PATH, 1, DIR, text_at(OTHER, "z"), 1),
        WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("path_filestat_get", DIR, 0, PATH, 1, OUT),
              WASI_SUCCESS);
    EXPECT_EQ(fake_u64(OUT + 24), 2);
    EXPECT_EQ(call_path("path_remove_directory", "d/new", 0), WASI_SUCCESS);
    EXPECT_EQ(call_path("path_unlink_file", "y", 0), WASI_SUCCESS);
    EXPECT_EQ(open_path("y", 0, READ_WRITE), WASI_NOENT);
    EXPECT_EQ(open_path("z", 0, READ_WRITE), WASI_SUCCESS);
}

// Symlinks are followed by us, and none leads out.
TEST(wasi_served_symlinks)
{
    attach();
    EXPECT_EQ(CALL_WASI("path_open", DIR, 1, text_at(PATH, "link"), 4, 0,
                        READ_WRITE, 0, 0, OUT),
              WASI_SUCCESS);
    EXPECT_EQ(io("fd_read", FILE_1, 100), WASI_SUCCESS);
    EXPECT(memcmp(fake.memory + DATA, "hello", 5) == 0);
    EXPECT_EQ(open_path("link", 0, READ_WRITE), WASI_LOOP);
    EXPECT_EQ(open_path("../d", 0, 0), WASI_PERM);
    EXPECT_EQ(CALL_WASI("path_open", DIR, 1, text_at(PATH, "out"), 3, 0, 0, 0,
                        0, OUT),
              WASI_PERM);
    EXPECT_EQ(CALL_WASI("path_open", DIR, 1, text_at(PATH, "abs"), 3, 0, 0, 0,
                        0, OUT),
              WASI_PERM);
    EXPECT_EQ(CALL_WASI("path_symlink", text_at(OTHER, "g"), 1, DIR,
                        text_at(PATH, "to-g"), 4),
              WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("path_readlink", DIR, PATH, 4, DATA, 100, OUT),
              WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 1);
    EXPECT_EQ(fake.memory[DATA], 'g');
}

// All names of a directory that takes several requests, once each.
TEST(wasi_served_listing)
{
    enum { COUNT_OF_NAMES = 2000 };
    static bool seen[COUNT_OF_NAMES];
    u32 size, at, found = 0;
    u64 cookie = 0;
    char name[16];

    attach();
    for (u32 i = 0; i < COUNT_OF_NAMES; i++) {
        format(name, sizeof(name), "d/%u", i);
        EXPECT_EQ(call_path("path_create_directory", name, 0), WASI_SUCCESS);
    }
    EXPECT_EQ(open_path("d", 2, 0), WASI_SUCCESS);
    for (;;) {
        EXPECT_EQ(CALL_WASI("fd_readdir", FILE_1, DATA, 4000, cookie, OUT),
                  WASI_SUCCESS);
        size = fake_u32(OUT);
        for (at = 0; at + 24 <= size;) {
            u32 len = fake_u32(DATA + at + 16), number = 0;
            if (at + 24 + len > size)
                break;
            cookie = fake_u64(DATA + at);
            const u8 *text = fake.memory + DATA + at + 24;
            for (u32 i = 0; i < len; i++)
                number = number * 10 + (u32)(text[i] - '0');
            at += 24 + len;
            if (text[0] == '.' || text[0] == 'f')
                continue;
            EXPECT(number < COUNT_OF_NAMES && !seen[number]);
            seen[number] = true;
            found++;
        }
        if (size < 4000)
            break;
    }
    EXPECT_EQ(found, COUNT_OF_NAMES);
}

// What the server does not say with the walk it is asked for.
TEST(wasi_served_types)
{
    attach();
    text_at(PATH, "d/f");
    EXPECT_EQ(CALL_WASI("path_filestat_get", DIR, 0, PATH, 3, OUT),
              WASI_SUCCESS);
    u32 before = calls;
    EXPECT_EQ(CALL_WASI("path_filestat_get", DIR, 0, PATH, 3, OUT),
              WASI_SUCCESS);
    EXPECT_EQ(calls - before, 2); // d, f
    EXPECT_EQ(fake_u64(OUT + 32), 5);
    tells_types = true;
    before = calls;
    EXPECT_EQ(CALL_WASI("path_filestat_get", DIR, 0, PATH, 3, OUT),
              WASI_SUCCESS);
    EXPECT_EQ(calls - before, 3);
    EXPECT_EQ(fake_u64(OUT + 32), 5);
}

// The server is told of all that is not used any more, sooner or later.
TEST(wasi_served_closes)
{
    struct served *s = attach();

    for (u32 i = 0; i < 1000; i++) {
        EXPECT_EQ(open_path("d/f", 0, READ_WRITE), WASI_SUCCESS);
        EXPECT_EQ(CALL_WASI("fd_close", FILE_1), WASI_SUCCESS);
        EXPECT(used < 200);
    }
    fake_detach();
    EXPECT(used < 200);
    end_server();
    expect_nothing(s);
}

// Numbers are used again: they do not come to their end, or to one in use.
TEST(wasi_served_numbers)
{
    struct served *s = attach();

    for (u32 i = 0; i < NUMBERS / 3; i++) {
        EXPECT_EQ(open_path("d", 2, 0), WASI_SUCCESS);
        EXPECT_EQ(open_path("d/none", 0, READ_WRITE), WASI_NOENT);
        EXPECT_EQ(CALL_WASI("fd_close", FILE_1), WASI_SUCCESS);
    }
    EXPECT(highest < 1000);
    fake_detach();
    end_server();
    expect_nothing(s);
}

TEST(wasi_served_read_only)
{
    struct served *s = make_served();
    struct node *root;

    served_free(s);
    EXPECT_EQ(served_new(&s, false), OK);
    fake.serve = serve;
    EXPECT_EQ(served_root(s, UINT64_MAX, &root), WASI_SUCCESS);
    fake_attach(root);
    EXPECT_EQ(open_path("d/f", 0, READ_WRITE), WASI_ROFS);
    EXPECT_EQ(open_path("new", 1, 0), WASI_ROFS);
    EXPECT_EQ(call_path("path_unlink_file", "g", 0), WASI_ROFS);
    EXPECT_EQ(call_path("path_create_directory", "h", 0), WASI_ROFS);
    EXPECT_EQ(open_path("d/f", 0, 2), WASI_SUCCESS);
}

// --- servers that fail -------------------------------------------------------

// Nobody hangs, and what was open can be closed.
TEST(wasi_served_ended)
{
    struct served *s = attach();

    EXPECT_EQ(open_path("d/f", 0, READ_WRITE), WASI_SUCCESS);
    end_server();
    EXPECT_EQ(io("fd_read", FILE_1, 10), WASI_IO);
    EXPECT_EQ(io("fd_write", FILE_1, 10), WASI_IO);
    EXPECT_EQ(open_path("d/f", 0, READ_WRITE), WASI_IO);
    EXPECT_EQ(CALL_WASI("fd_readdir", DIR, DATA, 4000, 0, OUT), WASI_IO);
    EXPECT_EQ(CALL_WASI("fd_close", FILE_1), WASI_SUCCESS);
    u64 blocks = fake.blocks;
    for (u32 i = 0; i < 100; i++)
        EXPECT_EQ(open_path("d/f", 0, READ_WRITE), WASI_IO);
    EXPECT(fake.blocks <= blocks + 1); // nothing gathers
    fake_detach();
    expect_nothing(s);
}

// Another server in its place: paths lead to it, and what was open of the one
// before stays an error; of that the other never hears.
TEST(wasi_served_again)
{
    struct served *s = attach();
    struct node *root = NULL;

    EXPECT_EQ(open_path("d/f", 0, READ_WRITE), WASI_SUCCESS);
    EXPECT_EQ(open_path("d", 2, 0), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_readdir", DIR, DATA, 30, 0, OUT), WASI_SUCCESS);
    end_server();
    EXPECT_EQ(open_path("g", 0, READ_WRITE), WASI_IO);
    EXPECT_EQ(served_renew(s), OK);
    EXPECT_EQ(open_path("g", 0, READ_WRITE), WASI_IO); // it has not begun
    EXPECT_EQ(served_root(s, UINT64_MAX, &root), WASI_IO);
    begin_again(s);
    EXPECT_EQ(io("fd_read", FILE_1, 10), WASI_IO);
    EXPECT_EQ(CALL_WASI("path_open", FILE_2, 0, text_at(PATH, "f"), 1, 0, 0, 0,
                        0, OUT),
              WASI_IO);
    EXPECT_EQ(CALL_WASI("path_rename", DIR, text_at(PATH, "g"), 1, FILE_2,
                        text_at(OTHER, "x"), 1),
              WASI_IO);
    u32 before = calls;
    EXPECT_EQ(CALL_WASI("fd_readdir", DIR, DATA, 4000, 0, OUT), WASI_SUCCESS);
    EXPECT_EQ(calls, before + 2); // to its end; nothing of before is given
    EXPECT_EQ(CALL_WASI("fd_close", FILE_1), WASI_SUCCESS);
    for (u32 i = 0; i < 100; i++) {
        EXPECT_EQ(open_path("d/f", 0, READ_WRITE), WASI_SUCCESS);
        EXPECT_EQ(io("fd_read", FILE_1, 10), WASI_SUCCESS);
        EXPECT_EQ(fake_u32(OUT), 5);
        EXPECT_EQ(CALL_WASI("fd_close", FILE_1), WASI_SUCCESS);
    }
    fake_detach();
    end_server();
    expect_nothing(s);
}

// Many of them; numbers of those before are used again, and none of what is
// open, by whichever of them.
TEST(wasi_served_again_and_again)
{
    struct served *s = attach();

    for (u32 i = 0; i < 50; i++) {
        EXPECT_EQ(open_path("d/f", 0, READ_WRITE), WASI_SUCCESS);
        for (u32 k = 0; k < 100; k++)
            EXPECT_EQ(open_path("d/none", 0, READ_WRITE), WASI_NOENT);
        EXPECT_EQ(io("fd_read", FILE_1 + i, 10), WASI_SUCCESS);
        end_server();
        EXPECT_EQ(io("fd_read", FILE_1 + i, 10), WASI_IO);
        begin_again(s);
        for (u32 k = 0; k <= i; k++)
            EXPECT_EQ(io("fd_read", FILE_1 + k, 10), WASI_IO);
    }
    for (u32 i = 0; i < 50; i++)
        EXPECT_EQ(CALL_WASI("fd_close", FILE_1 + i), WASI_SUCCESS);
    for (u32 i = 0; i < 1000; i++) {
        EXPECT_EQ(open_path("d/f", 0, READ_WRITE), WASI_SUCCESS);
        EXPECT_EQ(CALL_WASI("fd_close", FILE_1), WASI_SUCCESS);
    }
    EXPECT(highest < 1000);
    fake_detach();
    end_server();
    expect_nothing(s);
}

static bool kill_next;

static status_t
serve_and_kill(struct bytes request, struct bytes room,
               const struct window_offer *window, u32 *size)
{
    status_t status = serve(request, room, window, size);
    struct request q;

    if (!kill_next)
        return status;
    take(&q, request);
    late[q.head.node] = late[q.head.other] = late[q.head.made] = true;
    for (u32 i = 0; i < q.head.closed; i++)
        late[closed_number(&q, i)] = true;
    return ERR_KILLED;
}

// What was made for a caller that has left is closed, too; no number that the
// request named is used again.
TEST(wasi_served_killed)
{
    struct served *s = attach();

    fake.serve = serve_and_kill;
    for (u32 i = 0; i < 100; i++) {
        kill_next = true;
        EXPECT_EQ(open_path("d/f", 0, READ_WRITE), WASI_INTR);
        EXPECT_EQ(open_path("new", 1, READ_WRITE), WASI_INTR);
        kill_next = false;
        EXPECT_EQ(open_path("d/f", 0, READ_WRITE), WASI_SUCCESS);
        EXPECT_EQ(CALL_WASI("fd_close", FILE_1), WASI_SUCCESS);
    }
    EXPECT(used < 200);
    fake_detach();
    end_server();
    expect_nothing(s);
}

static u64 state = 1;

static u32
chance(u32 below)
{
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return (u32)(state >> 33) % below;
}

// Anything, in the window and in the reply.
static status_t
serve_anything(struct bytes request, struct bytes room,
               const struct window_offer *window, u32 *size)
{
    static const u64 sizes[] = {0, 1, 23, 24, 25, 279, 4096, UINT64_MAX};
    static const u32 types[] = {FILETYPE_DIRECTORY, FILETYPE_REGULAR_FILE,
                                FILETYPE_SYMBOLIC_LINK, FILETYPE_UNKNOWN, 99};
    struct file_reply reply;

    (void)request;
    if (chance(50) == 0)
        return chance(2) == 0 ? ERR_KILLED : ERR_PEER_TRAPPED;
    for (u32 i = 0; i < sizeof(reply); i++)
        ((u8 *)&reply)[i] = (u8)chance(256);
    reply.error = chance(3) > 0 ? 0 : chance(100);
    reply.filetype = types[chance(COUNT(types))];
    reply.count = sizes[chance(COUNT(sizes))];
    if (window != NULL && (window->access & WINDOW_WRITE))
        for (u64 i = 0; i < MIN(window->memory.size, 600); i++)
            window->memory.ptr[i] =
                chance(4) == 0 ? (u8)chance(256) : (u8)(chance(20) == 0);
    memcpy(room.ptr, &reply, sizeof(reply));
    *size = chance(50) == 0 ? chance(sizeof(reply)) : sizeof(reply);
    return OK;
}

static void
do_anything(void)
{
    static const char *const paths[] = {"d/f", "a/b/c", "link/../x", "g", "."};
    const char *path = paths[chance(COUNT(paths))];
    u32 fd = DIR + chance(8);

    switch (chance(10)) {
    case 0:
        open_path(path, chance(16), chance(2) ? READ_WRITE : 0);
        break;
    case 1:
        CALL_WASI("fd_close", DIR + 1 + chance(8));
        break;
    case 2:
        io("fd_read", fd, chance(5000));
        break;
    case 3:
        io("fd_write", fd, chance(5000));
        break;
    case 4:
        CALL_WASI("fd_readdir", fd, DATA, chance(5000), state, OUT);
        break;
    case 5:
        call_path("path_unlink_file", path, 0);
        break;
    case 6:
        call_path("path_create_directory", path, 0);
        break;
    case 7:
        CALL_WASI("fd_filestat_get", fd, OUT);
        break;
    case 8:
        CALL_WASI("path_readlink", DIR, text_at(PATH, "link"), 4, DATA,
                  chance(5000), OUT);
        break;
    case 9:
        CALL_WASI("path_rename", DIR, text_at(PATH, "a"), 1, DIR,
                  text_at(OTHER, path), strlen(path));
        break;
    default:
        break;
    }
}

TEST(wasi_served_hostile)
{
    struct served *s = attach();

    fake.serve = serve_anything;
    for (u32 i = 0; i < 100000; i++)
        do_anything();
    fake_detach();
    end_server();
    expect_nothing(s);
}

// Those that come with something else in place of the root, or end meanwhile,
// have not begun, or have begun with what they say; the next one may.
TEST(wasi_served_again_hostile)
{
    struct served *s = attach();
    struct node *root = NULL;

    for (u32 i = 0; i < 50; i++) {
        EXPECT_EQ(open_path("d/f", 0, READ_WRITE), i == 0 ? 0 : WASI_IO);
        end_server();
        EXPECT_EQ(served_renew(s), OK);
        fake.serve = serve_anything;
        EXPECT(served_root(s, UINT64_MAX, &root) <= WASI_NOTCAPABLE);
        EXPECT(root == NULL);
        for (u32 k = 0; k < 1000; k++)
            do_anything();
        fake.serve = NULL;
    }
    end_server();
    begin_again(s);
    EXPECT_EQ(open_path("d/f", 0, READ_WRITE), WASI_SUCCESS);
    fake_detach();
    end_server();
    expect_nothing(s);
}
