// sys/trace.c: one call, told as a line.  What goes in is looked at before the
// call and what comes out after it; the line is written when the call is over,
// in the order of its arguments:
//
//     [hello.wasm 3.1] wasi.fd_write(fd=1, iovs=["hello\n"], out=[6]) = SUCCESS

#include "sys/trace.h"

#include "sys/internal.h"

enum {
    LINE = 1400, // bytes
    SHOWN = 32,  // of bytes, as strace has it
    STRUCTS = 4, // of an array
    VECTORS = 4, // of an array of them
    BITS = 4,    // of a set, by name
    STRUCT_SIZE = 64,
    WORDS_MAX = 2 * TRACE_FIELDS,
};

struct call {
    const struct trace_module *module;
    const struct trace_row *row;
    u64 words[WORDS_MAX];
    u8 first[TRACE_FIELDS]; // word of each argument
    bool failed;
    char text[LINE];
    u32 len;
};

static PRINTF(2, 3) void put(struct call *c, const char *text, ...)
{
    va_list list;

    va_start(list, text);
    u32 len =
        format_list(c->text + c->len, sizeof(c->text) - c->len, text, list);
    va_end(list);
    c->len = MIN(c->len + len, (u32)sizeof(c->text) - 1);
}

// --- numbers -----------------------------------------------------------------

static const char *
name_of(const struct call *c, const char *set, u64 number)
{
    for (u32 i = 0; i < c->module->name_count; i++) {
        const struct trace_name *n = &c->module->names[i];
        if (n->number == number && n->old <= c->module->old &&
            string_equal(string_of(n->set), string_of(set)))
            return n->name;
    }
    return NULL;
}

static void
put_hex(struct call *c, u64 number)
{
    put(c, number == 0 ? "0" : "0x%llx", (unsigned long long)number);
}

static void
put_bits(struct call *c, const char *set, u64 bits)
{
    u32 shown = 0;

    for (u64 rest = bits; rest != 0 && shown < BITS; rest &= rest - 1) {
        const char *name = name_of(c, set, rest & -rest);
        if (name == NULL)
            continue;
        put(c, "%s%s", shown++ > 0 ? "|" : "", name);
        bits &= ~(rest & -rest);
    }
    if (shown > 0 && bits != 0)
        put(c, "|");
    if (shown == 0 || bits != 0)
        put_hex(c, bits);
}

static void
put_number(struct call *c, u32 form, const char *set, u64 number)
{
    const char *name = form == FORM_CHOICE ? name_of(c, set, number) : NULL;

    if (form == FORM_BITS)
        put_bits(c, set, number);
    else if (form == FORM_HEX)
        put_hex(c, number);
    else if (name != NULL)
        put(c, "%s", name);
    else if (number == UINT64_MAX)
        put(c, "-1"); // that is: for ever
    else if (form == FORM_SIGNED)
        put(c, "%lld", (long long)number);
    else
        put(c, "%llu", (unsigned long long)number);
}

// --- what is in memory -------------------------------------------------------

static void
put_address(struct call *c, u64 address)
{
    put(c, "0x%llx", (unsigned long long)address);
}

static void
put_byte(struct call *c, u8 byte)
{
    if (byte == '\n' || byte == '\r' || byte == '\t')
        put(c, "\\%c", byte == '\n' ? 'n' : byte == '\r' ? 'r' : 't');
    else if (byte == '"' || byte == '\\')
        put(c, "\\%c", byte);
    else if (byte >= ' ' && byte < 0x7f)
        put(c, "%c", byte);
    else
        put(c, "\\x%02x", byte);
}

static void
put_bytes(struct call *c, u64 address, u64 size)
{
    u8 copy[SHOWN];
    u64 shown = MIN(size, sizeof(copy));

    if (!user_read(copy, address, shown)) {
        put_address(c, address);
        return;
    }
    put(c, "\"");
    for (u64 i = 0; i < shown; i++)
        put_byte(c, copy[i]);
    put(c, shown < size ? "\"..." : "\"");
}

static const struct trace_layout *
layout_of(const struct call *c, const char *name)
{
    for (u32 i = 0; i < c->module->layout_count; i++) {
        const struct trace_layout *layout = &c->module->layouts[i];
        if (layout->old <= c->module->old &&
            string_equal(string_of(layout->name), string_of(name)))
            return layout;
    }
    panic(__FILE__, __LINE__, name);
}

static void
put_struct(struct call *c, const struct trace_layout *layout, u64 address)
{
    u8 copy[STRUCT_SIZE];

    assert(layout->size <= sizeof(copy));
    if (!user_read(copy, address, layout->size)) {
        put_address(c, address);
        return;
    }
    put(c, "{");
    u32 at = 0, shown = 0;
    for (const struct trace_field *f = layout->fields; f->size > 0; f++) {
        u64 number = 0;
        assert(at + f->size <= layout->size && f->size <= sizeof(number));
        memcpy(&number, copy + at, f->size);
        at += f->size;
        if (f->form == FORM_SKIP)
            continue;
        put(c, "%s%s=", shown++ > 0 ? ", " : "", f->name);
        put_number(c, f->form, f->set, number);
    }
    put(c, "}");
}

static void
put_structs(struct call *c, const struct trace_arg *arg, u64 address, u64 count)
{
    const struct trace_layout *layout = layout_of(c, arg->layout);

    put(c, "[");
    for (u64 i = 0; i < MIN(count, (u64)STRUCTS); i++) {
        put(c, i > 0 ? ", " : "");
        put_struct(c, layout, address + i * layout->size);
    }
    put(c, count > STRUCTS ? ", ...]" : "]");
}

// The bytes of several places, `limit` of them in all.
static void
put_vectors(struct call *c, u64 address, u64 count, u64 limit)
{
    put(c, "[");
    for (u64 i = 0; i < MIN(count, (u64)VECTORS); i++) {
        u32 vector[2];
        put(c, i > 0 ? ", " : "");
        if (!user_read(vector, address + i * sizeof(vector), sizeof(vector))) {
            put_address(c, address + i * sizeof(vector));
            break;
        }
        u64 size = MIN((u64)vector[1], limit);
        put_bytes(c, vector[0], size);
        limit -= size;
    }
    put(c, count > VECTORS ? ", ...]" : "]");
}

// --- arguments ---------------------------------------------------------------

static void
put_out(struct call *c, const struct trace_arg *arg, u64 address)
{
    u64 number = 0;

    assert(arg->size <= sizeof(number));
    if (c->failed || !user_read(&number, address, arg->size)) {
        put_address(c, address);
        return;
    }
    put(c, "[");
    put_number(c, arg->form, arg->set, number);
    put(c, "]");
}

// How many structs or bytes there are: as many as another argument says, where
// one does, but of what came out no more than there was room for.
static u64
count_of(const struct call *c, u32 index)
{
    const struct trace_arg *arg = &c->row->args[index], *other = c->row->args;
    bool bounded = arg->words > 1 && arg->kind != TRACE_VECTORS;
    u64 have = bounded ? c->words[c->first[index] + 1] : UINT64_MAX;
    u64 number = 0;

    if (arg->count == NULL ||
        string_equal(string_of(arg->count), STRING("all")))
        return have;
    while (other->kind != TRACE_NONE &&
           !string_equal(string_of(other->name), string_of(arg->count)))
        other++;
    assert(other->kind == TRACE_NUMBER);
    number = c->words[c->first[other - c->row->args]];
    if (other->out) {
        u64 address = number;
        number = 0;
        if (!user_read(&number, address, other->size))
            return 0;
    }
    return MIN(number, have);
}

static void
put_arg(struct call *c, u32 index)
{
    const struct trace_arg *arg = &c->row->args[index];
    u64 word = c->words[c->first[index]];

    put(c, "%s%s=", index > 0 ? ", " : "", arg->name);
    if (arg->kind == TRACE_NUMBER && arg->out)
        put_out(c, arg, word);
    else if (arg->kind == TRACE_NUMBER)
        put_number(c, arg->form, arg->set, arg->size == 4 ? (u32)word : word);
    else if (arg->out && c->failed)
        put_address(c, word);
    else if (arg->kind == TRACE_BYTES)
        put_bytes(c, word, count_of(c, index));
    else if (arg->kind == TRACE_STRUCTS && arg->words == 1 &&
             arg->count == NULL)
        put_struct(c, layout_of(c, arg->layout), word);
    else if (arg->kind == TRACE_STRUCTS)
        put_structs(c, arg, word, count_of(c, index));
    else
        put_vectors(c, word, c->words[c->first[index] + 1], count_of(c, index));
}

// Where each argument is; false: they are in memory that is not the program's.
static bool
find_words(struct call *c, const u64 words[TRACE_WORDS])
{
    u8 copy[WORDS_MAX * sizeof(u64)];
    u32 count = 0, end = 0;
    u8 sizes[WORDS_MAX];

    for (u32 k = 0; c->row->args[k].kind != TRACE_NONE; k++) {
        const struct trace_arg *arg = &c->row->args[k];
        bool wide = arg->kind == TRACE_NUMBER && !arg->out && arg->size == 8;
        c->first[k] = (u8)count;
        for (u32 i = 0; i < arg->words; i++)
            sizes[count++] = wide ? sizeof(u64) : sizeof(u32);
    }
    if (!c->row->in_memory) {
        assert(count <= TRACE_WORDS);
        for (u32 k = 0; k < count; k++)
            c->words[k] = sizes[k] == sizeof(u64) ? words[k] : (u32)words[k];
        return true;
    }
    for (u32 k = 0; k < count; k++)
        end = (u32)ALIGN_UP(end, sizes[k]) + sizes[k];
    if (!user_read(copy, (u32)words[0], end))
        return false;
    for (u32 k = 0, at = 0; k < count; k++, at += sizes[k - 1]) {
        at = (u32)ALIGN_UP(at, sizes[k]);
        memcpy(&c->words[k], copy + at, sizes[k]);
    }
    return true;
}

// --- the line ----------------------------------------------------------------

static void
put_result(struct call *c, i64 result, bool returns)
{
    const struct trace_module *m = c->module;

    if (!returns || thread_is_killed() ||
        thread_entry(thread_current())->leave != LEAVE_NONE) {
        put(c, "?");
        return;
    }
    for (u32 i = 0; i < m->result_count; i++) {
        if (m->results[i].number != result)
            continue;
        put(c, "%s", m->results[i].name);
        if (result != 0)
            put(c, " (%s)", m->results[i].text);
        return;
    }
    put(c, "%lld", (long long)result);
}

// Nothing came out of memory then.
static bool
has_failed(const struct trace_module *m, const struct host_func *f, i64 result)
{
    return m->result_count > 0 &&
           (host_result(f) == 'l' ? result < 0 : result != 0);
}

// To standard error, as it takes it; a thread that may not wait any more leaves
// it to the log.
static void
tell(struct call *c)
{
    u64 count;
    struct process *p = process_current();
    char line[LINE + LIMIT_PROCESS_NAME + 64];

    u32 len = format(line, sizeof(line), "[%s %llu.%u] %s\n", p->name,
                     (unsigned long long)p->member.id, execution_current()->id,
                     c->text);
    assert(len < sizeof(line));
    if (console_write(PORT_STDERR, line, len, UINT64_MAX, &count) == ERR_KILLED)
        klog("%.*s", (int)len - 1, line);
}

// The arguments that go in, each as text in c->text from starts[k] on.
static void
look_before(struct call *c, u32 starts[TRACE_FIELDS + 1])
{
    u32 k = 0;

    for (; c->row->args[k].kind != TRACE_NONE; k++) {
        starts[k] = c->len;
        if (!c->row->args[k].out)
            put_arg(c, k);
    }
    starts[k] = c->len;
}

u64
trace_call(const struct trace_module *m, u32 index,
           const u64 words[TRACE_WORDS])
{
    const struct host_func *func = &m->host->funcs[index];
    u64 (*code)(u64, u64, u64, u64, u64, u64, u64, u64, u64) = func->code;
    u32 starts[TRACE_FIELDS + 1], k = 0;
    struct call before = {.module = m, .row = &m->rows[index]}, line = before;

    bool found = find_words(&before, words);
    if (found)
        look_before(&before, starts);
    history_call(m->host->traced_as, func->name);
    u64 raw = code(words[0], words[1], words[2], words[3], words[4], words[5],
                   words[6], words[7], words[8]);
    i64 result = host_result(func) == 'l' ? (i64)raw : (i32)raw;
    memcpy(line.words, before.words, sizeof(line.words));
    memcpy(line.first, before.first, sizeof(line.first));
    line.failed = has_failed(m, func, result);
    put(&line, "%s.%s(", m->host->traced_as, func->name);
    if (!found)
        put_address(&line, words[0]);
    for (; found && m->rows[index].args[k].kind != TRACE_NONE; k++) {
        if (m->rows[index].args[k].out)
            put_arg(&line, k);
        else
            put(&line, "%.*s", (int)(starts[k + 1] - starts[k]),
                before.text + starts[k]);
    }
    put(&line, ") = ");
    put_result(&line, result, host_result(func) != '\0');
    tell(&line);
    return raw;
}
