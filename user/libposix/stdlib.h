// user/libposix/stdlib.h: what WASI's lacks.

#pragma once

#include_next <stdlib.h>

// The exit status of a command of /bin/sh, as waitpid() has it: 127 where there
// is no shell.  NULL: is there one?
int system(const char *command);
