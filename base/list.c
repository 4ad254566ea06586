// base/list.c: doubly linked circular lists; see base.h.

#include "base/base.h"

void
list_init(struct list *head)
{
    head->next = head->prev = head;
}

bool
list_empty(const struct list *head)
{
    return head->next == head;
}

static void
insert(struct list *item, struct list *prev, struct list *next)
{
    item->prev = prev;
    item->next = next;
    prev->next = item;
    next->prev = item;
}

void
list_append(struct list *head, struct list *item)
{
    insert(item, head->prev, head);
}

void
list_push(struct list *head, struct list *item)
{
    insert(item, head, head->next);
}

void
list_append_all(struct list *head, struct list *from)
{
    if (list_empty(from))
        return;
    from->next->prev = head->prev;
    head->prev->next = from->next;
    from->prev->next = head;
    head->prev = from->prev;
    list_init(from);
}

void
list_remove(struct list *item)
{
    item->prev->next = item->next;
    item->next->prev = item->prev;
    list_init(item);
}
