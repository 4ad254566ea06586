// test/kernel/registers.c: registers as a driver uses them, which are memory of
// the test's own.

#include "test/kernel/calls.h"
#include "test/kernel/registers.h"

#include <string.h>

enum { OUT = 64, BYTES = 8, AT = 0x60 };

static struct unit {
    struct port_registers registers;
    u8 bytes[2][BYTES];
    u32 listened;
} units[8], *last; // the one that was made last

static struct unit *
unit_of(struct port_registers *r)
{
    return CONTAINER(r, struct unit, registers);
}

static u32
read_bytes(struct port_registers *r, u32 range, u32 at, u32 width)
{
    u32 value = 0;

    assert(range < 2 && at + width <= BYTES);
    memcpy(&value, unit_of(r)->bytes[range] + at, width);
    return value;
}

static void
write_bytes(struct port_registers *r, u32 range, u32 at, u32 width, u32 value)
{
    assert(range < 2 && at + width <= BYTES);
    memcpy(unit_of(r)->bytes[range] + at, &value, width);
}

static void
listen(struct port_registers *r)
{
    unit_of(r)->listened++;
}

static const struct port_registers_ops ops = {
    .read = read_bytes,
    .write = write_bytes,
    .listen = listen,
};

struct object *
test_new_registers(const char *name, bool interrupts)
{
    struct registers *r = NULL;

    for (last = units; last->registers.user != NULL; last++)
        assert(last + 1 < units + COUNT(units));
    *last = (struct unit){
        .registers =
            {
                        .ops = &ops,
                        .name = name,
                        .ranges = {{REGISTERS_PORTS, AT, BYTES},
                           {REGISTERS_MEMORY, 0xfd000000, BYTES}},
                        .count = 2,
                        .interrupts = interrupts,
                        },
    };
    EXPECT_EQ(registers_new(&r, &last->registers), OK);
    return registers_object(r);
}

static handle_t
registers_of(const char *name, bool interrupts)
{
    struct object *o = test_new_registers(name, interrupts);
    handle_t handle = 0;

    EXPECT_EQ(handle_new(&process_current()->handles, o, UINT32_MAX, &handle),
              OK);
    object_release(o);
    return handle;
}

static void
read_and_write(void)
{
    handle_t r = registers_of("display", false);

    EXPECT_EQ(CALL(registers_range, r, 0, OUT, OUT + 8, OUT + 16), OK);
    EXPECT_EQ(test_load32(OUT), REGISTERS_PORTS);
    EXPECT_EQ(test_load64(OUT + 8), AT);
    EXPECT_EQ(test_load32(OUT + 16), BYTES);
    EXPECT_EQ(CALL(registers_range, r, 1, OUT, OUT + 8, OUT + 16), OK);
    EXPECT_EQ(test_load32(OUT), REGISTERS_MEMORY);
    EXPECT_EQ(CALL(registers_range, r, 2, OUT, OUT + 8, OUT + 16),
              ERR_NOT_FOUND);
    EXPECT_EQ(CALL(registers_write, r, 0, 4, 4, 0x87654321), OK);
    EXPECT_EQ(CALL(registers_write, r, 0, 1, 1, 0xfff1f), OK); // its low byte
    EXPECT_EQ(CALL(registers_write, r, 1, 6, 2, 0xabcd), OK);
    EXPECT_EQ(CALL(registers_read, r, 0, 4, 4, OUT), OK);
    EXPECT_EQ(test_load32(OUT), 0x87654321);
    EXPECT_EQ(CALL(registers_read, r, 0, 0, 4, OUT), OK);
    EXPECT_EQ(test_load32(OUT), 0x1f00);
    EXPECT_EQ(CALL(registers_read, r, 1, 7, 1, OUT), OK);
    EXPECT_EQ(test_load32(OUT), 0xab);
    EXPECT_EQ(CALL(registers_listen, r), ERR_NOT_FOUND); // it has none
}

// Nothing that is not there is read or written.
static void
reach_outside(void)
{
    static const struct {
        u32 range, offset, width;
        status_t status;
    } rows[] = {
        {0,          0,          0, ERR_BAD_ARGUMENT},
        {0,          0,          3, ERR_BAD_ARGUMENT},
        {0,          0,          8, ERR_BAD_ARGUMENT},
        {0,          1,          2, ERR_BAD_ARGUMENT},
        {0,          2,          4, ERR_BAD_ARGUMENT},
        {0,          8,          1, ERR_BAD_ARGUMENT},
        {1,          UINT32_MAX, 1, ERR_BAD_ARGUMENT},
        {1,          0xfffffffc, 4, ERR_BAD_ARGUMENT},
        {2,          0,          1, ERR_NOT_FOUND   },
        {UINT32_MAX, 0,          1, ERR_NOT_FOUND   },
    };
    handle_t r = registers_of("display", false);

    for (u32 i = 0; i < COUNT(rows); i++) {
        EXPECT_EQ(CALL(registers_read, r, rows[i].range, rows[i].offset,
                       rows[i].width, OUT),
                  rows[i].status);
        EXPECT_EQ(CALL(registers_write, r, rows[i].range, rows[i].offset,
                       rows[i].width, UINT32_MAX),
                  rows[i].status);
    }
    for (u32 i = 0; i < 2 * BYTES; i++)
        EXPECT_EQ(last->bytes[i / BYTES][i % BYTES], 0);
}

// A keyboard's controller can reset the machine, and take a line of addresses
// away: it is not told to.
static void
command_keyboard(void)
{
    static const u8 harmless[] = {0x20, 0x60, 0xa7, 0xa8, 0xa9,
                                  0xaa, 0xab, 0xad, 0xae, 0xd4};
    handle_t r = registers_of("ps2", true);
    u32 allowed = 0;

    for (u32 value = 0; value < 256; value++) {
        bool may = false;
        for (u32 i = 0; i < COUNT(harmless); i++)
            may |= harmless[i] == value;
        EXPECT_EQ(CALL(registers_write, r, 1, 0, 1, value),
                  may ? OK : ERR_ACCESS);
        EXPECT_EQ(CALL(registers_write, r, 0, 0, 1, value),
                  OK); // to the keyboard
        allowed += may;
        if (may)
            EXPECT_EQ(last->bytes[1][0], value);
    }
    EXPECT_EQ(allowed, COUNT(harmless));
    EXPECT_EQ(CALL(registers_write, r, 1, 0, 2, 0xfe20), ERR_ACCESS);
}

static void
hear_interrupts(void)
{
    handle_t r = registers_of("ps2", true);

    EXPECT_EQ(CALL(object_wait_one, r, SIGNAL_SIGNALED, 0, OUT), ERR_TIMED_OUT);
    EXPECT_EQ(CALL(registers_listen, r), OK);
    EXPECT_EQ(last->listened, 1);
    registers_interrupt(&last->registers);
    registers_interrupt(&last->registers);
    EXPECT_EQ(CALL(object_wait_one, r, SIGNAL_SIGNALED, UINT64_MAX, OUT), OK);
    EXPECT_EQ(test_load32(OUT) & SIGNAL_SIGNALED, SIGNAL_SIGNALED);
    EXPECT_EQ(CALL(registers_listen, r), OK);
    EXPECT_EQ(CALL(object_wait_one, r, SIGNAL_SIGNALED, 0, OUT), ERR_TIMED_OUT);
    EXPECT_EQ(CALL(handle_close, r), OK);
    registers_interrupt(&last->registers); // nobody hears of it
}

// The module of 2018: ports of registers that the program was given.
static void
use_ports_of_2018(void)
{
    EXPECT_EQ(ABI_CALL(read_port_u8, AT), -19); // ACCESS_DENIED: none was given
    EXPECT_EQ(ABI_CALL(physical_map, 0xb8000, 4096), -19);
    struct object *o = test_new_registers("ps2", true);
    EXPECT_EQ(process_give(process_current(), o, UINT32_MAX), OK);
    object_release(o);
    last->bytes[0][3] = 0x5a;
    EXPECT_EQ(ABI_CALL(read_port_u8, AT + 3), 0x5a);
    EXPECT_EQ(ABI_CALL(read_port_u8, AT + BYTES), -19);
    EXPECT_EQ(ABI_CALL(read_port_u8, AT - 1), -19);
    EXPECT_EQ(ABI_CALL(write_port_u8, AT + 2, 0x77), 0);
    EXPECT_EQ(last->bytes[0][2], 0x77);
    EXPECT_EQ(ABI_CALL(physical_map, 0xb8000, 4096), -2); // NOT_SUPPORTED
    EXPECT_EQ(ABI_CALL(physical_alloc, 4096, OUT), -2);
    EXPECT_EQ(ABI_CALL(interrupt_create, 0, 33), -7); // 0 is what was given
}

TEST_KERNEL(registers)
{
    static void (*const bodies[])(void) = {read_and_write, reach_outside,
                                           command_keyboard, hear_interrupts,
                                           use_ports_of_2018};

    for (u32 i = 0; i < COUNT(bodies); i++)
        EXPECT_EQ(test_in_process(bodies[i]), 0);
}
