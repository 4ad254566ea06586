// port/model/: virtio devices that are programs of ours: what is behind the
// kernel's driver where there is no machine (port/linux), and in tests.
//
// A model sees the rings as a device does: by addresses, which `at` turns into
// memory.  It works when it is notified, in the thread that does that, or step
// by step where it has no `serve`.

#pragma once

#include "kernel/lock.h"
#include "kernel/virtio.h"

struct model;

enum { MODEL_PIECES = 64 }; // of a request that a model understands

// A request as the device sees it.
struct model_request {
    u16 head;
    u32 count; // of pieces
    struct {
        u8 *ptr;
        u32 size;
        bool in; // to be written
    } pieces[MODEL_PIECES];
};

struct model_type {
    u32 kind;
    u64 features; // of the kind
    u32 queues;
    // Do what r asks for; how many bytes were written.  m->lock is held.
    u32 (*serve)(struct model *m, u32 queue, const struct model_request *r);
    // It is to stop: what it does last, or NULL.  m->lock is held.
    void (*stop)(struct model *m);
};

struct model_queue {
    u32 size; // 0: not started
    u8 *desc, *avail, *used;
    u16 seen, done; // of the available ring, of the used ring
};

struct model {
    struct virtio_device device;
    const struct model_type *type;
    void *(*at)(u64 address); // memory, where the device sees it
    u64 features;             // offered: may be fewer than the type has
    u32 queue_max;
    void *state; // the type's

    struct lock lock; // taken with interrupts off
    u8 status MEMBER_GUARDED_BY(lock);
    u64 accepted MEMBER_GUARDED_BY(lock);
    struct model_queue queues[VIRTIO_QUEUES] MEMBER_GUARDED_BY(lock);
    u8 config[VIRTIO_CONFIG_SIZE] MEMBER_GUARDED_BY(lock);
    u32 generation MEMBER_GUARDED_BY(lock);
    u32 notified; // atomic: how often
    bool stuck;   // it does not reset
};

// A device that was never started, with all features.
void model_init(struct model *m, const struct model_type *type,
                void *(*at)(u64 address));

// Serve all that is there, and interrupt where that is wanted.
void model_work(struct model *m, u32 queue);

// Step by step: the next request, false: there is none; and that a request is
// done.  Interrupts are model_interrupt(), where one is wanted.
MUST_USE bool model_take(struct model *m, u32 queue, struct model_request *r);
void model_finish(struct model *m, u32 queue, u32 head, u32 written);
void model_interrupt(struct model *m, u32 queue);

// --- kinds -------------------------------------------------------------------

// random.c
extern const struct model_type model_random;

// disk.c: of sectors in memory, or behind functions.  What was written and
// flushed is noted in `log`, where there is one.
enum { SECTOR = 512, DISK_NAME = 20 };

struct model_write {
    u64 sector;
    u32 count; // of sectors; 0: a flush
};

struct model_disk {
    u8 *sectors; // NULL: there are functions
    // Move bytes at `at`, to memory or to the disk; false: that failed.
    bool (*move)(struct model_disk *disk, u64 at, u8 *ptr, u32 size, bool in);
    bool (*flush)(struct model_disk *disk);
    i32 fd; // theirs
    u64 count;
    bool read_only;
    char name[DISK_NAME + 1]; // "": it has none
    struct model_write *log;
    u32 log_size, logged; // `logged` also counts what had no room
};

extern const struct model_type model_disk;
// Let m, of that type, have these sectors.
void model_disk_init(struct model *m, struct model_disk *disk);
