// test/port/divide.c: the divisor of a division that faulted.

#include "port/x64/port_x64.h"
#include "test/test.h"

static u64 memory[4] = {0, 0x100000000, 7, 0};

// regs[n] = n but for rdx = 1 << 32, rbx = 0, r12 = memory, r13 = &memory[3].
static const struct {
    const char *text;
    u8 bytes[8];
    bool zero;
} divisions[] = {
    {"div ebx",                   {0xf7, 0xf3},                         true },
    {"idiv ecx",                  {0xf7, 0xf9},                         false},
    {"div edx",                   {0xf7, 0xf2},                         true },
    {"div rdx",                   {0x48, 0xf7, 0xf2},                   false},
    {"idiv r11",                  {0x49, 0xf7, 0xfb},                   false},
    {"div qword [r12]",           {0x49, 0xf7, 0x34, 0x24},             true },
    {"div dword [r12 + 8]",       {0x41, 0xf7, 0x74, 0x24, 0x08},       true },
    {"div qword [r12 + 8]",       {0x49, 0xf7, 0x74, 0x24, 0x08},       false},
    {"idiv qword [r12 + 8*rcx]",  {0x49, 0xf7, 0x3c, 0xcc},             false},
    {"idiv qword [r12 + rbx]",    {0x49, 0xf7, 0x3c, 0x1c},             true },
    {"idiv qword [r13 - 8]",      {0x49, 0xf7, 0x7d, 0xf8},             false},
    {"idiv qword [r13 + 0]",      {0x49, 0xf7, 0x7d, 0x00},             true },
    {"idiv [rip]: these 8 bytes", {0xf7, 0x3d, 0xfa, 0xff, 0xff, 0xff}, false},
    {"not a division",            {0x0f, 0x0b},                         false},
};

TEST(port_divisor)
{
    u64 regs[16];

    for (u32 i = 0; i < 16; i++)
        regs[i] = i;
    regs[2] = 1ull << 32;
    regs[3] = 0;
    regs[12] = (u64)memory;
    regs[13] = (u64)&memory[3];
    for (u32 i = 0; i < COUNT(divisions); i++)
        EXPECT_EQ(divisor_is_zero(divisions[i].bytes, regs), divisions[i].zero);
}
