// test/: what the tests of wasm/ share: memory, and modules made in memory.

#pragma once

#include "test/test.h"
#include "wasm/wasm.h"

// An arena over `size` bytes of lazily committed memory; arena_drop gives it
// back.
struct arena arena_make(u64 size);
void arena_drop(struct arena *arena);

// Decode and validate; what was wrong is in *error.
status_t judge(struct bytes bytes, struct arena *arena, struct error *error);

// Bytes of a module under construction.
struct build {
    u8 *ptr;
    u64 size, capacity;
    u64 sections[8]; // where the contents of open sections and bodies start
    u32 depth;
};

void build_start(struct build *b); // magic and version
void build_free(struct build *b);
void build_u8(struct build *b, u8 byte);
void build_u32(struct build *b, u32 number);
void build_hex(struct build *b, const char *hex); // "00 61 73 6d"
u32 hex_size(const char *hex);
void build_s32(struct build *b, i32 number);
void build_bytes(struct build *b, const void *bytes, u64 size);
#define build_list(b, ...) \
    build_bytes(b, (const u8[]){__VA_ARGS__}, sizeof((u8[]){__VA_ARGS__}))

// A section, or anything else that has its size in front.
void build_open(struct build *b); // size to follow
void build_section(struct build *b, u8 id);
void build_close(struct build *b);
struct bytes build_result(const struct build *b);
