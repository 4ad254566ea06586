// test/kernel/metal.c: the image that runs the kernel's tests, test/kernel/*.c,
// in QEMU: what is done by Linux in linux.c is done here between the kernel and
// the port, and inside the port (the linker leads calls to __wrap_..., see the
// Makefile).

#include "port/metal/tables.h"
#include "test/kernel/frame.h"
#include "wasi/wasi.h"

#include <string.h>

u64 __real_frames_new(u32 order);
u64 __real_frames_take(u32 order, struct port_promise *p);
u64 __real_span_new(struct span_space *space, u64 size, u64 align);
bool __real_port_log(const void *bytes, u64 size);
u64 __wrap_frames_new(u32 order);
u64 __wrap_frames_take(u32 order, struct port_promise *p);
u64 __wrap_span_new(struct span_space *space, u64 size, u64 align);
bool __wrap_port_log(const void *bytes, u64 size);

static struct {
    char *to; // NULL: not taken
    u64 size, used;
} taken;

void
kernel_test_run(void (*test)(void))
{
    kernel_test_twice(test);
}

// All tests run here.
u64
test_results(u32 call)
{
    return CHECKED ? call_results[call] : 0;
}

// --- frames and addresses that fail ------------------------------------------

u64
__wrap_frames_new(u32 order)
{
    return test_may_have() ? __real_frames_new(order) : 0;
}

// Those that were promised do not.
u64
__wrap_frames_take(u32 order, struct port_promise *p)
{
    return p != NULL || test_may_have() ? __real_frames_take(order, p) : 0;
}

u64
__wrap_span_new(struct span_space *space, u64 size, u64 align)
{
    return test_may_have() ? __real_span_new(space, size, align) : 0;
}

// --- who may write ----------------------------------------------------------

const char *
test_space_fault(u64 *address)
{
    return space_check(address);
}

bool
test_may_write(const void *at)
{
    u32 level = LEVEL_PAGE, alias_level = LEVEL_PAGE;
    bool on = lock_irq(&tables_lock);
    entry_t entry = *find_entry((u64)at, &level);
    u64 frame = (entry & ENTRY_ADDR) + ((u64)at & (level_size(level) - 1));
    entry_t alias = *find_entry(DIRECT_BASE + frame, &alias_level);

    unlock_irq(&tables_lock, on);
    return ((entry | alias) & PAGE_WRITE) != 0;
}

bool
test_may_execute(const void *at)
{
    u32 level = LEVEL_PAGE;
    bool on = lock_irq(&tables_lock);
    entry_t entry = *find_entry((u64)at, &level);

    unlock_irq(&tables_lock, on);
    return (entry & PAGE_PRESENT) != 0 && (entry & PAGE_NO_EXEC) == 0;
}

void
test_write_code(void *at, const void *bytes, u64 size)
{
    u64 offset = (u64)at % PAGE_SIZE;
    u32 level = LEVEL_PAGE;
    bool on = lock_irq(&tables_lock);
    u64 frame = *find_entry((u64)at, &level) & ENTRY_ADDR;

    unlock_irq(&tables_lock, on);
    EXPECT(offset + size <= PAGE_SIZE);
    on = port_interrupts_off();
    memcpy(code_window_open(frame) + offset, bytes, size);
    code_window_close();
    port_interrupts_restore(on);
}

extern const u8 text_start[], text_end[];

const u8 *
test_text(const u8 **end)
{
    *end = text_end;
    return text_start;
}

u64
test_interrupt_stack(void)
{
    return this_cpu()->tss.ist[IST_IRQ - 1];
}

// --- what devices see -------------------------------------------------------

void *
test_dma(u64 address)
{
    return direct(address);
}

// --- work -------------------------------------------------------------------

static bool counts_instructions; // -icount shift=0: one a nanosecond

u32
test_stress_steps(void)
{
    return (u32)test_asked("steps=", STRESS_STEPS);
}

u32
test_fault_step(void)
{
    return (u32)test_asked("faults=", 4 * FAULT_STEP);
}

u64
test_fuzz_calls(void)
{
    return test_asked("calls=", FUZZ_CALLS);
}

u64
test_device_steps(u64 of_ten)
{
    return of_ten * test_asked("devices=", 5000) / 10;
}

u32
test_stress_seed(void)
{
    return (u32)test_asked("seed=", 1);
}

u64
test_work(void)
{
    return port_monotonic_ns();
}

u64
test_work_bound(void)
{
    return counts_instructions ? 1000000 : 0;
}

// --- the log ----------------------------------------------------------------

void
test_log(char *to, u64 size, void (*run)(void))
{
    taken.to = to;
    taken.size = size;
    taken.used = 0;
    run();
    to[taken.used] = '\0';
    taken.to = NULL;
}

bool
__wrap_port_log(const void *bytes, u64 size)
{
    if (taken.to == NULL)
        return __real_port_log(bytes, size);
    u64 part = MIN(size, taken.size - 1 - taken.used);
    memcpy(taken.to + taken.used, bytes, part);
    taken.used += part;
    return true;
}

// --- what C has -------------------------------------------------------------

int
strcmp(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b)
        a++, b++;
    return (u8)*a - (u8)*b;
}

char *
strstr(const char *text, const char *what)
{
    u32 size = string_of(what).len;

    for (u32 left = string_of(text).len; left >= size; left--, text++)
        if (memcmp(text, what, size) == 0)
            return (char *)(u64)text;
    return NULL;
}

// --- all of them ------------------------------------------------------------

// The word "plant=NAME": commit that fault, which has to end the machine.
static void
run_plant(const char *name)
{
    for (u32 i = 0; i < test_plant_count; i++) {
        u32 size = string_of(test_plants[i].name).len;
        if (memcmp(name, test_plants[i].name, size) == 0 &&
            (name[size] == ' ' || name[size] == '\0'))
            test_plants[i].run();
    }
}

u32
boot_run(struct bytes initrd, const char *cmdline)
{
    static const char word[] = "plant=";
    const char *plant = strstr(cmdline, word);

    (void)initrd;
    if (plant != NULL) {
        run_plant(plant + sizeof(word) - 1);
        return 0;
    }
    counts_instructions = strstr(cmdline, "icount") != NULL;
    return !tests_pass(cmdline);
}
