// tool/qemu.c: boot the kernel in QEMU and connect it to our terminal.
//
//     our stdin  --frames-->  COM1  the programs' stdin
//     our stdout <----------  COM1  the programs' stdout, byte for byte
//     our stderr <----------  COM2  the programs' stderr
//     our stderr <----------  port 0xe9, the kernel's log
//
// The log ends with a NUL and one byte, the exit status: isa-debug-exit alone
// carries only seven bits.

#include "tool/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    ARG_MAX_COUNT = 64,
    FRAME_MAX = 255,
    PROBE_MS = 700,
    GRACE_MS = 3000, // after the programs' own time limit
    STATUS_TIMEOUT = 124,
    STATUS_PIPE = 128 + SIGPIPE // nobody reads our stdout any more
};

// What precedes the first frame of input: some bytes that may get lost while
// the guest starts its port, then the sign that frames follow.
static const u8 frame_start[] = {0, 0, 0, 0, 0, 0, 0, 0xa5};

// What the guest's processes talk to.
struct guest {
    pid_t pid;
    int input; // write end of its stdin
    int log;   // read end of its log
    bool input_open;
    u8 frame[1 + FRAME_MAX]; // on its way to `input`
    u32 frame_size;          // 0: none is
    u8 tail[2];              // the last two bytes of the log
    u32 tail_count;
};

static u64
now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
}

const char *
kernel_path(const char *name, char *to, u64 size)
{
    u64 room = strlen(name) + 1;
    ssize_t len = readlink("/proc/self/exe", to, size - room);

    while (len > 0 && to[len - 1] != '/')
        len--;
    memcpy(to + MAX(len, 0), name, room);
    return to;
}

// A file without a name that another process can open by /dev/fd.
static int
memory_file(const void *bytes, u64 size)
{
    int fd = memfd_create("initrd", 0);

    for (u64 done = 0; fd >= 0 && done < size;) {
        ssize_t n = write(fd, (const u8 *)bytes + done, size - done);
        if (n <= 0) {
            close(fd);
            return -1;
        }
        done += (u64)n;
    }
    return fd;
}

// --- the command line --------------------------------------------------------

struct args {
    char *list[ARG_MAX_COUNT];
    u32 count;
    char text[2048]; // the formatted ones
    u32 used;
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

    va_start(list, text);
    char *at = a->text + a->used;
    int len = vsnprintf(at, sizeof(a->text) - a->used, text, list);
    va_end(list);
    a->used += (u32)len + 1;
    assert(a->used < sizeof(a->text));
    arg(a, at);
}

static void
machine_args(struct args *a, const struct qemu_options *o, bool kvm)
{
    bool micro = strcmp(o->machine, "microvm") == 0;

    arg(a, "qemu-system-x86_64");
    arg(a, "-M");
    arg(a, micro ? "microvm,x-option-roms=off,pit=on,pic=on,rtc=on,"
                   "isa-serial=off" :
                   o->machine);
    arg(a, "-accel");
    arg(a, kvm ? "kvm" : "tcg,thread=multi");
    arg(a, "-cpu");
    arg(a, kvm ? "host" : "max");
    arg(a, "-m");
    arg_format(a, "%u", o->memory_mib);
    arg(a, "-nodefaults");
    arg(a, "-no-user-config");
    arg(a, "-no-reboot");
    arg(a, "-display");
    arg(a, "none");
    arg(a, "-kernel");
    arg(a, o->kernel);
    arg(a, "-append");
    arg(a, o->append);
    arg(a, "-device");
    arg(a, "isa-debug-exit,iobase=0xf4,iosize=0x04");
}

static void
console_args(struct args *a, int error, int log)
{
    arg(a, "-chardev");
    arg(a, "stdio,id=com1,signal=off");
    arg(a, "-device");
    arg(a, "isa-serial,chardev=com1,iobase=0x3f8,irq=4");
    arg(a, "-add-fd");
    arg_format(a, "fd=%d,set=1", error);
    arg(a, "-chardev");
    arg(a, "file,id=com2,path=/dev/fdset/1,append=on");
    arg(a, "-device");
    arg(a, "isa-serial,chardev=com2,iobase=0x2f8,irq=3");
    arg(a, "-add-fd");
    arg_format(a, "fd=%d,set=2", log);
    arg(a, "-chardev");
    arg(a, "file,id=log,path=/dev/fdset/2,append=on");
    arg(a, "-device");
    arg(a, "isa-debugcon,chardev=log,iobase=0xe9");
}

// --- the guest ---------------------------------------------------------------

static NORETURN void
exec_qemu(const struct qemu_options *o, bool kvm, int initrd, int input,
          int log)
{
    struct args a = {0};

    prctl(PR_SET_PDEATHSIG, SIGKILL); // it must not outlive us
    // QEMU asks for the access mode that the set's descriptor has.
    int error = open("/dev/stderr", O_WRONLY | O_APPEND);
    if (error < 0)
        error = dup(STDERR_FILENO);
    dup2(input, STDIN_FILENO);
    machine_args(&a, o, kvm);
    console_args(&a, error, log);
    if (initrd >= 0) {
        arg(&a, "-initrd");
        arg_format(&a, "/dev/fd/%d", initrd);
    }
    execvp(a.list[0], a.list);
    complain("qemu-system-x86_64: %s (Debian package qemu-system-x86)",
             strerror(errno));
    _exit(127);
}

static bool
guest_start(struct guest *g, const struct qemu_options *o, bool kvm,
            struct bytes initrd)
{
    int input[2], log[2], image = -1;

    *g = (struct guest){0};
    if (initrd.size > 0) {
        image = memory_file(initrd.ptr, initrd.size);
        if (image < 0) {
            complain("initrd: %s", strerror(errno));
            return false;
        }
    }
    if (pipe(input) != 0 || pipe(log) != 0) {
        complain("pipe: %s", strerror(errno));
        return false;
    }
    g->pid = fork();
    if (g->pid == 0) {
        close(input[1]);
        close(log[0]);
        exec_qemu(o, kvm, image, input[0], log[1]);
    }
    close(input[0]);
    close(log[1]);
    if (image >= 0)
        close(image);
    g->input = input[1];
    g->input_open = write(g->input, frame_start, sizeof(frame_start)) > 0;
    g->log = log[0];
    fcntl(g->input, F_SETFD, FD_CLOEXEC);
    fcntl(g->input, F_SETFL, O_NONBLOCK);
    return g->pid > 0;
}

// One frame of our stdin for the guest: a length byte and the bytes; length 0
// is the end.
static void
take_input(struct guest *g)
{
    ssize_t got = read(STDIN_FILENO, g->frame + 1, FRAME_MAX);

    g->frame[0] = (u8)MAX(got, 0);
    g->frame_size = 1u + g->frame[0];
}

// A pipe takes a frame as a whole or, when it is full, not at all.
static void
pass_input(struct guest *g)
{
    ssize_t sent = write(g->input, g->frame, g->frame_size);

    if (sent < 0 && errno == EAGAIN)
        return;
    g->frame_size = 0;
    if (sent <= 1)
        g->input_open = false; // that was the end, or nobody reads
}

// How many of the last bytes may be the exit status, a NUL and one byte.
static u32
status_size(const u8 *bytes, u32 size)
{
    if (size >= 2 && bytes[size - 2] == 0)
        return 2;
    return size >= 1 && bytes[size - 1] == 0;
}

// Pass the log on, but for what may be the exit status.
static bool
drain_log(struct guest *g)
{
    u8 bytes[4096 + 2];

    memcpy(bytes, g->tail, g->tail_count);
    ssize_t got = read(g->log, bytes + g->tail_count, 4096);
    if (got <= 0)
        return false;
    u32 size = g->tail_count + (u32)got;
    g->tail_count = status_size(bytes, size);
    size -= g->tail_count;
    fwrite(bytes, 1, size, stderr);
    memcpy(g->tail, bytes + size, g->tail_count);
    return true;
}

enum guest_state { GUEST_ENDED, GUEST_LATE, GUEST_UNREAD };

// Serve the guest until it ends, `deadline_ms` (0: none) passes, or nobody
// reads our stdout any more.
static enum guest_state
guest_serve(struct guest *g, u64 deadline_ms)
{
    for (;;) {
        bool pass = g->frame_size > 0;
        struct pollfd fds[3] = {
            {.fd = g->log,                         .events = POLLIN},
            {.fd = STDOUT_FILENO,                  .events = 0     },
            {.fd = pass ? g->input : STDIN_FILENO,
             .events = pass ? POLLOUT : POLLIN                     },
        };
        i64 left = deadline_ms ? (i64)(deadline_ms - now_ms()) : -1;

        if (deadline_ms && left <= 0)
            return GUEST_LATE;
        if (!g->input_open)
            fds[2].fd = -1;
        if (poll(fds, COUNT(fds), (int)MIN(left, INT32_MAX)) < 0)
            continue; // a signal
        if (fds[2].revents && pass)
            pass_input(g);
        else if (fds[2].revents)
            take_input(g);
        if (fds[0].revents && !drain_log(g))
            return GUEST_ENDED;
        if (fds[1].revents & POLLERR)
            return GUEST_UNREAD;
    }
}

// The exit status: the log's last two bytes, else what QEMU ended with.
static int
guest_end(struct guest *g, enum guest_state state)
{
    int status = 0;

    if (state != GUEST_ENDED)
        kill(g->pid, SIGKILL);
    waitpid(g->pid, &status, 0);
    close(g->input);
    close(g->log);
    if (g->tail_count == 2 && g->tail[0] == 0)
        return g->tail[1];
    fwrite(g->tail, 1, g->tail_count, stderr);
    if (state != GUEST_ENDED)
        return state == GUEST_LATE ? STATUS_TIMEOUT : STATUS_PIPE;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return 1;
    complain("the guest ended without an exit status");
    return 1;
}

// --- KVM ---------------------------------------------------------------------

// KVM is worth it only where ring 0 really runs on the CPU: boot the kernel
// with "probe" (it runs a short loop and exits) and give it little time.
static bool
kvm_works(const struct qemu_options *o)
{
    struct qemu_options probe = *o;
    struct guest g;

    probe.append = "probe";
    if (access("/dev/kvm", R_OK | W_OK) != 0 ||
        access("/sys/module/kvm_pvm", F_OK) == 0)
        return false;
    if (!guest_start(&g, &probe, true, (struct bytes){0}))
        return false;
    g.input_open = false;
    bool ended = guest_serve(&g, now_ms() + PROBE_MS) == GUEST_ENDED;
    if (!ended)
        kill(g.pid, SIGKILL);
    waitpid(g.pid, NULL, 0);
    close(g.input);
    close(g.log);
    return ended && g.tail_count == 2 && g.tail[0] == 0 && g.tail[1] == 0;
}

int
qemu_run(const struct qemu_options *options, struct bytes initrd)
{
    struct guest g;

    if (access(options->kernel, R_OK) != 0) {
        complain("%s: %s (build it with `make`)", options->kernel,
                 strerror(errno));
        return 1;
    }
    signal(SIGPIPE, SIG_IGN);
    if (!guest_start(&g, options, kvm_works(options), initrd))
        return 1;
    u64 limit = options->timeout_ms;
    enum guest_state state =
        guest_serve(&g, limit ? now_ms() + limit + GRACE_MS : 0);
    return guest_end(&g, state);
}
