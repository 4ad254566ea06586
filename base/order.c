// base/order.c: sets in an order, of which the first is asked for.
//
// A binary heap of items that point to each other, the first at the root,
// filled level by level: the bits of an item's number, below the highest, are
// the way to it.  So each operation takes as many steps as there are levels,
// whatever somebody puts in in which order, and no memory.

#include "base/base.h"

bool
order_before(const struct order_item *a, const struct order_item *b)
{
    if (a->class != b->class)
        return a->class < b->class;
    return a->key != b->key ? a->key < b->key : a->turn < b->turn;
}

static void
set_child(struct order_item *at, u32 side, struct order_item *child)
{
    at->child[side] = child;
    if (child != NULL)
        child->parent = at;
}

// What points to the item.
static struct order_item **
link_to(struct order *o, struct order_item *item)
{
    struct order_item *parent = item->parent;

    if (parent == NULL)
        return &o->first;
    return &parent->child[parent->child[1] == item];
}

// What points to the last one, or will; *parent: of that.
static struct order_item **
link_to_last(struct order *o, struct order_item **parent)
{
    struct order_item **link = &o->first;

    *parent = NULL;
    for (u32 bit = 63 - (u32)__builtin_clzll(o->count); bit-- > 0;) {
        *parent = *link;
        link = &(*parent)->child[o->count >> bit & 1];
    }
    return link;
}

// Exchange the item and its parent.
static void
move_up(struct order *o, struct order_item *item)
{
    struct order_item *parent = item->parent;
    u32 side = parent->child[1] == item;
    struct order_item *other = parent->child[!side];

    *link_to(o, parent) = item;
    item->parent = parent->parent;
    set_child(parent, 0, item->child[0]);
    set_child(parent, 1, item->child[1]);
    set_child(item, side, parent);
    set_child(item, !side, other);
}

// The item is too far back where it is, or too far in front.
static void
settle(struct order *o, struct order_item *item)
{
    while (item->parent != NULL && order_before(item, item->parent))
        move_up(o, item);
    for (;;) {
        struct order_item *first = item->child[0], *second = item->child[1];
        if (second != NULL && order_before(second, first))
            first = second;
        if (first == NULL || !order_before(first, item))
            break;
        move_up(o, first);
    }
}

void
order_put(struct order *o, struct order_item *item)
{
    struct order_item *parent, **link;

    assert(!item->in);
    o->count++;
    item->in = true;
    item->turn = ++o->turns;
    item->child[0] = item->child[1] = NULL;
    link = link_to_last(o, &parent);
    *link = item;
    item->parent = parent;
    settle(o, item);
}

struct order_item *
order_exchange(struct order *o, struct order_item *item)
{
    struct order_item *first = o->first;

    assert(!item->in);
    item->turn = ++o->turns;
    if (first == NULL || order_before(item, first))
        return item;
    o->first = item;
    item->in = true;
    item->parent = NULL;
    set_child(item, 0, first->child[0]);
    set_child(item, 1, first->child[1]);
    first->in = false;
    settle(o, item);
    return first;
}

void
order_take(struct order *o, struct order_item *item)
{
    struct order_item *parent, **link = link_to_last(o, &parent), *last = *link;

    assert(item->in);
    *link = NULL;
    o->count--;
    item->in = false;
    if (last == item)
        return;
    *link_to(o, item) = last; // takes its place
    last->parent = item->parent;
    set_child(last, 0, item->child[0]);
    set_child(last, 1, item->child[1]);
    settle(o, last);
}
