// user/streams/main.c: what a program finds on its standard streams; a mode per
// question.  What it finds is in its exit status or stdout
// (test/command/streams.py).
//
//     write            two lines to stdout and stderr in turn
//     spam N           N bytes to stdout, 64 KiB at a time
//     insist N         write a byte N times; how often that failed
//     small N          N bytes to stdout, 1 KiB at a time
//     whole N          N bytes ten times, each in one call; how many calls
//                      failed, and the bytes that the others took, to stderr
//     count            read all in pieces of 64 KiB; their number and a sum
//     copy             stdin to stdout
//     take N           read N bytes and print them
//     poll             what poll says of stdin before and after all is read
//     now              read without waiting until that works
//     fill             stdout until a write would wait, how much to stderr;
//                      then a line that waits
//     log N            N numbered lines to the kernel's log, then one to stdout
//     late             sleep, then a line to stderr
//     exit N, sleep MS, hang

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wasi/api.h>

static char buffer[64 * 1024];

// A digit for the outcome of a call.
static int
digit(long result)
{
    static const int errors[] = {0, ENOSPC, EPIPE, EBADF, EIO};

    for (int i = 1; result < 0 && i < (int)(sizeof(errors) / sizeof(int)); i++)
        if (errno == errors[i])
            return i;
    return result < 0 ? 9 : 0;
}

__attribute__((import_module("nebulet"), import_name("log_write"))) int
log_write(const char *text, int size);

static int
write_log(long count)
{
    char line[32];

    for (long i = 0; i < count; i++)
        log_write(line, snprintf(line, sizeof(line), "line %ld", i));
    return digit(write(1, "done\n", 5));
}

static int
write_both(void)
{
    int out = digit(write(1, "out 1\n", 6));
    int err = digit(write(2, "err 1\n", 6));

    out = out ? out : digit(write(1, "out 2\n", 6));
    err = err ? err : digit(write(2, "err 2\n", 6));
    return 10 * out + err;
}

static int
write_all(const char *from, long size)
{
    while (size > 0) {
        ssize_t n = write(1, from, (size_t)size);
        if (n < 0)
            return digit(n);
        from += n;
        size -= n;
    }
    return 0;
}

static int
spam(long long left, long piece)
{
    int status = 0;

    memset(buffer, 'x', sizeof(buffer));
    for (; left > 0 && status == 0; left -= piece)
        status = write_all(buffer, left < piece ? left : piece);
    if (status != 0)
        fprintf(stderr, "write: %s\n", strerror(errno));
    return status;
}

static int
insist(long long times)
{
    int failures = 0;

    for (; times > 0; times--)
        failures += write(1, "x", 1) < 0;
    return failures;
}

static int
whole(long size)
{
    char *bytes = malloc((size_t)size);
    long long taken = 0;
    int failures = 0;

    if (bytes == NULL)
        return 9;
    memset(bytes, 'x', (size_t)size);
    for (int i = 0; i < 10; i++) {
        ssize_t n = write(1, bytes, (size_t)size);
        failures += n < 0;
        taken += n < 0 ? 0 : n;
    }
    fprintf(stderr, "%d failed, %lld taken\n", failures, taken);
    return 0;
}

static int
count(void)
{
    unsigned long long total = 0, sum = 0;
    ssize_t n;

    while ((n = read(0, buffer, sizeof(buffer))) > 0) {
        total += (unsigned long long)n;
        for (ssize_t i = 0; i < n; i++)
            sum = sum * 31 + (unsigned char)buffer[i];
    }
    printf("%llu bytes, sum %016llx\n", total, sum);
    return digit(n);
}

static int
copy(void)
{
    ssize_t n;
    int status = 0;

    while (status == 0 && (n = read(0, buffer, sizeof(buffer))) > 0)
        status = write_all(buffer, n);
    return status ? status : digit(n);
}

static int
take(long size)
{
    ssize_t n = read(0, buffer, (size_t)size);

    if (n > 0)
        write_all(buffer, n);
    return digit(n);
}

static void
ask(const char *when, __wasi_timestamp_t timeout)
{
    __wasi_subscription_t subs[2] = {{.userdata = 1}, {.userdata = 2}};
    __wasi_event_t events[2];
    __wasi_size_t n;

    subs[0].u.tag = __WASI_EVENTTYPE_FD_READ;
    subs[0].u.u.fd_read.file_descriptor = 0;
    subs[1].u.tag = __WASI_EVENTTYPE_CLOCK;
    subs[1].u.u.clock.id = __WASI_CLOCKID_MONOTONIC;
    subs[1].u.u.clock.timeout = timeout;
    int error = __wasi_poll_oneoff(subs, events, 2, &n);
    for (__wasi_size_t i = 0; i < n && error == 0; i++)
        if (events[i].userdata == 1)
            printf("%s: error %d, %llu bytes, flags %d\n", when,
                   events[i].error,
                   (unsigned long long)events[i].fd_readwrite.nbytes,
                   events[i].fd_readwrite.flags);
    if (error != 0 || (n == 1 && events[0].userdata == 2))
        printf("%s: nothing, error %d\n", when, error);
    fflush(stdout);
}

static int
ask_and_read(void)
{
    char byte;

    ask("at once", 0);
    ask("in time", 100000000000);
    while (read(0, &byte, 1) > 0)
        continue;
    ask("at the end", 100000000000);
    return 0;
}

// The other side writes once it has seen "none".
static int
read_now(void)
{
    ssize_t n;
    int told = 0;

    fcntl(0, F_SETFL, O_NONBLOCK);
    while ((n = read(0, buffer, sizeof(buffer))) < 0 && errno == EAGAIN) {
        if (!told++)
            write_all("none\n", 5);
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    if (n > 0)
        write_all(buffer, n);
    return digit(n);
}

// The other side reads stdout once it has seen how much there is.  A write may
// be refused only because the host has not yet told of the one before it.
static int
fill(void)
{
    long long total = 0;
    ssize_t n;

    memset(buffer, 'x', sizeof(buffer));
    fcntl(1, F_SETFL, O_NONBLOCK);
    while ((n = write(1, buffer, sizeof(buffer))) > 0 ||
           (n = write(1, buffer, 1)) > 0)
        total += n;
    if (errno != EAGAIN) {
        fprintf(stderr, "%s\n", strerror(errno));
        return digit(-1);
    }
    fcntl(1, F_SETFL, 0);
    fprintf(stderr, "%lld\n", total);
    return write_all("last\n", 5);
}

static void
sleep_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static int
late(void)
{
    sleep_ms(500);
    fprintf(stderr, "work done\n");
    return 0;
}

int
main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    long long number = argc > 2 ? strtoll(argv[2], NULL, 0) : 0;

    if (strcmp(mode, "write") == 0)
        return write_both();
    if (strcmp(mode, "spam") == 0)
        return spam(number, sizeof(buffer));
    if (strcmp(mode, "insist") == 0)
        return insist(number);
    if (strcmp(mode, "small") == 0)
        return spam(number, 1024);
    if (strcmp(mode, "whole") == 0)
        return whole((long)number);
    if (strcmp(mode, "count") == 0)
        return count();
    if (strcmp(mode, "copy") == 0)
        return copy();
    if (strcmp(mode, "take") == 0)
        return take((long)number);
    if (strcmp(mode, "poll") == 0)
        return ask_and_read();
    if (strcmp(mode, "now") == 0)
        return read_now();
    if (strcmp(mode, "fill") == 0)
        return fill();
    if (strcmp(mode, "log") == 0)
        return write_log(number);
    if (strcmp(mode, "late") == 0)
        return late();
    if (strcmp(mode, "exit") == 0)
        __wasi_proc_exit((__wasi_exitcode_t)number);
    if (strcmp(mode, "sleep") == 0)
        sleep_ms((long)number);
    for (volatile int i = 0; strcmp(mode, "hang") == 0;)
        i = i + 1;
    return strcmp(mode, "sleep") == 0 ? 0 : 9;
}
