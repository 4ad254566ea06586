// tool/compile.c: `nebulet compile`, `verify` and `dump`: the compiler without
// the kernel.

#include "tool/tool.h"

#include "compile/compile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { STEP_MAX = 8, ARENA_SIZE_LOG2 = 38 };

struct phase {
    const char *name;
    u64 ns;
};

// One compilation with its arenas.
struct job {
    const char *path;
    struct bytes bytes;
    struct arena keep, temp, text;
    struct module module;
    struct code code;
    struct error error;

    struct phase phases[STEP_MAX]; // in order of first appearance
    u32 phase_count;
    u64 last_ns;
};

static u64
now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (u64)t.tv_sec * 1000000000 + (u64)t.tv_nsec;
}

// The time since the last call belongs to this phase.
static void
account(void *self, const char *name, u32 func)
{
    struct job *job = self;
    u64 now = now_ns();
    u32 i = 0;

    (void)func;
    while (i < job->phase_count && strcmp(job->phases[i].name, name) != 0)
        i++;
    assert(i < STEP_MAX);
    if (i == job->phase_count)
        job->phases[job->phase_count++].name = name;
    job->phases[i].ns += now - job->last_ns;
    job->last_ns = now;
}

static bool
job_open(struct job *job, const char *path)
{
    *job = (struct job){.path = path, .bytes = module_read(path)};
    if (job->bytes.ptr == NULL)
        return false;
    arena_init_host(&job->keep, 1ull << ARENA_SIZE_LOG2);
    arena_init_host(&job->temp, 1ull << ARENA_SIZE_LOG2);
    arena_init_host(&job->text, 1ull << 31);
    job->last_ns = now_ns();
    return true;
}

static bool
job_decode(struct job *job)
{
    status_t status =
        module_decode(&job->module, job->bytes, &job->keep, &job->error);
    account(job, "decode", NO_INDEX);
    return status == OK;
}

// Of a code file.
static bool
job_read(struct job *job, u32 features)
{
    struct code_file f;
    status_t status =
        code_file_open(&f, job->bytes, features, &job->keep, &job->error);

    if (status == OK)
        status = module_decode(&job->module, f.module, &job->keep, &job->error);
    if (status == OK)
        status = code_file_code(&job->code, &f, &job->module, &job->keep,
                                &job->error);
    account(job, "read", NO_INDEX);
    return status == OK;
}

static bool
job_compile(struct job *job, const struct compile_options *options)
{
    struct compile_options shown = *options;

    if (shown.step == NULL)
        shown.step = progress_step;
    progress_begin("compiling", base_name(job->path), job->module.func_count,
                   COMPILE_PATIENCE_MS);
    status_t status =
        module_compile(&job->code, &job->module, &shown, &job->text, &job->keep,
                       &job->temp, &job->error);
    progress_end();
    return status == OK;
}

static int
job_end(struct job *job, bool ok)
{
    if (!ok && job->error.status != OK)
        complain_error(job->path, &job->error);
    if (job->keep.base != NULL) {
        arena_free_host(&job->keep);
        arena_free_host(&job->temp);
        arena_free_host(&job->text);
    }
    free(job->bytes.ptr);
    return ok ? 0 : 1;
}

// --- compile -----------------------------------------------------------------

static void
report(const struct job *job)
{
    u64 total = 0;

    for (u32 i = 0; i < job->phase_count; i++) {
        printf("%-10s %10.3f ms\n", job->phases[i].name,
               (double)job->phases[i].ns / 1e6);
        total += job->phases[i].ns;
    }
    printf("%-10s %10.3f ms  %.1f MB/s of module\n", "total",
           (double)total / 1e6,
           (double)job->bytes.size * 1e3 / (double)MAX(total, 1));
    printf("%-10s %10" PRIu64 " bytes\n", "module", job->bytes.size);
    printf("%-10s %10" PRIu64 " bytes\n", "code", job->code.size);
    printf("%-10s %10" PRIu64 " bytes  %.1f per byte of module\n", "tables",
           job->keep.peak, (double)job->keep.peak / (double)job->bytes.size);
    printf("%-10s %10" PRIu64 " bytes  %.1f per byte of module\n", "temporary",
           job->temp.peak, (double)job->temp.peak / (double)job->bytes.size);
}

static bool
write_file(const char *path, const void *bytes, u64 size)
{
    FILE *file = fopen(path, "wb");
    bool done = file != NULL && fwrite(bytes, 1, size, file) == size;

    if (file != NULL)
        done = fclose(file) == 0 && done;
    if (!done)
        complain("%s: %s", path, strerror(errno));
    return done;
}

// A checksum of bytes after those that gave `sum`: FNV-1a, whose values may be
// compared between versions of the command.
static u64
checksum(u64 sum, const u8 *bytes, u64 size)
{
    sum ^= 0xcbf29ce484222325;
    for (u64 i = 0; i < size; i++)
        sum = (sum ^ bytes[i]) * 0x100000001b3;
    sum ^= sum >> 32;
    sum *= 0xd6e8feb86659fd93;
    return sum ^ sum >> 32;
}

// Of everything that a module's machine code consists of.  (No struct of a
// table has padding.)
static u64
hash_code(const struct module *m, const struct code *code)
{
    struct code_part tables[CODE_TABLES];
    u64 sizes = m->type_count * sizeof(*code->sizes);
    u64 hash = checksum(code->size, code->text, code->size);

    hash = checksum(hash + sizes, (const u8 *)code->sizes, sizes);
    code_tables(tables, code, m);
    for (u32 i = 0; i < CODE_TABLES; i++)
        hash = checksum(hash + tables[i].size, tables[i].ptr, tables[i].size);
    return hash;
}

// A code file where it is named so, the bare machine code else.
static bool
write_code(const char *path, const struct job *job, u32 features)
{
    const struct code *code = &job->code;
    struct bytes file = {NULL, 0};

    if (!path_ends_in(path, ".neb"))
        return write_file(path, code->text, code->size);
    file.size = code_file_write(file, code, &job->module, features);
    file.ptr = malloc(file.size);
    if (file.ptr == NULL) {
        complain("%s: %s", path, strerror(errno));
        return false;
    }
    code_file_write(file, code, &job->module, features);
    bool done = write_file(path, file.ptr, file.size);
    free(file.ptr);
    return done;
}

struct compile_args {
    struct compile_options options;
    bool time, hash;
    const char *out; // or NULL
};

static int
compile_file(const struct compile_args *args, const char *path)
{
    struct compile_options options = args->options;
    struct job job = {0};

    if (args->time) {
        options.step = account;
        options.self = &job;
    }
    bool ok =
        job_open(&job, path) && job_decode(&job) && job_compile(&job, &options);
    if (args->hash) {
        u64 hash = ok ? hash_code(&job.module, &job.code) : 0;
        tell("%016" PRIx64 " %s", hash, path);
        ok = ok || job.error.status != OK;
        job.error.status = OK;
    }
    if (ok && args->time)
        report(&job);
    if (ok && args->out != NULL)
        ok = write_code(args->out, &job, options.features);
    return job_end(&job, ok);
}

static bool
set_compile(void *self, const struct option *o, const char *value)
{
    struct compile_args *args = self;

    if (strcmp(o->name, "--time") == 0)
        args->time = true;
    else if (strcmp(o->name, "--plain") == 0)
        args->options.plain = true;
    else if (strcmp(o->name, "--no-inline") == 0)
        args->options.no_inline = true;
    else if (strcmp(o->name, "--baseline") == 0)
        args->options.features = CPU_SSE41;
    else if (strcmp(o->name, "--hash") == 0)
        args->hash = true;
    else
        args->out = value;
    return true;
}

// Read the options, and do that with each file; the exit status.
static int
each_file(const struct command *c, struct compile_args *args,
          struct words words,
          int (*run)(const struct compile_args *args, const char *path))
{
    struct words files;

    int status = options_read(c, args, words, &files);
    if (status != OPTIONS_READ)
        return status;
    if (files.count == 0)
        return misuse(c, "no module given");
    status = 0;
    for (int i = 0; i < files.count; i++)
        status |= run(args, files.list[i]);
    return status;
}

static const struct option options_of_compile[] = {
#define OPTION(name, value, set, help) {name, value, help, set},
#include "tool/compile.def"
};

static int
run_compile(struct words words)
{
    struct compile_args args = {
        .options = {.features = cpu_features_detect(), .dump_func = NO_INDEX}
    };

    return each_file(&command_compile, &args, words, compile_file);
}

const struct command command_compile = {
    .name = "compile",
    .operands = "FILE.wasm...",
    .summary = "compile a module, say what it took",
    .text = "Compiles modules without running them.",
    .options = options_of_compile,
    .option_count = COUNT(options_of_compile),
    .examples = "nebulet compile --time hello.wasm\n"
                "nebulet compile -o hello.neb hello.wasm\n"
                "nebulet compile --hash hello.wasm ls.wasm",
    .run = run_compile,
};

// --- verify ------------------------------------------------------------------

static void
complain_refused(const struct job *job, const struct verify_error *e)
{
    char words[256];

    module_compile_words(words, sizeof(words), &job->module, &job->code, e);
    complain("%s: %s", job->path, words);
}

static int
verify_file(const struct compile_args *args, const char *path)
{
    struct compile_options options = args->options;
    struct verify_error error = {0};
    struct job job = {0};

    if (args->time) {
        options.step = account;
        options.self = &job;
    }
    if (!job_open(&job, path))
        return job_end(&job, false);
    bool made = code_file_is(job.bytes) ?
                    job_read(&job, options.features) :
                    job_decode(&job) && job_compile(&job, &options);
    if (!made)
        return job_end(&job, false);
    account(&job, "tables", NO_INDEX);
    status_t status = module_compile_verify(
        &job.code, &job.module, options.features, &job.temp, &error);
    account(&job, "verify", NO_INDEX);
    if (status == ERR_INVALID)
        complain_refused(&job, &error);
    else if (status != OK)
        error_set(&job.error, status, 0, status_text(status));
    else if (args->time)
        report(&job);
    return job_end(&job, status == OK);
}

static const struct option options_of_verify[] = {
#define VERIFY_OPTION(name, value, set, help) {name, value, help, set},
#include "tool/compile.def"
};

static int
run_verify(struct words words)
{
    const char *part_ins = getenv("PART_INS");
    struct compile_args args = {
        .options = {.features = cpu_features_detect(),
                    .check_pads = CHECKED,
                    .part_ins = part_ins != NULL ? (u32)atoi(part_ins) : 0,
                    .dump_func = NO_INDEX}
    };

    return each_file(&command_verify, &args, words, verify_file);
}

const struct command command_verify = {
    .name = "verify",
    .operands = "FILE...",
    .summary = "judge the machine code of a module or a code file",
    .text = "Compiles modules, or reads code files (.neb), and lets the "
            "verifier judge the\ncode, without running it: says which "
            "instruction is refused and why.",
    .options = options_of_verify,
    .option_count = COUNT(options_of_verify),
    .examples = "nebulet verify hello.wasm\n"
                "nebulet verify --time --plain hello.wasm",
    .run = run_verify,
};

// --- dump --------------------------------------------------------------------

static void
put_stdout(struct printer *p, const char *text, u32 len)
{
    (void)p;
    fwrite(text, 1, len, stdout);
}

static bool
find_func(const struct job *job, const char *text, u32 *func)
{
    const struct module *m = &job->module;
    u64 index;
    const char *end = number_read(text, UINT32_MAX, &index);

    if (end != NULL && *end == 0 && index < m->func_count) {
        *func = (u32)index;
        return true;
    }
    for (u32 i = 0; i < m->func_count; i++) {
        if (string_equal(module_func_name(m, i), string_of(text))) {
            *func = i;
            return true;
        }
    }
    complain("%s: no such function: %s", job->path, text);
    return false;
}

static bool
set_step(void *self, const struct option *o, const char *value)
{
    static const char *const steps[] = {"build", "select", "live", "allocate",
                                        "emit"};
    struct compile_options *options = self;

    options->dump_step = value;
    for (u32 i = 0; i < COUNT(steps); i++)
        if (strcmp(steps[i], value) == 0)
            return true;
    misuse(&command_dump, "%s %s: not build, select, live, allocate or emit",
           o->name, value);
    return false;
}

static bool
set_mode(void *self, const struct option *o, const char *value)
{
    struct compile_options *options = self;

    (void)value;
    if (strcmp(o->name, "--plain") == 0)
        options->plain = true;
    else
        options->no_inline = true;
    return true;
}

static const struct option options_of_dump[] = {
#define DUMP_OPTION(name, value, set, help) {name, value, help, set},
#include "tool/compile.def"
};

static int
run_dump(struct words words)
{
    struct printer printer = {.put = put_stdout};
    struct compile_options options = {.features = cpu_features_detect(),
                                      .dump = &printer,
                                      .dump_step = "emit",
                                      .dump_func = NO_INDEX};
    struct words given;
    struct job job = {0};

    int status = options_read(&command_dump, &options, words, &given);
    if (status != OPTIONS_READ)
        return status;
    if (given.count == 0)
        return misuse(&command_dump, "no module given");
    if (given.count > 2)
        return misuse(&command_dump, "%s: one too many", given.list[2]);

    bool ok = job_open(&job, given.list[0]) && job_decode(&job);
    if (ok && given.count == 2)
        ok = find_func(&job, given.list[1], &options.dump_func);
    ok = ok && job_compile(&job, &options);
    return job_end(&job, ok);
}

const struct command command_dump = {
    .name = "dump",
    .operands = "FILE.wasm [FUNCTION]",
    .summary = "show a step of the compiler",
    .text =
        "Shows what the compiler makes of one function, by index or name, or "
        "of all.",
    .options = options_of_dump,
    .option_count = COUNT(options_of_dump),
    .examples = "nebulet dump hello.wasm _start\n"
                "nebulet dump --after=build hello.wasm 1",
    .run = run_dump,
};
