// runtime/profile.c: where programs spend their time, for --profile and --perf
// of `nebulet run` (runtime/runtime.h).
//
// A port interrupts each CPU now and then and says where it was: the functions
// on the thread's stack are a row of the CPU's own table, which counts how
// often they were found.  Nothing there takes a lock or waits.  Code that was
// compiled while a profile is made stays until the end, so that what a row has
// is the place of a function's code, and its name can be looked up last.

#include "runtime/internal.h"

enum {
    ROWS = 1 << 13,  // of a CPU's table
    POOL = 1 << 18,  // places in its rows, all together
    PROBES = 32,     // rows that are looked at for one
    DEPTH = 64,      // of a row
    GUESSES = 16,    // words where a return address may be
    NAMED = 1 << 15, // functions whose names are looked up
    NAME_SIZE = 256, // of a name that is written, with "[kernel] "
    LINE_SIZE = (DEPTH + 3) * NAME_SIZE,
};

// The place of no function: there were more outside.
#define DEEPER 1

struct row {
    u64 hash, count; // count 0: free
    u32 at, depth;   // of `places`, from the innermost
};

struct samples {
    u64 lost; // samples that found no room
    u32 used; // of `places`
    struct row rows[ROWS];
    u64 places[POOL];
};

static struct samples *samples[CPU_MAX];
static bool sampling, keeping; // atomic
static struct lock code_lock = LOCK_INIT(PROFILE);
static struct compiled *kept_code GUARDED_BY(code_lock); // a list

// --- samples -----------------------------------------------------------------

// The caller of what was interrupted somewhere in `f`, which may be before its
// prologue, in the middle of it, or behind.
static bool
guess_caller(struct call_frame *c, struct thread *t, u64 rsp,
             const struct func_code *f)
{
    if (frame_guess(c, t, rsp + f->frame, f->args))
        return true;
    for (u32 i = 0; i < GUESSES && 8 * i < f->frame + 8; i++)
        if (frame_guess(c, t, rsp + 8 * i, f->args))
            return true;
    return false;
}

// The functions on the stack of t, from the innermost; how many.
static u32
walk(struct thread *t, u64 pc, u64 rsp, u64 places[DEPTH])
{
    const struct compiled *m = compiled_at(execution_of(t)->store, pc);
    const struct thread_entry *e = thread_entry(t);
    struct call_frame c;
    u32 depth = 0;
    bool found;

    if (m == NULL) { // C, which generated code has called
        places[depth++] = pc;
        found = e->rsp >= rsp && frame_guess(&c, t, e->rsp, e->popped);
    } else {
        const struct func_code *f = code_func(&m->code, pc - (u64)m->text);
        if (f == NULL)
            return 0;
        if (f->func != NO_INDEX)
            places[depth++] = (u64)m->text + f->start;
        found = guess_caller(&c, t, rsp, f);
    }
    for (; found && depth < DEPTH - 1; found = frame_next(&c))
        if (c.func->func != NO_INDEX)
            places[depth++] = (u64)c.module->text + c.func->start;
    if (found)
        places[depth++] = DEEPER;
    return depth;
}

static u64
hash_of(const u64 *places, u32 depth)
{
    u64 hash = 0xcbf29ce484222325;

    for (u32 i = 0; i < depth; i++)
        hash = (hash ^ places[i]) * 0x100000001b3;
    return hash ^ hash >> 32;
}

static bool
is_row(const struct samples *p, const struct row *r, u64 hash,
       const u64 *places, u32 depth)
{
    return r->hash == hash && r->depth == depth &&
           memcmp(p->places + r->at, places, depth * sizeof(*places)) == 0;
}

static void
count(struct samples *p, const u64 *places, u32 depth)
{
    u64 hash = hash_of(places, depth);

    for (u32 i = 0; i < PROBES; i++) {
        struct row *r = &p->rows[(hash + i) % ROWS];
        if (r->count == 0 && depth <= POOL - p->used) {
            *r = (struct row){hash, 1, p->used, depth};
            memcpy(p->places + p->used, places, depth * sizeof(*places));
            p->used += depth;
            return;
        }
        if (r->count > 0 && is_row(p, r, hash, places, depth)) {
            r->count++;
            return;
        }
    }
    p->lost++;
}

void
profile_sample(u64 pc, u64 rsp)
{
    struct samples *p = samples[port_cpu_id()];
    struct thread *t = sched_current();
    u64 places[DEPTH];

    if (!__atomic_load_n(&sampling, __ATOMIC_ACQUIRE) || p == NULL ||
        t == NULL || execution_of(t) == NULL)
        return;
    u32 depth = walk(t, pc, rsp, places);
    if (depth > 0)
        count(p, places, depth);
}

// --- start and end -----------------------------------------------------------

bool
profile_keeps(const struct compiled *m)
{
    return __atomic_load_n(&keeping, __ATOMIC_RELAXED) && m->text != NULL;
}

void
profile_keep(struct compiled *m)
{
    if (!profile_keeps(m))
        return;
    lock(&code_lock);
    m->next_kept = kept_code;
    kept_code = m;
    unlock(&code_lock);
}

void
profile_keep_code(void)
{
    __atomic_store_n(&keeping, true, __ATOMIC_RELAXED);
}

static struct samples *
samples_new(void)
{
    u64 size = ALIGN_UP(sizeof(struct samples), PAGE_SIZE);
    void *memory = port_reserve(size, PAGE_SIZE);

    if (memory != NULL && port_commit(memory, size))
        return memory;
    if (memory != NULL)
        port_release(memory, size);
    return NULL;
}

bool
profile_start(void)
{
    profile_keep_code();
    for (u32 i = 0; i < port_cpu_count(); i++) {
        samples[i] = samples_new();
        if (samples[i] == NULL)
            return false;
    }
    __atomic_store_n(&sampling, true, __ATOMIC_RELEASE);
    port_profile(PROFILE_PERIOD_NS);
    return true;
}

// --- names -------------------------------------------------------------------

struct named {
    u64 place; // 0: free
    u32 func;
    struct string name;
};

struct names {
    struct named *list; // NAMED of them, by the hash of their places
    u32 count;
};

static u32
slot_of(const struct names *names, u64 place)
{
    u32 at = (u32)(hash_of(&place, 1) % NAMED);

    while (names->list[at].place != 0 && names->list[at].place != place)
        at = (at + 1) % NAMED;
    return at;
}

static void
add_place(struct names *names, u64 place)
{
    u32 at = slot_of(names, place);

    if (names->list[at].place != 0 || names->count == NAMED / 2)
        return;
    names->list[at].place = place;
    names->count++;
}

static void
add_places(struct names *names, const struct samples *p)
{
    for (u32 i = 0; i < p->used; i++)
        if (port_code_contains(p->places[i]))
            add_place(names, p->places[i]);
}

// A walk over the module's names for some of its functions.
static void
name_some(const struct module *m, struct named *const *some, u32 count)
{
    struct code_place places[PLACES_MAX];

    for (u32 i = 0; i < count; i++)
        places[i] = (struct code_place){.func = some[i]->func};
    module_names(m, places, count, thread_is_killed);
    for (u32 i = 0; i < count; i++)
        some[i]->name = places[i].name;
}

static void
name_module(const struct names *names, const struct compiled *m)
{
    struct named *some[PLACES_MAX];
    u32 count = 0;

    for (u32 i = 0; i < NAMED; i++) {
        struct named *n = &names->list[i];
        u64 offset = n->place - (u64)m->text;
        if (n->place == 0 || offset >= m->code.size)
            continue;
        const struct func_code *f = code_func(&m->code, offset);
        if (f == NULL)
            continue;
        n->func = f->func;
        some[count++] = n;
        if (count == PLACES_MAX) {
            name_some(&m->module, some, count);
            count = 0;
        }
    }
    name_some(&m->module, some, count);
}

// --- writing -----------------------------------------------------------------

struct line {
    char text[LINE_SIZE];
    u32 size;
};

// What is too long is cut; what would end a name is another character, and what
// would end a line is shown by its number.
static void
put(struct line *line, struct string text)
{
    char *at = line->text + line->size;

    assert(line->size <= LINE_SIZE - 2 * NAME_SIZE);
    (void)format_safe(at, NAME_SIZE, "%.*s", (int)text.len, text.ptr);
    for (; *at != 0; at++)
        if (*at == ';')
            *at = ':';
    line->size = (u32)(at - line->text);
}

static void
put_text(struct line *line, const char *text)
{
    put(line, string_of(text));
}

static bool
write_line(struct line *line)
{
    u64 done = 0, count;
    status_t status = OK;

    line->text[line->size++] = '\n';
    while (done < line->size && status == OK) {
        status = console_write(PORT_PROFILE, line->text + done,
                               line->size - done, UINT64_MAX, &count);
        done += count;
    }
    line->size = 0;
    return status == OK;
}

static void
put_function(struct line *line, struct string name, u32 func)
{
    char number[32];

    if (name.len > 0)
        put(line, name);
    else
        put(line, (struct string){number, format(number, sizeof(number),
                                                 "func[%u]", func)});
}

static void
put_place(struct line *line, const struct names *names, u64 place)
{
    u64 offset;
    const char *symbol;

    if (place == DEEPER) {
        put_text(line, "[more]");
    } else if (port_code_contains(place)) {
        const struct named *n = &names->list[slot_of(names, place)];
        put_function(line, n->name, n->func);
    } else {
        symbol = port_symbol(place, &offset);
        put_text(line, "[kernel] ");
        put_text(line, symbol != NULL ? symbol : "?");
    }
}

static bool
write_row(const struct names *names, const struct samples *p,
          const struct row *r)
{
    static struct line line;
    char number[32];

    line.size = 0;
    put_text(&line, "S ");
    for (u32 i = r->depth; i-- > 0;) {
        put_place(&line, names, p->places[r->at + i]);
        if (i > 0)
            line.text[line.size++] = ';';
    }
    format(number, sizeof(number), " %llu", (unsigned long long)r->count);
    memcpy(line.text + line.size, number, string_of(number).len);
    line.size += string_of(number).len;
    return write_line(&line);
}

static bool
write_table(const struct names *names, const struct samples *p)
{
    for (u32 i = 0; i < ROWS; i++)
        if (p->rows[i].count > 0 && !write_row(names, p, &p->rows[i]))
            return false;
    if (p->lost > 0)
        klog("nebulet: profile: %llu samples found no room",
             (unsigned long long)p->lost);
    return true;
}

// None is taken from the list, and what is added comes before.
static struct compiled *
first_kept(void)
{
    lock(&code_lock);
    struct compiled *first = kept_code;
    unlock(&code_lock);
    return first;
}

void
profile_write(void)
{
    struct names names = {.list = kernel_alloc(NAMED * sizeof(*names.list))};
    bool going = true;

    port_profile(0);
    __atomic_store_n(&sampling, false, __ATOMIC_RELEASE);
    if (names.list == NULL) {
        klog("nebulet: profile: out of memory");
        return;
    }
    memset(names.list, 0, NAMED * sizeof(*names.list));
    for (u32 i = 0; i < port_cpu_count(); i++)
        add_places(&names, samples[i]);
    for (const struct compiled *m = first_kept(); m != NULL; m = m->next_kept)
        name_module(&names, m);
    for (u32 i = 0; i < port_cpu_count() && going; i++)
        going = write_table(&names, samples[i]);
    kernel_free(names.list);
}

// --- a map of the code -------------------------------------------------------

static bool
write_function(const struct compiled *m, const struct func_code *f,
               struct string name)
{
    static struct line line;
    u64 start = (u64)m->text + f->start;

    line.size = format(line.text, LINE_SIZE, "M %llx %x ",
                       (unsigned long long)start, f->end - f->start);
    put_function(&line, name, f->func);
    return write_line(&line);
}

static bool
write_functions(const struct compiled *m, u32 from)
{
    struct code_place places[PLACES_MAX];
    u32 count = MIN(m->code.func_count - from, (u32)PLACES_MAX);
    bool going = true;

    for (u32 i = 0; i < count; i++)
        places[i] = (struct code_place){.func = m->code.funcs[from + i].func};
    module_names(&m->module, places, count, thread_is_killed);
    for (u32 i = 0; i < count && going; i++)
        going = m->code.funcs[from + i].func == NO_INDEX ||
                write_function(m, &m->code.funcs[from + i], places[i].name);
    return going;
}

void
profile_write_map(void)
{
    bool going = true;

    for (const struct compiled *m = first_kept(); m != NULL; m = m->next_kept)
        for (u32 i = 0; i < m->code.func_count && going; i += PLACES_MAX)
            going = write_functions(m, i);
}
