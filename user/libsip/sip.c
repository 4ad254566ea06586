// sip.c: the C library over the import module "nebulet".

#include <sip.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { STACK_SIZE = 64 * 1024, TEXT_SIZE = 1024 };

#define IMPORT(name) \
    __attribute__((import_module("nebulet"), import_name(#name))) extern

IMPORT(thread_spawn)
int32_t kernel_thread_spawn(void (*entry)(void *), void *arg, void *stack_top,
                            uint32_t *handle);
IMPORT(thread_join)
int32_t kernel_thread_join(uint32_t handle);
IMPORT(handle_close)
int32_t kernel_handle_close(uint32_t handle);
IMPORT(thread_yield)
int32_t kernel_thread_yield(void);
IMPORT(pfex_acquire)
int32_t kernel_pfex_acquire(uint32_t *word);
IMPORT(pfex_release)
int32_t kernel_pfex_release(uint32_t *word);

static sip_mutex heap, output;

void
sip_lock(sip_mutex *mutex)
{
    if (kernel_pfex_acquire(&mutex->word) != 0)
        abort();
}

void
sip_unlock(sip_mutex *mutex)
{
    if (kernel_pfex_release(&mutex->word) != 0)
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
    sip_lock(&heap);
    char *stack = aligned_alloc(16, STACK_SIZE);
    sip_unlock(&heap);
    if (stack == NULL)
        return false;
    *t = (struct sip_thread){.run = run, .arg = arg, .stack = stack};
    if (kernel_thread_spawn(start, t, stack + STACK_SIZE, &t->handle) == 0)
        return true;
    sip_lock(&heap);
    free(stack);
    sip_unlock(&heap);
    return false;
}

void
sip_join(struct sip_thread *t)
{
    if (kernel_thread_join(t->handle) != 0 ||
        kernel_handle_close(t->handle) != 0)
        abort();
    sip_lock(&heap);
    free(t->stack);
    sip_unlock(&heap);
    t->stack = NULL;
}

void
sip_yield(void)
{
    kernel_thread_yield();
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
