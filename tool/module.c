// tool/module.c: the bytes of a module: as they are, or what wat2wasm makes of
// its text.  The file is read once, so that it may be a pipe; wat2wasm works on
// files in memory.

#include "tool/tool.h"

#include "code/code.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define FD_PATH "/proc/self/fd/%d"

enum { NO_PROGRAM = 127, LINES_SHOWN = 12, LINE_SHOWN = 200 };

bool
path_ends_in(const char *text, const char *end)
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
    if (code_file_is(bytes))
        return false;
    while (at < bytes.size && bytes.ptr[at] != 0 &&
           strchr(blanks, bytes.ptr[at]) != NULL)
        at++;
    if (at < bytes.size && bytes.ptr[at] == '(')
        return true;
    if (bytes.size - at >= 2 && memcmp(bytes.ptr + at, ";;", 2) == 0)
        return true;
    return path_ends_in(path, ".wat");
}

// The three files, in memory, that a conversion works with.
struct conversion {
    int text, binary, said;
};

static NORETURN void
exec_wat2wasm(const struct conversion *c)
{
    char in[32], out[32];

    prctl(PR_SET_PDEATHSIG, SIGKILL); // it must not outlive us
    snprintf(in, sizeof(in), FD_PATH, c->text);
    snprintf(out, sizeof(out), FD_PATH, c->binary);
    dup2(c->said, STDOUT_FILENO);
    dup2(c->said, STDERR_FILENO);
    execlp("wat2wasm", "wat2wasm", "--enable-all", "--debug-names", in, "-o",
           out, NULL);
    _exit(NO_PROGRAM);
}

static bool
load_fd(int fd, struct bytes *out)
{
    char path[32];

    snprintf(path, sizeof(path), FD_PATH, fd);
    return file_load(path, UINT64_MAX, out) == 0;
}

// What wat2wasm said, its first lines, each a line of ours: it quotes the text,
// which may hold anything.  It knows the text by the name of a descriptor.
static void
show_said(const struct conversion *c, const char *path)
{
    char name[32];
    struct bytes said;

    if (!load_fd(c->said, &said))
        return;
    snprintf(name, sizeof(name), FD_PATH, c->text);
    u64 at = 0, len = strlen(name);
    for (u32 shown = 0; at < said.size && shown < LINES_SHOWN; shown++) {
        const char *line = (const char *)said.ptr + at;
        const u8 *end = memchr(line, '\n', said.size - at);
        u64 size = end ? (u64)((const char *)end - line) : said.size - at;
        bool named = size > len && memcmp(line, name, len) == 0;
        u64 from = named ? len : 0;
        complain("%s%.*s", named ? path : "", (int)MIN(size - from, LINE_SHOWN),
                 line + from);
        at += size + 1;
    }
    if (at < said.size)
        complain("%s: there is more that is wrong", path);
    free(said.ptr);
}

// Run wat2wasm; its wait status.
static int
run_wat2wasm(const struct conversion *c)
{
    int status = -1;
    pid_t pid = fork();

    if (pid == 0)
        exec_wat2wasm(c);
    if (pid > 0)
        waitpid(pid, &status, 0);
    return status;
}

static struct bytes
convert(const struct conversion *c, const char *path)
{
    struct bytes none = {0}, bytes;

    if (c->text < 0 || c->binary < 0 || c->said < 0) {
        complain("%s: no memory to convert it: %s", path, strerror(errno));
        return none;
    }
    int status = run_wat2wasm(c);
    if (status == 0 && load_fd(c->binary, &bytes))
        return bytes;
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_PROGRAM) {
        complain("%s: it is a text, not a binary module; with wat2wasm (Debian "
                 "package wabt) it is converted on the way",
                 path);
        return none;
    }
    show_said(c, path);
    complain("%s: wat2wasm cannot convert it", path);
    return none;
}

static void
close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

struct bytes
module_read(const char *path)
{
    struct bytes bytes;
    bool is_code = path_ends_in(path, ".neb");
    int error =
        file_load(path, is_code ? CODE_FILE_MOST : LIMIT_MODULE_SIZE, &bytes);

    if (error == EFBIG)
        complain("%s: a module has at most %llu bytes", path,
                 (unsigned long long)LIMIT_MODULE_SIZE);
    else if (error != 0)
        complain("%s: %s", path, strerror(error));
    if (error != 0 || !is_text(path, bytes))
        return bytes;
    const struct bytes none = {0};
    struct conversion c = {memory_file("text", bytes),
                           memory_file("module", none),
                           memory_file("said", none)};
    struct bytes made = convert(&c, path);
    close_fd(c.text);
    close_fd(c.binary);
    close_fd(c.said);
    free(bytes.ptr);
    return made;
}
