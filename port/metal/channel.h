// port/metal/channel.h: the standard streams over the channel to the host
// command (abi/channel.h).

#pragma once

#include "kernel/port.h"

struct boot_info;

// Find the host and wait for its greeting; false when there is none, or it
// makes no sense.
MUST_USE bool channel_start(const struct boot_info *info);
bool channel_is_up(void);
bool channel_has_failed(void); // for ever: the host does not keep the rules

// As the functions of kernel/port.h.
MUST_USE status_t channel_write(enum port_stream stream, const void *bytes,
                                u64 size, u64 *count);
MUST_USE status_t channel_settle(enum port_stream stream, u64 *lost);
MUST_USE status_t channel_read(void *to, u64 size, u64 *count);
MUST_USE status_t channel_look(bool now, struct port_input *out);

// As port_log().
MUST_USE bool channel_log(const void *bytes, u64 size);

// When the user's command was started, on port_monotonic_ns()'s clock.
i64 channel_start_ns(void);

void channel_interrupt(void); // the device's

// Wait until the host has written all that it takes.
void channel_end(void);

// Panics: use it no more.
void channel_stop(void);
