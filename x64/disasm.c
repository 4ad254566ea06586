// x64/disasm.c: machine instructions as text, from the rows of ops.def.
//
// Before allocate:   v3 = add v1, dword ptr [r15 + v2 + 8]
// After allocate:    add eax, dword ptr [r15 + rcx + 8]
//
// The second is the Intel syntax of llvm-mc, letter for letter, so that tests
// can compare; only operands in the frame and in the constant pool are written
// [slot + 8], [arg + 8], [out + 8] and [rodata + 16].

#include "x64/mach.h"

// The operands of a shape, in the order of the text: after allocate all, before
// it those that are read.
//
//     d a b   a register that ModRM.reg or VEX.vvvv holds
//     m M     rm: memory or b, memory or def
//     N       memory or nothing
//     V W ?   a, def, the merged source: written in VEX forms only
//     i c     the immediate, cl
static const struct operands {
    const char *all, *read;
} operands[] = {
#define SHAPE(id, reg, vvvv, rm, text, read, def, mem, def2, a, b, clobbers) \
    {text, read},
#include "x64/shapes.def"
};

static const char reg_names[16][4][5] = {
    {"al",   "ax",   "eax",  "rax"},
    {"cl",   "cx",   "ecx",  "rcx"},
    {"dl",   "dx",   "edx",  "rdx"},
    {"bl",   "bx",   "ebx",  "rbx"},
    {"spl",  "sp",   "esp",  "rsp"},
    {"bpl",  "bp",   "ebp",  "rbp"},
    {"sil",  "si",   "esi",  "rsi"},
    {"dil",  "di",   "edi",  "rdi"},
    {"r8b",  "r8w",  "r8d",  "r8" },
    {"r9b",  "r9w",  "r9d",  "r9" },
    {"r10b", "r10w", "r10d", "r10"},
    {"r11b", "r11w", "r11d", "r11"},
    {"r12b", "r12w", "r12d", "r12"},
    {"r13b", "r13w", "r13d", "r13"},
    {"r14b", "r14w", "r14d", "r14"},
    {"r15b", "r15w", "r15d", "r15"},
};

static const char *const cc_names[] = {
    "o",  "no", "b",  "ae", "e",  "ne", "be", "a",   "s",
    "ns", "p",  "np", "l",  "ge", "le", "g",  "feq", "fne",
};
_Static_assert(COUNT(cc_names) == CC_FNE + 1, "in the order of enum cc");

// What one call of mins_print works on.
struct text {
    struct printer *p;
    const struct mins *ins;
    const struct x64_info *info;
    bool allocated, vex;
};

// `size` is one of b w d q x.
static void
print_reg(const struct text *t, vreg_t reg, char size)
{
    if (reg == MEM_VMCTX)
        print(t->p, "r14");
    else if (reg == MEM_MEMORY)
        print(t->p, "r15");
    else if (!t->allocated)
        print(t->p, "v%u", reg);
    else if (size == 'x')
        print(t->p, "xmm%u", reg & 15);
    else
        print(t->p, "%s",
              reg_names[reg & 15][size == 'b' ? 0 :
                                  size == 'w' ? 1 :
                                  size == 'd' ? 2 :
                                                3]);
}

static void
print_disp(const struct text *t, bool first)
{
    i32 disp = t->ins->disp;
    u32 size = disp < 0 ? 0u - (u32)disp : (u32)disp;

    if (first)
        print(t->p, disp < 0 ? "-%u" : "%u", size);
    else if (disp != 0)
        print(t->p, disp < 0 ? " - %u" : " + %u", size);
}

static void
print_mem(const struct text *t)
{
    static const char *const sizes[] = {
        [0] = "",           [1] = "byte ptr ",  [2] = "word ptr ",
        [4] = "dword ptr ", [8] = "qword ptr ", [16] = "xmmword ptr ",
    };
    const struct mins *ins = t->ins;
    vreg_t none = t->allocated ? REG_NONE : 0;
    const char *area = (ins->flags & MINS_FRAME) != 0  ? "slot" :
                       (ins->flags & MINS_ARGS) != 0   ? "arg" :
                       (ins->flags & MINS_OUT) != 0    ? "out" :
                       (ins->flags & MINS_RODATA) != 0 ? "rodata" :
                                                         NULL;

    print(t->p, "%s[", sizes[t->info->mem]);
    if (area != NULL) {
        print(t->p, "%s", area);
        print_disp(t, false);
    } else {
        if (ins->base != none)
            print_reg(t, ins->base, 'q');
        if (ins->base != none && ins->index != none)
            print(t->p, " + ");
        if (ins->index != none && ins->scale > 0)
            print(t->p, "%u*", 1u << ins->scale);
        if (ins->index != none)
            print_reg(t, ins->index, 'q');
        print_disp(t, ins->base == none && ins->index == none);
    }
    print(t->p, "]");
}

static void
print_imm(const struct text *t, const struct mach *m)
{
    u32 imm = t->ins->imm;

    switch (t->info->imm) {
    case X64_IMM_I64:
        if ((t->ins->flags & MINS_CONST64) != 0 && m != NULL)
            print(t->p, "%lld", (long long)m->wide[imm]);
        else
            print(t->p, "%u", imm);
        break;
    case X64_IMM_I32:
    case X64_IMM_S32:
        print(t->p, "%d", (i32)imm);
        break;
    case X64_IMM_I16:
    case X64_IMM_S16:
        print(t->p, "%d", (i16)imm);
        break;
    default:
        if (t->info->regs[0] == 'b')
            print(t->p, "%d", (i8)imm);
        else
            print(t->p, "%u", imm & 0xff);
    }
}

// The merged source, see emit/encode.c.
static vreg_t
merged(const struct text *t)
{
    return (t->ins->flags & MINS_MEM) != 0 ? t->ins->def : t->ins->b;
}

static void
print_operand(const struct text *t, const struct mach *m, char kind)
{
    const struct mins *ins = t->ins;
    bool mem = (ins->flags & MINS_MEM) != 0;

    switch (kind) {
    case 'd':
    case 'W':
        print_reg(t, ins->def, t->info->regs[0]);
        break;
    case 'a':
    case 'V':
        print_reg(t, ins->a, t->info->regs[0]);
        break;
    case '?':
        print_reg(t, merged(t), t->info->regs[0]);
        break;
    case 'b':
        print_reg(t, ins->b, t->info->regs[0]);
        break;
    case 'N': // memory, or nothing: before allocate the def is on the left
    case 'm':
    case 'M':
        if (mem)
            print_mem(t);
        else
            print_reg(t, kind == 'm' ? ins->b : ins->def, t->info->regs[1]);
        break;
    case 'i':
        print_imm(t, m);
        break;
    case 'c':
        print(t->p, "cl");
        break;
    }
}

static bool
is_written(const struct text *t, char kind)
{
    switch (kind) {
    case 'V':
    case 'W':
        return t->vex;
    case '?':
        return t->vex && (t->info->flags & MERGES) != 0;
    case 'N':
        return (t->ins->flags & MINS_MEM) != 0;
    }
    return true;
}

static void
print_operands(const struct text *t, const struct mach *m)
{
    const struct operands *o = &operands[t->info->shape];
    const char *next = t->allocated ? o->all : o->read;
    const char *comma = " ";

    for (; *next != '\0'; next++) {
        if (!is_written(t, *next))
            continue;
        print(t->p, "%s", comma);
        print_operand(t, m, *next);
        comma = ", ";
    }
}

static void
print_edge(struct printer *p, const struct mach *m, edge_t edge)
{
    if (m == NULL)
        print(p, "edge %u", edge);
    else if (m->edge_block != NULL)
        print(p, "b%u", m->edge_block[edge]);
    else
        print(p, "b%u", m->fn->edges[edge].to);
}

static void
print_cases(struct printer *p, const struct mach *m, u32 number)
{
    const struct cases *cases = m != NULL ? &m->fn->cases[number] : NULL;

    if (cases == NULL)
        print(p, ", cases %u", number);
    else
        for (u32 i = 0; i < cases->count; i++) {
            print(p, i > 0 ? ", " : " -> ");
            print_edge(p, m, m->fn->pool[cases->targets + i]);
        }
}

static void
print_list(struct printer *p, const struct mach *m, u32 first, u32 count)
{
    print(p, "(");
    for (u32 i = 0; i < count; i++)
        print(p, "%sv%u", i > 0 ? ", " : "", m->list[first + i]);
    print(p, ")");
}

// The callee; the values only while they have no fixed place yet.
static void
print_call(const struct text *t, const struct mach *m)
{
    const struct mcall *call = &m->calls[t->ins->imm];
    u8 shape = t->info->shape;

    if (shape == SHAPE_CALL_REL || shape == SHAPE_TAIL_REL)
        print(t->p, " f%u", call->func);
    if (t->allocated)
        return;
    print(t->p, " ");
    print_list(t->p, m, call->args, call->arg_count);
    if (call->result_count > 0) {
        print(t->p, " -> ");
        print_list(t->p, m, call->results, call->result_count);
    }
}

static void
print_end(const struct text *t, const struct mach *m)
{
    const struct mins *ins = t->ins;

    switch (t->info->shape) {
    case SHAPE_JUMP:
        print(t->p, " ");
        print_edge(t->p, m, ins->imm);
        break;
    case SHAPE_JCC:
        print(t->p, " ");
        print_edge(t->p, m, ins->imm);
        print(t->p, " else ");
        print_edge(t->p, m, ins->def2);
        break;
    case SHAPE_SWITCH:
        print_cases(t->p, m, ins->imm);
        break;
    case SHAPE_GOTO:
        print(t->p, " label %u", ins->imm);
        break;
    case SHAPE_TRAP:
    case SHAPE_TRAP_CC:
        print(t->p, " \"%s\"", trap_text((enum trap)ins->imm));
        break;
    case SHAPE_CALL_REL:
    case SHAPE_CALL_RM:
    case SHAPE_TAIL_REL:
    case SHAPE_TAIL_RM:
    case SHAPE_RET:
        if (m != NULL)
            print_call(t, m);
        break;
    }
}

static void
print_defs(const struct text *t)
{
    const struct mins *ins = t->ins;
    bool two = mins_roles(ins, 0)->def2 != ROLE_NONE;

    if (t->info->shape == SHAPE_JCC || t->info->shape == SHAPE_SWITCH)
        return;
    if (two && ins->def2 != 0)
        print(t->p, "v%u, v%u = ", ins->def, ins->def2);
    else if (ins->def != 0)
        print(t->p, "v%u = ", ins->def);
}

void
mins_print(struct printer *p, const struct mach *m, u32 features,
           const struct mins *ins, bool allocated)
{
    const struct x64_info *info = x64_info(ins->op);
    struct text t = {p, ins, info, allocated, x64_is_vex(info, features)};

    bool condition = (info->flags & (RFLAGS | WFLAGS)) == RFLAGS;

    if (!allocated)
        print_defs(&t);
    print(p, "%s%s%s", t.vex && (info->flags & VEX) != 0 ? "v" : "", info->text,
          condition ? cc_names[ins->cc] : "");
    print_operands(&t, m);
    print_end(&t, m);
}

void
mach_print(struct printer *p, const struct mach *m, bool allocated)
{
    for (u32 b = 0; b < m->block_count; b++) {
        print(p, "b%u:\n", b);
        for (u32 i = m->blocks[b].first; i < m->blocks[b].end; i++) {
            print(p, "    ");
            mins_print(p, m, m->features, &m->ins[i], allocated);
            print(p, "\n");
        }
        if (m->blocks[b].edge != 0)
            print(p, "    goes on at b%u\n",
                  m->fn->edges[m->blocks[b].edge].to);
    }
}
