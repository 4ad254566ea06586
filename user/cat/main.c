// user/cat/main.c: standard input to standard output.

#include <unistd.h>

static int
write_all(const char *from, ssize_t size)
{
    while (size > 0) {
        ssize_t done = write(STDOUT_FILENO, from, (size_t)size);
        if (done <= 0)
            return 0;
        from += done;
        size -= done;
    }
    return 1;
}

int
main(void)
{
    char bytes[5000];
    ssize_t size;

    while ((size = read(STDIN_FILENO, bytes, sizeof(bytes))) > 0)
        if (!write_all(bytes, size))
            return 1;
    return size != 0;
}
