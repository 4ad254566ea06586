// user/abi2018/limits.c: calls that make something, when there is no room for
// it any more.

#include "abi2018.h"

enum { CHANNELS = 256, MESSAGE_MAX = 65536 };

static char message[MESSAGE_MAX];

// Messages fill what a process has of the kernel's memory.
static void
fill_memory(void)
{
    static struct ends e[CHANNELS];
    int64_t status = ABI_SHOULD_WAIT;
    int count = 0;

    for (; status == ABI_SHOULD_WAIT && count < CHANNELS; count++) {
        e[count] = new_channel();
        do {
            status = abi_channel_send(e[count].in, message, MESSAGE_MAX);
        } while (status == 0);
    }
    EXPECT_EQ(status, ABI_NO_RESOURCES);
    EXPECT_EQ(count > 1, 1);
    while (count > 0)
        close_ends(&e[--count]);
}

void
test_limits(void)
{
    static const char empty[] = "\0asm\1\0\0";
    struct ends e = new_channel();
    uint32_t module = new_module(), a = 77, b = 77;
    int64_t status;

    fill_memory();
    do {
        status = abi_handle_duplicate(e.out, DUPLICATE);
    } while (status > 0);
    EXPECT_EQ(status, ABI_NO_RESOURCES);
    EXPECT_EQ(abi_event_create(), ABI_NO_RESOURCES);
    EXPECT_EQ(abi_wasm_compile(empty, sizeof(empty)), ABI_NO_RESOURCES);
    EXPECT_EQ(abi_process_create(module, e.out), ABI_NO_RESOURCES);
    EXPECT_EQ(abi_channel_create(&a, &b), ABI_NO_RESOURCES);
    EXPECT_EQ(abi_stream_create(&a, &b), ABI_NO_RESOURCES);

    // Room for one is none for a pair, and is there after it.
    close_handle(module);
    EXPECT_EQ(abi_channel_create(&a, &b), ABI_NO_RESOURCES);
    EXPECT_EQ(abi_stream_create(&a, &b), ABI_NO_RESOURCES);
    EXPECT_EQ(a, 77);
    EXPECT_EQ(b, 77);
    new_event();
    EXPECT_EQ(abi_event_create(), ABI_NO_RESOURCES);
}
