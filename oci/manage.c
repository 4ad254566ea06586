// oci/manage.c: `kill`, `delete`, `pause`, `resume` and `update`.

#include "oci/oci.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct managing {
    bool all, force;
    const char *resources;
};

static bool
set_managing(void *self, const struct option *o, const char *value)
{
    struct managing *m = self;

    m->all |= strcmp(o->name, "--all") == 0 || strcmp(o->name, "-a") == 0;
    m->force |= strcmp(o->name, "--force") == 0 || strcmp(o->name, "-f") == 0;
    if (value != NULL)
        m->resources = value;
    return true;
}

// --- kill --------------------------------------------------------------------

// By number or name, with SIG or without; 0: there is none.
static int
signal_of(const char *word)
{
    static const struct {
        const char *name;
        int number;
    } names[] = {
        {"HUP",   SIGHUP  },
        {"INT",   SIGINT  },
        {"QUIT",  SIGQUIT },
        {"ILL",   SIGILL  },
        {"TRAP",  SIGTRAP },
        {"ABRT",  SIGABRT },
        {"BUS",   SIGBUS  },
        {"FPE",   SIGFPE  },
        {"KILL",  SIGKILL },
        {"USR1",  SIGUSR1 },
        {"SEGV",  SIGSEGV },
        {"USR2",  SIGUSR2 },
        {"PIPE",  SIGPIPE },
        {"ALRM",  SIGALRM },
        {"TERM",  SIGTERM },
        {"CHLD",  SIGCHLD },
        {"CONT",  SIGCONT },
        {"STOP",  SIGSTOP },
        {"TSTP",  SIGTSTP },
        {"TTIN",  SIGTTIN },
        {"TTOU",  SIGTTOU },
        {"WINCH", SIGWINCH},
        {"IO",    SIGIO   },
        {"PWR",   SIGPWR  },
        {"SYS",   SIGSYS  },
    };
    u64 number;
    const char *end = number_read(word, SIGRTMAX, &number);

    if (end != NULL && *end == 0)
        return (int)number;
    if (strncasecmp(word, "SIG", 3) == 0)
        word += 3;
    for (u32 i = 0; i < COUNT(names); i++)
        if (strcasecmp(word, names[i].name) == 0)
            return names[i].number;
    return 0;
}

// All that are in its groups, but the first.
static void
kill_others(const struct container *c, int number)
{
    pid_t *pids;
    u32 count = control_list(c, &pids);

    for (u32 i = 0; i < count; i++)
        if (pids[i] != c->pid)
            kill(pids[i], number);
    free(pids);
}

// Who is frozen dies when he goes on (version 1).
static bool
thaw_killed(const struct container *c, int number)
{
    return number != SIGKILL || control_is_unified() || !control_frozen(c) ||
           control_freeze(c, false);
}

static bool
kill_it(const struct container *c, int number, bool all)
{
    int fd = container_process(c);
    bool done =
        fd >= 0 && syscall(SYS_pidfd_send_signal, fd, number, NULL, 0) == 0;

    if (fd >= 0)
        close(fd);
    if (all)
        kill_others(c, number);
    if (!done && !all)
        complain("container not running");
    return thaw_killed(c, number) && (done || all);
}

static int
run_kill(struct words words)
{
    struct managing m = {0};
    struct words operands;
    struct container c;
    int status = options_read(&command_kill, &m, words, &operands);

    if (status != OPTIONS_READ)
        return status;
    const char *id = our_id(&command_kill, &operands, &status);
    if (id == NULL)
        return status;
    const char *word = operands.count > 1 ? operands.list[1] : "TERM";
    int number = signal_of(word);
    if (number == 0)
        return misuse(&command_kill, "%s: no such signal", word);
    if (!container_open(&c, id, true))
        return 1;
    status = kill_it(&c, number, m.all) ? 0 : 1;
    container_close(&c);
    return status;
}

static const struct option kill_options[] = {
#define KILL(name, value, set, help) {name, value, help, set},
#include "oci/options.def"
};

const struct command command_kill = {
    .name = "kill",
    .operands = "ID [SIGNAL]",
    .summary = "send a signal to a container's process",
    .text = "Sends a signal (default TERM) to a container's process.  "
            "Programs hear of none:\nthey end, or do not.",
    .options = kill_options,
    .option_count = COUNT(kill_options),
    .run = run_kill,
};

// --- delete ------------------------------------------------------------------

// Its process, and what exec has left, have ended when this returns.
static bool
end_all(const struct container *c)
{
    enum { PATIENCE_MS = 10000 };
    int fd = container_process(c);
    struct pollfd fds = {.fd = fd, .events = POLLIN};

    bool ended = kill_it(c, SIGKILL, true) &&
                 (fd < 0 || poll(&fds, 1, PATIENCE_MS) == 1);
    if (fd >= 0)
        close(fd);
    if (!ended)
        complain("the container's process does not end");
    return ended;
}

static void
call_poststop(const struct container *c)
{
    struct json config;

    if (!container_config(c, &config))
        return;
    if (!hooks_call(c, &config, "poststop", STATUS_STOPPED))
        complain("note: the container is removed nevertheless");
    json_free(&config);
}

static int
delete_it(struct container *c, bool force)
{
    enum status status = container_status(c);

    if (status != STATUS_STOPPED && !force) {
        complain("cannot delete container %s that is not stopped: %s", c->id,
                 status_name(status));
        return 1;
    }
    if (!end_all(c))
        return 1;
    control_remove(c);
    call_poststop(c);
    container_remove(c);
    return 0;
}

static int
run_delete(struct words words)
{
    struct managing m = {0};
    struct words operands;
    struct container c;
    int status = options_read(&command_delete, &m, words, &operands);

    if (status != OPTIONS_READ)
        return status;
    const char *id = one_id(&command_delete, &operands);
    if (id == NULL)
        return STATUS_MISUSE;
    enum found found = container_find(id);
    if (found == FOUND_OTHER)
        return hand_over();
    if (found == FOUND_NONE && m.force)
        return 0;
    if (!container_open(&c, id, true))
        return 1;
    status = delete_it(&c, m.force);
    container_close(&c);
    return status;
}

static const struct option delete_options[] = {
#define DELETE(name, value, set, help) {name, value, help, set},
#include "oci/options.def"
};

const struct command command_delete = {
    .name = "delete",
    .operands = "ID",
    .summary = "remove what is left of a container",
    .text = "Removes what is left of a container whose process has ended.",
    .options = delete_options,
    .option_count = COUNT(delete_options),
    .run = run_delete,
};

// --- pause and resume --------------------------------------------------------

static int
freeze(const struct command *command, struct words words, bool frozen)
{
    struct words operands;
    struct container c;
    int status = options_read(command, NULL, words, &operands);

    if (status != OPTIONS_READ)
        return status;
    const char *id = our_id(command, &operands, &status);
    if (id == NULL)
        return status;
    if (!container_open(&c, id, true))
        return 1;
    enum status now = container_status(&c);
    bool fits = now == STATUS_PAUSED ||
                (frozen && (now == STATUS_RUNNING || now == STATUS_CREATED));
    if (!fits)
        complain("container not %s: %s", frozen ? "running" : "paused",
                 status_name(now));
    status = fits && control_freeze(&c, frozen) ? 0 : 1;
    container_close(&c);
    return status;
}

static int
run_pause(struct words words)
{
    return freeze(&command_pause, words, true);
}

static int
run_resume(struct words words)
{
    return freeze(&command_resume, words, false);
}

const struct command command_pause = {
    .name = "pause",
    .operands = "ID",
    .summary = "stop a container where it is",
    .text = "Stops all processes of a container, until resume.",
    .run = run_pause,
};

const struct command command_resume = {
    .name = "resume",
    .operands = "ID",
    .summary = "let a paused container go on",
    .text = "Lets a paused container go on.",
    .run = run_resume,
};

// --- update ------------------------------------------------------------------

static bool
update(const struct container *c, const char *path)
{
    struct json j;
    bool standard = strcmp(path, "-") == 0;

    if (!json_read(&j, standard ? "/proc/self/fd/0" : path, "resources"))
        return false;
    if (!c->process_mode &&
        json_number(&j, NULL, "memory.limit", -1, INT64_MAX, -1) > 0)
        json_refuse(&j, "memory.limit",
                    "the memory of a machine stays what it is");
    bool done = !j.failed && control_limit(c, &j, j.root);
    json_free(&j);
    return done;
}

static int
run_update(struct words words)
{
    struct managing m = {0};
    struct words operands;
    struct container c;
    int status = options_read(&command_update, &m, words, &operands);

    if (status != OPTIONS_READ)
        return status;
    const char *id = our_id(&command_update, &operands, &status);
    if (id == NULL)
        return status;
    if (m.resources == NULL)
        return misuse(&command_update, "--resources is missing");
    if (!container_open(&c, id, true))
        return 1;
    enum status now = container_status(&c);
    if (now == STATUS_STOPPED)
        complain("container not running");
    status = now != STATUS_STOPPED && update(&c, m.resources) ? 0 : 1;
    container_close(&c);
    return status;
}

static const struct option update_options[] = {
#define UPDATE(name, value, set, help) {name, value, help, set},
#include "oci/options.def"
};

const struct command command_update = {
    .name = "update",
    .operands = "ID",
    .summary = "change a container's limits",
    .text = "Changes the limits of a container.",
    .options = update_options,
    .option_count = COUNT(update_options),
    .run = run_update,
};
