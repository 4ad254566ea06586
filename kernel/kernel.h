// kernel/: code -> processes.

#pragma once

#include "kernel/port.h"
#include "x64/x64.h"
