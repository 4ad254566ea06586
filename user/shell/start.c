// user/shell/start.c: starting programs, scripts and other shells.

#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <launch.h>
#include <nebulet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_SIZE = 400 };

static const char shell_path[] = "/bin/shell";

// --- programs ----------------------------------------------------------------

char *
find_program(const char *name)
{
    const char *at = variable_get("PATH");

    if (strchr(name, '/') != NULL)
        return access(name, F_OK) == 0 ? copy_text(name) : NULL;
    while (at != NULL && *at != 0) {
        struct text path = {NULL, 0, 0};
        size_t size = strcspn(at, ":");
        text_add(&path, at, size);
        text_char(&path, '/');
        text_put(&path, name);
        if (access(path.at, F_OK) == 0)
            return path.at;
        free(path.at);
        at += size + (at[size] == ':');
    }
    return NULL;
}

// Does a line of /etc/grants, "PROGRAM HANDLE...", name the handle for the
// program?
static bool
is_granted(const char *grants, const char *program, const char *handle)
{
    char *copy = copy_text(grants), *lines, *words;
    bool granted = false;

    for (char *line = strtok_r(copy, "\n", &lines); line != NULL;
         line = strtok_r(NULL, "\n", &lines)) {
        char *word = strtok_r(line, " \t", &words);
        if (word == NULL || strcmp(word, program) != 0)
            continue;
        while ((word = strtok_r(NULL, " \t", &words)) != NULL)
            granted |= strcmp(word, handle) == 0;
    }
    free(copy);
    return granted;
}

static const char *
read_grants(void)
{
    static char grants[4096];
    FILE *file = grants[0] == 0 ? fopen("/etc/grants", "r") : NULL;

    if (file != NULL) {
        grants[fread(grants, 1, sizeof(grants) - 1, file)] = 0;
        fclose(file);
    }
    return grants;
}

// Handles that we were given and the program is to have, and their names as a
// variable.
static uint32_t
add_grants(const char *path, const struct place *place, uint32_t *handles,
           struct words *variables)
{
    char *names = copy_text(variable_get("GIVEN") ? variable_get("GIVEN") : "");
    struct text given = {NULL, 0, 0};
    uint32_t count = 0, handle;
    char *rest;

    for (char *name = strtok_r(names, ",", &rest); name != NULL;
         name = strtok_r(NULL, ",", &rest)) {
        uint32_t ours = launch_given(name);
        if (place->seat != 0 && strcmp(name, "terminal") == 0)
            ours = place->seat;
        if (!is_granted(read_grants(), path, name) ||
            launch_duplicate(name, ours, &handle) != 0)
            continue;
        text_put(&given, count > 0 ? "," : "GIVEN=");
        text_put(&given, name);
        handles[count++] = handle;
    }
    free(names);
    if (count > 0)
        words_add(variables, text_take(&given));
    return count;
}

// Start the module in a file; 0 or an errno.
static int
start_module(const char *path, char *const *argv, const struct words *assigned,
             const struct streams *s, const struct place *place, char *text,
             uint32_t *process)
{
    struct words more = {NULL, 0, 0}, environment = {NULL, 0, 0};
    uint32_t handles[LAUNCH_FDS];
    struct launch l = {.path = path,
                       .argv = argv,
                       .handles = handles,
                       .text = text,
                       .text_size = TEXT_SIZE};

    for (size_t i = 0; i < assigned->count; i++)
        words_add(&more, copy_text(assigned->list[i]));
    l.handle_count = add_grants(path, place, handles, &more);
    variables_environment(&environment, &more);
    l.envp = words_list(&environment);
    launch_standard_fds(&l);
    for (int fd = 0; fd < 3; fd++)
        l.fds[fd] = place_fd(place, s->fds[fd]);
    l.group = place->group;
    int error = launch(&l, process);
    for (uint32_t i = 0; error != 0 && i < l.handle_count; i++)
        nebulet_handle_close(handles[i]);
    words_free(&more);
    words_free(&environment);
    return error;
}

static bool
is_module(const char *path)
{
    char magic[4] = "";
    int fd = open(path, O_RDONLY);
    bool wasm =
        fd >= 0 && read(fd, magic, 4) == 4 && memcmp(magic, "\0asm", 4) == 0;

    if (fd >= 0)
        close(fd);
    return wasm;
}

// A file that is no module is a script.
static int
start_file(const char *path, struct words *argv, const struct words *assigned,
           const struct streams *s, const struct place *place, char *text,
           uint32_t *process)
{
    struct words script = {NULL, 0, 0};
    int error =
        start_module(path, argv->list, assigned, s, place, text, process);

    if (error != ENOEXEC || is_module(path))
        return error;
    words_add(&script, copy_text("shell"));
    words_add(&script, copy_text(path));
    for (size_t i = 1; i < argv->count; i++)
        words_add(&script, copy_text(argv->list[i]));
    error = start_module(shell_path, script.list, assigned, s, place, text,
                         process);
    words_free(&script);
    return error;
}

// The process, or 0 and *status.
uint32_t
start_program(struct words *argv, const struct words *assigned,
              const struct streams *s, const struct place *place, int *status)
{
    char *path = find_program(argv->list[0]), text[TEXT_SIZE] = "";
    uint32_t process = 0;

    if (path == NULL) {
        complain(argv->list[0], "not found");
        *status = STATUS_NOT_FOUND;
        return 0;
    }
    int error = start_file(path, argv, assigned, s, place, text, &process);
    if (error != 0) {
        complain(path, text[0] != 0 ? text : strerror(error));
        *status = STATUS_NOT_RUN;
    }
    free(path);
    return error == 0 ? process : 0;
}

// --- other shells ------------------------------------------------------------

// What they have to know that is not in the environment.
static char *
own_state(void)
{
    struct text t = {NULL, 0, 0};

    variables_put(&t);
    functions_put(&t);
    options_put(&t);
    aliases_put(&t); // last: what was parsed before has none
    return text_take(&t);
}

uint32_t
start_shell(const char *command, const struct words *assigned,
            const struct streams *s, const struct place *place, int *status)
{
    struct words argv = {NULL, 0, 0};
    char text[TEXT_SIZE] = "", here[48];
    uint32_t process = 0;

    snprintf(here, sizeof(here), "%d,%d,%d", last_status, script_line,
             shell_number);
    words_add(&argv, copy_text("shell"));
    words_add(&argv, copy_text("-S"));
    words_add(&argv, copy_text(here));
    words_add(&argv, copy_text("-C"));
    words_add(&argv, own_state());
    words_add(&argv, copy_text("-c"));
    words_add(&argv, copy_text(command));
    words_add(&argv, copy_text(argument_count > 0  ? arguments[0] :
                               script_name != NULL ? script_name :
                                                     "shell"));
    for (int i = 1; i < argument_count; i++)
        words_add(&argv, copy_text(arguments[i]));
    int error =
        start_module(shell_path, argv.list, assigned, s, place, text, &process);
    if (error != 0) {
        complain(shell_path, text[0] != 0 ? text : strerror(error));
        *status = STATUS_NOT_RUN;
    }
    words_free(&argv);
    return error == 0 ? process : 0;
}
