// test/latency/latency.c: how long work in the kernel keeps the CPU from
// others.  The linker leads the calls of what turns preemption and interrupts
// off and on to the functions here (LATENCY_WRAP in the Makefile), which note
// the longest stretch and where it ended.  That interrupts turn them off, too,
// the port's part says (trap.c, test/kernel/linux.c).
//
// A preempted thread goes on where interrupts are turned on by no function: the
// stretch is forgotten when the next one begins.
//
// What is done under a mutex that everybody needs does not keep the CPU, but
// all who want the mutex: it is measured as well.
//
// A stretch is measured by the work done in it, not by the time gone by.

#include "test/latency/latency.h"

void __real_preempt_disable(void);
void __real_preempt_enable(void);
void __real_lock(struct lock *l);
void __real_unlock(struct lock *l);
bool __real_port_interrupts_off(void);
void __real_port_interrupts_restore(bool on);
void __real_port_idle(void);
void __wrap_preempt_disable(void);
void __wrap_preempt_enable(void);
void __wrap_lock(struct lock *l);
void __wrap_unlock(struct lock *l);
bool __wrap_port_interrupts_off(void);
void __wrap_port_interrupts_restore(bool on);
void __wrap_port_idle(void);
void __real_context_switch(struct context *from, struct context *to);
void __wrap_context_switch(struct context *from, struct context *to);
enum fault_action __real_fault_handle(struct fault *fault);
enum fault_action __wrap_fault_handle(struct fault *fault);
status_t __real_mutex_lock(struct mutex *m);
status_t __wrap_mutex_lock(struct mutex *m);
void __real_mutex_lock_always(struct mutex *m);
void __wrap_mutex_lock_always(struct mutex *m);
void __real_mutex_unlock(struct mutex *m);
void __wrap_mutex_unlock(struct mutex *m);

static bool watching;
static u64 preempt_since, irq_since; // 0: on
static u64 mutex_since;              // of the one mutex of all files; 0: free
static u64 longest;
static const void *longest_at;

// --- watching ----------------------------------------------------------------

static void
start(u64 *since)
{
    if (watching)
        *since = test_work();
}

static void
stop(u64 *since, const void *at)
{
    if (!watching)
        return;
    u64 spent = test_work() - *since;
    if (*since != 0 && spent > longest) {
        longest = spent;
        longest_at = at;
    }
    *since = 0;
}

// Only one thread at a time can have preemption off: there is one CPU.
static bool
is_off(void)
{
    return thread_current()->preempt_count > 0;
}

void
__wrap_preempt_disable(void)
{
    if (watching && !is_off())
        start(&preempt_since);
    __real_preempt_disable();
}

void
__wrap_preempt_enable(void)
{
    if (watching && thread_current()->preempt_count == 1)
        stop(&preempt_since, __builtin_return_address(0));
    __real_preempt_enable();
}

void
__wrap_lock(struct lock *l)
{
    if (watching && !is_off())
        start(&preempt_since);
    __real_lock(l);
}

void
__wrap_unlock(struct lock *l)
{
    if (watching && thread_current()->preempt_count == 1)
        stop(&preempt_since, __builtin_return_address(0));
    __real_unlock(l);
}

bool
__wrap_port_interrupts_off(void)
{
    bool on = __real_port_interrupts_off();

    if (on)
        start(&irq_since);
    return on;
}

void
__wrap_port_interrupts_restore(bool on)
{
    if (on)
        stop(&irq_since, __builtin_return_address(0));
    __real_port_interrupts_restore(on);
}

void
__wrap_port_idle(void)
{
    __real_port_idle();
    if (irq_since != 0)
        irq_since = test_work();
}

// Whoever is switched to goes on with interrupts off, as does who comes back,
// perhaps with preemption off, too: who is preempted on the way into lock(),
// when that has begun a stretch, leaves it to nobody else.
static void
go_on(void)
{
    start(&irq_since);
    start(&preempt_since);
}

void
__wrap_context_switch(struct context *from, struct context *to)
{
    stop(&irq_since, __builtin_return_address(0));
    go_on();
    __real_context_switch(from, to);
    go_on();
}

void
latency_interrupt(void)
{
    start(&irq_since);
}

void
latency_interrupt_over(const void *at)
{
    stop(&irq_since, at);
}

// Faults are handled with interrupts off.
enum fault_action
__wrap_fault_handle(struct fault *fault)
{
    u64 since = 0, pc = fault->pc;

    start(&since);
    enum fault_action action = __real_fault_handle(fault);
    stop(&since, (const void *)pc);
    return action;
}

static void
note_mutex(const struct mutex *m)
{
    if (m->rank == LOCK_TREE)
        start(&mutex_since);
}

status_t
__wrap_mutex_lock(struct mutex *m)
{
    status_t status = __real_mutex_lock(m);

    if (status == OK)
        note_mutex(m);
    return status;
}

void
__wrap_mutex_lock_always(struct mutex *m)
{
    __real_mutex_lock_always(m);
    note_mutex(m);
}

void
__wrap_mutex_unlock(struct mutex *m)
{
    if (m->rank == LOCK_TREE)
        stop(&mutex_since, __builtin_return_address(0));
    __real_mutex_unlock(m);
}

void
latency_watch(void)
{
    preempt_since = irq_since = mutex_since = longest = 0;
    longest_at = NULL;
    watching = true;
}

u64
latency_longest(const void **at)
{
    watching = false;
    *at = longest_at;
    return longest;
}
