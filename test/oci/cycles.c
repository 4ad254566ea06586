// test/oci/cycles.c: cycles RUNTIME ROOT BUNDLE COUNT FLAG: that many
// containers, one after the other: create, start, the end of its process,
// delete, as a shim does it; FLAG is one more of those before the command.
// Prints the seconds that all took, and those of CPU time of the runtime and
// the containers.  Built by test/oci/rate.py.

#define _GNU_SOURCE

#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static void
die(const char *what)
{
    perror(what);
    exit(1);
}

static void
call(char **argv)
{
    pid_t pid;
    int status;

    if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) != 0)
        die(argv[0]);
    if (waitpid(pid, &status, 0) != pid || status != 0)
        die(argv[4]);
}

static double
seconds_of(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static void
cycle(char **argv, int number)
{
    char id[32], pid_file[4096];
    int pid = 0, status;

    snprintf(id, sizeof(id), "cycle-%d", number);
    snprintf(pid_file, sizeof(pid_file), "%s/pid", argv[3]);
    char *create[] = {argv[1],  "--root",   argv[2], argv[5],
                      "create", "--bundle", argv[3], "--pid-file",
                      pid_file, id,         NULL};
    char *start[] = {argv[1], "--root", argv[2], argv[5], "start", id, NULL};
    char *delete[] = {argv[1], "--root", argv[2], argv[5], "delete", id, NULL};
    call(create);
    FILE *file = fopen(pid_file, "r");
    if (file == NULL || fscanf(file, "%d", &pid) != 1)
        die(pid_file);
    fclose(file);
    call(start);
    if (waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 40)
        die("status");
    call(delete);
}

int
main(int argc, char **argv)
{
    struct timespec begin, end;
    struct rusage usage;

    if (argc != 6 || prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        die("cycles");
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (int i = 0; i < atoi(argv[4]); i++)
        cycle(argv, i);
    clock_gettime(CLOCK_MONOTONIC, &end);
    getrusage(RUSAGE_CHILDREN, &usage);
    printf("%.3f %.3f\n",
           (double)(end.tv_sec - begin.tv_sec) +
               (double)(end.tv_nsec - begin.tv_nsec) / 1e9,
           seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime));
    return 0;
}
