// test/wasi/absent.c: what the programs of these tests do not have: devices,
// registers, and threads that start who serves files again.

#include "test/wasi/fake.h"

// There are no devices.
struct device *
device_find_files(struct string tag)
{
    (void)tag;
    return NULL;
}

struct device *
device_find(struct string name)
{
    (void)name;
    return NULL;
}

struct object *
device_object(struct device *d)
{
    (void)d;
    panic(__FILE__, __LINE__, "no device has an object");
}

struct registers *
registers_find(struct string name)
{
    (void)name;
    return NULL;
}

struct object *
registers_object(struct registers *r)
{
    (void)r;
    panic(__FILE__, __LINE__, "no registers have an object");
}

// No initrd of a test has who serves files, and so nobody who keeps that.
#define NO_THREADS panic(__FILE__, __LINE__, "there are no other threads")

status_t
thread_new(struct thread **out, void (*run)(void *arg), void *arg)
{
    (void)out, (void)run, (void)arg;
    NO_THREADS;
}

void
sched_start(struct thread *t)
{
    (void)t;
    NO_THREADS;
}

void
thread_kill(struct thread *t)
{
    (void)t;
    NO_THREADS;
}

struct object *
thread_object(struct thread *t)
{
    (void)t;
    NO_THREADS;
}

void
thread_release(struct thread *t)
{
    (void)t;
    NO_THREADS;
}
