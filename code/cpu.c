// code/cpu.c: what the processor has, by cpuid (SDM vol. 2A, CPUID).

#include "code/code.h"

struct cpuid {
    u32 eax, ebx, ecx, edx;
};

static struct cpuid
cpuid(u32 leaf)
{
    struct cpuid r = {.eax = leaf, .ecx = 0};

    __asm__ volatile("cpuid"
                     : "+a"(r.eax), "=b"(r.ebx), "+c"(r.ecx), "=d"(r.edx));
    return r;
}

// Does the system save the upper halves of the vector registers?
static bool
has_ymm_state(u32 leaf1_ecx)
{
    u32 low, high;

    if ((leaf1_ecx >> 27 & 1) == 0) // OSXSAVE
        return false;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & 6) == 6;
}

u32
cpu_features_detect(void)
{
    enum { SSE41 = 1 << 19, SSE42 = 1 << 20, POPCNT = 1 << 23 };
    const u32 floor = SSE41 | SSE42 | POPCNT;
    u32 one = cpuid(1).ecx;
    u32 seven = cpuid(0).eax >= 7 ? cpuid(7).ebx : 0;
    u32 extended =
        cpuid(0x80000000).eax >= 0x80000001 ? cpuid(0x80000001).ecx : 0;
    bool ymm = has_ymm_state(one);
    const struct {
        bool has;
        u32 feature;
    } features[] = {
        {(one & floor) == floor,       CPU_SSE41},
        {(extended >> 5 & 1) != 0,     CPU_LZCNT},
        {(seven >> 3 & 1) != 0,        CPU_BMI1 },
        {ymm && (seven >> 8 & 1) != 0, CPU_BMI2 },
        {ymm && (one >> 28 & 1) != 0,  CPU_AVX  },
        {ymm && (seven >> 5 & 1) != 0, CPU_AVX2 },
        {ymm && (one >> 12 & 1) != 0,  CPU_FMA  },
    };
    u32 all = 0;

    for (u32 i = 0; i < COUNT(features); i++)
        if (features[i].has)
            all |= features[i].feature;
    return all;
}
