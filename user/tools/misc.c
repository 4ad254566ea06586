// user/tools/misc.c: tools for time and programs: date, env, sleep, time.

#include "tools.h"

#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { STATUS_NOT_FOUND = 127, STATUS_NOT_RUN = 126 };

// Run a command; its exit status, or why it could not be run.
static int
run(char **argv)
{
    int status;
    pid_t pid;

    fflush(stdout);
    int error = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
    if (error != 0) {
        complain(argv[0], strerror(error));
        return error == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_RUN;
    }
    if (waitpid(pid, &status, 0) < 0)
        return fail(argv[0]);
    return WEXITSTATUS(status);
}

int
tool_env(int argc, char **argv)
{
    for (int c; (c = getopt(argc, argv, "+i")) != -1;) {
        if (c == '?')
            return misuse();
        clearenv();
    }
    for (; optind < argc && strchr(argv[optind], '=') != NULL; optind++)
        if (putenv(argv[optind]) != 0)
            return fail(argv[optind]);
    if (optind < argc)
        return run(argv + optind);
    for (char **at = environ; at != NULL && *at != NULL; at++)
        puts(*at);
    return 0;
}

int
tool_date(int argc, char **argv)
{
    const char *format = "%a %b %e %H:%M:%S UTC %Y";
    char text[1024];
    struct tm tm;
    time_t now = time(NULL);

    if (getopt(argc, argv, "u") == '?' || argc - optind > 1 ||
        (argc > optind && argv[optind][0] != '+'))
        return misuse();
    if (argc > optind)
        format = argv[optind] + 1;
    if (strftime(text, sizeof(text), format, gmtime_r(&now, &tm)) == 0 &&
        format[0] != 0)
        return complain(format, "the result is too long");
    puts(format[0] != 0 ? text : "");
    return 0;
}

int
tool_sleep(int argc, char **argv)
{
    char *end;

    if (argc != 2)
        return misuse();
    double seconds = strtod(argv[1], &end);
    if (end == argv[1] || *end != 0 || !(seconds >= 0 && seconds < 1e9)) {
        complain(argv[1], "not a number of seconds");
        return 2;
    }
    struct timespec left = {(time_t)seconds,
                            (long)((seconds - (double)(time_t)seconds) * 1e9)};
    return nanosleep(&left, NULL) == 0 ? 0 : fail("nanosleep");
}

int
tool_time(int argc, char **argv)
{
    struct timespec start, end;

    if (argc < 2)
        return misuse();
    clock_gettime(CLOCK_MONOTONIC, &start);
    int status = run(argv + 1);
    clock_gettime(CLOCK_MONOTONIC, &end);
    double seconds = (double)(end.tv_sec - start.tv_sec) +
                     (double)(end.tv_nsec - start.tv_nsec) / 1e9;
    fprintf(stderr, "real %.3f\n", seconds);
    return status;
}
