// user/libposix/sys/wait.h: waiting for programs, as in POSIX.  All end by an
// exit status: 134 after a trap.

#pragma once

#include <sys/types.h>

#ifndef __DEFINED_pid_t
#define __DEFINED_pid_t
typedef int pid_t;
#endif

#define WNOHANG             1
#define WIFEXITED(status)   (((status)&0x7f) == 0)
#define WEXITSTATUS(status) ((status) >> 8 & 0xff)
#define WIFSIGNALED(status) 0
#define WTERMSIG(status)    0

// A child's, or with -1 that of whichever ends first; 0 with WNOHANG: none has.
// -1 and ECHILD.
pid_t waitpid(pid_t pid, int *status, int options);
pid_t wait(int *status);
