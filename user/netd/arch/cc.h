// user/netd/arch/cc.h: what lwIP wants to know of the machine and of libc.

#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

uint32_t netd_random(void);

#define LWIP_RAND()              netd_random()
#define LWIP_PLATFORM_DIAG(text) printf text
#define LWIP_PLATFORM_ASSERT(text)                   \
    do {                                             \
        fprintf(stderr, "netd: lwIP: %s\n", (text)); \
        abort();                                     \
    } while (0)
