// user/tools/system.c: tools on the machine and on processes: kill, log, mem,
// poweroff, ps, top.  What they may see and do is what the handle of a group
// says that they were given.

#include "tools.h"

#include <ctype.h>
#include <errno.h>
#include <launch.h>
#include <nebulet.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 32, NAME_SIZE = 64, MIB = 1024 * 1024 };

// The handle of the group; complains and exits without one.
static uint32_t
group(void)
{
    uint32_t handle = launch_given("group");

    if (handle != 0)
        return handle;
    complain("group", "no handle of one was given to this program");
    exit(1);
}

static const char *
reason_of(int32_t status)
{
    switch (status) {
    case NEBULET_ERR_NOT_FOUND:
        return "no such process";
    case NEBULET_ERR_ACCESS:
        return "the handle of the group does not allow that";
    case NEBULET_ERR_WRONG_TYPE:
        return "only groups are stopped and resumed";
    default:
        return "the kernel refuses";
    }
}

// --- lists of processes ------------------------------------------------------

struct processes {
    struct nebulet_group_entry *list;
    size_t count;
};

static void
read_processes(struct processes *p)
{
    uint32_t count = 0, handle = group();
    uint64_t after = 0;

    p->count = 0;
    do {
        size_t room = (p->count + BATCH) * sizeof(*p->list);
        struct nebulet_group_entry *list = realloc(p->list, room);
        if (list == NULL) {
            complain("memory", strerror(ENOMEM));
            exit(1);
        }
        p->list = list;
        int32_t status =
            nebulet_group_list(handle, after, list + p->count, BATCH, &count);
        if (status != 0) {
            complain("group", reason_of(status));
            exit(1);
        }
        for (uint32_t i = 0; i < count; i++) {
            after = list[p->count].id;
            p->count++;
        }
    } while (count == BATCH);
}

// Groups are not shown, but as a column.
static void
print_process(const struct nebulet_group_entry *p)
{
    char name[NAME_SIZE + 1] = "";
    uint32_t size;

    if (nebulet_group_name(group(), p->id, name, NAME_SIZE, &size) != 0)
        return; // it has ended
    printf("%5llu %5llu %7u %-7s %9.1f %9.3f %s\n", (unsigned long long)p->id,
           (unsigned long long)p->group, p->threads,
           p->state == NEBULET_MEMBER_SUSPENDED ? "stopped" : "runs",
           (double)p->memory / MIB, (double)p->cpu_ns / 1e9, name);
}

static void
print_processes(const struct processes *p, size_t most)
{
    printf("   ID GROUP THREADS STATE         MIB   SECONDS NAME\n");
    for (size_t i = 0; i < p->count && most > 0; i++) {
        if (p->list[i].kind != NEBULET_MEMBER_PROCESS)
            continue;
        print_process(&p->list[i]);
        most--;
    }
}

int
tool_ps(int argc, char **argv)
{
    struct processes p = {NULL, 0};

    (void)argv;
    if (argc > 1)
        return misuse();
    read_processes(&p);
    print_processes(&p, SIZE_MAX);
    free(p.list);
    return 0;
}

// --- top ---------------------------------------------------------------------

static int
by_time(const void *a, const void *b)
{
    const struct nebulet_group_entry *x = a, *y = b;

    return (x->cpu_ns < y->cpu_ns) - (x->cpu_ns > y->cpu_ns);
}

// Once, where nobody watches; else again and again, until ^C.
int
tool_top(int argc, char **argv)
{
    const char *lines = getenv("LINES");
    size_t most = lines != NULL && atoi(lines) > 4 ? atoi(lines) - 4 : 20;
    long long times = isatty(1) ? -1 : 1, seconds = 1;
    struct processes p = {NULL, 0};

    for (int c; (c = getopt(argc, argv, "n:d:")) != -1;) {
        if (c == '?')
            return misuse();
        *(c == 'n' ? &times : &seconds) = number_of(optarg);
    }
    while (times != 0) {
        read_processes(&p);
        qsort(p.list, p.count, sizeof(*p.list), by_time);
        printf("%s", isatty(1) ? "\033[H\033[J" : "");
        print_processes(&p, most);
        fflush(stdout);
        times -= times > 0;
        if (times != 0)
            sleep((unsigned)seconds);
    }
    free(p.list);
    return 0;
}

// What all together use of each resource of the kernel, and may.
int
tool_mem(int argc, char **argv)
{
    static const char *const names[] = {
        [NEBULET_RESOURCE_MEMORY] = "memory",
        [NEBULET_RESOURCE_KERNEL] = "kernel",
        [NEBULET_RESOURCE_OBJECTS] = "objects",
        [NEBULET_RESOURCE_ADDRESSES] = "addresses",
        [NEBULET_RESOURCE_HANDLES] = "handles",
        [NEBULET_RESOURCE_THREADS] = "threads",
        [NEBULET_RESOURCE_PROCESSES] = "processes",
        [NEBULET_RESOURCE_GROUPS] = "groups",
        [NEBULET_RESOURCE_CODE] = "code",
        [NEBULET_RESOURCE_TYPES] = "types",
        [NEBULET_RESOURCE_FILES] = "files",
    };

    (void)argv;
    if (argc > 1)
        return misuse();
    printf("%-10s %12s %12s\n", "RESOURCE", "USED", "LIMIT");
    for (uint32_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        uint64_t used, limit;
        if (nebulet_group_get(group(), i, &used, &limit) != 0)
            continue;
        printf("%-10s %12llu ", names[i], (unsigned long long)used);
        if (limit == UINT64_MAX)
            printf("%12s\n", "none");
        else
            printf("%12llu\n", (unsigned long long)limit);
    }
    return 0;
}

// --- ends --------------------------------------------------------------------

// What a name of POSIX's signals does here; 0: nothing that we know.
static int
find_action(const char *name)
{
    static const struct {
        const char *name;
        int number;
    } actions[] = {
        {"INT",  2 },
        {"KILL", 9 },
        {"TERM", 15},
        {"CONT", 18},
        {"STOP", 19},
    };

    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        if (strcmp(actions[i].name, name) == 0 ||
            (isdigit((unsigned char)name[0]) &&
             atoi(name) == actions[i].number))
            return actions[i].number;
    return 0;
}

static int
act(const char *word, int action)
{
    uint64_t id = (uint64_t)number_of(word);
    uint32_t member;
    int32_t status = nebulet_group_open(group(), id, &member);

    if (status != 0)
        return complain(word, reason_of(status));
    if (action == 18)
        status = nebulet_group_resume(member);
    else if (action == 19)
        status = nebulet_group_suspend(member);
    else
        status = nebulet_process_kill(member, 128 + action);
    if (status == NEBULET_ERR_WRONG_TYPE && action != 18 && action != 19)
        status = nebulet_group_kill(member, 128 + action);
    nebulet_handle_close(member);
    return status == 0 ? 0 : complain(word, reason_of(status));
}

int
tool_kill(int argc, char **argv)
{
    int action = 15, status = 0, first = 1;

    if (argc > 1 && argv[1][0] == '-') {
        action = find_action(argv[1] + 1);
        if (action == 0)
            return complain(argv[1], "not INT, KILL, TERM, CONT or STOP"), 2;
        first = 2;
    }
    if (argc == first)
        return misuse();
    for (int i = first; i < argc; i++)
        status |= act(argv[i], action);
    return status;
}

// The machine ends with its first program.
int
tool_poweroff(int argc, char **argv)
{
    uint32_t init = 0, status = argc > 1 ? (uint32_t)number_of(argv[1]) : 0;
    struct processes p = {NULL, 0};
    int32_t error = NEBULET_ERR_NOT_FOUND;

    if (argc > 2)
        return misuse();
    read_processes(&p);
    for (size_t i = 0; i < p.count && init == 0; i++)
        if (p.list[i].kind == NEBULET_MEMBER_PROCESS)
            error = nebulet_group_open(group(), p.list[i].id, &init);
    free(p.list);
    if (error == 0)
        error = nebulet_process_kill(init, status);
    return error == 0 ? 0 : complain("init", reason_of(error));
}

int
tool_log(int argc, char **argv)
{
    char text[512] = "";

    if (argc < 2)
        return misuse();
    for (int i = 1; i < argc; i++) {
        if (strlen(text) + strlen(argv[i]) + 2 > sizeof(text))
            return complain("text", "more than 511 bytes");
        strcat(text, i > 1 ? " " : "");
        strcat(text, argv[i]);
    }
    return nebulet_log_write(text, strlen(text)) == 0 ?
               0 :
               complain("log", "the kernel refuses");
}
