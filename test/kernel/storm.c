// test/kernel/storm.c: memory and processes that come and go at once: 24
// processes grow memories and free them while 4 others map and unmap; processes
// are made and killed by the thousand.  Nobody sees a byte of another, and
// nothing is left behind.

#include "test/kernel/calls.h"

#include <string.h>

// --- memory ------------------------------------------------------------------

enum {
    GROWERS = 24,
    MAPPERS = 4,
    PROCESSES = GROWERS + MAPPERS,
    PAGES_MAX = 12, // of 64 KiB, of a memory
    SPAN_MAX = 64,  // of 4 KiB, of a mapping
};

static struct {
    struct process *processes[PROCESSES];
    u32 rounds;
    u32 grown, mapped, refused, wrong; // atomic
} storm;

// Fresh memory is zero; then it is this thread's only.  Each page has a word.
static void
use_pages(u8 *at, u64 size, u64 mark)
{
    for (u64 i = 0; i < size; i += PAGE_SIZE) {
        u64 *word = (u64 *)(at + i);
        if (*word != 0)
            COUNT_UP(storm.wrong);
        *word = mark + i;
    }
    thread_yield();
    for (u64 i = 0; i < size; i += PAGE_SIZE)
        if (*(u64 *)(at + i) != mark + i)
            COUNT_UP(storm.wrong);
}

static void
grow_and_free(u64 *random, u64 mark)
{
    struct limits type = {.min = 1, .page_log2 = 16};
    struct memory *m;
    u64 pages = 1;

    if (memory_new(&m, &type) != OK) {
        COUNT_UP(storm.refused);
        return;
    }
    while (pages < PAGES_MAX) {
        u64 more = 1 + test_draw(random, 4);
        if (memory_grow(m, more) != pages) {
            COUNT_UP(storm.refused);
            break;
        }
        pages += more;
    }
    for (u64 i = 0; i < pages; i++)
        if (!memory_touch(m, i * 64 * KIB, 1))
            COUNT_UP(storm.wrong); // it was promised
    for (u64 i = 0; i < pages; i++)
        use_pages(m->base + i * 64 * KIB, PAGE_SIZE, mark + i);
    object_release(&m->object);
    COUNT_UP(storm.grown);
}

static void
map_and_unmap(u64 *random, u64 mark)
{
    u64 size = (1 + test_draw(random, SPAN_MAX)) * PAGE_SIZE;
    u8 *at = port_reserve(size, PAGE_SIZE);

    if (at == NULL || !port_commit(at, size)) {
        COUNT_UP(storm.refused);
    } else {
        use_pages(at, size, mark);
        COUNT_UP(storm.mapped);
    }
    if (at != NULL)
        port_release(at, size);
}

static void
take_part(void)
{
    u32 number = 0;

    while (storm.processes[number] != process_current())
        number++;
    u64 random = 0x9e3779b97f4a7c15 * (number + test_stress_seed());
    for (u32 i = 0; i < storm.rounds; i++) {
        u64 mark = ((u64)number << 32 | i) << 16 | 1;
        if (number < GROWERS)
            grow_and_free(&random, mark);
        else
            map_and_unmap(&random, mark);
    }
}

TEST_KERNEL(storm_of_memory)
{
    memset(&storm, 0, sizeof(storm));
    storm.rounds = test_stress_steps() / 40;
    for (u32 i = 0; i < PROCESSES; i++)
        storm.processes[i] = test_new_process(take_part);
    for (u32 i = 0; i < PROCESSES; i++)
        test_start(storm.processes[i]);
    for (u32 i = 0; i < PROCESSES; i++)
        EXPECT_EQ(test_wait(storm.processes[i]), 0);
    klog("storm: %u memories, %u mappings, %u refused, on %u CPUs", storm.grown,
         storm.mapped, storm.refused, port_cpu_count());
    EXPECT_EQ(storm.wrong, 0);
    EXPECT_EQ(storm.grown + storm.mapped + storm.refused >=
                  PROCESSES * storm.rounds,
              true);
    EXPECT(storm.grown > 0 && storm.mapped > 0);
}

// --- processes ---------------------------------------------------------------

enum { MAKERS = 8 };

static struct {
    struct code_module *endless, *count;
    u32 left, made, killed, ended; // atomic
} makers;

// One of them runs for ever, the other ends by itself, or is killed before.
static void
make_and_kill(u64 *random)
{
    bool endless = test_draw(random, 2) == 0;
    struct process *p = NULL;
    struct error error;
    char text[64];
    u32 status = 0;

    if (process_new(&p, NULL, endless ? makers.endless : makers.count, "storm",
                    &error, text, sizeof(text)) != OK)
        return;
    EXPECT_EQ(process_start(p), OK);
    // Now and then it is let run, as long as the machine may take.
    u32 turns = test_draw(random, test_draw(random, 8) == 0 ? 400 : 4);
    for (; turns > 0; turns--)
        thread_yield();
    process_kill(p, 9);
    EXPECT_EQ(process_wait(p, UINT64_MAX, &status), OK);
    EXPECT(status == 9 || (!endless && status == 42));
    process_release(p);
    COUNT_UP(makers.made);
    COUNT_UP(*(status == 9 ? &makers.killed : &makers.ended));
}

static void
make_processes(void *arg)
{
    u64 random = 0x2545f4914f6cdd1d + (u64)arg + test_stress_seed();

    while ((i32)COUNT_DOWN(makers.left) > 0)
        make_and_kill(&random);
}

TEST_KERNEL(storm_of_processes)
{
    struct thread *threads[MAKERS];
    u32 all = test_stress_steps() * 125 / STRESS_STEPS; // eight runs: 1,000

    memset(&makers, 0, sizeof(makers));
    makers.endless = test_compile("endless");
    makers.count = test_compile("count");
    makers.left = all;
    for (u64 i = 0; i < MAKERS; i++) {
        threads[i] = test_start_thread(make_processes, (void *)i);
    }
    for (u32 i = 0; i < MAKERS; i++) {
        EXPECT_EQ(thread_join(threads[i], UINT64_MAX), OK);
        thread_release(threads[i]);
    }
    code_module_release(makers.endless);
    code_module_release(makers.count);
    klog("storm: %u processes, %u killed, %u had ended, on %u CPUs",
         makers.made, makers.killed, makers.ended, port_cpu_count());
    EXPECT_EQ(makers.made, all);
    EXPECT(makers.killed > 0);
}
