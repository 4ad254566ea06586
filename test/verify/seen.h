// test/verify/seen.h: an instruction as the decoder of verify/ sees it, for
// tests that see x64/, too, whose names are others.

#pragma once

#include "test/test.h"

enum { SEEN_NONE = 16 }; // no such register

// Where it goes on: behind it; at a distance from there, or both; by a
// register; nowhere here.
enum seen_next { SEEN_BEHIND, SEEN_AWAY, SEEN_EITHER, SEEN_REG, SEEN_END };

struct seen {
    u32 length;
    const char *text; // the mnemonic, without the v of VEX and a condition
    bool writes_flags, reads_flags, is_locked, is_vex;
    bool is_compare; // compares or tests
    bool is_zero;    // an xor that makes 0
    u8 cc, def, b;
    bool has_mem;
    u8 base, index, scale, mem_size;
    i32 disp;
    i64 imm;
    u8 next;                       // enum seen_next
    bool is_const, is_rip_address; // mov reg, imm; lea reg, [rip + disp]
};

// False, and says so: it is refused, or Zydis does not see the same.
bool verify_see(struct seen *seen, const u8 *at, const u8 *end);

// Names those forms that verify_see() has not met; how many.
u32 verify_unseen(void);
