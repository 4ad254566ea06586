// user/abi2018/drivers.c: what needs a resource, which this program has not.

#include "abi2018.h"

void
test_drivers(void)
{
    struct ends e = new_channel();
    uint32_t event = new_event();
    uint64_t address = 77;

    EXPECT_EQ(abi_physical_map(0xb8000, 4096), ABI_ACCESS_DENIED);
    EXPECT_EQ(abi_physical_map(UINT64_MAX, UINT32_MAX), ABI_ACCESS_DENIED);
    EXPECT_EQ(abi_physical_alloc(4096, &address), ABI_ACCESS_DENIED);
    EXPECT_EQ(abi_physical_alloc(4096, OUTSIDE + 9), ABI_OUT_OF_BOUNDS);
    EXPECT_EQ(address, 77);

    // The i32 of a port is no byte then; a write has nothing to return.
    EXPECT_EQ(abi_read_port_u8(0x60), ABI_ACCESS_DENIED);
    abi_write_port_u8(0xf4, 0); // would end the machine
    abi_write_port_u8(0x604, 0);

    EXPECT_EQ(abi_interrupt_create(NO_HANDLE, 33), ABI_NOT_FOUND);
    EXPECT_EQ(abi_interrupt_create(event, 33), ABI_WRONG_TYPE);
    EXPECT_EQ(abi_interrupt_create(e.out, 33), ABI_ACCESS_DENIED);
    EXPECT_EQ(abi_interrupt_create(e.in, 33), ABI_ACCESS_DENIED);
    EXPECT_EQ(abi_interrupt_ack(NO_HANDLE), ABI_NOT_FOUND);
    EXPECT_EQ(abi_interrupt_ack(event), ABI_WRONG_TYPE);
    close_handle(event);
    close_ends(&e);
}
