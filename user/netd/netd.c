// user/netd/netd.c: the start, and the one place where netd waits.
//
//     netd listen=PORT...
//
// It is given a device of the network, and a channel for each listener, in the
// order of its arguments.  It ends when nobody has any of them any more, and
// what was said has arrived.

#include "netd.h"

#include <lwip/timeouts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PACKETS = 64,
    RETRY_MS = 5,      // to send what found no room
    MOST_MS = 1000,    // between looks at lwIP's timers
    FRAMES_MOST = 256, // before others have their turn
};

uint32_t netd_port;

uint64_t
netd_now_ns(void)
{
    uint64_t now = 0;

    nebulet_clock_get(NEBULET_CLOCK_SINCE_BOOT, &now);
    return now;
}

uint32_t
sys_now(void)
{
    return (uint32_t)(netd_now_ns() / 1000000);
}

uint32_t
netd_random(void)
{
    uint32_t number = 0;

    nebulet_random_get(&number, sizeof(number));
    return number;
}

void
netd_complain(const char *what, int32_t status)
{
    fprintf(stderr, "netd: %s: error %d\n", what, (int)status);
}

// --- the loop ----------------------------------------------------------------

static void
serve(const struct nebulet_packet *packets, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t number = (uint32_t)packets[i].key;
        switch (packets[i].key >> 32) {
        case KEY_LISTENER:
            listener_serve(number);
            break;
        case KEY_CONNECTION:
            connection_serve(number);
            break;
        }
    }
}

// True: there may be more.
static bool
take_frames(void)
{
    bool more = true;

    for (uint32_t i = 0; more && i < FRAMES_MOST; i++)
        more = link_poll();
    return more;
}

static uint64_t
next_deadline(bool more, bool full)
{
    uint32_t sleep = sys_timeouts_sleeptime(), most = full ? RETRY_MS : MOST_MS;

    if (more)
        return 0;
    sleep = sleep < most ? sleep : most;
    return netd_now_ns() + sleep * 1000000ull;
}

static int32_t
run(void)
{
    struct nebulet_packet packets[PACKETS];
    int32_t status = 0;

    while (!sockets_are_over() && !device_is_broken()) {
        uint32_t count = 0;
        bool more = take_frames();
        sys_check_timeouts();
        sockets_go_on();
        bool full = link_was_full();
        status = nebulet_port_wait(netd_port, packets, PACKETS,
                                   next_deadline(more, full), &count);
        if (full)
            sockets_retry();
        if (status == 0)
            serve(packets, count);
        else if (status != NEBULET_ERR_SHOULD_WAIT &&
                 status != NEBULET_ERR_TIMED_OUT)
            return status;
    }
    return device_is_broken() ? NEBULET_ERR_IO : 0;
}

// --- the start ---------------------------------------------------------------

static int32_t
start(int argc, char **argv)
{
    static uint8_t mac[MAC_SIZE];
    uint32_t handle = 0;
    int32_t status = nebulet_port_create(&netd_port);

    if (status == 0)
        status = nebulet_process_given(0, &handle);
    if (status == 0)
        status = device_open(handle, mac);
    if (status != 0)
        return status;
    link_open(mac);
    for (int i = 1; i < argc && status == 0; i++) {
        if (strncmp(argv[i], "listen=", 7) != 0)
            return NEBULET_ERR_BAD_ARGUMENT;
        status = nebulet_process_given((uint32_t)i, &handle);
        if (status == 0)
            status = listener_open(handle, (uint16_t)atoi(argv[i] + 7));
    }
    return status;
}

int
main(int argc, char **argv)
{
    int32_t status = start(argc, argv);

    if (status != 0)
        return netd_complain("it does not start", status), 1;
    status = run();
    if (status != 0)
        return netd_complain("the network has ended", status), 1;
    return 0;
}
