// tool/module.c: the bytes of a module: as they are, or what wat2wasm makes of
// its text.

#include "tool/tool.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NO_PROGRAM = 127 };

static bool
ends_in(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);

    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

// Named so, or beginning with a parenthesis or a comment.
static bool
is_text(const char *path, struct bytes bytes)
{
    const char *blanks = " \t\r\n";
    u64 at = 0;

    if (bytes.size >= 4 && memcmp(bytes.ptr, "\0asm", 4) == 0)
        return false;
    while (at < bytes.size && bytes.ptr[at] != 0 &&
           strchr(blanks, bytes.ptr[at]) != NULL)
        at++;
    if (at < bytes.size && bytes.ptr[at] == '(')
        return true;
    if (bytes.size - at >= 2 && memcmp(bytes.ptr + at, ";;", 2) == 0)
        return true;
    return ends_in(path, ".wat");
}

static NORETURN void
exec_wat2wasm(const char *path, int to)
{
    char out[32], in[4096];

    snprintf(out, sizeof(out), "/proc/self/fd/%d", to);
    snprintf(in, sizeof(in), "%s%s", path[0] == '-' ? "./" : "", path);
    execlp("wat2wasm", "wat2wasm", "--enable-all", "--debug-names", in, "-o",
           out, NULL);
    _exit(NO_PROGRAM);
}

static struct bytes
convert(const char *path)
{
    struct bytes none = {0}, bytes;
    char made[32];
    int status = -1, fd = memfd_create("module", 0);

    if (fd < 0) {
        complain("%s: no memory for its binary form", path);
        return none;
    }
    pid_t pid = fork();
    if (pid == 0)
        exec_wat2wasm(path, fd);
    if (pid > 0)
        waitpid(pid, &status, 0);
    snprintf(made, sizeof(made), "/proc/self/fd/%d", fd);
    bool ok = status == 0 && file_load(made, &bytes) == 0;
    close(fd);
    if (ok)
        return bytes;
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_PROGRAM)
        complain("%s: it is a text, not a binary module; with wat2wasm (Debian "
                 "package wabt) it is converted on the way",
                 path);
    else
        complain("%s: wat2wasm cannot convert it", path);
    return none;
}

struct bytes
module_read(const char *path)
{
    struct bytes bytes = file_read(path);

    if (bytes.ptr == NULL || !is_text(path, bytes))
        return bytes;
    free(bytes.ptr);
    return convert(path);
}
