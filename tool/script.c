// tool/script.c: run a test script (script.h) against the kernel.  Each script
// gets a store of its own, in which all its modules are instances.

#include "tool/script_run.h"

enum { MESSAGE_SIZE = 512 };

// --- reading ----------------------------------------------------------------

static void
take(struct script *s, void *to, u64 size)
{
    assert((u64)(s->end - s->at) >= size);
    memcpy(to, s->at, size);
    s->at += size;
}

static u32
take_u32(struct script *s)
{
    u32 word;

    take(s, &word, sizeof(word));
    return word;
}

static u8
take_u8(struct script *s)
{
    u8 byte;

    take(s, &byte, 1);
    return byte;
}

static struct bytes
take_blob(struct script *s)
{
    u32 size = take_u32(s);
    struct bytes blob = {(u8 *)(u64)s->at, size};

    assert((u64)(s->end - s->at) >= size);
    s->at += size;
    return blob;
}

static struct string
take_text(struct script *s)
{
    struct bytes blob = take_blob(s);

    return (struct string){(const char *)blob.ptr, (u32)blob.size};
}

static struct action
take_action(struct script *s)
{
    struct action a = {.invoke = take_u8(s) != 0};

    a.module = take_text(s);
    a.field = take_text(s);
    a.arg_count = take_u32(s);
    a.args = s->at;
    u64 size = (u64)a.arg_count * sizeof(struct script_value);
    assert((u64)(s->end - s->at) >= size);
    s->at += size;
    return a;
}

// The expected value at *at, one of several if it is EITHER.
static bool
take_expected(struct script *s, const struct typed *t, const union value *got)
{
    struct script_value want;
    bool match = false;
    u32 count = 1;

    take(s, &want, sizeof(want));
    bool either = want.kind == SCRIPT_EITHER;
    if (either)
        count = take_u32(s);
    for (u32 i = 0; i < count; i++) {
        if (either)
            take(s, &want, sizeof(want));
        match |= script_value_matches(&want, t, got);
    }
    return match;
}

// --- saying -----------------------------------------------------------------

static void
failed(struct script *s, const char *text, ...)
{
    char message[MESSAGE_SIZE];
    va_list list;

    u32 len =
        format_safe(message, sizeof(message), "%s:%u: ", s->name, s->line);
    len = MIN(len, sizeof(message) - 1);
    va_start(list, text);
    format_safe_list(message + len, sizeof(message) - len, text, list);
    va_end(list);
    s->say(message);
    s->result.failed++;
}

static void
passed(struct script *s)
{
    s->result.passed++;
}

// A command that cannot be judged, as it is about a module that was not read.
static void
skipped(struct script *s)
{
    s->result.skipped++;
}

// Was it that?
static bool
is_skipped(const struct script *s, struct outcome o)
{
    return s->in_text && o.status == ERR_UNSUPPORTED;
}

// --- commands ---------------------------------------------------------------

// The newest instance has a name when the script gives it one.
static void
adopt(struct script *s, struct string name, struct instance *instance,
      struct code_module *code)
{
    if (instance != NULL)
        s->newest = instance;
    if (name.len > 0)
        script_name(&s->named, (struct named){name, instance, code});
}

static void
run_module(struct script *s, bool definition)
{
    struct string name = take_text(s), file = take_text(s);
    struct bytes bytes = take_blob(s);
    struct instance *instance = NULL;
    struct code_module *code = NULL;

    s->newest = NULL;
    struct outcome o = script_compile(bytes, s->without, &code);
    if (o.status == OK && !definition)
        o = script_load(s, code, &instance);
    s->in_text = false;
    if (o.status != OK)
        failed(s, "%.*s: %s: %s", (i32)file.len, file.ptr,
               status_text(o.status), o.what);
    else
        passed(s);
    if (definition && o.status == OK)
        s->newest_code = code; // lives as long as the script
    adopt(s, name, instance, definition ? code : NULL);
    if (!definition && code != NULL)
        code_module_release(code);
}

static void
run_instance(struct script *s)
{
    struct string name = take_text(s), definition = take_text(s);
    struct named *n = script_find(&s->named, definition);
    struct code_module *code = definition.len == 0 ? s->newest_code :
                               n != NULL           ? n->code :
                                                     NULL;
    struct instance *instance = NULL;

    if (code == NULL && s->in_text) {
        skipped(s);
        return;
    }
    if (code == NULL) {
        failed(s, "no definition %.*s", (i32)definition.len, definition.ptr);
        return;
    }
    struct outcome o = script_load(s, code, &instance);
    if (o.status != OK)
        failed(s, "instance: %s", o.what);
    else
        passed(s);
    adopt(s, name, instance, NULL);
}

static void
run_register(struct script *s)
{
    struct string as = take_text(s), name = take_text(s);
    struct instance *instance = script_instance(s, name);

    if (instance == NULL && s->in_text) {
        skipped(s);
        return;
    }
    if (instance == NULL) {
        failed(s, "register: no instance %.*s", (i32)name.len, name.ptr);
        return;
    }
    script_name(&s->registered, (struct named){as, instance, NULL});
    passed(s);
}

static void
run_action(struct script *s)
{
    struct action a = take_action(s);
    struct results r;

    struct outcome o = script_act(s, &a, &r);
    if (is_skipped(s, o))
        skipped(s);
    else if (o.status != OK)
        failed(s, "%.*s: %s", (i32)a.field.len, a.field.ptr, o.what);
    else
        passed(s);
    script_results_free(&r);
}

// Whatever it is: where another engine does not say (test/fuzz/oracle.mjs).
static bool
trap_matches(struct string want, const char *what)
{
    return string_equal(want, (struct string)STRING("(any trap)")) ||
           script_message_matches(want, what);
}

// The index of the first result that is not the expected one; `want` if none.
static u32
compare(struct script *s, const struct results *r, u32 want)
{
    u32 bad = want;

    for (u32 i = 0; i < want; i++) {
        union value none = {
            .bits = {0, 0}
        };
        bool given = i < r->count;
        struct typed t = {r->module, given ? r->types[i] : VAL_NONE};
        bool match = take_expected(s, &t, given ? &r->values[i] : &none);
        if (!match && bad == want)
            bad = i;
    }
    return bad;
}

static void
run_return(struct script *s)
{
    struct action a = take_action(s);
    struct results r;

    struct outcome o = script_act(s, &a, &r);
    u32 want = take_u32(s), bad = compare(s, &r, want);
    if (is_skipped(s, o))
        skipped(s);
    else if (o.status != OK)
        failed(s, "%.*s: %s", (i32)a.field.len, a.field.ptr, o.what);
    else if (want != r.count)
        failed(s, "%.*s: %u results, expected %u", (i32)a.field.len,
               a.field.ptr, r.count, want);
    else if (bad != want)
        failed(s, "%.*s: result %u is 0x%016llx%016llx of type 0x%x",
               (i32)a.field.len, a.field.ptr, bad,
               (unsigned long long)r.values[bad].bits[1],
               (unsigned long long)r.values[bad].bits[0], r.types[bad]);
    else
        passed(s);
    script_results_free(&r);
}

static void
run_trap(struct script *s, bool exception)
{
    struct action a = take_action(s);
    struct string want = exception ?
                             string_of(trap_text(TRAP_UNCAUGHT_EXCEPTION)) :
                             take_text(s);
    struct results r;

    struct outcome o = script_act(s, &a, &r);
    if (is_skipped(s, o))
        skipped(s);
    else if (o.status != ERR_TRAP || !trap_matches(want, o.what))
        failed(s, "%.*s: expected \"%.*s\", got \"%s\"", (i32)a.field.len,
               a.field.ptr, (i32)want.len, want.ptr,
               o.status == OK ? "no trap" : o.what);
    else
        passed(s);
    script_results_free(&r);
}

// Whether a module that is refused in this way may have that status.
static bool
is_refusal(u8 command, status_t status)
{
    switch (command) {
    case SCRIPT_MALFORMED:
        return status == ERR_MALFORMED;
    case SCRIPT_INVALID:
        return status == ERR_INVALID;
    case SCRIPT_UNLINKABLE:
        return status == ERR_UNKNOWN_IMPORT || status == ERR_IMPORT_TYPE;
    default:
        return status == ERR_TRAP;
    }
}

static bool
is_expected(u8 command, struct string want, struct outcome o)
{
    if (o.status == OK || !is_refusal(command, o.status))
        return false;
    return command == SCRIPT_UNINSTANTIABLE ?
               trap_matches(want, o.what) :
               script_message_matches(want, o.what);
}

// What becomes of the module, without these features.
static struct outcome
try_module(struct script *s, u8 command, struct bytes bytes, u8 without)
{
    struct instance *instance = NULL;
    struct code_module *code = NULL;
    bool at_link =
        command == SCRIPT_UNLINKABLE || command == SCRIPT_UNINSTANTIABLE;

    struct outcome o = script_compile(bytes, without, &code);
    if (o.status == OK && at_link)
        o = script_load(s, code, &instance);
    if (code != NULL)
        code_module_release(code);
    return o;
}

// A module that must be refused, with this status and this message.
static void
run_refused(struct script *s, u8 command)
{
    struct string want = take_text(s), file = take_text(s);
    struct bytes bytes = take_blob(s);
    bool by_bytes = command == SCRIPT_MALFORMED || command == SCRIPT_INVALID;

    struct outcome o = try_module(s, command, bytes, s->without);
    if (by_bytes && s->may_lack != 0 && !is_expected(command, want, o)) {
        struct outcome other =
            try_module(s, command, bytes, s->without | s->may_lack);
        if (is_expected(command, want, other))
            o = other;
    }
    if (o.status == OK)
        failed(s, "%.*s: expected \"%.*s\", but it was accepted", (i32)file.len,
               file.ptr, (i32)want.len, want.ptr);
    else if (!is_expected(command, want, o))
        failed(s, "%.*s: expected \"%.*s\", got \"%s\" (%s)", (i32)file.len,
               file.ptr, (i32)want.len, want.ptr, o.what,
               status_text(o.status));
    else
        passed(s);
}

// What is about a module in the text format tests a text parser, not us.
static void
run_text(struct script *s, bool is_module)
{
    skipped(s);
    if (!is_module)
        return;
    struct string name = take_text(s);
    s->newest = NULL;
    s->newest_code = NULL;
    s->in_text = true;
    adopt(s, name, NULL, NULL);
}

// --- the script -------------------------------------------------------------

static void
run_command(struct script *s, u8 command)
{
    switch (command) {
    case SCRIPT_MODULE:
    case SCRIPT_DEFINITION:
        run_module(s, command == SCRIPT_DEFINITION);
        break;
    case SCRIPT_INSTANCE:
        run_instance(s);
        break;
    case SCRIPT_REGISTER:
        run_register(s);
        break;
    case SCRIPT_ACTION:
        run_action(s);
        break;
    case SCRIPT_RETURN:
        run_return(s);
        break;
    case SCRIPT_TRAP:
    case SCRIPT_EXHAUSTION:
    case SCRIPT_EXCEPTION:
        run_trap(s, command == SCRIPT_EXCEPTION);
        break;
    case SCRIPT_TEXT_MODULE:
    case SCRIPT_TEXT:
        run_text(s, command == SCRIPT_TEXT_MODULE);
        break;
    default:
        run_refused(s, command);
    }
}

void
script_add(struct script_result *sum, struct script_result r)
{
    sum->passed += r.passed;
    sum->failed += r.failed;
    sum->skipped += r.skipped;
}

bool
script_good(struct script_result r)
{
    return r.failed == 0 && r.passed + r.skipped > 0;
}

const char *
script_reason(struct script_result r)
{
    return r.skipped > 0 ? " (modules in the text format)" : "";
}

struct script_result
script_run(struct bytes script, const char *name, void (*say)(const char *text))
{
    struct script *s = kernel_alloc(sizeof(*s));

    assert(s != NULL);
    s->name = name;
    s->say = say;
    s->at = script.ptr;
    s->end = script.ptr + script.size;
    if (store_new(&s->store, NULL, 0, NULL) != OK)
        panic(__FILE__, __LINE__, "no memory for a store");
    s->without = take_u8(s);
    s->may_lack = take_u8(s);
    for (;;) {
        s->line = take_u32(s);
        u8 command = take_u8(s);
        if (command == SCRIPT_END)
            break;
        run_command(s, command);
    }
    store_free(s->store);
    kernel_free(s->named.list);
    kernel_free(s->registered.list);
    struct script_result result = s->result;
    kernel_free(s);
    return result;
}
