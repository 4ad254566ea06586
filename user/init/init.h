// user/init/: the first program: starts the others and says what happens when
// they end.  /etc/init has a line for each:
//
//     PROGRAM [ARGUMENT...] : GRANT... : END
//
// The argument $@ stands for those of init.  Grants are
//
//     console  the standard streams
//     files    the directories that init has open
//     NAME     a handle that init was given under this name, where it was
//
// and END is one of
//
//     exit     init ends with its exit status, and the machine with init
//     wait     the next line's program is started then
//     restart [TIMES]
//              it is started again, so many times at most.  One that did not
//              run for ten seconds is started after a pause, which doubles, and
//              not any more when that came five times in a row
//     ignore   nothing
//
// init ends when none runs any more: with 1 when one could not be started or
// was given up, else with 0.

#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { PROGRAMS = 32, WORDS = 64 };

enum end { END_EXIT, END_WAIT, END_RESTART, END_IGNORE, ENDS };

struct program {
    char *words[WORDS + 1];  // what it is started with
    char *grants[WORDS + 1]; // ended by NULL, too
    enum end end;
    long restarts;       // how many there may be
    uint32_t process;    // 0: does not run
    uint64_t started_ns; // when it was, by the monotonic clock
    uint64_t due_ns;     // when it is started again; 0: it is not
    int quick;           // how often in a row it did not run for long
};

extern struct program programs[PROGRAMS];
extern int program_count;

// file.c: read /etc/init; complains and is false when that cannot be, or has a
// line that says nothing.
bool read_file(char **arguments);

// start.c: start a program with what it is granted; complains and is false when
// that cannot be.
bool start(struct program *p);
