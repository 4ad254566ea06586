// user/abi2018/: what the groups of tests share.

#pragma once

#include <nebulet.h>
#include <nebulet2018.h>

#include <stdint.h>

// Two numbers that are to be the same; else the program ends with status 1.
#define EXPECT_EQ(got, want) \
    expect_equal(__FILE__, __LINE__, #got, (int64_t)(got), (int64_t)(want))

void expect_equal(const char *file, int line, const char *what, int64_t got,
                  int64_t want);

enum {
    READ = NEBULET_RIGHT_READ,
    WRITE = NEBULET_RIGHT_WRITE,
    TRANSFER = NEBULET_RIGHT_TRANSFER,
    DUPLICATE = NEBULET_RIGHT_DUPLICATE,
};

// Nobody's handle, and an address outside of memory.
#define NO_HANDLE 0x7ff00001u
#define OUTSIDE   ((void *)0xfffffff0u)

struct ends {
    uint32_t in, out; // handles: what goes in here comes out there
};

struct ends new_channel(void);
struct ends new_stream(void);
uint32_t new_event(void);
uint32_t new_module(void);          // an empty one
void close_handle(uint32_t handle); // which must be there
void close_ends(const struct ends *e);
// Another handle without a right of ours, by the call of ours.
uint32_t without(uint32_t handle, uint32_t keep);

// The groups.
void test_handles(void);
void test_signals(void);
void test_channels(void);
void test_streams(void);
void test_processes(void);
void test_threads(void);
void test_drivers(void);
void test_limits(void);
