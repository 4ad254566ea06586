// user/shell/: the shell.  It reads commands, from a terminal, a script or
// standard input, and runs programs with what it was given itself: descriptors
// as the command says, and of its handles those that /etc/grants names.
//
// There is no fork: what is neither a program nor a builtin alone (a compound
// command in a pipeline or in the background) runs in another shell, which
// knows the exported variables.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    STATUS_MISUSE = 2,
    STATUS_NOT_RUN = 126,
    STATUS_NOT_FOUND = 127,
    STATUS_INTERRUPTED = 130,
    STATUS_TERMINATED = 143,
    STATUS_STOPPED = 148,
};

// --- text.c: memory and messages ---------------------------------------------

// Text that grows, with a zero at its end; all zero at first.
struct text {
    char *at;
    size_t size, room;
};

void text_add(struct text *t, const char *bytes, size_t size);
void text_put(struct text *t, const char *string);
void text_char(struct text *t, char c);
void text_clear(struct text *t);
const char *text_get(struct text *t); // never NULL
char *text_take(struct text *t);      // the caller's; t is empty then

// malloc() and the like that end the shell when there is no memory.
void *need(void *memory);
char *copy_text(const char *text);

// Words, ended by a NULL; all zero at first.
struct words {
    char **list;
    size_t count, room;
};

void words_add(struct words *w, char *word); // takes it over
char **words_list(struct words *w);          // also of none
void words_free(struct words *w);

// One line on stderr: "shell: WHAT: WHY", in a script with its name and line.
void complain(const char *what, const char *why);

// --- parse.c: commands -------------------------------------------------------

struct word {
    const char *raw; // with quotes and dollars
    struct word *next;
};

enum redirect_kind {
    REDIRECT_IN,
    REDIRECT_OUT,
    REDIRECT_APPEND,
    REDIRECT_COPY
};

struct redirect {
    int fd;
    enum redirect_kind kind;
    const char *target; // raw
    struct redirect *next;
};

enum node_kind {
    NODE_SIMPLE,     // assignments, words, redirects
    NODE_PIPE,       // left: the first command, which leads to the others
    NODE_NOT,        // of left
    NODE_AND,        // left && right
    NODE_OR,         // left || right
    NODE_SEQUENCE,   // left; right
    NODE_BACKGROUND, // left &
    NODE_IF,         // if left then right else third
    NODE_WHILE,      // while left do right
    NODE_FOR,        // for words[0] in the others do right
};

struct node {
    enum node_kind kind;
    struct node *left, *right, *third;
    struct node *next; // in a pipeline
    struct word *assignments, *words;
    struct redirect *redirects;
    const char *text; // as it was written
    size_t size;
};

enum parsed { PARSED, PARSED_EMPTY, PARSED_INCOMPLETE, PARSED_WRONG };

// What one or more whole lines say.  The tree and its strings are gone with the
// next parse_free() of the same level; parse() within run() is a level deeper.
// PARSED_WRONG: *why tells, a constant.
enum parsed parse(const char *text, struct node **out, const char **why);
void parse_free(struct node *tree);

// --- variables.c -------------------------------------------------------------

void variables_init(void);                  // from the environment
const char *variable_get(const char *name); // NULL: not set
void variable_set(const char *name, const char *value);
void variable_export(const char *name);
void variable_unset(const char *name);
bool is_name(const char *text, size_t size);
// The environment of programs, with more of the form K=V after it (a later one
// wins); the list is the caller's.
void variables_environment(struct words *out, const struct words *more);
void variables_print(bool exported, int fd);

// The arguments of the script, and its name.
extern char **arguments;
extern int argument_count;
extern int last_status; // $?

// --- expand.c ----------------------------------------------------------------

// What the words are, after variables, commands, quotes and file names.  False
// after a complaint.
bool expand_words(const struct word *words, struct words *out);
// The same for one, which is not split; NULL after a complaint.
char *expand_string(const char *raw);
extern bool substituted; // $(...) was run, and last_status is its

// --- run.c -------------------------------------------------------------------

extern bool leaving; // exit was called; last_status is the shell's

int run(const struct node *tree);
// Parse and run whole text; a name and a line for messages.
int run_text(const char *text);
// The same, with what it prints.
int run_captured(const char *text, struct text *out);

// The file of a command in PATH; NULL: there is none.  The caller's.
char *find_program(const char *name);

// --- builtins.c --------------------------------------------------------------

struct streams {
    int fds[3];
};

typedef int builtin_t(int argc, char **argv, const struct streams *s);
builtin_t *find_builtin(const char *name);
const char *builtin_name(size_t index); // NULL: there are no more
int source_file(const char *path);

// --- terminal.c --------------------------------------------------------------

// True when there is a terminal to work at.
bool terminal_open(void);
void terminal_front(void);    // what is typed is for the shell
void terminal_raw(bool raw);  // as it is
void terminal_update(void);   // LINES and COLUMNS
bool terminal_wait(void);     // something was typed; false: the size is new
uint32_t terminal_seat(void); // 0: there is none
// ^C and ^Z that were typed in a seat: NEBULET_SIGNAL_INTERRUPTED, _STOPPED.
uint32_t signals_take(uint32_t seat);
bool was_interrupted(void); // by ^C, since the last prompt
void interrupt(bool now);   // it was, or not any more

// Where a job lives: a group, and a seat at the terminal with a descriptor for
// its programs; 0 and -1 where there is none.
struct place {
    uint32_t group, seat;
    int fd;
};

void place_open(struct place *p, const char *name, size_t size);
// What a program in it has for a descriptor of the shell's.
int place_fd(const struct place *p, int fd);
void place_started(struct place *p); // all its programs
void place_close(struct place *p);

// --- edit.c, complete.c ------------------------------------------------------

// A line typed at the terminal, mended with the usual keys, with its newline;
// false: ^D was typed, or the terminal is gone.  After ^C it is empty.
bool edit_line(const char *prompt, struct text *line);
void history_add(const char *line);
void history_print(int fd);

// What may follow text[0..at), the same letters of all that fit, and the words
// that fit, from the last slash on.  Returns whether there is just one.
bool complete(const char *text, size_t at, struct text *more,
              struct words *choices);

// --- jobs.c ------------------------------------------------------------------

struct job;

// A new one, of `count` processes, whose handles and place are its own from now
// on.
struct job *job_new(const char *text, size_t size, const uint32_t *processes,
                    size_t count, struct place *place);
// Wait until it has ended or was stopped; the exit status.
int job_wait(struct job *job);
// It goes on without the shell; says so on a terminal.
void job_leave(struct job *job);
void jobs_report(int fd, bool all); // those that have changed, or all
builtin_t builtin_bg, builtin_fg, builtin_jobs, builtin_kill, builtin_wait;
size_t jobs_count(bool stopped);

// --- main.c ------------------------------------------------------------------

extern bool interactive;
extern const char *script_name; // for messages; NULL: a terminal
extern int script_line;
