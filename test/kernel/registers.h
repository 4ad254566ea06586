// test/kernel/registers.h: registers for tests, which are memory.

#pragma once

#include "kernel/kernel.h"

// The object of such a device, of this name, that has no object yet: 16 bytes,
// half of them ports.
struct object *test_new_registers(const char *name, bool interrupts);
