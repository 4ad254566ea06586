// user/libposix/stdlib.h: what WASI's lacks.

#pragma once

#include_next <stdlib.h>

// There is no shell: the command is a program and arguments without spaces.
int system(const char *command);
