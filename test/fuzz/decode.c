// test/fuzz/decode.c: any bytes through the decoder: a verdict with an offset
// inside the bytes, no crash, memory in proportion.
//
// Built and run as README.md says.

#include "test/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const u8 *bytes, size_t size)
{
    struct arena *arena = fuzz_arena();
    struct error error = {0};
    struct module m;

    status_t status =
        module_decode(&m, (struct bytes){(u8 *)bytes, size}, arena, &error);
    fuzz_check_verdict(status, &error, size);
    assert(arena->peak <= 64 * size + MIB);
    return 0;
}
