// port/metal/serial.c: standard input and output on the first serial port,
// standard error on the second, the kernel's log on QEMU's debug port (0xe9);
// what is missing falls back to the first.
//
// This is for boot, panics, and machines without a channel (streams.c).  Input
// arrives by interrupt into a ring.  It ends at ^D at the start of a line.

#include "port/metal/metal.h"

enum {
    COM1 = 0x3f8,
    COM2 = 0x2f8,
    DEBUG_PORT = 0xe9, // reads as its own number
    COM1_LINE = 4,

    // Registers of a 16550, and their bits.
    UART_DATA = 0,
    UART_INTERRUPTS = 1, // bit 0: received
    UART_FIFO = 2,
    UART_LINE_CONTROL = 3,
    UART_MODEM_CONTROL = 4,
    UART_LINE_STATUS = 5,
    UART_SCRATCH = 7,
    LINE_8N1 = 0x03,
    LINE_DIVISOR = 0x80,
    FIFO_ON = 0xc1,  // interrupt at 14 bytes or a pause
    MODEM_ON = 0x0b, // DTR, RTS, OUT2 (lets interrupts through)
    STATUS_RECEIVED = 0x01,
    STATUS_CAN_SEND = 0x20,
    STATUS_NO_PORT = 0xff,
    FIFO_SIZE = 16,
    BUSY_SPINS = 10000,
    PIECE = 512, // not mixed with what others write

    RING_SIZE = 4096,
    CONTROL_D = 4,
};

static struct lock output_lock = LOCK_INIT(SERIAL); // the devices
static bool has_com1, has_com2, has_debug_port;

static struct lock input_lock = LOCK_INIT(RECEIVED);

static u8 ring[RING_SIZE] GUARDED_BY(input_lock);
static u32 ring_from GUARDED_BY(input_lock); // counts up forever
static u32 ring_to GUARDED_BY(input_lock);   // so does this
static bool ended GUARDED_BY(input_lock);    // no more input, ever
static bool in_line GUARDED_BY(input_lock);  // not at the start of a line
static bool receiver_stopped GUARDED_BY(input_lock); // the ring was full

static bool
ring_full(void) REQUIRES(input_lock)
{
    return ring_to - ring_from == RING_SIZE;
}

// --- serial ports ------------------------------------------------------------

static u32 burst = FIFO_SIZE; // bytes that a port takes at once

static bool
port_init(u16 port)
{
    out8(port + UART_SCRATCH, 0x5a);
    if (in8(port + UART_SCRATCH) != 0x5a)
        return false;
    out8(port + UART_INTERRUPTS, 0);
    out8(port + UART_LINE_CONTROL, LINE_DIVISOR | LINE_8N1);
    out8(port + UART_DATA, 1); // 115200 baud
    out8(port + UART_INTERRUPTS, 0);
    out8(port + UART_LINE_CONTROL, LINE_8N1);
    out8(port + UART_MODEM_CONTROL, MODEM_ON);
    // Turning the FIFO on drops what was received before, and taking that first
    // lets more in: a port that has a byte already stays without.
    bool early =
        port == COM1 && (in8(port + UART_LINE_STATUS) & STATUS_RECEIVED);
    if (early)
        burst = 1;
    else
        out8(port + UART_FIFO, FIFO_ON);
    return true;
}

static void
out_bytes(u16 port, const u8 *bytes, u64 count)
{
    __asm__ volatile("rep outsb"
                     : "+S"(bytes), "+c"(count)
                     : "d"(port)
                     : "memory");
}

// Send bytes until all are sent or the port stays busy; returns how many.
static u64
serial_send(u16 port, const u8 *bytes, u64 size)
{
    u64 sent = 0;

    for (u32 spins = 0; sent < size && spins < BUSY_SPINS; spins++) {
        u64 part = MIN(size - sent, (u64)burst);

        if (!(in8(port + UART_LINE_STATUS) & STATUS_CAN_SEND))
            continue;
        out_bytes(port, bytes + sent, part);
        sent += part;
        spins = 0;
    }
    return sent;
}

static u64
send(enum port_stream stream, const u8 *bytes, u64 size)
{
    if (stream == PORT_LOG && has_debug_port)
        out_bytes(DEBUG_PORT, bytes, size);
    else if (stream == PORT_STDERR && has_com2)
        return serial_send(COM2, bytes, size);
    else if (has_com1)
        return serial_send(COM1, bytes, size);
    return size;
}

// In pieces, with interrupts between them: a reader that has stopped must not
// stop our clock.
void
serial_write(enum port_stream stream, const void *bytes, u64 size)
{
    const u8 *at = bytes;

    while (size > 0) {
        bool on = lock_irq(&output_lock);
        u64 sent = send(stream, at, MIN(size, (u64)PIECE));

        unlock_irq(&output_lock, on);
        at += sent;
        size -= sent;
    }
}

void
serial_unlock(void)
{
    lock_break(&output_lock);
}

void
serial_end(u8 status)
{
    const u8 trailer[2] = {0, status};

    if (has_debug_port)
        out_bytes(DEBUG_PORT, trailer, sizeof(trailer));
}

// --- input -------------------------------------------------------------------

// Move what the port has received to the ring; stop listening when that is
// full.
static void
receive(void) REQUIRES(input_lock)
{
    while (in8(COM1 + UART_LINE_STATUS) & STATUS_RECEIVED) {
        if (ring_full()) {
            receiver_stopped = true;
            out8(COM1 + UART_INTERRUPTS, 0);
            return;
        }
        ring[ring_to++ % RING_SIZE] = in8(COM1 + UART_DATA);
    }
}

void
serial_interrupt(void)
{
    bool on = lock_irq(&input_lock);

    receive();
    unlock_irq(&input_lock, on);
    console_interrupt(1u << PORT_STDIN);
}

// Whether the next byte is data; notices the end.
static bool
has_byte(void) REQUIRES(input_lock)
{
    if (!ended && !in_line && ring_from != ring_to &&
        ring[ring_from % RING_SIZE] == CONTROL_D)
        ended = true;
    return !ended && ring_from != ring_to;
}

status_t
serial_read(void *to, u64 size, u64 *count)
{
    bool on = lock_irq(&input_lock);
    u8 *bytes = to;

    for (*count = 0; *count < size && has_byte(); *count += 1) {
        bytes[*count] = ring[ring_from++ % RING_SIZE];
        in_line = bytes[*count] != '\n';
    }
    status_t status = *count > 0 || ended ? OK : ERR_SHOULD_WAIT;
    if (receiver_stopped && ring_to - ring_from < RING_SIZE / 2) {
        receiver_stopped = false;
        out8(COM1 + UART_INTERRUPTS, 1);
        receive();
    }
    unlock_irq(&input_lock, on);
    return status;
}

status_t
serial_look(bool now, struct port_input *out)
{
    bool on = lock_irq(&input_lock);

    *out = (struct port_input){0};
    if (has_byte())
        out->ready = ring_to - ring_from;
    out->ended = ended;
    unlock_irq(&input_lock, on);
    if (out->ready > 0 || out->ended)
        return OK;
    return now ? ERR_TIMED_OUT : ERR_SHOULD_WAIT;
}

// --- start -------------------------------------------------------------------

void LOCKS_BY_HAND
serial_init(void)
{
    has_com1 = port_init(COM1);
    has_com2 = port_init(COM2);
    has_debug_port = in8(DEBUG_PORT) == DEBUG_PORT;
}

void LOCKS_BY_HAND
serial_start(void)
{
    ended = !has_com1;
    if (!has_com1)
        return;
    irq_enable_line(COM1_LINE, VECTOR_COM1);
    out8(COM1 + UART_INTERRUPTS, 1);
}
