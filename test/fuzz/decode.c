// test/fuzz/decode.c: any bytes through the decoder: a verdict with an offset
// inside the bytes, no crash, memory in proportion.
//
//     clang -std=c11 -g -O1 -I. -D_GNU_SOURCE
//         -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined
//         test/fuzz/decode.c test/fuzz/fuzz.c base/*.c wasm/*.c -o FUZZER
//     FUZZER -max_len=65536 -timeout=10 -max_total_time=300 CORPUS SUITE/core

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
