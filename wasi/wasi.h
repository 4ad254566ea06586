// wasi/: the WASI preview 1 personality, on the public part of the kernel's
// interface.  A process has a table of open files; a file is an open node of
// some file system; a file system is a table of functions (struct node_ops).
// Programs reach nodes by paths that start at a directory they have open and
// cannot leave it.

#pragma once

#include "sys/sys.h"

// --- numbers of the interface -----------------------------------------------

typedef u32 errno_t;

enum {
#define ERRNO(number, id, text) WASI_##id = number,
#include "wasi/errno.def"
};

#define RIGHT(bit, id, file, dir, stream) \
    static const u64 CAN_##id UNUSED = 1ull << bit;
#include "wasi/rights.def"

enum {
#define FLAG(set, value, id)     set##_##id = value,
#define FLAG_OLD(set, value, id) OLD_##set##_##id = value,
#include "wasi/flags.def"
};

enum { FDFLAGS_ALL = 31, LOOKUP_ALL = 1, OPEN_ALL = 15 };

// --- tar.c: ustar archives --------------------------------------------------

// One member.  All pointers point into the archive.
struct tar_entry {
    struct string path[2]; // joined by a slash; the first may be empty
    struct string target;  // of links
    struct bytes data;
    u64 mtime_ns; // since 1970; 0 for what is before, UINT64_MAX beyond
    char kind;    // '0' file, '1' hard link, '2' symlink, '5' directory, ...
};

// A cursor; start with {.archive = ..., .error = ...}.
struct tar {
    struct bytes archive;
    u64 at;
    struct error *error; // offset and reason of the first damage
    // What extended headers said about the next member:
    struct string path, target;
    u64 size, mtime_ns;
    bool has_size, has_mtime;
};

// The next member; false at the end or after an error.  Understands ustar
// prefixes, GNU long names ('L', 'K') and pax records ('x', path, linkpath,
// size, mtime).  No name has a zero byte.
MUST_USE bool tar_next(struct tar *tar, struct tar_entry *entry);

// Take the first component off a path: empty when there is none left.
struct string path_component(struct string *rest);

// --- nodes: what file systems offer -----------------------------------------

struct filestat {
    u64 device, inode;
    u64 links, size;
    u64 atime, mtime, ctime; // nanoseconds since 1970
    u8 type;
};

enum { FILE_NAME_MAX = 255 }; // bytes of a name in a directory

struct dirent {
    u64 next; // cookie of the entry after this one
    u64 inode;
    struct string name;
    u8 type;
    char text[FILE_NAME_MAX]; // where a back end may put the name
};

// A file, directory, symlink or device; the first member of the back end's own
// structure.
struct node {
    const struct node_ops *ops;
    u8 type; // FILETYPE_
};

// Memory for the bytes [at, end) of a file, taken some at a time; all zero but
// these at first.
struct reservation {
    u64 at, end;
    u64 done; // bytes from `at` on that have it
    u64 cuts; // of the file, when they got it (struct contents)
};

struct node_signals {
    u32 read, write, end;
};

// What a back end does.  A function that makes no sense for its nodes is NULL;
// node_*() below give the answer then.  All but lock, hold, drop, release, sync
// and what is for devices want the file system to be locked.
struct node_ops {
    // The file system that the node is part of; never waited for long.
    void (*lock)(struct node *n);
    void (*unlock)(struct node *n);

    // References of open files.  `drop` locks by itself.
    void (*hold)(struct node *n);
    void (*drop)(struct node *n);

    // Where nodes come and go with those who look at them: give back the
    // reference with which lookup, parent or create gave a node.  NULL: what
    // they give stays while the file system is locked.
    void (*release)(struct node *n);

    errno_t (*stat)(struct node *n, struct filestat *out);
    bool (*writable)(struct node *n); // NULL: no

    // Before a file or directory is made a descriptor of: for reading, for
    // writing.  NULL: there is nothing to do.
    errno_t (*open)(struct node *n, bool reads, bool writes);

    // Directories.  `lookup` sees no ".", ".." or empty names; `next` gives the
    // first entry from a cookie on (0 = first of all), one without a name past
    // the end.  Between calls names may come and go: one that stays is met
    // once.
    errno_t (*lookup)(struct node *dir, struct string name, struct node **out);
    struct node *(*parent)(struct node *dir);
    errno_t (*next)(struct node *dir, u64 cookie, struct dirent *out);

    // Changes to directories, only where `writable`.  `create` makes a node of
    // this name; `target` is what a symlink leads to.  `remove` removes no
    // directory that has names; `rename` replaces what it may.
    errno_t (*create)(struct node *dir, struct string name, u8 type,
                      struct string target, struct node **out);
    errno_t (*link)(struct node *dir, struct string name, struct node *node);
    errno_t (*remove)(struct node *dir, struct string name);
    errno_t (*rename)(struct node *from_dir, struct string from,
                      struct node *to_dir, struct string to);

    // Symlinks.
    struct string (*target)(struct node *link);

    // Files and devices, at least a byte.  Devices ignore `at`; their reads and
    // writes wait until the deadline and then answer WASI_AGAIN, a write when
    // nothing went through.
    errno_t (*read)(struct node *n, u64 at, struct bytes to, u64 deadline_ns,
                    u64 *count);
    errno_t (*write)(struct node *n, u64 at, struct bytes from, u64 deadline_ns,
                     u64 *count);
    // Write behind the end, wherever that is now; *at is then behind what was
    // written.  NULL: stat and write do it, as the file system is locked.
    errno_t (*append)(struct node *n, struct bytes from, u64 *at, u64 *count);
    // Over all of an append, so that none comes between its pieces; the file
    // system is not locked.  WASI_INTR: killed, and it is not had.
    errno_t (*lock_end)(struct node *n);
    void (*unlock_end)(struct node *n);
    errno_t (*set_size)(struct node *n, u64 size);
    // Take memory for more of a reservation, at < end; with the last of it the
    // size is at least `end`.  What was cut off since is taken again.
    errno_t (*reserve)(struct node *n, struct reservation *r);
    // Give back what was reserved behind the size; nothing else changes.
    void (*unreserve)(struct node *n);
    // Let all that was written be where it stays, or only what finds it again
    // (`data`).  NULL: there is nothing to do.
    errno_t (*sync)(struct node *n, bool data);
    // NULL: leave it as it is.
    errno_t (*set_times)(struct node *n, const u64 *atime, const u64 *mtime);

    // Devices: wait until a read would not, and say what it would find;
    // WASI_AGAIN after the deadline, other errors are the read's.
    errno_t (*wait)(struct node *n, u64 deadline_ns, struct port_input *out);

    // Instead of `wait`, devices that are an object of the kernel: which, and
    // its signals that say that a read or a write would not wait, and those of
    // them that say that the input has ended.
    struct object *(*object)(struct node *n, struct node_signals *out);

    // Sockets.  Of a listener: wait until the deadline (WASI_AGAIN) for the
    // next connection, a node with a reference.  Of a connection: end what is
    // read, what is written, or both.
    errno_t (*accept)(struct node *n, u64 deadline_ns, struct node **out);
    errno_t (*shutdown)(struct node *n, bool reads, bool writes);
};

// node.c: calls of node_ops where they may be NULL.
void node_lock(struct node *n);
void node_unlock(struct node *n);
void node_hold(struct node *n);
void node_drop(struct node *n);
MUST_USE errno_t node_lock_end(struct node *n);
void node_unlock_end(struct node *n);
bool node_writable(struct node *n);
MUST_USE errno_t node_open(struct node *n, bool reads, bool writes);
MUST_USE errno_t node_sync(struct node *n, bool data);
MUST_USE errno_t node_stat(struct node *n, struct filestat *out); // locks

// --- tree.c: a file system in memory, made from a tar archive ---------------

struct tree;

// Index an archive in time linear in its size.  File contents stay where they
// are.  *error on damage, lack of memory or when the thread is killed: then the
// tree is good only to be freed, and NULL when there is none.  Freeing takes
// time as well, which who ends the machine can save.
MUST_USE struct tree *tree_new(struct bytes archive, struct error *error);
// No file of it is open then.
void tree_free(struct tree *tree);
struct node *tree_root(struct tree *tree);

// Let programs change this node and what is below it, or not (as at first); to
// be called before any runs.  What may not be changed also keeps its place: its
// name and those on the way to it are not removed or renamed.  Takes time
// linear in the names below it and on the way to it; a kill ends it.
void tree_set_writable(struct node *n, bool writable);

// The contents of a regular file that nobody has written to.
struct bytes tree_data(struct node *n);

// --- device.c: null, zero, random -------------------------------------------

// Put them in the directory `dev` of a tree that no program uses yet, if there
// is one and it is empty.
MUST_USE errno_t devices_add(struct node *root);

// --- served.c: files that a process serves ----------------------------------

struct served;

// A file system whose server is yet to come; programs may change it or not.
MUST_USE status_t served_new(struct served **out, bool writable);
// Give p, which does not run yet, the gate where it is to serve the requests of
// struct file_request.  When p has ended, all files are WASI_IO.
MUST_USE status_t served_give(struct served *s, struct process *p);
// Ask the server for the root, open, with a reference; it may still be about to
// start.  WASI_TIMEDOUT: it did not answer until the deadline.  When it is
// another one, *out stays: the root is the other's then.
MUST_USE errno_t served_root(struct served *s, u64 deadline_ns,
                             struct node **out);
// The server has ended: let another come, to be given a gate and asked for its
// root.  Until then, as before, all files are WASI_IO, and what was open stays
// so.  One thread at a time calls these three.
MUST_USE status_t served_renew(struct served *s);
// The server hears that nobody asks any more.  No file of it is open then.
void served_leave(struct served *s);
// The same, and no server runs any more.  NULL is allowed.
void served_free(struct served *s);

// --- console.c: standard streams --------------------------------------------

// Standard input, output or error.  Programs buffer less on a terminal.
struct node *console_node(enum port_stream stream, bool terminal);

// Whether a node has no size and no place to seek to.
bool node_is_stream(const struct node *n);

// What the kernel says of a stream, in the program's terms; ERR_TIMED_OUT is
// that there is nothing now (node.c).
errno_t stream_errno(status_t status);

// --- path.c: names to nodes -------------------------------------------------

enum {
    SYMLINKS_MAX = 40,
    STEPS_MAX = LIMIT_PATH_SIZE / 2 + SYMLINKS_MAX, // names, in symlinks too
};

// The place a walk arrives at; place_release() gives it back.
struct place {
    struct node *node;               // NULL: `dir` has no entry `name`
    struct node *dir;                // where `name` is, or is not
    void (*release)(struct node *n); // that of node_ops
    struct string name; // in the walk's buffer; empty after "." and ".."
    bool slash;         // the path ended in a slash: only a directory will do
};

// Whether a symlink in the last component is followed.
enum follow {
    FOLLOW_NEVER,
    FOLLOW_BEFORE_SLASH,
    FOLLOW_ALWAYS,
    FOLLOW_UNKNOWN, // the call has a flag that does not exist
};

// Walk `path` from `dir` without leaving it.  `buffer` has LIMIT_PATH_SIZE
// bytes.  WASI_NOENT when a directory on the way is missing, WASI_LOOP when
// symlinks make the way too long.  The file system has to be locked.
MUST_USE errno_t path_walk(struct node *dir, struct string path,
                           enum follow follow, char *buffer, struct place *out);
void place_release(struct place *place);

// --- files.c: open files of a process ---------------------------------------

enum { FILES_MAX = 1024 };

// An open file.  The table entry and each call in progress hold a reference.
struct file {
    struct node *node;

    struct list link MEMBER_GUARDED_BY(wasi.lock); // in wasi.open
    u32 refs MEMBER_GUARDED_BY(wasi.lock);
    u32 flags MEMBER_GUARDED_BY(wasi.lock); // FDFLAG_
    u64 rights MEMBER_GUARDED_BY(wasi.lock);
    u64 inheriting MEMBER_GUARDED_BY(wasi.lock);

    // Held over a whole read or write at the offset, so that they are atomic to
    // each other (not for streams, which have none).
    struct mutex lock;
    u64 offset MEMBER_GUARDED_BY(lock);
    struct string preopen; // the name of a directory open from the start
};

// The personality's state of a process.
struct wasi {
    struct bytes args, env; // NUL-terminated strings, end to end
    u8 *strings;            // where they are, if that is ours; or NULL
    u64 started_ns;

    // The table of descriptors.  Not held over an operation on a node.
    struct lock lock;
    // Every struct file, to free them at the end.
    struct list open MEMBER_GUARDED_BY(lock);
    struct file *files[FILES_MAX] MEMBER_GUARDED_BY(lock);

    // One call on names at a time.
    struct mutex walking;
    // Two as given, two while walking.
    char path[4][LIMIT_PATH_SIZE] MEMBER_GUARDED_BY(walking);
};

// The state of the calling process.
struct wasi *wasi_current(void);

// Rights that a descriptor of this node can have.
u64 rights_of_type(u8 type);

// Whether a descriptor is free; stays so for the holder of w->walking.
MUST_USE bool file_fits(struct wasi *w);

// A new descriptor of what `init` says, the lowest that is free (from `first`
// on); holds the node by itself.  `a`, if not NULL, is the handle that it is
// made from, taken in the same step; WASI_BADF: it is not there any more.
MUST_USE errno_t file_install_from(struct wasi *w, const struct file *init,
                                   u32 first, struct adoption *a, u32 *fd);
MUST_USE errno_t file_install(struct wasi *w, const struct file *init, u32 *fd);

// The same in two steps, for who makes or changes something in between: the
// memory of a descriptor, NULL: there is none; and the descriptor, which takes
// that, also where it fails.
struct file *file_prepare(void);
MUST_USE errno_t file_install_prepared(struct wasi *w, struct file *f,
                                       const struct file *init, u32 *fd);
void file_unprepare(struct file *f);

// The open file behind a descriptor that carries `rights`, under w->lock.
MUST_USE errno_t file_find(struct wasi *w, u32 fd, u64 rights,
                           struct file **out) REQUIRES(w->lock);

// The same with a reference, for use without the lock.
MUST_USE errno_t file_hold(struct wasi *w, u32 fd, u64 rights,
                           struct file **out);
void file_drop(struct wasi *w, struct file *f);

// Is it a connection?  WASI_NOTCONN: a listener; WASI_NOTSOCK: neither.
MUST_USE errno_t file_is_connection(const struct file *f);

// The end of a call: drop the file and, on success, write `total`, which is a
// u32, to address `out` of the program's memory.
MUST_USE errno_t file_finish(struct wasi *w, struct file *f, errno_t error,
                             u64 total, u32 out);

// Have the offset for oneself; nothing to do for streams.  WASI_INTR: killed.
MUST_USE errno_t file_lock(struct file *f);
void file_unlock(struct file *f);

// A directory that a program has open from the start.
struct preopen {
    struct node *node;
    struct string name; // "/" or "/NAME/..."
};

// What a program is given.  The strings must stay as long as the process.
struct wasi_setup {
    struct bytes args, env;        // NUL-terminated strings, end to end
    struct node *const *listeners; // descriptors from 3 on
    u32 listener_count;
    const struct preopen *preopens; // and then these
    u32 preopen_count;
    u32 terminals; // bit set of the standard streams that are terminals
    struct object *terminal; // that they are a seat of; NULL: the host's
};

// Make p a WASI process, with the standard streams as 0 to 2.
MUST_USE status_t wasi_attach(struct process *p,
                              const struct wasi_setup *setup);
// The same without any descriptors.
MUST_USE status_t wasi_attach_bare(struct process *p,
                                   const struct wasi_setup *setup);

// --- spawn.c, pipe.c: programs that programs start --------------------------

// What struct personality says, of the calling process.
MUST_USE status_t wasi_spawn(struct process *child,
                             const struct spawn_setup *setup);
MUST_USE status_t wasi_adopt(struct adoption *a, u32 *fd);
MUST_USE status_t wasi_share_output(struct process *child);
MUST_USE bool wasi_print(struct bytes text); // io_calls.c

// A new node of a stream or a terminal, with one reference and a handle of it;
// NULL: no memory.
struct node *pipe_node(struct object *object);

// --- poll.c ------------------------------------------------------------------

// Objects of the kernel that one call waits for: all descriptors, to read and
// to write.
enum { POLL_OBJECTS = 2 * FILES_MAX };

// --- calls.c: the calls about the process itself, and the table of all ------

enum { CLOCK_COUNT = CLOCK_THREAD + 1 };

// What a clock says; false when there is no such clock (from CLOCK_COUNT on).
MUST_USE bool clock_now(u32 clock, u64 *ns);

extern const struct host_module wasi_preview1, wasi_unstable;
extern const struct host_module wasi_threads; // threads.c
// Their code that tells of calls (trace.c).
extern const void *const preview1_traced[], *const unstable_traced[];
extern const void *const threads_traced[];

// modules.c: all modules that programs can import, for sys_init().
extern const struct host_module *const program_modules[];

// --- stat_calls.c: what is known about files --------------------------------

// A struct filestat in the layout of preview 1, or of preview 0.
MUST_USE errno_t filestat_write(u32 ptr, const struct filestat *stat, bool old);

// --- path_calls.c: calls on names -------------------------------------------

// The times that fst_flags ask for: NULL for those to leave alone.
struct new_times {
    u64 values[2];
    const u64 *atime, *mtime;
};

// What the flags of a call on times ask for, of the times in it or of now;
// WASI_INVAL: both at once, or other flags.
MUST_USE errno_t times_from(struct new_times *t, u64 atime, u64 mtime,
                            u32 flags);

// --- the calls: *calls.c, poll.c --------------------------------------------

// Arguments are as the program gave them: numbers, and addresses in its memory.
#define PARAMETERS(zero, ...) (__VA_ARGS__)
#define CALL(name, args)      errno_t wasi_##name PARAMETERS(0 args);
#define CALL_OLD(name, args)                \
    errno_t wasi_##name PARAMETERS(0 args); \
    errno_t wasi_##name##_old PARAMETERS(0 args);
#define CALL_EXIT(name, args) void wasi_##name PARAMETERS(0 args);
#define NONE                  , void
#define U32(n)                , u32 n
#define U64(n)                , u64 n
#include "wasi/calls.def"
#undef PARAMETERS

// --- invoke.c ---------------------------------------------------------------

// Start p with the call of a file run/N/invoke; *out is the caller's.
// ERR_BAD_ARGUMENT: it is no such file; or as process_start_call().
MUST_USE status_t invoke_start(struct process *p, struct bytes contents,
                               struct process_call **out);
// Print the results of a call, if it returned, until the deadline.  As
// console_write() where not all arrived.
MUST_USE status_t invoke_print(const struct process_call *call,
                               u64 deadline_ns);

// --- packed.c: what the initrd says (boot.c) ---------------------------------

// What is in a directory under this name, or under a number; NULL: nothing.
struct node *packed_child(struct node *dir, struct string name);
struct node *packed_dir(struct node *dir, u32 index);
// The contents of a file; .ptr is NULL when there is none.
struct bytes packed_contents(struct node *dir, struct string name);
// They as text, without white space at the end.
struct string packed_text(struct bytes contents);
// The number that they are, *number stays where there is none; false: they are
// something else.
MUST_USE bool packed_number(struct bytes contents, u64 *number);
// The next of NUL-terminated strings; false when there are no more.
MUST_USE bool packed_next(struct bytes *rest, struct string *out);
u32 packed_count(struct bytes strings); // how many there are

// --- network.c: listeners that a process serves ------------------------------

struct network;

// So many listeners, whose server is yet to come.
MUST_USE status_t network_new(struct network **out, u32 count);
// Give p, which does not run yet, the other ends of their channels, in order.
// When it has ended, connections are WASI_CONNRESET.
MUST_USE status_t network_give(struct network *n, struct process *p);
// One of them, with a reference, once.
struct node *network_listener(struct network *n, u32 index);
// No socket of it is open any more.  NULL is allowed.
void network_free(struct network *n);

// --- boot.c: what both ports start ------------------------------------------

// What gives the directories that programs have open by names in run/dirs,
// instead of places in the archive: with a reference, NULL: it is no such name.
// Before boot_run().
typedef struct node *(*mount_finder)(struct string name);
void boot_mounts(mount_finder find);
// The same of the listeners in run/listen, each once.
typedef struct node *(*listener_finder)(struct string name);
void boot_listeners(listener_finder find);

// Run the programs of an initrd: a ustar archive with, for N = 0, 1, ...
//
//     run/N/app.wasm   the module
//     run/N/image      instead of it, a code file of it (code/code.h) that is
//                      as it was written; where it is refused, after a line on
//                      the log, its module is compiled
//     run/N/path       its name in messages (default: the name above)
//     run/N/args       its arguments, NUL-terminated, argv[0] first
//     run/N/env        its environment, NUL-terminated K=V
//     run/N/grants     handles it is given, by these words in this order, a
//                      blank between: "group", of all programs, "terminal",
//                      "random" and other kinds of devices (kernel/device.c),
//                      "disk=1": the second of its kind
//     run/N/mode       "then": start when those before have ended (default)
//                      "beside": start at once
//     run/N/invoke     a function that is called instead of its entry: its
//                      name, which ends in a zero byte, and 16 bytes for each
//                      argument, the least first; results go to stdout
//     run/N/link/K/    the K-th module that is linked with it, and that later
//                      ones and it import of: app.wasm or image, path, and
//                      name, which is the name of imports
//     run/terminals    those of 0, 1 and 2 that are terminals, as text "012"
//                      (default: all)
//     run/terminal     when it is there, what the host calls a terminal sends
//                      us each key: it is ours (kernel/terminal.c)
//     run/timeout      milliseconds from the start of the user's command until
//                      all is killed, as text; looking through what is in front
//                      of it in the archive is not covered
//     run/dirs         the directories that every program has open, as their
//                      names there: "/" is root, "/NAME" is root/NAME (default:
//                      "/" when there is a root), or what is mounted under that
//                      name (boot_mounts); NUL-terminated
//     run/modes        "r/NAME" and "w/NAME", which files may be changed: each
//                      for what is there and below, and the later one counts
//                      (default: none); NUL-terminated
//     run/listen       ports of TCP, NUL-terminated: the first program has a
//                      listener for each, as descriptors from 3 on
//     run/net/         the process that serves them, which starts and ends as
//                      those of files do: as run/N; behind what it is granted
//                      it gets a channel for each (network.c).  Without it they
//                      are the host's (boot_listeners)
//     run/served/K/    the K-th process that serves files, which starts before
//                      all programs and is ended after them: as run/N, and
//                      `name`, by which run/dirs calls its root, and `ro` when
//                      nothing in it may be changed.  It has a word "files=TAG"
//                      more, of a device, and the gate is its last handle.
//                      When it ends before, another starts in its place
//     run/trace        when it is there, calls that are told on standard error,
//                      as host_trace() has them: names with commas between
//                      them, or nothing: all
//     run/gc-stats     when it is there, heaps are told of (heaps_tell())
//     run/profile      what is written to PORT_PROFILE at the end: a letter
//                      s, samples, or m, a map of the code, or both
//     run/max-memory   bytes of memory that the programs may have, with what
//                      they start (default: no limit)
//     run/clock        the grain, in nanoseconds, of all that programs are told
//                      of the time (default: 1)
//     root/...         the files
//
// When the programs have ended or the time is up, what they spawned is killed,
// and waited for, before this returns.
//
// Returns the exit status of the first program, in order, whose is not 0, 124
// after a timeout, as the host has it: the low eight bits, or 1 where these
// alone are 0.  The machine ends then:
// the files are not freed, which takes time in proportion to them.
u32 boot_run(struct bytes initrd, const char *cmdline);

// The same for who goes on afterwards: *files is theirs to free, may be NULL.
u32 boot_programs(struct bytes initrd, struct tree **files);
