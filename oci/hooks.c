// oci/hooks.c: programs that the configuration names, called on the way with
// the container's state on their standard input.

#include "oci/oci.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct hook {
    const char *path;
    char **args, **env; // owned
    i64 timeout_s;      // 0: none
};

// With a NULL at the end.
static char **
list_of(const cJSON *list)
{
    char **to = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof(*to));
    const cJSON *item;
    u32 count = 0;

    assert(to != NULL);
    cJSON_ArrayForEach (item, list)
        to[count++] = item->valuestring;
    return to;
}

static bool
read_hook(struct json *j, const cJSON *at, struct hook *h)
{
    const cJSON *args = json_find(j, at, "args", JSON_LIST);
    const cJSON *env = json_find(j, at, "env", JSON_LIST);

    *h = (struct hook){.path = json_text(j, at, "path")};
    h->timeout_s = json_number(j, at, "timeout", 1, INT32_MAX, 0);
    if (!j->failed && h->path[0] != '/')
        json_refuse(j, "hooks.path", "not an absolute path");
    if (!json_texts(j, args, "hooks.args") || !json_texts(j, env, "hooks.env"))
        return false;
    h->args = list_of(args);
    h->env = list_of(env);
    return true;
}

static NORETURN void
become(const struct hook *h, const int *pipes)
{
    char *alone[] = {(char *)h->path, NULL};

    dup2(pipes[0], STDIN_FILENO);
    signal(SIGPIPE, SIG_DFL);
    execve(h->path, h->args[0] != NULL ? h->args : alone, h->env);
    complain("hook %s: %s", h->path, strerror(errno));
    _exit(127);
}

// What it ended with; -1: it was too slow.
static int
wait_for(const struct hook *h, pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd fds = {.fd = fd, .events = POLLIN};
    i64 most = MIN(h->timeout_s, (i64)INT32_MAX / 1000) * 1000;
    int status, ready;

    do
        ready = poll(&fds, 1, h->timeout_s > 0 ? (int)most : -1);
    while (ready < 0 && errno == EINTR);
    if (ready == 0)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (fd >= 0)
        close(fd);
    return ready == 0 ? -1 : status;
}

static bool
call(const struct hook *h, const char *state, const char *kind)
{
    int pipes[2];

    if (pipe(pipes) != 0)
        return complain("pipe: %s", strerror(errno)), false;
    pid_t pid = fork();
    if (pid == 0) {
        close(pipes[1]);
        become(h, pipes);
    }
    close(pipes[0]);
    signal(SIGPIPE, SIG_IGN); // it need not read it
    if (pid > 0 && write(pipes[1], state, strlen(state)) < 0 && errno != EPIPE)
        complain("hook %s: %s", h->path, strerror(errno));
    close(pipes[1]);
    int status = pid > 0 ? wait_for(h, pid) : 1;
    if (status == 0)
        return true;
    if (status == -1)
        complain("%s hook %s: not done after %lld s", kind, h->path,
                 (long long)h->timeout_s);
    else
        complain("%s hook %s: exit status %d", kind, h->path,
                 WIFEXITED(status) ? WEXITSTATUS(status) :
                                     128 + WTERMSIG(status));
    return false;
}

bool
hooks_call(const struct container *c, struct json *config, const char *kind,
           enum status status)
{
    char path[64];
    const cJSON *item;
    bool done = true;

    snprintf(path, sizeof(path), "hooks.%s", kind);
    const cJSON *list = json_find(config, NULL, path, JSON_LIST);
    if (list == NULL)
        return !config->failed;
    cJSON *tree = container_tell(
        c, status, json_find(config, NULL, "annotations", JSON_OBJECT));
    char *state = cJSON_PrintUnformatted(tree);
    assert(state != NULL);
    cJSON_ArrayForEach (item, list) {
        struct hook h = {0};
        done = done && read_hook(config, item, &h) && call(&h, state, kind);
        free(h.args);
        free(h.env);
    }
    free(state);
    cJSON_Delete(tree);
    return done;
}
