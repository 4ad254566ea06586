// runtime/crew.c: work in pieces, by as many threads as there are CPUs.
//
// The caller works, too, and alone where there are no others: what comes out is
// the same.  Pieces are begun in their order, and no more when one has gone
// wrong.  Those that were begun and are not done, for whatever reason, the
// caller does at the end, in their order, when it is alone: so that what is
// said is always of the first that goes wrong.

#include "runtime/internal.h"

struct crew {
    const struct crew_work *work;
    u32 next;    // atomic: the first that nobody has begun
    bool ends;   // atomic: nobody begins any more, and others stop
    u8 *is_done; // by piece
};

// A thread that helps.
struct helper {
    struct crew *crew;
    struct thread *thread;
    struct arena temp;
    struct charge memory;
};

// Until there is nothing left, or no memory for it.
static void
do_pieces(struct crew *c, struct arena *temp)
{
    status_t status = OK;

    while (status == OK && !__atomic_load_n(&c->ends, __ATOMIC_RELAXED)) {
        u32 piece = __atomic_fetch_add(&c->next, 1, __ATOMIC_RELAXED);
        if (piece >= c->work->pieces)
            return;
        status = c->work->run(c->work->self, piece, temp, false);
        if (status == OK)
            c->is_done[piece] = true;
    }
    if (status == ERR_INVALID)
        __atomic_store_n(&c->ends, true, __ATOMIC_RELAXED);
}

// --- helpers -----------------------------------------------------------------

static bool
commit_helper(struct arena *arena, u64 from, u64 to)
{
    struct helper *h = CONTAINER(arena, struct helper, temp);

    return !__atomic_load_n(&h->crew->ends, __ATOMIC_RELAXED) &&
           code_commit(arena, from, to, &h->memory);
}

static void
help(void *arg)
{
    struct helper *h = arg;

    if (!code_arena_new(&h->temp, h->crew->work->room, commit_helper))
        return;
    do_pieces(h->crew, &h->temp);
    code_arena_free(&h->temp);
    charge_end(&h->memory, RESOURCE_CODE);
}

// How many came.
static u32
call_helpers(struct crew *c, struct helper *helpers, u32 count)
{
    u32 came = 0;

    while (came < count) {
        struct helper *h = &helpers[came];
        *h = (struct helper){.crew = c};
        if (thread_new(&h->thread, help, h) != OK)
            break;
        sched_start(h->thread);
        came++;
    }
    return came;
}

// They use what is ours, so that we wait for them also when we are killed.
static void
let_helpers_go(struct crew *c, struct helper *helpers, u32 count)
{
    for (u32 i = 0; i < count; i++) {
        struct thread *t = helpers[i].thread;
        if (thread_join(t, UINT64_MAX) != OK) {
            __atomic_store_n(&c->ends, true, __ATOMIC_RELAXED);
            object_wait_always(thread_object(t), SIGNAL_ENDED);
        }
        thread_release(t);
    }
}

static void
do_together(struct crew *c, struct arena *temp)
{
    u32 others = MIN(port_cpu_count(), c->work->pieces) - 1;
    struct helper *helpers = NULL;

    if (others > 0)
        helpers = kernel_alloc(others * sizeof(*helpers));
    u32 came = helpers != NULL ? call_helpers(c, helpers, others) : 0;
    do_pieces(c, temp);
    let_helpers_go(c, helpers, came);
    kernel_free(helpers);
}

status_t
crew_run(const struct crew_work *work, struct arena *temp)
{
    u64 mark = arena_mark(temp);
    struct crew c = {.work = work};
    status_t status = ERR_NO_MEMORY;

    c.is_done = ARENA_NEW(temp, u8, work->pieces);
    if (c.is_done != NULL) {
        do_together(&c, temp);
        status = OK;
    }
    for (u32 i = 0; i < work->pieces && status == OK; i++)
        if (!c.is_done[i])
            status = work->run(work->self, i, temp, true);
    arena_reset(temp, mark);
    return status;
}
