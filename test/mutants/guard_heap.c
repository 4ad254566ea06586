// test/mutants/guard_heap.c: the heap of the guarded process, as far as code
// needs one: rows of types, objects that it is given, and new ones until there
// is no more room.

#include "test/mutants/inside.h"

#include <string.h>
#include <sys/mman.h>

enum {
    ROWS_SIZE = 4096 + (HEAP_TYPES_MOST + 1) * HEAP_ROW_SIZE,
    OBJECTS_SIZE = 16 * 1024,
    LENGTH = 3, // of arrays that are there at first
};

static u32
row_of(const struct guard *g, u32 type)
{
    return HEAP_ROWS + (g->m->types[type].canonical + 1) * HEAP_ROW_SIZE;
}

// Where a reference leads to, of what is mapped from HEAP_OBJECTS on.
static u32 *
words_at(struct guard *g, u32 ref)
{
    return (u32 *)(g->parts[OBJECTS].ours + (ref - HEAP_OBJECTS));
}

// 0: there is no room, or no such type.
static u32
new_object(struct guard *g, u32 type, u32 length)
{
    const struct type *t = &g->m->types[MIN(type, g->m->type_count - 1)];
    bool is_array = t->kind == TYPE_ARRAY;
    u64 size = is_array ?
                   REF_TAG_ARRAY + t->fields->at +
                       (u64)length * valtype_field_size(t->fields->type) :
                   t->size;

    if (type >= g->m->type_count || t->kind == TYPE_FUNC ||
        size > OBJECTS_SIZE - g->next)
        return 0;
    u32 ref = HEAP_OBJECTS + g->next + (is_array ? REF_TAG_ARRAY : 0);
    g->next += (u32)ALIGN_UP(size, 8);
    words_at(g, ref)[0] = row_of(g, type);
    if (is_array)
        words_at(g, ref)[1] = length;
    return ref;
}

static void
write_row(struct guard *g, u32 type)
{
    u32 *words =
        (u32 *)(g->parts[ROWS].ours + (row_of(g, type) - HEAP_SCRATCH));

    for (u32 k = type; k != NO_INDEX; k = g->m->types[k].super)
        if (g->m->types[k].depth < HEAP_ROW_WORDS)
            words[g->m->types[k].depth] = row_of(g, k);
}

void
heap_make(struct guard *g, struct vmctx *vm)
{
    const struct module *m = g->m;
    u32 *rows = vmctx_heap_types(&m->layout, vm);

    guard_part(g, ROWS, ALIGN_UP(ROWS_SIZE, PAGE), PROT_READ | PROT_WRITE,
               true);
    guard_part(g, OBJECTS, OBJECTS_SIZE, PROT_READ | PROT_WRITE, true);
    vmctx_heap(&m->layout, vm)->base = (void *)slot_of(ROWS);
    memcpy(g->parts[ROWS].ours + (HEAP_NOTHING - HEAP_SCRATCH),
           &(u32){HEAP_ROWS}, 4);
    for (u32 k = 0; k < m->type_count; k++) {
        if (m->types[k].kind == TYPE_FUNC)
            continue;
        rows[k] = row_of(g, k);
        write_row(g, k);
    }
    for (u32 k = 0; k < m->type_count; k++)
        if (g->next < OBJECTS_SIZE / 2)
            (void)new_object(g, k, LENGTH);
    g->made = g->next;
}

u32
heap_argument(const struct guard *g, u64 number)
{
    u32 objects = HEAP_OBJECTS + (u32)(number % (g->made + 1) & ~7ull);

    switch (number % 5) {
    case 0:
        return 0;
    case 1:
        return (u32)number | REF_TAG_I31;
    case 2:
        return objects;
    }
    return objects + REF_TAG_ARRAY;
}

bool
heap_has(const struct guard *g, u64 address)
{
    return g->m->has_heap && address - slot_of(ROWS) < 8 * GIB;
}

bool
heap_builtin(struct guard *g, u32 builtin, struct user_regs_struct *regs)
{
    u64 ref = 1;

    switch (builtin) {
    case BUILTIN_STRUCT_NEW:
        ref = new_object(g, (u32)regs->rsi, 0);
        break;
    case BUILTIN_ARRAY_NEW:
    case BUILTIN_ARRAY_NEW_FILL:
        ref = new_object(g, (u32)regs->rsi, (u32)regs->rdx);
        break;
    case BUILTIN_ARRAY_NEW_DATA:
    case BUILTIN_ARRAY_NEW_ELEM:
        ref = new_object(g, (u32)regs->rsi, (u32)regs->rcx);
        break;
    }
    regs->rax = ref;
    return ref != 0;
}
