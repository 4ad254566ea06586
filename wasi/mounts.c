// wasi/mounts.c: who serves files and the network to the programs of an initrd,
// as processes of run/served and run/net.  Each starts before the programs and
// ends after them; where one of files ends before, a thread of its mount starts
// another in its place: paths lead to that, and what was open of the one before
// stays an error.

#include "wasi/boot.h"

// How long who serves files may take to end: a disk has to be written; and
// after a timeout, when the host waits for us.
#define END_NS           10000000000ull
#define END_TIMED_OUT_NS 100000000ull

#define AGAIN_NS         100000000ull // before another one starts

enum { VAIN_MOST = 5 }; // of them, one after the other, that serve nothing

static errno_t
refuse_mount(struct boot *boot, const struct mount *mount, errno_t error)
{
    static const char *const texts[] = {
#define ERRNO(number, id, text) [number] = (text),
#include "wasi/errno.def"
    };

    if (error == WASI_TIMEDOUT && port_monotonic_ns() >= boot->deadline_ns)
        boot_time_out(boot);
    else if (error != WASI_SUCCESS)
        klog("nebulet: %.*s cannot be served: %s", (int)mount->name.len,
             mount->name.ptr, texts[error]);
    return error;
}

// Of the server of a mount, which was loaded with this status; false after
// saying why not.
static bool
start_server(struct mount *mount, struct loading *l, status_t status)
{
    struct process_call *call;

    if (status == OK)
        status = boot_launch(mount->boot, l, &call);
    if (status == OK)
        mount->process = l->process;
    else if (l->process != NULL)
        process_release(l->process);
    if (status != OK && !mount->boot->timed_out && !thread_is_killed())
        boot_report(l, status);
    return status == OK;
}

static struct loading
server_of(const struct mount *mount)
{
    return (struct loading){.group = mount->boot->servers,
                            .dir = mount->dir,
                            .served = mount->files,
                            .network = mount->network,
                            .blamed = mount->dir};
}

// --- another in its place ----------------------------------------------------

// Start another; *found: it serves the root.  It has time for that: much may
// have to be repaired first, and callers have their error meanwhile.
static bool
serve_again(struct mount *mount, bool *found)
{
    struct loading l = server_of(mount);

    process_release(mount->process);
    mount->process = NULL;
    l.status = served_renew(mount->files);
    if (l.status == OK)
        boot_load(&l);
    if (!start_server(mount, &l, l.status))
        return false;
    *found =
        served_root(mount->files, UINT64_MAX, &mount->root) == WASI_SUCCESS;
    return true;
}

// A mount's thread, until it is killed.
static void
keep_mount(void *arg)
{
    struct mount *mount = arg;
    u32 vain = 0, status;
    bool found = true;

    while (process_wait(mount->process, UINT64_MAX, &status) == OK) {
        vain = found ? 0 : vain + 1;
        klog("nebulet: the server of %.*s has ended with status %u, %s",
             (int)mount->name.len, mount->name.ptr, status,
             vain < VAIN_MOST ? "another starts" : "the last one");
        if (vain == VAIN_MOST)
            return;
        if (thread_sleep_until(port_monotonic_ns() + AGAIN_NS) != OK ||
            !serve_again(mount, &found))
            return;
    }
}

static status_t
start_keeper(struct mount *mount)
{
    status_t status = thread_new(&mount->keeper, keep_mount, mount);

    if (status == OK)
        sched_start(mount->keeper);
    return status;
}

// Nobody starts a server of it after this.
static void
end_keeper(struct mount *mount)
{
    if (mount->keeper == NULL)
        return;
    thread_kill(mount->keeper);
    object_wait_always(thread_object(mount->keeper), SIGNAL_ENDED);
    thread_release(mount->keeper);
}

// --- all of them -------------------------------------------------------------

static bool
start_mount(struct boot *boot, struct mount *mount)
{
    bool writable = packed_child(mount->dir, STRING("ro")) == NULL;

    mount->name = packed_text(packed_contents(mount->dir, STRING("name")));
    status_t status = served_new(&mount->files, writable);
    struct loading l = server_of(mount);
    if (status == OK)
        status = boot_load_in_time(boot, &l);
    if (!start_server(mount, &l, status))
        return false;
    errno_t error = served_root(mount->files, boot->deadline_ns, &mount->root);
    if (refuse_mount(boot, mount, error) != WASI_SUCCESS)
        return false;
    status = start_keeper(mount);
    if (status != OK)
        klog("nebulet: %.*s: %s", (int)mount->name.len, mount->name.ptr,
             status_text(status));
    return status == OK;
}

// The server of run/net; false after saying why not.
static bool
start_network(struct boot *boot, struct mount *mount)
{
    u32 count = packed_count(packed_contents(boot->run, STRING("listen")));
    status_t status = network_new(&mount->network, count);
    struct loading l = server_of(mount);

    if (status == OK)
        status = boot_load_in_time(boot, &l);
    return start_server(mount, &l, status);
}

static struct mount *
add_mount(struct boot *boot, struct node *dir)
{
    struct mount *mount = &boot->mounts[boot->mount_count++];

    mount->boot = boot;
    mount->dir = dir;
    return mount;
}

bool
mounts_start(struct boot *boot)
{
    struct node *served = packed_child(boot->run, STRING("served")), *dir;
    struct node *net = packed_child(boot->run, STRING("net"));
    u32 count = net != NULL;

    while (packed_dir(served, count - (net != NULL)) != NULL)
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
    while ((dir = packed_dir(served, boot->mount_count)) != NULL)
        if (!start_mount(boot, add_mount(boot, dir)))
            return false;
    return net == NULL || start_network(boot, add_mount(boot, net));
}

void
mounts_end(struct boot *boot)
{
    u64 patience = boot->timed_out ? END_TIMED_OUT_NS : END_NS;
    u64 deadline = port_monotonic_ns() + patience;
    u32 status;

    for (u32 i = 0; i < boot->mount_count; i++)
        end_keeper(&boot->mounts[i]);
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
        boot_end_group(boot->servers);
    for (u32 i = 0; i < boot->mount_count; i++) {
        struct mount *mount = &boot->mounts[i];
        if (mount->process != NULL)
            process_release(mount->process);
        served_free(mount->files);
        network_free(mount->network);
    }
    kernel_free(boot->mounts);
}

struct node *
mounts_find(const struct boot *boot, struct string name)
{
    for (u32 i = 0; i < boot->mount_count; i++)
        if (string_equal(boot->mounts[i].name, name))
            return boot->mounts[i].root;
    return NULL;
}
