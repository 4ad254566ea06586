// wasi/modules.c: what programs can import, on every port.

#include "wasi/wasi.h"

const struct host_module *const program_modules[] = {
    &nebulet_module, &nebulet2018_module, &wasi_preview1,
    &wasi_unstable,  &wasi_threads,       NULL,
};
