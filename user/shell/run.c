// user/shell/run.c: running trees of commands.

#include "run.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>

enum { RUN_DEPTH = 64, NODE_DEPTH = 1000 };

bool leaving;
enum unwind unwinding;
int unwind_loops, loop_depth, function_depth, tested_depth;
struct streams shell_streams = {
    {0, 1, 2}
};

void
leave_on_error(void)
{
    leaving = !interactive;
    last_status = 1;
}

bool
stops(void)
{
    return leaving || unwinding != UNWIND_NOT || was_interrupted();
}

// --- loops -------------------------------------------------------------------

static int
run_tested(const struct node *n, struct streams *s)
{
    tested_depth++;
    int status = n != NULL ? run_node(n, s) : 0;
    tested_depth--;
    return status;
}

// The body of a loop; false: the loop ends.
static bool
run_body(const struct node *n, struct streams *s, int *status)
{
    loop_depth++;
    if (n->right != NULL)
        *status = run_node(n->right, s);
    loop_depth--;
    if (unwinding != UNWIND_BREAK && unwinding != UNWIND_CONTINUE)
        return !stops();
    if (--unwind_loops > 0)
        return false;
    bool goes_on = unwinding == UNWIND_CONTINUE;
    unwinding = UNWIND_NOT;
    return goes_on && !stops();
}

static int
run_for(const struct node *n, struct streams *s)
{
    struct words values = {NULL, 0, 0};
    int status = 1;

    if (expand_words(n->words->next, &values)) {
        status = 0;
        for (size_t i = 0; i < values.count && !stops(); i++) {
            variable_set(n->words->raw, values.list[i]);
            if (!run_body(n, s, &status))
                break;
        }
    }
    words_free(&values);
    return status;
}

static int
run_while(const struct node *n, struct streams *s)
{
    int status = 0;

    for (;;) {
        loop_depth++; // `break` may be in the condition, too
        bool holds = run_tested(n->left, s) == 0;
        loop_depth--;
        if (stops() || holds == (n->kind == NODE_UNTIL))
            break;
        if (!run_body(n, s, &status))
            return status;
    }
    if (unwinding == UNWIND_BREAK || unwinding == UNWIND_CONTINUE)
        if (--unwind_loops <= 0)
            unwinding = UNWIND_NOT;
    return status;
}

// --- everything else ---------------------------------------------------------

static int
run_if(const struct node *n, struct streams *s)
{
    bool true_one = run_tested(n->left, s) == 0;
    const struct node *chosen = true_one ? n->right : n->third;

    return chosen != NULL && !stops() ? run_node(chosen, s) : 0;
}

static bool
matches(const struct item *item, const char *word)
{
    bool found = false;

    for (const struct word *w = item->patterns; w != NULL && !found;
         w = w->next) {
        char *pattern = expand_pattern(w->raw);
        found = pattern != NULL && fnmatch(pattern, word, 0) == 0;
        free(pattern);
    }
    return found;
}

static int
run_case(const struct node *n, struct streams *s)
{
    char *word = expand_string(n->words->raw);
    const struct item *item = n->items;

    if (word == NULL)
        return 1;
    while (item != NULL && !matches(item, word))
        item = item->next;
    free(word);
    return item != NULL && item->body != NULL && !stops() ?
               run_node(item->body, s) :
               0;
}

static bool
is_list(const struct node *n)
{
    return n->kind == NODE_SEQUENCE || n->kind == NODE_AND ||
           n->kind == NODE_OR;
}

// What is left of && or || may fail.
static int
run_part(const struct node *n, const struct node *in, struct streams *s)
{
    bool tested = in != NULL && in->kind != NODE_SEQUENCE;

    return tested ? run_tested(n, s) : run_node(n, s);
}

// A list grows to the left: a command for each of its nodes, and one more.
// However long it is, that takes no stack.
static int
run_list(const struct node *n, struct streams *s)
{
    const struct node *first = n, **nodes;
    size_t count = 0;

    for (; is_list(first); first = first->left)
        count++;
    nodes = need(malloc(count * sizeof(nodes[0])));
    for (size_t i = 0; i < count; i++, n = n->left)
        nodes[i] = n;
    int status = run_part(first, nodes[count - 1], s);
    for (size_t i = count; i-- > 0 && !stops();) {
        const struct node *m = nodes[i];
        if (m->kind == NODE_SEQUENCE || (status == 0) == (m->kind == NODE_AND))
            status = run_part(m->right, i > 0 ? nodes[i - 1] : NULL, s);
    }
    free(nodes);
    return status;
}

static int
run_kind(const struct node *n, struct streams *s)
{
    switch (n->kind) {
    case NODE_SIMPLE:   // alone it is in a pipeline
    case NODE_SUBSHELL: // and this
    case NODE_PIPE:
        return run_pipeline(n, s);
    case NODE_NOT:
        return run_tested(n->left, s) == 0;
    case NODE_AND:
    case NODE_OR:
    case NODE_SEQUENCE:
        return run_list(n, s);
    case NODE_BACKGROUND:
        return run_background(n->left, s);
    case NODE_IF:
        return run_if(n, s);
    case NODE_WHILE:
    case NODE_UNTIL:
        return run_while(n, s);
    case NODE_FOR:
        return run_for(n, s);
    case NODE_CASE:
        return run_case(n, s);
    case NODE_GROUP:
        return n->left != NULL ? run_node(n->left, s) : 0;
    case NODE_FUNCTION:
        function_define(n->words->raw, n->left);
        return 0;
    }
    return 0;
}

static int
run_redirected(const struct node *n, struct streams *s)
{
    struct redirected r;

    if (n->redirects == NULL)
        return run_kind(n, s);
    if (!redirect(&r, s, n->redirects))
        return 1;
    int status = run_kind(n, &r.s);
    redirect_close(&r);
    return status;
}

int
run_node(const struct node *n, struct streams *s)
{
    static int depth;
    int status = STATUS_NOT_RUN;

    if (depth++ < NODE_DEPTH)
        status = run_redirected(n, s);
    else
        complain("commands", "too deep");
    depth--;
    if (!leaving)
        last_status = status;
    return last_status;
}

int
run(const struct node *tree)
{
    fflush(stdout);
    return run_node(tree, &shell_streams);
}

// Text, parsed in this way.
static int
run_parsed(const char *text, const struct streams *s,
           enum parsed (*parsed)(const char *, struct node **, const char **))
{
    static int depth;
    struct streams own = s != NULL ? *s : shell_streams;
    struct node *tree;
    const char *why;
    int status = 0;

    if (depth++ == RUN_DEPTH) {
        complain("commands", "too deep");
        depth--;
        return STATUS_NOT_RUN;
    }
    switch (parsed(text, &tree, &why)) {
    case PARSED:
        status = run_node(tree, s != NULL ? &own : &shell_streams);
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

int
run_text(const char *text, const struct streams *s)
{
    return run_parsed(text, s, parse);
}

int
run_again(const char *text)
{
    return run_parsed(text, NULL, parse_again);
}
