// sys/nebulet2018.c: the module "abi": the calls of the Nebulet of 2018, on the
// objects of ours (abi/nebulet2018.def, docs/abi2018.md).
//
// For each row of the table there is call_<name>, which turns raw arguments
// into struct <name>_2018, as sys/syscall.c does for our calls, and do_<name>,
// which is the call; it returns a number from 0 or an error, of which the
// function's type takes what there is.

#include "sys/internal.h"
#include "sys/trace.h"

enum {
#define ERROR_2018(number, id, text) ERROR_##id = number,
#include "abi/nebulet2018.def"
};

enum {
    STREAM_ROOM = 64 * KIB,
    // The bits of rights that there were in 2018.
    RIGHTS_2018 = RIGHT_DUPLICATE | RIGHT_TRANSFER | RIGHT_READ | RIGHT_WRITE,
    // And what all handles could do.
    ALWAYS = RIGHT_WAIT | RIGHT_SIGNAL,
    GIVES = RIGHT_TRANSFER | RIGHT_WRITE | ALWAYS,
    RIGHT_GIVEN = RIGHT_TRANSFER | RIGHT_READ | ALWAYS, // of what a child gets
    TAKES = RIGHT_DUPLICATE | RIGHT_TRANSFER | RIGHT_READ | ALWAYS,
};

// Every status has an error, but OK.
#define STATUS(number, id, text) +1
#define STATUS_2018(ours, id)    -1
_Static_assert((0
#include "abi/status.def"
#include "abi/nebulet2018.def"
                ) == 1,
               "a row of each status");

static i64
error_of(status_t status)
{
    switch (status) {
#define STATUS_2018(ours, id) \
    case ours:                \
        return ERROR_##id;
#include "abi/nebulet2018.def"
    }
    return 0;
}

// --- arguments ---------------------------------------------------------------

// For each call its arguments, checked.
#define CALL_2018(name, result, args, errors, help, differs) \
    struct name##_2018 {                                     \
        args                                                 \
    };                                                       \
    static i64 do_##name(const struct name##_2018 *a);
#define NONE                   u8 none;
#define HANDLE(n, type, right) struct type *n;
#define U32(n)                 u32 n;
#define U64(n)                 u64 n;
#define BYTES(n)               struct bytes n;
#define BUFFER(n)              struct bytes n;
#define TEXT(n)                struct bytes n;
#define WORD(n)                u32 *n;
#define OUT_U32(n)             u8 *n;
#define OUT_U64(n)             u8 *n;
#include "abi/nebulet2018.def"

// What came from handles, at most two objects, held until the call returns; and
// the first error.
struct check {
    struct object *held, *other;
    i64 error;
};

static void
fail(struct check *c, i64 error)
{
    if (c->error == 0)
        c->error = error;
}

// 0 is the first handle that the process was given.
static handle_t
name_of(handle_t handle)
{
    const struct process *p = process_current();

    return handle == 0 && p->given_count > 0 ? p->given[0] : handle;
}

static struct object *
object_at(struct check *c, handle_t handle, const struct object_type *type,
          u32 right)
{
    struct object *o = NULL;

    if (c->error != 0)
        return NULL;
    c->error = error_of(handle_get(&process_current()->handles, name_of(handle),
                                   type, right, &o));
    if (c->error != 0)
        return NULL;
    c->other = c->held;
    c->held = o;
    return o;
}

static struct bytes
bytes_at(struct check *c, u32 address, u64 size, i64 error)
{
    struct bytes bytes = user_bytes(address, size);

    if (bytes.ptr == NULL)
        fail(c, error);
    return bytes;
}

// There is no error for it to return.
static u32 *
word_at(struct check *c, u32 address)
{
    struct bytes bytes = user_bytes(address, sizeof(u32));
    bool aligned = address % sizeof(u32) == 0;

    if (bytes.ptr == NULL || !aligned) {
        thread_trap(aligned ? TRAP_MEMORY_BOUNDS : TRAP_UNALIGNED_ATOMIC);
        fail(c, ERROR_INVALID_ARG);
    }
    return (u32 *)bytes.ptr;
}

// --- objects that are made ---------------------------------------------------

// A handle of an object that was just made; it is the program's from now on.
static i64
made(struct object *o, u32 rights)
{
    handle_t handle;
    status_t status =
        handle_new(&process_current()->handles, o, rights, &handle);

    object_release(o);
    return status == OK ? (i64)handle : error_of(status);
}

// Handles of both ends of a pair, or of none.
static i64
made_pair(struct object *first, u8 *to_first, struct object *second,
          u8 *to_second)
{
    i64 gives = made(first, GIVES), takes = gives;

    if (gives < 0)
        object_release(second);
    else
        takes = made(second, TAKES);
    if (gives >= 0 && takes < 0)
        (void)!handle_close(&process_current()->handles, (handle_t)gives);
    if (takes < 0)
        return takes;
    put_u32(to_first, (u32)gives);
    put_u32(to_second, (u32)takes);
    return 0;
}

// --- handles -----------------------------------------------------------------

static i64
do_handle_close(const struct handle_close_2018 *a)
{
    return error_of(
        handle_close(&process_current()->handles, name_of(a->handle)));
}

static i64
do_handle_duplicate(const struct handle_duplicate_2018 *a)
{
    struct handle_table *t = &process_current()->handles;
    handle_t from = name_of(a->handle), copy;
    struct carried carried;
    status_t status = handle_peek(t, from, NULL, RIGHT_DUPLICATE, &carried);

    if (status != OK)
        return error_of(status);
    object_release(carried.object);
    if ((a->rights & ~(u32)RIGHTS_2018) != 0)
        return ERROR_ACCESS_DENIED;
    status =
        handle_duplicate(t, from, a->rights | (carried.rights & ALWAYS), &copy);
    return status == OK ? (i64)copy : error_of(status);
}

// --- processes ---------------------------------------------------------------

static i64
do_wasm_compile(const struct wasm_compile_2018 *a)
{
    struct code_module *m;
    struct bytes no_text = {NULL, 0};
    status_t status = module_compile_apart(a->bytes, no_text, &m);

    return status == OK ?
               made(code_module_object(m), RIGHT_TRANSFER | RIGHT_READ) :
               error_of(status);
}

static i64
do_process_create(const struct process_create_2018 *a)
{
    struct process *child;
    status_t status = process_create_child(a->code, &child);

    if (status != OK)
        return error_of(status);
    status =
        process_give(child, channel_object(a->channel), RIGHT_READ | ALWAYS);
    if (status == OK)
        // Not to be sent: the child may have what it would be sent to.
        return made(&child->object, RIGHT_WAIT | RIGHT_MANAGE);
    process_release(child);
    return error_of(status);
}

static i64
do_process_start(const struct process_start_2018 *a)
{
    status_t status = process_start(a->process);

    if (status == ERR_NOT_FOUND || status == ERR_WRONG_TYPE)
        return ERROR_INTERNAL; // no entry: it is the module that is bad
    return error_of(status);
}

// --- channels and streams ----------------------------------------------------

static i64
do_channel_create(const struct channel_create_2018 *a)
{
    struct channel *ends[2];
    status_t status = channel_new(ends, process_current()->account);

    return status == OK ? made_pair(channel_object(ends[0]), a->sender,
                                    channel_object(ends[1]), a->receiver) :
                          error_of(status);
}

static i64
do_channel_send(const struct channel_send_2018 *a)
{
    struct process *p = process_current();
    struct channel_side side = {p->account, &p->handles, NULL, 0};

    if (a->bytes.size > LIMIT_MESSAGE_SIZE)
        return ERROR_INVALID_ARG;
    return error_of(message_write(a->channel, a->bytes, &side));
}

static i64
do_channel_recv(const struct channel_recv_2018 *a)
{
    struct channel_read r = {.table = &process_current()->handles,
                             .room = a->bytes};
    status_t status = message_read(a->channel, &r, 0);

    if (status == OK || status == ERR_TOO_SMALL)
        put_u32(a->size, r.size);
    return error_of(status);
}

static i64
do_stream_create(const struct stream_create_2018 *a)
{
    static const u64 sizes[2] = {STREAM_ROOM, 0};
    struct stream *ends[2];
    status_t status = stream_new(ends, sizes, process_current()->account);

    return status == OK ? made_pair(stream_object(ends[0]), a->writer,
                                    stream_object(ends[1]), a->reader) :
                          error_of(status);
}

// Nothing moved, for now, is 0 bytes.
static i64
moved(status_t status, u64 count, u8 *to)
{
    if (status != OK && status != ERR_SHOULD_WAIT)
        return error_of(status);
    put_u32(to, status == OK ? (u32)count : 0);
    return 0;
}

static i64
do_stream_write(const struct stream_write_2018 *a)
{
    u64 count = 0;
    status_t status = stream_write(a->stream, a->bytes, 0, &count);

    return moved(status, count, a->count);
}

static i64
do_stream_read(const struct stream_read_2018 *a)
{
    u64 count = 0;
    status_t status = stream_read(a->stream, a->bytes, 0, &count);

    return moved(status, count, a->count);
}

// --- what is shown -----------------------------------------------------------

// A line of the log has an end of its own.
static void
log_text(const char *name, struct bytes text)
{
    char line[LIMIT_LOG_LINE];
    u64 size = MIN(text.size, sizeof(line));

    memcpy(line, text.ptr, size);
    if (size > 0 && line[size - 1] == '\n')
        size--;
    if (size > 0)
        klog("%s: %.*s", name, (int)size, line);
}

static void
show(struct bytes text)
{
    const struct process *p = process_current();
    bool shown = p->personality != NULL && p->personality->print != NULL &&
                 p->personality->print(text);

    if (!shown)
        log_text(p->name, text);
}

static i64
do_print(const struct print_2018 *a)
{
    if (a->text.ptr != NULL)
        show(a->text);
    else
        klog("%s: print: the memory is not the program's",
             process_current()->name);
    return 0;
}

static i64
do_exit(const struct exit_2018 *a)
{
    char text[40];
    u32 size = format(text, sizeof(text), "exit: %llu\n",
                      (unsigned long long)a->number);

    show((struct bytes){(u8 *)text, size});
    return 0;
}

// --- devices -----------------------------------------------------------------

// The n-th thing that a driver was given, if it is registers; a reference.
static struct registers *
given_registers(u32 n)
{
    struct object *o;

    if (n >= process_current()->given_count ||
        handle_get(&process_current()->handles, process_current()->given[n],
                   &registers_type, RIGHT_READ | RIGHT_WRITE, &o) != OK)
        return NULL;
    return registers_from_object(o);
}

// The range that has this port: its number, and where in it; else UINT32_MAX.
static u32
range_of(struct registers *r, u32 port, u32 *offset)
{
    struct port_range range;

    for (u32 i = 0; registers_range(r, i, &range) == OK; i++)
        if (range.kind == REGISTERS_PORTS && port >= range.start &&
            port - range.start < range.size) {
            *offset = port - (u32)range.start;
            return i;
        }
    return UINT32_MAX;
}

// The registers with this port, which are then held, and where in them; NULL:
// none.
static struct registers *
registers_of(u32 port, u32 *range, u32 *offset)
{
    for (u32 i = 0; i < process_current()->given_count; i++) {
        struct registers *r = given_registers(i);
        *range = r == NULL ? UINT32_MAX : range_of(r, port, offset);
        if (*range != UINT32_MAX)
            return r;
        if (r != NULL)
            object_release(registers_object(r));
    }
    return NULL;
}

// What no registers of ours give.
static i64
need_registers(void)
{
    for (u32 i = 0; i < process_current()->given_count; i++) {
        struct registers *r = given_registers(i);
        if (r == NULL)
            continue;
        object_release(registers_object(r));
        return ERROR_NOT_SUPPORTED;
    }
    return ERROR_ACCESS_DENIED;
}

static i64
do_physical_map(const struct physical_map_2018 *a)
{
    (void)a;
    return need_registers();
}

static i64
do_physical_alloc(const struct physical_alloc_2018 *a)
{
    (void)a;
    return need_registers();
}

static i64
do_read_port_u8(const struct read_port_u8_2018 *a)
{
    u32 range, offset, value = 0;
    struct registers *r = registers_of(a->port, &range, &offset);

    if (r == NULL)
        return ERROR_ACCESS_DENIED;
    status_t status = registers_read(r, range, offset, 1, &value);
    object_release(registers_object(r));
    return status == OK ? value : error_of(status);
}

static i64
do_write_port_u8(const struct write_port_u8_2018 *a)
{
    u32 range, offset;
    struct registers *r = registers_of(a->port, &range, &offset);

    if (r == NULL)
        return ERROR_ACCESS_DENIED;
    status_t status = registers_write(r, range, offset, 1, a->value);
    object_release(registers_object(r));
    return error_of(status);
}

static i64
do_interrupt_create(const struct interrupt_create_2018 *a)
{
    (void)a;
    return need_registers();
}

static i64
do_interrupt_ack(const struct interrupt_ack_2018 *a)
{
    struct object *o;
    status_t status = handle_get(&process_current()->handles,
                                 name_of(a->interrupt), NULL, 0, &o);

    if (status != OK)
        return error_of(status);
    object_release(o);
    return ERROR_WRONG_TYPE; // whatever it is, it is no interrupt
}

// --- signals -----------------------------------------------------------------

static u32
to_ours(u32 bits)
{
    u32 signals = 0;

#define SIGNAL_2018(bit, id, ours)          \
    if ((bits & (u32)(1ull << (bit))) != 0) \
        signals |= (u32)(ours);
#include "abi/nebulet2018.def"
    return signals;
}

static u32
from_ours(u32 signals)
{
    u32 bits = 0;

#define SIGNAL_2018(bit, id, ours)    \
    if ((signals & (u32)(ours)) != 0) \
        bits |= (u32)(1ull << (bit));
#include "abi/nebulet2018.def"
    return bits;
}

// Which bits programs may wait for (or set) of an object.
static u32
bits_of(const struct object_type *type, bool waits)
{
#define OBJECT_2018(id, wait, set) \
    if (type == &id##_type)        \
        return waits ? wait : set;
#include "abi/nebulet2018.def"
    return 0;
}

static i64
do_event_create(const struct event_create_2018 *a)
{
    struct object *event;
    status_t status = event_new(&event, process_current()->account);

    (void)a;
    return status == OK ? made(event, RIGHT_TRANSFER | ALWAYS) :
                          error_of(status);
}

static i64
wait_for(const struct carried *c, u32 bits)
{
    u32 observed = 0;

    if ((bits & ~bits_of(c->object->type, true)) != 0)
        return ERROR_INVALID_ARG;
    if ((c->rights & RIGHT_WAIT) == 0)
        return ERROR_ACCESS_DENIED;
    status_t status =
        object_wait_one(c->object, to_ours(bits), UINT64_MAX, &observed);
    return status == OK ? (i64)from_ours(observed) : error_of(status);
}

static i64
do_object_wait_one(const struct object_wait_one_2018 *a)
{
    struct carried c;
    status_t status = handle_peek(&process_current()->handles,
                                  name_of(a->object), NULL, 0, &c);

    if (status != OK)
        return error_of(status);
    i64 result = wait_for(&c, a->signals);
    object_release(c.object);
    return result;
}

static i64
set_signals(const struct carried *c, u32 set, u32 clear)
{
    if (((set | clear) & ~bits_of(c->object->type, false)) != 0)
        return ERROR_INVALID_ARG;
    if (bits_of(c->object->type, true) == 0)
        return ERROR_NOT_SUPPORTED;
    if ((c->rights & RIGHT_SIGNAL) == 0)
        return ERROR_ACCESS_DENIED;
    // What is cleared and set is set.
    object_signal(c->object, to_ours(clear), to_ours(set));
    return 0;
}

static i64
do_object_signal(const struct object_signal_2018 *a)
{
    struct carried c;
    status_t status = handle_peek(&process_current()->handles,
                                  name_of(a->object), NULL, 0, &c);

    if (status != OK)
        return error_of(status);
    i64 result = set_signals(&c, a->set, a->clear);
    object_release(c.object);
    return result;
}

// --- threads -----------------------------------------------------------------

static i64
do_thread_yield(const struct thread_yield_2018 *a)
{
    (void)a;
    thread_yield();
    return 0;
}

// Numbers of threads began at 0, with the main thread.
static i64
do_thread_spawn(const struct thread_spawn_2018 *a)
{
    struct bytes no_name = {NULL, 0};
    struct program_thread *t;
    status_t status =
        process_spawn(a->function, a->argument, a->stack_top, no_name, &t);

    if (status == ERR_WRONG_TYPE)
        return ERROR_INVALID_ARG;
    if (status != OK)
        return error_of(status);
    u32 number = t->execution.id - 1;
    process_start_thread(t);
    return number;
}

static i64
do_thread_join(const struct thread_join_2018 *a)
{
    struct thread *t = process_find_thread(process_current(), a->thread + 1);

    if (t == NULL)
        return 0;
    status_t status =
        t == thread_current() ? ERR_BAD_ARGUMENT : thread_join(t, UINT64_MAX);
    thread_release(t);
    return error_of(status);
}

static i64
do_pfex_acquire(const struct pfex_acquire_2018 *a)
{
    return error_of(pfex_acquire(a->word));
}

static i64
do_pfex_release(const struct pfex_release_2018 *a)
{
    return error_of(pfex_release(a->word));
}

// --- the module --------------------------------------------------------------

enum { RAW_MAX = 6 };

#define CALL_2018(name, result, args, errors, help, differs) \
    _Static_assert(0 args <= RAW_MAX, #name ": too many words");
#define NONE
#define HANDLE(n, type, right) +1
#define U32(n)                 +1
#define U64(n)                 +1
#define BYTES(n)               +2
#define BUFFER(n)              +2
#define TEXT(n)                +2
#define WORD(n)                +1
#define OUT_U32(n)             +1
#define OUT_U64(n)             +1
#include "abi/nebulet2018.def"

#define CALL_2018(name, result, args, errors, help, differs)               \
    static u64 call_##name(u64 r0, u64 r1, u64 r2, u64 r3, u64 r4, u64 r5) \
    {                                                                      \
        const u64 words[RAW_MAX] = {r0, r1, r2, r3, r4, r5}, *raw = words; \
        struct check c = {.error = 0};                                     \
        struct name##_2018 a;                                              \
        args;                                                              \
        (void)raw;                                                         \
        i64 value = c.error == 0 ? do_##name(&a) : c.error;                \
        object_release(c.held);                                            \
        object_release(c.other);                                           \
        return (u64)value;                                                 \
    }
#define NONE a.none = 0;
#define HANDLE(n, type, right)                                   \
    struct object *n##_object =                                  \
        object_at(&c, (u32)*raw++, &type##_type, RIGHT_##right); \
    a.n = n##_object != NULL ? type##_from_object(n##_object) : NULL;
#define U32(n) a.n = (u32)*raw++;
#define U64(n) a.n = *raw++;
#define BYTES(n)                                                     \
    a.n = bytes_at(&c, (u32)raw[0], (u32)raw[1], ERROR_INVALID_ARG); \
    raw += 2;
#define BUFFER(n) BYTES(n)
#define TEXT(n)                                 \
    a.n = user_bytes((u32)raw[0], (u32)raw[1]); \
    raw += 2;
#define WORD(n) a.n = word_at(&c, (u32)*raw++);
#define OUT_U32(n) \
    a.n = bytes_at(&c, (u32)*raw++, sizeof(u32), ERROR_INTERNAL).ptr;
#define OUT_U64(n) \
    a.n = bytes_at(&c, (u32)*raw++, sizeof(u64), ERROR_OUT_OF_BOUNDS).ptr;
#include "abi/nebulet2018.def"

// Letters, as in all signatures of functions.
#define RESULT_I64  "l"
#define RESULT_I32  "i"
#define RESULT_VOID ""

static const struct host_func funcs[] = {
#define CALL_2018(name, result, args, errors, help, differs) \
    {#name, args ":" RESULT_##result, (const void *)call_##name},
#define NONE                   ""
#define HANDLE(n, type, right) "i"
#define U32(n)                 "i"
#define U64(n)                 "l"
#define BYTES(n)               "ii"
#define BUFFER(n)              "ii"
#define TEXT(n)                "ii"
#define WORD(n)                "i"
#define OUT_U32(n)             "i"
#define OUT_U64(n)             "i"
#include "abi/nebulet2018.def"
};

const struct host_module nebulet2018_module = {
    "abi", funcs, COUNT(funcs), nebulet2018_traced, "abi",
};
