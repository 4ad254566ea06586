// user/shell/run.c: running trees of commands.

#include "shell.h"

#include <errno.h>
#include <fcntl.h>
#include <launch.h>
#include <nebulet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_SIZE = 400, PIPELINE_MAX = 32, RUN_DEPTH = 64 };

static const char shell_path[] = "/bin/shell";

bool leaving;

static int run_node(const struct node *n, const struct streams *s);

// --- redirections ------------------------------------------------------------

// What a command has instead of the shell's, and what to close afterwards.
struct redirected {
    struct streams s;
    int opened[8];
    int count;
};

static void
close_all(struct redirected *r)
{
    while (r->count > 0)
        close(r->opened[--r->count]);
}

// Files are written to at their end, so that two descriptors of one do not
// overwrite each other.
static int
open_target(enum redirect_kind kind, const char *path)
{
    int flags = kind == REDIRECT_IN ? O_RDONLY :
                kind == REDIRECT_APPEND ?
                                      O_WRONLY | O_CREAT | O_APPEND :
                                      O_WRONLY | O_CREAT | O_TRUNC | O_APPEND;
    int fd = open(path, flags, 0666);

    if (fd < 0)
        complain(path, strerror(errno));
    return fd;
}

static bool
redirect_one(struct redirected *r, const struct redirect *from)
{
    char *target = expand_string(from->target);
    int fd = -1;

    if (target == NULL)
        return false;
    if (from->kind != REDIRECT_COPY) {
        fd = r->count < 8 ? open_target(from->kind, target) : -1;
        if (fd >= 0)
            r->opened[r->count++] = fd;
    } else if (strlen(target) == 1 && target[0] >= '0' && target[0] <= '2') {
        fd = r->s.fds[target[0] - '0'];
    } else {
        complain(target, "not a descriptor from 0 to 2");
    }
    r->s.fds[from->fd] = fd;
    free(target);
    return fd >= 0;
}

static bool
redirect(struct redirected *r, const struct streams *s,
         const struct redirect *list)
{
    *r = (struct redirected){.s = *s};
    for (; list != NULL; list = list->next) {
        if (!redirect_one(r, list)) {
            close_all(r);
            return false;
        }
    }
    return true;
}

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
static uint32_t
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

// --- simple commands ---------------------------------------------------------

static bool
expand_assignments(const struct word *list, struct words *out)
{
    for (; list != NULL; list = list->next) {
        const char *value = strchr(list->raw, '=') + 1;
        char *expanded = expand_string(value);
        struct text t = {NULL, 0, 0};
        if (expanded == NULL)
            return false;
        text_add(&t, list->raw, value - list->raw);
        text_put(&t, expanded);
        free(expanded);
        words_add(out, text_take(&t));
    }
    return true;
}

static void
assign(const struct words *assigned)
{
    for (size_t i = 0; i < assigned->count; i++) {
        char *sign = strchr(assigned->list[i], '=');
        *sign = 0;
        variable_set(assigned->list[i], sign + 1);
        *sign = '=';
    }
}

// `kill %1` is ours, all other is the program's.
static bool
ends_jobs(const struct words *argv)
{
    return argv->count > 1 && strcmp(argv->list[0], "kill") == 0 &&
           argv->list[1][0] == '%';
}

// Start it, or do it: the process, or 0 and *status.
static uint32_t
start_words(struct words *argv, const struct words *assigned,
            const struct streams *s, const struct place *place, int *status)
{
    builtin_t *builtin = argv->count > 0 ? find_builtin(argv->list[0]) : NULL;

    if (builtin == NULL && ends_jobs(argv))
        builtin = builtin_kill;

    if (argv->count > 0 && builtin == NULL)
        return start_program(argv, assigned, s, place, status);
    assign(assigned);
    if (builtin != NULL)
        *status = builtin((int)argv->count, argv->list, s);
    return 0;
}

static uint32_t
start_simple(const struct node *n, const struct streams *s,
             const struct place *place, int *status)
{
    struct words argv = {NULL, 0, 0}, assigned = {NULL, 0, 0};
    struct redirected r;
    uint32_t process = 0;

    substituted = false;
    bool expanded = expand_assignments(n->assignments, &assigned) &&
                    expand_words(n->words, &argv);
    *status = substituted ? last_status : 0;
    if (expanded && redirect(&r, s, n->redirects)) {
        process = start_words(&argv, &assigned, &r.s, place, status);
        close_all(&r);
    } else {
        *status = 1;
    }
    words_free(&argv);
    words_free(&assigned);
    return process;
}

// A compound command as a program: in a shell of its own.
static uint32_t
start_subshell(const struct node *n, const struct streams *s,
               const struct place *place, int *status)
{
    struct words argv = {NULL, 0, 0}, none = {NULL, 0, 0};
    char text[TEXT_SIZE] = "";
    uint32_t process = 0;

    words_add(&argv, copy_text("shell"));
    words_add(&argv, copy_text("-c"));
    words_add(&argv, need(strndup(n->text, n->size)));
    words_add(&argv, copy_text(script_name != NULL ? script_name : "shell"));
    for (int i = 1; i < argument_count; i++)
        words_add(&argv, copy_text(arguments[i]));
    int error =
        start_module(shell_path, argv.list, &none, s, place, text, &process);
    if (error != 0) {
        complain(shell_path, text[0] != 0 ? text : strerror(error));
        *status = STATUS_NOT_RUN;
    }
    words_free(&argv);
    return error == 0 ? process : 0;
}

static uint32_t
start_command(const struct node *n, const struct streams *s,
              const struct place *place, int *status)
{
    return n->kind == NODE_SIMPLE ? start_simple(n, s, place, status) :
                                    start_subshell(n, s, place, status);
}

// --- pipelines ---------------------------------------------------------------

struct pipeline {
    uint32_t processes[PIPELINE_MAX];
    size_t count;
    struct place place;
    bool last_runs; // else its status is known:
    int status;
};

// Each reads what the one before writes.
static void
start_pipeline(struct pipeline *p, const struct node *first,
               const struct streams *s)
{
    struct streams each = *s;
    int fds[2];

    for (const struct node *n = first; n != NULL; n = n->next) {
        bool last = n->next == NULL;
        if (!last && pipe(fds) != 0) {
            complain("pipe", strerror(errno));
            p->status = 1;
            last = true;
        }
        each.fds[1] = last ? s->fds[1] : fds[1];
        uint32_t process = start_command(n, &each, &p->place, &p->status);
        p->last_runs = process != 0;
        if (process != 0)
            p->processes[p->count++] = process;
        if (each.fds[0] != s->fds[0])
            close(each.fds[0]);
        if (last)
            break;
        close(fds[1]);
        each.fds[0] = fds[0];
    }
    place_started(&p->place);
}

static void
start_apart(struct pipeline *p, const struct node *n, const struct streams *s)
{
    p->processes[0] = start_subshell(n, s, &p->place, &p->status);
    p->last_runs = p->count = p->processes[0] != 0;
    place_started(&p->place);
}

static void
open_pipeline(struct pipeline *p, const struct node *n)
{
    *p = (struct pipeline){.count = 0};
    place_open(&p->place, n->text, n->size);
}

// All is started: it is a job, or done (NULL).
static struct job *
job_of(struct pipeline *p, const struct node *n)
{
    if (p->count > 0)
        return job_new(n->text, n->size, p->processes, p->count, &p->place);
    place_close(&p->place);
    return NULL;
}

static bool
fits(const struct node *first)
{
    size_t count = 0;

    for (; first != NULL; first = first->next)
        count++;
    if (count > PIPELINE_MAX)
        complain("pipeline", "more than 32 commands");
    return count <= PIPELINE_MAX;
}

static int
run_pipeline(const struct node *n, const struct streams *s)
{
    struct pipeline p;

    if (n->left->next == NULL && n->left->kind != NODE_SIMPLE)
        return run_node(n->left, s);
    if (!fits(n->left))
        return STATUS_NOT_RUN;
    open_pipeline(&p, n);
    start_pipeline(&p, n->left, s);
    struct job *job = job_of(&p, n);
    if (job == NULL)
        return p.status;
    int status = job_wait(job);
    return p.last_runs || status == STATUS_STOPPED ? status : p.status;
}

// Input that has ended, for what runs in the background.
static int
no_input(void)
{
    int fds[2];

    if (pipe(fds) != 0)
        return -1;
    close(fds[1]);
    return fds[0];
}

static bool
is_simple(const struct node *n)
{
    const struct word *first = n->kind == NODE_PIPE ? n->left->words : NULL;

    return first != NULL &&
           (n->left->next != NULL || find_builtin(first->raw) == NULL);
}

static int
run_background(const struct node *n, const struct streams *s)
{
    struct pipeline p;
    struct streams own = *s;
    int input = interactive ? -1 : no_input();

    if (input >= 0)
        own.fds[0] = input;
    open_pipeline(&p, n);
    if (is_simple(n) && fits(n->left))
        start_pipeline(&p, n->left, &own);
    else
        start_apart(&p, n, &own);
    if (input >= 0)
        close(input);
    struct job *job = job_of(&p, n);
    if (job == NULL)
        return p.status;
    job_leave(job);
    return 0;
}

// --- everything else ---------------------------------------------------------

static int
run_for(const struct node *n, const struct streams *s)
{
    struct words values = {NULL, 0, 0};
    int status = 1;

    if (expand_words(n->words->next, &values)) {
        status = 0;
        for (size_t i = 0; i < values.count && !leaving && !was_interrupted();
             i++) {
            variable_set(n->words->raw, values.list[i]);
            status = n->right != NULL ? run_node(n->right, s) : 0;
        }
    }
    words_free(&values);
    return status;
}

static int
run_while(const struct node *n, const struct streams *s)
{
    int status = 0;

    while (!leaving && !was_interrupted() &&
           (n->left == NULL || run_node(n->left, s) == 0))
        if (!leaving && n->right != NULL)
            status = run_node(n->right, s);
    return status;
}

static int
run_if(const struct node *n, const struct streams *s)
{
    bool true_one = n->left == NULL || run_node(n->left, s) == 0;
    const struct node *chosen = true_one ? n->right : n->third;

    return chosen != NULL && !leaving ? run_node(chosen, s) : 0;
}

static int
run_kind(const struct node *n, const struct streams *s)
{
    int status;

    switch (n->kind) {
    case NODE_SIMPLE: // alone it is in a pipeline
    case NODE_PIPE:
        return run_pipeline(n, s);
    case NODE_NOT:
        return run_node(n->left, s) == 0;
    case NODE_AND:
        status = run_node(n->left, s);
        return status == 0 && !leaving ? run_node(n->right, s) : status;
    case NODE_OR:
        status = run_node(n->left, s);
        return status != 0 && !leaving ? run_node(n->right, s) : status;
    case NODE_SEQUENCE:
        status = run_node(n->left, s);
        return leaving || was_interrupted() ? status : run_node(n->right, s);
    case NODE_BACKGROUND:
        return run_background(n->left, s);
    case NODE_IF:
        return run_if(n, s);
    case NODE_WHILE:
        return run_while(n, s);
    case NODE_FOR:
        return run_for(n, s);
    }
    return 0;
}

static int
run_node(const struct node *n, const struct streams *s)
{
    int status = run_kind(n, s);

    if (!leaving)
        last_status = status;
    return last_status;
}

static struct streams streams = {
    {0, 1, 2}
};

int
run(const struct node *tree)
{
    fflush(stdout);
    return run_node(tree, &streams);
}

int
run_text(const char *text)
{
    static int depth;
    struct node *tree;
    const char *why;
    int status = 0;

    if (depth++ == RUN_DEPTH) {
        complain("commands", "too deep");
        depth--;
        return STATUS_NOT_RUN;
    }
    switch (parse(text, &tree, &why)) {
    case PARSED:
        status = run(tree);
        parse_free(tree);
        break;
    case PARSED_EMPTY:
        break;
    default:
        complain("syntax", why);
        status = STATUS_MISUSE;
    }
    depth--;
    return status;
}

// --- commands whose output is a word -----------------------------------------

// Read what a pipeline prints while it runs.
static int
capture(const struct node *n, struct text *out)
{
    struct pipeline p;
    struct streams own = streams;
    char bytes[4096];
    ssize_t size;
    int fds[2];

    if (pipe(fds) != 0) {
        complain("pipe", strerror(errno));
        return 1;
    }
    own.fds[1] = fds[1];
    open_pipeline(&p, n);
    if (n->kind == NODE_PIPE && fits(n->left))
        start_pipeline(&p, n->left, &own);
    else
        start_apart(&p, n, &own);
    close(fds[1]);
    while ((size = read(fds[0], bytes, sizeof(bytes))) > 0)
        text_add(out, bytes, size);
    close(fds[0]);
    struct job *job = job_of(&p, n);
    if (job == NULL)
        return p.status;
    int status = job_wait(job);
    return p.last_runs ? status : p.status;
}

int
run_captured(const char *text, struct text *out)
{
    struct node *tree;
    const char *why;
    int status = 0;

    switch (parse(text, &tree, &why)) {
    case PARSED:
        status = capture(tree, out);
        parse_free(tree);
        return status;
    case PARSED_EMPTY:
        return 0;
    default:
        complain("syntax", why);
        return STATUS_MISUSE;
    }
}
