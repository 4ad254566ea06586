// wasi/invoke.c: a function that is called instead of a program's entry, as an
// initrd says it (wasi.h), and what it returned, on standard output: a line for
// each result.

#include "wasi/wasi.h"

enum { LINE_SIZE = 64 };

// The function's name ends in a zero byte; then come its arguments.
static status_t
read_call(struct bytes contents, struct string *name, struct bytes *args)
{
    const u8 *end = contents.ptr;
    u64 left = contents.size;

    while (left > 0 && *end != 0) {
        end++;
        left--;
    }
    if (left == 0)
        return ERR_BAD_ARGUMENT;
    *name =
        (struct string){(const char *)contents.ptr, (u32)(end - contents.ptr)};
    *args = (struct bytes){(u8 *)(u64)(end + 1), left - 1};
    return OK;
}

status_t
invoke_start(struct process *p, struct bytes contents,
             struct process_call **out)
{
    struct string name;
    struct bytes args;
    status_t status = read_call(contents, &name, &args);

    return status == OK ? process_start_call(p, name, args, out) : status;
}

// Integers are signed, vectors hexadecimal with lane 0 last.
static void
format_value(char *to, valtype_t type, const u64 *slot)
{
    switch (type) {
    case VAL_I32:
        format(to, LINE_SIZE, "%d", (i32)(u32)slot[0]);
        return;
    case VAL_I64:
        format(to, LINE_SIZE, "%lld", (long long)slot[0]);
        return;
    case VAL_F32:
    case VAL_F64:
        format_float(to, slot[0], type == VAL_F64);
        return;
    }
    format(to, LINE_SIZE, "0x%016llx%016llx", (unsigned long long)slot[1],
           (unsigned long long)slot[0]);
}

// All of it, or what is wrong.
static status_t
print_line(const char *line, u64 size, u64 deadline_ns)
{
    status_t status = OK;
    u64 count;

    for (u64 at = 0; status == OK && at < size; at += count)
        status = console_write(PORT_STDOUT, line + at, size - at, deadline_ns,
                               &count);
    return status;
}

status_t
invoke_print(const struct process_call *call, u64 deadline_ns)
{
    char line[LINE_SIZE + 1];
    status_t status = OK;

    for (u32 k = 0; k < call->result_count && call->returned && status == OK;
         k++) {
        format_value(line, call->types[k], call->slots[k]);
        u32 len = string_of(line).len;
        line[len] = '\n';
        status = print_line(line, len + 1, deadline_ns);
    }
    return status;
}
