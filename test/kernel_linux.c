// test/kernel_linux.c: what the kernel's tests need from Linux.

#include "port/linux/linux.h"
#include "test/kernel_frame.h"
#include "wasi/wasi.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const struct host_module *const modules[] = {
    &nebulet_module, &nebulet2018_module, &wasi_threads, NULL};

static int
run_test(void *arg)
{
    void (**test)(void) = arg;

    sys_init(modules);
    kernel_test_twice(*test);
    return 0;
}

static u32
environment(const char *name, u32 otherwise)
{
    const char *value = getenv(name);

    return value != NULL ? (u32)strtoul(value, NULL, 10) : otherwise;
}

// Each test runs in a process of its own; what calls returned is put together
// in memory that all of them have.
static u64 *results;

__attribute__((constructor)) static void
share_results(void)
{
    results = mmap(NULL, sizeof(call_results), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert(results != MAP_FAILED);
}

u64
test_results(u32 call)
{
    return results[call];
}

void
kernel_test_run(void (*test)(void))
{
    linux_cpus(environment("NEBULET_SMP", 1));
    EXPECT_EQ(linux_start(run_test, &test), 0);
    for (u32 i = 0; i < CALL_COUNT; i++)
        results[i] |= call_results[i];
}

void *
test_dma(u64 address)
{
    return (void *)address;
}

// Look for the mapping of `at` (0: for one that is writable and executable).
// True: it is there, and writable.
static bool
find_writable(u64 at, u64 *found)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512], rights[5] = "";
    unsigned long start, end;
    bool writable = false;

    assert(maps != NULL);
    while (!writable && fgets(line, sizeof(line), maps) != NULL)
        if (sscanf(line, "%lx-%lx %4s", &start, &end, rights) == 3)
            writable = rights[1] == 'w' &&
                       (at != 0 ? at - start < end - start : rights[2] == 'x');
    fclose(maps);
    *found = start;
    return writable;
}

// Nothing is mapped twice on this port.
const char *
test_space_fault(u64 *address)
{
    return find_writable(0, address) ? "writable and executable" : NULL;
}

bool
test_may_write(const void *at)
{
    u64 found;

    return find_writable((u64)at, &found);
}

u32
test_stress_steps(void)
{
    return environment("NEBULET_STEPS", STRESS_STEPS);
}

u32
test_fault_step(void)
{
    return environment("NEBULET_FAULTS", FAULT_STEP);
}

u64
test_fuzz_calls(void)
{
    return environment("NEBULET_CALLS", 10 * FUZZ_CALLS);
}

u64
test_device_steps(u64 of_ten)
{
    return of_ten * environment("NEBULET_DEVICES", 100000) / 10;
}

u32
test_stress_seed(void)
{
    return environment("NEBULET_SEED", 1);
}

// --- work --------------------------------------------------------------------

u64
test_work(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (u64)t.tv_sec * 1000000000 + (u64)t.tv_nsec;
}

// The time of a thread depends on the machine and on who else runs there.
u64
test_work_bound(void)
{
    return 0;
}

// --- the log -----------------------------------------------------------------

void
test_log(char *to, u64 size, void (*run)(void))
{
    FILE *file = tmpfile();
    int saved = dup(2);

    assert(file != NULL && saved >= 0);
    fflush(stderr);
    dup2(fileno(file), 2);
    run();
    dup2(saved, 2);
    close(saved);
    rewind(file);
    to[fread(to, 1, size - 1, file)] = '\0';
    fclose(file);
}

// --- planted faults ----------------------------------------------------------

// Does it end in this panic, in a process of its own?
static bool
panics(const struct test_plant *plant)
{
    FILE *file = tmpfile();
    char said[8192] = "";
    int status = 0;

    assert(file != NULL);
    pid_t child = fork();
    if (child == 0) {
        if (dup2(fileno(file), 2) != 2)
            _exit(1);
        plant->run();
        _exit(0);
    }
    EXPECT_EQ(waitpid(child, &status, 0), child);
    rewind(file);
    said[fread(said, 1, sizeof(said) - 1, file)] = '\0';
    fclose(file);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT &&
           strstr(said, plant->message) != NULL;
}

// NEBULET_PLANT=NAME: commit that one here, for test/plants.sh to see.
TEST_KERNEL(plants_stop_the_kernel)
{
    const char *one = getenv("NEBULET_PLANT");

    for (u32 i = 0; one != NULL && i < test_plant_count; i++)
        if (strcmp(one, test_plants[i].name) == 0)
            test_plants[i].run();
    for (u32 i = 0; i < test_plant_count; i++)
        if (!panics(&test_plants[i]))
            test_failed(__FILE__, __LINE__, test_plants[i].name, 0, 1);
}
