// user/shell/test.c: test and [: conditions of files, strings and numbers, for
// the sake of `if`.

#include "shell.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int
test_one(const struct streams *s, const char *op, const char *word)
{
    struct stat st;

    if (op[0] != '-' || op[1] == 0 || op[2] != 0)
        return STATUS_MISUSE;
    switch (op[1]) {
    case 'n':
        return word[0] == 0;
    case 'z':
        return word[0] != 0;
    case 'e':
        return stat(word, &st) != 0;
    case 'f':
        return stat(word, &st) != 0 || !S_ISREG(st.st_mode);
    case 'd':
        return stat(word, &st) != 0 || !S_ISDIR(st.st_mode);
    case 's':
        return stat(word, &st) != 0 || st.st_size == 0;
    case 'r':
        return access(word, R_OK) != 0;
    case 'w':
        return access(word, W_OK) != 0;
    case 'x':
        return access(word, X_OK) != 0;
    case 'h':
    case 'L':
        return lstat(word, &st) != 0 || !S_ISLNK(st.st_mode);
    case 't':
        return word[0] < '0' || word[0] > '2' || word[1] != 0 ||
               !isatty(s->fds[word[0] - '0']);
    }
    return STATUS_MISUSE;
}

// False: one is no number.
static bool
numbers_of(const char *a, const char *b, long long *x, long long *y)
{
    char *ends[2];

    *x = strtoll(a, &ends[0], 10);
    *y = strtoll(b, &ends[1], 10);
    return ends[0] != a && ends[1] != b && *ends[0] == 0 && *ends[1] == 0;
}

static int
test_two(const char *a, const char *op, const char *b)
{
    static const char *const ops[] = {"-eq", "-ne", "-lt", "-le", "-gt", "-ge"};
    long long x, y;
    size_t i = 0;

    if (strcmp(op, "=") == 0)
        return strcmp(a, b) != 0;
    if (strcmp(op, "!=") == 0)
        return strcmp(a, b) == 0;
    while (i < 6 && strcmp(ops[i], op) != 0)
        i++;
    if (i == 6 || !numbers_of(a, b, &x, &y))
        return STATUS_MISUSE;
    const bool holds[] = {x == y, x != y, x<y, x <= y, x> y, x >= y};
    return !holds[i];
}

int
builtin_test(int argc, char **argv, const struct streams *s)
{
    int status = STATUS_MISUSE;
    bool bracket = strcmp(argv[0], "[") == 0, not = false;

    if (bracket && strcmp(argv[argc - 1], "]") != 0) {
        complain("[", "] is missing");
        return STATUS_MISUSE;
    }
    argc -= bracket;
    if (argc > 1 && strcmp(argv[1], "!") == 0) {
        not = true;
        argc--, argv++;
    }
    if (argc == 1)
        status = 1;
    else if (argc == 2)
        status = argv[1][0] == 0;
    else if (argc == 3)
        status = test_one(s, argv[1], argv[2]);
    else if (argc == 4)
        status = test_two(argv[1], argv[2], argv[3]);
    if (status == STATUS_MISUSE)
        complain("test", "no such condition");
    return status < STATUS_MISUSE && not ? !status : status;
}
