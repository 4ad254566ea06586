// x64/emit/layout.c: the pieces of a function -> its bytes in the module, with
// the rows of the tables that need the addresses.
//
// Branches start long.  Two sweeps shorten those whose target is near; code
// only moves closer together, so a short branch stays right.

#include "x64/emit/emit.h"

enum { SWEEPS = 2, DUMP_BYTES = 10 };

static u32
branch_op(const struct piece *p)
{
    if (p->branch == CC_ALWAYS)
        return p->is_short ? X64_JMP_SHORT : X64_JMP;
    return p->is_short ? X64_JCC_SHORT : X64_JCC;
}

static u32
branch_size(const struct piece *p)
{
    return p->branch == BRANCH_NONE ? 0 : encode_rel_size(branch_op(p));
}

// The piece at a label.
static u32
piece_of(const struct emission *em, u32 label)
{
    u32 blocks = em->m->block_count;

    return label < blocks ? em->labels[label] : em->stubs[label - blocks].piece;
}

// From the end of the branch of piece i, which ends in `at`, to its target.
// Pieces behind it still have their old addresses, and `moved` is what it moved
// itself: the old distance is the larger one.
static i32
distance_of(const struct emission *em, u32 i, u32 at, u32 moved)
{
    const struct piece *p = &em->pieces[i];
    u32 to = piece_of(em, p->label);
    u32 end = at + (to > i ? moved + branch_size(p) : 2);

    return (i32)(em->pieces[to].at - end);
}

// Give pieces their addresses; the end of the last is the result.
static u32
sweep(struct emission *em, bool shorten)
{
    u32 at = 0;

    for (u32 i = 0; i < em->piece_count; i++) {
        struct piece *p = &em->pieces[i];
        u32 moved = p->at - at;
        p->at = at;
        at += p->end - p->start;
        if (shorten && p->branch != BRANCH_NONE && !p->is_short) {
            i32 distance = distance_of(em, i, at, moved);
            p->is_short = distance == (i8)distance;
        }
        at += branch_size(p);
    }
    return at;
}

static u32
label_at(const struct emission *em, u32 label)
{
    return em->pieces[piece_of(em, label)].at;
}

static void
put_branch(const u8 *to, const struct piece *p, u32 at, u32 target)
{
    u32 size = branch_size(p);
    struct encoder e = {.at = to, .end = to + size};

    encode_rel(&e, branch_op(p), p->branch == CC_ALWAYS ? 0 : p->branch,
               target - (at + size));
    assert(!e.full);
}

static void
copy_pieces(const struct emission *em, const u8 *to)
{
    for (u32 i = 0; i < em->piece_count; i++) {
        const struct piece *p = &em->pieces[i];
        u32 size = p->end - p->start;
        encode_copy(to + p->at, em->bytes + p->start, size);
        if (p->branch != BRANCH_NONE)
            put_branch(to + p->at + size, p, p->at + size,
                       label_at(em, p->label));
    }
}

// Constants, then jump tables, whose entries count from their table.
static void
copy_pool(const struct emission *em, const u8 *to, u32 pool_at)
{
    const struct mach *m = em->m;

    if (m->rodata_count > 0)
        encode_copy(to + pool_at, m->rodata, m->rodata_count * 16);
    for (u32 i = 0; i < em->table_count; i++) {
        const struct cases *cases = em->tables[i].cases;
        u32 at = pool_at + em->tables[i].at;
        for (u32 n = 0; n < cases->count; n++) {
            edge_t edge = m->fn->pool[cases->targets + n];
            u32 block = em->jumps[m->edge_block[edge]];
            u32 off = code_errs(MISTAKE_SWITCH_ELSEWHERE);
            encode_word(to + at + 4 * n, label_at(em, block) - at + off);
        }
    }
}

static u32
site_at(const struct emission *em, const struct site *s)
{
    const struct piece *p = &em->pieces[s->piece];

    return p->at + (s->at - p->start);
}

static status_t
place_call_site(const struct emission *em, struct image *image, u32 pc,
                u32 first_try, const struct site *s)
{
    const struct mcall *call = &em->m->calls[s->a];
    const struct origin *o = &s->origin;
    struct call_site row = {
        .pc = pc,
        .at = o->call != 0 ? o->call : o->at,
        .args = call->args_size,
    };

    if (code_errs(MISTAKE_WRONG_ARGUMENTS))
        row.args += 16;
    if (call->try != 0)
        row.try = first_try + call->try;
    return image_call(image, row);
}

static status_t
place_site(const struct emission *em, struct image *image, u32 start,
           u32 pool_at, u32 first_try, const struct site *s)
{
    const u8 *bytes = image->code->text + start;
    u32 at = site_at(em, s), word;

    switch (s->kind) {
    case SITE_TRAP:
        return image_trap(image, (struct trap_site){.pc = start + at,
                                                    .at = s->origin.at,
                                                    .call = s->origin.call,
                                                    .trap = (u8)s->a});
    case SITE_CALL:
        return place_call_site(em, image, start + at, first_try, s);
    case SITE_LINK:
        image_link(image, start + at, s->a);
        break;
    case SITE_GOTO:
        image_goto(image, start + at, s->a);
        break;
    case SITE_BIND:
        image_bind(image, s->a, start + at);
        break;
    case SITE_RODATA:
        memcpy(&word, bytes + at, sizeof(word));
        encode_word(bytes + at, word + pool_at - (at + (s->a - s->at)));
        break;
    }
    return OK;
}

// Row i of the function's tries.
static struct code_catch
catch_row(const struct emission *em, const struct image *image, u32 start,
          u32 i)
{
    const struct fn *fn = em->m->fn;

    if (fn->part == FN_LAST)
        return (struct code_catch){.tag = fn->pads[i].tag,
                                   .pc = image->labels[fn->pads[i].label] &
                                         ~(u32)LABEL_BOUND};
    u32 block = em->jumps[em->m->edge_block[fn->catches[i].edge]];
    if (code_errs(MISTAKE_PAD_ELSEWHERE))
        block = em->jumps[em->order[0]];
    return (struct code_catch){.tag = fn->catches[i].tag,
                               .pc = start + label_at(em, block)};
}

// fn.tries[i] becomes code.tries[first_try + i].
static status_t
place_tries(const struct emission *em, struct image *image, u32 start,
            u32 first_try)
{
    const struct fn *fn = em->m->fn;
    u32 first_catch = image->counts[ROW_CATCH], rows = 0;
    status_t status = OK;

    for (u32 i = 1; i < fn->try_count && status == OK; i++) {
        const struct handlers *t = &fn->tries[i];
        status = image_try(
            image,
            (struct code_try){.parent = t->parent ? first_try + t->parent : 0,
                              .catches = first_catch + t->catches,
                              .count = t->count});
        rows += t->count;
    }
    for (u32 i = 0; i < rows && status == OK; i++)
        status = image_catch(image, catch_row(em, image, start, i));
    return status;
}

// What the verifier is told: a row for each address that is jumped back to.
// Blocks without code share one.
static status_t
place_heads(const struct emission *em, struct image *image, u32 start)
{
    const struct mach *m = em->m;
    struct code_head head = {NO_INDEX, 0};
    status_t status = OK;

    u32 pads = m->fn->has_pads ? HEAD_PADS : 0;
    if (m->fn->part != FN_WHOLE && image->start == start)
        status =
            image_head(image, (struct code_head){start, HEAD_FRAME | pads |
                                                            emission_slot(em)});
    for (u32 i = 0; i < em->order_count && status == OK; i++) {
        u32 b = em->order[i];
        if (!em->heads[b])
            continue;
        u32 pc = start + label_at(em, b);
        u32 narrow = m->blocks[b].edge == 0 ? m->narrow[b] : 0;
        if (head.pc != NO_INDEX && head.pc != pc)
            status = image_head(image, head);
        head =
            (struct code_head){pc, head.pc == pc ? head.what & narrow : narrow};
    }
    if (status == OK && head.pc != NO_INDEX)
        status = image_head(image, head);
    return status;
}

// Behind a part that is not the last there are constants, and the room to where
// the next one starts.
static status_t
place_data(const struct emission *em, struct image *image, u32 start, u32 end)
{
    u32 next = (u32)ALIGN_UP(image->code->size, FUNC_ALIGN);
    u32 size = next - (start + end);

    if (em->m->fn->part != FN_PART || size == 0)
        return OK;
    return image_head(image,
                      (struct code_head){start + end, (u32)HEAD_DATA | size});
}

// The function is complete.
static status_t
place_func(const struct emission *em, struct image *image, u32 start, u32 end,
           u32 first_try)
{
    const struct mach *m = em->m;
    status_t status = place_tries(em, image, start, first_try);

    image_define(image, m->fn->index, start);
    if (status != OK)
        return status;
    return image_func(image, (struct func_code){.start = image->start,
                                                .end = start + end,
                                                .func = m->fn->index,
                                                .frame = em->frame,
                                                .args = m->args_size});
}

// --- listing ---------------------------------------------------------------

static void
list_bytes(struct printer *p, const u8 *bytes, u32 from, u32 to, u32 start)
{
    u32 at = from;

    do {
        if (at > from)
            print(p, "\n");
        print(p, "%6x:", start + at);
        for (u32 i = 0; i < DUMP_BYTES; i++)
            if (at + i < to)
                print(p, " %02x", bytes[at + i]);
            else
                print(p, "   ");
        at += DUMP_BYTES;
    } while (at < to);
}

static void
list_label(const struct emission *em, u32 label, struct printer *p)
{
    u32 stub = label - em->m->block_count;

    if (label < em->m->block_count)
        print(p, "b%u:\n", label);
    else if (em->stubs[stub].trap == TRAP_NONE)
        print(p, "\"not this frame\":\n");
    else
        print(p, "\"%s\":\n", trap_text((enum trap)em->stubs[stub].trap));
}

// Each SITE_INS or SITE_LABEL begins a stretch of bytes, which ends at the
// next; before the first there is the prologue.
static void
list_code(const struct emission *em, const u8 *bytes, u32 start, u32 end,
          struct printer *p)
{
    const struct mach *m = em->m;
    const struct mins *ins = NULL;
    u32 from = 0;

    for (u32 i = 0; i <= em->site_count; i++) {
        const struct site *s = &em->sites[i];
        bool last = i == em->site_count;
        if (!last && s->kind < SITE_LABEL)
            continue;
        u32 to = last ? end : site_at(em, s);
        if (to > from || ins != NULL) {
            list_bytes(p, bytes, from, to, start);
            print(p, "  ");
            if (ins != NULL)
                mins_print(p, m, m->features, ins, true);
            print(p, "\n");
        }
        from = to;
        ins = !last && s->kind == SITE_INS ? &m->ins[s->a] : NULL;
        if (!last && s->kind == SITE_LABEL)
            list_label(em, s->a, p);
    }
}

status_t
emission_place(struct emission *em, struct image *image,
               struct printer *listing)
{
    const struct mach *m = em->m;
    u32 first_try = image->counts[ROW_TRY] - 1;
    u32 end = sweep(em, false);
    status_t status = OK;

    for (u32 i = 0; i < SWEEPS; i++)
        end = sweep(em, true);
    u32 pool_at = (u32)ALIGN_UP(end, m->rodata_count > 0 ? 16 : 4);
    const u8 *to = image_grow(image, pool_at + em->pool_size);
    if (to == NULL)
        return ERR_NO_MEMORY;
    u32 start = (u32)(to - image->code->text);
    if (image->start == NO_INDEX)
        image->start = start;
    encode_fill(to + end, pool_at - end);
    copy_pieces(em, to);
    copy_pool(em, to, pool_at);
    for (u32 i = 0; i < em->site_count && status == OK; i++) {
        status =
            place_site(em, image, start, pool_at, first_try, &em->sites[i]);
        if (!arena_may_step(em->temp, i))
            status = ERR_KILLED;
    }
    if (status == OK)
        status = place_heads(em, image, start);
    if (status == OK)
        status = place_data(em, image, start, end);
    if (status == OK && m->fn->part != FN_PART)
        status = place_func(em, image, start, end, first_try);
    if (status == OK && listing != NULL)
        list_code(em, to, start, end, listing);
    return status;
}
