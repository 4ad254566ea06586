// user/libposix/launch.h: what posix_spawn is made of, for programs that want
// more to say: a shell.

#pragma once

#include <nebulet.h>
#include <stddef.h>

enum { LAUNCH_FDS = NEBULET_LIMIT_SPAWN_DESCRIPTORS };

struct launch {
    const char *path; // of the module
    char *const *argv, *const *envp;
    int fds[LAUNCH_FDS];     // which of ours each is a copy of; -1: not open
    const uint32_t *handles; // that move to the child when it starts
    uint32_t handle_count;
    uint32_t group; // to live in; 0: the caller's
    char *text; // room for words when the file is no module that can run, or
    uint32_t text_size; // NULL and 0; "" when there are none
};

// Let the child have what the caller has open below LAUNCH_FDS.
void launch_all_fds(struct launch *l);
// The same of descriptors 0 to 2 and of the directories open from the start.
void launch_standard_fds(struct launch *l);

// Start a program, whose handle *process is then; 0 or an errno: ENOEXEC for
// what is no module.  Modules that were started lately are not compiled again.
int launch(const struct launch *l, uint32_t *process);

// A handle that the parent has given under this name, 0: none.  The names are
// in the environment, in the order of the handles: GIVEN=terminal,group.
uint32_t launch_given(const char *name);

// Another handle like `ours`, with all rights of what has this name, to be
// given to a program that is started; 0 or an errno.
int launch_duplicate(const char *name, uint32_t ours, uint32_t *handle);

// pipe() of another size than usual: so many bytes fit, if nobody reads.
int launch_pipe(int fds[2], size_t size);
