// port/metal/panic.c: panic, lines on the log, and how the machine stops.

#include "port/metal/metal.h"
#include "port/x64/port_x64.h"

enum {
    DEBUG_EXIT = 0xf4,
    KEYBOARD_COMMAND = 0x64,
    KEYBOARD_RESET = 0xfe,
    PANIC_STATUS = 125,
    LINE_MAX = 256,
};

// Called by port/x64/panic.S.
NORETURN void panic_at(const char *file, u32 line, const char *what,
                       const struct panic_registers *r);

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

static panic_report_t *reporter;

void
port_panic_report(panic_report_t *report)
{
    reporter = report;
}

void
say_where(u64 pc, u64 rbp, u64 rsp)
{
    static bool saying;

    if (!__atomic_exchange_n(&saying, true, __ATOMIC_RELAXED) &&
        reporter != NULL)
        reporter(say, pc, rbp, rsp);
}

NORETURN void
die(void)
{
    port_exit(PANIC_STATUS);
}

NORETURN void
panic_at(const char *file, u32 line, const char *what,
         const struct panic_registers *r)
{
    port_interrupts_off();
    cpus_stop();
    streams_stop();
    say("kernel panic: %s:%u: %s", file, line, what);
    panic_say_registers(say, r);
    say_where(r->rip, r->rbp, r->rsp);
    die();
}

static bool stays;

void
exit_stays(void)
{
    stays = true;
}

// QEMU ends with the status 2 n + 1 when n is written to the exit device, and
// a status has 8 bits: so the end of the log tells it, too (tool/qemu.c).
// Without that device the machine resets, which -no-reboot turns into an end,
// unless it is to stay as it is: what came from a disk would start again.
NORETURN void
port_exit(u32 status)
{
    static const u8 no_vectors[10];

    port_interrupts_off();
    cpus_stop();
    streams_stop();
    serial_end((u8)status);
    out32(DEBUG_EXIT, (u8)status);
    if (stays)
        say("nebulet: ended with exit status %u; switch the machine off",
            (u8)status);
    while (stays)
        __asm__ volatile("cli\n hlt");
    out8(KEYBOARD_COMMAND, KEYBOARD_RESET);
    __asm__ volatile("lidt %0\n ud2" : : "m"(no_vectors));
    __builtin_unreachable();
}
