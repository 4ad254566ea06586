// tool/: the host command `nebulet`.
//
//     run      pack programs into an initrd and run them, on QEMU or in-process
//     shell    the same with a shell, its tools and files
//     image    write a disk that boots and runs programs
//     wast     run official test scripts
//     compile  compile a module and say what it took
//     verify   compile a module and judge its machine code
//     dump     show a step of the compiler
//     sysroot  make what clang wants of --sysroot
//     cache    list or remove what was compiled before
//     selftest run the kernel's own tests in QEMU
//     help     tell about commands, topics and options
//     manual   the manual page; completion: words for shells

#pragma once

#include "abi/abi.h"
#include "base/base.h"

#include <stdio.h>

// --- host.c -----------------------------------------------------------------

// What the program is called in messages: "nebulet".
extern const char *program_name;

// One line to stderr: "nebulet: ...", or to stdout.  Paths and names in it may
// hold anything (format_safe in base/base.h).
void complain(const char *text, ...) PRINTF(1, 2);
// From now on somebody hears those lines, too, without name and line's end
// (NULL: nobody).
void complain_to(void (*hear)(const char *line));
void tell(const char *text, ...) PRINTF(1, 2);

enum {
    GRACE_MS = 150, // the programs' own time limit takes to end them
};

// From this age of the command on (milliseconds), what stderr does not take at
// once is dropped; before, complain() waits for its reader.
void complain_until(u64 age_ms);

// At this age end the command, whatever it waits for, with EXIT_TIMEOUT; 0:
// no more, because somebody else keeps the time.
void host_limit(u64 age_ms);

// CPUs that this process may use, at least 1.
u32 host_cpus(void);

// Milliseconds of the monotonic clock, and since the command was started.
u64 host_now_ms(void);
u64 host_age_ms(void);
void host_start(void); // it is now

// To be called last: `status`, but 1 instead of 0 after a complaint when
// something that was printed on stdout did not arrive.
MUST_USE int output_end(int status);

// The whole file; .ptr is NULL after a complaint.  Owned by the caller (free).
struct bytes file_read(const char *path);

// The same without a complaint: 0, or an errno, EFBIG where there are more than
// `most` bytes.
MUST_USE int file_load(const char *path, u64 most, struct bytes *out);

// Bytes of memory that this process can get now; UINT64_MAX: nobody knows.
u64 host_memory(void);

// A file without a name that another process can open by /proc/self/fd; -1 with
// errno set where there is no memory for it.
MUST_USE int memory_file(const char *name, struct bytes contents);

// What follows the last slash.
const char *base_name(const char *path);

// What a module error means to a person: "FILE: offset 0x12: MESSAGE (why)".
void complain_error(const char *path, const struct error *error);

// An arena backed by the host's memory, `size` bytes of address space; false:
// there are not so many.
MUST_USE bool arena_map_host(struct arena *arena, u64 size);
void arena_init_host(struct arena *arena, u64 size); // there are
void arena_free_host(struct arena *arena);

// A growing buffer.
struct buffer {
    u8 *ptr;
    u64 size, capacity;
    bool mapped; // not of malloc()
};

void buffer_expect(struct buffer *b, u64 size); // so much altogether
// Append them.
void buffer_put(struct buffer *b, const void *bytes, u64 size);
// Append what is mapped there, privately, without copying where it would begin
// at a multiple of the page size; the mapping is the buffer's.
void buffer_put_mapped(struct buffer *b, void *mapped, u64 size);
void buffer_put_u32(struct buffer *b, u32 word);
void buffer_free(struct buffer *b);

// --- module.c ----------------------------------------------------------------

// A module's bytes, as file_read(): of a file in the text format what wat2wasm
// makes of it.  The file is read once, to its end or LIMIT_MODULE_SIZE.
struct bytes module_read(const char *path);

// Has the path this end?
bool path_ends_in(const char *path, const char *end);

// --- progress.c --------------------------------------------------------------

// Show how far work is from now on, until its end, after some time: on stderr,
// where that is a terminal.  The words have to stay.  (total 0: not at all.)
void progress_begin(const char *what, const char *name, u64 total,
                    u64 patience_ms);
void progress_more(u64 count); // so much more of the total is done
// A step of compiling a function, of which there are so many as the total says.
void progress_step(void *self, const char *step, u32 func);
void progress_hide(void); // what is on the screen: another line is to come
void progress_end(void);

enum { COMPILE_PATIENCE_MS = 1000 };

// --- digest.c ----------------------------------------------------------------

struct digest {
    u8 bytes[32];
};

enum { DIGEST_TEXT = 2 * 32 + 1 };

// SHA-256, and as hexadecimal digits.
struct digest digest_of(struct bytes bytes);
void digest_text(char to[DIGEST_TEXT], const struct digest *digest);

// --- options.c ---------------------------------------------------------------

// Words of the command line.
struct words {
    char **list;
    int count;
    bool closed; // "--" came before them
};

struct option {
    const char *name;  // "--on"
    const char *value; // what its value is called, or NULL: it has none;
                       // "[=...": it may have one, behind a "="
    const char *help;  // lines of about 50 columns
    // Take it in (value is NULL where there is none); false after misuse().
    bool (*set)(void *self, const struct option *o, const char *value);
};

enum { OPTIONS_MAX = 32 };

// A command: everything that its usage text says, and what it does.
struct command {
    const char *name, *operands;
    const char *summary; // for the list of commands
    const char *text;    // what it does
    const struct option *options;
    u32 option_count;
    const char *notes;    // after the options, or NULL
    const char *examples; // a command line each, which a test runs; or NULL
    bool stops;           // at the first operand: what follows is not ours
    int (*run)(struct words words); // words without the name; the exit status
};

// options_read() went through; else the exit status of the command.
enum { OPTIONS_READ = -1, STATUS_MISUSE = 2 };

// Take in the options, which may stand between the operands; these are left,
// in `words`' own list.  After -h or --help the usage is on stdout (status 0),
// after misuse one line on stderr (status 2).
MUST_USE int options_read(const struct command *c, void *self,
                          struct words words, struct words *operands);

// The option that a word names, with its value behind a "=" or NULL; or NULL.
const struct option *option_find(const struct command *c, const char *word,
                                 const char **value);

// One line that says what is wrong and where there is help (c = NULL: with the
// command nebulet itself); the exit status, 2.
int misuse(const struct command *c, const char *text, ...) PRINTF(2, 3);

// Read a decimal number: what follows its digits; NULL where there are none or
// it is beyond `most`.
const char *number_read(const char *text, u64 most, u64 *number);

// The value of an option that is a number of CPUs; false after misuse().
MUST_USE bool option_cpus(const struct command *c, const struct option *o,
                          const char *value, u32 *cpus);

// The word that was probably meant, or NULL.
const char *nearest(const char *word, const char *const *words, u32 count);

// --- help.c ------------------------------------------------------------------

// What `nebulet help` tells about, beside commands and options.
struct topic {
    const char *name, *summary, *text;
    const char *examples; // as a command's
    bool table;           // the lines of its text stay
};

extern const struct topic topics[];
extern const u32 topic_count;

void print_usage(const struct command *c); // its usage text
void print_commands(void);                 // the list of them

// Its value may only follow a "=", if it is there at all.
bool option_is_optional(const struct option *o);

// --- env.c -------------------------------------------------------------------

enum { ENV_MAX = 1024 };

// The variables that programs get, "K=V".
struct env {
    char *list[ENV_MAX];
    u32 count;
};

// The value of an option --env; false after misuse().
MUST_USE bool env_add(struct env *env, const struct command *c,
                      const struct option *o, const char *word);

// A file of such words, a line each; blank lines and those that begin with #
// say nothing.  False after a complaint.
MUST_USE bool env_add_file(struct env *env, const struct command *c,
                           const char *path);

// --- invoke.c ----------------------------------------------------------------

// A call of a program's function instead of its entry.
struct invocation {
    const struct command *command;
    const char *path, *function; // of the program
    struct words args;
};

// Append it as wasi/wasi.h says, for the module's bytes.  OPTIONS_READ, or the
// exit status after a complaint.
MUST_USE int invocation_pack(struct buffer *out, const struct invocation *call,
                             struct bytes bytes);

// --- tar.c -------------------------------------------------------------------

// Append a file to a ustar archive.
void tar_add(struct buffer *tar, const char *name, const void *bytes, u64 size);
// The same of what is mapped, which becomes the archive's.
void tar_add_mapped(struct buffer *tar, const char *name, void *mapped,
                    u64 size);
// The file FOLDER/NUMBER/NAME.
void tar_add_member(struct buffer *tar, const char *folder, u32 number,
                    const char *name, struct bytes bytes);
void tar_add_dir(struct buffer *tar, const char *name);
// From now on files are not later than this, in seconds since 1970.
void tar_set_latest(i64 seconds);

// Is this member not to be appended, and nothing below it?
typedef bool tar_hides(void *self, const char *name, bool is_dir);

// Append a file, or a directory and everything below it, under this name.  What
// cannot be read on the way is left out, which is said on stderr; false after a
// complaint.
MUST_USE bool tar_add_path(struct buffer *tar, const char *name,
                           const char *path, tar_hides *hides, void *self);

// How many bytes that will append, as far as can be known before a file is
// read: those that have no size (in /proc) count as empty.  False after a
// complaint.
MUST_USE bool tar_measure(u64 *size, const char *name, const char *path,
                          tar_hides *hides, void *self);

// The two empty blocks at the end.
void tar_end(struct buffer *tar);

// --- dirs.c ------------------------------------------------------------------

enum { DIRS_MAX = 64 };

#define ROOT "root" // of the members of an initrd that are the programs' files

// One --dir, --copy-dir, --disk or --system.
struct dir {
    const char *option, *text; // as given
    char host[4096];
    char guest[1024]; // what programs call it, "/" or "/NAME/..."
    char home[1024];  // of a file that is in none of the others: its directory
    bool is_file;
    bool read_only;
    bool live; // the host's itself; else a copy, in the archive
    bool disk; // a file that is a disk, which has the directory; live
    u64 size;  // in the archive (dirs_measure)
};

struct dirs {
    struct dir list[DIRS_MAX];
    u32 count;
    bool named; // a directory without GUEST is /NAME, too
    // Those of the host are devices of the machine, which has no single files
    // (before measuring).
    bool served;
    bool copies; // --dir is a copy, as --copy-dir
};

// Take in HOST[::GUEST[::ro]]; false after misuse().
MUST_USE bool dirs_add(struct dirs *dirs, const struct command *c,
                       const struct option *o, const char *value);

// See what they are and count what they take, without reading a file; *size is
// the sum, *largest the one that takes most (NULL: there are none).  False
// after a complaint.
MUST_USE bool dirs_measure(struct dirs *dirs, u64 *size,
                           const struct dir **largest);

// Append the copies to an initrd, and what programs have open, as wasi/wasi.h
// describes, after dirs_measure(); false after a complaint.
MUST_USE bool dirs_pack(struct dirs *dirs, struct buffer *tar);

// Append the copies alone, below `above`, after dirs_measure(); false after a
// complaint.
MUST_USE bool dirs_copy(struct dirs *dirs, struct buffer *tar,
                        const char *above);

// Is it a device, which a process serves?  Disks are called "disk" and their
// number among those in the list, directories "dir" and their number in it.
bool dir_is_served(const struct dirs *dirs, const struct dir *dir);
u32 dirs_served(const struct dirs *dirs); // how many are
u32 dir_disk_number(const struct dirs *dirs, const struct dir *disk);

// After that, where the port is this process: mount those that are the host's,
// and let it have the disks; false after a complaint.
MUST_USE bool dirs_mount(const struct dirs *dirs);

// --- servers.c --------------------------------------------------------------

// Append who serves the directories and disks that are devices, after
// dirs_measure(); false after a complaint.
MUST_USE bool servers_pack(struct buffer *tar, const struct dirs *dirs);

// --- script_json.c ----------------------------------------------------------

// Append a test script (script.h) whose modules may not use the features
// *without (enum wasm_feature); with NULL they may use all, and to be refused
// may be for want of those that no valid module of the script uses.  False
// after a complaint.
MUST_USE bool script_from_json(struct buffer *out, const char *path,
                               const u8 *without);

// --- terminal.c --------------------------------------------------------------

// From now on each key that is typed is passed on as it is through standard
// input, with the terminal's size; false after a complaint.  When the process
// ends, however it does, or with terminal_give_back(), the terminal is as it
// was before.
MUST_USE bool terminal_take(void);
void terminal_give_back(void);

// --- manual.c ----------------------------------------------------------------

// A section of a manual page about it, in roff, on stdout.
void manual_command(const struct command *c);

// --- commands ----------------------------------------------------------------

#define VERSION "0.1 (x86-64; WebAssembly 3.0, WASI preview 1)"

extern const struct command command_run, command_shell, command_image,
    command_wast, command_compile, command_verify, command_dump, command_cache,
    command_sysroot, command_selftest, command_help, command_completion,
    command_manual;

// --- commands.c: all of them -------------------------------------------------

enum { COMMANDS_MAX = 32 };

extern const struct command *const all_commands[];
extern const u32 command_count;

const struct command *command_find(const char *name); // or NULL

// --- network.c: ports of the host that lead to programs ----------------------

enum { PUBLISH_MAX = 32 };

struct publish {
    u32 address; // of the host
    u16 host_port, port;
    char name[8]; // the port as text
};

struct network_options {
    struct publish list[PUBLISH_MAX];
    u32 count;
};

// An option [ADDRESS:]HOSTPORT:PORT; false after a complaint.
MUST_USE bool network_publish(struct network_options *n,
                              const struct command *c, const struct option *o,
                              const char *value);
// Listen at the ports, or see whether one could: false after a complaint.
MUST_USE bool network_listen(const struct network_options *n);
MUST_USE bool network_is_free(const struct network_options *n);
// As QEMU's -netdev has it.
void network_words(const struct network_options *n, char *to, u64 size);
// The listeners, and on metal who serves them; false after a complaint.
MUST_USE bool network_pack(struct buffer *tar, const struct network_options *n,
                           bool metal);

// --- qemu.c ------------------------------------------------------------------

// Devices that `--device` gives to a program.
enum device_name {
    DEVICE_NAME_RANDOM,
    DEVICE_NAME_PS2,
    DEVICE_NAME_DISPLAY,
    DEVICE_COUNT,
};
extern const char *const device_names[DEVICE_COUNT];

struct qemu_options {
    const char *gdb;     // the TCP port where GDB is waited for, or NULL
    const char *kernel;  // path of nebulet.elf
    const char *machine; // "microvm" or "q35"
    const char *append;  // kernel command line
    u32 devices;         // a set of enum device_name
    const struct network_options *network; // ports that lead to it; or NULL
    const struct dirs *dirs; // those that are served are devices; or NULL
    const char *model; // QEMU's -cpu; NULL: all that the host has or TCG knows
    u32 memory_mib;
    u32 cpus;       // 0: one
    bool icount;    // time is the number of instructions, one a nanosecond
    int profile;    // descriptor for what the kernel has counted, 0: none
    bool quiet;     // neither the kernel's log nor QEMU's messages are shown
    u64 timeout_ms; // of the command's age, 0: none
};

// Is there room for an initrd of so many bytes in a machine of this memory?
// False after a complaint, with `most`, words on what takes most of it, or "".
MUST_USE bool qemu_has_room(u32 memory_mib, u64 size, const char *most);

// Boot the kernel with an initrd, connect the terminal, return the exit status
// of the programs (or 1 after a complaint).
int qemu_run(const struct qemu_options *options, struct bytes initrd);

// The path of what comes with the command, such as "nebulet.elf": next to it,
// as it is built, or in ../lib/nebulet, as it is installed.
const char *kernel_path(const char *name, char *to, u64 size);
