// tool/wast.c: `nebulet wast`: official test scripts, on either port.
//
// On linux each script runs in a process of its own, two at a time, so that a
// crash is one failed script.  On metal all scripts travel in one initrd to the
// kernel's test image.

#include "tool/script.h"
#include "tool/tool.h"

#include "port/linux/linux.h"
#include "wasi/wasi.h"
#include "wasm/wasm.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { JOBS = 2, SCRIPT_TIMEOUT_S = 300 };

struct wast {
    bool metal;
    bool told; // --without was given; else the script's modules say it
    u8 without;
};

static bool
read_script(const struct wast *wast, struct buffer *out, const char *path)
{
    return script_from_json(out, path, wast->told ? &wast->without : NULL);
}

static const struct host_module *const modules[] = {NULL};

// "core/i32" of ".../core/i32.json".
static const char *
short_name(const char *path, char *to, u64 size)
{
    const char *at = path + strlen(path);

    for (u32 slashes = 0; at > path; at--)
        if (at[-1] == '/' && ++slashes == 2)
            break;
    snprintf(to, size, "%s", at);
    char *dot = strrchr(to, '.');
    if (dot != NULL && strcmp(dot, ".json") == 0)
        *dot = 0;
    return to;
}

static void
report(const char *name, struct script_result r)
{
    if (r.failed > 0 || r.skipped > 0)
        tell("%s: %u passed, %u failed, %u skipped%s", name, r.passed, r.failed,
             r.skipped, script_reason(r));
}

static int
finish(struct script_result sum)
{
    printf("%u passed, %u failed, %u skipped\n", sum.passed, sum.failed,
           sum.skipped);
    return !script_good(sum);
}

// --- linux ------------------------------------------------------------------

struct job {
    pid_t pid;  // 0: none
    int result; // read end: one struct script_result
    const char *path;
};

struct child {
    struct bytes script;
    char name[256];
    struct script_result result;
};

static void
say(const char *text)
{
    printf("%s\n", text);
}

static int
run_script(void *arg)
{
    struct child *c = arg;

    sys_init(modules);
    c->result = script_run(c->script, c->name, say);
    return 0;
}

static NORETURN void
child_main(const struct wast *wast, const char *path, int result)
{
    struct buffer script = {0};
    struct child c = {0};

    alarm(SCRIPT_TIMEOUT_S);
    bool good = read_script(wast, &script, path);
    c.script = (struct bytes){script.ptr, script.size};
    c.result.failed = !good; // which was said
    short_name(path, c.name, sizeof(c.name));
    int status = good ? linux_start(run_script, &c) : 0;
    status = output_end(status);
    if (write(result, &c.result, sizeof(c.result)) != sizeof(c.result))
        status = 1;
    buffer_free(&script);
    exit(status);
}

static void
job_start(const struct wast *wast, struct job *job, const char *path)
{
    int ends[2];

    fflush(stdout);
    if (pipe(ends) != 0)
        panic(__FILE__, __LINE__, "pipe");
    *job = (struct job){.pid = fork(), .result = ends[0], .path = path};
    if (job->pid == 0) {
        close(ends[0]);
        child_main(wast, path, ends[1]);
    }
    close(ends[1]);
}

static struct script_result
job_end(struct job *job)
{
    struct script_result r = {0};
    char name[256];
    int status;

    bool told = read(job->result, &r, sizeof(r)) == sizeof(r);
    close(job->result);
    waitpid(job->pid, &status, 0);
    short_name(job->path, name, sizeof(name));
    if (!told || status != 0) {
        tell("%s: the runner died (wait status 0x%x)", name, status);
        r.failed++;
    }
    report(name, r);
    job->pid = 0;
    return r;
}

static int
wast_on_linux(const struct wast *wast, char **paths, int count)
{
    struct script_result sum = {0};
    struct job jobs[JOBS] = {0};

    for (int i = 0; i < count + JOBS; i++) {
        struct job *job = &jobs[i % JOBS];
        if (job->pid != 0)
            script_add(&sum, job_end(job));
        if (i < count)
            job_start(wast, job, paths[i]);
    }
    return finish(sum);
}

// --- metal ------------------------------------------------------------------

static int
wast_on_metal(const struct wast *wast, char **paths, int count)
{
    char image[4096], name[256], path[512];
    struct buffer tar = {0};

    for (int i = 0; i < count; i++) {
        struct buffer script = {0};
        if (!read_script(wast, &script, paths[i]))
            return 1;
        snprintf(path, sizeof(path), "wast/%s",
                 short_name(paths[i], name, sizeof(name)));
        tar_add(&tar, path, script.ptr, script.size);
        buffer_free(&script);
    }
    tar_end(&tar);
    struct qemu_options options = {
        .kernel = kernel_path("nebulet-test.elf", image, sizeof(image)),
        .machine = "microvm",
        .append = "wast",
        .memory_mib = 2048};
    int status = qemu_run(&options, (struct bytes){tar.ptr, tar.size});
    buffer_free(&tar);
    return status;
}

// --- the commands ------------------------------------------------------------

static bool
set_on(void *self, const struct option *o, const char *value)
{
    struct wast *wast = self;

    wast->metal = strcmp(value, "metal") == 0;
    if (wast->metal || strcmp(value, "linux") == 0)
        return true;
    misuse(&command_wast, "%s %s: not metal or linux", o->name, value);
    return false;
}

static const struct {
    const char *name;
    u8 features;
} features[] = {
    {"none",         0                   },
    {"page-sizes",   FEATURE_PAGE_SIZES  },
    {"multi-memory", FEATURE_MULTI_MEMORY},
    {"multi-table",  FEATURE_MULTI_TABLE },
};

static bool
set_without(void *self, const struct option *o, const char *value)
{
    struct wast *wast = self;

    wast->told = true;
    for (u32 i = 0; i < COUNT(features); i++) {
        if (strcmp(value, features[i].name) == 0) {
            wast->without |= features[i].features;
            return true;
        }
    }
    misuse(&command_wast,
           "%s %s: not none, page-sizes, multi-memory or multi-table", o->name,
           value);
    return false;
}

static const struct option options_of_wast[] = {
#define OPTION(name, value, set, help) {name, value, help, set},
#include "tool/wast.def"
};

static int
run_wast(struct words words)
{
    struct wast wast = {0};
    struct words files;

    int status = options_read(&command_wast, &wast, words, &files);
    if (status != OPTIONS_READ)
        return status;
    if (files.count == 0)
        return misuse(&command_wast, "no script given");
    return wast.metal ? wast_on_metal(&wast, files.list, files.count) :
                        wast_on_linux(&wast, files.list, files.count);
}

const struct command command_wast = {
    .name = "wast",
    .operands = "FILE.json...",
    .summary = "run official test scripts (JSON)",
    .text =
        "Runs test scripts as wast2json writes them, each command checked.  "
        "Commands on\nmodules in the text format are skipped and counted; "
        "where "
        "nothing ran that is a\nfailure.  Ends with "
        "\"N passed, N failed, N skipped\".",
    .options = options_of_wast,
    .option_count = COUNT(options_of_wast),
    .examples = "nebulet wast script.json\n"
                "nebulet wast --on metal script.json",
    .run = run_wast,
};

struct selftest {
    bool icount;
    u32 cpus;
    const char *model;
};

static bool
set_icount(void *self, const struct option *o, const char *value)
{
    struct selftest *test = self;

    (void)o;
    (void)value;
    test->icount = true;
    return true;
}

static bool
set_cpus(void *self, const struct option *o, const char *value)
{
    struct selftest *test = self;

    return option_cpus(&command_selftest, o, value, &test->cpus);
}

static bool
set_model(void *self, const struct option *o, const char *value)
{
    struct selftest *test = self;

    (void)o;
    test->model = value;
    return true;
}

static const struct option options_of_selftest[] = {
#define SELFTEST(name, value, set, help) {name, value, help, set},
#include "tool/wast.def"
};

static int
run_selftest(struct words words)
{
    struct words given;
    char image[4096], line[4096];
    struct selftest test = {0};

    int status = options_read(&command_selftest, &test, words, &given);
    if (status != OPTIONS_READ)
        return status;
    const char *machine = given.count > 0 ? given.list[0] : "microvm";
    if (strcmp(machine, "microvm") != 0 && strcmp(machine, "q35") != 0)
        return misuse(&command_selftest, "%s: not microvm or q35", machine);
    if (given.count > 3)
        return misuse(&command_selftest, "%s: one too many", given.list[3]);
    snprintf(line, sizeof(line), "%s%s cpus=%u",
             given.count > 1 ? given.list[1] : "", test.icount ? " icount" : "",
             MAX(test.cpus, 1u));
    struct qemu_options options = {
        .kernel = kernel_path(given.count > 2 ? given.list[2] : "port-test.elf",
                              image, sizeof(image)),
        .machine = machine,
        .append = line,
        .icount = test.icount,
        .model = test.model,
        .cpus = test.cpus,
        .memory_mib = 512};

    return qemu_run(&options, (struct bytes){NULL, 0});
}

const struct command command_selftest = {
    .name = "selftest",
    .operands = "[microvm|q35 [KERNEL-LINE [IMAGE.elf]]]",
    .summary = "run the port's own tests in QEMU",
    .text = "Boots a kernel image that lies beside this command (port-test.elf "
            "without\nIMAGE.elf) and exits with its status.",
    .options = options_of_selftest,
    .option_count = COUNT(options_of_selftest),
    .examples = "nebulet selftest\n"
                "nebulet selftest --smp 2 q35",
    .run = run_selftest,
};
