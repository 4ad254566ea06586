// port/metal/vconsole.h: one port of a virtio-console (virtio 1.2, 5.3) as two
// flows of bytes.  All calls but vconsole_start() with interrupts off, one at a
// time.

#pragma once

#include "base/base.h"

struct boot_info;
struct virtio_found;

enum { VCONSOLE_PIECE = 64 * 1024 }; // most bytes of one vconsole_send()

// Find the device and open port `port`: false when there is none, or it does
// not behave.  It may be used when vconsole_is_open().
MUST_USE bool vconsole_start(u32 port, const struct boot_info *info);
bool vconsole_is_open(void);
// The device, which nobody else may have; NULL: it is not used.
const struct virtio_found *vconsole_device(void);
bool vconsole_is_broken(void);

// Send a head and `size` bytes at once.  ERR_SHOULD_WAIT: no room now,
// vconsole_interrupt() comes when there is; ERR_IO: broken.
MUST_USE status_t vconsole_send(const void *head, u32 head_size,
                                const void *bytes, u64 size);

// The device's interrupt: gives what was received to `take`.  That answers how
// many more bytes are certain to come, so that we need not hear of each piece;
// or VCONSOLE_NONSENSE: the other end makes no sense, and the port is broken.
void vconsole_interrupt(u64 (*take)(const u8 *bytes, u64 size));

#define VCONSOLE_NONSENSE UINT64_MAX

// How often the device was notified and has interrupted us.
struct vconsole_counts {
    u64 notifications, interrupts;
};

struct vconsole_counts vconsole_counts(void);
