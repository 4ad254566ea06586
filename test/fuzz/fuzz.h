// test/fuzz/fuzz.h: what the fuzz targets share.

#pragma once

#include "wasm/wasm.h"

int LLVMFuzzerTestOneInput(const u8 *bytes, size_t size);

// An empty arena, large enough for every input.
struct arena *fuzz_arena(void);

// A failure has a reason and an offset inside the bytes; success has none.
void fuzz_check_verdict(status_t status, const struct error *error, u64 size);
