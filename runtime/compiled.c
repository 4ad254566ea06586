// runtime/compiled.c: bytes to compiled code.
//
// The bytes are copied before anybody looks at them, so their owner cannot
// change them afterwards.  What a compiled module needs for good is in `keep`;
// the machine code is in the port's code arena.  No address leads to bytes,
// `keep` and code for writing when the verifier looks at them (admit.c), and
// nobody gets a module that it has not accepted.
//
// All of it is charged to account_current(), and what others only keep goes
// where its limit, or the machine, has no room.

#include "runtime/internal.h"

#include "compile/compile.h"

bool
code_charge(struct charge *c, enum resource r, u64 total)
{
    struct account *a = c->account != NULL ? c->account : account_current();

    while (!charge_to(c, r, total))
        if (!kept_make_room(a, r, total - c->amount))
            return false;
    return true;
}

bool
code_commit(struct arena *arena, u64 from, u64 to, struct charge *charge)
{
    u64 before = charge->amount;

    if (thread_is_killed())
        return false;
    if (from == to)
        return true;
    if (!code_charge(charge, RESOURCE_CODE, before + (to - from)))
        return false;
    if (kept_commit(arena->base + from, to - from))
        return true;
    charge_less(charge, RESOURCE_CODE, before);
    return false;
}

static bool
commit_keep(struct arena *arena, u64 from, u64 to)
{
    struct compiled *m = CONTAINER(arena, struct compiled, keep);

    return code_commit(arena, from, to, &m->charges.memory);
}

bool
code_arena_new(struct arena *arena, u64 size, code_commit_t *committer)
{
    size = ALIGN_UP(size, PAGE_SIZE);
    u8 *base = port_reserve(size, PAGE_SIZE);

    *arena =
        (struct arena){.base = base, .reserved = size, .commit = committer};
    return base != NULL;
}

void
code_arena_free(struct arena *arena)
{
    if (arena->base != NULL)
        port_release(arena->base, arena->reserved);
    arena->base = NULL;
}

enum { PIECE = 2 * MIB }; // bytes between two looks at whether we were killed

static status_t
copy_bytes(struct compiled *m, struct bytes bytes)
{
    m->reserved = ALIGN_UP(MAX(bytes.size, 1), PAGE_SIZE);
    if (!code_charge(&m->charges.memory, RESOURCE_CODE,
                     sizeof(*m) + m->reserved))
        return ERR_LIMIT;
    m->bytes.ptr = port_reserve(m->reserved, PAGE_SIZE);
    if (m->bytes.ptr == NULL)
        return ERR_NO_MEMORY;
    for (u64 at = 0; at < m->reserved; at += PIECE) {
        u8 *to = m->bytes.ptr + at;
        if (thread_is_killed())
            return ERR_KILLED;
        if (!kept_commit(to, MIN(m->reserved - at, PIECE)))
            return ERR_NO_MEMORY;
        if (at < bytes.size)
            memcpy(to, bytes.ptr + at, MIN(bytes.size - at, PIECE));
    }
    m->bytes.size = bytes.size;
    return OK;
}

// To where it may be executed once it is verified.
static status_t
write_code(struct compiled *m)
{
    if (m->code.size == 0)
        return OK; // nothing can be called
    if (!code_charge(&m->charges.memory, RESOURCE_CODE,
                     m->charges.memory.amount + m->code.size))
        return ERR_LIMIT;
    do
        m->text = port_code_write(m->code.text, m->code.size);
    while (m->text == NULL && kept_relieve());
    m->code.text = NULL;
    return m->text != NULL ? OK : ERR_NO_MEMORY;
}

// Give back what is committed beyond `keep` bytes.
static void
arena_trim(struct arena *arena, u64 keep)
{
    keep = ALIGN_UP(keep, PAGE_SIZE);
    if (arena->committed > keep) {
        port_decommit(arena->base + keep, arena->committed - keep);
        arena->committed = keep;
    }
}

// --- scratch memory ----------------------------------------------------------

enum { SCRATCH_KEEP = 4 * 1024 * 1024 };

// What compiling one module needs for a while.  One set is kept for the next
// module; a second compiler at the same time makes its own.
struct scratch {
    struct arena text, temp;
    struct charge memory; // while it is used
};

static struct lock spare_lock = LOCK_INIT(SCRATCH);
static struct {
    bool kept;
    struct scratch scratch;
} spare GUARDED_BY(spare_lock);

static bool
commit_text(struct arena *arena, u64 from, u64 to)
{
    return code_commit(arena, from, to,
                       &CONTAINER(arena, struct scratch, text)->memory);
}

static bool
commit_temp(struct arena *arena, u64 from, u64 to)
{
    return code_commit(arena, from, to,
                       &CONTAINER(arena, struct scratch, temp)->memory);
}

static void
scratch_free(struct scratch *s)
{
    code_arena_free(&s->text);
    code_arena_free(&s->temp);
}

// Address space only; what is used is committed step by step.
static bool
scratch_new(struct scratch *s, u64 module_size)
{
    u64 text = 64 * module_size + 16 * MIB, temp = 1024 * module_size + GIB;

    lock(&spare_lock);
    bool found = spare.kept;
    if (found)
        *s = spare.scratch;
    spare.kept = false;
    unlock(&spare_lock);
    if (found && s->text.reserved >= text && s->temp.reserved >= temp)
        return true;
    if (found)
        scratch_free(s);
    *s = (struct scratch){
        .memory = {NULL, 0}
    };
    if (code_arena_new(&s->text, text, commit_text) &&
        code_arena_new(&s->temp, temp, commit_temp))
        return true;
    scratch_free(s);
    return false;
}

static void
scratch_done(struct scratch *s)
{
    arena_reset(&s->text, 0);
    arena_reset(&s->temp, 0);
    arena_trim(&s->text, SCRATCH_KEEP);
    arena_trim(&s->temp, SCRATCH_KEEP);
    charge_end(&s->memory, RESOURCE_CODE);
    lock(&spare_lock);
    bool keep = !spare.kept;
    if (keep) {
        spare.scratch = *s;
        spare.kept = true;
    }
    unlock(&spare_lock);
    if (!keep)
        scratch_free(s);
}

void
scratch_reclaim(void)
{
    lock(&spare_lock);
    bool kept = spare.kept;
    struct scratch s = spare.scratch;
    spare.kept = false;
    unlock(&spare_lock);
    if (kept)
        scratch_free(&s);
}

// --- compiling ---------------------------------------------------------------

static status_t
compile(struct compiled *m, const struct code_source *source, struct scratch *s,
        struct error *error)
{
    struct compile_options options = {.features = cpu_features,
                                      .check_pads = CHECKED,
                                      .stopped = thread_is_killed};
    status_t status = module_decode_without(&m->module, m->bytes,
                                            source->without, &m->keep, error);

    if (status == OK)
        status = module_compile(&m->code, &m->module, &options, &s->text,
                                &m->keep, &s->temp, error);
    return status;
}

// The tables stay in the file, of which we have a copy.
static status_t
read_file(struct compiled *m, bool is_known, struct error *error)
{
    struct code_file f;
    status_t status =
        is_known ? code_file_open_known(&f, m->bytes, cpu_features, error) :
                   code_file_open(&f, m->bytes, cpu_features, &m->keep, error);

    if (status == OK && f.module.size > LIMIT_MODULE_SIZE)
        status = ERR_LIMIT;
    if (status == OK)
        status = module_decode(&m->module, f.module, &m->keep, error);
    if (status == OK)
        status = code_file_code(&m->code, &f, &m->module, &m->keep, error);
    return status;
}

static status_t
register_types(struct compiled *m)
{
    u32 count = m->module.type_count;
    u32 *ids = ARENA_NEW(&m->keep, u32, count + 1);

    if (ids == NULL)
        return ERR_NO_MEMORY;
    if (!code_charge(&m->charges.types, RESOURCE_TYPES, count))
        return ERR_LIMIT;
    m->ids = ids;
    return types_register_some(&m->module, ids, &m->id_count);
}

// The module is complete.
static status_t
seal(struct compiled *m)
{
    u64 committed = m->keep.committed;

    arena_trim(&m->keep, m->keep.at);
    charge_less(&m->charges.memory, RESOURCE_CODE,
                m->charges.memory.amount - (committed - m->keep.committed));
    if (!port_seal(m->bytes.ptr, m->reserved) ||
        !port_seal(m->keep.base, m->keep.committed))
        return ERR_NO_MEMORY;
    return OK;
}

// Nobody trusts the code yet.
static status_t
translate(struct compiled *m, const struct code_source *source,
          struct scratch *s, struct error *error)
{
    bool is_file = source->may_file && code_file_is(m->bytes);
    status_t status = is_file ? read_file(m, source->is_known, error) :
                                compile(m, source, s, error);

    if (status == OK)
        status = write_code(m);
    arena_reset(&s->text, 0);
    arena_trim(&s->text, SCRATCH_KEEP);
    return status;
}

static status_t
make_with(struct compiled *m, const struct code_source *source,
          struct scratch *s, struct error *error)
{
    status_t status = translate(m, source, s, error);

    if (status == OK)
        status = register_types(m);
    if (status == OK)
        status = seal(m);
    if (status == OK)
        status = verify_and_map(m, &s->temp, source, error);
    return status;
}

static status_t
make(struct compiled *m, const struct code_source *source, struct error *error)
{
    struct bytes bytes = source->bytes;
    struct scratch s;

    if (bytes.size > (source->may_file ? CODE_FILE_MOST : LIMIT_MODULE_SIZE))
        return ERR_LIMIT;
    if (!code_arena_new(&m->keep, 256 * bytes.size + 16 * MIB, commit_keep))
        return ERR_NO_MEMORY;
    status_t status = copy_bytes(m, bytes);
    if (status != OK)
        return status;
    if (!scratch_new(&s, bytes.size))
        return ERR_NO_MEMORY;
    // What a spare one has already is its user's, too.
    u64 spare_size = s.text.committed + s.temp.committed;
    status = ERR_LIMIT;
    if (code_charge(&s.memory, RESOURCE_CODE, spare_size))
        status = make_with(m, source, &s, error);
    scratch_done(&s);
    return status;
}

// The struct itself is nobody's: those who share it pay with the rest.
status_t
compiled_new(struct compiled **out, const struct code_source *source,
             struct error *error)
{
    status_t status;
    struct compiled *m =
        account_alloc(account_root(), RESOURCE_KERNEL, sizeof(*m), &status);

    *error = (struct error){OK, 0, NULL};
    if (m == NULL)
        return status;
    list_init(&m->link);
    list_init(&m->uses);
    status = make(m, source, error);
    if (status == OK) {
        profile_keep(m);
        m->references = 1;
        m->size = m->charges.memory.amount;
        *out = m;
        return OK;
    }
    if (thread_is_killed()) {
        status = ERR_KILLED;
        *error = (struct error){OK, 0, NULL};
    }
    error_set(error, status, 0, status_text(status));
    compiled_free(m);
    return status;
}

void
code_charges_end(struct code_charges *c)
{
    charge_end(&c->memory, RESOURCE_CODE);
    charge_end(&c->types, RESOURCE_TYPES);
}

enum { TYPES_PIECE = 1000 };

void
compiled_free_now(struct compiled *m)
{
    if (profile_keeps(m)) {
        code_charges_end(&m->charges);
        return;
    }
    // A piece at a time, as others may want to go on that tell of an end.
    for (u32 at = 0; at < m->id_count;) {
        u32 end = MIN(at + TYPES_PIECE, m->id_count);
        at = types_release_until(m->ids, at, end);
        if (at < m->id_count)
            thread_yield();
    }
    if (m->text != NULL)
        port_code_release(m->text, m->code.size);
    if (m->bytes.ptr != NULL)
        port_release(m->bytes.ptr, m->reserved);
    code_arena_free(&m->keep);
    code_charges_end(&m->charges);
    kernel_free(m);
}

static void
run_free(void *m)
{
    compiled_free_now(m);
}

// Types go one by one.  Who drops the last reference to many may be a killed
// thread that others wait for, so a thread of nobody's does it.
void
compiled_free(struct compiled *m)
{
    struct thread *t;

    if (m->id_count <= TYPES_PIECE) {
        compiled_free_now(m);
        return;
    }
    struct account *before = thread_charge(account_root());
    status_t status = thread_new(&t, run_free, m);
    thread_charge(before);
    if (status != OK) {
        compiled_free_now(m);
        return;
    }
    sched_start(t);
    thread_release(t);
}
