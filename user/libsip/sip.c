// user/libsip/sip.c: the C library over the import module "nebulet".

#include <nebulet.h>
#include <sip.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STACK_SIZE = 64 * 1024, TEXT_SIZE = 1024 };

static sip_mutex heap, output;

enum { FREE, HELD }; // words of a pfex that nobody waits for

// Without a call; false: somebody waits, or has to.
static __attribute__((target("atomics"))) bool
change(sip_mutex *mutex, uint32_t from, uint32_t to)
{
    return __atomic_compare_exchange_n(&mutex->word, &from, to, false,
                                       __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

void
sip_lock(sip_mutex *mutex)
{
    if (!change(mutex, FREE, HELD) && nebulet_pfex_acquire(&mutex->word) != 0)
        abort();
}

void
sip_unlock(sip_mutex *mutex)
{
    if (!change(mutex, HELD, FREE) && nebulet_pfex_release(&mutex->word) != 0)
        abort();
}

static void
start(void *arg)
{
    struct sip_thread *t = arg;

    t->run(t->arg);
}

bool
sip_spawn(struct sip_thread *t, void (*run)(void *arg), void *arg)
{
    return sip_spawn_named(t, "", run, arg);
}

bool
sip_spawn_named(struct sip_thread *t, const char *name, void (*run)(void *arg),
                void *arg)
{
    sip_lock(&heap);
    char *stack = aligned_alloc(16, STACK_SIZE);
    sip_unlock(&heap);
    if (stack == NULL)
        return false;
    *t = (struct sip_thread){.run = run, .arg = arg, .stack = stack};
    struct nebulet_thread_create call = {
        .function = (uintptr_t)start,
        .argument = (uintptr_t)t,
        .stack_top = (uintptr_t)(stack + STACK_SIZE),
        .name = name,
        .name_size = strlen(name),
        .thread = &t->handle,
    };
    if (nebulet_thread_create(&call) == 0)
        return true;
    sip_lock(&heap);
    free(stack);
    sip_unlock(&heap);
    return false;
}

void
sip_join(struct sip_thread *t)
{
    if (nebulet_thread_join(t->handle) != 0 ||
        nebulet_handle_close(t->handle) != 0)
        abort();
    sip_lock(&heap);
    free(t->stack);
    sip_unlock(&heap);
    t->stack = NULL;
}

void
sip_yield(void)
{
    nebulet_thread_yield();
}

void
sip_print(const char *text, ...)
{
    char buffer[TEXT_SIZE];
    va_list list;

    va_start(list, text);
    int size = vsnprintf(buffer, sizeof(buffer), text, list);
    va_end(list);
    if (size >= TEXT_SIZE)
        size = TEXT_SIZE - 1;
    sip_lock(&output);
    for (int at = 0; at < size;) {
        ssize_t count = write(1, buffer + at, (size_t)(size - at));
        if (count <= 0)
            break;
        at += (int)count;
    }
    sip_unlock(&output);
}
