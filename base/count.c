// base/count.c: counts of references that cannot wrap; see base.h.

#include "base/base.h"

bool cpu_is_alone;
