// tool/profile.h: what `nebulet run --profile` and --perf write.

#pragma once

#include "tool/tool.h"

// Of what the kernel wrote to the file `fd`: its samples to `path`, unless that
// is NULL; a map of code to /tmp/perf-PID.map, if there is to be one.  False
// after a complaint.
MUST_USE bool profile_save(int fd, const char *path, bool map);
