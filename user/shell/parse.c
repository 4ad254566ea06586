// user/shell/parse.c: from tokens to a tree of commands.  Words keep their
// quotes and dollars; expand.c takes them off when the command runs.
//
//     list:     chain { (; | & | newline) chain }
//     chain:    pipeline { (&& | ||) pipeline }
//     pipeline: [!] command { | command }
//     command:  { K=V } { word | redirect }
//               compound { redirect }
//               NAME ( ) compound { redirect }
//     compound: { list }
//               ( list )
//               if list then list { elif list then list } [ else list ] fi
//               (while | until) list do list done
//               for NAME [ in { word } ] ; do list done
//               case word in { [(] word { | word } ) list ;; } esac

#include "parse.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

// The first block of a tree is this.
struct root {
    struct node node;
    struct block *blocks;
    char *text; // that it was made from, or NULL: that is the caller's
};

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
    struct node *n = parser_allocate(p, sizeof(*n));

    n->kind = kind;
    n->text = text;
    n->heres = p->first;
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
    *end = parser_allocate(p, sizeof(**end));
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
    struct redirect *r = parser_allocate(p, sizeof(*r));

    *r = p->redirect;
    next_token(p);
    if (p->token != TOKEN_WORD)
        parser_stop(p, PARSED_WRONG, "a redirection leads nowhere");
    else if (r->kind == REDIRECT_HERE || r->kind == REDIRECT_HERE_STRIP)
        add_here(p, r, r->kind == REDIRECT_HERE_STRIP);
    else
        r->target = p->word;
    *end = r;
    next_token(p);
    return &r->next;
}

static struct node *parse_command(struct parser *p);

// NAME ( ) command, up to the first parenthesis.
static struct node *
parse_function(struct parser *p, struct node *n)
{
    next_token(p);
    if (p->token != TOKEN_CLOSE)
        parser_stop(p, PARSED_WRONG, "a function has no ) behind its (");
    next_token(p);
    skip_newlines(p);
    if (p->token == TOKEN_END)
        parser_stop(p, PARSED_INCOMPLETE, "a function has no body");
    n->kind = NODE_FUNCTION;
    if (parser_enter(p))
        n->left = parse_command(p);
    p->depth--;
    if (n->left != NULL && n->left->kind == NODE_SIMPLE)
        parser_stop(p, PARSED_WRONG, "a function's body is a { list }");
    return n;
}

// A word where a command begins: that may stand for something else, and then
// the text is parsed anew.
static void
look_for_alias(struct parser *p)
{
    if (p->status != PARSED || p->splices == NULL || p->token != TOKEN_WORD ||
        strncmp(p->start, p->word, strlen(p->word)) != 0 ||
        !splices_want(p->splices, p->start, p->word))
        return;
    p->aliased = p->start;
    parser_stop(p, PARSED_WRONG, "an alias");
}

static struct node *
parse_simple(struct parser *p)
{
    struct node *n = new_node(p, NODE_SIMPLE, p->start);
    struct word **assignment = &n->assignments, **word = &n->words;
    struct redirect **redirect = &n->redirects;
    bool may_be_function = true;

    while (p->token == TOKEN_WORD || p->token == TOKEN_REDIRECT) {
        may_be_function = p->token == TOKEN_WORD && p->start == n->text &&
                          is_name(p->word, strlen(p->word));
        if (p->token == TOKEN_REDIRECT) {
            redirect = parse_redirect(p, redirect);
            continue;
        }
        if (n->words == NULL ||
            (p->splices != NULL && splices_follow(p->splices, p->start)))
            look_for_alias(p);
        if (n->words == NULL && is_assignment(p->word))
            assignment = add_word(p, assignment);
        else
            word = add_word(p, word);
        next_token(p);
        if (p->token == TOKEN_OPEN && may_be_function)
            return parse_function(p, n);
    }
    if (p->start == n->text)
        parser_stop(p, PARSED_WRONG, "a command is missing");
    else if (p->token == TOKEN_OPEN)
        parser_stop(p, PARSED_WRONG, "a parenthesis has no meaning here");
    return n;
}

// The word that has to come now.
static void
expect(struct parser *p, const char *word)
{
    static const char *const missing[] = {
        "then is missing", "fi is missing", "do is missing", "done is missing",
        "esac is missing", "in is missing", "} is missing",
    };
    const char *why = NULL;

    for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++)
        if (strncmp(missing[i], word, strlen(word)) == 0 &&
            missing[i][strlen(word)] == ' ')
            why = missing[i];
    if (is_word(p, word))
        next_token(p);
    else if (p->token == TOKEN_END)
        parser_stop(p, PARSED_INCOMPLETE, "a command is not ended");
    else
        parser_stop(p, PARSED_WRONG, why);
}

static struct node *
parse_if(struct parser *p)
{
    struct node *n = new_node(p, NODE_IF, p->start);

    next_token(p);
    n->left = parse_list(p);
    expect(p, "then");
    n->right = parse_list(p);
    if (is_word(p, "elif") && parser_enter(p)) {
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
    struct node *n =
        new_node(p, is_word(p, "until") ? NODE_UNTIL : NODE_WHILE, p->start);

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
        parser_stop(p, PARSED_WRONG, "for needs a name");
    next_token(p);
    skip_newlines(p);
    if (is_word(p, "in")) {
        next_token(p);
        for (; p->token == TOKEN_WORD; next_token(p))
            end = add_word(p, end);
    } else {
        *end = parser_allocate(p, sizeof(**end));
        (*end)->raw = "\"$@\"";
    }
    if (p->token == TOKEN_SEMICOLON)
        next_token(p);
    skip_newlines(p);
    parse_body(p, n);
    return n;
}

// [(] word { | word } ) list
static void
parse_item(struct parser *p, struct item *item)
{
    struct word **end = &item->patterns;

    if (p->token == TOKEN_OPEN)
        next_token(p);
    for (;;) {
        if (p->token == TOKEN_WORD)
            end = add_word(p, end);
        else if (p->token == TOKEN_END)
            parser_stop(p, PARSED_INCOMPLETE, "a command is not ended");
        else
            parser_stop(p, PARSED_WRONG, "case has no pattern before )");
        next_token(p);
        if (p->token != TOKEN_OR)
            break;
        next_token(p);
    }
    if (p->token == TOKEN_END)
        parser_stop(p, PARSED_INCOMPLETE, "a command is not ended");
    if (p->token != TOKEN_CLOSE)
        parser_stop(p, PARSED_WRONG, "a pattern of case has no ) behind it");
    next_token(p);
    item->body = parse_list(p);
}

static struct node *
parse_case(struct parser *p)
{
    struct node *n = new_node(p, NODE_CASE, p->start);
    struct item **end = &n->items;

    next_token(p);
    if (p->token == TOKEN_WORD)
        add_word(p, &n->words);
    else
        parser_stop(p, PARSED_WRONG, "case needs a word");
    next_token(p);
    skip_newlines(p);
    expect(p, "in");
    skip_newlines(p);
    while (p->status == PARSED && !is_word(p, "esac")) {
        *end = parser_allocate(p, sizeof(**end));
        parse_item(p, *end);
        end = &(*end)->next;
        if (p->token != TOKEN_CASE_END)
            break;
        next_token(p);
        skip_newlines(p);
    }
    expect(p, "esac");
    return n;
}

static struct node *
parse_group(struct parser *p)
{
    struct node *n = new_node(p, NODE_GROUP, p->start);

    next_token(p);
    n->left = parse_list(p);
    expect(p, "}");
    return n;
}

static struct node *
parse_subshell(struct parser *p)
{
    struct node *n = new_node(p, NODE_SUBSHELL, p->start);

    next_token(p);
    n->left = parse_list(p);
    if (p->token == TOKEN_CLOSE)
        next_token(p);
    else if (p->token == TOKEN_END)
        parser_stop(p, PARSED_INCOMPLETE, "a parenthesis is not closed");
    else
        parser_stop(p, PARSED_WRONG, ") is missing");
    return n;
}

static struct node *
parse_compound(struct parser *p)
{
    static const struct {
        const char *word;
        struct node *(*parse)(struct parser *p);
    } words[] = {
        {"if",    parse_if   },
        {"while", parse_while},
        {"until", parse_while},
        {"for",   parse_for  },
        {"case",  parse_case },
        {"{",     parse_group},
    };

    if (p->token == TOKEN_OPEN)
        return parse_subshell(p);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (is_word(p, words[i].word))
            return words[i].parse(p);
    return NULL;
}

static struct node *
parse_command(struct parser *p)
{
    struct node *n = parse_compound(p);

    if (n == NULL) {
        n = parse_simple(p);
    } else {
        struct redirect **end = &n->redirects;
        while (p->token == TOKEN_REDIRECT)
            end = parse_redirect(p, end);
    }
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
            parser_stop(p, PARSED_INCOMPLETE, "a pipeline has no end");
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
            parser_stop(p, PARSED_INCOMPLETE, "nothing follows && or ||");
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
    static const char *const words[] = {"then", "elif", "else", "fi",
                                        "do",   "done", "esac", "}"};

    if (p->token == TOKEN_END || p->token == TOKEN_CLOSE ||
        p->token == TOKEN_CASE_END)
        return true;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (is_word(p, words[i]))
            return true;
    return false;
}

// Up to a word that ends it; NULL: it is empty.
static struct node *
parse_list(struct parser *p)
{
    struct node *all = NULL, *n;

    parser_enter(p);
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

void
parse_inner(struct parser *p)
{
    struct here before = {.next = NULL};

    p->first = p->last = &before;
    next_token(p);
    parse_list(p);
    if (p->token == TOKEN_END)
        parser_stop(p, PARSED_INCOMPLETE, "a parenthesis is not closed");
    else if (p->token != TOKEN_CLOSE)
        parser_stop(p, PARSED_WRONG, "unexpected word");
    p->first = p->last = NULL;
}

// aliased: where there is a word that is to be replaced first, or NULL; then
// the text is another one.
static enum parsed
parse_text(const char *text, const struct splices *splices, struct node **out,
           const char **why, const char **aliased)
{
    struct parser p = {.at = text, .status = PARSED, .splices = splices};

    p.first = p.last = parser_allocate(&p, sizeof(*p.first));
    next_token(&p);
    struct node *tree = parse_list(&p);
    if (p.status == PARSED && p.token != TOKEN_END)
        parser_stop(&p, PARSED_WRONG, "unexpected word");
    if (p.status == PARSED && tree != NULL) {
        struct root *root = need(calloc(1, sizeof(*root)));
        root->node = *tree;
        root->blocks = p.blocks;
        *out = &root->node;
        return PARSED;
    }
    for (struct block *next; p.blocks != NULL; p.blocks = next) {
        next = p.blocks->next;
        free(p.blocks);
    }
    *why = p.why;
    *aliased = p.aliased;
    return p.status == PARSED ? PARSED_EMPTY : p.status;
}

enum parsed
parse_again(const char *text, struct node **out, const char **why)
{
    const char *aliased;

    return parse_text(text, NULL, out, why, &aliased);
}

// The word at `at`, up to what ends it.
static bool
replace(struct splices *s, const char *at)
{
    char *word = need(strndup(at, strcspn(at, " \t\n;&|<>()")));
    bool done = splices_add(s, at, word);

    free(word);
    return done;
}

enum parsed
parse(const char *text, struct node **out, const char **why)
{
    struct splices *s = need(calloc(1, sizeof(*s)));
    const char *aliased = NULL;
    enum parsed parsed;

    s->text = copy_text(text);
    for (;;) {
        aliased = NULL;
        parsed = parse_text(s->text, s, out, why, &aliased);
        if (parsed == PARSED || aliased == NULL)
            break;
        if (!replace(s, aliased)) {
            *why = "aliases are too many or too long";
            break;
        }
    }
    if (parsed == PARSED) { // the text stays as long as the tree
        ((struct root *)*out)->text = s->text;
        s->text = NULL;
    }
    splices_free(s);
    free(s);
    return parsed;
}

void
parse_free(struct node *tree)
{
    struct root *root = (struct root *)tree;
    struct block *block = root->blocks;

    free(root->text);
    free(root);
    for (struct block *next; block != NULL; block = next) {
        next = block->next;
        free(block);
    }
}
