// test/x64/fault.c: run code that may fault; a file of its own, as the C
// library has names for registers, too.

#include "test/x64/fault.h"

#include <setjmp.h>
#include <signal.h>
#include <ucontext.h>

static sigjmp_buf after_fault;
static volatile u64 fault_pc;

static void
on_fault(int signal, siginfo_t *info, void *state)
{
    const ucontext_t *u = state;

    (void)signal;
    (void)info;
    fault_pc = (u64)u->uc_mcontext.gregs[REG_RIP];
    siglongjmp(after_fault, 1);
}

u64
fault_of(void (*run)(void *), void *arg)
{
    struct sigaction action = {.sa_sigaction = on_fault,
                               .sa_flags = SA_SIGINFO};

    sigaction(SIGILL, &action, NULL);
    sigaction(SIGFPE, &action, NULL);
    sigaction(SIGSEGV, &action, NULL);
    fault_pc = 0;
    if (sigsetjmp(after_fault, 1) == 0)
        run(arg);
    return fault_pc;
}
