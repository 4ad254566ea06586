// user/ps2/main.c: a driver, of a keyboard at a PS/2 controller: prints what is
// typed there, LINES lines of it, or for ever.  docs/drivers.md explains it.
//
//     ps2 [LINES]

#include <launch.h>
#include <nebulet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { DATA, COMMAND }; // ranges of its registers, of one byte each

enum {
    STATUS_FULL = 1, // there is data to read
    STATUS_BUSY = 2, // it has not taken what was written
    STATUS_MOUSE = 32,
    READ_MODE = 0x20,
    WRITE_MODE = 0x60,
    MOUSE_OFF = 0xa7,
    KEYBOARD_ON = 0xae,
    MODE_INTERRUPTS = 1,
    MODE_MOUSE_INTERRUPTS = 2,
    MODE_KEYBOARD_OFF = 16,
    MODE_OLD_CODES = 64, // codes of keys as they always were: set 1
    KEYBOARD_SEND = 0xf4,
    LOOKS = 100000,
};

static uint32_t keyboard; // its registers

static uint32_t
get(uint32_t range)
{
    uint32_t value = 0;

    return nebulet_registers_read(keyboard, range, 0, 1, &value) == 0 ? value :
                                                                        0xff;
}

// False: it does not take it.
static bool
put(uint32_t range, uint32_t value)
{
    for (int i = 0; i < LOOKS && get(COMMAND) & STATUS_BUSY; i++)
        ;
    return nebulet_registers_write(keyboard, range, 0, 1, value) == 0;
}

static uint32_t
answer(void)
{
    for (int i = 0; i < LOOKS && !(get(COMMAND) & STATUS_FULL); i++)
        ;
    return get(DATA);
}

static bool
start(void)
{
    while (get(COMMAND) & STATUS_FULL)
        get(DATA); // of before
    if (!put(COMMAND, MOUSE_OFF) || !put(COMMAND, READ_MODE))
        return false;
    uint32_t mode =
        answer() & ~(uint32_t)(MODE_MOUSE_INTERRUPTS | MODE_KEYBOARD_OFF);
    if (!put(COMMAND, WRITE_MODE) ||
        !put(DATA, mode | MODE_INTERRUPTS | MODE_OLD_CODES) ||
        !put(COMMAND, KEYBOARD_ON) || !put(DATA, KEYBOARD_SEND))
        return false;
    answer();
    return nebulet_registers_listen(keyboard) == 0;
}

// --- keys --------------------------------------------------------------------

enum { SHIFT_LEFT = 0x2a, SHIFT_RIGHT = 0x36, RELEASED = 0x80 };

// By the codes of a keyboard of the United States, without and with shift.
static const char plain[] = "\0\0331234567890-=\b\tqwertyuiop[]\n\0asdfghjkl;'`"
                            "\0\\zxcvbnm,./\0*\0 ";
static const char shifted[] = "\0\033!@#$%^&*()_+\b\tQWERTYUIOP{}\n\0ASDFGHJKL:"
                              "\"~\0|ZXCVBNM<>?\0*\0 ";

// The character, 0: none.
static char
key(uint32_t code)
{
    static bool shift;
    uint32_t which = code & ~(uint32_t)RELEASED;

    if (which == SHIFT_LEFT || which == SHIFT_RIGHT)
        shift = !(code & RELEASED);
    if (code & RELEASED || which >= sizeof(plain))
        return 0;
    return shift ? shifted[which] : plain[which];
}

// What has been typed; how many lines of it.
static unsigned long
drain(void)
{
    unsigned long lines = 0;

    for (uint32_t status; (status = get(COMMAND)) & STATUS_FULL;) {
        char c = key(get(DATA));
        if (c == 0 || status & STATUS_MOUSE)
            continue;
        putchar(c);
        lines += c == '\n';
    }
    fflush(stdout);
    return lines;
}

int
main(int argc, char **argv)
{
    unsigned long left = argc > 1 ? strtoul(argv[1], NULL, 10) : 0, lines = 0;
    uint32_t seen;

    keyboard = launch_given("ps2");
    if (keyboard == 0)
        return fprintf(stderr, "ps2: there is no such device\n"), 1;
    if (!start())
        return fprintf(stderr, "ps2: the keyboard does not start\n"), 1;
    while (left == 0 || lines < left) {
        nebulet_object_wait_one(keyboard, NEBULET_SIGNAL_SIGNALED, UINT64_MAX,
                                &seen);
        nebulet_registers_listen(keyboard); // before looking
        lines += drain();
    }
    return 0;
}
