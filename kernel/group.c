// kernel/group.c: groups: processes that share limits, and that are listed,
// stopped and killed together.
//
// Groups are a tree; what its members use is counted in its account, in the
// tree of accounts (account.c) that follows this one.  Processes and groups are
// members of a group, from when they begin to run, or are made, until they end.
// All members there are, of whatever group, are in one list in the order of
// their numbers.  Whoever goes through it leaves the lock now and then, with a
// cursor in the list in his place.
//
// A killed group stays killed: nothing begins in it any more.

#include "kernel/internal.h"

enum { STEP = 64 }; // members looked at under one lock

static struct lock members_lock = LOCK_INIT(MEMBERS);
static struct {
    struct list all; // struct member, cursors among them
    u64 last_id;
} members GUARDED_BY(members_lock);

static struct group root;

struct group *
group_from_object(struct object *o)
{
    return CONTAINER(o, struct group, object);
}

struct object *
group_object(struct group *g)
{
    return &g->object;
}

struct account *
group_account(const struct group *g)
{
    return g->account;
}

struct group *
group_root(void)
{
    return &root;
}

// --- members -----------------------------------------------------------------

void
member_init(struct member *m, struct group *g, u32 kind, struct object *object,
            const char *name)
{
    *m = (struct member){
        .group = g, .kind = kind, .object = object, .name = name};
    list_init(&m->link);
    if (g != NULL)
        object_hold(&g->object);
}

void
member_done(struct member *m)
{
    assert(list_empty(&m->link));
    if (m->group != NULL)
        object_release(&m->group->object);
    m->group = NULL;
}

// Is it in g, or in a group in g?
static bool
is_inside(const struct member *m, const struct group *g)
{
    const struct group *at = m->group;

    while (at != NULL && at != g)
        at = at->member.group;
    return at != NULL;
}

static bool
is_killed(const struct group *g) REQUIRES(members_lock)
{
    assert_held(&members_lock);
    while (g != NULL && !g->killed)
        g = g->member.group;
    return g != NULL;
}

static void
count_process(const struct member *m, u32 change) REQUIRES(members_lock)
{
    assert_held(&members_lock);
    if (m->kind == MEMBER_PROCESS)
        for (struct group *g = m->group; g != NULL; g = g->member.group)
            g->processes += change;
}

status_t
member_add(struct member *m)
{
    status_t status = OK;

    lock(&members_lock);
    if (is_killed(m->group)) {
        status = ERR_EXITED;
    } else {
        m->id = ++members.last_id;
        list_append(&members.all, &m->link);
        count_process(m, 1);
    }
    unlock(&members_lock);
    return status;
}

// All those from g up that are killed and have no process left say so.
static void
signal_ended(struct group *g)
{
    for (; g != NULL; g = g->member.group) {
        lock(&members_lock);
        bool ended = g->killed && g->processes == 0;
        unlock(&members_lock);
        if (ended)
            object_signal(&g->object, 0, SIGNAL_ENDED);
    }
}

void
member_remove(struct member *m)
{
    lock(&members_lock);
    bool there = !list_empty(&m->link);
    if (there) {
        list_remove(&m->link);
        count_process(m, (u32)-1);
    }
    unlock(&members_lock);
    if (there && m->kind == MEMBER_PROCESS)
        signal_ended(m->group);
}

// --- going through them ------------------------------------------------------

struct walk {
    const struct group *group;
    struct member cursor; // all before it have been seen
};

static void
walk_begin(struct walk *w, const struct group *g)
{
    w->group = g;
    member_init(&w->cursor, NULL, 0, NULL, NULL);
    lock(&members_lock);
    list_push(&members.all, &w->cursor.link);
    unlock(&members_lock);
}

static void
walk_end(struct walk *w)
{
    lock(&members_lock);
    list_remove(&w->cursor.link);
    unlock(&members_lock);
}

// Go on by at most STEP members, to one in the group, which is held.  False:
// there are no more.  *out is NULL where it has not come to one.
static bool
walk_step(struct walk *w, struct member **out)
{
    *out = NULL;
    lock(&members_lock);
    struct list *item = w->cursor.link.next;
    list_remove(&w->cursor.link);
    for (u32 k = 0; k < STEP && item != &members.all && *out == NULL; k++) {
        struct member *m = CONTAINER(item, struct member, link);
        item = item->next;
        if (m->kind != 0 && is_inside(m, w->group) &&
            object_hold_live(m->object))
            *out = m;
    }
    bool more = *out != NULL || item != &members.all;
    list_append(item, &w->cursor.link); // before it
    unlock(&members_lock);
    return more;
}

// The next one in the group, held; NULL: there is none.
static struct member *
walk_next(struct walk *w)
{
    struct member *m;

    while (walk_step(w, &m) && m == NULL)
        ;
    return m;
}

// --- groups ------------------------------------------------------------------

static void
init(struct group *g, struct group *parent, const char *name)
{
    format_safe(g->name, sizeof(g->name), "%s", name);
    member_init(&g->member, parent, MEMBER_GROUP, &g->object, g->name);
    g->member.account = g->account;
    g->depth = parent != NULL ? parent->depth + 1 : 0;
}

void
groups_init(void)
{
    list_init(&members.all);
    object_init(&root.object, &group_type);
    root.account = account_root();
    account_set_limit(root.account, RESOURCE_GROUPS, LIMIT_GROUPS);
    init(&root, NULL, "root");
    status_t status = member_add(&root.member);
    assert(status == OK);
}

static status_t
open_account(struct group *g, struct account *parent)
{
    status_t status = account_new(&g->account, parent);

    if (status != OK)
        return status;
    account_of_new_group(g->account);
    status = shares_new(g->account);
    if (status == OK && !account_charge(parent, RESOURCE_GROUPS, 1))
        status = ERR_LIMIT;
    if (status != OK) {
        account_release(g->account);
        g->account = NULL;
    }
    return status;
}

status_t
group_new(struct group **out, struct group *parent, const char *name)
{
    struct group *g;

    if (parent->depth == LIMIT_GROUP_DEPTH)
        return ERR_LIMIT;
    status_t status = object_new(&g, &group_type, sizeof(*g), parent->account);
    if (status != OK)
        return status;
    status = open_account(g, parent->account);
    if (status == OK) {
        init(g, parent, name);
        status = member_add(&g->member);
    }
    if (status == OK)
        *out = g;
    else
        object_release(&g->object);
    return status;
}

void
group_free(struct object *o)
{
    struct group *g = group_from_object(o), *parent = g->member.group;

    if (g->account != NULL) {
        member_remove(&g->member);
        account_uncharge(parent->account, RESOURCE_GROUPS, 1);
        if (g->account->stopped)
            account_resume(g->account);
        member_done(&g->member);
    }
    account_release(g->account);
    kernel_free(g);
}

void
group_suspend(struct group *g)
{
    account_stop(g->account);
}

void
group_resume(struct group *g)
{
    account_resume(g->account);
}

// Nobody is added after `killed` is set, so that one walk meets all.
void
group_kill(struct group *g, u32 exit_status)
{
    struct walk w;
    struct member *m;

    lock(&members_lock);
    g->killed = true;
    unlock(&members_lock);
    kept_close(g->account);
    walk_begin(&w, g);
    while ((m = walk_next(&w)) != NULL) {
        struct object *held = m->object;
        if (m->kind == MEMBER_PROCESS)
            m->kill(m, exit_status);
        object_release(held);
    }
    walk_end(&w);
    signal_ended(g);
}

// --- what is in a group ------------------------------------------------------

static u32
state_of(const struct member *m)
{
    if (__atomic_load_n(&m->ending, __ATOMIC_RELAXED))
        return MEMBER_ENDING;
    return account_is_stopped(m->account) ? MEMBER_SUSPENDED : MEMBER_ALIVE;
}

static struct group_entry
describe(const struct member *m)
{
    return (struct group_entry){
        .id = m->id,
        .group = m->group != NULL ? m->group->member.id : 0,
        .cpu_ns = account_cpu_ns(m->account),
        .memory = account_used(m->account, RESOURCE_MEMORY),
        .kind = m->kind,
        .state = state_of(m),
        .threads = (u32)account_used(m->account, RESOURCE_THREADS),
        .handles = (u32)account_used(m->account, RESOURCE_HANDLES),
    };
}

u32
group_list(const struct group *g, u64 after, struct bytes entries)
{
    struct walk w;
    struct member *m;
    u64 room = entries.size / sizeof(struct group_entry), count = 0;

    sched_account();
    walk_begin(&w, g);
    while (count < room && (m = walk_next(&w)) != NULL) {
        struct object *held = m->object;
        if (m->id > after) {
            struct group_entry entry = describe(m);
            memcpy(entries.ptr + count++ * sizeof(entry), &entry,
                   sizeof(entry));
        }
        object_release(held);
    }
    walk_end(&w);
    return (u32)count;
}

struct member *
group_find(const struct group *g, u64 id)
{
    struct walk w;
    struct member *m;

    walk_begin(&w, g);
    while ((m = walk_next(&w)) != NULL && m->id != id)
        object_release(m->object);
    walk_end(&w);
    return m;
}
