// user/shell/simple.c: simple commands: words that are a function's, a
// builtin's or a program's.

#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool takes_place;

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

// `stay`: also behind the command.
static void
assign(const struct words *assigned, bool stay)
{
    for (size_t i = 0; i < assigned->count; i++) {
        char *sign = strchr(assigned->list[i], '=');
        *sign = 0;
        if (!stay) {
            variable_local(assigned->list[i]);
            variable_export(assigned->list[i]);
        }
        variable_set(assigned->list[i], sign + 1);
        *sign = '=';
    }
}

// `kill %1` is ours, all other is the program's.
static const struct builtin *
builtin_for(const struct words *argv)
{
    static const struct builtin jobs_kill = {"kill", builtin_kill,
                                             BUILTIN_PLAIN};

    if (argv->count > 1 && strcmp(argv->list[0], "kill") == 0 &&
        argv->list[1][0] == '%')
        return &jobs_kill;
    return find_builtin(argv->list[0]);
}

static void
drop_first(struct words *argv)
{
    free(argv->list[0]);
    argv->count--;
    memmove(argv->list, argv->list + 1, (argv->count + 1) * sizeof(char *));
}

// The words as they are, by another shell.
static uint32_t
start_words_apart(const struct words *argv, const struct words *assigned,
                  const struct streams *s, const struct place *place,
                  int *status)
{
    struct text t = {NULL, 0, 0};

    for (size_t i = 0; i < argv->count; i++) {
        text_quote(&t, argv->list[i]);
        text_char(&t, ' ');
    }
    uint32_t process = start_shell(text_get(&t), assigned, s, place, status);
    free(t.at);
    return process;
}

static int
run_here(struct function *f, const struct builtin *b, const struct words *argv,
         const struct words *assigned, struct streams *s)
{
    size_t mark = variables_mark();
    bool special = b != NULL && b->kind == BUILTIN_SPECIAL;

    // `local` adds to what its function restores.
    assign(assigned, special);
    int status = f != NULL ? function_run(f, argv, s) :
                             b->run((int)argv->count, argv->list, s);
    if (!special && assigned->count > 0)
        variables_restore(mark);
    return status;
}

// Start it, or do it: the process, or 0 and *status.
static uint32_t
start_words(struct words *argv, const struct words *assigned, struct streams *s,
            const struct place *place, bool apart, int *status)
{
    bool plain = false; // no function
    struct function *f = NULL;

    while (argv->count > 1 && strcmp(argv->list[0], "command") == 0 &&
           argv->list[1][0] != '-') {
        drop_first(argv);
        plain = true;
    }
    if (argv->count > 1 && strcmp(argv->list[0], "exec") == 0 && !apart) {
        drop_first(argv);
        takes_place = true;
        return start_program(argv, assigned, s, place, status);
    }
    if (!plain)
        f = function_find(argv->list[0]);
    const struct builtin *b = f == NULL ? builtin_for(argv) : NULL;
    if (f == NULL && b == NULL)
        return start_program(argv, assigned, s, place, status);
    if (apart && (f != NULL || b->kind != BUILTIN_PRINTS))
        return start_words_apart(argv, assigned, s, place, status);
    *status = run_here(f, b, argv, assigned, s);
    return 0;
}

// -x: what is run, when all is known of it.
static void
trace(const struct words *assigned, const struct words *argv)
{
    struct text t = {NULL, 0, 0};

    if (!option(OPTION_TRACE))
        return;
    text_char(&t, '+');
    for (size_t i = 0; i < assigned->count + argv->count; i++) {
        text_char(&t, ' ');
        text_put(&t, i < assigned->count ? assigned->list[i] :
                                           argv->list[i - assigned->count]);
    }
    dprintf(message_fd, "%s\n", text_get(&t));
    free(t.at);
}

// exec without a program: its redirections are the shell's from now on.
static bool
keeps_streams(const struct words *argv, bool apart)
{
    return argv->count == 1 && !apart && strcmp(argv->list[0], "exec") == 0;
}

static uint32_t
start_expanded(const struct node *n, struct words *argv,
               const struct words *assigned, struct streams *s,
               const struct place *place, bool apart, int *status)
{
    struct redirected r;
    uint32_t process = 0;

    trace(assigned, argv);
    if (!redirect(&r, s, n->redirects)) {
        *status = 1;
        return 0;
    }
    message_fd = r.s.fds[2];
    if (argv->count == 0)
        assign(assigned, true);
    else if (keeps_streams(argv, apart))
        *s = r.s, r.count = 0;
    else
        process = start_words(argv, assigned, &r.s, place, apart, status);
    redirect_close(&r);
    return process;
}

// apart: nothing that it does changes this shell.
static uint32_t
start_simple(const struct node *n, struct streams *s, const struct place *place,
             bool apart, int *status)
{
    struct words argv = {NULL, 0, 0}, assigned = {NULL, 0, 0};
    uint32_t process = 0;
    int before = message_fd;

    message_fd = s->fds[2];
    substituted = false;
    if (expand_words(n->words, &argv) &&
        expand_assignments(n->assignments, &assigned)) {
        *status = substituted ? last_status : 0;
        process = start_expanded(n, &argv, &assigned, s, place, apart, status);
    } else {
        *status = 1;
    }
    message_fd = before;
    words_free(&argv);
    words_free(&assigned);
    return process;
}

// A compound command as a program: in a shell of its own.
uint32_t
start_apart(const struct node *n, const struct streams *s,
            const struct place *place, int *status)
{
    bool subshell = n->kind == NODE_SUBSHELL;
    const struct words none = {NULL, 0, 0};
    struct redirected r;
    uint32_t process = 0;

    // Redirections of others are part of the text.
    if (!redirect(&r, s, subshell ? n->redirects : NULL)) {
        *status = 1;
        return 0;
    }
    char *text = node_text(subshell ? n->left : n);
    process = start_shell(text, &none, &r.s, place, status);
    free(text);
    redirect_close(&r);
    return process;
}

uint32_t
start_command(const struct node *n, struct streams *s,
              const struct place *place, bool apart, int *status)
{
    return n->kind == NODE_SIMPLE ? start_simple(n, s, place, apart, status) :
                                    start_apart(n, s, place, status);
}
