// wasi/boot.c: run the programs of an initrd (its form is described in wasi.h).
// Whatever is wrong with one program is one line on the log and exit status 1
// for that program; the others run all the same.

#include "wasi/boot.h"

enum { IMPORTS_SHOWN = 20 };

#define TIMEOUT_MAX 1000000000000ull // ms: more is for ever

// From the contents of run/timeout.
static bool
read_timeout(struct bytes contents, u64 *deadline_ns)
{
    u64 ms = UINT64_MAX;

    *deadline_ns = UINT64_MAX;
    if (!packed_number(contents, &ms))
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
    struct bytes text = packed_contents(run, STRING("terminals"));
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
    struct string name = packed_text(packed_contents(dir, STRING("path")));

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

void
boot_report(const struct loading *l, status_t status)
{
    report(l->blamed, status, &l->error, l->details);
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
    struct bytes image = packed_contents(dir, STRING("image"));
    struct bytes app = packed_contents(dir, STRING("app.wasm"));

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
    struct node *link = packed_child(l->dir, STRING("link")), *dir;
    status_t status = OK;

    for (*count = 0; (dir = packed_dir(link, *count)) != NULL; (*count)++) {
        struct library *library = &list[*count];
        if (*count == LIBRARIES_MAX)
            return ERR_LIMIT;
        library->name = packed_text(packed_contents(dir, STRING("name")));
        status = load_module(l, dir, &library->code);
        if (status != OK)
            break;
    }
    return status;
}

static status_t
new_process(struct loading *l, struct linking *linking)
{
    struct node *link = packed_child(l->dir, STRING("link"));
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
        l->blamed = packed_dir(link, blamed);
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
    struct registers *r = d == NULL && !files ? registers_find(word) : NULL;
    return d != NULL ? device_object(d) :
           r != NULL ? registers_object(r) :
                       NULL;
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

status_t
boot_launch(const struct boot *boot, struct loading *l,
            struct process_call **call)
{
    struct process *p = l->process;
    struct node *dir = l->dir;
    char *details = l->details;
    bool serves = l->served != NULL || l->network != NULL;
    struct wasi_setup setup = {
        .args = packed_contents(dir, STRING("args")),
        .env = packed_contents(dir, STRING("env")),
        .preopens = boot->preopens,
        .preopen_count = serves ? 0 : boot->preopen_count,
        .listeners = boot->listeners,
        .listener_count = l->listens ? boot->listener_count : 0,
        .terminals = boot->terminals,
        .terminal = serves ? NULL : boot->terminal,
    };
    status_t status = wasi_attach(p, &setup);

    if (status == ERR_BAD_ARGUMENT)
        format(details, TEXT_SIZE, "args or env do not end in a zero byte");
    if (status == OK)
        status = give_grants(
            boot, p, packed_text(packed_contents(dir, STRING("grants"))),
            details);
    if (status == OK && l->served != NULL)
        status = served_give(l->served, p);
    if (status == OK && l->network != NULL)
        status = network_give(l->network, p);
    if (status != OK)
        return status;
    struct bytes invoked = packed_contents(dir, STRING("invoke"));
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

void
boot_load(void *arg)
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

void
boot_time_out(struct boot *boot)
{
    boot->timed_out = true;
    klog("nebulet: timeout, killing all programs");
    group_kill(boot->group, EXIT_TIMEOUT);
}

// In a thread of its own; l->process is there afterwards, or not.
status_t
boot_load_in_time(struct boot *boot, struct loading *l)
{
    status_t status = thread_run_until(boot_load, l, boot->deadline_ns);

    if (status == ERR_TIMED_OUT)
        boot_time_out(boot);
    return status == OK ? l->status : status;
}

static void
start_program(struct boot *boot, u32 index)
{
    struct program *program = &boot->programs[index];
    struct node *dir = packed_dir(boot->run, index);
    struct loading l = {
        .group = boot->group, .dir = dir, .listens = index == 0, .blamed = dir};
    status_t status = boot_load_in_time(boot, &l);

    if (status == OK)
        status = boot_launch(boot, &l, &program->call);
    if (status == OK) {
        program->process = l.process;
        return;
    }
    if (!boot->timed_out && status != ERR_UNKNOWN_IMPORT)
        boot_report(&l, status);
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
        boot_time_out(boot);
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
        boot_time_out(boot);
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
void
boot_end_group(struct group *g)
{
    group_kill(g, STATUS_BAD);
    object_wait_always(group_object(g), SIGNAL_ENDED);
    object_release(group_object(g));
}

// --- what programs see of the files ------------------------------------------

// The node that programs call `name`.
static struct node *
file_called(struct node *root, struct string name)
{
    struct node *at = root;

    for (;;) {
        struct string part = path_component(&name);
        if (part.len == 0 || at == NULL)
            return at;
        at = packed_child(at, part);
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
    struct bytes rest = packed_contents(boot->run, STRING("modes"));
    struct string mode;

    while (!thread_is_killed() && packed_next(&rest, &mode)) {
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
        boot_time_out(boot);
    else if (status != OK)
        klog("nebulet: %s", status_text(status));
    return status == OK && o.done;
}

// The default is "/" where there is a root.
static struct bytes
names_of_dirs(const struct boot *boot, const struct node *root)
{
    static u8 default_name[] = "/";
    struct bytes names = packed_contents(boot->run, STRING("dirs"));

    if (names.ptr == NULL && root != NULL && root->type == FILETYPE_DIRECTORY)
        names = (struct bytes){default_name, sizeof(default_name)};
    return names;
}

static bool
set_preopens(struct boot *boot, struct node *root)
{
    struct bytes names = names_of_dirs(boot, root), rest = names;
    struct string name;
    u32 count = packed_count(names);

    boot->preopens = kernel_alloc(MAX(count, 1) * sizeof(*boot->preopens));
    if (boot->preopens == NULL) {
        klog("nebulet: out of memory");
        return false;
    }
    for (rest = names; packed_next(&rest, &name);) {
        struct node *n = find_mount != NULL ? find_mount(name) : NULL;
        if (n == NULL)
            n = mounts_find(boot, name);
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

static listener_finder find_listener;

void
boot_listeners(listener_finder find)
{
    find_listener = find;
}

static void
drop_listeners(struct boot *boot)
{
    while (boot->listener_count > 0)
        node_drop(boot->listeners[--boot->listener_count]);
    kernel_free(boot->listeners);
    boot->listeners = NULL;
}

// The next one; run/net is the last of the mounts.
static struct node *
listener_called(const struct boot *boot, struct string name)
{
    const struct mount *last =
        boot->mount_count > 0 ? &boot->mounts[boot->mount_count - 1] : NULL;

    if (last != NULL && last->network != NULL)
        return network_listener(last->network, boot->listener_count);
    return find_listener != NULL ? find_listener(name) : NULL;
}

// Those of run/listen.
static bool
set_listeners(struct boot *boot)
{
    struct bytes names = packed_contents(boot->run, STRING("listen"));
    struct string name;
    u32 count = packed_count(names);

    if (count == 0)
        return true;
    boot->listeners = kernel_alloc(count * sizeof(*boot->listeners));
    if (boot->listeners == NULL) {
        klog("nebulet: out of memory");
        return false;
    }
    while (packed_next(&names, &name)) {
        struct node *n = listener_called(boot, name);
        if (n == NULL)
            return refuse_name("run/listen", name);
        boot->listeners[boot->listener_count++] = n;
    }
    return true;
}

// Where the initrd has a file run/terminal, the console is ours.
static bool
start_terminal(struct boot *boot)
{
    struct terminal *terminal;

    if (packed_contents(boot->run, STRING("terminal")).ptr == NULL)
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
    struct bytes names = packed_contents(boot->run, STRING("trace"));
    struct string unknown;

    if (names.ptr == NULL)
        return true;
    bool known = host_trace(packed_text(names), &unknown);
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
    struct string words =
        packed_text(packed_contents(boot->run, STRING("profile")));

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
    bool known =
        packed_number(packed_contents(boot->run, STRING("clock")), &grain_ns) &&
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

    if (!packed_number(packed_contents(boot->run, STRING("max-memory")),
                       &most)) {
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
        struct node *dir = packed_dir(boot->run, i);
        struct string mode = packed_text(packed_contents(dir, STRING("mode")));
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
    else if (!read_timeout(packed_contents(boot->run, STRING("timeout")),
                           &boot->deadline_ns))
        klog("nebulet: run/timeout is not a number of milliseconds");
    else if (set_modes_in_time(boot, root) && mounts_start(boot) &&
             set_preopens(boot, root) && set_listeners(boot) &&
             start_terminal(boot) && start_trace(boot) && set_clock(boot) &&
             set_memory(boot) && start_profile(boot, &profile)) {
        heaps_tell(packed_contents(boot->run, STRING("gc-stats")).ptr != NULL);
        status = run_programs(boot);
    }
    boot_end_group(boot->group); // what the programs have spawned
    drop_listeners(boot);
    mounts_end(boot);
    end_profile(profile);
    return boot->timed_out ? EXIT_TIMEOUT : status;
}

static u32
run_tree(struct tree *tree)
{
    struct node *run = packed_child(tree_root(tree), STRING("run"));
    struct node *root = packed_child(tree_root(tree), STRING("root"));
    u32 count = 0, status = STATUS_BAD;

    while (packed_dir(run, count) != NULL)
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
