// kernel/console.c: what programs print and read, and the kernel's log.

#include "kernel/kernel.h"

enum {
    INPUT_SIZE = 4096,
    LINE_SIZE = 1024,
    WRITE_SIZE = 64 * 1024, // between two looks at `killed`
};

static struct {
    struct lock lock; // the buffer
    u8 bytes[INPUT_SIZE];
    u32 at, end;
    bool closed;

    struct wait_queue readers;
    u64 arrivals; // under readers.lock: calls of console_interrupt()
} input;

void
input_init(void)
{
    wait_queue_init(&input.readers);
}

void
console_write(enum port_stream stream, const void *bytes, u64 size)
{
    const u8 *from = bytes;

    while (size > 0) {
        u64 part = MIN(size, WRITE_SIZE);
        port_write(stream, from, part);
        thread_check_killed();
        from += part;
        size -= part;
    }
}

void
klog(const char *text, ...)
{
    char line[LINE_SIZE];
    va_list list;

    va_start(list, text);
    u32 len = format_list(line, sizeof(line) - 1, text, list);
    va_end(list);
    len = MIN(len, (u32)sizeof(line) - 2);
    line[len] = '\n';
    port_write(PORT_LOG, line, len + 1);
}

void
console_interrupt(void)
{
    bool on = lock_irq(&input.readers.lock);

    input.arrivals++;
    wait_queue_wake(&input.readers, 0, UINT32_MAX);
    unlock_irq(&input.readers.lock, on);
}

// Take what there is, or with size 0 only look; false: nothing yet.
static bool
take_input(void *to, u64 size, u64 *count)
{
    lock(&input.lock);
    if (input.at == input.end && !input.closed) {
        input.at = 0;
        input.end = (u32)port_read(input.bytes, INPUT_SIZE, &input.closed);
    }
    bool ready = input.at != input.end || input.closed;
    *count = MIN(size, (u64)input.end - input.at);
    memcpy(to, input.bytes + input.at, *count);
    input.at += (u32)*count;
    unlock(&input.lock);
    return ready;
}

status_t
console_read(void *to, u64 size, u64 deadline_ns, u64 *count)
{
    for (;;) {
        u64 seen = __atomic_load_n(&input.arrivals, __ATOMIC_ACQUIRE);
        if (take_input(to, size, count))
            return OK;
        bool on = lock_irq(&input.readers.lock);
        if (input.arrivals != seen) {
            unlock_irq(&input.readers.lock, on);
            continue;
        }
        enum wake wake = wait_queue_wait(&input.readers, 0, deadline_ns, on);
        thread_check_killed();
        if (wake == WAKE_TIMED_OUT)
            return ERR_TIMED_OUT;
    }
}

status_t
console_wait(u64 deadline_ns)
{
    u8 nothing;
    u64 count;

    return console_read(&nothing, 0, deadline_ns, &count);
}
