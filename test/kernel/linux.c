// test/kernel/linux.c: what the kernel's tests need from Linux.

#include "port/linux/linux.h"
#include "test/kernel/frame.h"
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

void
test_write_code(void *at, const void *bytes, u64 size)
{
    (void)at, (void)bytes, (void)size;
    test_skip("code is exchanged on metal only");
}

const u8 *
test_text(const u8 **end)
{
    *end = NULL;
    return NULL;
}

u64
test_interrupt_stack(void)
{
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

// A line of /proc/self/maps.
struct mapping {
    unsigned long start, end;
    char rights[5]; // "rwxp"
    bool is_named;  // of a file, or the host's own
};

static bool
next_mapping(FILE *maps, struct mapping *m)
{
    char line[512], name[256];
    int found;

    if (fgets(line, sizeof(line), maps) == NULL)
        return false;
    found = sscanf(line, "%lx-%lx %4s %*s %*s %*s %255s", &m->start, &m->end,
                   m->rights, name);
    m->is_named = found == 4;
    return found >= 3;
}

// What is executable is a file's that nobody shares, or generated code: nothing
// else is mapped for it, so no other address leads to those pages.
static const char *
mapping_fault(const struct mapping *m)
{
    if (m->rights[2] != 'x')
        return NULL;
    if (m->rights[1] == 'w')
        return "writable and executable";
    if (m->rights[3] != 'p' && m->start >> 63 == 0)
        return "executable and shared";
    bool is_code =
        port_code_contains(m->start) && port_code_contains(m->end - 1);
    return m->is_named || is_code ? NULL : "executable, and no code";
}

const char *
test_space_fault(u64 *address)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    struct mapping m = {0};
    const char *fault = NULL;

    assert(maps != NULL);
    while (fault == NULL && next_mapping(maps, &m))
        fault = mapping_fault(&m);
    fclose(maps);
    *address = m.start;
    return fault;
}

// Nothing of ours is mapped twice on this port.
static bool
has_right(const void *at, u32 index, char right)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    struct mapping m = {0};
    bool found = false;

    assert(maps != NULL);
    while (!found && next_mapping(maps, &m))
        found = (u64)at - m.start < m.end - m.start;
    fclose(maps);
    return found && m.rights[index] == right;
}

bool
test_may_write(const void *at)
{
    return has_right(at, 1, 'w');
}

bool
test_may_execute(const void *at)
{
    return has_right(at, 2, 'x');
}

// The walk sees what it is for.
TEST_KERNEL(walk_of_mappings_sees)
{
    static const struct {
        int rights, sharing;
        const char *fault;
    } broken[] = {
        {PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE, "writable and"  },
        {PROT_READ | PROT_EXEC,              MAP_SHARED,  "executable and"},
        {PROT_READ | PROT_EXEC,              MAP_PRIVATE, "executable, "  },
    };
    u64 at;

    EXPECT(test_space_fault(&at) == NULL);
    for (u32 i = 0; i < COUNT(broken); i++) {
        void *page = mmap(NULL, PAGE_SIZE, broken[i].rights,
                          broken[i].sharing | MAP_ANONYMOUS, -1, 0);
        EXPECT(page != MAP_FAILED);
        const char *fault = test_space_fault(&at);
        EXPECT(fault != NULL && at == (u64)page &&
               strstr(fault, broken[i].fault) == fault);
        munmap(page, PAGE_SIZE);
    }
    EXPECT(test_space_fault(&at) == NULL);
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

// NEBULET_PLANT=NAME: commit that one here, for test/kernel/plants.sh to see.
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
