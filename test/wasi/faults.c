// test/wasi/faults.c: memory that a call of WASI asks for is refused, at its
// first, its second, its n-th request, once or from then on: the call fails
// with an error that says so, or does its work all the same, as much of it as
// it says; after an error files, descriptors and memory are as they were
// before, and the same call then works.

#include "test/wasi/fake.h"

#include <stdio.h>
#include <string.h>

enum {
    OUT = 0x100,
    PATH = 0x200,
    OTHER = 0x300,
    IOV = 0x400,
    SUBS = 0x800,
    DATA = 0x4000,
    LOOK = 0x20000, // what is looked at
};

enum { TIMES = 300, FDS = 12, DIR = 3, OPENED = 4, STATE = 1 << 18 };

static struct archive a;

// --- the state ---------------------------------------------------------------

struct state {
    u8 bytes[STATE];
    u64 size, blocks;
};

static struct state before, behind;

static void
note(struct state *s, const void *bytes, u64 size)
{
    EXPECT(s->size + size <= STATE);
    memcpy(s->bytes + s->size, bytes, size);
    s->size += size;
}

static void
note_call(struct state *s, errno_t error, u32 size)
{
    note(s, &error, sizeof(error));
    if (error == WASI_SUCCESS)
        note(s, fake.memory + LOOK, size);
}

static void
look_at_fds(struct state *s)
{
    for (u32 fd = 0; fd < FDS; fd++) {
        note_call(s, CALL_WASI("fd_fdstat_get", fd, LOOK), 24);
        note_call(s, CALL_WASI("fd_tell", fd, LOOK), 8);
        note_call(s, CALL_WASI("fd_filestat_get", fd, LOOK), 64);
    }
}

static void
look_at_contents(struct state *s, u32 size)
{
    u64 at = 0;

    EXPECT_EQ(
        CALL_WASI("path_open", DIR, 0, PATH, size, 0, CAN_FD_READ, 0, 0, LOOK),
        WASI_SUCCESS);
    u32 fd = fake_u32(LOOK), ptr = LOOK, part = 4096, got = 1;
    memcpy(fake.memory + IOV, &ptr, 4);
    memcpy(fake.memory + IOV + 4, &part, 4);
    for (; got > 0 && at < 32768; at += got) {
        EXPECT_EQ(CALL_WASI("fd_pread", fd, IOV, 1, at, OUT), WASI_SUCCESS);
        got = fake_u32(OUT);
        note(s, fake.memory + LOOK, got);
    }
    EXPECT_EQ(CALL_WASI("fd_close", fd), WASI_SUCCESS);
}

// All names that a scenario may make or change.
static void
look_at_paths(struct state *s)
{
    static const char *const paths[] = {"f", "d",   "d/g", "l",     "e",
                                        "n", "d/n", "e/n", "n/sub", "big"};

    for (u32 i = 0; i < COUNT(paths); i++) {
        u32 size = fake_put(PATH, paths[i]);
        errno_t error =
            CALL_WASI("path_filestat_get", DIR, 0, PATH, size, LOOK);
        note_call(s, error, 64);
        if (error == WASI_SUCCESS &&
            fake.memory[LOOK + 16] == FILETYPE_REGULAR_FILE)
            look_at_contents(s, size);
        note_call(
            s, CALL_WASI("path_readlink", DIR, PATH, size, LOOK, 4096, OUT), 8);
    }
}

static void
look_at_names(struct state *s)
{
    memset(fake.memory + LOOK, 0, 8192);
    note_call(s, CALL_WASI("fd_readdir", DIR, LOOK, 8192, 0, OUT), 8192);
}

static void
look(struct state *s)
{
    s->size = 0;
    look_at_fds(s);
    look_at_names(s);
    look_at_paths(s);
    s->blocks = fake.blocks;
}

// --- scenarios ---------------------------------------------------------------

static errno_t
open_path(const char *path, u32 flags, u32 fd_flags)
{
    u32 size = fake_put(PATH, path);
    u64 rights = CAN_FD_READ | CAN_FD_WRITE | CAN_FD_SEEK | CAN_FD_TELL |
                 CAN_FD_ALLOCATE | CAN_FD_FILESTAT_SET_SIZE |
                 CAN_FD_FILESTAT_GET;

    return CALL_WASI("path_open", DIR, LOOKUP_FOLLOW, PATH, size, flags, rights,
                     0, fd_flags, OUT);
}

static void
nothing(void)
{
}

static void
have_file(void)
{
    EXPECT_EQ(open_path("f", 0, 0), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), OPENED);
}

static struct fake_pipe pipe_end;

static errno_t adopt(void);

static void
have_pipe(void)
{
    fake_pipe_init(&pipe_end, 64);
}

static void
have_adopted(void)
{
    have_pipe();
    EXPECT_EQ(adopt(), WASI_SUCCESS);
}

static void
have_appended(void)
{
    EXPECT_EQ(open_path("big", 0, FDFLAG_APPEND), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), OPENED);
}

static void
have_all_files(void)
{
    for (u32 i = 0; i < 60; i++)
        EXPECT_EQ(open_path("f", 0, 0), WASI_SUCCESS);
}

static errno_t
open_it(void)
{
    return open_path("f", 0, 0);
}

static errno_t
open_by_link(void)
{
    return open_path("l", 0, 0);
}

static errno_t
open_cut(void)
{
    return open_path("big", OPEN_TRUNCATE, 0);
}

static errno_t
open_new(void)
{
    return open_path("d/n", OPEN_CREATE, 0);
}

static errno_t
make_dir(void)
{
    u32 size = fake_put(PATH, "n");

    return CALL_WASI("path_create_directory", DIR, PATH, size);
}

static errno_t
make_link(void)
{
    u32 size = fake_put(PATH, "f"), other = fake_put(OTHER, "d/n");

    return CALL_WASI("path_link", DIR, 0, PATH, size, DIR, OTHER, other);
}

static errno_t
make_symlink(void)
{
    u32 size = fake_put(PATH, "d/g"), other = fake_put(OTHER, "n");

    return CALL_WASI("path_symlink", PATH, size, DIR, OTHER, other);
}

static errno_t
rename_to(const char *from, const char *to)
{
    u32 size = fake_put(PATH, from), other = fake_put(OTHER, to);

    return CALL_WASI("path_rename", DIR, PATH, size, DIR, OTHER, other);
}

static errno_t
rename_it(void)
{
    return rename_to("f", "e/n");
}

static errno_t
rename_over(void)
{
    return rename_to("f", "d/g");
}

static errno_t
rename_dir(void)
{
    return rename_to("d", "n");
}

static errno_t
unlink_it(void)
{
    u32 size = fake_put(PATH, "d/g");

    return CALL_WASI("path_unlink_file", DIR, PATH, size);
}

static errno_t
remove_it(void)
{
    u32 size = fake_put(PATH, "e");

    return CALL_WASI("path_remove_directory", DIR, PATH, size);
}

static errno_t
read_link(void)
{
    u32 size = fake_put(PATH, "l");

    return CALL_WASI("path_readlink", DIR, PATH, size, DATA, 100, OUT);
}

// So many pieces of so many bytes each.
static void
put_vectors(u32 count, u32 size)
{
    for (u32 i = 0; i < count; i++) {
        u32 ptr = DATA + i;
        memcpy(fake.memory + IOV + 8 * i, &ptr, 4);
        memcpy(fake.memory + IOV + 8 * i + 4, &size, 4);
    }
    memset(fake.memory + DATA, 'w', count + size);
}

static errno_t
write_little(void)
{
    put_vectors(1, 5);
    return CALL_WASI("fd_write", OPENED, IOV, 1, OUT);
}

static errno_t
write_much(void)
{
    put_vectors(1, 100000);
    return CALL_WASI("fd_write", OPENED, IOV, 1, OUT);
}

static errno_t
write_pieces(void)
{
    put_vectors(64, 300);
    return CALL_WASI("fd_write", OPENED, IOV, 64, OUT);
}

static errno_t
write_far(void)
{
    put_vectors(2, 6000);
    return CALL_WASI("fd_pwrite", OPENED, IOV, 2, 1ull << 40, OUT);
}

static errno_t
write_console(void)
{
    put_vectors(20, 30);
    return CALL_WASI("fd_write", 1, IOV, 20, OUT);
}

static errno_t
read_pieces(void)
{
    put_vectors(20, 3);
    return CALL_WASI("fd_pread", OPENED, IOV, 20, 0, OUT);
}

static errno_t
allocate(void)
{
    return CALL_WASI("fd_allocate", OPENED, 0, 50000);
}

static errno_t
grow(void)
{
    return CALL_WASI("fd_filestat_set_size", OPENED, 90000);
}

static errno_t
cut(void)
{
    return CALL_WASI("fd_filestat_set_size", OPENED, 4097);
}

static errno_t
renumber(void)
{
    return CALL_WASI("fd_renumber", OPENED, 2);
}

static errno_t
read_names(void)
{
    return CALL_WASI("fd_readdir", DIR, DATA, 4096, 0, OUT);
}

// For input or some time.
static errno_t
poll(u32 count)
{
    const u32 file = OPENED;
    const u64 timeout = 1000;

    memset(fake.memory + SUBS, 0, 48ull * count);
    for (u32 i = 0; i + 1 < count; i++) {
        fake.memory[SUBS + 48 * i + 8] = 1; // to read
        memcpy(fake.memory + SUBS + 48 * i + 16, &file, 4);
    }
    memcpy(fake.memory + SUBS + 48 * (count - 1) + 24, &timeout, 8);
    return CALL_WASI("poll_oneoff", SUBS, DATA, count, OUT);
}

static errno_t
poll_some(void)
{
    return poll(10);
}

// What another process begins with.
static errno_t
spawn(void)
{
    static u8 args[] = "one\0two", env[] = "A=1";
    static const struct spawn_descriptor given[] = {
        {0, SPAWN_COPY, OPENED},
        {7, SPAWN_COPY, DIR   },
        {9, SPAWN_COPY, 1     },
    };
    const struct spawn_setup setup = {
        .args = {args, sizeof(args)},
        .env = {env,  sizeof(env) },
        .descriptors = given,
        .descriptor_count = COUNT(given),
    };
    struct process *child = fake_child();
    status_t status = wasi_spawn(child, &setup);

    fake_end(child);
    EXPECT(status == OK || status == ERR_NO_MEMORY);
    return status == OK ? WASI_SUCCESS : WASI_NOMEM;
}

static errno_t
adopt(void)
{
    struct adoption adoption = {.handle = 5};
    u32 fd;

    adoption.object = (struct carried){&pipe_end.object,
                                       RIGHT_READ | RIGHT_WRITE | RIGHT_WAIT};
    status_t status = wasi_adopt(&adoption, &fd);
    EXPECT(status == OK || status == ERR_NO_MEMORY);
    return status == OK ? WASI_SUCCESS : WASI_NOMEM;
}

static const struct scenario {
    const char *name;
    void (*prepare)(void);
    errno_t (*act)(void);
    bool asks; // for memory
} scenarios[] = {
    {"open",                  nothing,        open_it,       true },
    {"open the 61st",         have_all_files, open_it,       true },
    {"open by a link",        nothing,        open_by_link,  true },
    {"open and cut",          nothing,        open_cut,      true },
    {"open a new one",        nothing,        open_new,      true },
    {"path_create_directory", nothing,        make_dir,      true },
    {"path_link",             nothing,        make_link,     true },
    {"path_symlink",          nothing,        make_symlink,  true },
    {"path_rename",           nothing,        rename_it,     true },
    {"path_rename, over",     nothing,        rename_over,   true },
    {"path_rename, all",      nothing,        rename_dir,    true },
    {"path_unlink_file",      nothing,        unlink_it,     false},
    {"path_remove_directory", nothing,        remove_it,     false},
    {"path_readlink",         nothing,        read_link,     false},
    {"fd_write, little",      have_file,      write_little,  true },
    {"fd_write, much",        have_file,      write_much,    true },
    {"fd_write, pieces",      have_file,      write_pieces,  true },
    {"fd_write, at the end",  have_appended,  write_pieces,  true },
    {"fd_pwrite, far away",   have_file,      write_far,     true },
    {"fd_write, console",     nothing,        write_console, false},
    {"fd_pread",              have_file,      read_pieces,   false},
    {"fd_allocate",           have_file,      allocate,      true },
    {"set_size, larger",      have_file,      grow,          false},
    {"set_size, smaller",     have_appended,  cut,           false},
    {"fd_renumber",           have_file,      renumber,      false},
    {"fd_readdir",            nothing,        read_names,    false},
    {"poll_oneoff, files",    have_file,      poll_some,     false},
    {"poll_oneoff, pipes",    have_adopted,   poll_some,     true },
    {"process_spawn",         have_file,      spawn,         true },
    {"descriptor_create",     have_pipe,      adopt,         true },
};

// --- one scenario ------------------------------------------------------------

static struct {
    const struct scenario *scenario;
    u64 at; // the request that fails
    bool once;
} run;

static void
complain(const char *what, u64 got, u64 want)
{
    fprintf(stderr, "%s, %s, request %u: %s\n", run.scenario->name,
            run.once ? "once" : "from then on", (u32)run.at, what);
    EXPECT_EQ(got, want);
}

static void
fail_from(u64 request)
{
    fake.requests = 0;
    fake.fail_at = request;
    fake.fails_once = run.once;
}

static bool
says_so(errno_t error)
{
    return error == WASI_NOMEM || error == WASI_NOSPC || error == WASI_NOBUFS;
}

static void
compare(void)
{
    look(&behind);
    if (behind.blocks != before.blocks)
        complain("memory", behind.blocks, before.blocks);
    if (behind.size != before.size ||
        memcmp(behind.bytes, before.bytes, before.size) != 0)
        complain("something has changed", 1, 0);
}

// Whether the request came.
static bool
act(void)
{
    look(&before);
    fail_from(run.at);
    errno_t error = run.scenario->act();
    bool hit = fake.requests >= run.at;
    fail_from(0);
    if (error == WASI_SUCCESS)
        return hit;
    if (!hit || !says_so(error))
        complain("fails for another reason", error, WASI_SUCCESS);
    compare();
    error = run.scenario->act();
    if (error != WASI_SUCCESS)
        complain("does not work later", error, WASI_SUCCESS);
    return hit;
}

static bool
run_once(void)
{
    struct error error = {OK, 0, NULL};
    u64 blocks = fake.blocks;
    struct tree *tree = tree_new(archive_bytes(&a), &error);

    EXPECT(tree != NULL);
    tree_set_writable(tree_root(tree), true);
    fake_attach(tree_root(tree));
    run.scenario->prepare();
    bool hit = act();
    fake_detach();
    tree_free(tree);
    if (run.scenario->prepare == have_pipe)
        EXPECT_EQ(pipe_end.object.references, 1);
    if (fake.blocks != blocks)
        complain("blocks are left", fake.blocks, blocks);
    return hit;
}

static void
run_all(const struct scenario *scenario, bool once)
{
    run.scenario = scenario;
    run.once = once;
    for (run.at = 1; run.at <= TIMES; run.at++)
        if (!run_once())
            break;
    EXPECT(run.at <= TIMES);
    if ((run.at > 1) != scenario->asks)
        complain("asks for memory", run.at > 1, scenario->asks);
}

TEST(wasi_faults_of_calls)
{
    static u8 big[20000];

    memset(big, 'b', sizeof(big));
    archive_add(&a, "f", '0', "0123456789", 10, "");
    archive_add(&a, "d/g", '0', "ggg", 3, "");
    archive_add(&a, "l", '2', "", 0, "f");
    archive_add(&a, "e/", '5', "", 0, "");
    archive_add(&a, "big", '0', (const char *)big, sizeof(big), "");
    archive_end(&a);
    for (u32 i = 0; i < COUNT(scenarios); i++) {
        run_all(&scenarios[i], true);
        run_all(&scenarios[i], false);
    }
}

// --- a process begins --------------------------------------------------------

// Its descriptors, arguments and environment; nothing stays of what failed.
TEST(wasi_faults_of_a_start)
{
    static u8 args[] = "prog\0one\0", env[] = "A=1\0B=";
    struct error error = {OK, 0, NULL};
    u64 at;

    archive_add(&a, "f", '0', "0123456789", 10, "");
    archive_end(&a);
    struct tree *tree = tree_new(archive_bytes(&a), &error);
    EXPECT(tree != NULL);
    const struct preopen dir = {tree_root(tree), STRING("/")};
    const struct wasi_setup setup = {
        .args = {args, 9},
        .env = {env,  7},
        .preopens = &dir,
        .preopen_count = 1
    };
    u64 blocks = fake.blocks;
    for (at = 1; at <= TIMES; at++) {
        fail_from(at);
        status_t status = wasi_attach(process_current(), &setup);
        bool hit = fake.requests >= at;
        fail_from(0);
        if (process_personality(process_current()) != NULL)
            fake_detach(); // whatever it has got so far
        EXPECT(status == OK ? !hit : hit && status == ERR_NO_MEMORY);
        EXPECT_EQ(fake.blocks, blocks);
        if (!hit)
            break;
    }
    EXPECT(at > 1 && at <= TIMES);
    tree_free(tree);

    // And the files themselves, which one archive becomes.
    for (at = 1; at <= TIMES; at++) {
        fail_from(at);
        tree = tree_new(archive_bytes(&a), &error);
        bool hit = fake.requests >= at;
        fail_from(0);
        EXPECT(tree != NULL || (hit && error.status == ERR_NO_MEMORY));
        if (tree != NULL)
            tree_free(tree);
        if (!hit)
            break;
    }
    EXPECT(at > 1 && at <= TIMES);
}
