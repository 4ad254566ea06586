// test/x64/rows.h: every row of x64/ops.def in many variants: all registers,
// shapes of address, sizes of immediates.

#pragma once

#include "test/test.h"
#include "x64/emit/emit.h"

typedef void x64_row_visit(const struct mins *ins, u32 features);

extern const u64 x64_rows_wide[4]; // for encoder.wide, see MINS_CONST64

// Visit the variants of a row; false: it has no bytes of its own kind.
bool x64_row_each(u32 op, u32 features, x64_row_visit *visit);

// Rows that are several instructions, and calls and ends of blocks, which
// belong to emit: they have tests of their own.
bool x64_row_elsewhere(u32 op);
