// tool/qemu.c: boot the kernel in QEMU and connect it to us.
//
//     the channel (abi/channel.h)  <-->  virtio-console, a socket to serve.c
//     the debug port 0xe9           -->  a pipe to serve.c: what the kernel
//                                        says at boot and in panics
//
// QEMU gets none of our descriptors but stderr, for its own complaints, and no
// signal of our terminal.  The debug port's output ends with a NUL and one
// byte, the exit status: isa-debug-exit alone carries only seven bits.

#include "tool/serve.h"
#include "tool/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    ARG_MAX_COUNT = 128,
    PROBE_MS = 700,
    STATUS_NO_QEMU = 127,
    MICROVM_DEVICES = 8, // of virtio
    Q35_DEVICES = 16,    // that the kernel lets programs have, and the console
};

// As the Makefile installs it, relative to the command.
#define INSTALLED "../lib/nebulet/"

const char *
kernel_path(const char *name, char *to, u64 size)
{
    u64 room = sizeof(INSTALLED) + strlen(name);
    ssize_t len = readlink("/proc/self/exe", to, size - room);

    while (len > 0 && to[len - 1] != '/')
        len--;
    char *end = to + MAX(len, 0);
    snprintf(end, room, "%s", name);
    if (access(to, F_OK) == 0)
        return to;
    snprintf(end, room, INSTALLED "%s", name);
    if (access(to, F_OK) != 0)
        snprintf(end, room, "%s", name); // where it would be built
    return to;
}

// --- the command line --------------------------------------------------------

struct args {
    char *list[ARG_MAX_COUNT];
    u32 count;
};

static void
arg(struct args *a, const char *text)
{
    assert(a->count + 1 < ARG_MAX_COUNT);
    a->list[a->count++] = (char *)text;
    a->list[a->count] = NULL;
}

static void
arg_format(struct args *a, const char *text, ...)
{
    va_list list;
    char *made;

    va_start(list, text);
    int len = vasprintf(&made, text, list);
    va_end(list);
    assert(len >= 0);
    arg(a, made);
}

static bool
is_microvm(const struct qemu_options *o)
{
    return strcmp(o->machine, "microvm") == 0;
}

// microvm without ACPI names its virtio devices on the kernel's command line.
static void
machine_args(struct args *a, const struct qemu_options *o, bool kvm)
{
    arg(a, "qemu-system-x86_64");
    arg(a, "-M");
    arg(a, is_microvm(o) ? "microvm,acpi=off,x-option-roms=off,pit=on,pic=on,"
                           "rtc=on,isa-serial=off" :
                           o->machine);
    arg(a, "-accel");
    arg(a, kvm ? "kvm" : o->icount ? "tcg,thread=single" : "tcg,thread=multi");
    arg(a, "-cpu");
    arg(a, o->model != NULL ? o->model : kvm ? "host" : "max");
    arg(a, "-m");
    arg_format(a, "%u", o->memory_mib);
    arg(a, "-smp");
    arg_format(a, "%u", MAX(o->cpus, 1u));
    if (o->icount) {
        arg(a, "-icount");
        arg(a, "shift=0,sleep=off");
    }
    if (o->gdb != NULL) {
        arg(a, "-S");
        arg(a, "-gdb");
        arg_format(a, "tcp:127.0.0.1:%s", o->gdb);
    }
    arg(a, "-nodefaults");
    arg(a, "-no-user-config");
    arg(a, "-no-reboot");
    arg(a, "-display");
    arg(a, "none");
    arg(a, "-kernel");
    arg(a, o->kernel);
    arg(a, "-append");
    arg_format(a, "%s " CHANNEL_WORD, o->append);
    arg(a, "-device");
    arg(a, "isa-debug-exit,iobase=0xf4,iosize=0x04");
}

static void
console_args(struct args *a, const struct qemu_options *o, int channel, int log)
{
    arg(a, "-chardev");
    arg_format(a, "socket,id=channel,fd=%d", channel);
    arg(a, "-global");
    arg(a, "virtio-mmio.force-legacy=false");
    arg(a, "-device");
    arg(a, is_microvm(o) ? "virtio-serial-device,max_ports=2" :
                           "virtio-serial-pci,max_ports=2,disable-legacy=on");
    arg(a, "-device");
    arg_format(a, "virtserialport,nr=%d,chardev=channel", CHANNEL_PORT);
    arg(a, "-add-fd");
    arg_format(a, "fd=%d,set=1", log);
    arg(a, "-chardev");
    arg(a, "file,id=log,path=/dev/fdset/1,append=on");
    arg(a, "-device");
    arg(a, "isa-debugcon,chardev=log,iobase=0xe9");
}

// As QEMU wants it in a list: a comma is two.
static void
double_commas(const char *from, char *to)
{
    do {
        if (*from == ',')
            *to++ = ',';
        *to++ = *from;
    } while (*from++ != 0);
}

// A directory that the machine has as a device of files: QEMU serves it by 9P,
// as the user who runs it; links are files, and followed by the guest.
static void
dir_args(struct args *a, const struct qemu_options *o, const struct dir *dir,
         u32 number)
{
    const char *device =
        is_microvm(o) ? "virtio-9p-device" : "virtio-9p-pci,disable-legacy=on";
    char path[2 * sizeof(dir->host)];

    double_commas(dir->host, path);
    arg(a, "-fsdev");
    arg_format(a,
               "local,id=dir%u,path=%s,security_model=none,multidevs=remap%s",
               number, path, dir->read_only ? ",readonly=on" : "");
    arg(a, "-device");
    arg_format(a, "%s,fsdev=dir%u,mount_tag=dir%u", device, number, number);
}

// A disk, whose name the driver can ask for.  QEMU locks the file.
static void
disk_args(struct args *a, const struct qemu_options *o, const struct dir *dir)
{
    const char *device = is_microvm(o) ? "virtio-blk-device" :
                                         "virtio-blk-pci,disable-legacy=on";
    u32 number = dir_disk_number(o->dirs, dir);
    char path[2 * sizeof(dir->host)];

    double_commas(dir->host, path);
    arg(a, "-drive");
    arg_format(a, "if=none,id=disk%u,format=raw,file=%s%s", number, path,
               dir->read_only ? ",readonly=on" : "");
    arg(a, "-device");
    arg_format(a, "%s,drive=disk%u,serial=disk%u", device, number, number);
}

// What QEMU calls them; NULL: it is there anyway.
static const struct {
    const char *on_q35, *on_microvm;
    bool needs_pci;
} devices[DEVICE_COUNT] = {
    {"virtio-rng-pci,disable-legacy=on", "virtio-rng-device", false},
    {NULL,                               "i8042",             false},
    {"bochs-display",                    NULL,                true },
};

const char *const device_names[DEVICE_COUNT] = {
    [DEVICE_NAME_RANDOM] = "random",
    [DEVICE_NAME_PS2] = "ps2",
    [DEVICE_NAME_DISPLAY] = "display",
};

static bool
has_bus(const struct qemu_options *o)
{
    for (u32 i = 0; i < DEVICE_COUNT; i++)
        if (o->devices >> i & 1 && is_microvm(o) && devices[i].needs_pci) {
            complain("--device %s: a machine microvm has no PCI for it: run "
                     "with --machine q35",
                     device_names[i]);
            return false;
        }
    return true;
}

// Whether the machine has a network.
static bool
has_network(const struct qemu_options *o)
{
    return o->network != NULL && o->network->count > 0;
}

// QEMU's user network.  Nothing goes out of it but to who came in.
static void
network_args(struct args *a, const struct qemu_options *o)
{
    char words[4096];

    network_words(o->network, words, sizeof(words));
    arg(a, "-netdev");
    arg_format(a, "%s", words);
    arg(a, "-device");
    arg_format(a, "%s,netdev=net",
               is_microvm(o) ? "virtio-net-device" :
                               "virtio-net-pci,disable-legacy=on,romfile=");
}

static void
device_args(struct args *a, const struct qemu_options *o)
{
    u32 count = o->dirs != NULL ? o->dirs->count : 0;

    for (u32 i = 0; i < DEVICE_COUNT; i++) {
        const char *name =
            is_microvm(o) ? devices[i].on_microvm : devices[i].on_q35;
        if (o->devices >> i & 1 && name != NULL) {
            arg(a, "-device");
            arg(a, name);
        }
    }
    for (u32 i = 0; i < count; i++) {
        const struct dir *dir = &o->dirs->list[i];
        if (dir_is_served(o->dirs, dir) && dir->disk)
            disk_args(a, o, dir);
        else if (dir_is_served(o->dirs, dir))
            dir_args(a, o, dir, i);
    }
    if (has_network(o))
        network_args(a, o);
}

static bool
has_places(const struct qemu_options *o)
{
    u32 most = is_microvm(o) ? MICROVM_DEVICES : Q35_DEVICES;
    u32 random = o->devices >> DEVICE_NAME_RANDOM & 1;
    u32 room = most - 1 - random - has_network(o); // one is the console
    u32 count = o->dirs != NULL ? dirs_served(o->dirs) : 0;

    if (count > room)
        complain("%u directories by --dir and --disk, but a machine %s has "
                 "places for %u: "
                 "%stake --copy-dir for some",
                 count, o->machine, room,
                 is_microvm(o) ? "run with --machine q35, or " : "");
    return count <= room;
}

// --- the guest ---------------------------------------------------------------

struct guest {
    pid_t pid;
    struct server server;
};

static NORETURN void
exec_qemu(const struct qemu_options *o, bool kvm, pid_t parent, int initrd,
          int channel, int log)
{
    struct args a = {0};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    prctl(PR_SET_PDEATHSIG, SIGKILL); // it must not outlive us
    if (getppid() != parent)
        _exit(1);  // we have ended already
    setpgid(0, 0); // ^C is for us
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    if (o->quiet)
        dup2(null, STDERR_FILENO);
    machine_args(&a, o, kvm);
    console_args(&a, o, channel, log);
    device_args(&a, o);
    if (initrd >= 0) {
        arg(&a, "-initrd");
        arg_format(&a, "/dev/fd/%d", initrd);
    }
    execvp(a.list[0], a.list);
    complain("qemu-system-x86_64: %s (Debian package qemu-system-x86)",
             strerror(errno));
    _exit(STATUS_NO_QEMU);
}

// ^Z stops only us: QEMU, being no part of the terminal's job, is to stop and
// go on with us.
static volatile pid_t stops_with_us; // 0: nobody

static void
on_stop(int number)
{
    int saved = errno;

    (void)number;
    if (stops_with_us > 0)
        kill(stops_with_us, SIGSTOP);
    raise(SIGSTOP);
    if (stops_with_us > 0)
        kill(stops_with_us, SIGCONT);
    errno = saved;
}

static void
catch_stop(void)
{
    struct sigaction action = {.sa_handler = on_stop}, old;

    sigemptyset(&action.sa_mask);
    if (sigaction(SIGTSTP, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
        sigaction(SIGTSTP, &action, NULL);
}

// Our ends are for us only; those of the guest it inherits.
static bool
make_ends(int channel[2], int log[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, channel) != 0 || pipe(log) != 0) {
        complain("pipe: %s", strerror(errno));
        return false;
    }
    fcntl(channel[0], F_SETFD, FD_CLOEXEC);
    fcntl(log[0], F_SETFD, FD_CLOEXEC);
    return true;
}

static bool
guest_start(struct guest *g, const struct qemu_options *o, bool kvm,
            struct bytes initrd)
{
    int channel[2], log[2], image = -1;

    if (initrd.size > 0) {
        image = memory_file("initrd", initrd);
        if (image < 0) {
            complain("initrd: %s", strerror(errno));
            return false;
        }
    }
    if (!make_ends(channel, log))
        return false;
    pid_t parent = getpid();
    g->pid = fork();
    if (g->pid == 0)
        exec_qemu(o, kvm, parent, image, channel[1], log[1]);
    close(channel[1]);
    close(log[1]);
    if (image >= 0)
        close(image);
    stops_with_us = MAX(g->pid, 0);
    serve_init(&g->server, channel[0], log[0]);
    g->server.quiet = o->quiet;
    g->server.counted = o->icount;
    if (o->profile > 0)
        serve_profile(&g->server, o->profile);
    if (g->pid < 0)
        complain("fork: %s", strerror(errno));
    return g->pid > 0;
}

// The guest's exit status, -1 when it left none.
static int
left_status(const struct server *s)
{
    return s->tail_count == 2 && s->tail[0] == 0 ? s->tail[1] : -1;
}

// End it, if it has not ended; what QEMU ended with.
static int
guest_end(struct guest *g, enum serve_end end)
{
    int status = 0;

    if (end != SERVE_ENDED)
        kill(g->pid, SIGKILL);
    waitpid(g->pid, &status, 0);
    stops_with_us = 0;
    serve_rest(&g->server);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// What became of it, as our exit status.
static int
judge(const struct guest *g, enum serve_end end, int qemu_status)
{
    int status = left_status(&g->server);

    if (status < 0 && end == SERVE_LATE) {
        complain("timeout, the machine was stopped");
        return EXIT_TIMEOUT;
    }
    if (end == SERVE_BROKEN)
        complain("the guest does not keep the rules of the channel");
    else if (status < 0 && qemu_status != STATUS_NO_QEMU)
        complain("the guest ended without an exit status");
    if (status < 0 || end == SERVE_BROKEN)
        return 1;
    return serve_arrived(&g->server) || status != 0 ? status : 1;
}

// --- KVM ---------------------------------------------------------------------

// KVM is worth it only where ring 0 really runs on the CPU: boot the kernel
// with "probe" (it runs a short loop and exits) and give it little time, of
// that which there is until `deadline_ms`.
static bool
kvm_works(const struct qemu_options *o, u64 deadline_ms)
{
    struct qemu_options probe = *o;
    struct guest g;

    probe.append = "probe";
    probe.quiet = true;
    probe.gdb = NULL;
    probe.profile = 0;
    probe.dirs = NULL;
    probe.devices = 0;
    probe.network = NULL;
    if (access("/dev/kvm", R_OK | W_OK) != 0 ||
        access("/sys/module/kvm_pvm", F_OK) == 0)
        return false;
    if (!guest_start(&g, &probe, true, (struct bytes){0}))
        return false;
    enum serve_end end =
        serve(&g.server, MIN(host_now_ms() + PROBE_MS, deadline_ms));
    guest_end(&g, end);
    bool works = end == SERVE_ENDED && left_status(&g.server) == 0;
    serve_free(&g.server);
    return works;
}

// --- memory ------------------------------------------------------------------

enum {
    KERNEL_MIB = 64, // at least, for the kernel and programs beside the files
    INITRD_MIB_MAX = 1984, // QEMU puts it below 2 GiB
};

// QEMU would say so in its own words, or start a machine that has no memory
// left.
bool
qemu_has_room(u32 memory_mib, u64 size, const char *most)
{
    u64 mib = size / MIB + (size % MIB > 0), want = mib + mib / 16 + KERNEL_MIB;

    if (mib > INITRD_MIB_MAX)
        complain("the programs and their files have %llu MiB%s, a machine "
                 "takes %d: run with --on linux, or with fewer files",
                 (unsigned long long)mib, most, INITRD_MIB_MAX);
    else if (want > memory_mib)
        complain("the programs and their files have %llu MiB%s, too much for a "
                 "machine of %u MiB: run with --memory %llu or more",
                 (unsigned long long)mib, most, memory_mib,
                 (unsigned long long)want);
    return mib <= INITRD_MIB_MAX && want <= memory_mib;
}

int
qemu_run(const struct qemu_options *options, struct bytes initrd)
{
    u64 limit = options->timeout_ms, start = host_now_ms() - host_age_ms();
    u64 deadline = limit ? start + limit + GRACE_MS : 0;
    struct guest g;

    if (access(options->kernel, R_OK) != 0) {
        complain("%s: %s (build it with `make`)", options->kernel,
                 strerror(errno));
        return 1;
    }
    if (!qemu_has_room(options->memory_mib, initrd.size, "") ||
        !has_places(options) || !has_bus(options) ||
        (has_network(options) && !network_is_free(options->network)))
        return 1;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    catch_stop();
    bool kvm = !options->icount &&
               kvm_works(options, deadline ? deadline : UINT64_MAX);
    if (!guest_start(&g, options, kvm, initrd))
        return 1;
    host_limit(0); // from here on serve() keeps the time
    enum serve_end end = serve(&g.server, deadline);
    int status = judge(&g, end, guest_end(&g, end));
    serve_free(&g.server);
    return status;
}
