// user/libposix/unistd.h: what WASI's lacks.

#pragma once

#include_next <unistd.h>

// fds[0] reads what fds[1] writes.
int pipe(int fds[2]);
