// wasi/boot.c: run the programs of an initrd (its form is described in wasi.h).
// Whatever is wrong with one program is one line on the log and exit status 1
// for that program; the others run all the same.

#include "wasi/wasi.h"

enum { STATUS_BAD = 1 };
enum { TEXT_SIZE = 400, IMPORTS_SHOWN = 20 };

// How long who serves files may take to end: a disk has to be written; and
// after a timeout, when the host waits for us.
#define END_NS           10000000000ull
#define END_TIMED_OUT_NS 100000000ull

#define TIMEOUT_MAX      1000000000000ull // ms: more is for ever

struct program {
    struct process *process;   // NULL: not started
    struct process_call *call; // instead of its entry, or NULL
    u32 status;
    bool ended;
};

// A directory that a process serves: run/served/N.
struct mount {
    struct string name; // of programs for it
    struct served *files;
    struct node *root;       // NULL: it is not there yet
    struct process *process; // NULL: not started
};

struct boot {
    struct tree *tree;
    struct group *group;   // of the programs, and of all that they start
    struct group *servers; // of their files; NULL: there are none
    struct node *run;      // the directory
    struct mount *mounts;
    u32 mount_count;
    struct preopen *preopens;
    u32 preopen_count;
    u32 terminals;
    struct object *terminal; // NULL: the host's, as far as we care
    u64 deadline_ns;
    bool timed_out;
    u32 count; // of programs
    struct program programs[];
};

// --- the archive -------------------------------------------------------------

static struct node *
child(struct node *dir, struct string name)
{
    struct node *n = NULL;

    if (dir == NULL || dir->type != FILETYPE_DIRECTORY)
        return NULL;
    node_lock(dir);
    errno_t error = dir->ops->lookup(dir, name, &n);
    node_unlock(dir);
    return error == WASI_SUCCESS ? n : NULL;
}

static struct node *
program_dir(struct node *run, u32 index)
{
    char name[16];

    return child(
        run, (struct string){name, format(name, sizeof(name), "%u", index)});
}

// The contents of a file; .ptr is NULL when there is none.
static struct bytes
contents(struct node *dir, struct string name)
{
    struct node *n = child(dir, name);

    if (n == NULL || n->type != FILETYPE_REGULAR_FILE)
        return (struct bytes){NULL, 0};
    return tree_data(n);
}

static struct string
text_of(struct bytes bytes)
{
    struct string text = {(const char *)bytes.ptr, (u32)bytes.size};

    while (text.len > 0 && (u8)text.ptr[text.len - 1] <= ' ')
        text.len--;
    return text;
}

// What the text of a file says; *number stays where there is none.
static bool
read_number(struct bytes contents, u64 *number)
{
    struct string text = text_of(contents);
    u64 n = 0;

    for (u32 i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9' || n > 1000000000000)
            return false;
        n = n * 10 + (u64)(text.ptr[i] - '0');
    }
    if (text.len > 0)
        *number = n;
    return true;
}

// From the contents of run/timeout.
static bool
read_timeout(struct bytes contents, u64 *deadline_ns)
{
    u64 ms = UINT64_MAX;

    *deadline_ns = UINT64_MAX;
    if (!read_number(contents, &ms))
        return false;
    if (ms == UINT64_MAX)
        return true;
    i64 deadline = port_start_ns() + (i64)(MIN(ms, TIMEOUT_MAX) * 1000000);
    *deadline_ns = (u64)MAX(deadline, 0);
    return true;
}

static u32
read_terminals(struct node *run)
{
    struct bytes text = contents(run, STRING("terminals"));
    u32 set = 0;

    if (text.ptr == NULL)
        return 7;
    for (u64 i = 0; i < text.size; i++)
        if (text.ptr[i] >= '0' && text.ptr[i] <= '2')
            set |= 1u << (text.ptr[i] - '0');
    return set;
}

// --- one program -------------------------------------------------------------

static struct string
file_name(struct node *dir)
{
    struct string name = text_of(contents(dir, STRING("path")));

    return name.len > 0 ? name : STRING("app.wasm");
}

// `nebulet: FILE: offset 0x12: MESSAGE`; the offset where the bytes there are
// to blame.
static void
report(struct node *dir, status_t status, const struct error *error,
       const char *details)
{
    struct string file = file_name(dir);
    const char *what = details[0] != 0     ? details :
                       error->what != NULL ? error->what :
                                             status_text(status);
    char offset[40] = "";

    bool placed = error->at > 0 || error->status == ERR_MALFORMED;
    if (error->what != NULL && placed)
        format(offset, sizeof(offset),
               "offset 0x%llx: ", (unsigned long long)error->at);
    klog("nebulet: %.*s: %s%s", (int)file.len, file.ptr, offset, what);
}

// One line for each import that is not there, of the first few.
static void
report_imports(struct node *dir, const struct linking *linking,
               const struct code_module *m)
{
    struct error error;
    char details[TEXT_SIZE];
    u32 from = 0, count = 0;

    while (
        process_missing_import(linking, m, &from, &error, details, TEXT_SIZE)) {
        if (count++ == IMPORTS_SHOWN) {
            error.what = "and more that are not there";
            details[0] = '\0';
        }
        report(dir, error.status, &error, details);
        if (count > IMPORTS_SHOWN)
            break;
    }
}

// What messages about a running program begin with: its path, or only the last
// part of that when it is long.
static void
name_program(char *to, u64 size, struct node *dir)
{
    struct string path = file_name(dir), rest = path, part = path;

    while (path.len >= size && part.len > 0) {
        part = path_component(&rest);
        path = part.len > 0 && rest.len == 0 ? part : path;
    }
    format_safe(to, size, "%.*s", (int)path.len, path.ptr);
}

// The work of loading, which takes its time: in a thread of its own, so that it
// can be killed.
struct loading {
    struct group *group;
    struct node *dir;
    struct served *served; // that it is to serve, or NULL
    struct process *process;
    struct node *blamed; // of the module that an error is about
    struct error error;
    char details[TEXT_SIZE];
    status_t status;
};

// What the command compiled, and has just looked at, for a CPU as it knows it.
// Where this is another, or the command of another version, we compile it.
static status_t
load_image(struct loading *l, struct node *dir, struct bytes image,
           struct code_module **out)
{
    status_t status =
        code_module_open_known(out, image, &l->error, l->details, TEXT_SIZE);

    if (status != ERR_UNSUPPORTED)
        return status;
    report(dir, status, &l->error, l->details);
    l->details[0] = 0;
    return code_module_remake(out, image, &l->error);
}

static status_t
load_module(struct loading *l, struct node *dir, struct code_module **out)
{
    struct bytes image = contents(dir, STRING("image"));
    struct bytes app = contents(dir, STRING("app.wasm"));

    l->blamed = dir;
    if (image.ptr != NULL)
        return load_image(l, dir, image, out);
    if (app.ptr == NULL) {
        format(l->details, TEXT_SIZE, "there is no such file in the initrd");
        return ERR_NOT_FOUND;
    }
    return code_module_open(out, app, &l->error, l->details, TEXT_SIZE);
}

// Those of run/N/link, in order.
static status_t
load_libraries(struct loading *l, struct library *list, u32 *count)
{
    struct node *link = child(l->dir, STRING("link")), *dir;
    status_t status = OK;

    for (*count = 0; (dir = program_dir(link, *count)) != NULL; (*count)++) {
        struct library *library = &list[*count];
        if (*count == LIBRARIES_MAX)
            return ERR_LIMIT;
        library->name = text_of(contents(dir, STRING("name")));
        status = load_module(l, dir, &library->code);
        if (status != OK)
            break;
    }
    return status;
}

static status_t
new_process(struct loading *l, struct linking *linking)
{
    struct node *link = child(l->dir, STRING("link"));
    char name[LIMIT_PROCESS_NAME + 1];
    struct code_module *m;

    name_program(name, sizeof(name), l->dir);
    status_t status = load_module(l, l->dir, &m);
    if (status != OK)
        return status;
    status = process_new_linked(&l->process, l->group, m, linking, name,
                                &l->error, l->details, TEXT_SIZE);
    u32 blamed = linking->blamed;
    bool is_library = blamed < linking->count;
    if (status != OK && is_library)
        l->blamed = program_dir(link, blamed);
    if (status == ERR_UNKNOWN_IMPORT)
        report_imports(l->blamed, linking,
                       is_library ? linking->libraries[blamed].code : m);
    code_module_release(m);
    return status;
}

// NULL: there is no such thing.
static struct object *
granted_object(const struct boot *boot, struct string word)
{
    if (string_equal(word, STRING("group")))
        return group_object(boot->group);
    if (string_equal(word, STRING("terminal")))
        return boot->terminal;
    bool files = word.len > 6 && memcmp(word.ptr, "files=", 6) == 0;
    struct string tag = {word.ptr + 6, word.len - 6};
    struct device *d = files ? device_find_files(tag) : device_find(word);
    return d != NULL ? device_object(d) : NULL;
}

// A handle for each word.
static status_t
give_grants(const struct boot *boot, struct process *p, struct string words,
            char *details)
{
    status_t status = OK;

    while (words.len > 0 && status == OK) {
        struct string word = {words.ptr, 0};
        while (word.len < words.len && words.ptr[word.len] != ' ')
            word.len++;
        u32 skip = MIN(word.len + 1, words.len);
        words = (struct string){words.ptr + skip, words.len - skip};
        struct object *o = granted_object(boot, word);
        if (o == NULL)
            format(details, TEXT_SIZE, "there is no \"%.*s\" to grant",
                   (int)word.len, word.ptr);
        status =
            o == NULL ? ERR_NOT_FOUND : process_give(p, o, o->type->rights);
    }
    return status;
}

static status_t
start_process(const struct boot *boot, struct loading *l,
              struct process_call **call)
{
    struct process *p = l->process;
    struct node *dir = l->dir;
    char *details = l->details;
    struct wasi_setup setup = {
        .args = contents(dir, STRING("args")),
        .env = contents(dir, STRING("env")),
        .preopens = boot->preopens,
        .preopen_count = boot->preopen_count,
        .terminals = boot->terminals,
        .terminal = boot->terminal,
    };
    status_t status = wasi_attach(p, &setup);

    if (status == ERR_BAD_ARGUMENT)
        format(details, TEXT_SIZE, "args or env do not end in a zero byte");
    if (status == OK)
        status = give_grants(boot, p, text_of(contents(dir, STRING("grants"))),
                             details);
    if (status == OK && l->served != NULL)
        status = served_give(l->served, p);
    if (status != OK)
        return status;
    struct bytes invoked = contents(dir, STRING("invoke"));
    if (invoked.ptr != NULL) {
        format(details, TEXT_SIZE,
               "its file run/N/invoke does not fit the module");
        return invoke_start(p, invoked, call);
    }
    status = process_start(p);
    if (status == ERR_NOT_FOUND)
        format(details, TEXT_SIZE,
               "the module exports neither _start nor _initialize");
    if (status == ERR_WRONG_TYPE)
        format(details, TEXT_SIZE,
               "the export _start (or _initialize) is not a function without "
               "parameters and results");
    return status;
}

static void
load(void *arg)
{
    struct library libraries[LIBRARIES_MAX];
    struct linking linking = {.libraries = libraries};
    struct loading *l = arg;

    l->status = load_libraries(l, libraries, &linking.count);
    if (l->status == OK)
        l->status = new_process(l, &linking);
    for (u32 k = 0; k < linking.count; k++)
        code_module_release(libraries[k].code);
}

static void
time_out(struct boot *boot)
{
    boot->timed_out = true;
    klog("nebulet: timeout, killing all programs");
    group_kill(boot->group, EXIT_TIMEOUT);
}

// In a thread of its own; l->process is there afterwards, or not.
static status_t
load_in_time(struct boot *boot, struct loading *l)
{
    status_t status = thread_run_until(load, l, boot->deadline_ns);

    if (status == ERR_TIMED_OUT)
        time_out(boot);
    return status == OK ? l->status : status;
}

static void
start_program(struct boot *boot, u32 index)
{
    struct program *program = &boot->programs[index];
    struct node *dir = program_dir(boot->run, index);
    struct loading l = {.group = boot->group, .dir = dir, .blamed = dir};
    status_t status = load_in_time(boot, &l);

    if (status == OK)
        status = start_process(boot, &l, &program->call);
    if (status == OK) {
        program->process = l.process;
        return;
    }
    if (!boot->timed_out && status != ERR_UNKNOWN_IMPORT)
        report(l.blamed, status, &l.error, l.details);
    program->status = boot->timed_out ? EXIT_TIMEOUT : STATUS_BAD;
    program->ended = true;
    if (l.process != NULL)
        process_release(l.process);
}

// Results that did not arrive are no success.
static void
print_results(struct boot *boot, struct program *program)
{
    status_t status = OK;

    if (program->call != NULL)
        status = invoke_print(program->call, boot->deadline_ns);
    if (status == ERR_TIMED_OUT && !boot->timed_out)
        time_out(boot);
    else if (status != OK && status != ERR_TIMED_OUT)
        klog("nebulet: the results: stdout: %s", status_text(status));
    if (status != OK && program->status == 0)
        program->status = STATUS_BAD;
}

// Wait for one program's end.  At the deadline all are killed.
static void
wait_program(struct boot *boot, u32 index)
{
    struct program *program = &boot->programs[index];

    if (program->ended)
        return;
    u64 deadline = boot->timed_out ? UINT64_MAX : boot->deadline_ns;
    status_t status =
        process_wait(program->process, deadline, &program->status);
    if (status == ERR_TIMED_OUT) {
        time_out(boot);
        status = process_wait(program->process, UINT64_MAX, &program->status);
    }
    if (status != OK)
        program->status = STATUS_BAD;
    program->ended = true;
    print_results(boot, program);
    process_release(program->process);
    kernel_free(program->call);
    program->process = NULL;
    program->call = NULL;
}

// All is over for who is left in it: it holds no file any more after this.
static void
end_group(struct group *g)
{
    group_kill(g, STATUS_BAD);
    object_wait_always(group_object(g), SIGNAL_ENDED);
    object_release(group_object(g));
}

// --- who serves them files ---------------------------------------------------

static errno_t
refuse_mount(struct boot *boot, const struct mount *mount, errno_t error)
{
    static const char *const texts[] = {
#define ERRNO(number, id, text) [number] = (text),
#include "wasi/errno.def"
    };

    if (error == WASI_TIMEDOUT && port_monotonic_ns() >= boot->deadline_ns)
        time_out(boot);
    else if (error != WASI_SUCCESS)
        klog("nebulet: %.*s cannot be served: %s", (int)mount->name.len,
             mount->name.ptr, texts[error]);
    return error;
}

// Start the server of run/served/N, in `dir`, and find its root; false after
// saying why not.
static bool
start_mount(struct boot *boot, struct mount *mount, struct node *dir)
{
    bool writable = child(dir, STRING("ro")) == NULL;
    struct loading l = {.group = boot->servers, .dir = dir, .blamed = dir};
    struct process_call *call;

    mount->name = text_of(contents(dir, STRING("name")));
    status_t status = served_new(&mount->files, writable);
    l.served = mount->files;
    if (status == OK)
        status = load_in_time(boot, &l);
    if (status == OK)
        status = start_process(boot, &l, &call);
    if (status != OK && !boot->timed_out)
        report(l.blamed, status, &l.error, l.details);
    if (status != OK && l.process != NULL)
        process_release(l.process);
    if (status != OK)
        return false;
    mount->process = l.process;
    errno_t error = served_root(mount->files, boot->deadline_ns, &mount->root);
    return refuse_mount(boot, mount, error) == WASI_SUCCESS;
}

// Those of run/served, in order.
static bool
start_mounts(struct boot *boot)
{
    struct node *served = child(boot->run, STRING("served")), *dir;
    u32 count = 0;

    while (program_dir(served, count) != NULL)
        count++;
    if (count == 0)
        return true;
    boot->mounts = kernel_alloc(count * sizeof(*boot->mounts));
    status_t status = boot->mounts == NULL ? ERR_NO_MEMORY : OK;
    if (status == OK)
        status = group_new(&boot->servers, group_root(), "servers");
    if (status != OK) {
        klog("nebulet: run/served: %s", status_text(status));
        return false;
    }
    while ((dir = program_dir(served, boot->mount_count)) != NULL)
        if (!start_mount(boot, &boot->mounts[boot->mount_count++], dir))
            return false;
    return true;
}

// Nobody has a file of them open any more.  They hear that, and have time to
// end what they have begun.
static void
end_mounts(struct boot *boot)
{
    u64 patience = boot->timed_out ? END_TIMED_OUT_NS : END_NS;
    u64 deadline = port_monotonic_ns() + patience;
    u32 status;

    for (u32 i = 0; i < boot->mount_count; i++) {
        struct mount *mount = &boot->mounts[i];
        if (mount->root != NULL)
            node_drop(mount->root);
        if (mount->files != NULL)
            served_leave(mount->files);
    }
    for (u32 i = 0; i < boot->mount_count; i++)
        if (boot->mounts[i].process != NULL &&
            process_wait(boot->mounts[i].process, deadline, &status) != OK)
            break;
    if (boot->servers != NULL)
        end_group(boot->servers);
    for (u32 i = 0; i < boot->mount_count; i++) {
        struct mount *mount = &boot->mounts[i];
        if (mount->process != NULL)
            process_release(mount->process);
        served_free(mount->files);
    }
    kernel_free(boot->mounts);
}

static struct node *
served_called(const struct boot *boot, struct string name)
{
    for (u32 i = 0; i < boot->mount_count; i++)
        if (string_equal(boot->mounts[i].name, name))
            return boot->mounts[i].root;
    return NULL;
}

// --- what programs see of the files ------------------------------------------

// The next of NUL-terminated strings; false when there are no more.
static bool
next_string(struct bytes *rest, struct string *out)
{
    u64 len = 0;

    while (len < rest->size && rest->ptr[len] != 0)
        len++;
    *out = (struct string){(const char *)rest->ptr, (u32)len};
    if (rest->size == 0)
        return false;
    rest->ptr += MIN(len + 1, rest->size);
    rest->size -= MIN(len + 1, rest->size);
    return true;
}

// The node that programs call `name`.
static struct node *
file_called(struct node *root, struct string name)
{
    struct node *at = root;

    for (;;) {
        struct string part = path_component(&name);
        if (part.len == 0 || at == NULL)
            return at;
        at = child(at, part);
    }
}

static mount_finder find_mount;

void
boot_mounts(mount_finder find)
{
    find_mount = find;
}

static bool
refuse_name(const char *list, struct string name)
{
    klog("nebulet: %s: there is no \"%.*s\"", list, (int)name.len, name.ptr);
    return false;
}

static bool
set_modes(const struct boot *boot, struct node *root)
{
    struct bytes rest = contents(boot->run, STRING("modes"));
    struct string mode;

    while (!thread_is_killed() && next_string(&rest, &mode)) {
        struct string name = {mode.ptr + 1, mode.len - 1};
        struct node *n = mode.len > 0 ? file_called(root, name) : NULL;
        if (n == NULL)
            return refuse_name("run/modes", mode);
        tree_set_writable(n, mode.ptr[0] == 'w');
    }
    return true;
}

// In a thread of its own, as loading.
struct opening {
    const struct boot *boot;
    struct node *root;
    bool done;
};

static void
open_files(void *arg)
{
    struct opening *o = arg;

    o->done = set_modes(o->boot, o->root);
}

// Set the modes before the deadline; false after saying why not.
static bool
set_modes_in_time(struct boot *boot, struct node *root)
{
    struct opening o = {.boot = boot, .root = root};
    status_t status = thread_run_until(open_files, &o, boot->deadline_ns);

    if (status == ERR_TIMED_OUT)
        time_out(boot);
    else if (status != OK)
        klog("nebulet: %s", status_text(status));
    return status == OK && o.done;
}

// The default is "/" where there is a root.
static struct bytes
names_of_dirs(const struct boot *boot, const struct node *root)
{
    static u8 default_name[] = "/";
    struct bytes names = contents(boot->run, STRING("dirs"));

    if (names.ptr == NULL && root != NULL && root->type == FILETYPE_DIRECTORY)
        names = (struct bytes){default_name, sizeof(default_name)};
    return names;
}

static bool
set_preopens(struct boot *boot, struct node *root)
{
    struct bytes names = names_of_dirs(boot, root), rest = names;
    struct string name;
    u32 count = 0;

    while (next_string(&rest, &name))
        count++;
    boot->preopens = kernel_alloc(MAX(count, 1) * sizeof(*boot->preopens));
    if (boot->preopens == NULL) {
        klog("nebulet: out of memory");
        return false;
    }
    for (rest = names; next_string(&rest, &name);) {
        struct node *n = find_mount != NULL ? find_mount(name) : NULL;
        if (n == NULL)
            n = served_called(boot, name);
        if (n == NULL)
            n = file_called(root, name);
        if (n == NULL || n->type != FILETYPE_DIRECTORY)
            return refuse_name("run/dirs", name);
        if (string_equal(name, STRING("/")) && root != NULL &&
            devices_add(root) != WASI_SUCCESS)
            klog("nebulet: /dev: out of memory");
        boot->preopens[boot->preopen_count++] = (struct preopen){n, name};
    }
    return true;
}

// Where the initrd has a file run/terminal, the console is ours.
static bool
start_terminal(struct boot *boot)
{
    struct terminal *terminal;

    if (contents(boot->run, STRING("terminal")).ptr == NULL)
        return true;
    status_t status = terminal_start(&terminal);
    if (status != OK)
        klog("nebulet: terminal: %s", status_text(status));
    else
        boot->terminal = terminal_object(terminal);
    return status == OK;
}

// Where there is a file run/trace.
static bool
start_trace(const struct boot *boot)
{
    struct bytes names = contents(boot->run, STRING("trace"));
    struct string unknown;

    if (names.ptr == NULL)
        return true;
    bool known = host_trace(text_of(names), &unknown);
    if (!known)
        klog("nebulet: run/trace: there is no call \"%.*s\"", (int)unknown.len,
             unknown.ptr);
    return known;
}

// Where there is a file run/profile: what it names.
enum profile { PROFILE_NONE, PROFILE_SAMPLES = 1, PROFILE_MAP = 2 };

static bool
start_profile(const struct boot *boot, u32 *what)
{
    struct string words = text_of(contents(boot->run, STRING("profile")));

    *what = PROFILE_NONE;
    for (u32 i = 0; i < words.len; i++)
        *what |= words.ptr[i] == 's' ? PROFILE_SAMPLES :
                 words.ptr[i] == 'm' ? PROFILE_MAP :
                                       PROFILE_NONE;
    if (*what & PROFILE_MAP)
        profile_keep_code();
    bool started = !(*what & PROFILE_SAMPLES) || profile_start();
    if (!started) {
        klog("nebulet: profile: out of memory");
        *what = PROFILE_NONE;
    }
    return started;
}

static void
end_profile(u32 what)
{
    if (what & PROFILE_SAMPLES)
        profile_write();
    if (what & PROFILE_MAP)
        profile_write_map();
}

// Where there is a file run/clock.
static bool
set_clock(const struct boot *boot)
{
    u64 grain_ns = 1;
    bool known = read_number(contents(boot->run, STRING("clock")), &grain_ns) &&
                 grain_ns > 0;

    if (known)
        clock_set_grain(grain_ns);
    else
        klog("nebulet: run/clock is not a number of nanoseconds");
    return known;
}

// Where there is a file run/max-memory.
static bool
set_memory(const struct boot *boot)
{
    u64 most = UINT64_MAX;

    if (!read_number(contents(boot->run, STRING("max-memory")), &most)) {
        klog("nebulet: run/max-memory is not a number of bytes");
        return false;
    }
    account_set_limit(group_account(boot->group), RESOURCE_MEMORY, most);
    return true;
}

// --- all of them -------------------------------------------------------------

static u32
run_programs(struct boot *boot)
{
    for (u32 i = 0; i < boot->count && !boot->timed_out; i++) {
        struct node *dir = program_dir(boot->run, i);
        struct string mode = text_of(contents(dir, STRING("mode")));
        for (u32 k = 0; k < i && !string_equal(mode, STRING("beside")); k++)
            wait_program(boot, k);
        if (!boot->timed_out)
            start_program(boot, i);
    }
    u32 status = 0;
    for (u32 i = 0; i < boot->count; i++) {
        if (boot->programs[i].process != NULL)
            wait_program(boot, i);
        if (status == 0)
            status = boot->programs[i].status;
    }
    return boot->timed_out ? EXIT_TIMEOUT : status;
}

static u32
run_boot(struct boot *boot, struct node *root)
{
    u32 status = STATUS_BAD, profile = PROFILE_NONE;

    if (boot->count == 0)
        klog("nebulet: the initrd has no program run/0");
    else if (!read_timeout(contents(boot->run, STRING("timeout")),
                           &boot->deadline_ns))
        klog("nebulet: run/timeout is not a number of milliseconds");
    else if (set_modes_in_time(boot, root) && start_mounts(boot) &&
             set_preopens(boot, root) && start_terminal(boot) &&
             start_trace(boot) && set_clock(boot) && set_memory(boot) &&
             start_profile(boot, &profile)) {
        heaps_tell(contents(boot->run, STRING("gc-stats")).ptr != NULL);
        status = run_programs(boot);
    }
    end_group(boot->group); // what the programs have spawned
    end_mounts(boot);
    end_profile(profile);
    return boot->timed_out ? EXIT_TIMEOUT : status;
}

static u32
run_tree(struct tree *tree)
{
    struct node *run = child(tree_root(tree), STRING("run"));
    struct node *root = child(tree_root(tree), STRING("root"));
    u32 count = 0, status = STATUS_BAD;

    while (program_dir(run, count) != NULL)
        count++;
    struct boot *boot =
        kernel_alloc(sizeof(*boot) + count * sizeof(struct program));
    if (boot == NULL) {
        klog("nebulet: out of memory");
        return STATUS_BAD;
    }
    *boot = (struct boot){
        .tree = tree,
        .run = run,
        .terminals = read_terminals(run),
        .count = count,
    };
    status_t made = group_new(&boot->group, group_root(), "programs");
    if (made == OK)
        status = run_boot(boot, root);
    else
        klog("nebulet: %s", status_text(made));
    kernel_free(boot->preopens);
    kernel_free(boot);
    return status;
}

// The host's exit statuses have eight bits; no failure becomes success there.
static u32
host_status(u32 status)
{
    return status != 0 && (u8)status == 0 ? STATUS_BAD : (u8)status;
}

// The deadline has to be known before the archive is indexed, which takes its
// time: it is among the first members, which are below run/.
static u64
early_deadline(struct bytes initrd)
{
    struct error error = {OK, 0, NULL};
    struct tar tar = {.archive = initrd, .error = &error};
    u64 deadline_ns = UINT64_MAX;
    struct tar_entry e;

    while (tar_next(&tar, &e)) {
        struct string path = e.path[1], top = path_component(&path);
        if (e.path[0].len > 0 || !string_equal(top, STRING("run")))
            break;
        if (string_equal(path, STRING("/timeout")) &&
            read_timeout(e.data, &deadline_ns))
            break;
    }
    return deadline_ns;
}

// In a thread of its own, as loading.
struct indexing {
    struct bytes initrd;
    struct tree *tree;
    struct error error;
};

static void
index_initrd(void *arg)
{
    struct indexing *x = arg;

    x->tree = tree_new(x->initrd, &x->error);
}

u32
boot_programs(struct bytes initrd, struct tree **files)
{
    struct indexing x = {.initrd = initrd};
    status_t status =
        thread_run_until(index_initrd, &x, early_deadline(initrd));
    u32 result = STATUS_BAD;

    *files = x.tree;
    if (status == ERR_TIMED_OUT) {
        klog("nebulet: timeout, the initrd is not read yet");
        result = EXIT_TIMEOUT;
    } else if (status != OK) {
        klog("nebulet: initrd: %s", status_text(status));
    } else if (x.error.status != OK) {
        klog("nebulet: initrd: offset 0x%llx: %s",
             (unsigned long long)x.error.at, x.error.what);
    } else {
        result = host_status(run_tree(x.tree));
    }
    return result;
}

u32
boot_run(struct bytes initrd, const char *cmdline)
{
    struct tree *files;

    (void)cmdline; // nothing in it concerns programs yet
    return boot_programs(initrd, &files);
}
