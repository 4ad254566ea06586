// test/x64/encode.c: every row of x64/ops.def: the bytes that encode() writes,
// disassembled by llvm-mc, are the text that mins_print() writes, over all
// registers and shapes of address.

#include "test/test.h"
#include "test/x64/rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_SIZE = 200, SHOWN = 20 };

// --- the batch of instructions given to llvm-mc ----------------------------

static FILE *bytes_file, *text_file;

struct line {
    char text[LINE_SIZE];
    u32 len;
};

static void
line_put(struct printer *p, const char *text, u32 len)
{
    struct line *line = p->self;

    if (line->len + len < LINE_SIZE) {
        memcpy(line->text + line->len, text, len);
        line->len += len;
        line->text[line->len] = '\0';
    }
}

// Encode; an int3 separates the instructions.
static void
put_bytes(const struct mins *ins, u32 features)
{
    u8 bytes[ENCODE_ROOM];
    struct encoder e = {.at = bytes,
                        .end = bytes + sizeof(bytes),
                        .features = features,
                        .wide = x64_rows_wide};

    encode(&e, ins);
    for (u8 *b = bytes; b < e.at; b++)
        fprintf(bytes_file, "0x%02x ", *b);
    fprintf(bytes_file, "0xcc\n");
}

// The encoder exchanges operands where that saves a byte.
static struct mins
exchanged(struct mins ins, u32 features)
{
    const struct x64_info *info = x64_info(ins.op);
    u32 a = ins.a;

    if (x64_is_vex(info, features) && (info->flags & COMMUTES) != 0 &&
        (ins.flags & MINS_MEM) == 0 && (ins.b & 8) > (a & 8)) {
        ins.a = ins.b;
        ins.b = a;
    }
    return ins;
}

static void
put_text(const struct mins *ins, u32 features)
{
    struct line line = {"", 0};
    struct printer p = {line_put, &line};
    struct mach m = {.wide = (u64 *)x64_rows_wide};
    struct mins in_order = exchanged(*ins, features);

    mins_print(&p, &m, features, &in_order, true);
    fprintf(text_file, "%s", line.text);
}

// The text of rows that become two instructions.
static void
put_around(const struct mins *ins, u32 features)
{
    if (ins->op == X64_IDIV32 || ins->op == X64_IDIV64)
        fprintf(text_file, ins->op == X64_IDIV32 ? "cdq; " : "cqo; ");
    else if (ins->op == X64_DIV32 || ins->op == X64_DIV64)
        fprintf(text_file, "xor edx, edx; ");
    put_text(ins, features);
    if (ins->op == X64_SETCC) {
        struct mins extend = {.op = X64_MOVZX8, .def = ins->def, .b = ins->def};
        fprintf(text_file, "; ");
        put_text(&extend, features);
    }
    fprintf(text_file, "\n");
}

static void
add(const struct mins *ins, u32 features)
{
    put_bytes(ins, features);
    put_around(ins, features);
}

// --- what llvm-mc says -----------------------------------------------------

// One line of llvm-mc with spaces for tabs, without those at the ends.
static bool
read_line(FILE *from, char *to)
{
    char line[LINE_SIZE];
    u32 len = 0;

    do {
        if (fgets(line, sizeof(line), from) == NULL)
            return false;
    } while (line[0] != '\t' || line[1] == '.');
    for (const char *c = line + 1; *c != '\n' && *c != '\0' && *c != '#'; c++)
        if (*c != '\t' && *c != ' ')
            to[len++] = *c;
        else if (len > 0 && to[len - 1] != ' ')
            to[len++] = ' ';
    while (len > 0 && to[len - 1] == ' ')
        len--;
    to[len] = '\0';
    return true;
}

static bool
ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), size = strlen(end);

    return len >= size && strcmp(text + len - size, end) == 0;
}

// The lines up to the next int3, joined.
static bool
read_group(FILE *from, char *to)
{
    char line[LINE_SIZE];

    to[0] = '\0';
    while (read_line(from, line)) {
        if (strcmp(line, "int3") == 0)
            return true;
        if (strncmp(line, "movabs", 6) == 0)
            memmove(line + 3, line + 6, strlen(line) - 5);
        if (to[0] != '\0')
            strcat(to, ends_with(to, "lock") ? " " : "; ");
        strcat(to, line);
    }
    return false;
}

// llvm-mc writes some immediates of 16 and 32 bits unsigned.
static bool
same_text(const char *got, const char *want)
{
    const char *a = strrchr(got, ','), *b = strrchr(want, ',');

    if (strcmp(got, want) == 0)
        return true;
    if (a == NULL || b == NULL || a - got != b - want ||
        strncmp(got, want, (size_t)(a - got)) != 0)
        return false;
    i64 x = strtoll(a + 1, NULL, 10), y = strtoll(b + 1, NULL, 10);
    return y < 0 && (x == (u16)y || x == (u32)y);
}

static u32
compare(FILE *got_from, FILE *want_from)
{
    char got[4 * LINE_SIZE], want[LINE_SIZE];
    u32 count = 0, bad = 0;

    while (fgets(want, sizeof(want), want_from) != NULL) {
        want[strcspn(want, "\n")] = '\0';
        if (!read_group(got_from, got))
            break;
        if (!same_text(got, want) && bad++ < SHOWN)
            printf("llvm-mc: %s | we: %s\n", got, want);
        count++;
    }
    EXPECT_EQ(bad, 0);
    return count;
}

static const char *
find_llvm_mc(void)
{
    if (system("llvm-mc --version >/dev/null 2>&1") == 0)
        return "llvm-mc";
    if (system("llvm-mc-14 --version >/dev/null 2>&1") == 0)
        return "llvm-mc-14";
    return NULL;
}

// Compare all that add() was given.
static void
check_batch(u32 minimum)
{
    const char *tool = find_llvm_mc();
    char command[200];

    if (tool == NULL) {
        printf("no llvm-mc: encodings not compared\n");
        return;
    }
    fflush(bytes_file);
    rewind(text_file);
    snprintf(command, sizeof(command),
             "%s -disassemble -triple=x86_64 -output-asm-variant=1 "
             "</proc/%d/fd/%d",
             tool, getpid(), fileno(bytes_file));
    FILE *out = popen(command, "r");
    EXPECT(out != NULL);
    u32 count = compare(out, text_file);
    EXPECT(count >= minimum);
    EXPECT(fgetc(text_file) == EOF);
    EXPECT_EQ(pclose(out), 0);
}

static void
start_batch(void)
{
    bytes_file = tmpfile();
    text_file = tmpfile();
    EXPECT(bytes_file != NULL && text_file != NULL);
}

TEST(x64_encode_rows)
{
    start_batch();
    for (u32 op = 0; op < X64_OP_COUNT; op++) {
        if (x64_row_elsewhere(op))
            continue;
        EXPECT(x64_row_each(op, 0, add));
        if ((x64_info(op)->flags & VEX) != 0)
            x64_row_each(op, CPU_AVX, add);
    }
    check_batch(X64_OP_COUNT);
}

// --- rows that become several instructions, and operands of the frame ---

#define ROW(text, ...)      \
    {                       \
        {__VA_ARGS__}, text \
    }

enum { X1 = REG_XMM0 + 1, X2 = REG_XMM0 + 2, NONE = REG_NONE };

static const struct {
    struct mins ins;
    const char *text; // of llvm-mc
} rows[] = {
    ROW("cmovne ecx, edx; cmovp ecx, edx", .op = X64_CMOV32, .cc = CC_FNE,
        .def = 1, .a = 1, .b = 2),
    ROW("jp 4; cmove rcx, rdx", .op = X64_CMOV64, .cc = CC_FEQ, .def = 1,
        .a = 1, .b = 2),
    ROW("jae 3; movaps xmm1, xmm2", .op = X64_SELECT_X, .cc = CC_B, .def = X1,
        .a = X1, .b = X2),
    ROW("jne 2; jnp 3; movaps xmm1, xmm2", .op = X64_SELECT_X, .cc = CC_FNE,
        .def = X1, .a = X1, .b = X2),
    ROW("jne 5; jp 3; movaps xmm1, xmm2", .op = X64_SELECT_X, .cc = CC_FEQ,
        .def = X1, .a = X1, .b = X2),
    ROW("ucomisd xmm1, xmm2; jne 14; jp 6; orpd xmm1, xmm2; jmp 10; addsd "
        "xmm1, xmm2; jmp 4; minsd xmm1, xmm2",
        .op = X64_FMIN_SD, .def = X1, .a = X1, .b = X2),
    ROW("ucomiss xmm1, xmm2; jne 13; jp 5; andps xmm1, xmm2; jmp 10; addss "
        "xmm1, xmm2; jmp 4; maxss xmm1, xmm2",
        .op = X64_FMAX_SS, .def = X1, .a = X1, .b = X2),
    ROW("movzx eax, byte ptr [r15 + rcx]; mov rsi, rax; xor rsi, rdx; lock "
        "cmpxchg byte ptr [r15 + rcx], sil; jne -14",
        .op = X64_LOOP_XOR8, .flags = MINS_MEM, .def = REG_RAX, .def2 = REG_RSI,
        .a = REG_RDX, .base = REG_R15, .index = REG_RCX),
    ROW("mov rax, qword ptr [r15 + 16]; mov r8, rax; or r8, rdx; lock cmpxchg "
        "qword ptr [r15 + 16], r8; jne -14",
        .op = X64_LOOP_OR64, .flags = MINS_MEM, .def = REG_RAX, .def2 = REG_R8,
        .a = REG_RDX, .base = MEM_MEMORY, .index = NONE, .disp = 16),
    ROW("mov eax, dword ptr [rsp + 40]", .op = X64_MOV32,
        .flags = MINS_MEM | MINS_FRAME, .disp = 8),
    ROW("mov eax, dword ptr [rsp + 264]", .op = X64_MOV32,
        .flags = MINS_MEM | MINS_ARGS, .disp = 8),
    ROW("mov dword ptr [rsp], eax", .op = X64_MOV32_MR,
        .flags = MINS_MEM | MINS_OUT, .disp = 0),
    ROW("mov rax, qword ptr [r14]", .op = X64_MOV64, .flags = MINS_MEM,
        .base = MEM_VMCTX, .index = NONE),
    ROW("addsd xmm1, qword ptr [rip + 32]", .op = X64_ADDSD,
        .flags = MINS_MEM | MINS_RODATA, .def = X1, .a = X1, .disp = 32),
    ROW("lea eax, [8*rcx + 5]", .op = X64_LEA32, .flags = MINS_MEM,
        .base = NONE, .index = REG_RCX, .scale = 3, .disp = 5),
    ROW("mov r9d, 7", .op = X64_MOV64_I, .imm = 7, .def = REG_R9),
    ROW("imul ecx, edx, 7", .op = X64_IMUL32_I, .imm = 7, .def = REG_RCX,
        .b = REG_RDX),
    ROW("shl ecx", .op = X64_SHL32_I, .imm = 1, .def = REG_RCX, .a = REG_RCX),
};

TEST(x64_encode_several)
{
    start_batch();
    for (u32 i = 0; i < COUNT(rows); i++) {
        u8 bytes[ENCODE_ROOM];
        struct encoder e = {.at = bytes,
                            .end = bytes + sizeof(bytes),
                            .slots_at = 32,
                            .args_at = 256};

        encode(&e, &rows[i].ins);
        for (u8 *b = bytes; b < e.at; b++)
            fprintf(bytes_file, "0x%02x ", *b);
        fprintf(bytes_file, "0xcc\n");
        fprintf(text_file, "%s\n", rows[i].text);
    }
    check_batch(COUNT(rows));
}

// --- text before allocate --------------------------------------------------

static const struct {
    struct mins ins;
    const char *text;
} texts[] = {
    ROW("v3 = add v1, v2", .op = X64_ADD32, .def = 3, .a = 1, .b = 2),
    ROW("v3 = add v1, dword ptr [r15 + v2 + 8]", .op = X64_ADD32,
        .flags = MINS_MEM, .def = 3, .a = 1, .base = MEM_MEMORY, .index = 2,
        .disp = 8),
    ROW("v3, v4 = div v1, v2", .op = X64_DIV64, .def = 3, .def2 = 4, .a = 1,
        .b = 2),
    ROW("v3 = setle", .op = X64_SETCC, .cc = CC_LE, .def = 3),
    ROW("v3 = sub v1, v2", .op = X64_SUB64, .def = 3, .a = 1, .b = 2),
    ROW("mov dword ptr [out + 4], v3", .op = X64_MOV32_MR,
        .flags = MINS_MEM | MINS_OUT, .a = 3, .disp = 4),
    ROW("v3 = movd v1", .op = X64_MOVD_R, .def = 3, .a = 1),
    ROW("jfeq edge 7 else edge 9", .op = X64_JCC, .cc = CC_FEQ, .imm = 7,
        .def2 = 9),
};

TEST(x64_encode_text)
{
    for (u32 i = 0; i < COUNT(texts); i++) {
        struct line line = {"", 0};
        struct printer p = {line_put, &line};

        mins_print(&p, NULL, 0, &texts[i].ins, false);
        EXPECT(strcmp(line.text, texts[i].text) == 0);
        if (strcmp(line.text, texts[i].text) != 0)
            printf("got: %s\n", line.text);
    }
}

// Where there is no room nothing is written, and the encoder says so.
TEST(x64_encode_full)
{
#define INS(...)    \
    {               \
        __VA_ARGS__ \
    }
    static const struct mins samples[] = {
        INS(.op = X64_ADD64, .flags = MINS_MEM, .base = REG_R12,
            .index = REG_R9, .disp = 1000),
        INS(.op = X64_MOV64_I, .flags = MINS_CONST64, .def = REG_R9),
        INS(.op = X64_FMIN_SD, .def = X1, .a = X1, .b = X1 + 9),
        INS(.op = X64_LOOP_XOR16, .flags = MINS_MEM, .def2 = REG_R9,
            .a = REG_R10, .base = REG_R11, .index = REG_NONE),
    };
    static const u64 constant[] = {1ull << 40};

    for (u32 i = 0; i < COUNT(samples); i++) {
        u8 bytes[ENCODE_ROOM];
        struct encoder all = {
            .at = bytes, .end = bytes + sizeof(bytes), .wide = constant};
        encode(&all, &samples[i]);
        u32 size = (u32)(all.at - bytes);
        EXPECT(!all.full);
        for (u32 room = 0; room <= size; room++) {
            u8 some[ENCODE_ROOM];
            struct encoder e = {
                .at = some, .end = some + room, .wide = constant};
            memset(some, 0xee, sizeof(some));
            encode(&e, &samples[i]);
            EXPECT_EQ(e.full, room < size);
            EXPECT_EQ(e.at - some, room);
            EXPECT_EQ(some[room], 0xee);
            if (room == size)
                EXPECT(memcmp(some, bytes, size) == 0);
        }
    }
}
