// user/shell/terminal.c: the terminal, where there is one.  The shell has a
// seat of its own, with the focus while it reads commands; each job has another
// one (docs/shell.md).

#include "shell.h"

#include <launch.h>
#include <nebulet.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <wasi/api.h>

enum {
    SEAT_RIGHTS = NEBULET_RIGHT_DUPLICATE | NEBULET_RIGHT_TRANSFER |
                  NEBULET_RIGHT_READ | NEBULET_RIGHT_WRITE | NEBULET_RIGHT_WAIT,
    SIGNALS = NEBULET_SIGNAL_INTERRUPTED | NEBULET_SIGNAL_STOPPED,
};

static uint32_t seat; // 0: there is none
static bool interrupted;

// A descriptor of a seat, or -1.
static int
describe(uint32_t of)
{
    uint32_t copy, fd;

    if (nebulet_handle_duplicate(of, SEAT_RIGHTS, &copy) != 0)
        return -1;
    if (nebulet_descriptor_create(copy, &fd) == 0)
        return (int)fd;
    nebulet_handle_close(copy);
    return -1;
}

// The seat that we were given is a job's of another shell, perhaps, which looks
// for ^C there: we work at one of our own.
bool
terminal_open(void)
{
    uint32_t given = isatty(0) && isatty(1) ? launch_given("terminal") : 0;

    if (given == 0 || nebulet_terminal_create(given, &seat) != 0)
        return false;
    for (int i = 0; i < 3; i++) {
        int fd = isatty(i) ? describe(seat) : -1;
        if (fd >= 0 && __wasi_fd_renumber(fd, i) != 0)
            close(fd);
    }
    terminal_front();
    return true;
}

void
terminal_front(void)
{
    if (seat != 0)
        nebulet_terminal_focus(seat);
}

void
terminal_mode(enum typed mode)
{
    if (seat != 0)
        nebulet_terminal_mode(seat, mode);
}

void
terminal_update(void)
{
    uint32_t rows, columns;
    char text[16];

    if (nebulet_terminal_size(seat, &rows, &columns) != 0)
        return;
    snprintf(text, sizeof(text), "%u", rows);
    variable_set("LINES", text);
    snprintf(text, sizeof(text), "%u", columns);
    variable_set("COLUMNS", text);
    variable_export("LINES");
    variable_export("COLUMNS");
}

bool
terminal_wait(void)
{
    uint32_t what = 0;

    nebulet_object_wait_one(seat,
                            NEBULET_SIGNAL_READABLE | NEBULET_SIGNAL_RESIZED,
                            UINT64_MAX, &what);
    if ((what & NEBULET_SIGNAL_RESIZED) == 0)
        return true;
    nebulet_object_signal(seat, NEBULET_SIGNAL_RESIZED, 0);
    terminal_update();
    return false;
}

bool
terminal_line(void)
{
    uint32_t what = 0;

    if (seat == 0)
        return true;
    nebulet_object_wait_one(
        seat, NEBULET_SIGNAL_READABLE | NEBULET_SIGNAL_INTERRUPTED, UINT64_MAX,
        &what);
    return (what & NEBULET_SIGNAL_INTERRUPTED) == 0;
}

// --- ^C ----------------------------------------------------------------------

void
interrupt(bool now)
{
    interrupted = now;
    if (!now && seat != 0)
        nebulet_object_signal(seat, SIGNALS, 0);
}

bool
was_interrupted(void)
{
    uint32_t what;

    if (seat != 0 && nebulet_object_wait_one(seat, NEBULET_SIGNAL_INTERRUPTED,
                                             0, &what) == 0)
        interrupt(true);
    return interrupted;
}

uint32_t
signals_take(uint32_t of)
{
    uint32_t what = 0;

    if (of == 0 || nebulet_object_wait_one(of, SIGNALS, 0, &what) != 0)
        return 0;
    nebulet_object_signal(of, SIGNALS, 0);
    return what & SIGNALS;
}

uint32_t
terminal_seat(void)
{
    return seat;
}

// --- places of jobs ----------------------------------------------------------

void
place_open(struct place *p, const char *name, size_t size)
{
    uint32_t group = launch_given("group");

    *p = (struct place){.fd = -1};
    if (!interactive)
        return;
    if (group != 0)
        nebulet_group_create(group, name,
                             size < NEBULET_LIMIT_PROCESS_NAME ?
                                 size :
                                 NEBULET_LIMIT_PROCESS_NAME,
                             NULL, 0, &p->group);
    if (seat != 0 && nebulet_terminal_create(seat, &p->seat) == 0)
        p->fd = describe(p->seat);
}

int
place_fd(const struct place *p, int fd)
{
    return p->fd >= 0 && fd >= 0 && fd < 3 && isatty(fd) ? p->fd : fd;
}

void
place_started(struct place *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}

void
place_close(struct place *p)
{
    place_started(p);
    if (p->seat != 0)
        nebulet_handle_close(p->seat);
    if (p->group != 0)
        nebulet_handle_close(p->group);
    *p = (struct place){.fd = -1};
}
