// port/metal/spans.c: buddy allocators over addresses, without memory behind
// them.
//
// A free block is a node in the list of its order and in a hash table by its
// start, so that taking, splitting and merging take constant time.  Nodes come
// from frames and are never given back to them; when there is no memory for a
// node, its addresses are lost, and nothing else.

#include "port/metal/metal.h"

enum { ADDRESS_LOG2 = 48, ORDERS = ADDRESS_LOG2 - 12, BUCKETS = 1024 };

struct node {
    struct list link;       // in span_space.free, or in `unused`
    struct node *next_hash; // in the same bucket
    u64 start;
    u32 order;
};

struct span_space {
    u64 base, start, end; // blocks are aligned relative to base
    u32 min_log2;         // size of order 0
    struct list free[ORDERS];
    struct node *by_start[BUCKETS];
};

struct span_space slot_space = {
    .start = SLOT_START, .end = SLOT_END, .min_log2 = 30};
struct span_space heap_space = {
    .base = HEAP_BASE, .start = HEAP_BASE, .end = HEAP_END, .min_log2 = 12};
struct span_space open_space = {.base = OPEN_BASE,
                                .start = OPEN_BASE,
                                .end = OPEN_END,
                                .min_log2 = OPEN_LOG2};
struct span_space stack_space = {.base = STACKS_BASE,
                                 .start = STACKS_BASE,
                                 .end = STACKS_END,
                                 .min_log2 = 20};
struct span_space code_space = {
    .base = CODE_BASE, .start = CODE_BASE, .end = CODE_END, .min_log2 = 12};

static struct lock spans_lock = LOCK_INIT(ADDRESSES); // of everything here
static struct list unused GUARDED_BY(spans_lock);

// Orders below this have a size that fits the address space.
static u32
order_limit(const struct span_space *s)
{
    return ADDRESS_LOG2 - s->min_log2;
}

static u64
block_size(const struct span_space *s, u32 order)
{
    return 1ull << (s->min_log2 + order);
}

static struct node **
bucket(struct span_space *s, u64 start)
{
    u64 number = (start - s->base) >> s->min_log2;

    return &s->by_start[number * 0x9e3779b97f4a7c15 >> 54];
}

static struct node *
new_node(void) REQUIRES(spans_lock)
{
    if (list_empty(&unused)) {
        u64 page = frames_new(ORDER_PAGE);
        struct node *nodes = (struct node *)direct(page);

        if (page == 0)
            return NULL;
        for (u32 i = 0; i < PAGE_SIZE / sizeof(struct node); i++)
            list_push(&unused, &nodes[i].link);
    }
    struct node *node = CONTAINER(unused.next, struct node, link);

    list_remove(&node->link);
    return node;
}

static void
add_free(struct span_space *s, u64 start, u32 order) REQUIRES(spans_lock)
{
    struct node *node = new_node();
    struct node **head = bucket(s, start);

    if (node == NULL)
        return;
    node->start = start;
    node->order = order;
    node->next_hash = *head;
    *head = node;
    list_push(&s->free[order], &node->link);
}

static void
remove_free(struct span_space *s, struct node *node) REQUIRES(spans_lock)
{
    struct node **at = bucket(s, node->start);

    while (*at != node)
        at = &(*at)->next_hash;
    *at = node->next_hash;
    list_remove(&node->link);
    list_push(&unused, &node->link);
}

static struct node *
find_free(struct span_space *s, u64 start, u32 order) REQUIRES(spans_lock)
{
    struct node *node = *bucket(s, start);

    while (node != NULL && (node->start != start || node->order != order))
        node = node->next_hash;
    return node;
}

static u32
order_of(const struct span_space *s, u64 size)
{
    u32 order = 0;

    while (order < order_limit(s) && block_size(s, order) < size)
        order++;
    return order;
}

static void
release(struct span_space *s, u64 start, u32 order) REQUIRES(spans_lock)
{
    for (; order + 1 < order_limit(s); order++) {
        u64 buddy = ((start - s->base) ^ block_size(s, order)) + s->base;
        struct node *node = find_free(s, buddy, order);

        if (node == NULL)
            break;
        remove_free(s, node);
        start = MIN(start, buddy);
    }
    add_free(s, start, order);
}

// A block of `order`, cut from the start of a free one at least as large as
// `from`.
static u64
take(struct span_space *s, u32 order, u32 from) REQUIRES(spans_lock)
{
    struct node *node;
    u64 start;

    while (from < order_limit(s) && list_empty(&s->free[from]))
        from++;
    if (from >= order_limit(s))
        return 0;
    node = CONTAINER(s->free[from].next, struct node, link);
    start = node->start;
    remove_free(s, node);
    while (from > order) {
        from--;
        add_free(s, start + block_size(s, from), from);
    }
    return start;
}

u64
span_size(const struct span_space *s, u64 size)
{
    return block_size(s, order_of(s, size));
}

u64
span_new(struct span_space *s, u64 size, u64 align)
{
    u32 order = order_of(s, size);
    u32 from = order_of(s, MAX(size, align));
    u64 start;
    bool on;

    on = lock_irq(&spans_lock);
    start = take(s, order, from);
    unlock_irq(&spans_lock, on);
    return start;
}

void
span_free(struct span_space *s, u64 start, u64 size)
{
    bool on = lock_irq(&spans_lock);

    release(s, start, order_of(s, size));
    unlock_irq(&spans_lock, on);
}

struct span_space *
span_space_of(u64 address)
{
    if (address < SLOT_END)
        return &slot_space;
    if (address < HEAP_END)
        return &heap_space;
    if (address >= CODE_BASE)
        return &code_space;
    return address < OPEN_END ? &open_space : &stack_space;
}

// The largest aligned blocks that make up the space.
static void LOCKS_BY_HAND
init_space(struct span_space *s)
{
    u64 at = s->start;

    for (u32 order = 0; order < ORDERS; order++)
        list_init(&s->free[order]);
    while (at < s->end) {
        u32 order = order_limit(s) - 1;

        while (((at - s->base) & (block_size(s, order) - 1)) != 0 ||
               block_size(s, order) > s->end - at)
            order--;
        add_free(s, at, order);
        at += block_size(s, order);
    }
}

void LOCKS_BY_HAND
spans_init(void)
{
    list_init(&unused);
    init_space(&slot_space);
    init_space(&heap_space);
    init_space(&open_space);
    init_space(&stack_space);
    init_space(&code_space);
}
