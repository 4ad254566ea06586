// tool/run.c: `nebulet run`, `nebulet shell` and `nebulet image`: pack programs
// into an initrd, run them and pass their exit status on, or write what a
// machine boots from.  The archive's form is described in wasi/wasi.h.

#include "tool/cache.h"
#include "tool/media.h"

#include "port/linux/linux.h"
#include "wasi/wasi.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PROGRAM_MAX = 16, CPUS_MOST = 4 };

enum { PACK_SHOWN = 100000000 }; // from so many bytes on it takes a while

struct program {
    const char *path;
    const char *mode; // "then" or "beside" the one before
};

// A module that the program is linked with.
struct preload {
    struct string name; // as imports have it
    const char *path;
};

struct run {
    const struct command *command;
    int failed; // the exit status where that is not 1
    bool metal;
    const char *machine;  // NULL: not said
    u32 memory_mib;       // 0: not said
    u32 cpus;             // 0: not said
    bool icount;          // time is the number of instructions
    bool latency;         // the same, and the kernel that counts
    const char *trace;    // NULL: nothing; "": all calls
    bool gc_stats;        // heaps are told of
    const char *gdb;      // the TCP port where GDB is waited for, or NULL
    u64 timeout_ms;       // 0: none
    const char *cache_at; // a directory, "off", or NULL: not said
    struct cache cache;
    const char *argv0;  // NULL: the program's file name
    const char *invoke; // a function of the first program, or NULL
    struct preload preloads[LIBRARIES_MAX]; // of the first program
    u32 preload_count;
    const char *grants; // handles of the first program, as wasi/wasi.h says
    bool device;        // a source of random bytes is one of them
    bool terminal;      // what is typed is a terminal's of ours
    const char *system; // of the shell: the directory that is /; or NULL
    const char *init;   // of an image: /etc/init there; or NULL
    struct media media; // .out is NULL where none is to be written
    struct dirs dirs;
    struct env env;
    struct program programs[PROGRAM_MAX]; // [0] is the one that was asked for
    u32 program_count;
    struct words args; // of programs[0], without argv[0]
};

// --- options -----------------------------------------------------------------

static bool
one_of(const struct run *run, const struct option *o, const char *text,
       const char *a, const char *b)
{
    if (strcmp(text, a) == 0 || strcmp(text, b) == 0)
        return true;
    misuse(run->command, "%s %s: not %s or %s", o->name, text, a, b);
    return false;
}

static bool
set_on(void *self, const struct option *o, const char *value)
{
    struct run *run = self;

    run->metal = strcmp(value, "metal") == 0;
    return one_of(run, o, value, "metal", "linux");
}

// Where programs run when no option says so.
static bool
take_default_port(struct run *run)
{
    const char *on = getenv("NEBULET_ON");

    run->metal = on == NULL || on[0] == 0 || strcmp(on, "metal") == 0;
    if (run->metal || strcmp(on, "linux") == 0)
        return true;
    misuse(run->command, "NEBULET_ON=%s: not metal or linux", on);
    return false;
}

static bool
set_machine(void *self, const struct option *o, const char *value)
{
    struct run *run = self;

    run->machine = value;
    return one_of(run, o, value, "microvm", "q35");
}

static bool
set_device(void *self, const struct option *o, const char *value)
{
    struct run *run = self;

    run->device = true;
    if (strcmp(value, "random") == 0)
        return true;
    misuse(run->command, "%s %s: not random", o->name, value);
    return false;
}

static bool
set_icount(void *self, const struct option *o, const char *value)
{
    struct run *run = self;

    (void)o;
    (void)value;
    run->icount = true;
    return true;
}

static bool
set_gc_stats(void *self, const struct option *o, const char *value)
{
    struct run *run = self;

    (void)o;
    (void)value;
    run->gc_stats = true;
    return true;
}

static bool
set_latency(void *self, const struct option *o, const char *value)
{
    struct run *run = self;

    (void)o;
    (void)value;
    run->latency = true;
    return true;
}

static bool
set_trace(void *self, const struct option *o, const char *value)
{
    struct run *run = self;
    struct string unknown;

    run->trace = value != NULL ? value : "";
    if (value != NULL && value[0] == 0)
        misuse(run->command, "%s=: no name given", o->name);
    else if (host_knows(program_modules, string_of(run->trace), &unknown))
        return true;
    else if (unknown.len == 0)
        misuse(run->command, "%s=%s: one of the names is empty", o->name,
               value);
    else
        misuse(run->command, "%s: there is no call or module %.*s", o->name,
               (int)unknown.len, unknown.ptr);
    return false;
}

static bool
set_gdb(void *self, const struct option *o, const char *value)
{
    struct run *run = self;
    u64 number;
    const char *end = number_read(value, UINT16_MAX, &number);

    run->gdb = value;
    if (end != NULL && *end == 0 && number > 0)
        return true;
    misuse(run->command, "%s %s: not a number of a TCP port", o->name, value);
    return false;
}

static bool
set_memory(void *self, const struct option *o, const char *value)
{
    enum { LEAST = 64, MOST = 1 << 20 };
    struct run *run = self;
    u64 number;
    const char *end = number_read(value, MOST, &number);

    if (end == NULL || (*end != 0 && strcmp(end, "M") != 0) || number < LEAST) {
        misuse(run->command, "%s %s: not a number of MiB from %d to %d",
               o->name, value, LEAST, MOST);
        return false;
    }
    run->memory_mib = (u32)number;
    return true;
}

static bool
set_cpus(void *self, const struct option *o, const char *value)
{
    struct run *run = self;

    return option_cpus(&command_run, o, value, &run->cpus);
}

static bool
set_timeout(void *self, const struct option *o, const char *value)
{
    static const struct {
        const char *unit;
        double ms;
    } units[] = {
        {"ms", 1    },
        {"s",  1e3  },
        {"",   1e3  },
        {"m",  6e4  },
        {"h",  3.6e6}
    };
    struct run *run = self;
    char *end;
    double number = strtod(value, &end);

    for (u32 i = 0; i < COUNT(units); i++) {
        if (end != value && strcmp(end, units[i].unit) == 0 && number > 0 &&
            number * units[i].ms < 1e12) {
            run->timeout_ms = MAX((u64)(number * units[i].ms), 1);
            return true;
        }
    }
    misuse(run->command, "%s %s: not a time, such as 500ms, 2s or 1m", o->name,
           value);
    return false;
}

static bool
set_env(void *self, const struct option *o, const char *value)
{
    struct run *run = self;

    return env_add(&run->env, run->command, o, value);
}

static bool
set_env_file(void *self, const struct option *o, const char *value)
{
    struct run *run = self;

    (void)o;
    return env_add_file(&run->env, run->command, value);
}

static bool
set_cache(void *self, const struct option *o, const char *value)
{
    struct run *run = self;

    run->cache_at = value;
    if (value[0] == 0)
        misuse(run->command, "%s=: no directory given", o->name);
    return value[0] != 0;
}

static bool
set_argv0(void *self, const struct option *o, const char *value)
{
    struct run *run = self;

    (void)o;
    run->argv0 = value;
    return true;
}

static bool
set_invoke(void *self, const struct option *o, const char *value)
{
    struct run *run = self;

    (void)o;
    run->invoke = value;
    return true;
}

static bool
add_library(void *self, const struct option *o, const char *value)
{
    struct run *run = self;
    const char *at = strchr(value, '=');
    struct string name = {value, at != NULL ? (u32)(at - value) : 0};

    for (u32 i = 0; i < run->preload_count; i++) {
        if (!string_equal(run->preloads[i].name, name))
            continue;
        misuse(run->command, "%s %s: there is a %.*s already", o->name, value,
               (int)name.len, name.ptr);
        return false;
    }
    if (at == NULL || name.len == 0 || at[1] == 0)
        misuse(run->command, "%s %s: not of the form NAME=FILE", o->name,
               value);
    else if (run->preload_count == LIBRARIES_MAX)
        misuse(run->command, "%s %s: more than %d libraries", o->name, value,
               LIBRARIES_MAX);
    else {
        run->preloads[run->preload_count++] = (struct preload){name, at + 1};
        return true;
    }
    return false;
}

static bool
add_program(void *self, const struct option *o, const char *value)
{
    struct run *run = self;

    if (run->program_count == PROGRAM_MAX) {
        misuse(run->command, "%s %s: more than %d programs", o->name, value,
               PROGRAM_MAX);
        return false;
    }
    run->programs[run->program_count++] =
        (struct program){value, o->name + 2}; // "then", "beside"
    return true;
}

static bool
add_dir(void *self, const struct option *o, const char *value)
{
    struct run *run = self;

    return dirs_add(&run->dirs, run->command, o, value);
}

static bool
set_system(void *self, const struct option *o, const char *value)
{
    struct run *run = self;

    (void)o;
    run->system = value;
    return true;
}

static bool
set_out(void *self, const struct option *o, const char *value)
{
    struct run *run = self;

    (void)o;
    run->media.out = value;
    return true;
}

static bool
set_pair(void *self, const struct option *o, const char *value)
{
    struct run *run = self;

    (void)o;
    (void)value;
    run->media.pair = true;
    return true;
}

static bool
set_init(void *self, const struct option *o, const char *value)
{
    struct run *run = self;

    (void)o;
    run->init = value;
    return true;
}

static bool
set_grub(void *self, const struct option *o, const char *value)
{
    struct run *run = self;

    (void)o;
    run->media.grub = value;
    return true;
}

static const struct option options[] = {
#define OPTION(name, value, set, help) {name, value, help, set},
#include "tool/run.def"
};

static const struct option options_of_shell[] = {
#define SHELL(name, value, set, help) {name, value, help, set},
#include "tool/run.def"
};

static const struct option options_of_image[] = {
#define IMAGE(name, value, set, help) {name, value, help, set},
#include "tool/run.def"
};

// What follows the program is the program's, also what looks like ours: say so
// where it was not said on purpose with "--".
static void
note_late_options(const struct run *run, const struct words *operands)
{
    const char *value;

    for (int i = 1; i < operands->count && !operands->closed; i++) {
        const char *word = operands->list[i];
        if (option_find(run->command, word, &value) == NULL)
            continue;
        complain("note: %s after %s is an argument of the program; put it "
                 "before, or write -- before the program",
                 word, operands->list[0]);
        return;
    }
}

static void
note_useless_options(const struct run *run)
{
    if (!run->metal && run->memory_mib > 0)
        complain("note: --memory has no effect on linux");
    if (!run->metal && run->machine != NULL)
        complain("note: --machine has no effect on linux");
    if (!run->metal && run->latency)
        complain("note: --latency has no effect on linux");
    if (!run->metal && run->icount)
        complain("note: --icount has no effect on linux");
    if (!run->metal && run->gdb != NULL)
        complain("note: --gdb has no effect on linux");
    if (run->metal && run->latency && run->cpus > 1)
        complain("note: --smp has no effect with --latency");
}

static bool
is_counted(const struct run *run)
{
    return run->metal && (run->latency || run->icount);
}

// Where instructions are counted, one CPU's can be compared with before.
static u32
cpus_of(const struct run *run)
{
    if (run->latency)
        return 1; // it watches one CPU's
    if (run->cpus > 0)
        return run->cpus;
    return is_counted(run) ? 1 : MIN(host_cpus(), CPUS_MOST);
}

// The options, and what follows them.
static int
parse_options(struct run *run, struct words words, struct words *operands)
{
    run->program_count = 1;
    if (!take_default_port(run))
        return STATUS_MISUSE;
    int status = options_read(run->command, run, words, operands);
    if (status != OPTIONS_READ)
        return status;
    // Of a guest that counts instructions our time is no measure.
    if (run->timeout_ms > 0 && !is_counted(run)) {
        complain_until(run->timeout_ms + GRACE_MS);
        host_limit(run->timeout_ms);
    }
    note_useless_options(run);
    return OPTIONS_READ;
}

// The program and its arguments.
static int
take_program(struct run *run, const struct words *operands)
{
    if (operands->count == 0)
        return misuse(run->command, "no program given");
    note_late_options(run, operands);
    run->programs[0] = (struct program){operands->list[0], "then"};
    run->args = (struct words){.list = operands->list + 1,
                               .count = operands->count - 1};
    return OPTIONS_READ;
}

static int
parse(struct run *run, struct words words)
{
    struct words operands;
    int status = parse_options(run, words, &operands);

    return status != OPTIONS_READ ? status : take_program(run, &operands);
}

// --- the initrd --------------------------------------------------------------

// Of a program.
static void
add_file(struct buffer *tar, u32 program, const char *name, const void *bytes,
         u64 size)
{
    tar_add_member(tar, "run", program, name,
                   (struct bytes){(u8 *)bytes, size});
}

static void
put_text(struct buffer *b, const char *text)
{
    buffer_put(b, text, strlen(text) + 1);
}

// The names of its handles, for the program.
static void
put_given(struct buffer *env, const char *grants)
{
    char text[128];

    snprintf(text, sizeof(text), "GIVEN=%s", grants);
    for (char *at = strchr(text, ' '); at != NULL; at = strchr(at, ' '))
        *at = ',';
    put_text(env, text);
}

// Those of the program, "": none.
static void
list_grants(const struct run *run, u32 index, char *to, u64 size)
{
    const char *own = run->grants != NULL ? run->grants : "";
    const char *device = run->device ? "random" : "";
    const char *blank = own[0] != 0 && device[0] != 0 ? " " : "";

    snprintf(to, size, "%s%s%s", index == 0 ? own : "", index == 0 ? blank : "",
             index == 0 ? device : "");
}

// A module as "app.wasm", or as the "image" that it was compiled to, below
// `dir`; it is freed.
static void
add_image(struct buffer *tar, u32 program, const char *dir, struct image *image)
{
    char name[64];

    snprintf(name, sizeof(name), "run/%u/%s%s", program, dir,
             image->made ? "image" : "app.wasm");
    if (image->mapped) {
        tar_add_mapped(tar, name, image->bytes.ptr, image->bytes.size);
        *image = (struct image){0};
    } else {
        tar_add(tar, name, image->bytes.ptr, image->bytes.size);
    }
    image_free(image);
}

static const struct cache *
cache_of(const struct run *run)
{
    return run->cache.dir >= 0 ? &run->cache : NULL;
}

static bool
pack_preload(struct buffer *tar, const struct run *run, u32 index)
{
    const struct preload *p = &run->preloads[index];
    struct image image;
    char name[32];

    if (!image_read(&image, cache_of(run), p->path))
        return false;
    snprintf(name, sizeof(name), "link/%u/name", index);
    add_file(tar, 0, name, p->name.ptr, p->name.len);
    snprintf(name, sizeof(name), "link/%u/path", index);
    add_file(tar, 0, name, p->path, strlen(p->path));
    snprintf(name, sizeof(name), "link/%u/", index);
    add_image(tar, 0, name, &image);
    return true;
}

static bool
pack_invocation(struct buffer *tar, struct run *run, struct bytes app)
{
    const struct invocation call = {run->command, run->programs[0].path,
                                    run->invoke, run->args};
    struct buffer file = {0};
    int status = invocation_pack(&file, &call, app);

    if (status == OPTIONS_READ)
        add_file(tar, 0, "invoke", file.ptr, file.size);
    else
        run->failed = status;
    buffer_free(&file);
    return status == OPTIONS_READ;
}

// What only the first program has.
static bool
pack_first(struct buffer *tar, struct run *run, struct bytes app)
{
    for (u32 i = 0; i < run->preload_count; i++)
        if (!pack_preload(tar, run, i))
            return false;
    return run->invoke == NULL || pack_invocation(tar, run, app);
}

static bool
pack_program(struct buffer *tar, struct run *run, u32 index)
{
    const struct program *p = &run->programs[index];
    struct buffer args = {0}, env = {0};
    bool named = index == 0 && run->argv0 != NULL;
    char grants[64];

    struct image app;
    if (!image_read(&app, cache_of(run), p->path))
        return false;
    put_text(&args, named ? run->argv0 : base_name(p->path));
    for (int i = 0; i < run->args.count && index == 0 && !run->invoke; i++)
        put_text(&args, run->args.list[i]);
    for (u32 i = 0; i < run->env.count; i++)
        put_text(&env, run->env.list[i]);
    list_grants(run, index, grants, sizeof(grants));
    if (grants[0] != 0)
        put_given(&env, grants);

    add_file(tar, index, "path", p->path, strlen(p->path));
    add_file(tar, index, "args", args.ptr, args.size);
    add_file(tar, index, "env", env.ptr, env.size);
    add_file(tar, index, "mode", p->mode, strlen(p->mode));
    if (grants[0] != 0)
        add_file(tar, index, "grants", grants, strlen(grants));
    bool done = index > 0 || pack_first(tar, run, app.bytes);
    add_image(tar, index, "", &app);
    buffer_free(&args);
    buffer_free(&env);
    return done;
}

static u32
memory_of(const struct run *run)
{
    return run->memory_mib ? run->memory_mib : 1024;
}

static u64
mib_of(u64 size)
{
    return size / MIB + (size % MIB > 0);
}

// Is there memory for an initrd of this size?  False after a complaint.
static bool
has_room(const struct run *run, u64 size, const struct dir *largest)
{
    char most[128] = "";

    if (largest != NULL)
        snprintf(most, sizeof(most), ", %llu of them by %s %.80s",
                 (unsigned long long)mib_of(largest->size), largest->option,
                 largest->text);
    if (run->metal)
        return qemu_has_room(memory_of(run), size, most);
    u64 there = host_memory();
    if (size > there)
        complain("the programs and their files have %llu MiB%s, but only %llu "
                 "MiB are free here: run with fewer files",
                 (unsigned long long)mib_of(size), most,
                 (unsigned long long)there / MIB);
    return size <= there;
}

static bool
pack_dirs(struct buffer *tar, struct run *run)
{
    const struct dir *largest;
    u64 size;

    run->dirs.served = run->metal;
    if (!dirs_measure(&run->dirs, &size, &largest) ||
        !has_room(run, size + MIN(tar->size, UINT64_MAX - size), largest) ||
        !servers_pack(tar, &run->dirs))
        return false;
    progress_begin("packing", "files", size > PACK_SHOWN ? size : 0, 0);
    bool done = dirs_pack(&run->dirs, tar);
    progress_end();
    return done;
}

static bool
pack(struct buffer *tar, struct run *run)
{
    char text[32];

    for (u32 i = 0; i < run->program_count; i++)
        if (!pack_program(tar, run, i))
            return false;
    if (run->timeout_ms > 0) {
        snprintf(text, sizeof(text), "%llu",
                 (unsigned long long)run->timeout_ms);
        tar_add(tar, "run/timeout", text, strlen(text));
    }
    u32 count = 0;
    for (int fd = 0; fd < 3; fd++)
        if (run->media.out != NULL || isatty(fd)) // a serial line is one
            text[count++] = (char)('0' + fd);
    tar_add(tar, "run/terminals", text, count);
    if (run->terminal)
        tar_add(tar, "run/terminal", "", 0);
    if (run->trace != NULL)
        tar_add(tar, "run/trace", run->trace, strlen(run->trace));
    if (run->gc_stats)
        tar_add(tar, "run/gc-stats", "", 0);
    if (!pack_dirs(tar, run))
        return false;
    tar_end(tar);
    return true;
}

// --- where -------------------------------------------------------------------

static int
run_on_metal(const struct run *run, struct bytes initrd)
{
    char path[4096];
    struct qemu_options qemu = {
        .kernel = kernel_path(run->latency ? "latency.elf" : "nebulet.elf",
                              path, sizeof(path)),
        .icount = is_counted(run),
        .machine = run->machine ? run->machine : "microvm",
        .append = "",
        .random = run->device,
        .dirs = &run->dirs,
        .gdb = run->gdb,
        .memory_mib = memory_of(run),
        .cpus = cpus_of(run),
        .timeout_ms = is_counted(run) ? 0 : run->timeout_ms};

    return qemu_run(&qemu, initrd);
}

static int
run_on_linux(const struct run *run, struct bytes initrd)
{
    u64 start_ms = host_now_ms() - host_age_ms();
    u64 end_ms = start_ms + run->timeout_ms + GRACE_MS;

    if (!dirs_mount(&run->dirs))
        return 1;
    linux_cpus(cpus_of(run));
    host_limit(0);
    return linux_run(initrd, "", start_ms * 1000000,
                     run->timeout_ms ? end_ms * 1000000 : UINT64_MAX);
}

static int
pack_and_run(struct run *run)
{
    struct buffer tar = {0};

    bool cached =
        run->command == &command_run && cache_open(&run->cache, run->cache_at);
    bool packed = pack(&tar, run);
    if (cached)
        cache_close(&run->cache);
    if (!packed) {
        buffer_free(&tar);
        return run->failed != 0 ? run->failed : 1;
    }
    struct bytes initrd = {tar.ptr, tar.size};
    int status = 1;
    if (!run->terminal || terminal_take())
        status =
            run->metal ? run_on_metal(run, initrd) : run_on_linux(run, initrd);
    terminal_give_back();
    buffer_free(&tar);
    return status;
}

static int
run_command(struct words words)
{
    static struct run run = {.command = &command_run, .cache = {.dir = -1}};
    int status = parse(&run, words);

    return status == OPTIONS_READ ? pack_and_run(&run) : status;
}

const struct command command_run = {
    .name = "run",
    .operands = "[--] APP.wasm [ARGUMENT...]",
    .summary = "run a WebAssembly program",
    .text =
        "Runs a program (binary, text where wat2wasm is installed, or a code "
        "file that\n`nebulet compile` wrote).  What follows it are its "
        "arguments.",
    .options = options,
    .option_count = COUNT(options),
    .notes = "Exits with the program's status: 134 after a trap, 124 when the\n"
             "time was up, 1 when it could not be run.",
    .examples = "nebulet run hello.wasm you\n"
                "nebulet run --on linux hello.wasm you\n"
                "nebulet run --dir . --env LANG --timeout 10s ls.wasm /\n"
                "nebulet run --then ls.wasm hello.wasm\n"
                "nebulet run --trace=fd_write,sched_yield hello.wasm\n"
                "nebulet run --invoke add math.wasm 2 3\n"
                "nebulet run --preload math=math.wasm uses-math.wasm",
    .stops = true,
    .run = run_command,
};

// --- the shell ---------------------------------------------------------------

// Its files are /, and init is the program.
static bool
add_system(struct run *run, char *init, u64 size)
{
    static const struct option option = {.name = "--system"};
    static char path[4096];

    if (run->system == NULL)
        run->system = kernel_path("system", path, sizeof(path));
    snprintf(init, size, "%s/bin/init", run->system);
    if (access(init, R_OK) != 0) {
        complain("%s: there is no system (build it with `make`)", init);
        return false;
    }
    char *value = malloc(strlen(run->system) + sizeof("::/"));
    assert(value != NULL);
    sprintf(value, "%s::/", run->system);
    run->dirs.named = true;
    return dirs_add(&run->dirs, run->command, &option, value);
}

static int
shell_command(struct words words)
{
    static struct run run = {.command = &command_shell,
                             .cache = {.dir = -1},
                             .argv0 = "init",
                             .grants = "group"};
    static char init[4096 + 16];
    int status = parse_options(&run, words, &run.args);

    if (status != OPTIONS_READ)
        return status;
    if (!add_system(&run, init, sizeof(init)))
        return 1;
    run.programs[0] = (struct program){init, "then"};
    run.terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    if (run.terminal)
        run.grants = "group terminal";
    return pack_and_run(&run);
}

const struct command command_shell = {
    .name = "shell",
    .operands = "[--] [SCRIPT [ARGUMENT...]]",
    .summary = "start a shell in Nebulet",
    .text =
        "Starts a shell.  What follows are its arguments: a script among its "
        "files, or\n-c COMMAND.  Without them it reads commands from standard "
        "input.",
    .options = options_of_shell,
    .option_count = COUNT(options_of_shell),
    .notes = "Exits with the shell's status.",
    .examples = "nebulet shell -- -c 'ls /bin; date'\n"
                "nebulet shell --dir .::/work /work/script.sh one two\n"
                "nebulet shell --on linux <script.sh",
    .stops = true,
    .run = shell_command,
};

// --- images ------------------------------------------------------------------

// The shell's files with another /etc/init, and init as the program.
static bool
add_init(struct run *run, const struct words *operands)
{
    static const struct option option = {.name = "--init"};
    static char init[4096 + 16], value[4096];

    if (snprintf(value, sizeof(value), "%s::/etc/init::ro", run->init) >=
        (int)sizeof(value))
        return complain("%s: the path is too long", run->init), false;
    if (!add_system(run, init, sizeof(init)) ||
        !dirs_add(&run->dirs, run->command, &option, value))
        return false;
    run->argv0 = run->argv0 != NULL ? run->argv0 : "init";
    run->grants = "group";
    run->programs[0] = (struct program){init, "then"};
    run->args = *operands;
    return true;
}

static int
write_image(struct run *run)
{
    struct buffer tar = {0};
    i64 latest;

    if (media_date(&latest))
        tar_set_latest(latest);
    int status = pack(&tar, run) ? 0 : run->failed != 0 ? run->failed : 1;
    if (status == 0 &&
        !media_write(&run->media, (struct bytes){tar.ptr, tar.size}))
        status = 1;
    buffer_free(&tar);
    return status;
}

static int
image_command(struct words words)
{
    static struct run run = {.command = &command_image,
                             .cache = {.dir = -1},
                             .media = {.grub = "/usr/lib/grub"},
                             .dirs = {.copies = true},
                             .program_count = 1};
    struct words operands;
    int status = options_read(run.command, &run, words, &operands);

    if (status != OPTIONS_READ)
        return status;
    if (run.media.out == NULL)
        return misuse(run.command, "-o FILE is missing: where to write it");
    if (run.init == NULL && run.system != NULL)
        return misuse(run.command, "--system has no effect without --init");
    if (run.init != NULL)
        return add_init(&run, &operands) ? write_image(&run) : 1;
    status = take_program(&run, &operands);
    return status == OPTIONS_READ ? write_image(&run) : status;
}

const struct command command_image = {
    .name = "image",
    .operands = "-o FILE [--] APP.wasm [ARGUMENT...]",
    .summary = "write a disk that boots and runs a program",
    .text = "Writes a disk with the kernel, a program and copies of its files, "
            "which starts\nby BIOS and by UEFI, as a CD and as a hard disk.  "
            "Standard input and output are\nthe first serial line.",
    .options = options_of_image,
    .option_count = COUNT(options_of_image),
    .notes =
        "GRUB's files are those of Debian's packages grub-common, grub-pc-bin "
        "and\ngrub-efi-amd64-bin; --pair needs none.  The same input gives the "
        "same bytes; no\ntime in it is later than SOURCE_DATE_EPOCH, where "
        "that is set.",
    .examples = "nebulet image -o hello.iso hello.wasm you\n"
                "nebulet image -o hello.img --dir data::/d hello.wasm\n"
                "nebulet image --pair -o hello hello.wasm",
    .stops = true,
    .run = image_command,
};
