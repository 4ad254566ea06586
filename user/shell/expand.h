// user/shell/expand.h: what expand.c, dollar.c and arith.c share: a word on its
// way.

#pragma once

#include "shell.h"

// Plain, and as a pattern, where what was quoted is escaped.
struct field {
    struct text plain, pattern;
    bool started; // also "" is a word
    bool magic;   // has a character that matches others
    bool blank;   // the word before ended at a blank of IFS
    bool whole;   // is not split
    bool inner;   // what comes is in ${...}: it is split as values are
    struct words *out;
};

// expand.c: a character; what a variable or a command says, which is split at
// IFS if not quoted; the word is complete.
void field_add(struct field *f, char c, bool quoted);
void field_value(struct field *f, const char *value, bool quoted);
void field_end(struct field *f);
// All of a raw text, of one in double quotes, or of a here-document's lines.
// False after a complaint.
enum quotes { QUOTES_NONE, QUOTES_DOUBLE, QUOTES_HERE };
bool expand_raw(struct field *f, const char *raw, enum quotes quotes);
// What a raw text says, in double quotes or as a pattern of fnmatch(); NULL
// after a complaint.
char *expand_quoted(const char *raw, enum quotes quotes);

// dollar.c: what begins with a dollar or `; behind it, or NULL after a
// complaint.
const char *expand_dollar(struct field *f, const char *at, bool quoted);

// arith.c: the value of an expression; false after a complaint.
bool arithmetic(const char *text, int64_t *value);
