// kernel/share.c: which of the threads that are ready is next.
//
// Groups share a CPU by weight, as start-time fair queueing does it: each has a
// virtual time, which advances by what it runs, divided by its weight, and the
// one that is furthest behind is next.  Within a group its own threads count as
// one more group, of weight WEIGHT_DEFAULT; and of those the highest priority
// goes first, and of one priority again who is furthest behind.
//
// So there is a tree on each CPU, of groups (struct share), with threads as
// leaves.  Where something is ready below a share, the share is in the order of
// its parent, but not those above the running thread: their times change.
// While only threads of one share wait, a switch looks at nothing else.
//
// Who comes back after a while does not get what he has missed: he begins at
// the virtual time of the others, or by SLEEP_CREDIT before it if he slept, and
// so runs at once if he uses little.  A new thread begins later by
// START_DEBIT, so that one who makes more and more threads does not pass those
// who wait.
//
// A thread that yields goes behind all of its priority in its group.
//
// A group with a cap has a time up to which it has used what it may, counted by
// all CPUs (account->used_until): a run of n ns moves that by n * 100 / cap.
// It may be CAP_BURST ahead of the clock; then the group pauses, until the
// clock is there.
//
// Who was killed, and who holds a mutex of the kernel that one of another group
// waits for, is in others' way, whatever his group may use, and his priority
// is.  He is ready in two places: in his group, and in one more beside the
// root's own threads, of all who are to be helped so; he runs where his turn
// comes first.  That one more never begins before others, as if it had slept:
// they come from groups that ran.  And who serves a caller with a cap runs in
// his own group, as others wait for him too.  In either case caps of those
// whose time it is count it, and their groups owe it: DEBT_MAX of it is added
// when they run next.

#include "kernel/share.h"

enum {
    SLEEP_CREDIT = 2000000,
    START_DEBIT = 4000000,
    LAG_MAX = 20000000, // that a thread takes with it
    DEBT_MAX = 20000000,
    CAP_BURST = 20000000,
    RESUME_BATCH = 64,
    RENEW_BATCH = 64,
};

// Where a thread is to be ready.
struct place {
    struct share *share;
    u32 class;
};

static struct shares root[CPU_MAX];
static struct share helped[CPU_MAX]; // beside the root's own
static u32 ceilings;                 // atomic: how often one was set

static void
init(struct shares *s, struct account *a, struct shares *above)
{
    s->group.account = a;
    s->group.parent = above != NULL ? &above->group : NULL;
    s->own.parent = &s->group;
}

void
shares_init(void)
{
    struct account *a = account_root();

    for (u32 i = 0; i < CPU_MAX; i++) {
        init(&root[i], a, NULL);
        helped[i].parent = &root[i].group;
    }
    a->weight = WEIGHT_DEFAULT;
    a->shares = root;
}

struct shares *
shares_of(const struct account *a)
{
    while (a->shares == NULL)
        a = a->parent;
    return a->shares;
}

status_t
shares_new(struct account *a)
{
    status_t status;
    u32 count = port_cpu_count();
    struct shares *above = shares_of(a->parent);
    struct shares *s =
        account_alloc(a->parent, RESOURCE_KERNEL, count * sizeof(*s), &status);

    if (s == NULL)
        return status;
    for (u32 i = 0; i < count; i++)
        init(&s[i], a, &above[i]);
    a->weight = WEIGHT_DEFAULT;
    a->shares = s;
    return OK;
}

// Nobody is in the group; but it may pause.
static void
end_share(struct run_queue *q, struct share *s)
{
    bool on = port_interrupts_off();

    queue_lock(q);
    if (s->pause.in)
        order_take(&q->paused, &s->pause);
    assert(s->ready == 0 && !s->runs && !s->item.in);
    unlock_irq(&q->lock, on);
}

void
shares_free(struct account *a)
{
    for (u32 i = 0; a->shares != NULL && i < port_cpu_count(); i++)
        end_share(&run_queues[i], &a->shares[i].group);
    kernel_free(a->shares);
}

static u32
load(const u32 *number)
{
    return __atomic_load_n(number, __ATOMIC_RELAXED);
}

static struct share *
helped_on(const struct run_queue *q)
{
    return &helped[queue_number(q)];
}

static struct share *
own_share(const struct run_queue *q, const struct account *a)
{
    return &shares_of(a)[queue_number(q)].own;
}

static u32
cap_of(const struct share *s)
{
    return s->account == NULL ? 0 : load(&s->account->cap);
}

static bool
is_capped(const struct share *s)
{
    while (s != NULL && cap_of(s) == 0)
        s = s->parent;
    return s != NULL;
}

// Does the current thread of q, which runs in s, lend its time to t as it has
// it itself?
static bool
is_lent_here(const struct run_queue *q, const struct thread *t,
             const struct share *s)
{
    const struct thread *c = q->current;

    return c->share == s && t->lent.account == thread_time_account(c) &&
           t->lent.priority == share_class_priority(c) && t->inherited == 0 &&
           !q->capped && c->ceilings == load(&ceilings);
}

// In its group.
static struct place
place_of(const struct run_queue *q, const struct thread *t)
{
    struct share *s = own_share(q, thread_time_account(t));

    if (is_lent_here(q, t, s)) // what is below, in fewer steps
        return (struct place){s, q->current->ready.class};
    return (struct place){own_share(q, thread_run_account(t)),
                          PRIORITIES - 1 - thread_effective_priority(t)};
}

void
share_ceilings_changed(void)
{
    __atomic_fetch_add(&ceilings, 1, __ATOMIC_RELEASE);
}

// Before its class is chosen: who sets one meanwhile has it placed once more.
static void
note_ceilings(struct thread *t)
{
    t->ceilings = __atomic_load_n(&ceilings, __ATOMIC_ACQUIRE);
}

static struct thread *
thread_of(struct order_item *item)
{
    return CONTAINER(item, struct thread, ready);
}

static struct share *
child_of(struct order_item *item)
{
    return CONTAINER(item, struct share, item);
}

// --- who is ready ------------------------------------------------------------

static u64
later(u64 time, i64 by)
{
    if (by < 0 && time < (u64)-by)
        return 0;
    return time + (u64)by;
}

// Into the order of its parent.  Those for whom others wait come from other
// groups, and have not slept.
static void
enter(const struct run_queue *q, struct share *s)
{
    u64 floor = s->parent->floor[0];

    if (s->began && s != helped_on(q))
        floor = later(floor, -SLEEP_CREDIT);
    s->item.key = MAX(s->item.key, floor);
    order_put(&s->parent->below, &s->item);
}

static void
enter_if_ready(const struct run_queue *q, struct share *s)
{
    if (s->parent != NULL && s->ready > 0 && !s->runs && !s->pause.in &&
        !s->item.in)
        enter(q, s);
}

// So many more threads below s are ready.  Who is in two places counts twice.
static void
gain(struct run_queue *q, struct share *s, u32 count) REQUIRES(q->lock)
{
    assert_held(&q->lock);
    for (; s != NULL; s = s->parent) {
        s->ready += count;
        if (s->pause.in)
            return; // those above do not know
        enter_if_ready(q, s);
    }
    queue_count(q, count);
}

static void
lose(struct run_queue *q, struct share *s, u32 count) REQUIRES(q->lock)
{
    assert_held(&q->lock);
    for (; s != NULL; s = s->parent) {
        assert(s->ready >= count);
        s->ready -= count;
        if (s->pause.in)
            return;
        if (s->ready == 0 && s->item.in)
            order_take(&s->parent->below, &s->item);
    }
    queue_count(q, -count);
}

// t gets into the order of its share.
static void
note_last(const struct thread *t)
{
    u64 *last = &t->share->last[t->ready.class];

    *last = MAX(*last, t->ready.key);
}

static void
put_help(struct run_queue *q, struct thread *t) REQUIRES(q->lock)
{
    struct share *s = helped_on(q);

    assert_held(&q->lock);
    t->help.key = s->floor[0];
    order_put(&s->below, &t->help);
    gain(q, s, 1);
}

static void
take_help(struct run_queue *q, struct thread *t) REQUIRES(q->lock)
{
    struct share *s = helped_on(q);

    assert_held(&q->lock);
    order_take(&s->below, &t->help);
    lose(q, s, 1);
}

void
share_put(struct run_queue *q, struct thread *t)
{
    assert_held(&q->lock);
    note_last(t);
    order_put(&t->share->below, &t->ready);
    list_append(&q->ready, &t->queued);
    gain(q, t->share, 1);
    if (share_is_in_the_way(t))
        put_help(q, t);
}

// Is t where place_of() says?
static bool
is_in_place(const struct run_queue *q, const struct thread *t)
{
    return t->lent.account == NULL && t->at_home &&
           t->ceilings == load(&ceilings) &&
           t->share == own_share(q, t->account);
}

void
share_place(struct run_queue *q, struct thread *t)
{
    if (!is_in_place(q, t)) {
        note_ceilings(t);
        struct place place = place_of(q, t);
        t->share = place.share;
        t->ready.class = place.class;
        t->at_home = t->lent.account == NULL;
    }
    t->ready.key = later(t->share->floor[t->ready.class], t->lag);
}

void
share_add(struct run_queue *q, struct thread *t)
{
    share_place(q, t);
    share_put(q, t);
}

// The group that it ran in for another may be gone when it wakes up.
void
share_sleep(struct run_queue *q, struct thread *t)
{
    struct share *home = own_share(q, t->account);

    if (t->share == home)
        return;
    share_detach(t);
    t->at_home = false;
    t->share = home;
    t->ready.key = later(home->floor[t->ready.class], t->lag);
}

static bool
has_moved(const struct run_queue *q, const struct thread *t)
{
    struct place place = place_of(q, t);

    return t->share != place.share || t->ready.class != place.class;
}

u32
share_priority(const struct thread *t)
{
    bool elsewhere = t->share == helped_on(queue_here());

    return elsewhere ? thread_effective_priority(t) : share_class_priority(t);
}

bool
share_changed(const struct run_queue *q, const struct thread *t)
{
    if (t->ready.in)
        return has_moved(q, t) || t->help.in != share_is_in_the_way(t);
    if (t->share == helped_on(q))
        return !share_is_in_the_way(t);
    return has_moved(q, t);
}

void
share_add_back(struct run_queue *q, struct thread *t)
{
    note_ceilings(t);
    if (has_moved(q, t)) {
        t->at_home = false;
        share_detach(t);
        share_place(q, t);
    }
    share_put(q, t);
}

void
share_remove(struct run_queue *q, struct thread *t)
{
    order_take(&t->share->below, &t->ready);
    list_remove(&t->queued);
    lose(q, t->share, 1);
    if (t->help.in)
        take_help(q, t);
}

bool
share_renew(struct run_queue *q)
{
    for (u32 i = 0; i < RENEW_BATCH && !list_empty(&q->ready); i++) {
        struct thread *t = CONTAINER(q->ready.next, struct thread, queued);
        if (t->ceilings == load(&ceilings))
            return false;
        share_remove(q, t);
        share_add_back(q, t);
    }
    return !list_empty(&q->ready);
}

void
share_detach(struct thread *t)
{
    i64 lag = (i64)(t->ready.key - t->share->floor[t->ready.class]);

    t->lag = MIN(MAX(lag, -SLEEP_CREDIT), LAG_MAX);
}

void
share_detach_new(struct thread *t)
{
    t->lag = START_DEBIT;
}

// --- who is next -------------------------------------------------------------

// Something is ready below s, and nothing there runs; *at: the share in whose
// order it is.
static struct thread *
first_below(const struct run_queue *q, struct share *s, struct share **at)
{
    while (s->account != NULL)
        s = child_of(s->below.first);
    *at = s;
    if (s == helped_on(q))
        return CONTAINER(s->below.first, struct thread, help);
    return thread_of(s->below.first);
}

struct thread *
share_take(struct run_queue *q)
{
    struct share *at;

    assert_held(&q->lock);
    if (q->waiting == 0)
        return NULL;
    struct thread *t = first_below(q, &root[queue_number(q)].group, &at);
    share_remove(q, t);
    if (at == t->share)
        return t;
    share_detach(t);
    t->at_home = false;
    t->share = at;
    t->ready.class = 0;
    t->ready.key = t->help.key;
    return t;
}

struct thread *
share_take_spare(struct run_queue *q)
{
    struct share *s = q->current->share, *at;

    assert_held(&q->lock);
    if (q->current == q->idle)
        s = &root[queue_number(q)].group;
    while (s->below.first == NULL)
        s = s->parent;
    struct thread *t = first_below(q, s, &at);
    share_remove(q, t);
    share_detach(t);
    return t;
}

bool
share_is_behind(const struct thread *t, u64 margin)
{
    const struct order_item *first = t->share->below.first;

    if (t->ceilings != load(&ceilings)) // it may be, when it is placed anew
        return true;
    if (first != NULL &&
        (first->class < t->ready.class || (first->class == t->ready.class &&
                                           first->key + margin < t->ready.key)))
        return true;
    for (const struct share *s = t->share; s->parent != NULL; s = s->parent) {
        first = s->parent->below.first;
        if (first != NULL && first->key + margin < s->item.key)
            return true;
    }
    return false;
}

void
share_yield(struct thread *t)
{
    const struct order_item *first = t->share->below.first;

    if (first != NULL && first->class == t->ready.class)
        t->ready.key = MAX(t->ready.key, t->share->last[t->ready.class]);
}

// --- who runs ----------------------------------------------------------------

// The virtual time of a share, one of those below is running at `key`.
static void
raise_floor(struct share *s, u32 class, u64 key)
{
    const struct order_item *first = s->below.first;

    if (first != NULL && first->class == class)
        key = MIN(key, first->key);
    s->floor[class] = MAX(s->floor[class], key);
}

void
share_begin(struct thread *t)
{
    raise_floor(t->share, t->ready.class, t->ready.key);
    for (struct share *s = t->share; s != NULL; s = s->parent) {
        s->runs = s->began = true;
        if (s->item.in)
            order_take(&s->parent->below, &s->item);
        if (s->parent != NULL)
            raise_floor(s->parent, 0, s->item.key);
    }
}

static u32
weight_of(const struct share *s)
{
    return s->account == NULL ? WEIGHT_DEFAULT : load(&s->account->weight);
}

static void
advance(struct share *s, u64 ns)
{
    u32 weight = weight_of(s);

    ns += s->debt;
    s->debt = 0;
    if (weight == WEIGHT_DEFAULT) {
        s->item.key += ns;
        return;
    }
    u64 total = ns * WEIGHT_DEFAULT + s->rest;
    s->item.key += total / weight;
    s->rest = total % weight;
}

static void
count_cap(struct account *a, u32 cap, u64 ns, u64 now)
{
    u64 before = __atomic_load_n(&a->used_until, __ATOMIC_RELAXED), after;

    do {
        after = MAX(before, now - ns) + ns * 100 / cap;
    } while (!__atomic_compare_exchange_n(&a->used_until, &before, after, true,
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}

void
share_ran(struct thread *t, u64 ns)
{
    t->ready.key += ns;
    raise_floor(t->share, t->ready.class, t->ready.key);
}

// Caps are of those whose time it is, wherever it ran.
void
share_charge(const struct run_queue *q, struct thread *t, u64 ns, u64 now)
{
    struct account *payer = thread_time_account(t);
    struct share *of = own_share(q, payer);

    for (struct share *s = t->share; s->parent != NULL; s = s->parent) {
        advance(s, ns);
        raise_floor(s->parent, 0, s->item.key);
    }
    for (; !of->runs; of = of->parent) // what is above both has it already
        of->debt = MIN(of->debt + ns, DEBT_MAX);
    for (struct account *a = payer; a != NULL; a = a->parent)
        if (load(&a->cap) != 0)
            count_cap(a, load(&a->cap), ns, now);
}

// --- who is next, in the same group ------------------------------------------

bool
share_stays(const struct run_queue *q, const struct thread *t)
{
    assert_held(&q->lock);
    return t != q->idle && q->waiting > 0 && t->share->ready == q->waiting &&
           t->share != helped_on(q) && !share_is_in_the_way(t) && !q->capped &&
           t->ceilings == load(&ceilings);
}

struct thread *
share_exchange(struct run_queue *q, struct thread *t)
{
    struct share *s = t->share;
    struct order_item *first = s->below.first;

    assert_held(&q->lock);
    if (t->state == THREAD_READY) {
        note_last(t);
        first = order_exchange(&s->below, &t->ready);
        list_append(&q->ready, &t->queued);
    } else {
        order_take(&s->below, first);
        lose(q, s, 1);
        share_sleep(q, t);
    }
    list_remove(&thread_of(first)->queued);
    raise_floor(s, first->class, first->key);
    return thread_of(first);
}

struct thread *
share_first_of_account(const struct run_queue *q, const struct thread *t)
{
    assert_held(&q->lock);
    if (!share_stays(q, t))
        return NULL;
    struct thread *first = thread_of(t->share->below.first);
    bool same = thread_time_account(first) == thread_time_account(t);
    return same ? first : NULL;
}

bool
share_is_place_for(const struct run_queue *q, const struct thread *t,
                   const struct thread *to, struct lent lent)
{
    const struct account *a = thread_time_account(t);
    bool is_own = t->at_home && a == t->account; // t's place is

    assert_held(&q->lock);
    if (q->capped || t->ceilings != load(&ceilings) || share_is_in_the_way(to))
        return false;
    if (lent.account != NULL)
        return lent.account == a && lent.priority == share_class_priority(t) &&
               to->inherited == 0 && (is_own || t->share == own_share(q, a));
    return to->account == a && to->at_home && to->ceilings == t->ceilings &&
           to->share == t->share && to->ready.class == t->ready.class;
}

static inline void
place_as(const struct thread *t, struct thread *to)
{
    share_detach(to);
    to->ceilings = t->ceilings;
    to->share = t->share;
    to->ready.class = t->ready.class;
    to->at_home = to->at_home && to->lent.account == NULL;
    to->ready.key = later(t->share->floor[t->ready.class], to->lag);
}

void
share_put_beside(struct run_queue *q, const struct thread *t, struct thread *to)
{
    assert_held(&q->lock);
    place_as(t, to);
    share_put(q, to);
}

void
share_pass(struct run_queue *q, struct thread *t, struct thread *to)
{
    assert_held(&q->lock);
    place_as(t, to);
    if (!t->at_home)
        share_sleep(q, t);
}

void
queue_settle(struct run_queue *q)
{
    struct thread *woken = q->woken;

    assert_held(&q->lock);
    if (q->handed && q->host != q->current)
        share_pass(q, q->host, q->current);
    q->session += q->handed ? CPU_MAX : 0;
    q->handed = false;
    if (woken != NULL) {
        q->woken = NULL;
        share_put_beside(q, q->current, woken);
    }
}

// --- caps --------------------------------------------------------------------

static bool
is_over(const struct share *s, u64 now)
{
    return cap_of(s) != 0 &&
           __atomic_load_n(&s->account->used_until, __ATOMIC_RELAXED) >
               now + CAP_BURST;
}

bool
share_is_capped(const struct thread *t)
{
    return is_capped(t->share);
}

bool
share_is_over(const struct thread *t, u64 now)
{
    const struct share *s = t->share;

    while (s != NULL && !is_over(s, now) && !s->pause.in)
        s = s->parent;
    return s != NULL;
}

bool
share_pauses(const struct thread *t)
{
    const struct share *s = t->share;

    while (s != NULL && !s->pause.in)
        s = s->parent;
    return s != NULL;
}

static void
pause(struct run_queue *q, struct share *s) REQUIRES(q->lock)
{
    assert_held(&q->lock);
    lose(q, s->parent, s->ready);
    s->pause.key = __atomic_load_n(&s->account->used_until, __ATOMIC_RELAXED);
    order_put(&q->paused, &s->pause);
}

static void
resume(struct run_queue *q, struct share *s) REQUIRES(q->lock)
{
    assert_held(&q->lock);
    order_take(&q->paused, &s->pause);
    enter_if_ready(q, s);
    gain(q, s->parent, s->ready);
}

void
share_end(struct run_queue *q, struct thread *t, u64 now)
{
    for (struct share *s = t->share; s != NULL; s = s->parent) {
        s->runs = false;
        if (!s->pause.in && is_over(s, now))
            pause(q, s);
        else
            enter_if_ready(q, s);
    }
}

void
share_resume(struct run_queue *q, u64 now)
{
    for (u32 i = 0; i < RESUME_BATCH; i++) {
        struct order_item *first = q->paused.first;
        if (first == NULL || first->key > now)
            break;
        resume(q, CONTAINER(first, struct share, pause));
    }
}

void
share_look(struct run_queue *q, struct account *a)
{
    struct share *s = &a->shares[queue_number(q)].group;

    if (s->pause.in)
        resume(q, s);
}
