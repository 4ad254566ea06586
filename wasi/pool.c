// wasi/pool.c: the memory of a tree.  What programs may take is counted.
// Memory of any amount is left in constant time: a block becomes a link of a
// chain, a node of an index goes with all that is below it.  Sweeping takes the
// chains apart, a few pieces at a time.

#include "wasi/tree.h"

struct dead_block {
    struct dead_block *next;
    u64 size;
};

_Static_assert(sizeof(struct dead_block) <= BLOCK_MIN, "fits in every block");

void
pool_leave_block(struct pool *p, void *block, u64 size)
{
    struct dead_block *dead = block;

    *dead = (struct dead_block){p->blocks, size};
    p->blocks = dead;
}

void
pool_leave_node(struct pool *p, struct index_node *node)
{
    node->next = p->nodes;
    p->nodes = node;
}

// A piece to be freed, NULL when nothing is left.  Blocks first: they have no
// others below them.
static void *
take_piece(struct pool *p)
{
    struct dead_block *block = p->blocks;
    struct index_node *node = p->nodes;

    if (block != NULL) {
        p->blocks = block->next;
        p->left += block->size;
        return block;
    }
    if (node == NULL)
        return NULL;
    p->nodes = node->next;
    p->left += sizeof(*node);
    for (u32 i = 0; i < INDEX_FAN; i++) {
        if (node->entries[i] == NULL)
            continue;
        if (node->height == 1)
            pool_leave_block(p, node->entries[i], BLOCK);
        else
            pool_leave_node(p, node->entries[i]);
    }
    return node;
}

bool
pool_sweep(struct pool *p, struct swept *out)
{
    void *piece = NULL;

    out->count = 0;
    while (out->count < SWEEP && (piece = take_piece(p)) != NULL)
        out->pieces[out->count++] = piece;
    return out->count > 0;
}

void
pool_swept(struct swept *s)
{
    for (u32 i = 0; i < s->count; i++)
        kernel_free(s->pieces[i]);
    s->count = 0;
}

static void *
take_new(struct pool *p, u64 size)
{
    status_t status;
    void *ptr = size <= p->left ? account_alloc(account_current(),
                                                RESOURCE_FILES, size, &status) :
                                  NULL;

    if (ptr != NULL)
        p->left -= size;
    return ptr;
}

// Where there is no memory, what was left and is not swept yet has to do.  Some
// pieces are enough: below each node that can be left is a block.
void *
pool_alloc(struct pool *p, u64 size)
{
    void *ptr = take_new(p, size), *piece = NULL;

    for (u32 i = 0; ptr == NULL && i < 2 * INDEX_HEIGHT; i++) {
        piece = take_piece(p);
        if (piece == NULL)
            return NULL;
        kernel_free(piece);
        ptr = take_new(p, size);
    }
    return ptr;
}

void
pool_free(struct pool *p, void *ptr, u64 size)
{
    kernel_free(ptr);
    p->left += size;
}
