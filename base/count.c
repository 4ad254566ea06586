// base/count.c: what the atomics of base.h ask: is there one CPU only?

#include "base/base.h"

bool cpu_is_alone;
