// runtime/internal.h: what the files of runtime/ offer each other.

#pragma once

#include "runtime/runtime.h"

// --- types.c -----------------------------------------------------------------

void types_init(void);
// Canonical type ids, the same for equal types in all modules (spec 3.1.3:
// iso-recursive).  0 is never one; an id is not reused while anybody holds it.
// One reference to every type of m, ids[i] for type i.  Linear; may be
// preempted anywhere, and ends with ERR_KILLED when the thread is.
MUST_USE status_t types_register(const struct module *m, u32 *ids);
// The same, but the references to the first *count types, all if OK, are the
// caller's in any case.
MUST_USE status_t types_register_some(const struct module *m, u32 *ids,
                                      u32 *count);
void types_release(const u32 *ids, u32 count);
// Those from `at`, where a group begins, to the end of the group that
// reaches `end`; the place after them.
u32 types_release_until(const u32 *ids, u32 at, u32 end);
bool types_is_subtype(u32 sub, u32 super);
enum type_kind types_kind(u32 id);
u32 types_alive(void);         // rec groups, for tests
u32 *types_references(u32 id); // of its group, for tests

// --- panic.c -----------------------------------------------------------------

void panic_init(void);

// --- types_match.c -----------------------------------------------------------

// The id of a host function's type, "iil:i", whose string stays; 0 when there
// is no memory.  Registered once, for good: the caller gets no reference.
u32 types_host(const char *sig);
// A value type with canonical ids for type indexes, and its subtyping.
valtype_t valtype_canonical(valtype_t t, const u32 *ids);
bool valtype_is_subtype(valtype_t sub, valtype_t super);

// --- memory.c ----------------------------------------------------------------

MUST_USE status_t memory_new(struct memory **out, const struct limits *type);
// Pages before, or -1.
u64 memory_grow(struct memory *m, u64 pages);
// Make [at, at + size) inside the memory usable; false when there is no memory.
MUST_USE bool memory_touch(struct memory *m, u64 at, u64 size);

// --- table.c -----------------------------------------------------------------

struct live_table {
    struct object object;
    struct table_view view;
    struct table_type type;          // element type canonical
    u64 max;                         // entries it may have
    u64 room;                        // entries there are addresses for, and
    u64 committed;                   // memory for
    bool budgeted;                   // its room is counted in store->table_room
    struct charge memory, addresses; // of those
    struct wait_queue idle;          // those that want to grow it, too
    bool growing MEMBER_GUARDED_BY(idle.lock); // by one thread at a time
    struct store *store;                       // whose references it holds
    struct list link MEMBER_GUARDED_BY(store->lock); // in store->exn_tables
};

// ERR_BAD_ARGUMENT: such a table cannot hold `init`.
MUST_USE status_t table_new(struct live_table **out, struct store *s,
                            const struct table_type *type, u64 init);
// The old count or -1.  What follows checks no index: see table_contains().
u64 table_grow(struct live_table *t, u64 count, u64 value);
u64 table_get(const struct live_table *t, u64 at);
// ERR_BAD_ARGUMENT: the table cannot hold this value.
MUST_USE status_t table_fill(struct live_table *t, u64 at, u64 value,
                             u64 count);
MUST_USE status_t table_write(struct live_table *t, u64 at, const u64 *values,
                              u64 count);
// Between tables whose types match.
void table_copy(struct live_table *to, u64 at, const struct live_table *from,
                u64 from_at, u64 count);
// Is the value one that references of this kind have in s?
MUST_USE bool reference_is_valid(const struct store *s, enum ref_kind kind,
                                 u64 value);
static inline bool
table_contains(const struct live_table *t, u64 at, u64 count)
{
    u64 now = __atomic_load_n(&t->view.count, __ATOMIC_ACQUIRE);

    return at <= now && count <= now - at;
}
// The index after that check, see index_masked().
static inline u64
table_masked(const struct live_table *t, u64 at)
{
    return index_masked(at, t->view.count + 1);
}

// --- heap.c ------------------------------------------------------------------

// What the structs and arrays of a store may be: rows from 1 on.
struct heap_types {
    struct heap_type {
        u32 canonical; // id
        u32 super;     // row, or 0
        u8 depth;      // how many supertypes it has
        bool is_array;
        u8 log2;  // arrays: of the size of an element
        u32 size; // of a struct; of an array, what is before its elements
        u64 refs; // which words of a struct refer to objects, all of one with
                  // more than 64 do for us; of an array: do its elements?
    } * rows;
    u32 *places; // hash table of rows, 2 * capacity
    u32 count, capacity;
};

// The offsets of the rows of the types of i, which is new.
MUST_USE status_t heap_types_add(struct store *s, const struct instance *i,
                                 u32 *rows);
// Without those behind the first `count`, whose instance has failed.
void heap_types_cut(struct heap_types *t, u32 count);
void heap_types_free(struct heap_types *t);
// Is row a subtype of row `super`?
bool heap_types_match(const struct heap_types *t, u32 row, u32 super);

// The heap's memory is cut into lines, those into granules, at which objects
// begin.
enum { HEAP_GRANULE = 8, HEAP_LINE = 256 };
enum { HEAP_LINES = ((4ull << 30) - HEAP_OBJECTS) / HEAP_LINE };

// What the kernel knows of them, beside the slot: sets of bits.
enum heap_side {
#define SIDE(id, log2, help) SIDE_##id,
#include "runtime/sides.def"
    SIDE_COUNT
};

enum {
    HEAP_CURSORS = 25, // for runs of 1, 2 to 3, 4 to 7 ... lines
    HEAP_STACK = 4096, // objects that wait to be looked into
    HEAP_BUDGET_MIN = 4 << 20,
};

struct heap_stats {
    u64 collections;
    u64 given;   // bytes, to objects and what lies unused between them
    u64 live;    // bytes of lines, after the last collection
    u64 most;    // bytes that it had
    u64 words;   // looked at by it
    u64 longest; // ns that code waited for it
};

// A collection under way.
struct marker {
    bool active;
    bool killed; // the thread was: stop
    u32 top;     // of the heap's stack
    u64 words;   // looked at
    u64 roots;   // of those, before anything in the heap was
    struct {
        const u8 *from; // of what is looked into, what is left: words, each
        u64 count;      // `stride` bytes after the one before
        u64 stride;
    } rest;
};

// The structs and arrays of one thread in a store.
struct heap {
    u8 *base;
    const struct heap_types *types; // the store's
    u64 end;                        // offset: below it there is memory
    u64 rows_end;                   // likewise, of the rows of types
    u32 row_count;                  // that are written
    struct charge memory, addresses;

    // Room (room.c).
    struct heap_hole {
        u64 next, end; // offsets, all zero
    } small, medium;   // for objects of a line at most, where code makes some
                       // of them (HEAP_ROOM), and for larger ones
    u32 cursors[HEAP_CURSORS]; // no run of so many lines is below
    u64 fresh;                 // offset: what is above it was never given out
    u64 claimed;               // bytes, since the last collection
    u64 budget;                // of those, before the next
    struct heap_stats stats;

    // Beside it; the bits of what is not there are 0.
    u8 *beside;
    struct heap_part {
        u8 *at;
        u64 size; // that has memory
    } sides[SIDE_COUNT];
    u64 gray_top; // above SIDE_GRAY3
    u32 *stack;   // of HEAP_STACK granules
    struct marker marker;
};

MUST_USE status_t heap_new(struct heap **out, const struct heap_types *t);
void heap_free(struct heap *h); // or NULL
// Rows that it does not have yet.
MUST_USE status_t heap_write_rows(struct heap *h, const struct heap_types *t);
bool heap_contains(const struct heap *h, u64 address); // is it in its slot?
// Memory up to the offset, and for what is known of that.
MUST_USE status_t heap_grow(struct heap *h, u64 end);
void heap_shrink(struct heap *h, u64 end);

static inline u32
heap_line_count(const struct heap *h) // that there is memory for
{
    return (u32)((h->end - HEAP_OBJECTS) / HEAP_LINE);
}

// A word for each line, a bit for each granule: where objects begin, and which
// of those were found.
static inline u32 *
heap_starts(const struct heap *h)
{
    return (u32 *)h->sides[SIDE_STARTS].at;
}

static inline u32 *
heap_marks(const struct heap *h)
{
    return (u32 *)h->sides[SIDE_MARKS].at;
}

static inline u64 *
heap_bits(const struct heap *h, enum heap_side side)
{
    return (u64 *)h->sides[side].at;
}

// --- room.c ------------------------------------------------------------------

struct heap_roots;

// Room for an object, all zero, at a multiple of 8; 0: there is none.  With
// roots, of the running thread, what cannot be reached any more is taken back
// meanwhile.
u32 heap_take(struct heap *h, u64 size, const struct heap_roots *roots);

// Tell code where it may make small objects: in what is left of the hole.
void heap_offer(struct heap *h);

// An object begins at the offset: to be kept by a collection under way.
static inline void
heap_set_start(struct heap *h, u64 at)
{
    u64 granule = (at - HEAP_OBJECTS) / HEAP_GRANULE;

    heap_starts(h)[granule / 32] |= 1u << granule % 32;
    if (h->marker.active)
        heap_marks(h)[granule / 32] |= 1u << granule % 32;
}

// Set the bits of lines, at least one.
void heap_set_lines(u64 *lines, u32 first, u32 last);

// When to collect: when as much has been given out as was left.  For tests: at
// each object; or always, a few words at each object.
enum heap_mode { HEAP_LAZY, HEAP_EAGER, HEAP_CREEPING };
void heap_set_mode(enum heap_mode mode);

// --- collect.c ---------------------------------------------------------------

// What begins at an offset, as it says itself.
struct heap_object {
    const struct heap_type *type; // NULL: none, or that of another kind
    bool array;                   // begins four bytes later
    u64 elements;                 // where they begin
    u64 size;                     // up to the heap's end
};
struct heap_object heap_object_at(const struct heap *h, u64 at);

// For tests: called when a collection has ended.
extern void (*heap_collected)(const struct heap *h);

// Find what code has made by itself, in the hole for small objects.
void heap_note_made(struct heap *h);

// Free what cannot be reached from the roots.  ERR_KILLED: nothing has changed.
MUST_USE status_t heap_collect(struct heap *h, const struct heap_roots *roots);

// The same in small steps, between which code runs: begin, then mark so many
// words more, until nothing is left (heap.marker.active).
void heap_begin(struct heap *h, const struct heap_roots *roots);
void heap_step(struct heap *h, u64 words);

// Of `count` words, each `stride` bytes after the one before, those that are
// references are found, but not what they lead to.  False: stop.
bool heap_mark(struct heap *h, const void *from, u64 count, u64 stride);
// Count so many words more.  False: stop.
bool heap_goes_on(struct heap *h, u64 words);

// So many words of an object, likewise, are about to be overwritten.
static inline void
heap_overwrite(struct heap *h, const void *from, u64 count, u64 stride)
{
    if (h->marker.active)
        (void)heap_mark(h, from, count, stride);
}

// --- roots.c -----------------------------------------------------------------

// Where references to a heap may be outside of it: in the globals, tables and
// segments of a store, in exceptions, and on the stack of the running thread,
// which is in a builtin then.
struct heap_roots {
    struct store *store;
    struct vmctx **vms;
    bool has_stack;
};

void heap_mark_roots(struct heap *h, const struct heap_roots *roots);

// --- builtins.c --------------------------------------------------------------

// The halves of a builtin's first argument (abi/builtins.def), or of another
// that has two numbers.
static inline u32
pair_low(u64 pair)
{
    return (u32)pair;
}

static inline u32
pair_high(u64 pair)
{
    return (u32)(pair >> 32);
}

// --- object.c ----------------------------------------------------------------

// What a constant expression of vm's instance makes; 0: there is no memory.
u64 object_const(struct vmctx *vm, const struct op *op,
                 const union value *values);

u64 builtin_STRUCT_NEW(struct vmctx *vm, u32 type);
u64 builtin_ARRAY_NEW(struct vmctx *vm, u32 type, u32 length);
u64 builtin_ARRAY_NEW_FILL(struct vmctx *vm, u32 type, u32 length);
u64 builtin_ARRAY_NEW_DATA(struct vmctx *vm, u64 pair, u32 from, u32 count);
u64 builtin_ARRAY_NEW_ELEM(struct vmctx *vm, u64 pair, u32 from, u32 count);
u64 builtin_ARRAY_LEN(struct vmctx *vm, u32 ref);
void builtin_ARRAY_FILL(struct vmctx *vm, u32 type, u32 ref, u32 at, u32 count);
void builtin_ARRAY_COPY(struct vmctx *vm, u64 types, u64 refs, u32 to_at,
                        u32 from_at, u32 count);
void builtin_ARRAY_INIT_DATA(struct vmctx *vm, u64 pair, u32 ref, u32 at,
                             u32 from, u32 count);
void builtin_ARRAY_INIT_ELEM(struct vmctx *vm, u64 pair, u32 ref, u32 at,
                             u32 from, u32 count);
void builtin_HEAP_OVERWRITE(struct vmctx *vm, u32 old);
u64 builtin_HEAP_TEST(struct vmctx *vm, u32 ref, u32 type);
u64 builtin_FUNC_TEST(struct vmctx *vm, u64 ref, u32 type);

// --- compiled.c --------------------------------------------------------------

// Give the memory that waits for the next compilation back.
void scratch_reclaim(void);

extern u32 cpu_features; // enum cpu_feature (host.c)

// What code is charged with: bytes, and types.
struct code_charges {
    struct charge memory, types;
};

// Compiled code, of all that have compiled the same bytes.
struct compiled {
    struct bytes bytes; // our own copy
    u64 reserved;       // for the copy
    struct arena keep;
    struct module module;
    struct code code; // code.text is NULL; see text
    u8 *text;         // where it is executed
    u32 *ids;         // canonical type ids
    u32 id_count;     // that we have references to, of all types but at its end
    u64 size;         // bytes it is charged with

    // Under the lock of code_module.c.
    u32 references;
    struct list link;            // in the table, or empty: nobody finds it
    struct list uses;            // struct code_module
    struct code_charges charges; // while it has no uses
    u64 hash;
    struct kept kept; // while it has no references

    struct compiled *next_kept; // by the profile (profile.c)
};

// Of what to make it, and how.
struct code_source {
    struct bytes bytes;
    u32 without;   // enum wasm_feature: those that it may not use
    bool may_file; // it may be a code file
    bool is_known; // which is known to be as it was written
    char *text;    // of text_size bytes, for words, or NULL: the log
    u32 text_size;
};

// One reference, charged to account_current(); errors as code_module_open().
MUST_USE status_t compiled_new(struct compiled **out,
                               const struct code_source *source,
                               struct error *error);
// Give it back, what takes long by a thread of nobody's; or, for who needs the
// room, before this returns.
void compiled_free(struct compiled *c);
void compiled_free_now(struct compiled *c);
// charge_to(), which drops what is only kept where there is no room.
MUST_USE bool code_charge(struct charge *c, enum resource r, u64 total);
void code_charges_end(struct code_charges *c);

// Memory for what takes long: a killed thread gets none.  An empty range is
// only the question.
MUST_USE bool code_commit(struct arena *arena, u64 from, u64 to,
                          struct charge *charge);
typedef bool code_commit_t(struct arena *arena, u64 from, u64 to);
// An arena of at most `size` bytes; false: there are no addresses.
MUST_USE bool code_arena_new(struct arena *arena, u64 size,
                             code_commit_t *committer);
void code_arena_free(struct arena *arena); // NULL there: nothing to do

// --- profile.c ---------------------------------------------------------------

// m can be executed from now on: where there is a profile, it has to stay.
void profile_keep(struct compiled *m);
MUST_USE bool profile_keeps(const struct compiled *m);

// --- crew.c ------------------------------------------------------------------

// Work in pieces that do not depend on each other.
struct crew_work {
    u32 pieces; // at least 1
    u64 room;   // bytes of addresses that a thread may need for its memory
    // Do one: OK, ERR_INVALID (it went wrong), ERR_NO_MEMORY or ERR_KILLED.
    // Several threads do this at once, unless `alone`.
    status_t (*run)(void *self, u32 piece, struct arena *temp, bool alone);
    void *self;
};

// Do all, by this thread and others, who take memory of their own; `temp` is
// this thread's.  What went wrong is what the first of those says that did,
// which is done by itself, last.
MUST_USE status_t crew_run(const struct crew_work *work, struct arena *temp);

// --- admit.c -----------------------------------------------------------------

// Let the code of m, which is complete and sealed, be executed, if the verifier
// accepts it and its tables.  Nothing else lets anything be executed.
MUST_USE status_t verify_and_map(struct compiled *m, struct arena *temp,
                                 const struct code_source *source,
                                 struct error *error);

// --- code_module.c -----------------------------------------------------------

void modules_init(void);
void modules_set_hash_mask(u64 mask); // of the hash of contents, for tests

// What one account has of compiled code.
struct code_module {
    struct object object;
    struct compiled *compiled; // a reference
    struct code_charges charges;
    struct list link; // in compiled->uses, or empty: not charged
};

// --- store.c -----------------------------------------------------------------

enum {
    FUNCS_MAX = 4 << 20,
    INSTANCES_MAX = 4096,
};

// What instances share that can refer to each other (spec 4.2.3): their
// functions, tables, tags and exceptions.
struct store {
    void *owner; // whose it is, for host functions

    // Never moves; rows are added under the lock.
    struct func_entry *funcs;
    struct func_target *targets;
    u32 func_count;      // ids in use, 0 is the null reference
    u32 func_committed;  // rows that may be touched
    u32 func_max;        // rows in all
    bool funcs_reserved; // by port_reserve, else kernel_alloc
    u64 next_tag;

    struct lock lock;
    u32 thread_count MEMBER_GUARDED_BY(lock);       // that can run in it
    struct list exn_tables MEMBER_GUARDED_BY(lock); // tables of exnrefs
    // Bytes of addresses that tables have beyond need.
    u64 table_room MEMBER_GUARDED_BY(lock);

    // Of whoever links, before there are threads.
    struct heap_types heap_types;
    bool has_any_tables; // or segments, of what may lead to heaps
    struct instance **instances;
    u32 instance_count, instance_capacity;
    bool adapted; // entries lead to adapt_stub

    // Exceptions by number; see exception.c.
    struct mutex exn_mutex;
    // Replaced under the lock, too, with exn_count, its capacity.
    struct exception **exns MEMBER_GUARDED_BY(exn_mutex);
    u32 exn_count MEMBER_GUARDED_BY(exn_mutex);
    u32 exn_free MEMBER_GUARDED_BY(exn_mutex); // none below is free
    u32 exn_cookie MEMBER_GUARDED_BY(exn_mutex);
    u64 exn_sweeps MEMBER_GUARDED_BY(exn_mutex);

    struct vmctx **vms; // of the main thread, or of whoever invokes
};

// There are `count` ids in use from now on.
void store_count_funcs(struct store *s, u32 count);

// --- instance.c --------------------------------------------------------------

struct tag {
    u64 id; // its identity in the store
    u32 sig;
};

// Where the value of a global is: in the vmctx of the instance that defines it.
struct global_ref {
    struct instance *owner;
    u32 index;
};

// What C takes for the vmctx of who calls it, in hardened mode: generated code
// may write what it likes to its own.
struct vmctx_front {
    struct vmctx header;
    struct vmctx_memory memory; // 0
};

struct instance {
    struct store *store;
    struct code_module *module;
    struct compiled *code;      // the module's
    u32 number;                 // in store->instances
    u32 func_base;              // id of function 0
    struct memory **memories;   // a reference each, imports first
    struct live_table **tables; // a reference each
    struct global_ref *globals; // every global's owner
    struct tag *tags;
    u64 *elem_items;                  // contents of passive segments, and
    u64 **elems;                      // where each begins, else NULL
    u64 *elem_dropped, *data_dropped; // bit sets, atomic
    struct vmctx_front front;
};

void instance_free(struct instance *i);

// Whose index space the id is in, and where.
MUST_USE bool func_find(struct store *s, u32 id, struct instance **i,
                        u32 *func);

// --- call.c ------------------------------------------------------------------

// As call_function without a barrier, for tests: a trap does not return.
void call_entry(struct vmctx *vm, const struct func_entry *entry,
                const struct type *type, u64 (*slots)[2]);

// --- vmctx.c: the vmctx blocks of a thread ---------------------------------

// Add the block of a new instance to the main blocks.
MUST_USE status_t vms_add(struct instance *i);
// Copies of these blocks; NULL when there is no memory.
MUST_USE struct vmctx **vms_copy(struct store *s, struct vmctx **from);
// Fill the parts of the main block that linking has found.
void vms_fill(struct instance *i);
void vms_free(struct store *s, struct vmctx **vms);
void vms_bind(struct store *s, struct vmctx **vms, struct thread *t);

// The heap of these blocks, which all have in common; NULL: there is none.
struct heap *vms_heap(const struct store *s, struct vmctx **vms);

// The 16 bytes that hold the value, wherever they are.
u64 *vmctx_global(const struct instance *i, u32 global, struct vmctx **vms);

// --- hardened.c --------------------------------------------------------------

// In hardened mode generated code has this at the high end of its stack: of it
// the stubs use `adapter`.
static inline struct thread_entry *
stack_front(const struct thread *t)
{
    u64 end = (u64)thread_stack_end(t) + STACK_TOP;

    return (struct thread_entry *)(end - STACK_KERNEL - 2 * STACK_TOP);
}

_Static_assert(sizeof(struct thread_entry) <= 2 * STACK_TOP, "stack_front");

// Where the stubs have the innermost adapter of t.
static inline struct adapter **
thread_adapter(struct thread *t)
{
    return port_hardened() ? &stack_front(t)->adapter :
                             &thread_entry(t)->adapter;
}

// The running thread's generated code may write what x has, NULL: nothing.
void execution_give_rights(const struct execution *x);

// --- link.c ------------------------------------------------------------------

// Resolve the imports of i, check their types, and take what they give.
MUST_USE status_t link_imports(struct instance *i,
                               const struct resolver *resolver,
                               struct error *error);
// From one instance to several: entries now lead to adapt_stub.
void link_adapt(struct store *s);

// --- segments.c --------------------------------------------------------------

// Global initialisers, tables, segments.  OK or ERR_TRAP with *trap.
MUST_USE status_t instance_initialise(struct instance *i, struct error *error,
                                      enum trap *trap);
// The initial values of its globals, into the blocks of a thread.
enum init_globals {
    GLOBALS_OUTSIDE = 1, // of its heap
    GLOBALS_IN_HEAP = 2,
    GLOBALS_ALL = 3
};
MUST_USE status_t instance_init_globals(struct instance *i, struct vmctx **vms,
                                        enum init_globals which);
// As the instructions; TRAP_NONE on success.
enum trap segment_table_init(struct instance *i, u32 table, u32 segment, u64 to,
                             u64 from, u64 count);
enum trap segment_memory_init(struct instance *i, u32 memory, u32 segment,
                              u64 to, u64 from, u64 size);
void segment_drop_elem(struct instance *i, u32 segment);
void segment_drop_data(struct instance *i, u32 segment);
// What is left of a segment, which need not exist.
const u8 *segment_data(const struct instance *i, u32 segment, u64 *size);
const u64 *segment_items(const struct instance *i, u32 segment, u64 *count);

// --- trap.c ------------------------------------------------------------------

// thread_grow_stack(), in the words of traps.
MUST_USE enum trap stack_grow(struct thread *t, u64 rsp);
// As thread_trap(), without a look at the stack.
void thread_trap_here(enum trap kind);

// --- frame.c -----------------------------------------------------------------

// The code of s that the pc is in; NULL: none.
const struct compiled *compiled_at(const struct store *s, u64 pc);

// A frame of generated code, during a call.  (What a module's code is to one
// frame it is to all instances of the module; see frame_instance.)
struct call_frame {
    struct thread *thread;
    const struct compiled *module;
    const struct func_code *func;
    const struct call_site *call; // where the frame goes on
    u64 rsp;                      // at the call
    struct adapter *adapter;      // the innermost outside of that
    u64 low; // nothing is certain, and nothing is read below this; or 0
};

// The frame that called, on the stack of t: `at` is where the return address of
// that call is, `popped` how many bytes of arguments the callee removes when it
// returns (0 for C).  No adapter may be further in.  False: the caller is not
// generated code of t's store.
MUST_USE bool frame_find(struct call_frame *f, struct thread *t, u64 at,
                         u32 popped);

// The same where a return address may be, or anything else: of a thread that
// was interrupted, whose stack ends there or below.
MUST_USE bool frame_guess(struct call_frame *f, struct thread *t, u64 at,
                          u32 popped);

// Is the adapter on the stack of t, above that address?  Else it was generated
// code that wrote where it is.
bool adapter_is_at(const struct thread *t, const struct adapter *a, u64 above);

// Go on to the caller of the frame's function; false as above.
MUST_USE bool frame_next(struct call_frame *f);

// The instance of `code` whose vmctx in t that is, NULL: none.
struct instance *thread_instance(const struct thread *t, const struct vmctx *vm,
                                 const struct compiled *code);

// The instance that a frame with handlers runs in, from the vmctx that it
// keeps.  That is the frame's only if all steps to it were right: else panic,
// or, in hardened mode, NULL.
struct instance *frame_instance(const struct call_frame *f);

// --- exception.c -------------------------------------------------------------

struct exception {
    u64 tag;                // struct tag: id
    u32 count;              // of slots
    u32 owner;              // thread id
    u64 swept;              // the last sweep that found an exnref of it
    struct exception *next; // in the list of found ones not yet looked into
    u64 slots[][2];
};

// A new exception's exnref, 0 when there is no memory or the thread was killed.
// The stack may have exnrefs from `from` on.
u64 exception_new(struct vmctx *vm, u32 tag, const u64 (*args)[2],
                  const void *from);

// Is there such an exception?  For references that come from elsewhere.
MUST_USE bool exception_exists(struct store *s, u64 exnref);

// The exception of an exnref, which exists.
struct exception *exception_get(struct store *s, u64 exnref);

// Mark what is in those that the running thread has made.
void exceptions_mark(struct store *s, struct heap *h);

// The running thread, in x, leaves its store.
void exceptions_thread_ended(const struct execution *x);
void exceptions_free(struct store *s);
