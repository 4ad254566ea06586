// user/abi2018/main.c: tests of the module "abi", the calls of 2018: what each
// does, and each error of each call (docs/abi2018.md).
//
//     abi2018 GROUP    a group of calls; says how many checks there were
//     abi2018 print    what is shown
//     abi2018 outside|unaligned|released    locks that trap

#include "abi2018.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned checks;

void
expect_equal(const char *file, int line, const char *what, int64_t got,
             int64_t want)
{
    checks++;
    if (got == want)
        return;
    printf("%s:%d: %s is %lld, not %lld\n", file, line, what, (long long)got,
           (long long)want);
    exit(1);
}

// --- objects -----------------------------------------------------------------

struct ends
new_channel(void)
{
    struct ends e;

    EXPECT_EQ(abi_channel_create(&e.in, &e.out), 0);
    return e;
}

struct ends
new_stream(void)
{
    struct ends e;

    EXPECT_EQ(abi_stream_create(&e.in, &e.out), 0);
    return e;
}

uint32_t
new_event(void)
{
    int64_t event = abi_event_create();

    EXPECT_EQ(event > 0, 1);
    return (uint32_t)event;
}

uint32_t
new_module(void)
{
    static const char empty[] = "\0asm\1\0\0";
    int64_t module = abi_wasm_compile(empty, sizeof(empty));

    EXPECT_EQ(module > 0, 1);
    return (uint32_t)module;
}

void
close_handle(uint32_t handle)
{
    EXPECT_EQ(abi_handle_close(handle), 0);
}

void
close_ends(const struct ends *e)
{
    close_handle(e->in);
    close_handle(e->out);
}

uint32_t
without(uint32_t handle, uint32_t keep)
{
    uint32_t copy = 0;

    EXPECT_EQ(nebulet_handle_duplicate(handle, keep, &copy), 0);
    return copy;
}

// --- what is shown -----------------------------------------------------------

static void
test_print(void)
{
    static const char text[] = "in one";

    abi_print(text, 6);
    abi_print(" line\n", 6);
    abi_print(text, 0);
    abi_print(OUTSIDE, 100); // says so in the log
    EXPECT_EQ(abi_exit(18446744073709551615u), 0);
    abi_print("and on it goes\n", 15);
}

// --- locks that trap ---------------------------------------------------------

static void
trap_outside(void)
{
    abi_pfex_acquire(OUTSIDE);
}

static void
trap_unaligned(void)
{
    static uint32_t words[2];

    abi_pfex_acquire((uint32_t *)((char *)words + 2));
}

static void
trap_released(void)
{
    abi_pfex_release(OUTSIDE);
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } groups[] = {
        {"print",     test_print    },
        {"handles",   test_handles  },
        {"signals",   test_signals  },
        {"channels",  test_channels },
        {"streams",   test_streams  },
        {"processes", test_processes},
        {"threads",   test_threads  },
        {"drivers",   test_drivers  },
        {"limits",    test_limits   },
        {"outside",   trap_outside  },
        {"unaligned", trap_unaligned},
        {"released",  trap_released },
    };

    for (unsigned i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        if (argc != 2 || strcmp(argv[1], groups[i].name) != 0)
            continue;
        groups[i].run();
        printf("%u checks\n", checks);
        return 0;
    }
    return 2;
}
