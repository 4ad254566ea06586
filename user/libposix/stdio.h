// user/libposix/stdio.h: what WASI's lacks.

#pragma once

#include_next <stdio.h>

// A command of /bin/sh; NULL and ENOENT where there is none.  mode: "r" or "w".
FILE *popen(const char *command, const char *mode);
int pclose(FILE *file);
