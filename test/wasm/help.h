// test/wasm/help.h: what the tests of wasm/ share: memory, and modules made in
// memory.

#pragma once

#include "test/test.h"
#include "wasm/wasm.h"

// An arena over `size` bytes of lazily committed memory; arena_drop gives it
// back.
struct arena arena_make(u64 size);
void arena_drop(struct arena *arena);

// The line of one place; false: unknown.
struct source_line {
    struct string file;
    u64 line;
};
bool line_of(const struct module *m, u64 at, struct source_line *out);

u64 cpu_ns(void); // that this process has used

// All of a file, of malloc(); no bytes where it cannot be read.
struct bytes whole_file(const char *path);

// Decode and validate; what was wrong is in *error.
status_t judge(struct bytes bytes, struct arena *arena, struct error *error);

// Sections.
enum {
    TYPE = 1,
    IMPORT,
    FUNCTION,
    TABLE,
    MEMORY,
    GLOBAL,
    EXPORT,
    START,
    ELEMENT,
    CODE,
    DATA,
    DATA_COUNT,
    TAG
};

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

// The same bytes n times.
#define TIMES(b, n, ...)               \
    for (u32 i_ = 0; i_ < (n); i_++) { \
        build_list(b, __VA_ARGS__);    \
    }

// A section, or anything else that has its size in front.
void build_open(struct build *b); // size to follow
void build_section(struct build *b, u8 id);
void build_close(struct build *b);
// A section of n equal items, given as a string literal.
#define REPEAT(b, section, n, item) \
    build_repeat(b, section, n, item, sizeof(item) - 1)
void build_repeat(struct build *b, u8 section, u32 n, const void *item,
                  u32 size);
// n exports of item 0 of a kind, under names of eight characters.
void build_exports(struct build *b, u32 n, u8 kind);
struct bytes build_result(const struct build *b);
