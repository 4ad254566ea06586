// user/random/main.c: a driver, of virtio-rng: prints what the device gives,
// BYTES of it, or until nobody reads any more.  docs/drivers.md explains it.
//
//     random [BYTES]

#include <launch.h>
#include <nebulet.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static uint8_t buffer[4096];

static int
fail(const char *what, int32_t status)
{
    fprintf(stderr, "random: %s: error %d\n", what, (int)status);
    return 1;
}

// From reset to work; the queue.
static int32_t
start(uint32_t device, uint32_t *queue)
{
    uint64_t features;
    uint32_t room;
    int32_t status = nebulet_device_features(device, 0, &features);

    if (status == 0)
        status = nebulet_queue_create(device, 0, 1, queue, &room);
    return status == 0 ? nebulet_device_start(device) : status;
}

// Have the device fill the buffer; *count bytes of it, which may be few.
static int32_t
fill(uint32_t queue, uint32_t size, uint32_t *count)
{
    struct nebulet_queue_request request = {.token = 1, .segments = 1};
    struct nebulet_call_window segment = {
        .kind = NEBULET_WINDOW_OWN,
        .offset = (uint32_t)(uintptr_t)buffer,
        .size = size,
        .access = NEBULET_WINDOW_WRITE, // by the device
    };
    struct nebulet_queue_done done = {.size = 0};
    int32_t status =
        nebulet_queue_submit(queue, &request, 1, &segment, 1, count);

    if (status == 0)
        status = nebulet_queue_reap(queue, &done, 1, UINT64_MAX, count);
    *count = done.size;
    return status == 0 ? (int32_t)done.status : status;
}

int
main(int argc, char **argv)
{
    uint64_t left = argc > 1 ? strtoull(argv[1], NULL, 10) : UINT64_MAX;
    uint32_t queue, count, device = launch_given("random");

    if (device == 0)
        return fprintf(stderr, "random: there is no such device\n"), 1;
    int32_t status = start(device, &queue);
    if (status != 0)
        return fail("start", status);
    while (left > 0) {
        uint32_t size = left < sizeof(buffer) ? (uint32_t)left : sizeof(buffer);
        status = fill(queue, size, &count);
        if (status != 0)
            return fail("read", status);
        if (write(STDOUT_FILENO, buffer, count) != (ssize_t)count)
            return 1; // nobody reads
        left -= count;
    }
    return 0;
}
