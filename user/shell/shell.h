// user/shell/: the shell.  It reads commands, from a terminal, a script or
// standard input, and runs programs with what it was given itself: descriptors
// as the command says, and of its handles those that /etc/grants names.
//
// There is no fork: what is no program but is to run apart (a compound command
// or a function in a pipeline, in the background, in parentheses or in $(...))
// runs in another shell, which is told all that this one knows: variables,
// functions, arguments, options and $?.

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
extern int message_fd; // stderr, as the command has it that runs now
// Text in quotes, as it may be read again.
void text_quote(struct text *t, const char *string);

// --- lex.c, parse.c: commands ------------------------------------------------

struct word {
    const char *raw; // with quotes and dollars
    struct word *next;
};

enum redirect_kind {
    REDIRECT_IN,
    REDIRECT_OUT,
    REDIRECT_APPEND,
    REDIRECT_BOTH, // <>
    REDIRECT_COPY, // of another descriptor, or "-": closed
    REDIRECT_HERE,
    REDIRECT_HERE_STRIP, // without leading tabs
};

struct redirect {
    int fd;
    enum redirect_kind kind;
    const char *target; // raw; the lines of a here-document
    bool literal;       // which are taken as they are
    struct redirect *next;
};

// Where a here-document is in the text.
struct here {
    struct here *next;
    struct redirect *redirect;
    const char *from;           // its operator
    const char *lines, *behind; // of the text, with the one that ends it
    const char *end;            // that line
    bool strips;
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
    NODE_UNTIL,      // until left do right
    NODE_FOR,        // for words[0] in the others do right
    NODE_CASE,       // case words[0] in items
    NODE_GROUP,      // { left }
    NODE_SUBSHELL,   // ( left )
    NODE_FUNCTION,   // words[0] ( ) left
};

// Of case: patterns ) body ;;
struct item {
    struct word *patterns;
    struct node *body;
    struct item *next;
};

struct node {
    enum node_kind kind;
    struct node *left, *right, *third;
    struct node *next; // in a pipeline
    struct word *assignments, *words;
    struct item *items;
    struct redirect *redirects; // of simple and compound commands
    const char *text;           // as it was written
    size_t size;
    const struct here *heres; // all behind the first are those of the text
};

enum parsed { PARSED, PARSED_EMPTY, PARSED_INCOMPLETE, PARSED_WRONG };

// What one or more whole lines say.  The tree and its strings are gone with the
// next parse_free() of the same level; parse() within run() is a level deeper.
// PARSED_WRONG: *why tells, a constant.
// The text has to stay as long as the tree.
enum parsed parse(const char *text, struct node **out, const char **why);
// The same without aliases: what was parsed before.
enum parsed parse_again(const char *text, struct node **out, const char **why);
void parse_free(struct node *tree);
// What a command was written as, with its here-documents; the caller's.
char *node_text(const struct node *n);
// Behind what begins with a dollar or `, in a text that was parsed.
const char *end_of_dollar(const char *dollar);

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
// Those that are not exported, as commands for another shell.
void variables_put(struct text *t);
// What is made local behind a mark is as it was before after a restore.
size_t variables_mark(void);
void variable_local(const char *name);
void variables_restore(size_t mark);

// The name of the script or function, and its arguments.
extern char **arguments;
extern int argument_count;
void arguments_set(char *const *words, size_t count); // function.c; copies them
extern int last_status;                               // $?
extern int shell_number; // $$, drawn by the first of the shells
enum { LAST_JOB_SIZE = 16 };
extern char last_job[LAST_JOB_SIZE]; // $!, the word that names it: "%1"

// --- expand.c ----------------------------------------------------------------

// What the words are, after variables, commands, quotes and file names.  False
// after a complaint.
bool expand_words(const struct word *words, struct words *out);
// The same for one, which is not split; NULL after a complaint.
char *expand_string(const char *raw);
extern bool substituted; // $(...) was run, and last_status is its
// For fnmatch(), what was quoted escaped; the lines of a here-document.
char *expand_pattern(const char *raw);
char *expand_here(const char *lines);

// --- options.c ---------------------------------------------------------------

enum option {
    OPTION_EXIT,  // -e: a command that fails ends the shell
    OPTION_UNSET, // -u: a variable that is not set is an error
    OPTION_TRACE, // -x: commands are shown before they run
    OPTIONS,
};

bool option(enum option option);
// "-e", "+ux"; false: there is no such option.
bool options_set(const char *word);
const char *options_text(void);
void options_put(struct text *t); // as commands, for another shell

// --- run.c -------------------------------------------------------------------

// Which commands are not run any more.
enum unwind {
    UNWIND_NOT,
    UNWIND_BREAK, // those of so many loops
    UNWIND_CONTINUE,
    UNWIND_RETURN, // those of the function or file
};

extern enum unwind unwinding;
extern int unwind_loops;
extern int loop_depth, function_depth; // how many run
extern bool leaving; // exit was called; last_status is the shell's
// A script ends, with status 1.
void leave_on_error(void);

struct streams {
    int fds[3]; // -1: closed
};

int run(const struct node *tree);
// Parse and run whole text; a name and a line for messages.  s: the streams,
// or NULL for the shell's.
int run_text(const char *text, const struct streams *s);
// The same of text that was parsed before, with the shell's streams.
int run_again(const char *text);
// The same, with what it prints.
int run_captured(const char *text, struct text *out);

// The file of a command in PATH; NULL: there is none.  The caller's.
char *find_program(const char *name);

// --- builtins.c --------------------------------------------------------------

typedef int builtin_t(int argc, char **argv, const struct streams *s);

enum builtin_kind {
    BUILTIN_PLAIN,
    BUILTIN_PRINTS,  // and changes nothing
    BUILTIN_SPECIAL, // assignments before it stay
};

struct builtin {
    const char *name;
    builtin_t *run;
    enum builtin_kind kind;
};

const struct builtin *find_builtin(const char *name);
const char *builtin_name(size_t index); // NULL: there are no more
int source_file(const char *path, const struct streams *s);
// What `trap` has said is to be done at the end.
void run_exit_trap(void);

// Those of other files: alias.c, getopts.c, test.c, read.c.
builtin_t builtin_alias, builtin_unalias, builtin_getopts, builtin_test;
builtin_t builtin_read;

// --- alias.c -----------------------------------------------------------------

const char *alias_value(const char *name); // NULL: it is none
void aliases_put(struct text *t);          // as commands, for another shell

// --- terminal.c --------------------------------------------------------------

// True when there is a terminal to work at.
bool terminal_open(void);
void terminal_front(void); // what is typed is for the shell
// How what is typed comes: as lines, as it is, or as it is but for ^C and ^Z.
enum typed { TYPED_LINES, TYPED_KEYS, TYPED_AHEAD };
void terminal_mode(enum typed mode);
void terminal_update(void); // LINES and COLUMNS
// Until a line was typed; false: ^C was.
bool terminal_line(void);
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
// false: ^D was typed, or the terminal is gone.  After ^C it is empty.  The
// terminal stays raw.
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
