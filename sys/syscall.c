// sys/syscall.c: the module "nebulet": system calls as C functions that
// generated code calls directly.
//
// For each row of abi/syscalls.def there is call_<name>, which turns raw
// arguments into struct <name>_args and calls sys_<name>, here or in
// sys/*_calls.c.  Nothing past that point sees a raw handle or a raw
// address.  Objects that came from handles are held until the call returns, as
// every call does.

#include "sys/internal.h"

// --- the calls ---------------------------------------------------------------

status_t
sys_handle_close(const struct handle_close_args *a)
{
    return handle_close(&process_current()->handles, a->handle);
}

status_t
sys_handle_duplicate(const struct handle_duplicate_args *a)
{
    handle_t copy;
    status_t status = handle_duplicate(&process_current()->handles, a->handle,
                                       a->rights, &copy);

    if (status == OK)
        put_u32(a->copy, copy);
    return status;
}

status_t
sys_process_exit(const struct process_exit_args *a)
{
    process_exit(a->exit_status);
    return OK;
}

status_t
sys_thread_create(const struct thread_create_args *a)
{
    struct program_thread *t;
    handle_t handle;

    if (a->flags != 0)
        return ERR_BAD_ARGUMENT;
    status_t status =
        process_spawn(a->function, a->argument, a->stack_top, a->name, &t);

    if (status != OK)
        return status;
    status = handle_new(&process_current()->handles, thread_object(t->thread),
                        thread_type.rights, &handle);
    if (status == OK) {
        put_u32(a->thread, handle);
        process_start_thread(t);
    } else {
        process_unspawn(t);
    }
    return status;
}

status_t
sys_thread_spawn(const struct thread_spawn_args *a)
{
    return sys_thread_create(&(struct thread_create_args){
        .function = a->function,
        .argument = a->argument,
        .stack_top = a->stack_top,
        .thread = a->thread,
    });
}

status_t
sys_thread_join(const struct thread_join_args *a)
{
    if (a->thread == thread_current())
        return ERR_BAD_ARGUMENT;
    return thread_join(a->thread, UINT64_MAX);
}

status_t
sys_thread_exit(const struct thread_exit_args *a)
{
    (void)a;
    thread_exit();
    return OK;
}

status_t
sys_thread_yield(const struct thread_yield_args *a)
{
    (void)a;
    thread_yield();
    return OK;
}

status_t
sys_thread_id(const struct thread_id_args *a)
{
    put_u32(a->id, execution_current()->id);
    return OK;
}

status_t
sys_thread_sleep(const struct thread_sleep_args *a)
{
    u64 now = port_monotonic_ns();

    return thread_sleep_until(
        a->duration_ns < UINT64_MAX - now ? now + a->duration_ns : UINT64_MAX);
}

status_t
sys_pfex_acquire(const struct pfex_acquire_args *a)
{
    return pfex_acquire(a->word);
}

status_t
sys_pfex_release(const struct pfex_release_args *a)
{
    return pfex_release(a->word);
}

status_t
sys_clock_get(const struct clock_get_args *a)
{
    u64 now;

    if (a->clock > CLOCK_SINCE_1970)
        return ERR_BAD_ARGUMENT;
    now =
        a->clock == CLOCK_SINCE_BOOT ? port_monotonic_ns() : port_realtime_ns();
    memcpy(a->time_ns, &now, sizeof(now));
    return OK;
}

enum { RANDOM_STEP = 4096 };

// Ports work with interrupts off: by steps, so that others run meanwhile.
status_t
sys_random_get(const struct random_get_args *a)
{
    for (u64 at = 0; at < a->bytes.size; at += RANDOM_STEP) {
        if (thread_is_killed())
            return ERR_KILLED;
        port_random(a->bytes.ptr + at, MIN(a->bytes.size - at, RANDOM_STEP));
    }
    return OK;
}

status_t
sys_log_write(const struct log_write_args *a)
{
    char text[LIMIT_LOG_LINE];

    if (a->text.size > sizeof(text))
        return ERR_BAD_ARGUMENT;
    memcpy(text, a->text.ptr, a->text.size);
    u32 len = (u32)a->text.size;
    if (len > 0 && text[len - 1] == '\n')
        len--;
    klog("%s: %.*s", process_current()->name, (int)len, text);
    return OK;
}

// --- from raw to checked -----------------------------------------------------

enum {
    RAW_MAX = 6,    // words that travel in registers
    WORDS_MAX = 16, // in memory
};

#define SYSCALL(number, name, help, args) \
    _Static_assert(0 args <= RAW_MAX, #name ": too many words for registers");
#define SYSCALL_IN_MEMORY(number, name, help, args)           \
    _Static_assert(0 args > RAW_MAX,                          \
                   #name ": few enough words for registers"); \
    _Static_assert(0 args <= WORDS_MAX, #name ": too many words");
#define NONE
#define HANDLE(n, type, right) +1
#define U32(n)                 +1
#define U64(n)                 +1
#define BYTES(n)               +2
#define BUFFER(n)              +2
#define WORD(n)                +1
#define ITEMS(n, type)         +2
#define OPTION(n, type, right) +1
#define ANY(n, right)          +1
#define OUT_U32(n)             +1
#define OUT_U64(n)             +1
#include "abi/syscalls.def"

struct marshal {
    u64 raw[WORDS_MAX];
    u32 next;
    status_t status; // of the first bad argument
    u32 held_count;
    struct object *held[WORDS_MAX]; // until the call returns
};

static void
begin(struct marshal *m, const u64 raw[RAW_MAX])
{
    *m = (struct marshal){.status = OK};
    memcpy(m->raw, raw, RAW_MAX * sizeof(u64));
}

static u64
next(struct marshal *m)
{
    assert(m->next < COUNT(m->raw));
    return m->raw[m->next++];
}

static void
check(struct marshal *m, status_t status)
{
    if (m->status == OK)
        m->status = status;
}

// Where a field of this letter is in a struct whose last one ends at *end.
static u32
place_field(u32 *end, char letter)
{
    u32 size = letter == 'l' ? sizeof(u64) : sizeof(u32);
    u32 at = (u32)ALIGN_UP(*end, size);

    *end = at + size;
    return at;
}

// The same for a struct of the program, a letter for each of its fields.  It is
// copied once, before anything in it is looked at: other threads may write to
// it meanwhile.
static void
begin_in_memory(struct marshal *m, const char *letters, u32 address)
{
    u8 copy[WORDS_MAX * sizeof(u64)];
    u32 size = 0, end = 0, align = sizeof(u32);

    *m = (struct marshal){.status = OK};
    for (u32 k = 0; letters[k] != 0; k++) {
        place_field(&size, letters[k]);
        if (letters[k] == 'l')
            align = sizeof(u64);
    }
    size = (u32)ALIGN_UP(size, align);
    assert(size <= sizeof(copy));
    check(m, user_read(copy, address, size) ? OK : ERR_BAD_ADDRESS);
    check(m, address % align == 0 ? OK : ERR_BAD_ARGUMENT);
    for (u32 k = 0; m->status == OK && letters[k] != 0; k++) {
        u32 at = place_field(&end, letters[k]);
        memcpy(&m->raw[k], copy + at, end - at);
    }
}

static struct object *
next_object(struct marshal *m, const struct object_type *type, u32 rights)
{
    struct object *object = NULL;
    handle_t handle = (handle_t)next(m);

    if (m->status == OK)
        check(m, handle_get(&process_current()->handles, handle, type, rights,
                            &object));
    if (object != NULL)
        m->held[m->held_count++] = object;
    return object;
}

// The same, or NULL for 0.
static struct object *
next_option(struct marshal *m, const struct object_type *type, u32 rights)
{
    assert(m->next < COUNT(m->raw));
    if ((handle_t)m->raw[m->next] != 0)
        return next_object(m, type, rights);
    m->next++;
    return NULL;
}

static void
release(struct marshal *m)
{
    while (m->held_count > 0)
        object_release(m->held[--m->held_count]);
}

static struct bytes
next_bytes(struct marshal *m)
{
    u32 ptr = (u32)next(m), size = (u32)next(m);
    struct bytes bytes = user_bytes(ptr, size);

    check(m, bytes.ptr != NULL ? OK : ERR_BAD_ADDRESS);
    return bytes;
}

static struct bytes
next_items(struct marshal *m, u64 size)
{
    u32 ptr = (u32)next(m), count = (u32)next(m);
    struct bytes bytes = user_bytes(ptr, count * size);

    check(m, bytes.ptr != NULL ? OK : ERR_BAD_ADDRESS);
    return bytes;
}

static u8 *
next_out(struct marshal *m, u32 size)
{
    u8 *to = user_bytes((u32)next(m), size).ptr;

    check(m, to != NULL ? OK : ERR_BAD_ADDRESS);
    return to;
}

static u32 *
next_word(struct marshal *m)
{
    u32 *word = (u32 *)next_out(m, sizeof(u32));

    check(m, (u64)word % sizeof(u32) == 0 ? OK : ERR_BAD_ARGUMENT);
    return word;
}

#define SYSCALL(number, name, help, args)                              \
    static void fetch_##name(struct marshal *m, struct name##_args *a) \
    {                                                                  \
        args                                                           \
    }
#define NONE a->none = 0, (void)m;
#define HANDLE(n, type, right)                                               \
    struct object *n##_object = next_object(m, &type##_type, RIGHT_##right); \
    a->n = n##_object ? type##_from_object(n##_object) : NULL;
#define OPTION(n, type, right)                                               \
    struct object *n##_object = next_option(m, &type##_type, RIGHT_##right); \
    a->n = n##_object ? type##_from_object(n##_object) : NULL;
#define U32(n)         a->n = (u32)next(m);
#define U64(n)         a->n = next(m);
#define BYTES(n)       a->n = next_bytes(m);
#define BUFFER(n)      a->n = next_bytes(m);
#define WORD(n)        a->n = next_word(m);
#define ITEMS(n, type) a->n = next_items(m, sizeof(struct type));
#define ANY(n, right)  a->n = next_object(m, NULL, RIGHT_##right);
#define OUT_U32(n)     a->n = next_out(m, sizeof(u32));
#define OUT_U64(n)     a->n = next_out(m, sizeof(u64));
#include "abi/syscalls.def"

// A letter for each word, as in the signatures of functions.
#define NONE                   ""
#define HANDLE(n, type, right) "i"
#define U32(n)                 "i"
#define U64(n)                 "l"
#define BYTES(n)               "ii"
#define BUFFER(n)              "ii"
#define WORD(n)                "i"
#define ITEMS(n, type)         "ii"
#define OPTION(n, type, right) "i"
#define ANY(n, right)          "i"
#define OUT_U32(n)             "i"
#define OUT_U64(n)             "i"
#define SYSCALL(number, name, help, args) \
    static const char signature_##name[] = args ":i";
#define SYSCALL_IN_MEMORY(number, name, help, args) \
    static const char fields_##name[] = args;
#include "abi/syscalls.def"

#define SYSCALL(number, name, help, args)                                  \
    static u32 call_##name(u64 r0, u64 r1, u64 r2, u64 r3, u64 r4, u64 r5) \
    {                                                                      \
        struct marshal m;                                                  \
        struct name##_args a = {0};                                        \
        begin(&m, (const u64[RAW_MAX]){r0, r1, r2, r3, r4, r5});           \
        fetch_##name(&m, &a);                                              \
        status_t status = m.status == OK ? sys_##name(&a) : m.status;      \
        release(&m);                                                       \
        return (u32)status;                                                \
    }
#define SYSCALL_IN_MEMORY(number, name, help, args)                   \
    static u32 call_##name(u64 address)                               \
    {                                                                 \
        struct marshal m;                                             \
        struct name##_args a = {0};                                   \
        begin_in_memory(&m, fields_##name, (u32)address);             \
        if (m.status == OK)                                           \
            fetch_##name(&m, &a);                                     \
        status_t status = m.status == OK ? sys_##name(&a) : m.status; \
        release(&m);                                                  \
        return (u32)status;                                           \
    }
#include "abi/syscalls.def"

// --- the module --------------------------------------------------------------

static const struct host_func funcs[] = {
#define SYSCALL(number, name, help, args) \
    {#name, signature_##name, (const void *)call_##name},
#define SYSCALL_IN_MEMORY(number, name, help, args) \
    {#name, "i:i", (const void *)call_##name},
#include "abi/syscalls.def"
};

const struct host_module nebulet_module = {
    "nebulet",
    funcs,
    COUNT(funcs),
};
