// test/x64/check.h: is allocated code the same program?
//
// A symbolic checker: it follows which vregs each register and slot holds
// along all paths, and demands that every instruction finds its operands.

#pragma once

#include "x64/mach.h"

struct check;

// Before mach_allocate: remember the code.  Uses mins.unused.
struct check *check_begin(struct mach *m);

// After it: NULL when all is well, else what is wrong.  Frees the check.
const char *check_end(struct check *c, const struct mach *m);
