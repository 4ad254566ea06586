// kernel/pass.h: the short way from one thread to another on a CPU: for those
// who hand it on (sched.c, gate_call.c, gate_serve.c), as parts of them, as a
// call of a gate and its reply are little more than this.  Interrupts are off.

#pragma once

#include "kernel/history.h"
#include "kernel/share.h"

#define PASS_STEP static inline __attribute__((always_inline))

// Those that a switch clears, where C uses them.
#ifdef __SSE__
#define VECTOR_REGISTERS                                                    \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", \
        "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15",
#else
#define VECTOR_REGISTERS
#endif

// context_switch() as a part of the caller.  A processor guesses where a `ret`
// goes by the calls that it has seen, on whatever stack: so where one thread
// goes on after the other, no more calls should lie between the switch and
// generated code than in the other, and none in the switch itself.
PASS_STEP void
context_switch_here(struct context *from, struct context *to)
{
    __asm__ volatile("push %%rbp\n\t"
                     "lea 1f(%%rip), %%rax\n\t"
                     "push %%rax\n\t"
                     "mov %%rsp, (%%rdi)\n\t"
                     "mov (%%rsi), %%rsp\n\t"
                     "cmpb $0, context_has_avx(%%rip)\n\t"
                     "je 2f\n\t"
                     "vzeroall\n"
                     "3:\n\t"
                     "pop %%rax\n\t"
                     "jmp *%%rax\n"
                     "2:\n\t"
                     "call context_clear\n\t"
                     "jmp 3b\n"
                     "1:\n\t"
                     "pop %%rbp"
                     : "+D"(from), "+S"(to)
                     :
                     : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11",
                       "r12", "r13", "r14", "r15", VECTOR_REGISTERS "memory",
                       "cc");
}

// sched.c: the second half of a switch, on the stack of the thread that
// continues, in the slice of the one before (PASSED) or in its own.
void sched_after_switch(u32 way_in);

// May t leave the CPU?
PASS_STEP void
pass_check(const struct thread *t)
{
    assert(t->preempt_count == 0);
    assert(!CHECKED || (locks_held() & ~(1ull << LOCK_CPU)) == 0);
}

// What the CPU has learned of another group's branches is not for `to`.
void pass_forget(struct run_queue *q, const struct thread *to)
    REQUIRES(q->lock);

// Continue with `to`, a thread of q, on its stack, until somebody comes back to
// that of `from`; q->lock, the only one that may be held here, stays so.
PASS_STEP void pass_change_stacks(struct run_queue *q, struct thread *from,
                                  struct thread *to, u32 way_in)
    REQUIRES(q->lock);

PASS_STEP void
pass_change_stacks(struct run_queue *q, struct thread *from, struct thread *to,
                   u32 way_in)
{
    assert_held(&q->lock);
    pass_check(from);
    thread_set_state(to, THREAD_RUNNING);
    to->resched = false;
    to->way_in = (u8)way_in;
    q->current = to;
    if (from == to)
        return;
    history_switch(to->cpu, from->number, to->number);
    if (sched_forgets)
        pass_forget(q, to);
    port_stack_use(to->stack, STACK_SIZE);
    if (CHECKED) // tests have their own
        context_switch(&from->context, &to->context);
    else
        context_switch_here(&from->context, &to->context);
}

// The same where all that is to be done for who comes next is as it was.
PASS_STEP void pass_switch(struct run_queue *q, struct thread *from,
                           struct thread *to, u32 way_in) RELEASE(q->lock);

PASS_STEP void LOCKS_BY_HAND
pass_switch(struct run_queue *q, struct thread *from, struct thread *to,
            u32 way_in)
{
    pass_change_stacks(q, from, to, way_in | AT_ONCE);
    if (from->way_in & AT_ONCE)
        unlock_irq_nested(&run_queues[from->cpu].lock);
    else
        sched_after_switch(from->way_in);
}

PASS_STEP void
pass_set_lent(struct thread *t, struct lent lent)
{
    __atomic_store_n(&t->lent.account, lent.account, __ATOMIC_RELAXED);
    t->lent.priority = lent.priority;
}

static inline u64
pass_session(const struct thread *t)
{
    return __atomic_load_n(&t->session, __ATOMIC_RELAXED);
}

static inline void
pass_set_session(struct thread *t, u64 session)
{
    __atomic_store_n(&t->session, session, __ATOMIC_RELAXED);
}

// All of sched_pass() where the CPU is handed on at once: who comes next finds
// the timer as it is to be, and what has run as it was.  It runs in the place
// of the host, or is that itself.  It `joins`: maybe it was not of the session.
PASS_STEP void pass_go(struct run_queue *q, struct thread *t,
                       const struct pass *pass, struct lock *held, bool joins)
    RELEASE(*held) RELEASE(q->lock);

PASS_STEP void LOCKS_BY_HAND
pass_go(struct run_queue *q, struct thread *t, const struct pass *pass,
        struct lock *held, bool joins)
{
    struct thread *to = pass->to;

    if (pass->lent != NULL)
        pass_set_lent(to, *pass->lent);
    pass_set_lent(t, pass->keep);
    thread_set_state(t, THREAD_BLOCKED);
    if (joins && !q->handed) {
        share_pass(q, t, to);
        q->host = to;
        q->handed = true;
        pass_set_session(t, q->session);
    }
    if (joins)
        pass_set_session(to, q->session);
    unlock_irq_nested(held);
    pass_switch(q, t, to, PASSED);
}

// May the CPU be handed on at once, as it was since the host ran, to one that
// may not be of the session yet?
PASS_STEP bool pass_may_join(const struct run_queue *q, const struct thread *t,
                             const struct thread *to, bool lends)
    REQUIRES(q->lock);

PASS_STEP bool
pass_may_join(const struct run_queue *q, const struct thread *t,
              const struct thread *to, bool lends)
{
    assert_held(&q->lock);
    return q->handed && to->cpu == t->cpu && to->state == THREAD_BLOCKED &&
           !t->wake_pending && t->woke_at == 0 &&
           !account_is_stopped(to->account) && !share_is_in_the_way(to) &&
           share_is_place_of_host(q, t, to, lends);
}

// The same to one that is of the session, see run_queue.h.
PASS_STEP bool pass_is_on(const struct run_queue *q, const struct thread *t,
                          const struct thread *to, bool lends)
    REQUIRES(q->lock);

PASS_STEP bool
pass_is_on(const struct run_queue *q, const struct thread *t,
           const struct thread *to, bool lends)
{
    assert_held(&q->lock);
    if (pass_session(to) != q->session || t->woke_at != 0 ||
        !share_is_place_of_host(q, t, to, lends))
        return false;
    assert(!CHECKED || (q->handed && q->woken == NULL && to->cpu == t->cpu &&
                        to->state == THREAD_BLOCKED && !t->wake_pending &&
                        pass_session(t) == q->session));
    return true;
}

// sched_pass(), where it is so, with nothing done else: false.
PASS_STEP bool pass_at_once(struct thread *self, const struct pass *pass,
                            struct lock *held);

PASS_STEP bool LOCKS_BY_HAND
pass_at_once(struct thread *self, const struct pass *pass, struct lock *held)
{
    struct run_queue *q = &run_queues[self->cpu];

    lock_irq_nested(&q->lock);
    if (!pass_is_on(q, self, pass->to, pass->lent != NULL)) {
        unlock_irq_nested(&q->lock);
        return false;
    }
    if (pass->lent != NULL)
        *pass->lent = (struct lent){thread_time_account(self),
                                    share_class_priority(q->host)};
    pass_go(q, self, pass, held, false);
    return true;
}

// waiter_pass(): at once, where that can be, and the wait has no deadline.
PASS_STEP status_t pass_wait(struct thread *self, const struct pass *pass,
                             struct lock *held, u64 deadline, bool *passed)
    RELEASE(*held);

PASS_STEP status_t LOCKS_BY_HAND
pass_wait(struct thread *self, const struct pass *pass, struct lock *held,
          u64 deadline, bool *passed)
{
    bool killed = thread_killed(self); // maybe before the wait began

    if (pass->to == NULL || deadline != UINT64_MAX || killed ||
        !pass_at_once(self, pass, held))
        return waiter_pass(&self->waiter, pass, held, deadline, passed);
    *passed = self->way_in & PASSED;
    return *passed ? OK : waiter_end(&self->waiter, deadline);
}
