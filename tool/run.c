// tool/run.c: `nebulet run`, `nebulet shell` and `nebulet image`: run programs
// from an initrd (tool/pack.c) and pass their exit status on, or write what a
// machine boots from.

#include "tool/run.h"

#include "tool/profile.h"

#include "port/linux/linux.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CPUS_MOST = 4 };

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
set_flag(void *self, const struct option *o, const char *value)
{
    struct run *run = self;
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {
        {"--gc-stats", &run->gc_stats},
        {"--hardened", &run->hardened},
        {"--ibpb",     &run->ibpb    },
        {"--icount",   &run->icount  },
        {"--latency",  &run->latency },
        {"--perf",     &run->perf    },
    };

    (void)value;
    for (u32 i = 0; i < COUNT(flags); i++)
        if (strcmp(o->name, flags[i].name) == 0)
            *flags[i].flag = true;
    return true;
}

static bool
set_grain(void *self, const struct option *o, const char *value)
{
    enum { GRAIN_NS = 100000 };
    static const struct {
        const char *unit;
        u64 ns;
    } units[] = {
        {"ns", 1      },
        {"us", 1000   },
        {"ms", 1000000}
    };
    struct run *run = self;
    char *end = NULL;

    run->grain_ns = value == NULL ? GRAIN_NS : 0;
    u64 number = run->grain_ns == 0 && *value >= '1' && *value <= '9' ?
                     strtoul(value, &end, 10) :
                     0;
    for (u32 i = 0; i < COUNT(units) && number > 0; i++)
        if (strcmp(end, units[i].unit) == 0 && number <= 1000000)
            run->grain_ns = number * units[i].ns;
    if (run->grain_ns > 0 && run->grain_ns <= 1000000000)
        return true;
    misuse(run->command, "%s=%s: not a time from 1ns to 1000ms", o->name,
           value);
    return false;
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
set_profile(void *self, const struct option *o, const char *value)
{
    struct run *run = self;

    run->profile = value;
    if (value[0] == 0)
        misuse(run->command, "%s=: no file given", o->name);
    return value[0] != 0;
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
set_limit(void *self, const struct option *o, const char *value)
{
    static const char units[] = "KMG";
    struct run *run = self;
    u64 number;
    const char *end = number_read(value, INT64_MAX >> 30, &number);
    const char *unit = end != NULL && *end != 0 ? strchr(units, *end) : NULL;

    if (end == NULL || number == 0 ||
        (*end != 0 && (unit == NULL || end[1] != 0))) {
        misuse(run->command, "%s %s: not a number of bytes, or of K, M or G",
               o->name, value);
        return false;
    }
    run->limit = number << (unit != NULL ? 10 * (unit - units + 1) : 0);
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
    if (run->metal && run->perf)
        complain("note: --perf has no effect on metal");
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
    if (run->hardened && !run->metal)
        return misuse(run->command, "--hardened: only on metal, as a Linux "
                                    "process cannot keep its keys to itself");
    if (run->ibpb && !run->metal)
        return misuse(run->command, "--ibpb: only on metal, as a Linux process "
                                    "cannot ask for such a barrier");
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

// --- where -------------------------------------------------------------------

static int
run_on_metal(const struct run *run, struct bytes initrd)
{
    char path[4096], words[32];

    snprintf(words, sizeof(words), "%s%s", run->hardened ? "hardened " : "",
             run->ibpb ? "ibpb" : "");
    struct qemu_options qemu = {
        .kernel = kernel_path(run->latency ? "latency.elf" : "nebulet.elf",
                              path, sizeof(path)),
        .icount = is_counted(run),
        .machine = run->machine ? run->machine : "microvm",
        .append = words,
        .random = run->device,
        .dirs = &run->dirs,
        .gdb = run->gdb,
        .profile = run->profile_fd,
        .memory_mib = run_memory_mib(run),
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
    if (run->profile_fd > 0)
        linux_profile(run->profile_fd);
    host_limit(0);
    return linux_run(initrd, "", start_ms * 1000000,
                     run->timeout_ms ? end_ms * 1000000 : UINT64_MAX);
}

// A file for what the kernel counts; false after a complaint.
static bool
open_profile(struct run *run)
{
    run->perf &= !run->metal;
    if (run->profile == NULL && !run->perf)
        return true;
    run->profile_fd = memory_file("profile", (struct bytes){0});
    if (run->profile_fd < 0)
        complain("profile: out of memory");
    return run->profile_fd >= 0;
}

static int
pack_and_run(struct run *run)
{
    struct buffer tar = {0};

    if (!open_profile(run))
        return 1;
    bool cached =
        run->command == &command_run && cache_open(&run->cache, run->cache_at);
    bool packed = run_pack(run, &tar);
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
    if (run->profile_fd > 0 &&
        !profile_save(run->profile_fd, run->profile, run->perf) && status == 0)
        status = 1;
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
    int status = run_pack(run, &tar) ? 0 : run->failed != 0 ? run->failed : 1;
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
