// tool/progress.c: how far long work is: one line on stderr, where that is a
// terminal, written over again and erased at the end.

#include "tool/tool.h"

#include <string.h>
#include <unistd.h>

enum { EACH_MS = 100, NAME_SHOWN = 50 };

// What is being done; one thing at a time.
static struct {
    bool on, shown;
    const char *what, *name;
    u64 total, done;
    u64 next_ms; // when it is to be shown next
} work;

void
progress_begin(const char *what, const char *name, u64 total, u64 patience_ms)
{
    work.on = total > 0 && isatty(STDERR_FILENO);
    work.shown = false;
    work.what = what;
    work.name = name;
    work.total = total;
    work.done = 0;
    work.next_ms = host_now_ms() + patience_ms;
}

static void
put(const char *text)
{
    size_t len = strlen(text);

    if (write(STDERR_FILENO, text, len) < 0)
        work.on = false;
}

static void
show(void)
{
    char line[2 * NAME_SHOWN + 64];
    u64 done = MIN(work.done, work.total);

    format_safe(line, sizeof(line), "nebulet: %s %.*s: %u %%", work.what,
                (int)MIN(strlen(work.name), (size_t)NAME_SHOWN), work.name,
                (u32)((double)done * 100 / (double)work.total));
    put("\r");
    put(line);
    put("\x1b[K");
    work.shown = true;
}

void
progress_more(u64 count)
{
    if (!work.on)
        return;
    work.done += count;
    u64 now = host_now_ms();
    if (now < work.next_ms)
        return;
    work.next_ms = now + EACH_MS;
    show();
}

void
progress_step(void *self, const char *step, u32 func)
{
    (void)self, (void)func;
    if (strcmp(step, "emit") == 0) // its last
        progress_more(1);
}

void
progress_hide(void)
{
    if (work.shown)
        put("\r\x1b[K");
    work.shown = false;
}

void
progress_end(void)
{
    progress_hide();
    work.on = false;
}
