// user/shell/redirect.c: redirections: which descriptors a command gets.

#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <launch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void
redirect_close(struct redirected *r)
{
    while (r->count > 0)
        close(r->opened[--r->count]);
}

// Files are written to at their end, so that two descriptors of one do not
// overwrite each other.
static int
open_target(enum redirect_kind kind, const char *path)
{
    int flags = kind == REDIRECT_IN   ? O_RDONLY :
                kind == REDIRECT_BOTH ? O_RDWR | O_CREAT :
                kind == REDIRECT_APPEND ?
                                        O_WRONLY | O_CREAT | O_APPEND :
                                        O_WRONLY | O_CREAT | O_TRUNC | O_APPEND;
    int fd = open(path, flags, 0666);

    if (fd < 0)
        complain(path, strerror(errno));
    return fd;
}

// A descriptor that the lines of a here-document are read from: a pipe that is
// as large.
static int
open_here(const struct redirect *from)
{
    char *text =
        from->literal ? copy_text(from->target) : expand_here(from->target);
    size_t size = text != NULL ? strlen(text) : 0, done = 0;
    ssize_t part = 1;
    int fds[2] = {-1, -1};

    if (text != NULL && launch_pipe(fds, size) != 0)
        complain("here-document", strerror(errno));
    while (fds[0] >= 0 && done < size && part > 0) {
        part = write(fds[1], text + done, size - done);
        done += part > 0 ? (size_t)part : 0;
    }
    if (fds[0] >= 0)
        close(fds[1]);
    free(text);
    return fds[0];
}

// The descriptor that a word names, -1 for "-"; false: none.
static bool
copy_target(const struct streams *s, const char *word, int *fd)
{
    *fd = -1;
    if (strcmp(word, "-") == 0)
        return true;
    if (strlen(word) != 1 || word[0] < '0' || word[0] > '2') {
        complain(word, "not a descriptor from 0 to 2");
        return false;
    }
    *fd = s->fds[word[0] - '0'];
    if (*fd < 0)
        complain(word, "is closed");
    return *fd >= 0;
}

static bool
redirect_one(struct redirected *r, const struct redirect *from)
{
    bool here =
        from->kind == REDIRECT_HERE || from->kind == REDIRECT_HERE_STRIP;
    char *target = here ? NULL : expand_string(from->target);
    int fd = -1;
    bool done = false;

    if (r->count == REDIRECTS_MAX)
        complain("redirection", "there are too many");
    else if (from->kind == REDIRECT_COPY)
        done = target != NULL && copy_target(&r->s, target, &fd);
    else if (here || target != NULL)
        fd = here ? open_here(from) : open_target(from->kind, target);
    if (fd >= 0 && from->kind != REDIRECT_COPY) {
        r->opened[r->count++] = fd;
        done = true;
    }
    r->s.fds[from->fd] = fd;
    free(target);
    return done;
}

bool
redirect(struct redirected *r, const struct streams *s,
         const struct redirect *list)
{
    *r = (struct redirected){.s = *s};
    for (; list != NULL; list = list->next) {
        if (!redirect_one(r, list)) {
            redirect_close(r);
            return false;
        }
    }
    return true;
}
