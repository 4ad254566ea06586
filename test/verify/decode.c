// test/verify/decode.c: the decoder of verify/ on its own: what it accepts is
// what verify/forms.def lists, each row is reached, Zydis sees the same; what
// is not in the one form that the compiler uses is refused, and says why.

#include "test/verify/help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// --- all opcodes ------------------------------------------------------------

enum { MET_SLOTS = 1 << 22, SHOWN = 20 };

// What a sweep over the bytes has met.
struct sweep {
    struct forms_met met;
    u8 accepted[4][256]; // by map and opcode
    u64 tried, taken, bad;
    u32 random;
    struct {
        u64 ins, bytes; // hashes, 0: free
    } seen[MET_SLOTS];
};

static u32
any(struct sweep *s)
{
    s->random = s->random * 1664525 + 1013904223;
    return s->random >> 8;
}

// What comes after ModRM: mostly such that each byte matters.
static void
put_tail(struct sweep *s, u8 *to)
{
    static const u8 bytes[] = {0x00, 0x01, 0x12, 0x7f, 0x80, 0xff};
    bool small = any(s) % 4 == 0;

    to[0] = (u8)any(s); // SIB, or the first of what follows
    for (u32 i = 1; i < 12; i++)
        to[i] = small && i > 1 ? 0 : bytes[any(s) % COUNT(bytes)];
}

static u64
hash_of(const void *from, u64 size)
{
    const u8 *bytes = from;
    u64 hash = 14695981039346656037ull;

    for (u64 i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 1099511628211ull;
    return hash | 1;
}

// One encoding of each: no other bytes have led to the same instruction.
static void
expect_alone(struct sweep *s, const struct verify_ins *ins, const u8 *bytes)
{
    struct verify_ins same = *ins;
    u64 of_bytes = hash_of(bytes, ins->length);

    same.length = 0;
    u64 of_ins = hash_of(&same, sizeof(same)), at = of_ins >> 8;
    while (s->seen[at % MET_SLOTS].ins != 0 &&
           s->seen[at % MET_SLOTS].ins != of_ins)
        at++;
    if (s->seen[at % MET_SLOTS].ins == 0) {
        s->seen[at % MET_SLOTS].ins = of_ins;
        s->seen[at % MET_SLOTS].bytes = of_bytes;
    }
    if (s->seen[at % MET_SLOTS].bytes == of_bytes)
        return;
    printf("%s: two encodings\n", form_texts[ins->form].id);
    s->bad++;
}

static void
try_bytes(struct sweep *s, const u8 *bytes, u32 map, u32 opcode, bool w)
{
    struct verify_ins ins = {0};

    s->tried++;
    if (verify_decode(&ins, bytes, bytes + 32) != RULE_OK)
        return;
    s->taken++;
    s->accepted[map][opcode] = 1;
    forms_meet(&s->met, &ins, w);
    expect_alone(s, &ins, bytes);
    s->bad += !zydis_agrees(&ins, bytes);
    if (s->bad > SHOWN)
        exit(1);
}

// The bytes up to the opcode are there: `at` of them.
static void
try_opcode(struct sweep *s, u8 *bytes, u32 at, u32 map, u32 opcode, bool w)
{
    static const u8 modrms[] = {0x00, 0x04, 0x04, 0x05, 0x43, 0x44, 0x44,
                                0x45, 0x86, 0x84, 0xc0, 0xc3, 0xc4, 0xc7};

    for (u32 i = 0; i < COUNT(modrms); i++) {
        for (u32 reg = 0; reg < 8; reg++) {
            bytes[at] = (u8)(modrms[i] | reg << 3);
            put_tail(s, bytes + at + 1);
            try_bytes(s, bytes, map, opcode, w);
        }
    }
}

static u32
put_opcode(u8 *bytes, u32 at, u32 map, u32 opcode)
{
    if (map > 0)
        bytes[at++] = 0x0f;
    if (map > 1)
        bytes[at++] = map == 2 ? 0x38 : 0x3a;
    bytes[at++] = (u8)opcode;
    return at;
}

// Bytes that are no opcode, but lead to one.
static bool
is_lead(u32 map, u32 byte)
{
    static const u8 leads[] = {0x0f, 0x66, 0xc4, 0xc5, 0xf0, 0xf2, 0xf3};

    if (map == 1)
        return byte == 0x38 || byte == 0x3a;
    return map == 0 &&
           (memchr(leads, (int)byte, sizeof(leads)) != NULL || byte >> 4 == 4);
}

static void
sweep_legacy(struct sweep *s)
{
    static const u8 prefixes[] = {0x00, 0x66, 0xf3, 0xf2};

    for (u32 n = 0; n < 2 * 4 * 17; n++) {
        for (u32 opcode = 0; opcode < 4 * 256; opcode++) {
            u8 bytes[32] = {0};
            u32 at = 0, rex = n / 8;
            if (is_lead(opcode >> 8, opcode & 255))
                continue;
            if (n % 2 != 0)
                bytes[at++] = 0xf0;
            if (n / 2 % 4 != 0)
                bytes[at++] = prefixes[n / 2 % 4];
            if (rex < 16)
                bytes[at++] = (u8)(0x40 | rex);
            at = put_opcode(bytes, at, opcode >> 8, opcode & 255);
            try_opcode(s, bytes, at, opcode >> 8, opcode & 255,
                       rex < 16 && rex >= 8);
        }
    }
}

static void
sweep_vex(struct sweep *s, u32 second, u32 third)
{
    u32 map = second & 31;

    for (u32 opcode = 0; opcode < 256; opcode++) {
        u8 bytes[32] = {0xc4, (u8)second, (u8)third, (u8)opcode};
        try_opcode(s, bytes, 4, map & 3, opcode, third >> 7 != 0);
    }
}

static void
sweep_all_vex(struct sweep *s)
{
    static const u8 vvvv[] = {0, 5, 12};

    for (u32 last = 0; last < 256; last++)
        for (u32 opcode = 0; opcode < 256; opcode++) {
            u8 bytes[32] = {0xc5, (u8)last, (u8)opcode};
            try_opcode(s, bytes, 3, 1, opcode, false);
        }
    for (u32 rxb = 0; rxb < 8; rxb++)
        for (u32 n = 0; n < 3 * 3 * 16; n++)
            sweep_vex(s, rxb << 5 | (1 + n % 3),
                      (u32)(~vvvv[n / 3 % 3] & 15) << 3 | (n / 9 & 7) |
                          (n / 9 & 8) << 4);
}

// What verify/forms.def says may occur.
static bool
is_listed(u32 map, u32 opcode)
{
    u32 at = map << 8 | opcode;

    for (u32 i = 0; i < FORM_COUNT; i++) {
        const struct form_text *f = &form_texts[i];
        u32 count = f->is_cc ? 16 :
                    strcmp(f->mod, "N") == 0 && strcmp(f->ops, "---") != 0 ? 8 :
                                                                             1;
        if (at >= f->opcode && at < f->opcode + count)
            return true;
    }
    return at == 0x083 || at == 0x0d1; // the short ones of 81 and c1
}

// Each row in each of its forms: VEX or not, W or not, memory or not.
static void
expect_met(const struct sweep *s)
{
    for (u32 i = 0; i < FORM_COUNT; i++) {
        const struct form_text *f = &form_texts[i];
        for (u32 n = 0; n < 8; n++) {
            bool vex = n % 2 != 0, w = n / 2 % 2 != 0, mem = n / 4 != 0;
            bool want = form_has(i, vex, w, mem);
            if (s->met.met[i][vex][w][mem] != want)
                printf("%s: vex %d w %d mem %d: %s\n", f->id, vex, w, mem,
                       want ? "not met" : "met");
            EXPECT_EQ(s->met.met[i][vex][w][mem], want);
        }
    }
}

TEST(verify_decode_all)
{
    static struct sweep s;

    sweep_legacy(&s);
    sweep_all_vex(&s);
    EXPECT_EQ(s.bad, 0);
    for (u32 map = 0; map < 4; map++)
        for (u32 opcode = 0; opcode < 256; opcode++) {
            if (s.accepted[map][opcode] != is_listed(map, opcode))
                printf("map %u opcode %02x: %d\n", map, opcode,
                       s.accepted[map][opcode]);
            EXPECT_EQ(s.accepted[map][opcode], is_listed(map, opcode));
        }
    expect_met(&s);
    printf("%llu tried, %llu accepted\n", (unsigned long long)s.tried,
           (unsigned long long)s.taken);
}

// --- what is refused, and why -----------------------------------------------

// Bytes in hexadecimal; their number.
static u32
bytes_of(const char *hex, u8 *to)
{
    u32 count = 0;

    for (; *hex != '\0'; hex += 2)
        to[count++] = (u8)strtoul((char[3]){hex[0], hex[1], '\0'}, NULL, 16);
    return count;
}

static const struct refusal {
    const char *hex, *what;
    u32 rule;
} refusals[] = {
    {"90",                   "nop",                             RULE_OPCODE },
    {"f4",                   "hlt",                             RULE_OPCODE },
    {"0f05",                 "syscall",                         RULE_OPCODE },
    {"0f30",                 "wrmsr",                           RULE_OPCODE },
    {"0f01ef",               "wrpkru",                          RULE_OPCODE },
    {"0f01ee",               "rdpkru",                          RULE_OPCODE },
    {"0f22e0",               "mov cr4, rax",                    RULE_OPCODE },
    {"f3480faed0",           "wrfsbase rax",                    RULE_OPCODE },
    {"0fae10",               "ldmxcsr [rax]",                   RULE_OPCODE },
    {"0faef8",               "sfence",                          RULE_OPCODE },
    {"0faef1",               "mfence, rm 1",                    RULE_OPERAND},
    {"f3a4",                 "rep movsb",                       RULE_OPCODE },
    {"9d",                   "popf",                            RULE_OPCODE },
    {"8ed8",                 "mov ds, eax",                     RULE_OPCODE },
    {"658b00",               "mov eax, gs:[rax]",               RULE_OPCODE },
    {"678b00",               "mov eax, [eax]",                  RULE_OPCODE },
    {"3e8b00",               "mov eax, ds:[rax]",               RULE_OPCODE },
    {"66668900",             "two prefixes",                    RULE_OPCODE },
    {"668b00",               "mov ax, [rax]",                   RULE_OPCODE },
    {"f38b00",               "rep mov",                         RULE_OPCODE },
    {"48668900",             "REX, then a prefix",              RULE_OPCODE },
    {"66f00100",             "lock behind the prefix",          RULE_OPCODE },
    {"40488b00",             "two REX",                         RULE_OPCODE },
    {"c7c001000000",         "mov eax, 1 of six bytes",         RULE_OPCODE },
    {"ffd0",                 "call rax",                        RULE_OPCODE },
    {"ff30",                 "push [rax]",                      RULE_OPCODE },
    {"01c8",                 "add eax, ecx as store",           RULE_OPCODE },
    {"89c8",                 "mov eax, ecx as store",           RULE_OPCODE },
    {"0f11c1",               "movups xmm1, xmm0 as store",      RULE_OPCODE },
    {"c4e27900c1",           "vpshufb",                         RULE_OK     },
    {"c4e27d00c1",           "vpshufb of 32 bytes",             RULE_OPERAND},
    {"c4e07900c1",           "VEX map 0",                       RULE_OPCODE },
    {"c4e47900c1",           "VEX map 4",                       RULE_OPCODE },
    {"c4e17858c1",           "vaddps with a long VEX",          RULE_LONG   },
    {"c4e1f858c1",           "vaddps with W",                   RULE_OPCODE },
    {"c5f028c1",             "vmovaps with vvvv",               RULE_PREFIX },
    {"c5f88bc1",             "mov with VEX",                    RULE_OPCODE },
    {"c5f8afc1",             "imul with VEX",                   RULE_OPCODE },
    {"660f38f7c1",           "shlx without VEX",                RULE_OPCODE },
    {"62f17c4858c1",         "EVEX",                            RULE_OPCODE },
    {"408b00",               "an empty REX",                    RULE_PREFIX },
    {"428b00",               "X without an index",              RULE_PREFIX },
    {"428bc0",               "X with registers",                RULE_PREFIX },
    {"4483c002",             "R with a digit",                  RULE_PREFIX },
    {"440f90c0",             "R with setcc",                    RULE_PREFIX },
    {"418b0500000000",       "B with rip",                      RULE_PREFIX },
    {"41c3",                 "B with ret",                      RULE_PREFIX },
    {"48c3",                 "W with ret",                      RULE_OPCODE },
    {"4850",                 "W with push",                     RULE_OPCODE },
    {"4199",                 "B with cdq",                      RULE_PREFIX },
    {"c4c178280500000000",   "VEX.B with rip",                  RULE_PREFIX },
    {"f08b00",               "lock mov",                        RULE_PREFIX },
    {"f00300",               "lock add eax, [rax]",             RULE_PREFIX },
    {"f08700",               "lock xchg",                       RULE_PREFIX },
    {"0fb100",               "cmpxchg without lock",            RULE_PREFIX },
    {"0000",                 "add [rax], al without lock",      RULE_PREFIX },
    {"8820",                 "mov [rax], ah",                   RULE_OPERAND},
    {"0fb6c4",               "movzx eax, ah",                   RULE_OPERAND},
    {"400fb6c4",             "movzx eax, spl",                  RULE_OK     },
    {"400fb6c3",             "movzx eax, bl with REX",          RULE_PREFIX },
    {"408803",               "mov [rbx], al with REX",          RULE_PREFIX },
    {"408823",               "mov [rbx], spl",                  RULE_OK     },
    {"0f90c8",               "setcc with digit 1",              RULE_OPERAND},
    {"83c07f",               "add eax, 127",                    RULE_OK     },
    {"81c07f000000",         "add eax, 127 of six bytes",       RULE_LONG   },
    {"81c080ffffff",         "add eax, -128 of six bytes",      RULE_LONG   },
    {"81c080000000",         "add eax, 128",                    RULE_OK     },
    {"69c005000000",         "imul eax, eax, 5 of six",         RULE_LONG   },
    {"c1e001",               "shl eax, 1 of three",             RULE_LONG   },
    {"c1e020",               "shl eax, 32",                     RULE_OPERAND},
    {"c1e0ff",               "shl eax, 255",                    RULE_OPERAND},
    {"48c1e020",             "shl rax, 32",                     RULE_OK     },
    {"48c1e040",             "shl rax, 64",                     RULE_OPERAND},
    {"48c7c001000000",       "mov rax, 1 of seven",             RULE_LONG   },
    {"48c7c0ffffffff",       "mov rax, -1",                     RULE_OK     },
    {"48b8ffffffffffffffff", "mov rax, -1 of ten",              RULE_LONG   },
    {"48b8ffffffff00000000", "mov rax, 2^32-1 of ten",          RULE_LONG   },
    {"48b80000000001000000", "mov rax, 2^32",                   RULE_OK     },
    {"c20000",               "ret 0",                           RULE_LONG   },
    {"c21000",               "ret 16",                          RULE_OK     },
    {"8b4000",               "[rax] with disp8",                RULE_LONG   },
    {"8b4500",               "[rbp]",                           RULE_OK     },
    {"8b807f000000",         "[rax + 127] with disp32",         RULE_LONG   },
    {"8b8500000000",         "[rbp] with disp32",               RULE_LONG   },
    {"8b0420",               "[rax] with SIB",                  RULE_LONG   },
    {"8b0464",               "[rsp] with scale 1",              RULE_LONG   },
    {"8b0424",               "[rsp]",                           RULE_OK     },
    {"8b042500000000",       "[0]",                             RULE_OPERAND},
    {"8b040d00000000",       "[rcx + 0] without base",          RULE_OPERAND},
    {"8d040d00000000",       "lea eax, [rcx + 0] without base", RULE_LONG   },
    {"8d048d00000000",       "lea eax, [rcx * 4]",              RULE_OK     },
    {"438d048d00000000",     "lea eax, [r9 * 4] with B",        RULE_PREFIX },
    {"8dc0",                 "lea of a register",               RULE_OPCODE },
};

TEST(verify_decode_refusals)
{
    for (u32 i = 0; i < COUNT(refusals); i++) {
        const struct refusal *r = &refusals[i];
        struct verify_ins ins;
        u8 bytes[32] = {0};
        u32 size = bytes_of(r->hex, bytes);
        u32 rule = verify_decode(&ins, bytes, bytes + size);
        if (rule != r->rule)
            printf("%s: %s\n", r->what, verify_rule_text(rule));
        EXPECT_EQ(rule, r->rule);
    }
}

// What goes on behind the end is refused, and nothing there is read.
TEST(verify_decode_cut)
{
    static const u8 longest[] = {0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8};

    for (u32 size = 0; size <= sizeof(longest); size++) {
        struct verify_ins ins;
        u8 *bytes = malloc(size + (size == 0));
        if (bytes == NULL)
            abort();
        memcpy(bytes, longest, size);
        u32 rule = verify_decode(&ins, bytes, bytes + size);
        free(bytes);
        EXPECT_EQ(rule == RULE_OK, size == sizeof(longest));
    }
}

TEST(verify_decode_texts)
{
    EXPECT_EQ(strcmp(verify_form_text(FORM_MOVSX32), "movsxd"), 0);
    EXPECT_EQ(strcmp(verify_rule_text(RULE_OK), "accepted"), 0);
}
