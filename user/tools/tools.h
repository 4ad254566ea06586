// user/tools/tools.h: what the tools share.  Each is a function with main()'s
// arguments and the exit status of POSIX's; what goes wrong is one line on
// stderr, "TOOL: WHAT: WHY".

#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

// One row a tool, in the order of the alphabet: TOOL(name, operands, help).
#define TOOLS                                                                 \
    TOOL(cat, "[-n] [FILE...]", "print files one after the other")            \
    TOOL(cp, "[-r] FROM... TO", "copy files")                                 \
    TOOL(date, "[+FORMAT]", "print the time, in UTC, as strftime formats it") \
    TOOL(echo, "[-n] [TEXT...]", "print words")                               \
    TOOL(env, "[-i] [K=V...] [COMMAND [ARGUMENT...]]",                        \
         "print the environment, or run a command in another")                \
    TOOL(grep, "[-cilnqvEF] PATTERN [FILE...]", "print lines that match")     \
    TOOL(head, "[-n LINES | -c BYTES] [FILE...]", "print the first lines")    \
    TOOL(hexdump, "[FILE...]", "print bytes in hexadecimal")                  \
    TOOL(kill, "[-INT | -KILL | -TERM | -CONT | -STOP] ID...",                \
         "end, stop or resume processes")                                     \
    TOOL(log, "TEXT...", "write a line to the kernel's log")                  \
    TOOL(ls, "[-1aldR] [FILE...]", "list directories")                        \
    TOOL(mem, "", "print how much memory is free")                            \
    TOOL(mkdir, "[-p] DIRECTORY...", "make directories")                      \
    TOOL(mv, "FROM... TO", "rename files or move them")                       \
    TOOL(poweroff, "[STATUS]", "end the machine")                             \
    TOOL(printf, "FORMAT [ARGUMENT...]", "print arguments by a format")       \
    TOOL(ps, "", "list processes")                                            \
    TOOL(rm, "[-fr] FILE...", "remove files")                                 \
    TOOL(sleep, "SECONDS", "wait")                                            \
    TOOL(sort, "[-nru] [-k FIELD] [FILE...]", "sort lines")                   \
    TOOL(tail, "[-n [+]LINES | -c BYTES] [FILE...]", "print the last lines")  \
    TOOL(time, "COMMAND [ARGUMENT...]", "run a command and say how long")     \
    TOOL(top, "[-n TIMES] [-d SECONDS]", "list processes again and again")    \
    TOOL(wc, "[-lwc] [FILE...]", "count lines, words and bytes")

#define TOOL(name, operands, help) int tool_##name(int argc, char **argv);
TOOLS
#undef TOOL

// What the tool is called.
extern const char *tool_name;

// Complain, with errno's reason; 1.
int fail(const char *what);
// The same with a reason of one's own.
int complain(const char *what, const char *why);
// Print how the tool is used to stderr; 2.
int misuse(void);

// A number that an option has, at least 0; complains and exits with 2.
long long number_of(const char *text);

// Call `each` with every operand from argv[optind] on, opened, or with stdin
// for "-" or when there is none; 1 when one could not be opened or read, or
// what `each` returned, if that is more.
int for_files(int argc, char **argv, int (*each)(FILE *file, const char *name));

// DIR/NAME in memory of its own; NULL is never returned.
char *path_join(const char *dir, const char *name);
// What follows the last slash.
const char *last_name(const char *path);
