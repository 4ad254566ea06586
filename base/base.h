// base/: what every folder may use.  Freestanding C11: no libc beyond the
// four mem* functions, which the compiler itself may call.

#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t i8;
typedef int16_t i16;
typedef int32_t i32;
typedef int64_t i64;

#define MUST_USE __attribute__((warn_unused_result))
#define NORETURN __attribute__((noreturn))
#define UNUSED   __attribute__((unused))
// Reads a stack across the frames of others, gaps between variables too.
#define READS_STACK    __attribute__((no_sanitize("address")))
#define PRINTF(f, a)   __attribute__((format(printf, f, a)))
#define COUNT(array)   ((u32)(sizeof(array) / sizeof((array)[0])))
#define MIN(a, b)      ((a) < (b) ? (a) : (b))
#define MAX(a, b)      ((a) > (b) ? (a) : (b))
#define ALIGN_UP(n, a) (((n) + (a)-1) & ~((u64)(a)-1))
#define KIB            1024ull
#define MIB            (1024 * KIB)
#define GIB            (1024 * MIB)

// The container of a member (Linux calls it container_of).
#define CONTAINER(ptr, type, member) \
    ((type *)((u8 *)(ptr)-offsetof(type, member)))

// Which lock guards what, checked by clang -Wthread-safety (make clang).  In C
// it cannot name a lock beside a member: MEMBER_GUARDED_BY is for people.
#if defined(__clang__)
#define LOCK_ATTRIBUTE(a) __attribute__((a))
#else
#define LOCK_ATTRIBUTE(a)
#endif
#define CAPABILITY(name) LOCK_ATTRIBUTE(capability(name))
#define GUARDED_BY(l)    LOCK_ATTRIBUTE(guarded_by(l))
#define MEMBER_GUARDED_BY(l)
#define REQUIRES(l) LOCK_ATTRIBUTE(requires_capability(l))
#define ACQUIRE(l)  LOCK_ATTRIBUTE(acquire_capability(l))
#define RELEASE(l)  LOCK_ATTRIBUTE(release_capability(l))
// What it does with locks clang cannot follow, or nobody else is there yet.
#define LOCKS_BY_HAND LOCK_ATTRIBUTE(no_thread_safety_analysis)

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);

// Builds for tests check more of our own work (make: SAN).
#ifdef NEBULET_CHECKED
enum { CHECKED = true };
#else
enum { CHECKED = false };
#endif

// For our own bugs, never for input.

// Say where and what, then stop: the kernel halts the machine, a tool aborts.
// Implemented by each port.
NORETURN void panic(const char *file, u32 line, const char *what);

#undef assert
#define assert(condition) \
    ((condition) ? (void)0 : panic(__FILE__, __LINE__, #condition))

// status.c

// The outcome of a call: OK (0) or a negative ERR_ number of abi/status.def.
typedef i32 status_t;

enum {
#define STATUS(number, id, text) id = number,
#include "abi/status.def"
};

// The sentence of a status, "unknown status" for a number not in the table.
const char *status_text(status_t status);

// slice: bytes that someone else owns.
struct bytes {
    u8 *ptr;
    u64 size;
};

struct string {
    const char *ptr; // not terminated
    u32 len;
};

#define STRING(literal) ((struct string){literal, sizeof(literal) - 1})

// The same bytes; all of a C string without its zero.
bool string_equal(struct string a, struct string b);
struct string string_of(const char *terminated);

// status.c: where and why untrusted input was refused.  The first failure
// sticks; `what` is a fixed string in the words of the official test suite.
struct error {
    status_t status;  // OK until something goes wrong
    u64 at;           // byte offset of the offending item
    const char *what; // fixed string
};

// Record a failure unless one is recorded already.
void error_set(struct error *error, status_t status, u64 at, const char *what);

// arena.c: a stack of memory in one reserved range of addresses.  Memory is
// committed as the top moves up, so the newest block can grow in place and
// nothing ever moves.  There is no free: an arena is reset as a whole, or back
// to a mark.
struct arena {
    u8 *base;
    u64 at;        // bytes handed out
    u64 committed; // bytes that may be touched, at <= committed <= reserved
    u64 reserved;  // bytes of address space
    u64 limit;     // so far `at` may go for now; 0: as far as there is room
    u64 peak;      // highest `at` ever seen
    // Make [base + from, base + to) usable and zeroed, false when there is no
    // memory.  NULL: all of `reserved` is committed from the start.  An empty
    // range: arena_may_go_on().
    bool (*commit)(struct arena *arena, u64 from, u64 to);
};

// Use a fixed buffer.
void arena_init_fixed(struct arena *arena, void *buffer, u64 size);

// `size` bytes at a multiple of `align` (a power of two), zeroed only where
// memory was never used before; NULL when the arena is full.
MUST_USE void *arena_alloc(struct arena *arena, u64 size, u64 align);

// As arena_alloc, filled with zero bytes.
MUST_USE void *arena_zalloc(struct arena *arena, u64 size, u64 align);

// Let the newest block, which starts at `block`, be `size` bytes long (longer
// or shorter); false when the arena is full.
MUST_USE bool arena_resize(struct arena *arena, void *block, u64 size);

// Is it the newest block, of this size?  Then arena_resize can grow it.
bool arena_is_newest(const struct arena *arena, const void *block, u64 size);

// May work go on that takes no memory?  What runs long asks now and then, as it
// is asked for memory (`commit`) where it takes some: false where that would be
// refused to a thread that was killed.
MUST_USE bool arena_may_go_on(struct arena *arena);

// The same for step `step` of a loop: asked before each, it looks at some.
static inline bool
arena_may_step(struct arena *arena, u64 step)
{
    return step % 8192 != 0 || arena_may_go_on(arena);
}

// Free all that was allocated since the mark was made.
u64 arena_mark(const struct arena *arena);
void arena_reset(struct arena *arena, u64 mark);

// A block to keep: the address of the one pointer to it (NULL there: none) and
// its size.
struct arena_block {
    void *pointer;
    u64 size;
};

// Reset to the mark, but keep these blocks, which were made after it: they move
// down to it, to multiples of 16, and their pointers follow.  Sorts `blocks`;
// meant for a few.
void arena_keep(struct arena *arena, u64 mark, struct arena_block *blocks,
                u32 count);

#define ARENA_NEW(arena, type, count) \
    ((type *)arena_zalloc((arena), sizeof(type) * (u64)(count), _Alignof(type)))

// array.c: an array that grows in an arena: a pointer (NULL at first) and how
// many elements there is room for.  It may move when it grows.

// Blocks that arrays have grown out of, for others.  Forget them (memset) when
// their arena is reset.
struct spares {
    struct spare {
        void *block;
        u64 size; // 0: none
    } rows[8];
};

// Let `spares` have a block; of those it has, the smallest may go.
void spares_add(struct spares *spares, void *block, u64 size);

// `size` bytes, not zeroed, from the spares (may be NULL) or else the arena;
// NULL: no memory.
MUST_USE void *spares_alloc(struct spares *spares, struct arena *arena,
                            u64 size);

// Make room for `more` elements of `size` bytes after `count` of them; `array`
// is the address of the array's pointer.  In constant time for each element, on
// average.  False: no memory, or more than 2^30 elements; then nothing has
// changed.
MUST_USE bool array_grow(struct arena *arena, struct spares *spares,
                         void *array, u32 *capacity, u32 count, u64 more,
                         u64 size);

// Make it `wanted` elements long, if it is not yet, and no longer.
MUST_USE bool array_room(struct arena *arena, void *array, u32 *capacity,
                         u32 count, u64 wanted, u64 size);

// Room for one more.
#define ARRAY_MORE(arena, array, capacity, count)                \
    array_grow((arena), NULL, &(array), &(capacity), (count), 1, \
               sizeof(*(array)))

// list.c: doubly linked, circular, with the head as sentinel.
struct list {
    struct list *next, *prev;
};

// An empty list.
void list_init(struct list *head);
bool list_empty(const struct list *head);
void list_append(struct list *head, struct list *item);
void list_push(struct list *head, struct list *item); // at the front
// All items of `from`, in their order, which becomes empty; one step.
void list_append_all(struct list *head, struct list *from);
void list_remove(struct list *item); // item becomes empty
#define list_each(item, head) \
    for (struct list *item = (head)->next; item != (head); item = item->next)

// order.c: what has an order, of which only the first is looked at.  The one
// with the smaller class is before the other, of the same class that with the
// smaller key, of the same key that which was put in first.
struct order_item {
    u64 key, turn;
    u32 class;
    bool in; // an order
    struct order_item *parent, *child[2];
};

struct order { // all zero: empty
    struct order_item *first;
    u64 count, turns;
};

// Does a come before b?  Both are in one order.
bool order_before(const struct order_item *a, const struct order_item *b);
// Put in one that is in no order, with class and key set; log2(count) steps.
void order_put(struct order *o, struct order_item *item);
// Put in one, and take out the first then, which may be that; as many steps.
struct order_item *order_exchange(struct order *o, struct order_item *item);
// Take out one that is in it, wherever; as many steps.
void order_take(struct order *o, struct order_item *item);

// count.c: whether one CPU alone runs our code, now and ever.  Then what is one
// instruction is whole to all there is, interrupts, without the time that a bus
// lock takes, which is more than most of what it guards.
extern bool cpu_is_alone;

// Among all CPUs, sequentially consistent: *at becomes `value` if it is
// *expected; else *expected becomes what it is, and false.
static inline bool
atomic_cas_u32(u32 *at, u32 *expected, u32 value)
{
    bool done;

    if (!cpu_is_alone)
        return __atomic_compare_exchange_n(at, expected, value, false,
                                           __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    __asm__ volatile("cmpxchg %3, %1"
                     : "+a"(*expected), "+m"(*at), "=@ccz"(done)
                     : "r"(value)
                     : "memory");
    return done;
}

static inline void
atomic_store_u32(u32 *at, u32 value)
{
    if (cpu_is_alone)
        __atomic_store_n(at, value, __ATOMIC_RELEASE);
    else
        __atomic_store_n(at, value, __ATOMIC_SEQ_CST);
}

// Counts of references, atomic.  One that gets to COUNT_STUCK stays
// there, and what it counts is never freed: a leak, where a wrapped count would
// be a free too early.
enum { COUNT_STUCK = UINT32_MAX };
static inline void
count_up(u32 *count)
{
    u32 now = __atomic_load_n(count, __ATOMIC_RELAXED);

    if (cpu_is_alone && now != COUNT_STUCK) {
        __asm__ volatile("incl %0" : "+m"(*count) : : "cc");
        return;
    }
    do {
        if (now == COUNT_STUCK)
            return;
    } while (!atomic_cas_u32(count, &now, now + 1));
}

// True: it was the last.
MUST_USE static inline bool
count_down(u32 *count)
{
    u32 now = __atomic_load_n(count, __ATOMIC_RELAXED);
    bool last;

    if (cpu_is_alone && now != COUNT_STUCK) {
        assert(now > 0);
        __asm__ volatile("decl %1" : "=@ccz"(last), "+m"(*count));
        return last;
    }
    do {
        assert(now > 0);
        if (now == COUNT_STUCK)
            return false;
    } while (!atomic_cas_u32(count, &now, now - 1));
    return now == 1;
}

// An index that a program chose, below `count`; 0 when it is not, which
// a mispredicted comparison cannot change.  For after the check.
static inline u64
index_masked(u64 index, u64 count)
{
    u64 mask;

    __asm__("cmp %2, %1\n\tsbb %0, %0"
            : "=r"(mask)
            : "r"(index), "r"(count)
            : "cc");
    return index & mask;
}

// A copy of mostly few bytes, without a call then; they do not overlap.
static inline void
copy_few(void *to, const void *from, u64 size)
{
    u64 first, last;

    if (size - sizeof(u64) > sizeof(u64)) {
        if (size > 0)
            memcpy(to, from, size);
        return;
    }
    memcpy(&first, from, sizeof(first));
    memcpy(&last, (const u8 *)from + size - sizeof(last), sizeof(last));
    memcpy(to, &first, sizeof(first));
    memcpy((u8 *)to + size - sizeof(last), &last, sizeof(last));
}

// format.c: a small snprintf.  %d %u %x with widths 0N and N, l / ll / z, %s
// %.*s %c %p %%; no floats.  Always terminates when size > 0; returns the
// length that the whole text has.
u32 format(char *to, u64 size, const char *text, ...) PRINTF(3, 4);
u32 format_list(char *to, u64 size, const char *text, va_list list);

// The same for a line that people read on a terminal or in a log: text that is
// inserted (%s %.*s %c) may come from anywhere.  Control characters, line
// separators, marks of direction and what is not UTF-8 become \n, \r, \t or
// \xNN; nothing is cut in the middle of a character.  %.*s does not end at a
// NUL.
u32 format_safe(char *to, u64 size, const char *text, ...) PRINTF(3, 4);
u32 format_safe_list(char *to, u64 size, const char *text, va_list list);

// decimal.c: what a float is in decimal, the shortest text that reads back as
// it: -0.1, 1200, 1e-7, inf, nan; of at most FLOAT_TEXT bytes.
enum { FLOAT_TEXT = 32 };
void format_float(char *to, u64 bits, bool is_double);

// Text that is written piecewise.  A piece of print() has at most 255 bytes,
// the rest of it is dropped.
struct printer {
    void (*put)(struct printer *p, const char *text, u32 len);
    void *self;
};

// Directives as format() has them.
void print(struct printer *p, const char *text, ...) PRINTF(2, 3);

// Sets of bits, in words of 64.
static inline u32
bits_trailing_zeros(u64 word) // word != 0
{
    return (u32)__builtin_ctzll(word);
}

static inline u32
bits_leading_zeros(u64 word) // word != 0
{
    return (u32)__builtin_clzll(word);
}

static inline bool
bit_get(const u64 *set, u32 index)
{
    return set[index / 64] >> (index % 64) & 1;
}

static inline void
bit_set(u64 *set, u32 index)
{
    set[index / 64] |= 1ull << (index % 64);
}

static inline void
bit_clear(u64 *set, u32 index)
{
    set[index / 64] &= ~(1ull << (index % 64));
}

// hash.c: 64-bit keyed hash of bytes (SipHash-1-3), the same everywhere for the
// same key.  Under a random key nobody else can make collisions; who has to use
// a fixed one bounds what they cost.
struct hash_key {
    u64 words[2];
};

// SipHash-1-3.
u64 hash_bytes(const struct hash_key *key, const void *bytes, u64 size);
