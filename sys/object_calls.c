// sys/object_calls.c: the system calls on signals, and events and timers.

#include "sys/internal.h"

// --- first handles -----------------------------------------------------------

status_t
give_handle(struct object *o, u8 *to)
{
    handle_t handle;
    status_t status =
        handle_new(&process_current()->handles, o, o->type->rights, &handle);

    if (status == OK)
        put_u32(to, handle);
    object_release(o);
    return status;
}

status_t
give_handles(struct object *first, u8 *to_first, struct object *second,
             u8 *to_second)
{
    struct handle_table *t = &process_current()->handles;
    handle_t handles[2];
    status_t status = handle_new(t, first, first->type->rights, &handles[0]);

    if (status == OK) {
        status = handle_new(t, second, second->type->rights, &handles[1]);
        if (status != OK) // or another thread has closed it, by chance
            (void)!handle_close(t, handles[0]);
    }
    if (status == OK) {
        put_u32(to_first, handles[0]);
        put_u32(to_second, handles[1]);
    }
    object_release(first);
    object_release(second);
    return status;
}

// --- signals -----------------------------------------------------------------

status_t
sys_object_signal(const struct object_signal_args *a)
{
    if (((a->clear | a->set) & ~a->object->type->user_signals) != 0)
        return ERR_BAD_ARGUMENT;
    object_signal(a->object, a->clear, a->set);
    return OK;
}

status_t
sys_object_wait_one(const struct object_wait_one_args *a)
{
    u32 observed = 0;
    status_t status =
        object_wait_one(a->object, a->signals, a->deadline_ns, &observed);

    if (status == OK || status == ERR_TIMED_OUT)
        put_u32(a->observed, observed);
    return status;
}

// The objects of `items` to wait for, with references; *count are held, also
// after an error.
static status_t
take_items(struct bytes items, struct object_wait *waits, u32 *count)
{
    status_t status = OK;
    struct wait_item item;

    for (u64 at = 0; at < items.size && status == OK; at += sizeof(item)) {
        struct object_wait *wait = &waits[*count];
        memcpy(&item, items.ptr + at, sizeof(item));
        *wait = (struct object_wait){.observer.awaited = item.signals};
        status = handle_get(&process_current()->handles, item.handle, NULL,
                            RIGHT_WAIT, &wait->object);
        *count += status == OK;
    }
    return status;
}

static void
put_items(struct bytes items, const struct object_wait *waits)
{
    u8 *to = items.ptr + offsetof(struct wait_item, observed);

    for (u64 i = 0; i < items.size / sizeof(struct wait_item); i++)
        put_u32(to + i * sizeof(struct wait_item), waits[i].observer.observed);
}

status_t
sys_object_wait_many(const struct object_wait_many_args *a)
{
    struct object_wait waits[LIMIT_WAIT_ITEMS];
    u32 count = 0;

    if (a->items.size > LIMIT_WAIT_ITEMS * sizeof(struct wait_item))
        return ERR_BAD_ARGUMENT;
    status_t status = take_items(a->items, waits, &count);
    if (status == OK)
        status = object_wait_many(waits, count, a->deadline_ns);
    if (status == OK || status == ERR_TIMED_OUT)
        put_items(a->items, waits);
    while (count > 0)
        object_release(waits[--count].object);
    return status;
}

// --- events and timers -------------------------------------------------------

status_t
sys_event_create(const struct event_create_args *a)
{
    struct object *event;
    status_t status = event_new(&event, process_current()->account);

    return status == OK ? give_handle(event, a->event) : status;
}

status_t
sys_timer_create(const struct timer_create_args *a)
{
    struct timer *timer;
    status_t status = timer_new(&timer, process_current()->account);

    return status == OK ? give_handle(timer_object(timer), a->timer) : status;
}

status_t
sys_timer_set(const struct timer_set_args *a)
{
    timer_set(a->timer, a->deadline_ns, a->period_ns);
    return OK;
}

status_t
sys_timer_cancel(const struct timer_cancel_args *a)
{
    timer_stop(a->timer);
    return OK;
}

status_t
sys_timer_read(const struct timer_read_args *a)
{
    u64 count;
    status_t status = timer_read(a->timer, &count);

    if (status == OK)
        put_u64(a->count, count);
    return status;
}

// --- the terminal ------------------------------------------------------------

status_t
sys_terminal_create(const struct terminal_create_args *a)
{
    struct terminal *seat;
    status_t status = terminal_new(&seat, process_current()->account);

    return status == OK ? give_handle(terminal_object(seat), a->seat) : status;
}

status_t
sys_terminal_focus(const struct terminal_focus_args *a)
{
    terminal_focus(a->terminal);
    return OK;
}

status_t
sys_terminal_mode(const struct terminal_mode_args *a)
{
    return terminal_set_mode(a->terminal, a->mode);
}

status_t
sys_terminal_size(const struct terminal_size_args *a)
{
    u32 rows, columns;
    status_t status = terminal_size(&rows, &columns);

    if (status == OK) {
        put_u32(a->rows, rows);
        put_u32(a->columns, columns);
    }
    return status;
}
