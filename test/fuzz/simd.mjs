// test/fuzz/simd.mjs: the vector instructions as smith.mjs wants them, written
// from the opcode table of the specification (5.4.8).  Relaxed instructions are
// left out: their results are not determined.

const I32 = 0x7f, I64 = 0x7e, F32 = 0x7d, F64 = 0x7c, V = 0x7b;

function uleb(n) {
    return n < 0x80 ? [n] : [(n & 0x7f) | 0x80, n >> 7];
}

const ops = [];

function add(numbers, operands, result, more = {}) {
    for (const n of numbers)
        ops.push({ code: [0xfd, ...uleb(n)], operands, result, ...more });
}

function range(first, last) {
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

add([0x0d], [V, V], V, { lanes: Array(16).fill(32) }); // shuffle
add([0x0e], [V, V], V);                                // swizzle
add([0x0f, 0x10, 0x11], [I32], V);                     // splat
add([0x12], [I64], V);
add([0x13], [F32], V);
add([0x14], [F64], V);
add([0x15, 0x16], [V], I32, { lanes: [16] });          // extract, replace
add([0x17], [V, I32], V, { lanes: [16] });
add([0x18, 0x19], [V], I32, { lanes: [8] });
add([0x1a], [V, I32], V, { lanes: [8] });
add([0x1b], [V], I32, { lanes: [4] });
add([0x1c], [V, I32], V, { lanes: [4] });
add([0x1d], [V], I64, { lanes: [2] });
add([0x1e], [V, I64], V, { lanes: [2] });
add([0x1f], [V], F32, { lanes: [4], isFloat: true });
add([0x20], [V, F32], V, { lanes: [4] });
add([0x21], [V], F64, { lanes: [2], isFloat: true });
add([0x22], [V, F64], V, { lanes: [2] });
add(range(0x23, 0x4c), [V, V], V);                     // comparisons
add([0x4d], [V], V);                                   // not
add([0x4e, 0x4f, 0x50, 0x51], [V, V], V);              // and andnot or xor
add([0x52], [V, V, V], V);                             // bitselect
add([0x53], [V], I32);                                 // any_true
add([0x5e], [V], V, { floatLanes: 4 });                // demote
add([0x5f], [V], V, { floatLanes: 2 });                // promote
add([0x60, 0x61, 0x62], [V], V);
add([0x63, 0x64], [V], I32);
add([0x65, 0x66], [V, V], V);                          // narrow
add([0x67, 0x68, 0x69, 0x6a], [V], V, { floatLanes: 4 });
add([0x6b, 0x6c, 0x6d], [V, I32], V);                  // shifts
add(range(0x6e, 0x73), [V, V], V);
add([0x74, 0x75], [V], V, { floatLanes: 2 });
add(range(0x76, 0x79), [V, V], V);
add([0x7a], [V], V, { floatLanes: 2 });
add([0x7b], [V, V], V);
add([0x7c, 0x7d, 0x7e, 0x7f, 0x80, 0x81], [V], V);
add([0x82], [V, V], V);
add([0x83, 0x84], [V], I32);
add([0x85, 0x86], [V, V], V);
add([0x87, 0x88, 0x89, 0x8a], [V], V);
add([0x8b, 0x8c, 0x8d], [V, I32], V);
add(range(0x8e, 0x93), [V, V], V);
add([0x94], [V], V, { floatLanes: 2 });
add(range(0x95, 0x99), [V, V], V);
add(range(0x9b, 0x9f), [V, V], V);
add([0xa0, 0xa1], [V], V);
add([0xa3, 0xa4], [V], I32);
add([0xa7, 0xa8, 0xa9, 0xaa], [V], V);
add([0xab, 0xac, 0xad], [V, I32], V);
add([0xae, 0xb1, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba], [V, V], V);
add(range(0xbc, 0xbf), [V, V], V);
add([0xc0, 0xc1], [V], V);
add([0xc3, 0xc4], [V], I32);
add([0xc7, 0xc8, 0xc9, 0xca], [V], V);
add([0xcb, 0xcc, 0xcd], [V, I32], V);
add([0xce, 0xd1, 0xd5], [V, V], V);
add(range(0xd6, 0xdb), [V, V], V);
add(range(0xdc, 0xdf), [V, V], V);
add([0xe0, 0xe1, 0xe3], [V], V, { floatLanes: 4 });
add(range(0xe4, 0xeb), [V, V], V, { floatLanes: 4 });
add([0xec, 0xed, 0xef], [V], V, { floatLanes: 2 });
add(range(0xf0, 0xf7), [V, V], V, { floatLanes: 2 });
add([0xf8, 0xf9, 0xfc, 0xfd], [V], V);                 // trunc_sat
add([0xfa, 0xfb], [V], V, { floatLanes: 4 });          // convert
add([0xfe, 0xff], [V], V, { floatLanes: 2 });

// [opcode, log2 of the width]
const loads = [[0x00, 4], [0x01, 3], [0x02, 3], [0x03, 3], [0x04, 3],
    [0x05, 3], [0x06, 3], [0x07, 0], [0x08, 1], [0x09, 2], [0x0a, 3],
    [0x5c, 2], [0x5d, 3]];

// [opcode, log2 of the width, lanes of a store_lane]
const stores = [[0x0b, 4, 0], [0x58, 0, 16], [0x59, 1, 8], [0x5a, 2, 4],
    [0x5b, 3, 2]];

export const simd = { ops, loads, stores };
