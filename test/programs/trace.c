// test/programs/trace.c: calls of each kind that --trace shows, with results
// that are the same each time; test/command/trace.sh compares what is shown
// with trace.txt.  With an argument, threads change what the calls read.

#include <nebulet.h>
#include <sip.h>
#include <string.h>
#include <wasi/api.h>

#define NOWHERE ((void *)0xfffffff0)

// As it is: the C library would look for the path's end.
__attribute__((import_module("wasi_snapshot_preview1"),
               import_name("path_open"))) int
path_open(int fd, int flags, const char *path, int size, int open_flags,
          uint64_t rights, uint64_t inheriting, int fd_flags, __wasi_fd_t *out);

static char text[512];
static __wasi_iovec_t vectors[6];
static uint32_t number;

static void
files(void)
{
    __wasi_filestat_t stat;
    __wasi_size_t count;
    __wasi_fd_t fd;

    path_open(3, 1, "some \"file\" \\ \x01\xff", 16, 0, 2, 0, 0, &fd);
    path_open(3, 1, "some", 4, 9, 2, 4, 1, &fd);
    path_open(3, 0, NOWHERE, 100, 0, 2, 0, 0, &fd);
    path_open(3, 0, "made", 4, 1 | 8, 2 | 64, 0, 0, &fd);
    memset(text, 'x', sizeof(text));
    for (int i = 0; i < 6; i++)
        vectors[i] = (__wasi_iovec_t){(uint8_t *)text + i, (size_t)i * 12};
    (void)!__wasi_fd_write(fd, (__wasi_ciovec_t *)vectors, 6, &count);
    (void)!__wasi_fd_seek(fd, -100, __WASI_WHENCE_END, (void *)&stat);
    (void)!__wasi_fd_read(fd, vectors, 6, &count);
    (void)!__wasi_fd_pread(fd, NOWHERE, 1, 0, &count);
    (void)!__wasi_fd_filestat_get(fd, &stat);
    (void)!__wasi_path_symlink("made", 3, "to");
    (void)!__wasi_path_readlink(3, "to", (uint8_t *)text, 20, &count);
    (void)!__wasi_fd_close(fd);
    (void)!__wasi_fd_close(fd);
}

static void
poll(void)
{
    __wasi_subscription_t subscriptions[2] = {{.userdata = 7}, {.userdata = 8}};
    __wasi_event_t events[2];
    __wasi_size_t count;

    subscriptions[0].u.u.clock.id = __WASI_CLOCKID_MONOTONIC;
    subscriptions[0].u.u.clock.timeout = 0;
    subscriptions[1].u.tag = __WASI_EVENTTYPE_FD_READ;
    subscriptions[1].u.u.fd_read.file_descriptor = 99;
    (void)!__wasi_poll_oneoff(subscriptions, events, 2, &count);
    (void)!__wasi_clock_res_get(__WASI_CLOCKID_REALTIME, (void *)events);
    (void)!__wasi_clock_res_get(77, (void *)events);
    (void)!__wasi_sched_yield();
}

static void
objects(void)
{
    struct nebulet_wait_item items[5];
    struct nebulet_message_handle handle;
    uint32_t event, first, second, size, count;

    nebulet_event_create(&event);
    nebulet_object_signal(event, 0, NEBULET_SIGNAL_USER_1);
    nebulet_object_wait_one(event, NEBULET_SIGNAL_SIGNALED, 1, &number);
    for (int i = 0; i < 5; i++)
        items[i] = (struct nebulet_wait_item){event, 1u << (20 + i), 0};
    items[0].signals = NEBULET_SIGNAL_READABLE;
    nebulet_object_wait_many(items, 5, 0);
    items[0].signals = NEBULET_SIGNAL_USER_1;
    nebulet_object_wait_many(items, 5, UINT64_MAX);
    nebulet_handle_duplicate(event, NEBULET_RIGHT_WAIT | NEBULET_RIGHT_TRANSFER,
                             &handle.handle);
    nebulet_channel_create(&first, &second);
    nebulet_channel_write(first, "two\nlines", 9, &handle, 1);
    nebulet_channel_read(&(struct nebulet_channel_read){
        second, 0, text, sizeof(text), &handle, 1, &size, &count});
    nebulet_channel_read(&(struct nebulet_channel_read){
        second, 0, text, sizeof(text), &handle, 1, &size, &count});
    nebulet_channel_read(NOWHERE);
    nebulet_channel_write(first, NOWHERE, 100, &handle, 1 << 30);
    nebulet_clock_get(9, (void *)text);
    nebulet_log_write("logged", 6);
    nebulet_handle_close(event);
    nebulet_handle_close(event);
}

// Two threads write all over what a third one passes to calls.
static uint32_t shared[64];
static volatile int done;

static void
change(void *arg)
{
    uint32_t seed = *(uint32_t *)arg;

    while (!done) {
        for (int i = 0; i < 64; i++) {
            seed = seed * 1664525 + 1013904223;
            ((volatile uint32_t *)shared)[i] = seed >> (seed & 31);
        }
        sip_yield();
    }
}

static void
races(void)
{
    uint32_t seeds[2] = {1, 2};
    __wasi_size_t count;
    struct sip_thread threads[2];

    for (int i = 0; i < 2; i++)
        sip_spawn(&threads[i], change, &seeds[i]);
    for (int i = 0; i < 300; i++) {
        (void)!__wasi_fd_pwrite(99, (__wasi_ciovec_t *)shared, 4, 0, &count);
        (void)!__wasi_poll_oneoff((__wasi_subscription_t *)shared,
                                  (void *)shared, 2, &count);
        nebulet_channel_read((const struct nebulet_channel_read *)shared);
        sip_yield();
    }
    done = 1;
    for (int i = 0; i < 2; i++)
        sip_join(&threads[i]);
}

int
main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) {
        races();
        return 0;
    }
    files();
    poll();
    objects();
    __wasi_proc_exit(7);
}
