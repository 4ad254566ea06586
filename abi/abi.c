// abi/abi.c: the texts of the tables.

#include "abi/abi.h"

const char *
trap_text(enum trap trap)
{
    static const char *const texts[TRAP_COUNT] = {
        "none",
#define TRAP(id, text) text,
#include "abi/traps.def"
    };

    assert(trap < TRAP_COUNT);
    return texts[trap];
}
