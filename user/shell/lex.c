// user/shell/lex.c: from text to words and operators.  A word keeps its quotes
// and dollars, whose ends are found here as well: in $(...) by reading the
// commands.  The lines of a here-document are taken with the newline that they
// come after.

#include "parse.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

void *
parser_allocate(struct parser *p, size_t size)
{
    struct block *block = need(calloc(1, sizeof(*block) + size));

    block->next = p->blocks;
    p->blocks = block;
    return block + 1;
}

void
parser_stop(struct parser *p, enum parsed status, const char *why)
{
    if (p->status != PARSED)
        return;
    p->status = status;
    p->why = why;
    p->token = TOKEN_END;
}

bool
parser_enter(struct parser *p)
{
    if (p->depth++ > DEPTH_MAX)
        parser_stop(p, PARSED_WRONG, "commands or quotes are too deep");
    return p->status == PARSED;
}

static char *
copy_part(struct parser *p, const char *start, const char *end)
{
    char *copy = parser_allocate(p, (size_t)(end - start) + 1);

    memcpy(copy, start, (size_t)(end - start));
    return copy;
}

// --- words -------------------------------------------------------------------

static const char *skip_part(struct parser *p, const char *at);

static const char not_closed[] = "a quote or parenthesis is not closed";

// Behind the `end` that closes what begins at `at`.
static const char *
skip_to(struct parser *p, const char *at, char end)
{
    parser_enter(p);
    while (p->status == PARSED && *at != end && *at != 0) {
        if (end == '"' && *at == '\'')
            at++;
        else
            at = skip_part(p, at);
    }
    if (p->status == PARSED && *at == 0)
        parser_stop(p, PARSED_INCOMPLETE, not_closed);
    p->depth--;
    return p->status == PARSED ? at + 1 : at;
}

// Behind $((...)), at the first operand.
static const char *
skip_arithmetic(struct parser *p, const char *at)
{
    int depth = 2;

    parser_enter(p);
    while (p->status == PARSED && *at != 0 && depth > 0) {
        depth += (*at == '(') - (*at == ')');
        at = *at == '(' || *at == ')' ? at + 1 : skip_part(p, at);
    }
    if (p->status == PARSED && depth > 0)
        parser_stop(p, PARSED_INCOMPLETE, not_closed);
    p->depth--;
    return at;
}

// Behind the parenthesis that closes the commands at `at`.
static const char *
skip_commands(struct parser *p, const char *at)
{
    struct parser inner = {.at = at,
                           .status = PARSED,
                           .depth = p->depth + 1,
                           .splices = p->splices};

    if (parser_enter(p))
        parse_inner(&inner);
    p->depth--;
    for (struct block *next; inner.blocks != NULL; inner.blocks = next) {
        next = inner.blocks->next;
        free(inner.blocks);
    }
    if (inner.status != PARSED && p->status == PARSED)
        p->aliased = inner.aliased;
    if (inner.status != PARSED)
        parser_stop(p, inner.status, inner.why);
    return inner.at;
}

static const char *
skip_single(struct parser *p, const char *at, char quote)
{
    while (*at != quote && *at != 0)
        at += quote == '`' && at[0] == '\\' && at[1] != 0 ? 2 : 1;
    if (*at == 0)
        parser_stop(p, PARSED_INCOMPLETE, not_closed);
    return *at == 0 ? at : at + 1;
}

// Behind a character, with what it quotes.
static const char *
skip_part(struct parser *p, const char *at)
{
    if (at[0] == '\\' && (at[1] == 0 || (at[1] == '\n' && at[2] == 0)))
        parser_stop(p, PARSED_INCOMPLETE, "the last line ends in a backslash");
    if (*at == '\\')
        return at[1] != 0 ? at + 2 : at + 1;
    if (*at == '\'' || *at == '`')
        return skip_single(p, at + 1, *at);
    if (*at == '"')
        return skip_to(p, at + 1, '"');
    if (strncmp(at, "$((", 3) == 0)
        return skip_arithmetic(p, at + 3);
    if (at[0] == '$' && at[1] == '(')
        return skip_commands(p, at + 2);
    if (at[0] == '$' && at[1] == '{')
        return skip_to(p, at + 2, '}');
    return at + 1;
}

const char *
end_of_dollar(const char *dollar)
{
    struct parser p = {.status = PARSED};

    return skip_part(&p, dollar);
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
    if (p->status != PARSED)
        return;
    p->token = TOKEN_WORD;
    p->word = copy_part(p, start, p->at);
}

// --- here-documents ----------------------------------------------------------

// The line that ends it, without the word's quotes.
static char *
without_quotes(struct parser *p, const char *word)
{
    char *plain = parser_allocate(p, strlen(word) + 1), *to = plain;

    for (; *word != 0; word++) {
        if (*word == '\'' || *word == '"')
            continue;
        if (*word == '\\' && word[1] != 0)
            word++;
        *to++ = *word;
    }
    return plain;
}

void
add_here(struct parser *p, struct redirect *r, bool strips)
{
    struct here *here = parser_allocate(p, sizeof(*here));

    here->from = p->start;
    here->redirect = r;
    here->end = without_quotes(p, p->word);
    here->strips = strips;
    r->literal = strpbrk(p->word, "'\"\\") != NULL;
    p->last->next = here;
    p->last = here;
    if (p->unread == NULL)
        p->unread = here;
}

// Its lines, from `at`; behind the last one.
static const char *
read_here(struct parser *p, struct here *here, const char *at)
{
    struct text body = {NULL, 0, 0};

    here->lines = at;
    for (;;) {
        const char *start = at, *end = strchr(at, '\n');
        if (*at == 0) {
            parser_stop(p, PARSED_INCOMPLETE, "a here-document is not ended");
            break;
        }
        while (here->strips && *start == '\t')
            start++;
        if (end == NULL)
            end = start + strlen(start);
        at = *end != 0 ? end + 1 : end;
        if ((size_t)(end - start) == strlen(here->end) &&
            strncmp(start, here->end, (size_t)(end - start)) == 0)
            break;
        text_add(&body, start, (size_t)(at - start));
    }
    const char *all = text_get(&body);
    here->redirect->target = copy_part(p, all, all + body.size);
    here->behind = at;
    free(body.at);
    return at;
}

static void
read_heres(struct parser *p)
{
    for (; p->unread != NULL && p->status == PARSED;
         p->unread = p->unread->next)
        p->at = read_here(p, p->unread, p->at);
}

char *
node_text(const struct node *n)
{
    const char *end = n->text + n->size;
    struct text text = {NULL, 0, 0};

    text_add(&text, n->text, n->size);
    text_char(&text, '\n');
    // Those whose lines came after it.
    for (const struct here *h = n->heres->next; h != NULL; h = h->next)
        if (h->from >= n->text && h->from < end && h->lines >= end)
            text_add(&text, h->lines, (size_t)(h->behind - h->lines));
    return text_take(&text);
}

// --- tokens ------------------------------------------------------------------

static const struct {
    const char *text;
    enum token token;
    enum redirect_kind kind;
} operators[] = {
    {"&&",  TOKEN_AND_AND,   0                  },
    {"||",  TOKEN_OR_OR,     0                  },
    {";;",  TOKEN_CASE_END,  0                  },
    {"&",   TOKEN_AND,       0                  },
    {"|",   TOKEN_OR,        0                  },
    {";",   TOKEN_SEMICOLON, 0                  },
    {"(",   TOKEN_OPEN,      0                  },
    {")",   TOKEN_CLOSE,     0                  },
    {"\n",  TOKEN_NEWLINE,   0                  },
    {"<<-", TOKEN_REDIRECT,  REDIRECT_HERE_STRIP},
    {"<<",  TOKEN_REDIRECT,  REDIRECT_HERE      },
    {"<&",  TOKEN_REDIRECT,  REDIRECT_COPY      },
    {"<>",  TOKEN_REDIRECT,  REDIRECT_BOTH      },
    {"<",   TOKEN_REDIRECT,  REDIRECT_IN        },
    {">>",  TOKEN_REDIRECT,  REDIRECT_APPEND    },
    {">&",  TOKEN_REDIRECT,  REDIRECT_COPY      },
    {">|",  TOKEN_REDIRECT,  REDIRECT_OUT       },
    {">",   TOKEN_REDIRECT,  REDIRECT_OUT       },
};

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
take_operator(struct parser *p, size_t index, int fd)
{
    p->at += strlen(operators[index].text);
    p->token = operators[index].token;
    if (p->token == TOKEN_NEWLINE)
        read_heres(p);
    if (p->token != TOKEN_REDIRECT)
        return;
    p->redirect = (struct redirect){.kind = operators[index].kind,
                                    .fd = operators[index].text[0] == '>'};
    if (fd >= 0)
        p->redirect.fd = fd;
    if (fd > 2)
        parser_stop(p, PARSED_WRONG,
                    "only descriptors 0, 1 and 2 are redirected");
}

void
next_token(struct parser *p)
{
    int fd = -1;

    if (p->status != PARSED)
        return;
    skip_blanks(p);
    p->start = p->at;
    p->token = TOKEN_END;
    if (*p->at == 0 && p->unread != NULL)
        parser_stop(p, PARSED_INCOMPLETE, "a here-document is not ended");
    if (*p->at == 0)
        return;
    if (isdigit((unsigned char)p->at[0]) &&
        (p->at[1] == '<' || p->at[1] == '>'))
        fd = *p->at++ - '0';
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++)
        if (strncmp(p->at, operators[i].text, strlen(operators[i].text)) == 0) {
            take_operator(p, i, fd);
            return;
        }
    read_word(p);
}
