// user/shell/parse.h: what lex.c and parse.c share: a text that is read, token
// by token.  Everything that a tree is made of is in blocks, freed at once.

#pragma once

#include "shell.h"

enum { DEPTH_MAX = 100 };

enum token {
    TOKEN_END,
    TOKEN_NEWLINE,
    TOKEN_WORD,
    TOKEN_SEMICOLON,
    TOKEN_CASE_END, // ;;
    TOKEN_AND,      // &
    TOKEN_AND_AND,
    TOKEN_OR, // |
    TOKEN_OR_OR,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_REDIRECT,
};

// What aliases have put in the place of words, in a copy of the text.
enum { SPLICES_MAX = 100, SPLICED_MAX = 1 << 20 };

struct range {
    size_t at, end; // in the text
    char *name;     // of the alias, which is none in there
};

struct splices {
    char *text;
    struct range ranges[SPLICES_MAX];
    size_t count;
};

struct block {
    struct block *next;
};

struct parser {
    const char *at;
    enum token token;
    const char *start; // of the token
    const char *word;
    struct redirect redirect; // without its target
    struct here *first, *last,
        *unread; // here-documents; first: before them all
    enum parsed status;
    const char *why;
    int depth;
    struct block *blocks;
    const struct splices *splices; // NULL: aliases are not looked for
    const char *aliased;           // the word that is to be replaced, or NULL
};

// Zeroes.
void *parser_allocate(struct parser *p, size_t size);
// The text is not what it should be, which is the first thing that is wrong.
void parser_stop(struct parser *p, enum parsed status, const char *why);
// One level deeper; false: too deep.  p->depth-- follows.
bool parser_enter(struct parser *p);

// lex.c: the next token.  A newline takes the here-documents behind it along.
void next_token(struct parser *p);
// The word that names the end of a here-document whose operator came before.
void add_here(struct parser *p, struct redirect *r, bool strips);

// alias.c: whether a word at `at` is to be replaced; whether it comes behind
// the value of an alias that ends in a blank.
bool splices_want(const struct splices *s, const char *at, const char *word);
bool splices_follow(const struct splices *s, const char *at);
// Replace it: a new text.  False: there are too many.
bool splices_add(struct splices *s, const char *at, const char *word);
void splices_free(struct splices *s);

// parse.c: what comes up to the closing parenthesis.
void parse_inner(struct parser *p);
