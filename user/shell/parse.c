// user/shell/parse.c: from text to a tree of commands.  Words keep their quotes
// and dollars; expand.c takes them off when the command runs.
//
//     list:     chain { (; | & | newline) chain }
//     chain:    pipeline { (&& | ||) pipeline }
//     pipeline: [!] command { | command }
//     command:  { K=V } { word | redirect }
//               if list then list { elif list then list } [ else list ] fi
//               while list do list done
//               for NAME in { word } ; do list done

#include "shell.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 100 };

enum token {
    TOKEN_END,
    TOKEN_NEWLINE,
    TOKEN_WORD,
    TOKEN_SEMICOLON,
    TOKEN_AND, // &
    TOKEN_AND_AND,
    TOKEN_OR, // |
    TOKEN_OR_OR,
    TOKEN_REDIRECT,
};

// Everything that a tree is made of, to free it at once.
struct block {
    struct block *next;
};

struct parser {
    const char *text, *at;
    enum token token;
    const char *start; // of the token
    const char *word;
    struct redirect redirect; // without its target
    enum parsed status;
    const char *why;
    int depth;
    struct block *blocks;
};

// The first block of a tree is this.
struct root {
    struct node node;
    struct block *blocks;
};

static void *
allocate(struct parser *p, size_t size)
{
    struct block *block = need(calloc(1, sizeof(*block) + size));

    block->next = p->blocks;
    p->blocks = block;
    return block + 1;
}

static void
free_blocks(struct block *block)
{
    while (block != NULL) {
        struct block *next = block->next;
        free(block);
        block = next;
    }
}

static void
stop(struct parser *p, enum parsed status, const char *why)
{
    if (p->status != PARSED)
        return;
    p->status = status;
    p->why = why;
    p->token = TOKEN_END;
}

// --- words -------------------------------------------------------------------

static const char *skip_part(struct parser *p, const char *at);

// Behind the `end` that closes what begins at `at`.
static const char *
skip_to(struct parser *p, const char *at, char end)
{
    if (p->depth++ > DEPTH_MAX)
        stop(p, PARSED_WRONG, "quotes or parentheses are too deep");
    while (p->status == PARSED && *at != end && *at != 0) {
        if (end == '"' && (*at == '\'' || isspace((unsigned char)*at)))
            at++;
        else
            at = skip_part(p, at);
    }
    if (p->status == PARSED && *at == 0)
        stop(p, PARSED_INCOMPLETE, "a quote or parenthesis is not closed");
    p->depth--;
    return p->status == PARSED ? at + 1 : at;
}

// Behind a character, with what it quotes.
static const char *
skip_part(struct parser *p, const char *at)
{
    if (at[0] == '\\' && (at[1] == 0 || (at[1] == '\n' && at[2] == 0)))
        stop(p, PARSED_INCOMPLETE, "the last line ends in a backslash");
    if (*at == '\\')
        return at[1] != 0 ? at + 2 : at + 1;
    if (*at == '\'') {
        const char *end = strchr(at + 1, '\'');
        if (end != NULL)
            return end + 1;
        stop(p, PARSED_INCOMPLETE, "a quote is not closed");
        return at;
    }
    if (*at == '"')
        return skip_to(p, at + 1, '"');
    if (at[0] == '$' && at[1] == '(')
        return skip_to(p, at + 2, ')');
    if (at[0] == '$' && at[1] == '{')
        return skip_to(p, at + 2, '}');
    return at + 1;
}

static bool
ends_word(char c)
{
    return c == 0 || strchr(" \t\n;&|<>()", c) != NULL;
}

static void
read_word(struct parser *p)
{
    const char *start = p->at;

    while (p->status == PARSED && !ends_word(*p->at))
        p->at = skip_part(p, p->at);
    if (p->at == start)
        stop(p, PARSED_WRONG, "parentheses have no meaning here");
    if (p->status != PARSED)
        return;
    size_t size = p->at - start;
    char *word = allocate(p, size + 1);
    memcpy(word, start, size);
    p->token = TOKEN_WORD;
    p->word = word;
}

// --- tokens ------------------------------------------------------------------

// N>, N>>, N>&M, N<; false: it is none.
static bool
read_redirect(struct parser *p)
{
    const char *at = p->at;
    int fd = -1;

    if (isdigit((unsigned char)at[0]) && (at[1] == '<' || at[1] == '>'))
        fd = *at++ - '0';
    if (*at != '<' && *at != '>')
        return false;
    p->redirect = (struct redirect){.fd = fd >= 0 ? fd : *at == '>'};
    if (fd > 2)
        stop(p, PARSED_WRONG, "only descriptors 0, 1 and 2 are redirected");
    if (at[0] == '>' && at[1] == '>')
        p->redirect.kind = REDIRECT_APPEND, at++;
    else if (at[1] == '&')
        p->redirect.kind = REDIRECT_COPY, at++;
    else
        p->redirect.kind = *at == '<' ? REDIRECT_IN : REDIRECT_OUT;
    p->at = at + 1;
    p->token = p->status == PARSED ? TOKEN_REDIRECT : TOKEN_END;
    return true;
}

static void
skip_blanks(struct parser *p)
{
    for (;;) {
        if (*p->at == ' ' || *p->at == '\t')
            p->at++;
        else if (p->at[0] == '\\' && p->at[1] == '\n' && p->at[2] != 0)
            p->at += 2;
        else
            break;
    }
    if (*p->at == '#')
        p->at += strcspn(p->at, "\n");
}

static void
next_token(struct parser *p)
{
    static const struct {
        const char *text;
        enum token token;
    } operators[] = {
        {"&&", TOKEN_AND_AND  },
        {"||", TOKEN_OR_OR    },
        {"&",  TOKEN_AND      },
        {"|",  TOKEN_OR       },
        {";",  TOKEN_SEMICOLON},
        {"\n", TOKEN_NEWLINE  },
    };

    if (p->status != PARSED)
        return;
    skip_blanks(p);
    p->start = p->at;
    p->token = TOKEN_END;
    if (*p->at == 0 || read_redirect(p))
        return;
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
        size_t size = strlen(operators[i].text);
        if (strncmp(p->at, operators[i].text, size) == 0) {
            p->at += size;
            p->token = operators[i].token;
            return;
        }
    }
    read_word(p);
}

static bool
is_word(const struct parser *p, const char *word)
{
    return p->token == TOKEN_WORD && strcmp(p->word, word) == 0;
}

static void
skip_newlines(struct parser *p)
{
    while (p->token == TOKEN_NEWLINE)
        next_token(p);
}

// --- commands ----------------------------------------------------------------

static struct node *parse_list(struct parser *p);

static struct node *
new_node(struct parser *p, enum node_kind kind, const char *text)
{
    struct node *n = allocate(p, sizeof(*n));

    n->kind = kind;
    n->text = text;
    return n;
}

// The text of n ends where the next token begins.
static void
end_node(struct parser *p, struct node *n)
{
    n->size = p->start - n->text;
    while (n->size > 0 && isspace((unsigned char)n->text[n->size - 1]))
        n->size--;
}

static struct word **
add_word(struct parser *p, struct word **end)
{
    *end = allocate(p, sizeof(**end));
    (*end)->raw = p->word;
    return &(*end)->next;
}

static bool
is_assignment(const char *raw)
{
    const char *sign = strchr(raw, '=');

    return sign != NULL && is_name(raw, sign - raw);
}

static struct redirect **
parse_redirect(struct parser *p, struct redirect **end)
{
    struct redirect *r = allocate(p, sizeof(*r));

    *r = p->redirect;
    next_token(p);
    if (p->token == TOKEN_WORD)
        r->target = p->word;
    else
        stop(p, PARSED_WRONG, "a redirection leads nowhere");
    *end = r;
    return &r->next;
}

static struct node *
parse_simple(struct parser *p)
{
    struct node *n = new_node(p, NODE_SIMPLE, p->start);
    struct word **assignment = &n->assignments, **word = &n->words;
    struct redirect **redirect = &n->redirects;

    while (p->token == TOKEN_WORD || p->token == TOKEN_REDIRECT) {
        if (p->token == TOKEN_REDIRECT)
            redirect = parse_redirect(p, redirect);
        else if (n->words == NULL && is_assignment(p->word))
            assignment = add_word(p, assignment);
        else
            word = add_word(p, word);
        next_token(p);
    }
    if (p->start == n->text)
        stop(p, PARSED_WRONG, "a command is missing");
    return n;
}

// The word that has to come now.
static void
expect(struct parser *p, const char *word)
{
    if (is_word(p, word))
        next_token(p);
    else if (p->token == TOKEN_END)
        stop(p, PARSED_INCOMPLETE, "a command is not ended");
    else
        stop(p, PARSED_WRONG, "then, do, fi or done is missing");
}

static struct node *
parse_if(struct parser *p)
{
    struct node *n = new_node(p, NODE_IF, p->start);

    next_token(p);
    n->left = parse_list(p);
    expect(p, "then");
    n->right = parse_list(p);
    if (p->depth < DEPTH_MAX && is_word(p, "elif")) {
        p->depth++;
        n->third = parse_if(p); // takes the fi
        p->depth--;
        return n;
    }
    if (is_word(p, "else")) {
        next_token(p);
        n->third = parse_list(p);
    }
    expect(p, "fi");
    return n;
}

static void
parse_body(struct parser *p, struct node *n)
{
    expect(p, "do");
    n->right = parse_list(p);
    expect(p, "done");
}

static struct node *
parse_while(struct parser *p)
{
    struct node *n = new_node(p, NODE_WHILE, p->start);

    next_token(p);
    n->left = parse_list(p);
    parse_body(p, n);
    return n;
}

static struct node *
parse_for(struct parser *p)
{
    struct node *n = new_node(p, NODE_FOR, p->start);
    struct word **end = &n->words;

    next_token(p);
    if (p->token == TOKEN_WORD && is_name(p->word, strlen(p->word)))
        end = add_word(p, end);
    else
        stop(p, PARSED_WRONG, "for needs a name");
    next_token(p);
    expect(p, "in");
    for (; p->token == TOKEN_WORD; next_token(p))
        end = add_word(p, end);
    if (p->token == TOKEN_SEMICOLON)
        next_token(p);
    skip_newlines(p);
    parse_body(p, n);
    return n;
}

static struct node *
parse_command(struct parser *p)
{
    struct node *n = is_word(p, "if")    ? parse_if(p) :
                     is_word(p, "while") ? parse_while(p) :
                     is_word(p, "for")   ? parse_for(p) :
                                           parse_simple(p);

    end_node(p, n);
    return n;
}

static struct node *
parse_pipeline(struct parser *p)
{
    struct node *n = new_node(p, NODE_PIPE, p->start), *not = NULL;

    if (is_word(p, "!")) {
        not = new_node(p, NODE_NOT, p->start);
        next_token(p);
    }
    struct node **end = &n->left;
    for (;;) {
        *end = parse_command(p);
        end = &(*end)->next;
        if (p->token != TOKEN_OR)
            break;
        next_token(p);
        skip_newlines(p);
        if (p->token == TOKEN_END)
            stop(p, PARSED_INCOMPLETE, "a pipeline has no end");
    }
    end_node(p, n);
    if (not == NULL)
        return n;
    not ->left = n;
    end_node(p, not );
    return not ;
}

static struct node *
parse_chain(struct parser *p)
{
    struct node *n = parse_pipeline(p);

    while (p->token == TOKEN_AND_AND || p->token == TOKEN_OR_OR) {
        enum node_kind kind = p->token == TOKEN_AND_AND ? NODE_AND : NODE_OR;
        struct node *both = new_node(p, kind, n->text);
        next_token(p);
        skip_newlines(p);
        if (p->token == TOKEN_END)
            stop(p, PARSED_INCOMPLETE, "nothing follows && or ||");
        both->left = n;
        both->right = parse_pipeline(p);
        end_node(p, both);
        n = both;
    }
    return n;
}

static bool
ends_list(const struct parser *p)
{
    return p->token == TOKEN_END || is_word(p, "then") || is_word(p, "elif") ||
           is_word(p, "else") || is_word(p, "fi") || is_word(p, "do") ||
           is_word(p, "done");
}

// Up to a word that ends it; NULL: it is empty.
static struct node *
parse_list(struct parser *p)
{
    struct node *all = NULL, *n;

    if (p->depth++ > DEPTH_MAX)
        stop(p, PARSED_WRONG, "commands are too deep");
    skip_newlines(p);
    while (!ends_list(p)) {
        n = parse_chain(p);
        if (p->token == TOKEN_AND) {
            struct node *back = new_node(p, NODE_BACKGROUND, n->text);
            end_node(p, back);
            back->left = n;
            n = back;
        }
        if (all != NULL) {
            struct node *both = new_node(p, NODE_SEQUENCE, all->text);
            both->left = all;
            both->right = n;
            end_node(p, both);
            n = both;
        }
        all = n;
        if (p->token == TOKEN_AND || p->token == TOKEN_SEMICOLON)
            next_token(p);
        else if (p->token != TOKEN_NEWLINE)
            break;
        skip_newlines(p);
    }
    p->depth--;
    return all;
}

enum parsed
parse(const char *text, struct node **out, const char **why)
{
    struct parser p = {.text = text, .at = text, .status = PARSED};

    next_token(&p);
    struct node *tree = parse_list(&p);
    if (p.status == PARSED && p.token != TOKEN_END)
        stop(&p, PARSED_WRONG, "unexpected word");
    if (p.status == PARSED && tree != NULL) {
        struct root *root = need(calloc(1, sizeof(*root)));
        root->node = *tree;
        root->blocks = p.blocks;
        *out = &root->node;
        return PARSED;
    }
    free_blocks(p.blocks);
    *why = p.why;
    return p.status == PARSED ? PARSED_EMPTY : p.status;
}

void
parse_free(struct node *tree)
{
    struct root *root = (struct root *)tree;

    free_blocks(root->blocks);
    free(root);
}
