// user/libposix/stdio.h: what WASI's lacks.

#pragma once

#include_next <stdio.h>

// There is no shell: the command is a program and arguments without spaces.
FILE *popen(const char *command, const char *mode);
int pclose(FILE *file);
