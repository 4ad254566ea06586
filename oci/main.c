// oci/main.c: `nebulet-oci`: global flags, the commands, the log, and the way
// to runc for containers that are not ours.

#include "oci/oci.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct globals globals = {.root = "/run/nebulet-oci"};

#define HANDED "NEBULET_OCI_HANDED" // of us, who are no runc

// --- the log -----------------------------------------------------------------

static cJSON *
log_line(const char *line, const char *when)
{
    cJSON *entry = cJSON_CreateObject();

    cJSON_AddStringToObject(entry, "level", "error");
    cJSON_AddStringToObject(entry, "msg", line);
    cJSON_AddStringToObject(entry, "time", when);
    return entry;
}

// A line of the log as runc writes it.
static void
hear(const char *line)
{
    char when[64];
    time_t now = time(NULL);
    struct tm tm;
    int fd = open(globals.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

    if (fd < 0)
        return; // it is on stderr, too
    gmtime_r(&now, &tm);
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
    cJSON *entry = log_line(line, when);
    char *json = cJSON_PrintUnformatted(entry);
    if (globals.json)
        dprintf(fd, "%s\n", json);
    else
        dprintf(fd, "time=\"%s\" level=error msg=\"%s\"\n", when, line);
    free(json);
    cJSON_Delete(entry);
    close(fd);
}

// --- global flags ------------------------------------------------------------

static bool
set_global(void *self, const struct option *o, const char *value)
{
    struct globals *g = self;

    g->version |= strcmp(o->name, "--version") == 0;
    g->version |= strcmp(o->name, "-v") == 0;
    if (strcmp(o->name, "--root") == 0)
        g->root = value;
    if (strcmp(o->name, "--log") == 0)
        g->log = value;
    if (strcmp(o->name, "--log-format") == 0) {
        g->json = strcmp(value, "json") == 0;
        if (!g->json && strcmp(value, "text") != 0) {
            misuse(NULL, "--log-format %s: not json or text", value);
            return false;
        }
    }
    if (g->root[0] == 0)
        misuse(NULL, "--root: no directory given");
    return g->root[0] != 0;
}

static const struct option flags[] = {
#define GLOBAL(name, value, set, help) {name, value, help, set},
#include "oci/options.def"
};

static const struct command command_page;

static const struct command *const commands[] = {
    &command_create, &command_start,  &command_exec,   &command_state,
    &command_list,   &command_ps,     &command_kill,   &command_delete,
    &command_pause,  &command_resume, &command_update, &command_features,
    &command_page,
};

// The list of them.
static const char *
list_commands(void)
{
    static char text[1024];
    int at = snprintf(text, sizeof(text), "commands:\n");

    for (u32 i = 0; i < COUNT(commands); i++)
        at += snprintf(text + at, sizeof(text) - (u64)at, "\n  %-9s  %s",
                       commands[i]->name, commands[i]->summary);
    return text;
}

static struct command command_all = {
    .name = "",
    .operands = "COMMAND ...",
    .text = "Runs containers whose program is a WebAssembly module, each in a "
            "Nebulet of its\nown, as containerd, CRI-O and podman ask for it; "
            "hands all others to runc.",
    .options = flags,
    .option_count = COUNT(flags),
    .stops = true,
};

// --- the manual page ---------------------------------------------------------

static int
run_page(struct words words)
{
    struct words none;
    int status = options_read(&command_page, NULL, words, &none);

    if (status != OPTIONS_READ)
        return status;
    printf(".TH NEBULET\\-OCI 1 2026-11-30 \"nebulet %.3s\"\n", VERSION);
    printf(".SH NAME\nnebulet\\-oci \\- run WebAssembly in containers\n");
    printf(".SH SYNOPSIS\n.B nebulet\\-oci\n[\\fIOPTION\\fR...]\n"
           ".I COMMAND\n[\\fIOPTION\\fR...] \\fIID\\fR\n");
    printf(".SH DESCRIPTION\n%s\n", command_all.text);
    printf(".SH COMMANDS\n");
    for (u32 i = 0; i < COUNT(commands); i++)
        manual_command(commands[i]);
    printf(".SH OPTIONS\n");
    manual_command(&command_all);
    printf(".SH SEE ALSO\n.BR nebulet (1),\n.BR runc (8)\n");
    return 0;
}

static const struct command command_page = {
    .name = "manual",
    .operands = "",
    .summary = "print the manual page, nebulet-oci.1",
    .text = "Prints the manual page of this command, for man(1).",
    .run = run_page,
};

// --- runc --------------------------------------------------------------------

// A flag that stands twice is as the second says: ours come first.
int
hand_over(void)
{
    const char *other = getenv("NEBULET_OCI_RUNC");
    const char *const names[] = {other, "runc", "crun"};

    if (getenv(HANDED) != NULL)
        return complain("runc is this program itself"), 1;
    char **argv = calloc((size_t)globals.argc + 3, sizeof(*argv));
    assert(argv != NULL);
    setenv(HANDED, "1", 1);
    argv[1] = "--root";
    argv[2] = (char *)globals.root;
    for (int i = 1; i < globals.argc; i++)
        argv[i + 2] = globals.argv[i];
    for (u32 i = other == NULL; i < COUNT(names); i++) {
        argv[0] = (char *)names[i];
        execvp(argv[0], argv);
        if (errno != ENOENT || (i == 0 && other != NULL))
            break;
    }
    complain("%s: %s (it runs containers that are no WebAssembly)", argv[0],
             strerror(errno));
    free(argv);
    return 1;
}

// --- commands ----------------------------------------------------------------

const char *
one_id(const struct command *c, const struct words *operands)
{
    if (operands->count >= 1)
        return operands->list[0];
    misuse(c, "the ID of a container is missing");
    return NULL;
}

const char *
our_id(const struct command *c, const struct words *operands, int *status)
{
    const char *id = one_id(c, operands);

    if (id == NULL)
        *status = STATUS_MISUSE;
    else if (container_find(id) == FOUND_OTHER)
        *status = hand_over();
    else
        return id;
    return NULL;
}

static int
run_command(struct words words)
{
    const char *name = words.list[0];

    for (u32 i = 0; i < COUNT(commands); i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i]->run(
                (struct words){words.list + 1, words.count - 1, false});
    return misuse(NULL, "%s: no such command", name);
}

static void
print_version(void)
{
    tell("nebulet-oci version " VERSION);
    tell("spec: " OCI_VERSION);
}

static int
run(int argc, char **argv)
{
    struct words words;

    command_all.notes = list_commands();
    char **list = malloc((size_t)argc * sizeof(*list)); // argv is runc's, too
    assert(list != NULL);
    memcpy(list, argv + 1, (size_t)(argc - 1) * sizeof(*list));
    int status = options_read(&command_all, &globals,
                              (struct words){list, argc - 1, false}, &words);
    if (globals.log != NULL)
        complain_to(hear);
    if (status == OPTIONS_READ && globals.version)
        print_version();
    else if (status == OPTIONS_READ && words.count == 0)
        status = misuse(NULL, "which command?");
    else if (status == OPTIONS_READ)
        status = run_command(words);
    free(list);
    return status == OPTIONS_READ ? 0 : status;
}

// Descriptors that a daemon has left open are not for containers.
static void
only_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    (void)close_range(STDERR_FILENO + 1, ~0u, 0);
}

int
main(int argc, char **argv)
{
    const char *name = argc > 0 ? base_name(argv[0]) : "";

    host_start();
    only_streams();
    program_name = "nebulet-oci";
    globals.argv = argv;
    globals.argc = argc;
    globals.process = path_ends_in(name, "-process");
    return output_end(run(argc, argv));
}
