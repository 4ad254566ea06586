// sys/syscall.c: the module "nebulet": system calls as C functions that
// generated code calls directly.
//
// For each row of abi/syscalls.def there is call_<name>, which turns raw
// arguments into struct <name>_args and calls sys_<name>, here or in
// sys/*_calls.c.  Nothing past that point sees a raw handle or a raw
// address.  Objects that came from handles are held until the call returns, as
// every call does.

#include "sys/internal.h"
#include "sys/trace.h"

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

    if (status == ERR_NOT_FOUND || status == ERR_WRONG_TYPE)
        return ERR_BAD_ARGUMENT;
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

// Of another process too, if somebody gave away its handle.
status_t
sys_thread_set_priority(const struct thread_set_priority_args *a)
{
    struct thread *t = a->thread != NULL ? a->thread : thread_current();

    if (a->priority > LIMIT_PRIORITY)
        return ERR_BAD_ARGUMENT;
    if (a->priority > account_ceiling(thread_account(t)))
        return ERR_LIMIT;
    thread_set_priority(t, a->priority);
    return OK;
}

status_t
sys_thread_name(const struct thread_name_args *a)
{
    return process_name_thread(a->name);
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
    now = clock_told(now);
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

// The words of a call, as C lays them out in memory.
#define SYSCALL(number, name, help, args) \
    struct name##_words {                 \
        args                              \
    };
#define NONE
#define HANDLE(n, type, right) u32 n;
#define OPTION(n, type, right) u32 n;
#define ANY(n, right)          u32 n;
#define U32(n)                 u32 n;
#define U64(n)                 u64 n;
#define BYTES(n)               u32 n, n##_size;
#define BUFFER(n)              u32 n, n##_size;
#define ITEMS(n, type)         u32 n, n##_count;
#define WORD(n)                u32 n;
#define OUT_U32(n)             u32 n;
#define OUT_U64(n)             u32 n;
#include "abi/syscalls.def"

// Those that came in registers.
#define SYSCALL(number, name, help, args)                                  \
    static inline void take_##name(struct name##_words *w, const u64 *raw) \
    {                                                                      \
        (void)w, (void)raw;                                                \
        args                                                               \
    }
#define SYSCALL_IN_MEMORY(number, name, help, args)
#define NONE
#define HANDLE(n, type, right) w->n = (u32)*raw++;
#define OPTION(n, type, right) w->n = (u32)*raw++;
#define ANY(n, right)          w->n = (u32)*raw++;
#define U32(n)                 w->n = (u32)*raw++;
#define U64(n)                 w->n = *raw++;
#define BYTES(n)               w->n = (u32)*raw++, w->n##_size = (u32)*raw++;
#define BUFFER(n)              w->n = (u32)*raw++, w->n##_size = (u32)*raw++;
#define ITEMS(n, type)         w->n = (u32)*raw++, w->n##_count = (u32)*raw++;
#define WORD(n)                w->n = (u32)*raw++;
#define OUT_U32(n)             w->n = (u32)*raw++;
#define OUT_U64(n)             w->n = (u32)*raw++;
#include "abi/syscalls.def"

// Those of a struct in memory: each read once, before anything in it is looked
// at, as other threads may write to it meanwhile; and as wide as the program
// has just written it, as a wider load would wait for these to reach the cache.
#define SYSCALL(number, name, help, args)
#define SYSCALL_IN_MEMORY(number, name, help, args)                          \
    static inline void copy_##name(struct name##_words *w,                   \
                                   const volatile struct name##_words *from) \
    {                                                                        \
        args                                                                 \
    }
#define HANDLE(n, type, right) w->n = from->n;
#define OPTION(n, type, right) w->n = from->n;
#define ANY(n, right)          w->n = from->n;
#define U32(n)                 w->n = from->n;
#define U64(n)                 w->n = from->n;
#define BYTES(n)               w->n = from->n, w->n##_size = from->n##_size;
#define BUFFER(n)              w->n = from->n, w->n##_size = from->n##_size;
#define ITEMS(n, type)         w->n = from->n, w->n##_count = from->n##_count;
#define WORD(n)                w->n = from->n;
#define OUT_U32(n)             w->n = from->n;
#define OUT_U64(n)             w->n = from->n;
#include "abi/syscalls.def"

// Who calls, and what was the first bad argument.
struct caller {
    struct handle_table *handles;
    struct memory *memory;
    status_t status;
    // Where most of what calls name is, all at once, and C may touch it: from
    // the first byte to the end; nowhere: the first is behind it, as in a
    // memory that 32 bits may lead out of.
    u64 first, end;
    u8 *base; // of the memory
};

// The functions that a call is made of are parts of it: none of them is there
// twice, and the compiler sees that most of a call's words need no memory.
#define STEP static inline __attribute__((always_inline))

STEP struct caller
caller_now(void)
{
    struct process *p = execution_owner();
    struct memory *m = caller_memory();
    struct caller c = {
        .handles = &p->handles,
        .memory = m,
        .status = OK,
        .first = 1,
    };

    if (m != NULL && memory_is_guarded(&m->type)) {
        struct memory_run run = memory_run(m);
        c.first = run.first;
        c.end = run.first + run.size;
    }
    if (m != NULL)
        c.base = m->base;
    return c;
}

STEP void
check(struct caller *c, status_t status)
{
    if (c->status == OK)
        c->status = status;
}

// memory_bytes(), for where there are many.
static __attribute__((noinline)) struct bytes
bytes_elsewhere(struct memory *m, u32 address, u64 size)
{
    return memory_bytes(m, address, size);
}

// What is in its slot needs no mask: no address of 32 bits leads out of that.
STEP struct bytes
bytes_at(struct caller *c, u32 address, u64 size)
{
    struct bytes bytes;

    if (address >= c->first && address + size <= c->end)
        return (struct bytes){c->base + address, size};
    if (address == 0 && size == 0 && c->memory != NULL) // nothing, as NULL says
        return (struct bytes){c->base, 0};
    bytes = bytes_elsewhere(c->memory, address, size);
    check(c, bytes.ptr != NULL ? OK : ERR_BAD_ADDRESS);
    return bytes;
}

// The struct of words at `address` of the program; NULL: see c->status.
STEP const volatile void *
words_at(struct caller *c, u32 address, u64 size, u32 align)
{
    u8 *words = bytes_at(c, address, size).ptr;

    check(c, address % align == 0 ? OK : ERR_BAD_ARGUMENT);
    return c->status == OK ? words : NULL;
}

// NULL: see c->status.
STEP struct object *
object_of(struct caller *c, handle_t handle, const struct object_type *type,
          u32 rights)
{
    struct object *object = NULL;

    if (c->status == OK)
        c->status = handle_get(c->handles, handle, type, rights, &object);
    assert(object != NULL || c->status != OK);
    return object;
}

// The same for a call that takes no handle from the caller.  Where that is the
// only thread of its process nobody else does: *held is NULL then, and the
// object needs none.
STEP struct object *
object_lent(struct caller *c, handle_t handle, const struct object_type *type,
            u32 rights, struct object **held)
{
    *held = NULL;
    if (c->status != OK)
        return NULL;
    struct loan loan = handle_lend(c->handles, handle, type, rights);
    c->status = loan.status;
    if (loan.held)
        *held = loan.object;
    return loan.object;
}

STEP u32 *
word_at(struct caller *c, u32 address)
{
    u8 *word = bytes_at(c, address, sizeof(u32)).ptr;

    check(c, address % sizeof(u32) == 0 ? OK : ERR_BAD_ARGUMENT);
    return (u32 *)word;
}

// What came from handles, held until the call returns, and the arguments.
#define SYSCALL(number, name, help, args) \
    struct name##_held {                  \
        struct object *none;              \
        args                              \
    };
#define NONE
#define HANDLE(n, type, right) struct object *n;
#define LOAN(n, type, right)   struct object *n;
#define OPTION(n, type, right) struct object *n;
#define ANY(n, right)          struct object *n;
#define U32(n)
#define U64(n)
#define BYTES(n)
#define BUFFER(n)
#define ITEMS(n, type)
#define WORD(n)
#define OUT_U32(n)
#define OUT_U64(n)
#include "abi/syscalls.def"

#define SYSCALL(number, name, help, args)                                   \
    STEP void check_##name(struct caller *c, const struct name##_words *w,  \
                           struct name##_held *held, struct name##_args *a) \
    {                                                                       \
        (void)c, (void)w, (void)held, (void)a;                              \
        args                                                                \
    }
#define NONE a->none = 0;
#define HANDLE(n, type, right)                                 \
    held->n = object_of(c, w->n, &type##_type, RIGHT_##right); \
    a->n = held->n != NULL ? type##_from_object(held->n) : NULL;
#define LOAN(n, type, right)                                         \
    struct object *lent_##n =                                        \
        object_lent(c, w->n, &type##_type, RIGHT_##right, &held->n); \
    a->n = lent_##n != NULL ? type##_from_object(lent_##n) : NULL;
#define OPTION(n, type, right)                                              \
    held->n =                                                               \
        w->n == 0 ? NULL : object_of(c, w->n, &type##_type, RIGHT_##right); \
    a->n = held->n != NULL ? type##_from_object(held->n) : NULL;
#define ANY(n, right) a->n = held->n = object_of(c, w->n, NULL, RIGHT_##right);
#define U32(n)        a->n = w->n;
#define U64(n)        a->n = w->n;
#define BYTES(n)      a->n = bytes_at(c, w->n, w->n##_size);
#define BUFFER(n)     a->n = bytes_at(c, w->n, w->n##_size);
#define ITEMS(n, type) \
    a->n = bytes_at(c, w->n, w->n##_count * (u64)sizeof(struct type));
#define WORD(n)    a->n = word_at(c, w->n);
#define OUT_U32(n) a->n = bytes_at(c, w->n, sizeof(u32)).ptr;
#define OUT_U64(n) a->n = bytes_at(c, w->n, sizeof(u64)).ptr;
#include "abi/syscalls.def"

#define SYSCALL(number, name, help, args)                    \
    STEP void release_##name(const struct name##_held *held) \
    {                                                        \
        (void)held;                                          \
        args                                                 \
    }
#define NONE
#define HANDLE(n, type, right) object_release(held->n);
#define LOAN(n, type, right) \
    if (held->n != NULL)     \
        object_release(held->n);
#define OPTION(n, type, right) object_release(held->n);
#define ANY(n, right)          object_release(held->n);
#define U32(n)
#define U64(n)
#define BYTES(n)
#define BUFFER(n)
#define ITEMS(n, type)
#define WORD(n)
#define OUT_U32(n)
#define OUT_U64(n)
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
#define SYSCALL_IN_MEMORY(number, name, help, args)
#include "abi/syscalls.def"

#define SYSCALL(number, name, help, args)                                    \
    STEP status_t run_##name(struct caller *c, const struct name##_words *w) \
    {                                                                        \
        struct name##_held held;                                             \
        struct name##_args a;                                                \
        check_##name(c, w, &held, &a);                                       \
        status_t status = c->status == OK ? sys_##name(&a) : c->status;      \
        release_##name(&held);                                               \
        return status;                                                       \
    }
#include "abi/syscalls.def"

#ifdef NEBULET_CHECKED
u64 call_results[CALL_COUNT];
#endif

#define STATUS(number, id, text) \
    _Static_assert(-(number) < 64, "a bit of call_results[]");
#include "abi/status.def"

STEP u32
result(enum call_index call, status_t status)
{
    if (CHECKED)
        __atomic_fetch_or(&call_results[call], 1ull << -status,
                          __ATOMIC_RELAXED);
    return (u32)status;
}

#define SYSCALL(number, name, help, args)                                  \
    static u32 call_##name(u64 r0, u64 r1, u64 r2, u64 r3, u64 r4, u64 r5) \
    {                                                                      \
        const u64 raw[RAW_MAX] = {r0, r1, r2, r3, r4, r5};                 \
        struct name##_words w;                                             \
        struct caller c = caller_now();                                    \
        take_##name(&w, raw);                                              \
        return result(CALL_##name, run_##name(&c, &w));                    \
    }
#define SYSCALL_IN_MEMORY(number, name, help, args)                         \
    static u32 call_##name(u64 address)                                     \
    {                                                                       \
        struct name##_words w;                                              \
        struct caller c = caller_now();                                     \
        const volatile void *from =                                         \
            words_at(&c, (u32)address, sizeof(w), _Alignof(__typeof__(w))); \
        if (from == NULL)                                                   \
            return result(CALL_##name, c.status);                           \
        copy_##name(&w, from);                                              \
        return result(CALL_##name, run_##name(&c, &w));                     \
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
    "nebulet", funcs, COUNT(funcs), nebulet_traced, "nebulet",
};
