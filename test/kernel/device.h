// test/kernel/device.h: devices for tests: models (port/model) of kinds that
// serve by themselves, or that a test serves.

#pragma once

#include "port/model/model.h"
#include "test/kernel/calls.h"

// A model that nobody uses, of this type; it is free again when its device is.
struct model *test_new_model(const struct model_type *type);
// Its device, as the calling program's handle with all rights.
handle_t test_device_of(struct model *m);

// One that a test serves (model_take(), model_finish()), with two queues.
extern const struct model_type test_manual;

// For test_handle(): a device, or a queue of one.
struct object *test_new_device_object(const struct object_type *type,
                                      struct account *payer);

// Where tests put what calls read and write.
enum {
    DEVICE_OUT = 64,
    REQUESTS_AT = 1024,
    SEGMENTS_AT = 8192,
    DONE_AT = 24576,
};

// Agree on all, make queue 0 of `size`, start; the queue.
handle_t test_start_device(handle_t device, u32 size);
// Request `number` of the next submit, of the segments from `first` on.
void test_put_request(u32 number, u64 token, u32 segments);
void test_put_segment(u32 number, u32 at, u32 size, u32 access);
// Submit so many; *accepted, or the error.
status_t test_submit(handle_t queue, u32 requests, u32 segments, u32 *accepted);
// One request of one segment.
status_t test_submit_one(handle_t queue, u64 token, u32 at, u32 size,
                         u32 access);
struct queue_done test_done(u32 number);
status_t test_reap(handle_t queue, u32 room, u64 deadline, u32 *count);
