// test/x64/abi.c: where arguments and results travel.

#include "test/test.h"
#include "x64/mach.h"

// Types by letter (i l f d v r as in wasm/ops.def, r a reference), places as
// registers (x0 = xmm0) or offsets on the stack.
static const struct {
    u32 args_size, stack_size;
    const char *types, *places;
} signatures[] = {
    {0,  0,  "",                 ""                                },
    {0,  0,  "il:l",             "rdi rsi rax"                     },
    {0,  0,  "drv:fi",           "x0 rdi x1 x0 rax"                },
 // The seventh and eighth integer, 8 bytes each.
    {16, 16, "iiiiiiil",         "rdi rsi rdx rcx r8 r9 0 8"       },
 // Vectors on the stack are aligned; integers go on in registers.
    {32, 32, "ddddddddfvi",      "x0 x1 x2 x3 x4 x5 x6 x7 0 16 rdi"},
 // Results on the stack are above the arguments.
    {16, 32, "iiiiiil:llllllii",
     "rdi rsi rdx rcx r8 r9 0 "
     "rax rdx rcx rsi rdi r8 16 24"                                },
};

static valtype_t
type_of(char letter)
{
    switch (letter) {
    case 'i':
        return VAL_I32;
    case 'l':
        return VAL_I64;
    case 'f':
        return VAL_F32;
    case 'd':
        return VAL_F64;
    case 'v':
        return VAL_V128;
    default:
        return VAL_FUNCREF;
    }
}

static void
read_type(struct type *type, valtype_t *vals, const char *letters)
{
    bool results = false;
    u32 count = 0;

    *type = (struct type){.vals = vals};
    for (; *letters != 0; letters++) {
        if (*letters == ':') {
            results = true;
            continue;
        }
        vals[count++] = type_of(*letters);
        type->result_count += results;
        type->param_count += !results;
    }
}

static u32
print_place(char *to, u64 size, struct abi_loc loc)
{
    static const char *const names[] = {"rax", "rcx", "rdx", "rbx", "rsp",
                                        "rbp", "rsi", "rdi", "r8",  "r9"};

    if (loc.reg == REG_NONE)
        return format(to, size, " %u", loc.offset);
    if (loc.reg >= REG_XMM0)
        return format(to, size, " x%u", loc.reg - REG_XMM0);
    return format(to, size, " %s",
                  loc.reg < COUNT(names) ? names[loc.reg] : "?");
}

TEST(x64_abi)
{
    for (u32 i = 0; i < COUNT(signatures); i++) {
        char text[256] = " ";
        u32 length = 0, count;
        u8 buffer[4096];
        valtype_t vals[32];
        struct arena arena;
        struct type type;
        struct abi abi;

        read_type(&type, vals, signatures[i].types);
        count = type.param_count + type.result_count;
        arena_init_fixed(&arena, buffer, sizeof(buffer));
        EXPECT_EQ(abi_compute(&abi, &type, &arena), OK);
        EXPECT_EQ(abi.args_size, signatures[i].args_size);
        EXPECT_EQ(abi.stack_size, signatures[i].stack_size);
        for (u32 k = 0; k < count; k++)
            length += print_place(text + length, sizeof(text) - length,
                                  k < type.param_count ?
                                      abi.params[k] :
                                      abi.results[k - type.param_count]);
        EXPECT(
            string_equal(string_of(text + 1), string_of(signatures[i].places)));
    }
}

TEST(x64_abi_no_memory)
{
    static const valtype_t vals[] = {VAL_I32, VAL_I32};
    struct type type = {.param_count = 2, .vals = vals};
    u8 buffer[8];
    struct arena arena;
    struct abi abi;

    arena_init_fixed(&arena, buffer, sizeof(buffer));
    EXPECT_EQ(abi_compute(&abi, &type, &arena), ERR_NO_MEMORY);
}
