// test/x64/fault.h: run code that may fault.

#pragma once

#include "base/base.h"

// Run; the address of the instruction that faulted, or 0.
u64 fault_of(void (*run)(void *), void *arg);
