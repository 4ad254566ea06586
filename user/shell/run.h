// user/shell/run.h: what redirect.c, start.c, function.c and run.c share.

#pragma once

#include "shell.h"

// --- redirect.c --------------------------------------------------------------

enum { REDIRECTS_MAX = 16 };

// What a command has instead of the shell's, and what to close afterwards.
struct redirected {
    struct streams s;
    int opened[REDIRECTS_MAX];
    int count;
};

// False after a complaint; then nothing is to be closed.
bool redirect(struct redirected *r, const struct streams *s,
              const struct redirect *list);
void redirect_close(struct redirected *r);

// --- start.c -----------------------------------------------------------------

// Start a program: the process, or 0 and *status after a complaint.
uint32_t start_program(struct words *argv, const struct words *assigned,
                       const struct streams *s, const struct place *place,
                       int *status);
// The same of commands that another shell reads, which knows what we know.
uint32_t start_shell(const char *text, const struct words *assigned,
                     const struct streams *s, const struct place *place,
                     int *status);

// --- function.c --------------------------------------------------------------

struct function;

void function_define(const char *name, const struct node *body);
struct function *function_find(const char *name); // NULL: there is none
void function_unset(const char *name);
int function_run(struct function *f, const struct words *argv,
                 struct streams *s);
// As commands, for another shell.
void functions_put(struct text *t);

// --- simple.c ----------------------------------------------------------------

// Start a command, or do it: the process, or 0 and *status.  apart: nothing
// that it does changes this shell.
uint32_t start_command(const struct node *n, struct streams *s,
                       const struct place *place, bool apart, int *status);
// One that is not simple, in a shell of its own.
uint32_t start_apart(const struct node *n, const struct streams *s,
                     const struct place *place, int *status);
extern bool takes_place; // the program that was started takes the shell's place

// --- pipeline.c --------------------------------------------------------------

int run_pipeline(const struct node *n, struct streams *s);
int run_background(const struct node *n, const struct streams *s);

// --- run.c -------------------------------------------------------------------

int run_node(const struct node *n, struct streams *s);
bool stops(void);                    // nothing that follows is run
extern int tested_depth;             // of commands whose failure is no error
extern struct streams shell_streams; // 0, 1 and 2, or what `exec` has made them
