// test/kernel/table.c: tables: every kind of reference, alone and between
// instances; what may get into one; growth beyond the first room; entries
// exchanged while they are called.

#include "test/kernel/frame.h"

#include <string.h>

// --- every type of reference, through every instruction ----------------------

// As in the binary format.  Types 0 to 2 are a struct, an array, a function.
static const struct elem {
    const char *name;
    u8 type[2]; // of the elements
    u8 size;    // bytes of it
} elems[] = {
    {"funcref",            {0x70},    1},
    {"externref",          {0x6f},    1},
    {"anyref",             {0x6e},    1},
    {"eqref",              {0x6d},    1},
    {"i31ref",             {0x6c},    1},
    {"structref",          {0x6b},    1},
    {"arrayref",           {0x6a},    1},
    {"exnref",             {0x69},    1},
    {"nullexnref",         {0x74},    1},
    {"nullfuncref",        {0x73},    1},
    {"nullexternref",      {0x72},    1},
    {"nullref",            {0x71},    1},
    {"(ref null $struct)", {0x63, 0}, 2},
    {"(ref null $array)",  {0x63, 1}, 2},
    {"(ref null $func)",   {0x63, 2}, 2},
};

enum {
    TYPE = 1,
    IMPORT,
    FUNCTION,
    TABLE,
    EXPORT = 7,
    ELEMENT = 9,
    CODE,
    TAG = 13,
    I32_CONST = 0x41,
    I64_CONST,
};

// A module of small sections.
static struct {
    u8 bytes[512];
    u32 size, open; // where the size of the open section is
} made;

static void
put_bytes(const void *bytes, u64 size)
{
    assert(made.size + size <= sizeof(made.bytes));
    memcpy(made.bytes + made.size, bytes, size);
    made.size += (u32)size;
}

#define put(...) \
    put_bytes((const u8[]){__VA_ARGS__}, sizeof((u8[]){__VA_ARGS__}))

static void
start_section(u8 id)
{
    put(id, 0);
    made.open = made.size - 1;
}

static void
end_section(void)
{
    u32 size = made.size - made.open - 1;

    assert(size < 0x80);
    made.bytes[made.open] = (u8)size;
}

static void
put_types(void)
{
    start_section(TYPE);
    put(4);
    put(0x5f, 1, 0x7f, 0); // struct (i32)
    put(0x5e, 0x7f, 0);    // array i32
    put(0x60, 0, 0);       // func
    put(0x60, 0, 1, 0x7f); // func (result i32)
    end_section();
}

static void
put_table(const struct elem *e, bool is64)
{
    put_bytes(e->type, e->size);
    put(is64 ? 4 : 0, 5);
}

static void
put_null(const struct elem *e)
{
    put(0xd0, e->type[e->size - 1]);
}

// At 5 entries: grow to 9, fill, copy, init, set, get; the sum of what they
// say.
static void
put_body(const struct elem *e, bool is64)
{
    u8 index = is64 ? I64_CONST : I32_CONST, equal = is64 ? 0x51 : 0x46;

    put(0);
    put_null(e);
    put(index, 4, 0xfc, 15, 0, index, 5, equal); // table.grow
    put(index, 0);
    put_null(e);
    put(index, 9, 0xfc, 17, 0);                                // table.fill
    put(index, 1, index, 0, index, 8, 0xfc, 14, 0, 0);         // table.copy
    put(index, 7, I32_CONST, 0, I32_CONST, 2, 0xfc, 12, 0, 0); // table.init
    put(index, 3);
    put_null(e);
    put(0x26, 0); // table.set
    for (u8 at = 0; at < 9; at++)
        put(index, at, 0x25, 0, 0xd1, 0x6a); // table.get, ref.is_null, add
    put(0xfc, 16, 0, index, 9, equal, 0x6a, 0x0b); // table.size
}

static void
put_segment(const struct elem *e)
{
    start_section(ELEMENT); // passive, two nulls
    put(1, 5);
    put_bytes(e->type, e->size);
    put(2);
    put_null(e);
    put(0x0b);
    put_null(e);
    put(0x0b);
    end_section();
}

// A module with a table of its own, or with that of the module "a".
static struct bytes
make(const struct elem *e, bool is64, bool import)
{
    made.size = 0;
    put(0, 'a', 's', 'm', 1, 0, 0, 0);
    put_types();
    start_section(import ? IMPORT : FUNCTION);
    if (import) {
        put(1, 1, 'a', 1, 't', 1);
        put_table(e, is64);
        end_section();
        start_section(FUNCTION);
    }
    put(1, 3);
    end_section();
    if (!import) {
        start_section(TABLE);
        put(1);
        put_table(e, is64);
        end_section();
    }
    start_section(EXPORT);
    put(2, 1, 't', 1, 0, 1, 'f', 0, 0);
    end_section();
    put_segment(e);
    start_section(CODE);
    put(1, 0);
    u32 body = made.size;
    put_body(e, is64);
    made.bytes[body - 1] = (u8)(made.size - body);
    end_section();
    return (struct bytes){made.bytes, made.size};
}

// --- several instances -------------------------------------------------------

static struct instance *library;

static bool
find_in_library(void *self, struct string module, struct string name,
                struct extern_ref *out)
{
    if (string_equal(module, STRING("a")) ||
        string_equal(module, STRING("library")))
        return instance_export(library, name, out);
    return host_resolver.find(self, module, name, out);
}

static const struct resolver resolver = {NULL, find_in_library, NULL};

static struct instance *
instantiate(struct store *s, struct code_module *code)
{
    struct instance *i = NULL;
    struct error error;
    enum trap trap;

    EXPECT_EQ(instance_load(&i, s, code, &resolver, &error, &trap), OK);
    code_module_release(code);
    return i;
}

static struct instance *
load(struct store *s, struct bytes bytes)
{
    struct code_module *code = NULL;
    struct error error;

    EXPECT_EQ(code_module_new(&code, bytes, &error), OK);
    return instantiate(s, code);
}

static u32
call(struct instance *i)
{
    struct extern_ref f;
    union value result = {0};
    enum trap trap;
    u32 count;

    EXPECT(instance_export(i, STRING("f"), &f));
    EXPECT_EQ(instance_invoke(&f, &result, 0, 1, &count, &trap), OK);
    return result.i32;
}

// The table has 5 entries each time, then 9 of them are null.
TEST_KERNEL(table_of_each_kind)
{
    for (u32 k = 0; k < 2 * COUNT(elems); k++) {
        struct store *s;
        EXPECT_EQ(store_new(&s, NULL, 0, NULL), OK);
        struct instance *a = load(s, make(&elems[k / 2], k % 2 != 0, false));
        EXPECT_EQ(call(a), 1 + 9 + 1);
        store_free(s);
    }
}

TEST_KERNEL(table_of_each_kind_between_instances)
{
    for (u32 k = 0; k < 2 * COUNT(elems); k++) {
        struct store *s;
        EXPECT_EQ(store_new(&s, NULL, 0, NULL), OK);
        library = load(s, make(&elems[k / 2], k % 2 != 0, false));
        struct instance *user = load(s, make(&elems[k / 2], k % 2 != 0, true));
        EXPECT_EQ(user->tables[0], library->tables[0]);
        EXPECT_EQ(call(user), 1 + 9 + 1);
        EXPECT_EQ(library->tables[0]->view.count, 9);
        for (u32 i = 0; i < 9; i++)
            EXPECT_EQ(table_get(library->tables[0], i), 0);
        EXPECT_EQ(call(library), 0 + 9 + 0); // it has 13 now
        store_free(s);
    }
}

// --- what gets in ------------------------------------------------------------

static struct live_table *
table_of(struct store *s, enum ref_kind kind, u64 min)
{
    struct table_type type = {.kind = (u8)kind, .limits = {.min = min}};
    struct live_table *t = NULL;

    EXPECT_EQ(table_new(&t, s, &type, 0), OK);
    return t;
}

TEST_KERNEL(table_refuses_what_is_no_reference)
{
    static const u64 wrong[] = {2, 1000, 1ull << 32, 1ull << 63, UINT64_MAX};
    struct store *s;

    EXPECT_EQ(store_new(&s, NULL, 0, NULL), OK);
    s->func_count = 2;
    struct live_table *t = table_of(s, REF_FUNC, 3);
    EXPECT_EQ(table_fill(t, 0, 1, 3), OK);
    for (u32 i = 0; i < COUNT(wrong); i++) {
        struct table_type type = t->type;
        struct live_table *other;
        EXPECT_EQ(table_fill(t, 0, wrong[i], 1), ERR_BAD_ARGUMENT);
        EXPECT_EQ(table_write(t, 0, &wrong[i], 1), ERR_BAD_ARGUMENT);
        EXPECT_EQ(table_grow(t, 1, wrong[i]), UINT64_MAX);
        EXPECT_EQ(table_new(&other, s, &type, wrong[i]), ERR_BAD_ARGUMENT);
    }
    for (u32 i = 0; i < 3; i++)
        EXPECT_EQ(table_get(t, i), 1);
    EXPECT_EQ(t->view.count, 3);
    object_release(&t->object);

    t = table_of(s, REF_EXN, 1);
    s->exn_cookie = 0x1234;
    EXPECT_EQ(table_fill(t, 0, 7, 1), ERR_BAD_ARGUMENT);
    EXPECT_EQ(table_fill(t, 0, 0x123400000007, 1), OK);
    object_release(&t->object);
    s->exn_cookie = 0;
    store_free(s);
}

// What an embedder passes to a function of one parameter.  The values, in this
// order: null, a function of type 2 and one of another type, one that there is
// not, an exception that lives and one that there is not.
enum { NULL_REF, SAME_FUNC, OTHER_FUNC, NO_FUNC, AN_EXN, NO_EXN, VALUES };

static const struct param {
    u8 type[2], size;
    const char *taken; // for each of these values: y or n
} params[] = {
    {{0x70},       1, "yyynnn"}, // funcref
    {{0x64, 0x70}, 2, "nyynnn"}, // (ref func)
    {{0x63, 2},    2, "yynnnn"}, // (ref null 2)
    {{0x64, 2},    2, "nynnnn"}, // (ref 2)
    {{0x73},       1, "ynnnnn"}, // nullfuncref
    {{0x69},       1, "ynnnyn"}, // exnref
    {{0x64, 0x69}, 2, "nnnnyn"}, // (ref exn)
    {{0x74},       1, "ynnnnn"}, // nullexnref
    {{0x6f},       1, "yyyyyy"}, // externref
    {{0x64, 0x6f}, 2, "nyyyyy"}, // (ref extern)
    {{0x72},       1, "ynnnnn"}, // nullexternref
    {{0x6e},       1, "ynynnn"}, // anyref: 2 is the host's
    {{0x6b},       1, "ynnnnn"}, // structref
    {{0x63, 0},    2, "ynnnnn"}, // (ref null $struct)
};

// Functions: "a" of type 2, "b" that makes an exnref, those with parameters.
static struct bytes
make_params(void)
{
    made.size = 0;
    put(0, 'a', 's', 'm', 1, 0, 0, 0);
    start_section(TYPE);
    put(4 + COUNT(params), 0x5f, 1, 0x7f, 0); // struct (i32)
    put(0x60, 0, 1, 0x69);                    // func (result exnref)
    put(0x60, 0, 0);                          // func
    put(0x60, 1, 0x7f, 0);                    // func (param i32)
    for (u32 i = 0; i < COUNT(params); i++) {
        put(0x60, 1);
        put_bytes(params[i].type, params[i].size);
        put(0);
    }
    end_section();
    start_section(FUNCTION);
    put(2 + COUNT(params), 2, 1);
    for (u8 i = 0; i < COUNT(params); i++)
        put(4 + i);
    end_section();
    start_section(TAG);
    put(1, 0, 2);
    end_section();
    start_section(EXPORT);
    put(2 + COUNT(params));
    for (u8 i = 0; i < 2 + COUNT(params); i++)
        put(1, 'a' + i, 0, i);
    end_section();
    start_section(CODE);
    put(2 + COUNT(params), 2, 0, 0x0b);
    put(14, 0, 0x02, 0x69, 0x1f, 0x40, 1, 3, 0, 0x08, 0, 0x0b, 0, 0x0b,
        0x0b); // block, try_table (catch_all_ref), throw, unreachable
    for (u32 i = 0; i < COUNT(params); i++)
        put(2, 0, 0x0b);
    end_section();
    return (struct bytes){made.bytes, made.size};
}

static status_t
call_with(struct instance *i, u32 func, u64 *value, u32 args)
{
    char name[] = {(char)('a' + func), 0};
    union value values[1] = {{.i64 = *value}};
    struct extern_ref f;
    enum trap trap;
    u32 count;

    EXPECT(instance_export(i, string_of(name), &f));
    status_t status = instance_invoke(&f, values, args, 1, &count, &trap);
    *value = values[0].i64;
    return status;
}

TEST_KERNEL(references_that_an_embedder_passes)
{
    struct store *s;
    u64 exn = 0;

    EXPECT_EQ(store_new(&s, NULL, 0, NULL), OK);
    struct instance *i = load(s, make_params());
    EXPECT_EQ(call_with(i, 1, &exn, 0), OK);
    EXPECT(exn != 0);
    const u64 values[VALUES] = {
        [SAME_FUNC] = i->func_base,        [OTHER_FUNC] = i->func_base + 1,
        [NO_FUNC] = s->func_count,         [AN_EXN] = exn,
        [NO_EXN] = exn + s->exn_count / 2,
    };
    for (u32 k = 0; k < COUNT(params) * VALUES; k++) {
        const struct param *p = &params[k / VALUES];
        u64 value = values[k % VALUES];
        bool taken = p->taken[k % VALUES] == 'y';
        EXPECT_EQ(call_with(i, 2 + k / VALUES, &value, 1),
                  taken ? OK : ERR_BAD_ARGUMENT);
    }
    store_free(s);
}

// --- room --------------------------------------------------------------------

// Empty tables without a maximum take few addresses, and can grow all the same.
TEST_KERNEL(tables_share_addresses)
{
    enum { TABLES = 300 };
    static struct live_table *tables[TABLES];
    struct store *s;
    u64 room = 0;

    EXPECT_EQ(store_new(&s, NULL, 0, NULL), OK);
    for (u32 i = 0; i < TABLES; i++) {
        tables[i] = table_of(s, REF_EXTERN, i % 3);
        room += tables[i]->room * sizeof(u64);
    }
    EXPECT(room < GIB + TABLES * 64 * KIB);

    struct live_table *t = tables[TABLES - 1];
    u64 *base = t->view.base;
    EXPECT_EQ(t->view.count, 2);
    EXPECT_EQ(table_fill(t, 1, 5, 1), OK);
    s->thread_count = 2; // another thread may be looking at it
    EXPECT_EQ(table_grow(t, t->room - 2, 6), 2);
    EXPECT_EQ(table_grow(t, 1, 7), UINT64_MAX);
    EXPECT(t->view.base == base);
    s->thread_count = 0;
    u64 count = t->view.count;
    EXPECT_EQ(table_grow(t, 1, 7), count);
    EXPECT(t->view.base != base);
    EXPECT_EQ(table_get(t, 1), 5);
    EXPECT_EQ(table_get(t, count - 1), 6);
    EXPECT_EQ(table_get(t, count), 7);
    EXPECT_EQ(table_grow(t, LIMIT_TABLE_ENTRIES - count - 1, 8), count + 1);
    EXPECT_EQ(table_get(t, LIMIT_TABLE_ENTRIES - 1), 8);
    for (u32 i = 0; i < TABLES; i++)
        object_release(&tables[i]->object);
    EXPECT_EQ(s->table_room, 0);
    store_free(s);
}

// A table that cannot grow is as it was.
TEST_KERNEL(table_grows_whole_or_not_at_all)
{
    struct store *s;

    EXPECT_EQ(store_new(&s, NULL, 0, NULL), OK);
    struct live_table *t = table_of(s, REF_EXTERN, 3);
    for (u64 n = 0; n < 3; n++) {
        test_fail_commits(n);
        EXPECT_EQ(table_grow(t, 100000, 9), UINT64_MAX);
        test_fail_commits(UINT64_MAX);
        EXPECT_EQ(t->view.count, 3);
        EXPECT_EQ(t->committed, PAGE_SIZE / sizeof(u64));
    }
    EXPECT_EQ(table_grow(t, 100000, 9), 3);
    EXPECT_EQ(table_get(t, 100002), 9);
    object_release(&t->object);
    store_free(s);
}

// --- what C returns ----------------------------------------------------------

static u64
garbage(void)
{
    return 0xdeadbeef00000001;
}

static bool
find_garbage(void *self, struct string module, struct string name,
             struct extern_ref *out)
{
    static const struct host_func funcs[] = {
        {"garbage",  ":i",        (const void *)garbage},
        {"garbage7", "iiiiiii:i", (const void *)garbage},
        {"wide",     ":l",        (const void *)garbage},
        {"wide7",    "iiiiiii:l", (const void *)garbage},
        {"none",     ":",         (const void *)garbage},
        {"none7",    "iiiiiii:",  (const void *)garbage},
    };

    (void)self, (void)module;
    for (u32 i = 0; i < COUNT(funcs); i++)
        if (string_equal(name, string_of(funcs[i].name)))
            *out = (struct extern_ref){.kind = EXTERN_FUNC, .host = &funcs[i]};
    return true;
}

// What a program whose imports all are garbage() makes of its results: 0.
static void
expect_results(const char *name)
{
    static const struct resolver finder = {NULL, find_garbage, NULL};
    struct code_module *code = test_compile(name);
    struct instance *i = NULL;
    struct store *s;
    struct error error;
    enum trap trap;

    EXPECT_EQ(store_new(&s, NULL, 0, NULL), OK);
    EXPECT_EQ(instance_load(&i, s, code, &finder, &error, &trap), OK);
    code_module_release(code);
    EXPECT_EQ(call(i), 0);
    store_free(s);
}

TEST_KERNEL(results_of_c_are_extended)
{
    types_host("iiiiiii:i"); // stays
    expect_results("extend");
}

TEST_KERNEL(results_of_c_are_as_wide_as_their_types)
{
    static const char *const types[] = {":l", "iiiiiii:l", ":", "iiiiiii:"};

    for (u32 i = 0; i < COUNT(types); i++)
        types_host(types[i]); // stay
    expect_results("wide");
}

// --- several threads ---------------------------------------------------------

// The table of a module that imports no function is another module's, whose
// threads write to it.
TEST_KERNEL(table_entry_is_checked_and_called_at_once)
{
    for (u32 times = 0; times < 4; times++) {
        struct process *p;
        EXPECT_EQ(process_new_empty(&p, NULL, "torn"), OK);
        library = instantiate(p->store, test_compile("torn_library"));
        instantiate(p->store, test_compile("torn_user"));
        test_start(p);
        EXPECT_EQ(test_wait(p), 134);
    }
}
