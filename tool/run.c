// tool/run.c: `nebulet run`: pack programs into an initrd, run them, pass
// their exit status on.  The archive's form is described in wasi/boot.c.

#include "tool/tool.h"

#include "port/linux/linux.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PROGRAM_MAX = 16, ENV_MAX = 1024 };

struct program {
    const char *path;
    const char *mode; // "then" or "beside" the one before
    char **args;      // after argv[0]
    int arg_count;
};

struct run {
    bool metal;
    const char *machine;
    const char *dir; // becomes the programs' "/", or NULL
    bool writable;   // they may change their copy of it
    u32 memory_mib;
    u64 timeout_ms;
    const char *env[ENV_MAX];
    u32 env_count;
    struct program programs[PROGRAM_MAX]; // [0] is the one that was asked for
    u32 program_count;
};

static int
usage(int status)
{
    fputs("usage: nebulet run [OPTIONS] APP.wasm [ARGS...]\n\n"
          "  --on metal|linux   in QEMU (the default) or as a Linux process\n"
          "  --env K=V          set an environment variable\n"
          "  --dir HOST         files the program sees under /, read-only\n"
          "  --dir-copy HOST    the same, and it may change its copy of them\n"
          "  --timeout T        kill it after T: 500ms, 2s, 1m, or seconds\n"
          "  --then OTHER.wasm  run another program afterwards\n"
          "  --beside OTHER.wasm  run another program at the same time\n"
          "  --memory M         the machine's memory in MiB (default 1024)\n"
          "  --machine microvm|q35\n\n"
          "Exits with the program's status: 134 after a trap, 124 when the\n"
          "time was up, 1 when it could not be run.\n",
          status ? stderr : stdout);
    return status;
}

// --- options -----------------------------------------------------------------

static bool
parse_time(const char *text, u64 *ms)
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
    char *end;
    double number = strtod(text, &end);

    for (u32 i = 0; i < COUNT(units); i++) {
        if (end != text && strcmp(end, units[i].unit) == 0 && number > 0 &&
            number * units[i].ms < 1e12) {
            *ms = MAX((u64)(number * units[i].ms), 1);
            return true;
        }
    }
    complain("--timeout %s: not a time", text);
    return false;
}

static bool
parse_memory(const char *text, u32 *mib)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);

    if (end == text || (*end != 0 && strcmp(end, "M") != 0) || number < 64 ||
        number > 1 << 20) {
        complain("--memory %s: not a number of MiB from 64 up", text);
        return false;
    }
    *mib = (u32)number;
    return true;
}

static bool
one_of(const char *option, const char *text, const char *a, const char *b)
{
    if (strcmp(text, a) == 0 || strcmp(text, b) == 0)
        return true;
    complain("%s %s: not %s or %s", option, text, a, b);
    return false;
}

static bool
add_env(struct run *run, const char *text)
{
    if (strchr(text, '=') == NULL || run->env_count == ENV_MAX) {
        complain("--env %s: not of the form K=V, or too many", text);
        return false;
    }
    run->env[run->env_count++] = text;
    return true;
}

static bool
add_program(struct run *run, const char *path, const char *mode)
{
    if (run->program_count == PROGRAM_MAX) {
        complain("%s: at most %d programs", path, PROGRAM_MAX);
        return false;
    }
    run->programs[run->program_count++] =
        (struct program){.path = path, .mode = mode};
    return true;
}

static bool
parse_option(struct run *run, const char *name, const char *value)
{
    if (strcmp(name, "--on") == 0) {
        run->metal = strcmp(value, "metal") == 0;
        return one_of(name, value, "metal", "linux");
    }
    if (strcmp(name, "--machine") == 0) {
        run->machine = value;
        return one_of(name, value, "microvm", "q35");
    }
    if (strcmp(name, "--env") == 0)
        return add_env(run, value);
    if (strcmp(name, "--dir") == 0 || strcmp(name, "--dir-copy") == 0) {
        run->dir = value;
        run->writable = strcmp(name, "--dir-copy") == 0;
        return true;
    }
    if (strcmp(name, "--timeout") == 0)
        return parse_time(value, &run->timeout_ms);
    if (strcmp(name, "--memory") == 0)
        return parse_memory(value, &run->memory_mib);
    if (strcmp(name, "--then") == 0 || strcmp(name, "--beside") == 0)
        return add_program(run, value, name + 2);
    complain("%s: no such option", name);
    return false;
}

// Options come before the program; what follows it is the program's.
static bool
parse(struct run *run, int argc, char **argv)
{
    int i = 1;

    run->program_count = 1;
    for (; i < argc && argv[i][0] == '-'; i += 2) {
        if (i + 1 == argc) {
            complain("%s: no such option, or its value is missing", argv[i]);
            return false;
        }
        if (!parse_option(run, argv[i], argv[i + 1]))
            return false;
    }
    if (i == argc) {
        complain("no program given");
        return false;
    }
    run->programs[0] = (struct program){.path = argv[i],
                                        .mode = "then",
                                        .args = argv + i + 1,
                                        .arg_count = argc - i - 1};
    return true;
}

// --- the initrd --------------------------------------------------------------

static void
add_file(struct buffer *tar, u32 program, const char *name, const void *bytes,
         u64 size)
{
    char path[64];

    snprintf(path, sizeof(path), "run/%u/%s", program, name);
    tar_add(tar, path, bytes, size);
}

static const char *
base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static bool
pack_program(struct buffer *tar, const struct run *run, u32 index)
{
    const struct program *p = &run->programs[index];
    struct buffer args = {0}, env = {0};

    struct bytes app = file_read(p->path);
    if (app.ptr == NULL)
        return false;
    const char *name = base_name(p->path);
    buffer_put(&args, name, strlen(name) + 1);
    for (int i = 0; i < p->arg_count; i++)
        buffer_put(&args, p->args[i], strlen(p->args[i]) + 1);
    for (u32 i = 0; i < run->env_count; i++)
        buffer_put(&env, run->env[i], strlen(run->env[i]) + 1);

    add_file(tar, index, "path", p->path, strlen(p->path));
    add_file(tar, index, "app.wasm", app.ptr, app.size);
    add_file(tar, index, "args", args.ptr, args.size);
    add_file(tar, index, "env", env.ptr, env.size);
    add_file(tar, index, "mode", p->mode, strlen(p->mode));
    free(app.ptr);
    buffer_free(&args);
    buffer_free(&env);
    return true;
}

static bool
pack(struct buffer *tar, const struct run *run)
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
        if (isatty(fd))
            text[count++] = (char)('0' + fd);
    tar_add(tar, "run/terminals", text, count);
    if (run->writable)
        tar_add(tar, "run/writable", "", 0);
    if (run->dir != NULL && !tar_add_tree(tar, "root/", run->dir))
        return false;
    tar_end(tar);
    return true;
}

// --- where -------------------------------------------------------------------

static int
run_on_metal(const struct run *run, struct bytes initrd)
{
    char path[4096];
    struct qemu_options options = {
        .kernel = kernel_path("nebulet.elf", path, sizeof(path)),
        .machine = run->machine,
        .append = "stdin=framed",
        .memory_mib = run->memory_mib,
        .timeout_ms = run->timeout_ms};

    return qemu_run(&options, initrd);
}

int
command_run(int argc, char **argv)
{
    struct run run = {.metal = true, .machine = "microvm", .memory_mib = 1024};
    struct buffer tar = {0};

    if (argc > 1 && strcmp(argv[1], "--help") == 0)
        return usage(0);
    if (!parse(&run, argc, argv))
        return usage(2);
    if (!pack(&tar, &run)) {
        buffer_free(&tar);
        return 1;
    }
    struct bytes initrd = {tar.ptr, tar.size};
    int status = run.metal ? run_on_metal(&run, initrd) : linux_run(initrd, "");
    buffer_free(&tar);
    return status;
}
