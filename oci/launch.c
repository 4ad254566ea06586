// oci/launch.c: a process of a container, from fork to its end.  It makes what
// the container has, packs its program while errors still reach the caller,
// and waits to be let go: who dies before takes it along.
//
//     we                                  it
//     in its groups             STEP_IN
//                               ->        namespaces, mounts
//     hooks of ours             <-> STEP_HOOKS
//                                         its hooks, terminal, program
//     state and number are      <-> STEP_READY
//     written down
//                               <-        STEP_FREE: no death of ours is its
//
// The first of a container then waits for a byte in the pipe `start`, and
// removes that before its program begins.

#include "oci/oci.h"

#include "port/linux/linux.h"
#include "tool/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum step {
    STEP_IN = 'i',
    STEP_HOOKS = 'h',
    STEP_READY = 'r',
    STEP_FREE = 'f'
};

enum {
    CPUS_MOST = 4,
    MEMORY_LEAST_MIB = 64, // of a machine
    MEMORY_MIB = 256,      // where nothing is said
};

static bool
say(int fd, enum step step)
{
    char byte = (char)step;

    return send(fd, &byte, 1, MSG_NOSIGNAL) == 1;
}

// False: the other side has ended, or gave up.
static bool
await(int fd, enum step step)
{
    char byte;
    ssize_t got;

    do
        got = read(fd, &byte, 1);
    while (got < 0 && errno == EINTR);
    return got == 1 && byte == (char)step;
}

// --- the program -------------------------------------------------------------

static i64
whole_cpus(struct spec *s)
{
    i64 quota =
        json_number(&s->json, s->resources, "cpu.quota", -1, INT64_MAX, -1);
    i64 period =
        json_number(&s->json, s->resources, "cpu.period", 0, INT64_MAX, 0);
    i64 least = MIN(host_cpus(), CPUS_MOST);

    if (s->resources == NULL || quota <= 0)
        return least;
    period = period > 0 ? period : 100000;
    return MAX(MIN((quota - 1) / period + 1, least), (i64)1);
}

// In MiB; 0: nothing is said.
static i64
memory_limit(struct spec *s)
{
    i64 limit = s->resources == NULL ?
                    -1 :
                    json_number(&s->json, s->resources, "memory.limit", -1,
                                INT64_MAX, -1);

    return limit > 0 ? MIN(limit / (i64)MIB, (i64)1 << 20) : 0;
}

static bool
set_machine(struct run *run, struct spec *s)
{
    i64 mib = memory_limit(s);

    run->metal = !s->process_mode;
    run->cpus = (u32)whole_cpus(s);
    run->memory_mib = mib > 0 ? (u32)mib : MEMORY_MIB;
    if (!run->metal || mib == 0 || mib >= MEMORY_LEAST_MIB)
        return true;
    complain("memory.limit: a machine takes at least %d MiB", MEMORY_LEAST_MIB);
    return false;
}

// The container's files are /.
static void
set_root(struct run *run, const struct spec *s)
{
    struct dir *root = &run->dirs.list[run->dirs.count++];

    *root = (struct dir){.option = "--dir", .text = s->rootfs, .live = true};
    snprintf(root->host, sizeof(root->host), "%s", s->rootfs);
    strcpy(root->guest, "/");
}

static void
set_words(struct run *run, const struct process_spec *p)
{
    const cJSON *item;
    static char *args[ARGS_MAX];

    run->args.list = args;
    cJSON_ArrayForEach (item, p->args)
        if (item == p->args->child)
            run->argv0 = item->valuestring;
        else
            args[run->args.count++] = item->valuestring;
    cJSON_ArrayForEach (item, p->env)
        run->env.list[run->env.count++] = item->valuestring;
}

// The user's, or else, for root, one that all containers share.
static bool
open_cache(struct cache *cache)
{
    bool known = getenv("NEBULET_CACHE") != NULL ||
                 getenv("XDG_CACHE_HOME") != NULL || getenv("HOME") != NULL;

    if (known || geteuid() != 0)
        return cache_open(cache, NULL);
    return cache_open(cache, "/var/cache/nebulet");
}

static bool
pack(struct run *run, const struct launch *l, struct buffer *tar)
{
    struct spec *s = l->spec;
    char path[32];

    set_words(run, l->process);
    set_root(run, s);
    int fd = spec_program(s, l->process, &run->invoke);
    if (fd < 0) {
        complain("%s: %s", run->argv0, strerror(errno));
        return false;
    }
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    run->programs[0] =
        (struct program){.path = path, .mode = "then", .name = run->argv0};
    run->program_count = 1;
    bool cached = open_cache(&run->cache);
    bool packed = set_machine(run, s) && run_pack(run, tar);
    if (cached)
        cache_close(&run->cache);
    close(fd);
    return packed;
}

// --- the process -------------------------------------------------------------

static bool
join(const char *path, int kind, const char *what)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool done = fd >= 0 && setns(fd, kind) == 0;

    if (!done)
        complain("%s namespace %s: %s", what, path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return done;
}

static bool
first_namespaces(struct spec *s)
{
    if (s->network != NULL && s->network[0] != 0 &&
        !join(s->network, CLONE_NEWNET, "network"))
        return false;
    int fresh = (s->network != NULL && s->network[0] == 0 ? CLONE_NEWNET : 0) |
                (s->new_uts ? CLONE_NEWUTS : 0);
    if (fresh != 0 && unshare(fresh) != 0)
        return complain("namespaces: %s", strerror(errno)), false;
    if (s->new_uts && s->hostname != NULL &&
        sethostname(s->hostname, strlen(s->hostname)) != 0)
        return complain("hostname: %s", strerror(errno)), false;
    return mounts_make(s);
}

// Where the container's first process is.
static bool
later_namespaces(const struct container *c)
{
    static const struct {
        const char *name;
        int kind;
    } kinds[] = {
        {"net", CLONE_NEWNET},
        {"uts", CLONE_NEWUTS},
        {"mnt", CLONE_NEWNS }
    };
    char path[64];

    for (u32 i = 0; i < COUNT(kinds); i++) {
        snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)c->pid,
                 kinds[i].name);
        if (!join(path, kinds[i].kind, kinds[i].name))
            return false;
    }
    int fd = container_process(c); // it was that one all the time
    if (fd < 0)
        return complain("container not running"), false;
    close(fd);
    return true;
}

static void
default_signals(void)
{
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool
prepare(struct launch *l, int fd, struct run *run, struct buffer *tar)
{
    if (!await(fd, STEP_IN))
        return false;
    setsid();
    if (!(l->first ? first_namespaces(l->spec) :
                     later_namespaces(l->container)))
        return false;
    if (!say(fd, STEP_HOOKS) || !await(fd, STEP_HOOKS))
        return false;
    if (l->first && !hooks_call(l->container, &l->spec->json, "createContainer",
                                STATUS_CREATING))
        return false;
    if (l->console != NULL && !terminal_open(l->process, l->console))
        return false;
    return pack(run, l, tar);
}

// Until `start` lets it.
static bool
await_start(const struct launch *l)
{
    int dir = l->container->dir;
    int fd = openat(dir, "start", O_RDWR | O_CLOEXEC); // and nobody's is the
    char byte;                                         // last end
    ssize_t got;

    if (fd < 0)
        return complain("start: %s", strerror(errno)), false;
    if (!say(l->ours, STEP_FREE)) // only now `start` finds a reader
        return false;
    close(l->ours);
    do
        got = read(fd, &byte, 1);
    while (got < 0 && errno == EINTR);
    bool done = got == 1 &&
                hooks_call(l->container, &l->spec->json, "startContainer",
                           STATUS_CREATED) &&
                unlinkat(dir, "start", 0) == 0;
    if (done)
        complain_to(NULL);
    close(fd); // tells `start`
    return done;
}

static NORETURN void
run_program(const struct launch *l, struct run *run, struct bytes initrd)
{
    char path[PATH_SIZE];

    host_start();
    close(l->container->dir);
    if (run->metal) {
        struct qemu_options qemu = {
            .kernel = kernel_path("nebulet.elf", path, sizeof(path)),
            .machine = "microvm",
            .append = "",
            .dirs = &run->dirs,
            .memory_mib = run->memory_mib,
            .cpus = run->cpus};
        if (!rights_drop(l->json, l->process, false))
            _exit(1);
        _exit(qemu_run(&qemu, initrd));
    }
    if (!dirs_mount(&run->dirs) || !rights_drop(l->json, l->process, true))
        _exit(1);
    linux_cpus(run->cpus);
    _exit(linux_run(initrd, "", host_now_ms() * 1000000, UINT64_MAX));
}

static NORETURN void
be_process(struct launch *l, pid_t parent)
{
    static struct run run = {.cache = {.dir = -1}};
    struct buffer tar = {0};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    default_signals();
    container_unlock(l->container);
    run.command = l->first ? &command_create : &command_exec;
    if (!prepare(l, l->ours, &run, &tar) || !say(l->ours, STEP_READY) ||
        !await(l->ours, STEP_READY))
        _exit(1);
    prctl(PR_SET_PDEATHSIG, 0);
    if (l->first) {
        if (!await_start(l))
            _exit(1);
    } else {
        complain_to(NULL);
        (void)say(l->ours, STEP_FREE);
        close(l->ours);
    }
    run_program(l, &run, (struct bytes){tar.ptr, tar.size});
}

// --- from outside ------------------------------------------------------------

static bool
call_hooks(struct launch *l)
{
    return !l->first || (hooks_call(l->container, &l->spec->json, "prestart",
                                    STATUS_CREATING) &&
                         hooks_call(l->container, &l->spec->json,
                                    "createRuntime", STATUS_CREATING));
}

bool
launch_begin(struct launch *l)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return complain("socketpair: %s", strerror(errno)), false;
    pid_t parent = getpid();
    fflush(stdout);
    l->pid = fork();
    l->ours = ends[l->pid == 0];
    close(ends[l->pid != 0]);
    if (l->pid == 0)
        be_process(l, parent);
    if (l->pid < 0)
        return complain("fork: %s", strerror(errno)), false;
    if (l->first) { // for hooks
        l->container->pid = l->pid;
        l->container->born = process_born(l->pid);
    }
    return control_enter(l->container, l->pid) && say(l->ours, STEP_IN) &&
           await(l->ours, STEP_HOOKS) && call_hooks(l) &&
           say(l->ours, STEP_HOOKS) && await(l->ours, STEP_READY);
}

static bool
write_pid_file(const struct launch *l)
{
    char temporary[PATH_SIZE + 8];

    if (l->pid_file == NULL)
        return true;
    snprintf(temporary, sizeof(temporary), "%s.new", l->pid_file);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool done = fd >= 0 && dprintf(fd, "%d", (int)l->pid) > 0 &&
                rename(temporary, l->pid_file) == 0;
    if (!done)
        complain("%s: %s", l->pid_file, strerror(errno));
    if (fd >= 0)
        close(fd);
    return done;
}

bool
launch_release(struct launch *l)
{
    bool done = write_pid_file(l) && say(l->ours, STEP_READY) &&
                await(l->ours, STEP_FREE);

    if (done)
        close(l->ours);
    return done;
}

void
launch_cancel(struct launch *l)
{
    if (l->pid <= 0)
        return;
    kill(l->pid, SIGKILL);
    while (waitpid(l->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    close(l->ours);
}

// The pipe has no reader any more when the process has begun, or has ended.
bool
launch_start(const struct container *c)
{
    int fd = openat(c->dir, "start", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    struct pollfd fds = {.fd = fd};

    signal(SIGPIPE, SIG_IGN);
    if (fd < 0 || write(fd, "", 1) != 1) {
        complain("cannot start: the container's process has ended");
        return false;
    }
    while (poll(&fds, 1, -1) < 0 && errno == EINTR)
        ;
    close(fd);
    if (faccessat(c->dir, "start", F_OK, 0) != 0)
        return true;
    complain("cannot start: the container's process has ended");
    return false;
}
