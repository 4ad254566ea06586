// port/linux/panic.c: our own bug: say where and abort.

#include "port/linux/linux.h"
#include "port/x64/port_x64.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// Called by port/x64/panic.S.
NORETURN void panic_at(const char *file, u32 line, const char *what,
                       const struct panic_registers *r);

static panic_report_t *reporter;

void
port_panic_report(panic_report_t *report)
{
    reporter = report;
}

static void
say(const char *text, ...)
{
    va_list list;

    va_start(list, text);
    vdprintf(STDERR_FILENO, text, list);
    va_end(list);
    dprintf(STDERR_FILENO, "\n");
}

void
linux_panic_tell(const char *what, const struct panic_registers *r)
{
    static bool telling;

    say("nebulet: %s", what);
    if (__atomic_exchange_n(&telling, true, __ATOMIC_RELAXED))
        return;
    panic_say_registers(say, r);
    if (reporter != NULL)
        reporter(say, r->rip, r->rbp, r->rsp);
}

void
panic_at(const char *file, u32 line, const char *what,
         const struct panic_registers *r)
{
    char text[512];

    snprintf(text, sizeof(text), "%s:%u: panic: %s", file, line, what);
    linux_panic_tell(text, r);
    abort();
}
