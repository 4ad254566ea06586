// kernel/registers.c: registers of a device that reaches no memory, by ports or
// in memory, and its interrupt, for a driver that is a program.
//
// What a device may be told is decided here: `kinds` lists those that there may
// be, with what must not be written.  A name that is not there is not handed
// out.

#include "kernel/internal.h"

struct registers {
    struct object object;
    struct port_registers *hardware;
    const struct kind *kind;
};

OBJECT_FUNCTIONS(registers, object)

// --- what may be written -----------------------------------------------------

static bool
anything(u32 range, u32 at, u32 value)
{
    (void)range, (void)at, (void)value;
    return true;
}

// The commands of a keyboard's controller that concern keyboard and mouse.
// Others switch off an address line, or reset the machine.
static bool
is_keyboard(u32 range, u32 at, u32 value)
{
    static const u8 commands[] = {0x20, 0x60, 0xa7, 0xa8, 0xa9,
                                  0xaa, 0xab, 0xad, 0xae, 0xd4};

    (void)at;
    if (range == 0)
        return true;
    for (u32 i = 0; i < COUNT(commands); i++)
        if (value == commands[i])
            return true;
    return false;
}

static const struct kind {
    const char *name;
    bool (*may)(u32 range, u32 at, u32 value);
} kinds[] = {
    {"ps2",     is_keyboard}, // its data, then its commands
    {"display", anything   }, // pixels, then its mode
};

static const struct kind *
kind_of(const struct port_registers *hardware)
{
    for (u32 i = 0; i < COUNT(kinds); i++)
        if (string_equal(string_of(kinds[i].name), string_of(hardware->name)))
            return &kinds[i];
    return NULL;
}

// --- life --------------------------------------------------------------------

status_t
registers_new(struct registers **out, struct port_registers *hardware)
{
    const struct kind *kind = kind_of(hardware);
    struct registers *r;

    assert(kind != NULL && hardware->user == NULL);
    status_t status =
        object_new(&r, &registers_type, sizeof(*r), account_root());
    if (status != OK)
        return status;
    r->hardware = hardware;
    r->kind = kind;
    __atomic_store_n(&hardware->user, r, __ATOMIC_RELEASE);
    *out = r;
    return OK;
}

// Its interrupt is off, or nobody's.
void
registers_free(struct object *o)
{
    struct registers *r = registers_from_object(o);

    __atomic_store_n(&r->hardware->user, NULL, __ATOMIC_RELEASE);
    kernel_free(r);
}

struct registers *
registers_find(struct string name)
{
    struct port_registers *hardware;
    struct registers *r;

    for (u32 i = 0; (hardware = port_registers(i)) != NULL; i++) {
        if (!string_equal(string_of(hardware->name), name))
            continue;
        r = hardware->user;
        return r != NULL || registers_new(&r, hardware) == OK ? r : NULL;
    }
    return NULL;
}

// --- registers ---------------------------------------------------------------

status_t
registers_range(struct registers *r, u32 number, struct port_range *out)
{
    if (number >= r->hardware->count)
        return ERR_NOT_FOUND;
    number = (u32)index_masked(number, r->hardware->count);
    *out = r->hardware->ranges[number];
    return OK;
}

// *number is a range's even where the processor only guesses.
static status_t
check(struct registers *r, u32 *number, u32 offset, u32 width)
{
    struct port_range range;
    status_t status = registers_range(r, *number, &range);

    if (status != OK)
        return status;
    *number = (u32)index_masked(*number, r->hardware->count);
    if ((width != 1 && width != 2 && width != 4) || offset % width != 0 ||
        offset >= range.size || width > range.size - offset)
        return ERR_BAD_ARGUMENT;
    return OK;
}

status_t
registers_read(struct registers *r, u32 number, u32 offset, u32 width,
               u32 *value)
{
    status_t status = check(r, &number, offset, width);

    if (status == OK)
        *value = r->hardware->ops->read(r->hardware, number, offset, width);
    return status;
}

status_t
registers_write(struct registers *r, u32 number, u32 offset, u32 width,
                u32 value)
{
    status_t status = check(r, &number, offset, width);

    if (status != OK)
        return status;
    value &= UINT32_MAX >> (32 - 8 * width);
    if (!r->kind->may(number, offset, value))
        return ERR_ACCESS;
    r->hardware->ops->write(r->hardware, number, offset, width, value);
    return OK;
}

// --- its interrupt -----------------------------------------------------------

status_t
registers_listen(struct registers *r)
{
    if (!r->hardware->interrupts)
        return ERR_NOT_FOUND;
    object_signal(&r->object, SIGNAL_SIGNALED, 0);
    r->hardware->ops->listen(r->hardware);
    return OK;
}

void
registers_interrupt(struct port_registers *hardware)
{
    struct registers *r = __atomic_load_n(&hardware->user, __ATOMIC_ACQUIRE);

    if (r != NULL)
        object_signal(&r->object, 0, SIGNAL_SIGNALED);
}
