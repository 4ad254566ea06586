// test/kernel/admit.c: nothing is executed that the verifier has not accepted,
// as it is then.

#include "test/kernel/frame.h"

// What was seen of one module.
static struct {
    u32 sealed, judged, executed;
    const void *seals[2]; // where they begin
    u32 wrong;            // what was writable, or executable too early
} seen;

static void
note_sealed(const void *ptr, u64 size)
{
    (void)size;
    if (seen.sealed < COUNT(seen.seals))
        seen.seals[seen.sealed] = ptr;
    seen.sealed++;
}

static void
note_judged(const struct verify_code *c)
{
    const void *const trusted[] = {
        c->text,    c->text + c->size - 1,
        c->entries, c->funcs,
        c->traps,   c->calls,
        c->tries,   c->catches,
        c->heads,
    };

    seen.judged++;
    EXPECT_EQ(seen.sealed, 2);
    EXPECT_EQ(seen.executed, 0);
    EXPECT(port_code_contains((u64)c->text));
    seen.wrong += test_may_execute(c->text);
    for (u32 i = 0; i < COUNT(trusted); i++)
        seen.wrong += test_may_write(trusted[i]);
}

static void
note_executed(const void *text, u64 size)
{
    (void)size;
    EXPECT_EQ(seen.judged, 1);
    seen.wrong += test_may_write(text) + test_may_execute(text);
    seen.executed++;
}

// The code where it will be, its tables and the module's bytes are nobody's to
// write before the verifier begins, and executable after it has ended.
TEST_KERNEL(code_is_sealed_when_it_is_judged)
{
    memset(&seen, 0, sizeof(seen));
    test_watch_code(
        (struct test_code_watch){note_sealed, note_judged, note_executed});
    struct code_module *code = test_compile("throw");
    test_watch_code((struct test_code_watch){0});
    const struct compiled *c = code->compiled;

    if (CHECKED || seen.judged > 0) { // else it was built into one
        EXPECT_EQ(seen.sealed, 2);
        EXPECT_EQ(seen.judged, 1);
        EXPECT_EQ(seen.executed, 1);
        EXPECT_EQ(seen.wrong, 0);
        EXPECT(seen.seals[0] == c->bytes.ptr && seen.seals[1] == c->keep.base);
    }
    EXPECT(test_may_execute(c->text) && !test_may_write(c->text));
    code_module_release(code);
}

// --- large modules -----------------------------------------------------------

struct text {
    u8 *ptr;
    u64 size;
};

static void
put(struct text *t, const void *bytes, u64 size)
{
    memcpy(t->ptr + t->size, bytes, size);
    t->size += size;
}

// In five bytes, whatever it is.
static void
put_wide(struct text *t, u32 value)
{
    for (u32 i = 0; i < 5; i++)
        t->ptr[t->size++] = (u8)((value >> 7 * i & 0x7f) | (i < 4 ? 0x80 : 0));
}

enum { LOAD_SIZE = 3, BODY_REST = 4, COUNT_SIZE = 5 };

// Functions of so many loads, each from where the one before it says.  To be
// given back with kernel_free().
static struct bytes
loads_module(u32 funcs, u32 loads)
{
    u32 body = loads * LOAD_SIZE + BODY_REST;
    struct text t = {kernel_alloc(100 + (u64)funcs * (body + 6)), 0};

    EXPECT(t.ptr != NULL);
    put(&t, "\0asm\1\0\0\0\1\6\1\x60\1\x7f\1\x7f\3", 17);
    put_wide(&t, COUNT_SIZE + funcs);
    put_wide(&t, funcs);
    memset(t.ptr + t.size, 0, funcs);
    t.size += funcs;
    put(&t, "\5\3\1\0\1\x0a", 6);
    put_wide(&t, COUNT_SIZE + funcs * (COUNT_SIZE + body));
    put_wide(&t, funcs);
    for (u32 i = 0; i < funcs; i++) {
        put_wide(&t, body);
        put(&t, "\0\x20\0", 3);
        for (u32 k = 0; k < loads; k++)
            put(&t, "\x28\2\0", LOAD_SIZE);
        put(&t, "\x0b", 1);
    }
    return (struct bytes){t.ptr, t.size};
}

static struct code_module *
compile_loads(u32 funcs, u32 loads, status_t expected)
{
    struct bytes bytes = loads_module(funcs, loads);
    struct code_module *code = NULL;
    struct error error;

    EXPECT_EQ(code_module_new(&code, bytes, &error), expected);
    kernel_free(bytes.ptr);
    return code;
}

// As many functions, and one of as many instructions.
TEST_KERNEL(large_code_is_judged_in_steps)
{
    static const struct {
        u32 funcs, loads;
        const char *what;
    } rows[] = {
        {3000, 10,    "judging many functions"},
        {1,    30000, "judging a large one"   },
    };

    for (u32 i = 0; i < COUNT(rows); i++) {
        test_watch();
        struct code_module *code =
            compile_loads(rows[i].funcs, rows[i].loads, OK);
        test_expect_short(rows[i].what);
        code_module_release(code);
    }
}

static void
kill_judge(const struct verify_code *c)
{
    (void)c;
    thread_kill(thread_current());
}

static void
compile_killed(void *arg)
{
    struct code_module **code = arg;

    *code = compile_loads(1, 30000, ERR_KILLED);
}

// A killed thread does not judge to the end, and leaves nothing behind.
TEST_KERNEL(judging_ends_when_killed)
{
    struct code_module *code = NULL;

    if (!CHECKED)
        return; // nobody is called
    test_watch_code((struct test_code_watch){.judged = kill_judge});
    EXPECT_EQ(thread_run_until(compile_killed, &code, UINT64_MAX), OK);
    test_watch_code((struct test_code_watch){0});
    EXPECT(code == NULL);
}

// --- code files --------------------------------------------------------------

// The code file of a module.
static struct bytes
file_of(const struct code_module *m)
{
    const struct compiled *c = m->compiled;
    struct code code = c->code;
    struct bytes file = {NULL, 0};

    code.text = c->text;
    file.size = code_file_write(file, &code, &c->module, cpu_features);
    file.ptr = kernel_alloc(file.size);
    EXPECT(file.ptr != NULL);
    code_file_write(file, &code, &c->module, cpu_features);
    return file;
}

static u8 *
text_in(struct bytes file)
{
    struct error error = {OK, 0, NULL};
    struct arena none = {.base = NULL};
    struct code_file f;

    EXPECT_EQ(code_file_open(&f, file, cpu_features, &none, &error), OK);
    return f.text.ptr;
}

TEST_KERNEL(code_file_is_code)
{
    struct code_module *made = test_compile("throw"), *read = NULL;
    struct bytes file = file_of(made);
    struct error error;
    char text[200] = "";

    EXPECT_EQ(code_module_open(&read, file, &error, text, sizeof(text)), OK);
    EXPECT_EQ(text[0], 0);
    const struct compiled *a = made->compiled, *b = read->compiled;
    EXPECT(a != b && a->code.size == b->code.size);
    EXPECT_EQ(memcmp(a->text, b->text, a->code.size), 0);
    EXPECT(!test_may_write(b->text) && !test_may_write(b->code.calls));
    EXPECT(test_may_execute(b->text));
    EXPECT(!test_may_write(b->bytes.ptr));
    code_module_release(read);
    code_module_release(made);
    kernel_free(file.ptr);
}

// What a program hands over is a module, or nothing.
TEST_KERNEL(code_file_of_a_program)
{
    struct code_module *made = test_compile("throw"), *read = NULL;
    struct bytes file = file_of(made);
    struct error error;

    EXPECT_EQ(code_module_get(&read, file, &error), ERR_MALFORMED);
    EXPECT_EQ(code_module_new(&read, file, &error), ERR_MALFORMED);
    EXPECT(read == NULL);
    code_module_release(made);
    kernel_free(file.ptr);
}

static void
expect_refused(struct bytes file, u32 func)
{
    struct code_module *read = NULL;
    char text[200] = "", expected[100];
    struct error error;

    memset(&seen, 0, sizeof(seen));
    seen.judged = 1;
    test_watch_code((struct test_code_watch){.executed = note_executed});
    EXPECT_EQ(code_module_open(&read, file, &error, text, sizeof(text)),
              ERR_UNSUPPORTED);
    test_watch_code((struct test_code_watch){0});
    format(expected, sizeof(expected), "the verifier refuses func[%u] ", func);
    EXPECT_EQ(memcmp(text, expected, string_of(expected).len), 0);
    EXPECT(read == NULL && seen.executed == 0);
}

// The first function that is refused is told, whoever has looked at which, and
// nothing of such a file becomes executable.
TEST_KERNEL(code_files_are_judged)
{
    enum { FUNCS = 3000, STEP = 800 };
    static const u8 bad[] = {0x0f, 0x05}; // syscall
    struct code_module *made = compile_loads(FUNCS, 20, OK);
    const struct compiled *c = made->compiled;
    struct bytes file = file_of(made);
    u8 *text = text_in(file);

    EXPECT(c->code.size > 3 * 64 * KIB);
    for (u32 func = FUNCS - 1; func > STEP; func -= STEP) {
        memcpy(text + c->code.funcs[func].start, bad, sizeof(bad));
        code_file_sign(file);
        expect_refused(file, func);
    }
    code_module_release(made);
    kernel_free(file.ptr);
}

// What is known to be as it was written is judged all the same; what is refused
// is compiled from its module, if that is as it was written.
TEST_KERNEL(code_files_are_made_again)
{
    static const u8 bad[] = {0x0f, 0x05}; // syscall
    struct code_module *made = test_compile("throw"), *read = NULL;
    const struct compiled *c = made->compiled;
    struct bytes file = file_of(made);
    u8 *text = text_in(file);
    char words[200] = "";
    struct error error;

    memcpy(text + c->code.funcs[c->code.func_count - 1].start, bad, 2);
    EXPECT_EQ(code_module_open_known(&read, file, &error, words, 200),
              ERR_UNSUPPORTED);
    EXPECT_EQ(memcmp(words, "the verifier refuses", 20), 0);
    EXPECT_EQ(code_module_remake(&read, file, &error), ERR_MALFORMED);
    code_file_sign(file);
    EXPECT_EQ(code_module_remake(&read, file, &error), OK);
    const struct compiled *b = read->compiled;
    EXPECT_EQ(b->code.size, c->code.size);
    EXPECT_EQ(memcmp(b->text, c->text, c->code.size), 0);
    code_module_release(read);
    code_module_release(made);
    kernel_free(file.ptr);
}

// --- what verified code may pass ---------------------------------------------

// (module (global (mut exnref) (ref.null exn))
//   (func (export "t") (throw_ref (global.get 0))))
static u8 throws[] = "\0asm\1\0\0\0\1\4\1\x60\0\0\3\2\1\0\6\6\1\x69\1\xd0\x69"
                     "\x0b\7\5\1\1t\0\0\x0a\7\1\5\0\x23\0\x0a\x0b";

// The verifier takes no word for an exception: here nothing but its bits says
// whether it is one.
TEST_KERNEL(exception_that_is_none)
{
    static const struct {
        u64 value;
        enum trap trap;
    } rows[] = {
        {0,                  TRAP_NULL_EXCEPTION},
        {1,                  TRAP_BAD_REFERENCE },
        {0x123400000000,     TRAP_BAD_REFERENCE },
        {0x7fffffff7fffffff, TRAP_BAD_REFERENCE },
        {0xffffffffffffffff, TRAP_BAD_REFERENCE },
    };
    const struct resolver resolver = {0};
    struct bytes bytes = {throws, sizeof(throws) - 1};
    struct code_module *code = NULL;
    struct instance *i = NULL;
    struct error error;
    struct extern_ref f;
    struct store *s;
    enum trap trap;
    u32 count;

    EXPECT_EQ(store_new(&s, NULL, 0, NULL), OK);
    EXPECT_EQ(code_module_new(&code, bytes, &error), OK);
    EXPECT_EQ(instance_load(&i, s, code, &resolver, &error, &trap), OK);
    EXPECT(instance_export(i, STRING("t"), &f));
    for (u32 k = 0; k < COUNT(rows); k++) {
        union value none[1] = {{0}};

        *vmctx_global(i, 0, s->vms) = rows[k].value;
        EXPECT_EQ(instance_invoke(&f, none, 0, 0, &count, &trap), ERR_TRAP);
        EXPECT_EQ(trap, rows[k].trap);
    }
    code_module_release(code);
    store_free(s);
}

// (module (table 1 exnref) (tag $e) (global (mut exnref) (ref.null exn))
//   (func (export "t") (throw_ref (global.get 0)))
//   (func (export "m") (result exnref)
//     (block $caught (result exnref)
//       (try_table (catch_all_ref $caught) (throw $e))
//       (unreachable))))
// where the second one of them has no table.
#define MAKES(table)                                                    \
    "\0asm\1\0\0\0\1\x8\2\x60\0\0\x60\0\1\x69\3\3\2\0\1" table          \
    "\x0d\3\1\0\0\6\6\1\x69\1\xd0\x69\x0b\7\x9\2\1t\0\0\1m\0\1\x0a\x16" \
    "\2\5\0\x23\0\x0a\x0b\x0e\0\2\x69\x1f\x40\1\3\0\x8\0\x0b\0\x0b\x0b"
static u8 makes_shared[] = MAKES("\4\4\1\x69\0\1"), makes_own[] = MAKES("");

struct thrower {
    struct store *store;
    struct instance *i;
    u64 exn;
};

// Call it as the thread of that number does.
static enum trap
call_as(struct thrower *w, u32 id, const char *name)
{
    struct execution x, *before;
    union value values[1] = {{0}};
    struct extern_ref f;
    enum trap trap;
    u32 count;

    execution_init(&x, w->store);
    x.id = id;
    before = execution_enter(&x);
    EXPECT(instance_export(w->i, string_of(name), &f));
    status_t status = instance_invoke(&f, values, 0, 1, &count, &trap);
    EXPECT(status == OK || status == ERR_TRAP);
    if (count > 0)
        w->exn = values[0].i64;
    execution_leave(before);
    return trap;
}

static void
expect_throws(struct bytes bytes, u32 id, enum trap expected)
{
    const struct resolver resolver = {0};
    struct code_module *code = NULL;
    struct thrower w = {.exn = 0};
    struct error error;
    enum trap trap;

    EXPECT_EQ(store_new(&w.store, NULL, 0, NULL), OK);
    EXPECT_EQ(code_module_new(&code, bytes, &error), OK);
    EXPECT_EQ(instance_load(&w.i, w.store, code, &resolver, &error, &trap), OK);
    EXPECT_EQ(call_as(&w, 1, "m"), TRAP_NONE);
    EXPECT(w.exn != 0);
    *vmctx_global(w.i, 0, w.store->vms) = w.exn;
    EXPECT_EQ(call_as(&w, id, "t"), expected);
    code_module_release(code);
    store_free(w.store);
}

// An exception goes when the thread that made it does not have it any more,
// whatever word another one has guessed.
TEST_KERNEL(exception_of_another_thread)
{
    struct bytes own = {makes_own, sizeof(makes_own) - 1};
    struct bytes shared = {makes_shared, sizeof(makes_shared) - 1};

    expect_throws(own, 1, TRAP_UNCAUGHT_EXCEPTION);
    expect_throws(own, 2, TRAP_BAD_REFERENCE);
    expect_throws(shared, 2, TRAP_UNCAUGHT_EXCEPTION);
}
