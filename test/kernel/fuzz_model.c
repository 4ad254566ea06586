// test/kernel/fuzz_model.c: what a call may answer and do, by the table of its
// process: the oracle of test/kernel/fuzz.c.

#include "test/kernel/fuzz.h"

// --- tables ------------------------------------------------------------------

bool LOCKS_BY_HAND
fuzz_look(struct handle_table *t, struct fuzz_table *to)
{
    u32 index = 0;

    to->count = 0;
    lock(&t->lock);
    for (; index < t->slots && to->count < FUZZ_ENTRIES; index++) {
        const struct handle_slot *slot =
            &t->chunks[index / HANDLE_CHUNK][index % HANDLE_CHUNK];
        if (slot->object != NULL)
            to->at[to->count++] = (struct fuzz_entry){
                slot->generation << 20 | (index + 1), slot->object,
                slot->object->type, slot->rights};
    }
    bool all = index == t->slots;
    bool right = !all || t->used == to->count;
    unlock(&t->lock);
    EXPECT(right);
    return all;
}

const struct fuzz_entry *
fuzz_find(const struct fuzz_table *t, u64 handle)
{
    for (u32 i = 0; i < t->count; i++)
        if (t->at[i].handle == (handle_t)handle)
            return &t->at[i];
    return NULL;
}

static bool
same(const struct fuzz_entry *a, const struct fuzz_entry *b)
{
    return a->handle == b->handle && a->object == b->object &&
           a->rights == b->rights;
}

// Those of `a` that are not in b, at most `room`; how many there are.
static u32
difference(const struct fuzz_table *a, const struct fuzz_table *b,
           const struct fuzz_entry **out, u32 room)
{
    u32 count = 0, k = 0;

    for (u32 i = 0; i < a->count; i++) {
        while (k < b->count &&
               (b->at[k].handle & 0xfffff) < (a->at[i].handle & 0xfffff))
            k++;
        if (k < b->count && same(&a->at[i], &b->at[k]))
            continue;
        if (count < room)
            out[count] = &a->at[i];
        count++;
    }
    return count;
}

// --- wrong arguments ---------------------------------------------------------

static status_t
refuse_handle(const struct fuzz_table *t, const struct test_arg *arg,
              u64 handle)
{
    const struct fuzz_entry *e = fuzz_find(t, handle);

    if (arg->kind == ARG_OPTION && (handle_t)handle == 0)
        return OK;
    if (e == NULL)
        return ERR_BAD_HANDLE;
    if (arg->type != NULL && e->type != arg->type)
        return ERR_WRONG_TYPE;
    return (e->rights & arg->right) == arg->right ? OK : ERR_ACCESS;
}

static status_t
refuse_address(const struct test_arg *arg, const u64 *words)
{
    u64 at = (u32)words[0], size = arg->size;

    if (test_words_of(arg->kind) == 2)
        size *= (u32)words[1];
    if (at + size > TEST_MEMORY)
        return ERR_BAD_ADDRESS;
    return arg->kind == ARG_WORD && at % 4 != 0 ? ERR_BAD_ARGUMENT : OK;
}

static status_t
refuse_struct(const struct test_call *call, const u64 *words, u64 address)
{
    u8 copy[CALL_STRUCT];
    u32 size = test_call_struct(call, words, copy), align = 4;

    for (u32 i = 0; call->args[i].kind != ARG_NONE; i++)
        if (call->args[i].kind == ARG_U64)
            align = 8;
    if ((u32)address + (u64)size > TEST_MEMORY)
        return ERR_BAD_ADDRESS;
    return address % align != 0 ? ERR_BAD_ARGUMENT : OK;
}

status_t
fuzz_refusal(const struct fuzz_table *t, const struct test_call *call,
             const u64 *words, u64 address)
{
    status_t status = OK;

    if (call->in_memory)
        status = refuse_struct(call, words, address);
    for (u32 i = 0; status == OK && call->args[i].kind != ARG_NONE; i++) {
        const struct test_arg *arg = &call->args[i];
        if (arg->kind == ARG_HANDLE || arg->kind == ARG_OPTION ||
            arg->kind == ARG_ANY)
            status = refuse_handle(t, arg, *words);
        else if (arg->kind >= ARG_BYTES)
            status = refuse_address(arg, words);
        words += test_words_of(arg->kind);
    }
    return status;
}

// --- what a call does to the table -------------------------------------------

enum { ADDS_MAX = LIMIT_MESSAGE_HANDLES };

static u32
index_of(const struct test_call *call)
{
    return (u32)(call - test_calls);
}

// The first of the words of the argument with this name.
static const u64 *
words_of_arg(const struct fuzz_call *c, const char *name)
{
    const u64 *words = c->words;

    for (u32 i = 0; c->call->args[i].kind != ARG_NONE; i++) {
        if (string_equal(string_of(c->call->args[i].name), string_of(name)))
            return words;
        words += test_words_of(c->call->args[i].kind);
    }
    panic(__FILE__, __LINE__, name);
}

void
fuzz_note_moves(struct fuzz_call *c)
{
    const char *name =
        index_of(c->call) == CALL_channel_call ? "request_handles" : "handles";

    c->move_count = 0;
    switch (index_of(c->call)) {
    case CALL_channel_write:
    case CALL_channel_call:
    case CALL_process_spawn: {
        const u64 *words = words_of_arg(c, name);
        u32 count = (u32)words[1];
        if (c->refusal != OK || count == 0 || count > COUNT(c->moves))
            return;
        memcpy(c->moves, test_memory((u32)words[0]), count * sizeof(handle_t));
        c->move_count = count;
        return;
    }
    case CALL_handle_close:
        c->moves[0] = (handle_t)c->words[0];
        c->move_count = 1;
    }
}

static bool
is_moved(const struct fuzz_call *c, handle_t handle)
{
    for (u32 i = 0; i < c->move_count; i++)
        if (c->moves[i] == handle)
            return true;
    return false;
}

// All of them, or none.
static const char *
judge_gone(const struct fuzz_call *c, const struct fuzz_entry **gone, u32 count)
{
    bool written =
        index_of(c->call) == CALL_channel_call &&
        (c->status == ERR_TIMED_OUT || c->status == ERR_KILLED ||
         c->status == ERR_TOO_SMALL || c->status == ERR_FULL ||
         c->status == ERR_PEER_CLOSED || c->status == ERR_BAD_HANDLE ||
         c->status == ERR_LIMIT || c->status == ERR_NO_MEMORY);

    for (u32 i = 0; i < MIN(count, ADDS_MAX); i++)
        if (!is_moved(c, gone[i]->handle))
            return "a handle is gone that was not to move";
    if (count != 0 && count != c->move_count)
        return "some handles have moved, others have not";
    if (c->status == OK && count != c->move_count)
        return "handles have not moved";
    if (c->status != OK && count != 0 && !written)
        return "handles have moved in spite of an error";
    return NULL;
}

// Handles that nobody had: *most of them, of *type, or NULL: of any.
static void
expect_new(const struct fuzz_call *c, u32 *least, u32 *most,
           const struct object_type **type)
{
    *least = *most = 0;
    *type = NULL;
    if (c->status != OK)
        return;
    if (index_of(c->call) == CALL_channel_read ||
        index_of(c->call) == CALL_channel_call)
        *most = ADDS_MAX;
    for (u32 i = 0; c->call->args[i].kind != ARG_NONE; i++)
        if (c->call->args[i].makes) {
            *least = ++*most;
            *type = c->call->args[i].type;
        }
}

static const char *
judge_new(const struct fuzz_call *c, const struct fuzz_entry **fresh, u32 count)
{
    const struct object_type *type;
    u32 least, most;

    expect_new(c, &least, &most, &type);
    if (count < least)
        return "a handle is missing";
    if (count > most)
        return "there is a handle too many";
    for (u32 i = 0; i < count && type != NULL; i++)
        if (fresh[i]->type != type || fresh[i]->rights != type->rights)
            return "a first handle of a wrong type, or with wrong rights";
    if (index_of(c->call) == CALL_handle_duplicate && count == 1 &&
        fresh[0]->rights != (u32)c->words[1])
        return "a duplicate with other rights";
    return NULL;
}

// Calls whose answer is known.
static status_t
predict(const struct fuzz_call *c, const struct fuzz_table *before)
{
    const struct fuzz_entry *e = fuzz_find(before, c->words[0]);
    u32 rights = (u32)c->words[1] | RIGHT_DUPLICATE;

    if (c->refusal != OK)
        return c->refusal;
    if (index_of(c->call) == CALL_handle_close)
        return e != NULL ? OK : ERR_BAD_HANDLE;
    if (index_of(c->call) == CALL_handle_duplicate)
        return e == NULL                      ? ERR_BAD_HANDLE :
               (e->rights & rights) != rights ? ERR_ACCESS :
                                                c->status;
    return c->status;
}

const char *
fuzz_judge(const struct fuzz_call *c, const struct fuzz_table *before,
           const struct fuzz_table *after)
{
    const struct fuzz_entry *gone[ADDS_MAX], *fresh[ADDS_MAX];
    u32 gone_count = difference(before, after, gone, ADDS_MAX);
    u32 fresh_count = difference(after, before, fresh, ADDS_MAX);

    if (predict(c, before) != c->status)
        return "another answer than the table and the memory say";
    const char *wrong = judge_gone(c, gone, gone_count);
    return wrong != NULL ? wrong : judge_new(c, fresh, fresh_count);
}
