// ir/scan.c: which locals a loop assigns.
//
// The parameters of a loop have to be known before its body is.  When the
// build comes to a loop that is in no other, its bytes are read once ahead, and
// the sets of all loops inside are made: so every byte is read ahead at most
// once.  The set of a loop is complete at its end, where it is added to that of
// the loop around it; the sum of their sizes is the number of parameters,
// which the budget bounds.
//
// The bytes are not validated yet.  What is malformed ends the scan; the
// validator will come to the same place.

#include "ir/build.h"

struct scanner {
    struct builder *b;
    u32 open_count;  // in b->scan_open
    u32 entry_count; // in b->scan_entries
    u32 depth;       // of blocks around the instruction
};

static void
add_local(struct scanner *s, u32 local)
{
    struct builder *b = s->b;
    u32 mark = b->scan_open[s->open_count - 1].number + 1;
    struct local *l = &b->locals[local];

    if (l->mark == mark ||
        !ir_room(b, &b->scan_entries, &b->scan_entry_capacity, s->entry_count,
                 1, sizeof(struct scan_entry)))
        return;
    b->scan_entries[s->entry_count++] = (struct scan_entry){local, l->mark};
    l->mark = mark;
}

static void
open_loop(struct scanner *s)
{
    struct builder *b = s->b;

    if (!ir_room(b, &b->scans, &b->scan_capacity, b->scan_count, 1,
                 sizeof(struct scan)) ||
        !ir_room(b, &b->scan_open, &b->scan_open_capacity, s->open_count, 1,
                 sizeof(struct scan_open)))
        return;
    b->scan_open[s->open_count++] =
        (struct scan_open){s->depth, s->entry_count, b->scan_count};
    b->scans[b->scan_count++] = (struct scan){0, 0, false};
}

// Handlers read all locals from their slots, see except.c.
static void
add_try(struct scanner *s)
{
    struct builder *b = s->b;
    struct scan *scan = &b->scans[b->scan_open[s->open_count - 1].number];

    for (u32 i = 0; i < b->local_count && !scan->has_try; i++)
        add_local(s, i);
    scan->has_try = true;
}

static void
close_loop(struct scanner *s)
{
    struct builder *b = s->b;
    struct scan_open o = b->scan_open[--s->open_count];
    u32 count = s->entry_count - o.entries;
    struct scan *scan = &b->scans[o.number];

    ir_spend(b, count);
    if (!ir_room(b, &b->sets, &b->set_capacity, b->set_count, count,
                 sizeof(u32)))
        return;
    scan->sets = b->set_count;
    scan->count = count;
    for (u32 i = 0; i < count; i++)
        b->sets[b->set_count++] = b->scan_entries[o.entries + i].local;

    while (s->entry_count > o.entries) {
        const struct scan_entry *e = &b->scan_entries[--s->entry_count];
        b->locals[e->local].mark = e->mark;
    }
    for (u32 i = 0; i < count && s->open_count > 0; i++)
        add_local(s, b->sets[scan->sets + i]);
    if (scan->has_try && s->open_count > 0)
        b->scans[b->scan_open[s->open_count - 1].number].has_try = true;
}

// One instruction; false at the end of the outermost loop.
static bool
scan_op(struct scanner *s, const struct op *op)
{
    switch (op->code) {
    case WASM_LOOP:
        s->depth++;
        open_loop(s);
        break;
    case WASM_TRY:
    case WASM_TRY_TABLE:
        add_try(s);
        s->depth++;
        break;
    case WASM_BLOCK:
    case WASM_IF:
        s->depth++;
        break;
    case WASM_END:
    case WASM_DELEGATE:
        if (s->b->scan_open[s->open_count - 1].depth == s->depth)
            close_loop(s);
        s->depth--;
        break;
    case WASM_LOCAL_SET:
    case WASM_LOCAL_TEE:
        if (op->index < s->b->v.local_count)
            add_local(s, ir_local_find(s->b, op->index));
        break;
    default:
        break;
    }
    return s->open_count > 0 && s->b->status == OK;
}

static void
scan_outermost(struct builder *b, u64 at)
{
    struct error error = {OK, 0, NULL};
    u64 end = b->v.r.end;
    struct reader r = reader_range(b->v.r.bytes, end, at, end, &error);
    struct scanner s = {.b = b};
    struct op op;

    b->set_count = b->scan_count = b->scan_next = 0;
    open_loop(&s);
    do
        op_read(&r, &op);
    while (error.status == OK && b->status == OK && scan_op(&s, &op));
    b->scan_end = r.at;

    while (s.entry_count > 0) { // only after a failure
        const struct scan_entry *e = &b->scan_entries[--s.entry_count];
        b->locals[e->local].mark = e->mark;
    }
}

struct scan
ir_scan_loop(struct builder *b, u64 at)
{
    if (at > b->scan_end) {
        if (b->block == NO_BLOCK)
            return (struct scan){0, 0, false};
        scan_outermost(b, at);
    }
    if (b->scan_next >= b->scan_count)
        return (struct scan){0, 0, false};
    return b->scans[b->scan_next++];
}

bool
ir_scan_body(struct builder *b)
{
    struct error error = {OK, 0, NULL};
    u64 end = b->v.r.end;
    struct reader r = reader_range(b->v.r.bytes, end, b->v.r.at, end, &error);
    bool has_try = false;
    struct op op;

    while (r.at < r.end && b->status == OK) {
        op_read(&r, &op);
        if (error.status != OK)
            break;
        if (op_info(op.code)->imm == IMM_LOCAL && op.index < b->v.local_count)
            (void)ir_local_find(b, op.index);
        has_try |= op.code == WASM_TRY || op.code == WASM_TRY_TABLE;
    }
    return has_try;
}
