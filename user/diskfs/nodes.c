// user/diskfs/nodes.c: the numbers by which the kernel calls files, each of an
// inode that is held; several may be of one.

#include "server.h"

#include <errno.h>
#include <stdlib.h>

enum { BUCKETS = 1024 };

struct node {
    struct node *next;
    uint32_t number;
    struct inode *inode;
};

static struct node *buckets[BUCKETS];

static struct node **
place(uint32_t number)
{
    struct node **at = &buckets[number % BUCKETS];

    while (*at != NULL && (*at)->number != number)
        at = &(*at)->next;
    return at;
}

struct inode *
node_find(uint32_t number)
{
    const struct node *n = *place(number);

    return n != NULL ? n->inode : NULL;
}

int32_t
node_add(uint32_t number, struct inode *i)
{
    struct node **at = place(number);

    if (*at != NULL)
        return EINVAL;
    *at = malloc(sizeof(**at));
    if (*at == NULL)
        return ENOMEM;
    **at = (struct node){NULL, number, i};
    return 0;
}

void
node_close(uint32_t number)
{
    struct node **at = place(number), *n = *at;

    if (n == NULL)
        return;
    *at = n->next;
    fs_put(n->inode);
    free(n);
}

void
nodes_close_all(void)
{
    for (uint32_t i = 0; i < BUCKETS; i++)
        while (buckets[i] != NULL)
            node_close(buckets[i]->number);
}
