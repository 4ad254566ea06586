// user/abi2018/processes.c: modules and processes, by way of /child.wasm
// (test/programs/child2018.wat), which shows the messages of its handle 0.

#include "abi2018.h"

#include <stdio.h>
#include <string.h>

enum { CHILD_MAX = 4096 };

static char child[CHILD_MAX];
static uint32_t child_size;

static void
load_child(void)
{
    FILE *f = fopen("/child.wasm", "r");

    EXPECT_EQ(f != NULL, 1);
    child_size = (uint32_t)fread(child, 1, CHILD_MAX, f);
    fclose(f);
}

static uint32_t
compile_child(void)
{
    int64_t code = abi_wasm_compile(child, child_size);

    EXPECT_EQ(code > 0, 1);
    return (uint32_t)code;
}

static uint32_t
create(uint32_t code, uint32_t channel)
{
    int64_t process = abi_process_create(code, channel);

    EXPECT_EQ(process > 0, 1);
    return (uint32_t)process;
}

static void
refuse_modules(void)
{
    // Its import is in no module.
    static const char unknown[] =
        "\0asm\1\0\0\0\1\4\1\x60\0\0\2\v\1\3env\3foo\0";
    struct ends e = new_channel();

    EXPECT_EQ(abi_wasm_compile(OUTSIDE, 100), ABI_INVALID_ARG);
    EXPECT_EQ(abi_wasm_compile("not wasm", 8), ABI_INTERNAL);
    EXPECT_EQ(abi_wasm_compile(child, child_size - 1), ABI_INTERNAL);

    int64_t code = abi_wasm_compile(unknown, sizeof(unknown));
    EXPECT_EQ(code > 0, 1);
    EXPECT_EQ(abi_process_create((uint32_t)code, e.out), ABI_INTERNAL);
    close_handle((uint32_t)code);
    close_ends(&e);
}

static void
refuse_processes(uint32_t code)
{
    struct ends e = new_channel();
    uint32_t event = new_event();

    EXPECT_EQ(abi_process_create(NO_HANDLE, e.out), ABI_NOT_FOUND);
    EXPECT_EQ(abi_process_create(code, NO_HANDLE), ABI_NOT_FOUND);
    EXPECT_EQ(abi_process_create(event, e.out), ABI_WRONG_TYPE);
    EXPECT_EQ(abi_process_create(code, event), ABI_WRONG_TYPE);
    EXPECT_EQ(abi_process_create(code, e.in), ABI_ACCESS_DENIED);
    EXPECT_EQ(abi_process_start(NO_HANDLE), ABI_NOT_FOUND);
    EXPECT_EQ(abi_process_start(event), ABI_WRONG_TYPE);

    // A module without an entry.
    uint32_t empty = new_module(), process = create(empty, e.out);
    EXPECT_EQ(abi_process_start(process), ABI_INTERNAL);
    EXPECT_EQ(abi_process_start(process), ABI_INTERNAL);
    close_handle(process);
    close_handle(empty);

    // One that ends before it began.
    process = create(code, e.out);
    EXPECT_EQ(nebulet_process_kill(process, 3), 0);
    EXPECT_EQ(abi_process_start(process), ABI_BAD_STATE);
    close_handle(process);
    close_handle(event);
    close_ends(&e);
}

// A process of ours has a handle whose rights can be taken away.
static void
refuse_rights(void)
{
    uint32_t module, process, exit_status;
    struct nebulet_process_spawn call = {
        .name = "ours", .name_size = 4, .process = &process};

    EXPECT_EQ(nebulet_module_create(child, child_size, NULL, 0, &module), 0);
    call.module = module;
    EXPECT_EQ(nebulet_process_spawn(&call), 0);
    uint32_t weak = without(process, NEBULET_RIGHT_WAIT);
    EXPECT_EQ(abi_process_start(weak), ABI_ACCESS_DENIED);
    EXPECT_EQ(abi_process_start(process), ABI_BAD_STATE);
    EXPECT_EQ(nebulet_process_wait(weak, UINT64_MAX, &exit_status), 0);
    EXPECT_EQ(exit_status, 0);

    struct ends e = new_channel();
    uint32_t mute = without(module, NEBULET_RIGHT_TRANSFER);
    EXPECT_EQ(abi_process_create(mute, e.out), ABI_ACCESS_DENIED);
    close_handle(mute);
    close_ends(&e);
    close_handle(weak);
    close_handle(process);
    close_handle(module);
}

void
test_processes(void)
{
    struct ends e = new_channel();
    uint32_t exit_status = 77;

    load_child();
    refuse_modules();
    uint32_t code = compile_child();
    refuse_processes(code);
    refuse_rights();

    // It has a handle of its own: ours goes at once.
    uint32_t process = create(code, e.out);
    close_handle(code);
    close_handle(e.out);
    EXPECT_EQ(abi_channel_send(e.in, "to the child\n", 13), 0);
    EXPECT_EQ(abi_process_start(process), 0);
    EXPECT_EQ(abi_process_start(process), ABI_BAD_STATE);
    EXPECT_EQ(abi_channel_send(e.in, "and again\n", 10), 0);
    close_handle(e.in);
    EXPECT_EQ(nebulet_process_wait(process, UINT64_MAX, &exit_status), 0);
    EXPECT_EQ(exit_status, 0);
    EXPECT_EQ(abi_process_start(process), ABI_BAD_STATE);
    close_handle(process);
}
