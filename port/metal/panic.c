// port/metal/panic.c: panic, lines on the log, and how the machine stops.

#include "port/metal/metal.h"

enum {
    DEBUG_EXIT = 0xf4,
    KEYBOARD_COMMAND = 0x64,
    KEYBOARD_RESET = 0xfe,
    PANIC_STATUS = 125,
    LINE_MAX = 256,
    CALLERS_MAX = 24,
};

void
say(const char *text, ...)
{
    char line[LINE_MAX];
    va_list list;
    u32 length;

    va_start(list, text);
    length = format_list(line, sizeof(line) - 1, text, list);
    va_end(list);
    length = MIN(length, (u32)sizeof(line) - 2);
    line[length] = '\n';
    port_log(line, length + 1);
}

// The return addresses of C functions from frame pointer rbp outwards (for
// addr2line), as far as they are on the stack that rsp is on.
void
say_callers(u64 rbp, u64 rsp)
{
    u64 end = rsp | (STACK_SIZE - 1);

    for (u32 i = 0; i < CALLERS_MAX; i++) {
        const u64 *frame = (const u64 *)rbp;

        if (rbp % 8 != 0 || rbp < rsp || rbp + 16 > end)
            return;
        say("called from %016lx", frame[1]);
        rsp = rbp + 16;
        rbp = frame[0];
    }
}

NORETURN void
die(void)
{
    port_exit(PANIC_STATUS);
}

NORETURN void
panic(const char *file, u32 line, const char *what)
{
    port_interrupts_off();
    cpus_stop();
    streams_stop();
    say("kernel panic: %s:%u: %s", file, line, what);
    say_callers((u64)__builtin_frame_address(0),
                (u64)__builtin_frame_address(0));
    die();
}

// QEMU ends with the status 2 n + 1 when n is written to the exit device, and
// a status has 8 bits: so the end of the log tells it, too (tool/qemu.c).
// Without that device the machine resets, which -no-reboot turns into an end.
NORETURN void
port_exit(u32 status)
{
    static const u8 no_vectors[10];

    port_interrupts_off();
    cpus_stop();
    streams_stop();
    serial_end((u8)status);
    out32(DEBUG_EXIT, (u8)status);
    out8(KEYBOARD_COMMAND, KEYBOARD_RESET);
    __asm__ volatile("lidt %0\n ud2" : : "m"(no_vectors));
    __builtin_unreachable();
}
