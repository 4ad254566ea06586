// tool/script.c: run a test script (script.h) against the kernel.
//
// Each script gets a store of its own, in which all its modules are
// instances.  The module "spectest" is a wasm module like the others; it is
// instantiated when the first import asks for it.

#include "tool/script.h"

#include "runtime/runtime.h"

enum { MESSAGE_SIZE = 512 };

// (module
//   (global (export "global_i32") i32 (i32.const 666)) ... i64 f32 f64 666.6
//   (table (export "table") 10 20 funcref)
//   (table (export "table64") i64 10 20 funcref)
//   (memory (export "memory") 1 2)
//   (memory (export "shared_memory") 1 2 shared)
//   (func (export "print")) (func (export "print_i32") (param i32)) ...)
static const u8 spectest[] = {
    0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x1e, 0x07, 0x60,
    0x00, 0x00, 0x60, 0x01, 0x7f, 0x00, 0x60, 0x01, 0x7e, 0x00, 0x60, 0x01,
    0x7d, 0x00, 0x60, 0x01, 0x7c, 0x00, 0x60, 0x02, 0x7f, 0x7d, 0x00, 0x60,
    0x02, 0x7c, 0x7c, 0x00, 0x03, 0x08, 0x07, 0x00, 0x01, 0x02, 0x03, 0x04,
    0x05, 0x06, 0x04, 0x09, 0x02, 0x70, 0x01, 0x0a, 0x14, 0x70, 0x05, 0x0a,
    0x14, 0x05, 0x07, 0x02, 0x01, 0x01, 0x02, 0x03, 0x01, 0x02, 0x06, 0x21,
    0x04, 0x7f, 0x00, 0x41, 0x9a, 0x05, 0x0b, 0x7e, 0x00, 0x42, 0x9a, 0x05,
    0x0b, 0x7d, 0x00, 0x43, 0x66, 0xa6, 0x26, 0x44, 0x0b, 0x7c, 0x00, 0x44,
    0xcd, 0xcc, 0xcc, 0xcc, 0xcc, 0xd4, 0x84, 0x40, 0x0b, 0x07, 0xb8, 0x01,
    0x0f, 0x0a, 0x67, 0x6c, 0x6f, 0x62, 0x61, 0x6c, 0x5f, 0x69, 0x33, 0x32,
    0x03, 0x00, 0x0a, 0x67, 0x6c, 0x6f, 0x62, 0x61, 0x6c, 0x5f, 0x69, 0x36,
    0x34, 0x03, 0x01, 0x0a, 0x67, 0x6c, 0x6f, 0x62, 0x61, 0x6c, 0x5f, 0x66,
    0x33, 0x32, 0x03, 0x02, 0x0a, 0x67, 0x6c, 0x6f, 0x62, 0x61, 0x6c, 0x5f,
    0x66, 0x36, 0x34, 0x03, 0x03, 0x05, 0x74, 0x61, 0x62, 0x6c, 0x65, 0x01,
    0x00, 0x07, 0x74, 0x61, 0x62, 0x6c, 0x65, 0x36, 0x34, 0x01, 0x01, 0x06,
    0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 0x02, 0x00, 0x0d, 0x73, 0x68, 0x61,
    0x72, 0x65, 0x64, 0x5f, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 0x02, 0x01,
    0x05, 0x70, 0x72, 0x69, 0x6e, 0x74, 0x00, 0x00, 0x09, 0x70, 0x72, 0x69,
    0x6e, 0x74, 0x5f, 0x69, 0x33, 0x32, 0x00, 0x01, 0x09, 0x70, 0x72, 0x69,
    0x6e, 0x74, 0x5f, 0x69, 0x36, 0x34, 0x00, 0x02, 0x09, 0x70, 0x72, 0x69,
    0x6e, 0x74, 0x5f, 0x66, 0x33, 0x32, 0x00, 0x03, 0x09, 0x70, 0x72, 0x69,
    0x6e, 0x74, 0x5f, 0x66, 0x36, 0x34, 0x00, 0x04, 0x0d, 0x70, 0x72, 0x69,
    0x6e, 0x74, 0x5f, 0x69, 0x33, 0x32, 0x5f, 0x66, 0x33, 0x32, 0x00, 0x05,
    0x0d, 0x70, 0x72, 0x69, 0x6e, 0x74, 0x5f, 0x66, 0x36, 0x34, 0x5f, 0x66,
    0x36, 0x34, 0x00, 0x06, 0x0a, 0x16, 0x07, 0x02, 0x00, 0x0b, 0x02, 0x00,
    0x0b, 0x02, 0x00, 0x0b, 0x02, 0x00, 0x0b, 0x02, 0x00, 0x0b, 0x02, 0x00,
    0x0b, 0x02, 0x00, 0x0b,
};

// An instance, or a module that has none yet, under a name of the script.
struct named {
    struct string name;
    struct instance *instance;
    struct code_module *code;
};

struct names {
    struct named *list;
    u32 count, room;
};

struct script {
    const char *name;
    void (*say)(const char *text);
    struct script_result result;

    const u8 *at, *end; // the next byte
    u8 without;         // enum wasm_feature
    u32 line;

    struct store *store;
    bool unsupported; // the newest module was refused as not supported yet
    struct instance *newest;
    struct code_module *newest_code; // of the newest definition
    struct names named;              // "$name" of the script
    struct names registered;         // what imports name
};

struct action {
    bool invoke;
    struct string module, field;
    const u8 *args; // arg_count times a struct script_value
    u32 arg_count;
};

// A type, and the module that it is of.
struct typed {
    const struct module *module;
    valtype_t type;
};

// What an action gave; freed with results_free().
struct results {
    union value *values;
    const struct module *module;
    const valtype_t *types; // of the values, in the module
    u32 count, room;
};

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

// A command that cannot be judged because of a module that is not supported.
static void
skipped(struct script *s)
{
    s->result.skipped++;
}

static bool
is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9');
}

// " 2", " ff" or ": more": which one, or why, after a message of the suite's.
static bool
is_detail(const char *text, u32 len)
{
    u32 digits = 1;

    if (text[0] == ':')
        return true;
    while (digits < len && ((text[digits] >= '0' && text[digits] <= '9') ||
                            (text[digits] >= 'a' && text[digits] <= 'f')))
        digits++;
    return text[0] == ' ' && digits > 1 && digits == len;
}

// As in the official interpreter the expected message is a prefix of ours, of
// whole words.  Where it says which one, or why, ours need not.
static bool
message_matches(struct string want, const char *got)
{
    struct string have = string_of(got);
    u32 len = MIN(have.len, want.len);

    if (len == 0 || memcmp(have.ptr, want.ptr, len) != 0)
        return false;
    if (have.len > len)
        return !is_word(have.ptr[len]) || !is_word(have.ptr[len - 1]);
    return want.len == len || is_detail(want.ptr + len, want.len - len);
}

// --- values -----------------------------------------------------------------

static u64
lane_get(const u8 *bits, u32 lane, u32 size)
{
    u64 value = 0;

    memcpy(&value, bits + lane * size, size);
    return value;
}

// Floats as integers: the kernel has no float registers of its own.
static bool
is_nan(u64 bits, u32 size, u8 pattern)
{
    u32 fraction = size == 4 ? 23 : 52;
    u64 sign = 1ull << (size * 8 - 1);
    u64 quiet = 1ull << (fraction - 1);
    u64 exponent = (sign - 1) & ~((1ull << fraction) - 1);

    if (pattern == SCRIPT_CANONICAL)
        return (bits & ~sign) == (exponent | quiet);
    return (bits & exponent) == exponent && (bits & quiet) != 0;
}

static bool
bits_match(const struct script_value *want, const u8 *got, u32 size)
{
    for (u32 lane = 0; lane < size / want->lane; lane++) {
        u64 bits = lane_get(got, lane, want->lane);
        bool same = want->nan[lane] != SCRIPT_EXACT ?
                        is_nan(bits, want->lane, want->nan[lane]) :
                        bits == lane_get(want->bits, lane, want->lane);
        if (!same)
            return false;
    }
    return true;
}

// A reference that the host made of a number: never 0.
static u64
host_ref(const struct script_value *v)
{
    return lane_get(v->bits, 0, 8) + 1;
}

// Can a value that a script writes be of the type that a module declares?
// Numbers are of that type; references are of its hierarchy.
static bool
type_matches(const struct script_value *v, const struct typed *t)
{
    bool is_ref = (v->type & REF_BIT) != 0;

    if (!is_ref || !valtype_is_ref(t->type))
        return v->type == t->type;
    return valtype_heap(v->type) == HEAP_BOT ||
           valtype_ref_kind(t->module, v->type) ==
               valtype_ref_kind(t->module, t->type);
}

// A host's reference is above all but the tops of its hierarchies.
static bool
is_argument(const struct script_value *v, const struct typed *t)
{
    u32 heap = valtype_heap(t->type);

    if (!type_matches(v, t))
        return false;
    if (v->kind == SCRIPT_HOST_REF)
        return heap == HEAP_EXTERN || heap == HEAP_ANY;
    return v->kind != SCRIPT_NULL_REF || valtype_is_nullable(t->type);
}

static bool
value_matches(const struct script_value *want, const struct typed *t,
              const union value *got)
{
    if (!type_matches(want, t))
        return false;
    switch (want->kind) {
    case SCRIPT_HOST_REF:
        return got->i64 == host_ref(want);
    case SCRIPT_NULL_REF:
        return got->i64 == 0;
    case SCRIPT_ANY_REF:
        return got->i64 != 0;
    case SCRIPT_NUMBER:
        return bits_match(want, got->v128,
                          want->type == VAL_V128 ? 16 : want->lane);
    default:
        return true;
    }
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
        match |= value_matches(&want, t, got);
    }
    return match;
}

static union value
value_of(const struct script_value *v)
{
    union value value = {
        .bits = {0, 0}
    };

    if (v->kind == SCRIPT_HOST_REF)
        value.i64 = host_ref(v);
    else if (v->kind != SCRIPT_NULL_REF)
        memcpy(value.v128, v->bits, 16);
    return value;
}

// --- instances --------------------------------------------------------------

static struct named *
find(const struct names *names, struct string name)
{
    for (u32 i = names->count; i-- > 0;)
        if (string_equal(names->list[i].name, name))
            return &names->list[i];
    return NULL;
}

static void
add(struct names *names, struct named item)
{
    if (names->count == names->room) {
        u32 room = MAX(2 * names->room, 16);
        struct named *list = kernel_alloc(room * sizeof(*list));
        if (list == NULL)
            panic(__FILE__, __LINE__, "no memory for names of a script");
        if (names->count > 0)
            memcpy(list, names->list, names->count * sizeof(*list));
        kernel_free(names->list);
        names->list = list;
        names->room = room;
    }
    names->list[names->count++] = item;
}

// The instance a script calls by name, or its newest.
static struct instance *
instance_of(struct script *s, struct string name)
{
    if (name.len == 0)
        return s->newest;
    struct named *n = find(&s->named, name);
    return n ? n->instance : NULL;
}

// What imports name is found among the registered instances.
static bool
resolve(void *self, struct string module, struct string name,
        struct extern_ref *out)
{
    struct script *s = self;
    struct named *n = find(&s->registered, module);

    return n != NULL && instance_export(n->instance, name, out);
}

// What became of a module.
struct outcome {
    status_t status;
    const char *what; // in the suite's words, when the status is not OK
};

static struct outcome
instantiate(struct script *s, struct code_module *code, struct instance **out)
{
    struct resolver resolver = {.self = s, .find = resolve};
    struct error error = {0};
    enum trap trap = TRAP_NONE;

    status_t status =
        instance_new(out, s->store, code, &resolver, &error, &trap);
    return (struct outcome){status,
                            status == ERR_TRAP ? trap_text(trap) : error.what};
}

static struct outcome
compile(struct bytes bytes, u32 without, struct code_module **out)
{
    struct error error = {0};
    status_t status = code_module_new_without(out, bytes, without, &error);

    return (struct outcome){status, error.what};
}

static bool
needs_spectest(struct script *s, const struct module *m)
{
    bool named = false;

    for (u32 i = 0; i < m->import_count && !named; i++)
        named = string_equal(m->imports[i].module, STRING("spectest"));
    return named && find(&s->registered, STRING("spectest")) == NULL;
}

static void
add_spectest(struct script *s)
{
    struct bytes bytes = {(u8 *)(u64)spectest, sizeof(spectest)};
    struct code_module *code;
    struct instance *instance;

    if (compile(bytes, 0, &code).status != OK)
        panic(__FILE__, __LINE__, "spectest does not compile");
    if (instantiate(s, code, &instance).status != OK)
        panic(__FILE__, __LINE__, "spectest does not link");
    code_module_release(code);
    add(&s->registered, (struct named){STRING("spectest"), instance, NULL});
}

// Instantiate, after what it imports.
static struct outcome
load(struct script *s, struct code_module *code, struct instance **out)
{
    if (needs_spectest(s, code_module_info(code)))
        add_spectest(s);
    return instantiate(s, code, out);
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
        add(&s->named, (struct named){name, instance, code});
}

static void
run_module(struct script *s, bool definition)
{
    struct string name = take_text(s), file = take_text(s);
    struct bytes bytes = take_blob(s);
    struct instance *instance = NULL;
    struct code_module *code = NULL;

    s->newest = NULL;
    struct outcome o = compile(bytes, s->without, &code);
    if (o.status == OK && !definition)
        o = load(s, code, &instance);
    s->unsupported = o.status == ERR_UNSUPPORTED;
    if (s->unsupported)
        skipped(s);
    else if (o.status != OK)
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
    struct named *n = find(&s->named, definition);
    struct code_module *code = definition.len == 0 ? s->newest_code :
                               n != NULL           ? n->code :
                                                     NULL;
    struct instance *instance = NULL;

    if (code == NULL && s->unsupported) {
        skipped(s);
        return;
    }
    if (code == NULL) {
        failed(s, "no definition %.*s", (i32)definition.len, definition.ptr);
        return;
    }
    struct outcome o = load(s, code, &instance);
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
    struct instance *instance = instance_of(s, name);

    if (instance == NULL && s->unsupported) {
        skipped(s);
        return;
    }
    if (instance == NULL) {
        failed(s, "register: no instance %.*s", (i32)name.len, name.ptr);
        return;
    }
    add(&s->registered, (struct named){as, instance, NULL});
    passed(s);
}

static const struct type *
func_type(const struct module *m, u32 func)
{
    return &m->types[m->funcs[func].type];
}

// Room for the arguments and for what comes back.
static bool
results_new(struct results *r, const struct action *a,
            const struct extern_ref *ref)
{
    const struct module *m = instance_info(ref->instance);
    u32 count = MAX(a->arg_count, 1);

    if (ref->kind == EXTERN_FUNC)
        count = MAX(count, func_type(m, ref->index)->result_count);
    r->values = kernel_alloc(count * sizeof(*r->values));
    r->module = m;
    r->room = count;
    return r->values != NULL;
}

static void
results_free(struct results *r)
{
    kernel_free(r->values);
}

static struct outcome
invoke(const struct action *a, const struct extern_ref *ref, struct results *r)
{
    const struct type *type = func_type(r->module, ref->index);
    enum trap trap = TRAP_NONE;

    if (a->arg_count != type->param_count)
        return (struct outcome){ERR_BAD_ARGUMENT, "wrong number of arguments"};
    r->types = type->vals + type->param_count;
    for (u32 i = 0; i < a->arg_count; i++) {
        struct script_value arg;
        struct typed param = {r->module, type->vals[i]};
        memcpy(&arg, a->args + i * sizeof(arg), sizeof(arg));
        if (!is_argument(&arg, &param))
            return (struct outcome){ERR_BAD_ARGUMENT, "argument of wrong type"};
        r->values[i] = value_of(&arg);
    }
    status_t status = instance_invoke(ref, r->values, a->arg_count, r->room,
                                      &r->count, &trap);
    return (struct outcome){status, status == ERR_TRAP ? trap_text(trap) :
                                                         status_text(status)};
}

// Do the action; what it gave is in *r.
static struct outcome
act(struct script *s, const struct action *a, struct results *r)
{
    struct instance *instance = instance_of(s, a->module);
    struct extern_ref ref;

    *r = (struct results){0};
    if (instance == NULL && s->unsupported)
        return (struct outcome){ERR_UNSUPPORTED, "not supported yet"};
    if (instance == NULL)
        return (struct outcome){ERR_NOT_FOUND, "no such instance"};
    if (!instance_export(instance, a->field, &ref))
        return (struct outcome){ERR_NOT_FOUND, "no such export"};
    if (!results_new(r, a, &ref))
        return (struct outcome){ERR_NO_MEMORY, status_text(ERR_NO_MEMORY)};
    if (ref.kind != (a->invoke ? EXTERN_FUNC : EXTERN_GLOBAL))
        return (struct outcome){ERR_WRONG_TYPE,
                                a->invoke ? "not a function" : "not a global"};
    if (a->invoke)
        return invoke(a, &ref, r);
    r->values[0] = instance_global(ref.instance, ref.index);
    r->types = &r->module->globals[ref.index].type.type;
    r->count = 1;
    return (struct outcome){OK, NULL};
}

static void
run_action(struct script *s)
{
    struct action a = take_action(s);
    struct results r;

    struct outcome o = act(s, &a, &r);
    if (o.status == ERR_UNSUPPORTED)
        skipped(s);
    else if (o.status != OK)
        failed(s, "%.*s: %s", (i32)a.field.len, a.field.ptr, o.what);
    else
        passed(s);
    results_free(&r);
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

    struct outcome o = act(s, &a, &r);
    u32 want = take_u32(s), bad = compare(s, &r, want);
    if (o.status == ERR_UNSUPPORTED)
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
    results_free(&r);
}

static void
run_trap(struct script *s, bool exception)
{
    struct action a = take_action(s);
    struct string want = exception ?
                             string_of(trap_text(TRAP_UNCAUGHT_EXCEPTION)) :
                             take_text(s);
    struct results r;

    struct outcome o = act(s, &a, &r);
    if (o.status == ERR_UNSUPPORTED)
        skipped(s);
    else if (o.status != ERR_TRAP || !message_matches(want, o.what))
        failed(s, "%.*s: expected \"%.*s\", got \"%s\"", (i32)a.field.len,
               a.field.ptr, (i32)want.len, want.ptr,
               o.status == OK ? "no trap" : o.what);
    else
        passed(s);
    results_free(&r);
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

// A module that must be refused, with this status and this message.
static void
run_refused(struct script *s, u8 command)
{
    struct string want = take_text(s), file = take_text(s);
    struct bytes bytes = take_blob(s);
    struct instance *instance = NULL;
    struct code_module *code = NULL;
    bool at_link =
        command == SCRIPT_UNLINKABLE || command == SCRIPT_UNINSTANTIABLE;

    struct outcome o = compile(bytes, s->without, &code);
    if (o.status == OK && at_link)
        o = load(s, code, &instance);
    if (o.status == ERR_UNSUPPORTED)
        skipped(s);
    else if (o.status == OK)
        failed(s, "%.*s: expected \"%.*s\", but it was accepted", (i32)file.len,
               file.ptr, (i32)want.len, want.ptr);
    else if (!message_matches(want, o.what) || !is_refusal(command, o.status))
        failed(s, "%.*s: expected \"%.*s\", got \"%s\" (%s)", (i32)file.len,
               file.ptr, (i32)want.len, want.ptr, o.what,
               status_text(o.status));
    else
        passed(s);
    if (code != NULL)
        code_module_release(code);
}

// What is about a module in the text format tests a text parser, not us.
static void
run_text(struct script *s, bool is_module)
{
    skipped(s);
    s->result.text++;
    if (!is_module)
        return;
    struct string name = take_text(s);
    s->newest = NULL;
    s->newest_code = NULL;
    s->unsupported = true;
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
    sum->text += r.text;
}

bool
script_good(struct script_result r)
{
    return r.failed == 0 && r.passed + r.skipped > 0;
}

const char *
script_reason(struct script_result r)
{
    if (r.skipped == 0)
        return "";
    if (r.text == 0)
        return " (not supported yet)";
    return r.text == r.skipped ?
               " (modules in the text format)" :
               " (modules in the text format; not supported yet)";
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
    if (store_new(&s->store, NULL, NULL) != OK)
        panic(__FILE__, __LINE__, "no memory for a store");
    s->without = take_u8(s);
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
