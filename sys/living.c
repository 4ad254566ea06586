// sys/living.c: all processes that have threads, in one list, so that whoever
// ends the machine, or frees what programs were given, can end every one of
// them first, whoever spawned it.
//
// A process is in the list from its first thread until it has been taken apart:
// it holds nothing of its personality's any more then.  The reference of its
// last thread keeps it as long as it is there.

#include "sys/internal.h"

static struct lock living_lock = LOCK_INIT(LIVING);
static struct list living GUARDED_BY(living_lock);
static bool closed GUARDED_BY(living_lock); // nobody comes in

static void
prepare_list(void) REQUIRES(living_lock)
{
    assert_held(&living_lock);
    if (living.next == NULL)
        list_init(&living);
}

bool
living_enter(struct process *p)
{
    lock(&living_lock);
    prepare_list();
    bool open = !closed;
    if (open)
        list_append(&living, &p->living);
    unlock(&living_lock);
    return open;
}

void
living_leave(struct process *p)
{
    lock(&living_lock);
    list_remove(&p->living);
    unlock(&living_lock);
}

// The first, which becomes the last, with a reference; NULL: there is none.
static struct process *
hold_first(void)
{
    struct process *p = NULL;

    lock(&living_lock);
    prepare_list();
    if (!list_empty(&living)) {
        p = CONTAINER(living.next, struct process, living);
        list_remove(&p->living);
        list_append(&living, &p->living);
        object_hold(&p->object);
    }
    unlock(&living_lock);
    return p;
}

// Nobody comes in from now on; how many there are.
static u64
close_list(void)
{
    u64 count = 0;

    lock(&living_lock);
    prepare_list();
    closed = true;
    list_each (item, &living) {
        count++;
    }
    unlock(&living_lock);
    return count;
}

void
process_kill_all(u32 exit_status)
{
    struct process *p;

    // Those that leave meanwhile only make the others come sooner.
    for (u64 left = close_list(); left > 0; left--) {
        p = hold_first();
        if (p == NULL)
            return;
        process_kill(p, exit_status);
        process_release(p);
    }
}

status_t
process_wait_all(void)
{
    status_t status = OK;
    struct process *p;
    u32 ignored;

    while (status == OK && (p = hold_first()) != NULL) {
        status = process_wait(p, UINT64_MAX, &ignored);
        process_release(p);
    }
    lock(&living_lock);
    closed = false;
    unlock(&living_lock);
    return status;
}
