// test/wasi/fake.c: the fake kernel under the tests of wasi/ (see fake.h).

#include "sys/trace.h"
#include "test/wasi/fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake fake;

// One program as boot_run sees it; the unit tests' own process too.
struct fake_process {
    void *state;
    const struct personality *type;
    u64 end_ns;
    u32 status;
    bool ended;
    bool orphan; // nobody will wait for it
};

// The group of the programs, as long as it is there.
static struct fake_group {
    struct object object;
} * group;

static struct fake_process self, *caller = &self;

// The kernel's structure of that name stays unused.
static struct fake_process *
of(struct process *p)
{
    return (struct fake_process *)p;
}

// --- memory and the caller ---------------------------------------------------

struct bytes
user_bytes(u64 ptr, u64 size)
{
    if (ptr > FAKE_MEMORY || size > FAKE_MEMORY - ptr)
        return (struct bytes){NULL, 0};
    return (struct bytes){fake.memory + ptr, size};
}

bool
user_read(void *to, u64 ptr, u64 size)
{
    struct bytes b = user_bytes(ptr, size);

    if (b.ptr != NULL)
        memcpy(to, b.ptr, size);
    return b.ptr != NULL;
}

bool
user_write(u64 ptr, const void *from, u64 size)
{
    struct bytes b = user_bytes(ptr, size);

    if (b.ptr != NULL && size > 0)
        memcpy(b.ptr, from, size);
    return b.ptr != NULL;
}

void *
kernel_alloc(u64 size)
{
    u64 request = ++fake.requests;

    if (fake.fail_at > 0 &&
        (fake.fails_once ? request == fake.fail_at : request >= fake.fail_at))
        return NULL;
    if (fake.memory_limit > 0 && fake.blocks >= fake.memory_limit)
        return NULL;
    fake.blocks++;
    return calloc(1, size);
}

struct account *
account_current(void)
{
    return NULL;
}

void *
account_alloc(struct account *a, enum resource r, u64 size, status_t *status)
{
    void *block = kernel_alloc(size);

    (void)a, (void)r;
    *status = block != NULL ? OK : ERR_NO_MEMORY;
    return block;
}

void
kernel_free(void *ptr)
{
    fake.blocks -= ptr != NULL;
    free(ptr);
}

struct process *
process_current(void)
{
    return (struct process *)caller;
}

void *
process_personality(struct process *p)
{
    return of(p)->state;
}

void
process_set_personality(struct process *p, const struct personality *type,
                        void *state)
{
    of(p)->type = type;
    of(p)->state = state;
}

void
process_exit(u32 exit_status)
{
    exit((int)exit_status);
}

void
thread_yield(void)
{
}

status_t
thread_sleep_until(u64 deadline_ns)
{
    fake.now_ns = MAX(fake.now_ns, deadline_ns);
    return OK;
}

bool
thread_is_killed(void)
{
    return fake.killed_at > 0 && ++fake.asked >= fake.killed_at;
}

status_t
thread_run_until(void (*run)(void *arg), void *arg, u64 deadline_ns)
{
    bool late = fake.now_ns >= deadline_ns;

    fake.killed_at = late ? 1 : fake.killed_at;
    run(arg);
    fake.killed_at = late ? 0 : fake.killed_at;
    return late ? ERR_TIMED_OUT : OK;
}

// --- locks -------------------------------------------------------------------
// There is one thread, but for fake.other, which is killed where it would wait.

static bool other_runs;

void
lock_init(struct lock *l, enum lock_rank rank)
{
    *l = (struct lock){.rank = rank};
}

void
lock(struct lock *l)
{
    assert(!l->held);
    l->held = 1;
}

void
unlock(struct lock *l)
{
    assert(l->held);
    l->held = 0;
}

bool
lock_held(const struct lock *l)
{
    return l->held != 0;
}

void
mutex_init(struct mutex *m, enum lock_rank rank)
{
    *m = (struct mutex){.rank = rank};
}

status_t
mutex_lock(struct mutex *m)
{
    assert(m->owner == NULL || other_runs);
    if (m->owner != NULL)
        return ERR_KILLED;
    m->owner = (struct thread *)&fake; // there is one
    return OK;
}

bool
mutex_held(const struct mutex *m)
{
    return m->owner != NULL;
}

void
mutex_lock_always(struct mutex *m)
{
    EXPECT_EQ(mutex_lock(m), OK);
}

void
mutex_unlock(struct mutex *m)
{
    assert(m->owner != NULL);
    m->owner = NULL;
    if (m->rank != LOCK_TREE || fake.other == NULL || other_runs)
        return;
    other_runs = true;
    fake.other();
    other_runs = false;
}

// --- objects: pipes and the group are all there are --------------------------

#define NO_OBJECTS panic(__FILE__, __LINE__, "there are no such objects")

static const struct object_type pipe_type = {.name = "pipe"};

void
fake_pipe_init(struct fake_pipe *p, u64 room)
{
    *p = (struct fake_pipe){.room = room};
    p->object.type = &pipe_type;
    p->object.references = 1;
    p->object.signals = room > 0 ? SIGNAL_WRITABLE : 0;
}

void
object_end(struct object *o)
{
    if (group != NULL && o == &group->object) {
        kernel_free(group);
        group = NULL;
    }
}

void
object_hold_handle(struct object *o)
{
    o->handles++;
    object_hold(o);
}

void
object_release_handle(struct object *o)
{
    assert(o->handles > 0);
    o->handles--;
    object_release(o);
}

status_t
adoption_take(struct adoption *a)
{
    (void)a;
    return fake.adoption;
}

u32
object_signals(const struct object *o)
{
    return o->signals;
}

static bool
some_signal(struct object_wait *waits, u32 count)
{
    bool some = false;

    for (u32 i = 0; i < count; i++) {
        struct observer *ob = &waits[i].observer;
        ob->observed = waits[i].object->signals & ob->awaited;
        some |= ob->observed != 0;
    }
    return some;
}

status_t
object_wait_many(struct object_wait *waits, u32 count, u64 deadline)
{
    u64 wait = deadline - MIN(deadline, fake.now_ns);

    fake.waited_ns = MAX(fake.waited_ns, wait);
    if (!some_signal(waits, count) && wait > 0 && fake.later != NULL)
        fake.later();
    if (some_signal(waits, count)) {
        for (u32 i = 0; fake.robbed && i < count; i++)
            waits[i].object->signals = 0;
        fake.robbed = false;
        return OK;
    }
    assert(deadline != UINT64_MAX); // a test would hang
    fake.now_ns = MAX(fake.now_ns, deadline);
    return ERR_TIMED_OUT;
}

struct stream *
stream_from_object(struct object *o)
{
    return (struct stream *)o;
}

static struct fake_pipe *
pipe_of(struct stream *s)
{
    return CONTAINER((struct object *)s, struct fake_pipe, object);
}

static void
pipe_moved(struct fake_pipe *p)
{
    p->object.signals &= ~(u32)(SIGNAL_READABLE | SIGNAL_WRITABLE);
    p->object.signals |= p->size > 0 ? SIGNAL_READABLE : 0;
    p->object.signals |= p->room > 0 ? SIGNAL_WRITABLE : 0;
}

// As the kernel's: what is left is read before the end is told.
status_t
stream_read(struct stream *s, struct bytes to, u64 deadline, u64 *count)
{
    struct fake_pipe *p = pipe_of(s);
    u32 ends = SIGNAL_PEER_DONE | SIGNAL_PEER_CLOSED;

    *count = MIN(MIN(p->size, to.size), FAKE_STEP);
    if (*count == 0) {
        assert((p->object.signals & ends) || deadline != UINT64_MAX);
        return p->object.signals & ends ? ERR_PEER_CLOSED : ERR_SHOULD_WAIT;
    }
    memcpy(to.ptr, p->bytes, *count);
    memmove(p->bytes, p->bytes + *count, p->size - *count);
    p->size -= *count;
    p->room += *count;
    pipe_moved(p);
    return OK;
}

status_t
stream_write(struct stream *s, struct bytes from, u64 deadline, u64 *count)
{
    struct fake_pipe *p = pipe_of(s);

    *count = 0;
    p->largest = MAX(p->largest, from.size);
    if (p->object.signals & SIGNAL_PEER_CLOSED)
        return ERR_PEER_CLOSED;
    *count = MIN(MIN(p->room, from.size), FAKE_STEP);
    assert(*count > 0 || deadline != UINT64_MAX);
    if (*count == 0)
        return ERR_SHOULD_WAIT;
    memcpy(p->bytes + p->size, from.ptr, *count);
    p->size += *count;
    p->room -= *count;
    pipe_moved(p);
    return OK;
}

// No program here has a terminal of ours, or is granted anything.
const struct object_type terminal_type = {.name = "terminal"};

struct terminal *
terminal_from_object(struct object *o)
{
    (void)o;
    NO_OBJECTS;
}

struct object *
terminal_object(struct terminal *t)
{
    (void)t;
    NO_OBJECTS;
}

status_t
terminal_start(struct terminal **out)
{
    (void)out;
    NO_OBJECTS;
}

status_t
terminal_read(struct terminal *t, struct bytes to, u64 deadline, u64 *count)
{
    (void)t, (void)to, (void)deadline, (void)count;
    NO_OBJECTS;
}

status_t
terminal_write(struct terminal *t, struct bytes from, u64 deadline, u64 *count)
{
    return terminal_read(t, from, deadline, count);
}

struct group *
group_root(void)
{
    return NULL;
}

status_t
group_new(struct group **out, struct group *parent, const char *name)
{
    (void)name;
    assert(group == NULL && parent == NULL);
    group = kernel_alloc(sizeof(*group));
    if (group == NULL)
        return ERR_NO_MEMORY;
    group->object.references = 1;
    *out = (struct group *)group;
    return OK;
}

// --- gates: one, of fake.serve -----------------------------------------------

static struct fake_gate {
    struct object object;
} gates[2];

const struct object_type gate_type = {.name = "gate"};

struct account *
account_root(void)
{
    return NULL;
}

status_t
gate_new(struct gate **out, u32 request_size, struct account *payer)
{
    (void)request_size, (void)payer;
    gates[0].object.references++;
    *out = (struct gate *)&gates[0];
    return OK;
}

status_t
door_new(struct door **out, struct gate *g, u64 badge, struct account *payer)
{
    (void)g, (void)badge, (void)payer;
    gates[1].object.references++;
    *out = (struct door *)&gates[1];
    return OK;
}

struct object *
gate_object(struct gate *g)
{
    return &((struct fake_gate *)g)->object;
}

struct object *
door_object(struct door *d)
{
    return &((struct fake_gate *)d)->object;
}

status_t
gate_call(struct door *d, struct bytes request, struct bytes room,
          const struct window_offer *offers, u32 offer_count, u64 deadline,
          u32 *size)
{
    (void)d, (void)deadline;
    *size = 0;
    if (fake.serve == NULL)
        return ERR_PEER_CLOSED;
    return fake.serve(request, room, offer_count > 0 ? offers : NULL, size);
}

// There are no devices.
struct device *
device_find_files(struct string tag)
{
    (void)tag;
    return NULL;
}

struct device *
device_find(struct string name)
{
    (void)name;
    return NULL;
}

struct object *
device_object(struct device *d)
{
    (void)d;
    panic(__FILE__, __LINE__, "no device has an object");
}

struct object *
group_object(struct group *g)
{
    assert(g == (struct group *)group);
    return &group->object;
}

status_t
process_give(struct process *p, struct object *o, u32 rights)
{
    (void)p, (void)o, (void)rights;
    NO_OBJECTS;
}

// --- console, clock, numbers -------------------------------------------------

status_t
console_write(enum port_stream stream, const void *bytes, u64 size,
              u64 deadline_ns, u64 *count)
{
    (void)stream;
    fake.writes++;
    fake.patient = deadline_ns == UINT64_MAX;
    *count = 0;
    if (fake.output != OK)
        return fake.output;
    size = fake.most > 0 ? MIN(size, fake.most) : size;
    u64 at = strlen(fake.out), part = MIN(size, FAKE_TEXT - 1 - at);
    memcpy(fake.out + at, bytes, part);
    *count = size;
    return OK;
}

status_t
console_wait(u64 deadline_ns, struct port_input *out)
{
    *out = (struct port_input){0};
    if (fake.in != NULL) {
        out->ready = strlen(fake.in);
        out->ended = out->ready == 0;
        return OK;
    }
    assert(deadline_ns != UINT64_MAX); // a test would hang
    fake.now_ns = MAX(fake.now_ns, deadline_ns);
    return ERR_TIMED_OUT;
}

status_t
console_read(void *to, u64 size, u64 deadline_ns, u64 *count)
{
    struct port_input input;
    status_t status = console_wait(deadline_ns, &input);

    if (status != OK)
        return status;
    *count = MIN(size, strlen(fake.in));
    memcpy(to, fake.in, *count);
    fake.in += *count;
    return OK;
}

void
klog(const char *text, ...)
{
    size_t at = strlen(fake.log);
    va_list list;

    va_start(list, text);
    vsnprintf(fake.log + at, FAKE_TEXT - at - 2, text, list);
    va_end(list);
    strcat(fake.log, "\n");
}

i64
port_start_ns(void)
{
    return 0;
}

u64
port_monotonic_ns(void)
{
    return fake.now_ns;
}

u64
port_realtime_ns(void)
{
    return fake.now_ns + 1000000000;
}

void
port_memory_info(u64 *available, u64 *total)
{
    *available = *total = 2 * FAKE_FILES;
}

void
port_random(void *to, u64 size)
{
    memset(to, 0x5a, size);
}

void
panic(const char *file, u32 line, const char *what)
{
    printf("%s:%u: %s\n", file, line, what);
    abort();
}

// --- programs ----------------------------------------------------------------

status_t
code_module_open(struct code_module **out, struct bytes bytes,
                 struct error *error, char *text, u32 text_size)
{
    (void)bytes, (void)text, (void)text_size;
    *out = NULL;
    if (fake.compile != OK)
        error_set(error, fake.compile, 0x12, "integer too large");
    return fake.compile;
}

status_t
code_module_open_known(struct code_module **out, struct bytes file,
                       struct error *error, char *text, u32 text_size)
{
    fake.images++;
    if (fake.image == OK)
        return code_module_open(out, file, error, text, text_size);
    error_set(error, fake.image, 0, "the verifier refuses the code");
    return fake.image;
}

status_t
code_module_remake(struct code_module **out, struct bytes file,
                   struct error *error)
{
    fake.remade++;
    *error = (struct error){OK, 0, NULL};
    return code_module_open(out, file, error, NULL, 0);
}

void
code_module_release(struct code_module *m)
{
    (void)m;
}

status_t
process_new_linked(struct process **out, struct group *g, struct code_module *m,
                   struct linking *linking, const char *name,
                   struct error *error, char *text, u32 text_size)
{
    (void)m, (void)name, (void)error, (void)text, (void)text_size;
    linking->blamed = linking->count;
    EXPECT(g != NULL && g == (struct group *)group);
    *out = calloc(1, sizeof(struct fake_process));
    return OK;
}

bool
process_missing_import(const struct linking *linking,
                       const struct code_module *m, u32 *from,
                       struct error *error, char *text, u32 text_size)
{
    (void)linking, (void)m, (void)from;
    (void)error, (void)text, (void)text_size;
    return false;
}

status_t
process_start_call(struct process *p, struct string name, struct bytes args,
                   struct process_call **out)
{
    (void)p, (void)name, (void)args, (void)out;
    return ERR_NOT_FOUND;
}

static struct fake_process *living[8]; // have started

static void
enter(struct fake_process *p)
{
    u32 at = 0;

    while (living[at] != NULL)
        at++;
    assert(at < COUNT(living));
    living[at] = p;
    fake.running++;
    fake.most_running = MAX(fake.most_running, fake.running);
}

// A child with the first directory that its parent has open.
static void
spawn_from(struct fake_process *parent)
{
    struct fake_process *p = calloc(1, sizeof(*p));
    const struct wasi *w = parent->state;
    struct preopen open = {w->files[3]->node, w->files[3]->preopen};
    struct wasi_setup setup = {.preopens = &open, .preopen_count = 1};

    p->end_ns = UINT64_MAX;
    p->orphan = true;
    enter(p);
    EXPECT_EQ(wasi_attach((struct process *)p, &setup), OK);
}

status_t
process_start(struct process *process)
{
    struct fake_process *p = of(process);

    enter(p);
    p->end_ns =
        fake.run_ns == UINT64_MAX ? UINT64_MAX : fake.now_ns + fake.run_ns;
    p->status = fake.exit_status + fake.started;
    fake.started++;
    if (fake.spawns)
        spawn_from(p);
    return OK;
}

static void
end(struct fake_process *p)
{
    if (!p->ended)
        fake.running--;
    p->ended = true;
}

status_t
process_wait(struct process *process, u64 deadline_ns, u32 *exit_status)
{
    struct fake_process *p = of(process);

    if (!p->ended && p->end_ns > deadline_ns) {
        fake.now_ns = MAX(fake.now_ns, deadline_ns);
        return ERR_TIMED_OUT;
    }
    assert(p->ended || p->end_ns != UINT64_MAX); // a test would hang
    if (!p->ended)
        fake.now_ns = MAX(fake.now_ns, p->end_ns);
    end(p);
    *exit_status = p->status;
    return OK;
}

void
process_kill(struct process *p, u32 exit_status)
{
    of(p)->status = exit_status;
    end(of(p));
}

void
group_kill(struct group *g, u32 exit_status)
{
    EXPECT(g != NULL && g == (struct group *)group);
    for (u32 i = 0; i < COUNT(living); i++)
        if (living[i] != NULL && !living[i]->ended)
            process_kill((struct process *)living[i], exit_status);
}

// All of the group have ended, and so are those that nobody else holds gone.
void
object_wait_always(struct object *o, u32 awaited)
{
    EXPECT(o == &group->object && awaited == SIGNAL_ENDED);
    EXPECT_EQ(fake.running, 0);
    for (u32 i = 0; i < COUNT(living); i++)
        if (living[i] != NULL && living[i]->orphan)
            process_release((struct process *)living[i]);
}

void
process_release(struct process *p)
{
    for (u32 i = 0; i < COUNT(living); i++)
        if (living[i] == of(p))
            living[i] = NULL;
    if (of(p)->type != NULL)
        of(p)->type->exit(p);
    free(p);
}

// --- helpers of the tests ----------------------------------------------------

void
fake_attach(struct node *root)
{
    static u8 args[] = "prog\0one\0", env[] = "A=1\0B=";

    const struct preopen dir = {root, STRING("/")};
    struct wasi_setup setup = {
        .args = {args, 9},
        .env = {env,  7},
        .preopens = &dir,
        .preopen_count = root != NULL,
        .terminals = fake.terminals,
    };

    EXPECT_EQ(wasi_attach(process_current(), &setup), OK);
}

void
fake_detach(void)
{
    self.type->exit(process_current());
    self.state = NULL;
}

struct process *
fake_child(void)
{
    return calloc(1, sizeof(struct fake_process));
}

void
fake_end(struct process *child)
{
    fake_enter(NULL);
    if (of(child)->type != NULL)
        of(child)->type->exit(child);
    free(child);
}

void
fake_enter(struct process *p)
{
    caller = p != NULL ? of(p) : &self;
}

u32
fake_put(u32 at, const char *text)
{
    memcpy(fake.memory + at, text, strlen(text));
    return (u32)strlen(text);
}

errno_t
fake_call(const char *name, const u64 *a)
{
    const struct host_module *m = &wasi_preview1;
    typedef errno_t (*nine)(u64, u64, u64, u64, u64, u64, u64, u64, u64);

    if (strncmp(name, "old:", 4) == 0) {
        m = &wasi_unstable;
        name += 4;
    }
    for (u32 i = 0; i < m->count; i++)
        if (strcmp(m->funcs[i].name, name) == 0)
            return ((nine)(uintptr_t)m->funcs[i].code)(
                a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8]);
    return UINT32_MAX;
}

u32
fake_u32(u32 at)
{
    u32 value;

    memcpy(&value, fake.memory + at, sizeof(value));
    return value;
}

u64
fake_u64(u32 at)
{
    u64 value;

    memcpy(&value, fake.memory + at, sizeof(value));
    return value;
}

// --- archives ----------------------------------------------------------------

void
archive_add(struct archive *a, const char *name, char kind, const char *data,
            u64 size, const char *target)
{
    char *h = (char *)a->bytes + a->size;
    u32 sum = 0;

    memset(h, 0, 512);
    memcpy(h, name, MIN(strlen(name), 100));
    memcpy(h + 124, "00000000000", 11);
    snprintf(h + 124, 12, "%011llo", (unsigned long long)size);
    memcpy(h + 136, "00000000017", 11);
    h[156] = kind;
    memcpy(h + 157, target, strlen(target));
    memcpy(h + 257, "ustar\00000", 8);
    memset(h + 148, ' ', 8);
    for (u32 i = 0; i < 512; i++)
        sum += (u8)h[i];
    snprintf(h + 148, 8, "%06o", sum);
    a->size += 512;
    memcpy(a->bytes + a->size, data, size);
    a->size += ALIGN_UP(size, 512);
}

void
archive_end(struct archive *a)
{
    memset(a->bytes + a->size, 0, 1024);
    a->size += 1024;
}

struct bytes
archive_bytes(struct archive *a)
{
    return (struct bytes){a->bytes, a->size};
}

// --- what does not happen here -----------------------------------------------

bool
host_trace(struct string names, struct string *unknown)
{
    *unknown = names;
    return string_equal(names, STRING("fd_write"));
}

void
heaps_tell(bool on)
{
    (void)on;
}

struct account *
group_account(const struct group *g)
{
    (void)g;
    return NULL;
}

void
account_set_limit(struct account *a, enum resource r, u64 limit)
{
    (void)a, (void)r, (void)limit;
}

bool
profile_start(void)
{
    return true;
}

void
profile_keep_code(void)
{
}

void
profile_write(void)
{
}

void
profile_write_map(void)
{
}

u64
trace_call(const struct trace_module *m, u32 index,
           const u64 words[TRACE_WORDS])
{
    (void)m, (void)index, (void)words;
    panic(__FILE__, __LINE__, "no call is traced here");
}

status_t
thread_spawn_export(struct string name, u32 arg, u32 *id)
{
    (void)name, (void)arg, (void)id;
    panic(__FILE__, __LINE__, "no thread is spawned here");
}
