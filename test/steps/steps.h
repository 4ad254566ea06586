// test/steps/steps.h: how much work code does that is compiled with COUNTED
// (see the Makefile), whatever the machine does beside it.

#pragma once

#include "base/base.h"

// Basic blocks run up to now, and what the C library moves or compares for
// them, by its size.
u64 steps_done(void);
