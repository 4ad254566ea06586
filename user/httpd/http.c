// user/httpd/http.c: requests and answers (RFC 9112).  GET and HEAD of files
// below one directory; a request has no body, as far as we can answer it.

#include "httpd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 1024 };

struct request {
    char *method, *target, *version; // of its first line
    bool closes, head, body;
};

// --- what was asked ----------------------------------------------------------

// The length of what ends in an empty line; 0: it does not end yet.
static size_t
find_end(const char *text, size_t size)
{
    for (size_t i = 3; i < size; i++)
        if (memcmp(text + i - 3, "\r\n\r\n", 4) == 0)
            return i + 1;
    return 0;
}

static bool
has_word(const char *value, const char *word)
{
    size_t len = strlen(word);

    for (; *value != 0; value++)
        if (strncasecmp(value, word, len) == 0)
            return true;
    return false;
}

static void
read_field(struct request *r, const char *line)
{
    if (strncasecmp(line, "connection:", 11) == 0) {
        r->closes |= has_word(line + 11, "close");
        r->closes &= !has_word(line + 11, "keep-alive");
    }
    if (strncasecmp(line, "transfer-encoding:", 18) == 0)
        r->body = true;
    if (strncasecmp(line, "content-length:", 15) == 0)
        r->body |= strspn(line + 15, " \t0") != strlen(line + 15);
}

// The text ends in an empty line and is taken apart in place; false: it is no
// request.
static bool
read_request(struct request *r, char *text)
{
    char *rest = text, *line = strsep(&rest, "\n");

    *r = (struct request){.method = strsep(&line, " ")};
    r->target = strsep(&line, " ");
    r->version = strsep(&line, "\r");
    if (r->version == NULL || strncmp(r->version, "HTTP/1.", 7) != 0 ||
        r->target[0] != '/')
        return false;
    r->closes = strcmp(r->version, "HTTP/1.0") == 0;
    r->head = strcmp(r->method, "HEAD") == 0;
    while ((line = strsep(&rest, "\n")) != NULL) {
        line[strcspn(line, "\r")] = 0;
        read_field(r, line);
    }
    return true;
}

static int
hex_digit(char c)
{
    const char *digits = "0123456789abcdef", *at = strchr(digits, c | 32);

    return c != 0 && at != NULL ? (int)(at - digits) : -1;
}

// The name of the file that the target asks for; false: it can be none.
static bool
path_of(const char *root, const char *target, char *path)
{
    size_t at = (size_t)snprintf(path, PATH_SIZE, "%s", root);

    while (*target != 0 && *target != '?' && *target != '#') {
        int c = (unsigned char)*target++;
        if (c == '%') {
            int high = hex_digit(target[0]);
            int low = high < 0 ? -1 : hex_digit(target[1]);
            c = low < 0 ? 0 : 16 * high + low;
            target += 2 * (low >= 0);
        }
        if (c == 0 || at + 1 >= PATH_SIZE)
            return false;
        path[at++] = (char)c;
    }
    path[at] = 0;
    return strstr(path, "/../") == NULL &&
           (at < 3 || strcmp(path + at - 3, "/..") != 0);
}

// --- answers -----------------------------------------------------------------

static const char *
type_of(const char *path)
{
    static const char *const types[][2] = {
        {".html", "text/html; charset=utf-8" },
        {".css",  "text/css"                 },
        {".js",   "text/javascript"          },
        {".json", "application/json"         },
        {".txt",  "text/plain; charset=utf-8"},
        {".svg",  "image/svg+xml"            },
        {".png",  "image/png"                },
        {".jpg",  "image/jpeg"               },
        {".wasm", "application/wasm"         },
    };
    const char *dot = strrchr(path, '.');

    for (size_t i = 0; dot != NULL && i < sizeof(types) / sizeof(*types); i++)
        if (strcmp(dot, types[i][0]) == 0)
            return types[i][1];
    return "application/octet-stream";
}

static void
put_head(struct connection *c, const char *status, const char *type,
         uint64_t size)
{
    c->at = 0;
    c->out = (size_t)snprintf(c->piece, HEAD_SIZE,
                              "HTTP/1.1 %s\r\n"
                              "Content-Type: %s\r\n"
                              "Content-Length: %llu\r\n"
                              "%s\r\n",
                              status, type, (unsigned long long)size,
                              c->last ? "Connection: close\r\n" : "");
    c->answering = true;
}

static void
refuse(struct connection *c, const char *status, bool head)
{
    size_t size = strlen(status) + 1;

    put_head(c, status, "text/plain; charset=utf-8", size);
    if (head)
        return;
    memcpy(c->piece + c->out, status, size - 1);
    c->piece[c->out + size - 1] = '\n';
    c->out += size;
}

// Of a directory its index.
static int
open_file(char *path, struct stat *stat)
{
    int fd = open(path, O_RDONLY);

    if (fd >= 0 && fstat(fd, stat) == 0 && S_ISDIR(stat->st_mode)) {
        close(fd);
        if (strlen(path) + sizeof("/index.html") > PATH_SIZE)
            return errno = ENAMETOOLONG, -1;
        strcat(path, "/index.html");
        fd = open(path, O_RDONLY);
    }
    if (fd >= 0 && (fstat(fd, stat) != 0 || !S_ISREG(stat->st_mode))) {
        close(fd);
        return errno = ENOENT, -1;
    }
    return fd;
}

static void
send_file(struct connection *c, const struct request *r, const char *root)
{
    char path[PATH_SIZE];
    struct stat stat;

    if (!path_of(root, r->target, path)) {
        refuse(c, "400 Bad Request", r->head);
        return;
    }
    int fd = open_file(path, &stat);
    if (fd < 0) {
        refuse(c,
               errno == EMFILE || errno == ENFILE ? "503 Service Unavailable" :
               errno == EACCES || errno == EPERM  ? "403 Forbidden" :
                                                    "404 Not Found",
               r->head);
        return;
    }
    put_head(c, "200 OK", type_of(path), (uint64_t)stat.st_size);
    if (r->head) {
        close(fd);
    } else {
        c->file = fd;
        c->left = (uint64_t)stat.st_size;
    }
}

bool
http_answer(struct connection *c, const char *root)
{
    size_t size = find_end(c->request, c->in);
    char text[REQUEST_SIZE + 1];
    struct request r;

    if (size == 0 && c->in < REQUEST_SIZE)
        return false;
    if (size == 0) {
        c->last = true;
        refuse(c, "431 Request Header Fields Too Large", false);
        return true;
    }
    memcpy(text, c->request, size);
    text[size] = 0;
    memmove(c->request, c->request + size, c->in - size);
    c->in -= size;
    bool good = strlen(text) == size && read_request(&r, text);
    c->last = !good || r.closes || r.body;
    if (!good)
        refuse(c, "400 Bad Request", false);
    else if (!r.head && strcmp(r.method, "GET") != 0)
        refuse(c, "501 Not Implemented", false);
    else
        send_file(c, &r, root);
    return true;
}

// Where the file got shorter, what was promised cannot be sent.
bool
http_fill(struct connection *c)
{
    size_t most =
        c->left < PIECE_SIZE - c->out ? (size_t)c->left : PIECE_SIZE - c->out;

    if (c->file < 0)
        return true;
    if (most > 0) {
        ssize_t got = read(c->file, c->piece + c->out, most);
        if (got <= 0)
            return false;
        c->out += (size_t)got;
        c->left -= (size_t)got;
    }
    if (c->left == 0) {
        close(c->file);
        c->file = -1;
    }
    return true;
}
