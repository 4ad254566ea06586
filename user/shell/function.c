// user/shell/function.c: functions.  Each keeps its text, and the tree of that,
// as long as it runs.

#include "run.h"

#include <stdlib.h>
#include <string.h>

enum { DEPTH = 64 };

struct function {
    struct function *next;
    char *name, *text;
    struct node *tree;
    int uses; // it runs, and that it is defined
};

static struct function *functions;

static void
let_go(struct function *f)
{
    if (--f->uses > 0)
        return;
    parse_free(f->tree);
    free(f->name);
    free(f->text);
    free(f);
}

void
function_unset(const char *name)
{
    for (struct function **at = &functions; *at != NULL; at = &(*at)->next) {
        struct function *f = *at;
        if (strcmp(f->name, name) != 0)
            continue;
        *at = f->next;
        let_go(f);
        return;
    }
}

void
function_define(const char *name, const struct node *body)
{
    struct function *f = need(calloc(1, sizeof(*f)));
    const char *why;

    f->text = node_text(body);
    if (parse_again(f->text, &f->tree, &why) != PARSED) {
        complain(name, why); // it was parsed before
        free(f->text);
        free(f);
        return;
    }
    function_unset(name);
    f->name = copy_text(name);
    f->uses = 1;
    f->next = functions;
    functions = f;
}

struct function *
function_find(const char *name)
{
    struct function *f = functions;

    while (f != NULL && strcmp(f->name, name) != 0)
        f = f->next;
    return f;
}

// --- arguments ---------------------------------------------------------------

static void *block; // what `arguments` are in; NULL: main()'s

void
arguments_set(char *const *words, size_t count)
{
    const char *zero = argument_count > 0 ? arguments[0] : "shell";
    size_t size = strlen(zero) + 1;

    for (size_t i = 0; i < count; i++)
        size += strlen(words[i]) + 1;
    char **list = need(malloc((count + 2) * sizeof(char *) + size));
    char *at = (char *)(list + count + 2);
    for (size_t i = 0; i <= count; i++) {
        list[i] = at;
        at = stpcpy(at, i == 0 ? zero : words[i - 1]) + 1;
    }
    list[count + 1] = NULL;
    free(block);
    block = list;
    arguments = list;
    argument_count = (int)count + 1;
}

// --- calls -------------------------------------------------------------------

static int
run_with(struct function *f, const struct words *argv, struct streams *s)
{
    char **before = arguments;
    int before_count = argument_count, loops = loop_depth;
    void *before_block = block;

    block = NULL;
    arguments_set(argv->list + 1, argv->count - 1);
    loop_depth = 0;
    function_depth++;
    f->uses++;
    int status = run_node(f->tree, s);
    let_go(f);
    function_depth--;
    loop_depth = loops;
    free(block);
    block = before_block;
    arguments = before;
    argument_count = before_count;
    if (unwinding == UNWIND_RETURN)
        unwinding = UNWIND_NOT;
    return status;
}

int
function_run(struct function *f, const struct words *argv, struct streams *s)
{
    if (function_depth == DEPTH) {
        complain(f->name, "functions call each other too deep");
        leave_on_error();
        return STATUS_NOT_RUN;
    }
    size_t locals = variables_mark();
    int status = run_with(f, argv, s);
    variables_restore(locals);
    return status;
}

void
functions_put(struct text *t)
{
    for (const struct function *f = functions; f != NULL; f = f->next) {
        text_put(t, f->name);
        text_put(t, "() ");
        text_put(t, f->text);
        text_put(t, "\n");
    }
}
