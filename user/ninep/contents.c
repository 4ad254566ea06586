// user/ninep/contents.c: bytes of files, and of directories, between the host
// and the window of who asks.  They go by chunks, several of them at a time,
// each with a message and memory of its own.
//
// Who reads from the start, or on from where he was, is read ahead for, by
// AHEAD chunks.  Nothing of that is used once a program of ours has written
// anything, and the end of a file is always asked for again.

#include "ninep.h"

#include <errno.h>
#include <string.h>

enum { CHUNKS = 8, AHEAD = 2, SMALL = 64 };

struct chunk {
    struct rpc rpc;
    uint32_t fid;         // 0: there is nothing in it
    uint32_t size, count; // asked for, got
    uint64_t at;
    uint8_t sent[SMALL], got[SMALL];
};

static _Alignas(65536) uint8_t memory[CHUNKS][CHUNK];
static struct chunk chunks[CHUNKS];
static uint32_t next_chunk;
static uint32_t last_fid; // who was read last, and up to where
static uint64_t last_end;

void
contents_init(uint16_t tag)
{
    for (uint32_t i = 0; i < CHUNKS; i++) {
        struct chunk *c = &chunks[i];
        c->rpc = (struct rpc){.tag = (uint16_t)(tag + i),
                              .sent = c->sent,
                              .got = c->got,
                              .got_room = SMALL};
    }
}

void
forget_ahead(void)
{
    for (uint32_t i = 0; i < CHUNKS; i++)
        chunks[i].fid = 0;
}

void
contents_close(uint32_t fid)
{
    for (uint32_t i = 0; i < CHUNKS; i++)
        if (chunks[i].fid == fid)
            chunks[i].fid = 0;
    if (last_fid == fid)
        last_fid = 0;
}

// --- reading -----------------------------------------------------------------

// One that nobody reads, nor the device fills.
static struct chunk *
take_chunk(void)
{
    struct chunk *c = &chunks[next_chunk++ % CHUNKS];

    if (c->rpc.busy)
        (void)rpc_wait(&c->rpc);
    c->fid = 0;
    return c;
}

static uint8_t *
memory_of(const struct chunk *c)
{
    return memory[c - chunks];
}

static void
ask(uint8_t type, uint32_t fid, uint64_t at, uint32_t size)
{
    struct chunk *c = take_chunk();

    c->fid = fid;
    c->at = at;
    c->size = size;
    c->count = UINT32_MAX; // not known yet
    rpc_begin(&c->rpc, type);
    put_32(&c->rpc, fid);
    put_64(&c->rpc, at);
    put_32(&c->rpc, size);
    take_data(&c->rpc, memory_of(c), size);
    rpc_post(&c->rpc);
}

// The one that has, or will have, what is at `at`.
static struct chunk *
find(uint32_t fid, uint64_t at)
{
    for (uint32_t i = 0; i < CHUNKS; i++)
        if (chunks[i].fid == fid && at - chunks[i].at < chunks[i].size)
            return &chunks[i];
    return NULL;
}

static int32_t
settle(struct chunk *c)
{
    int32_t error = rpc_wait(&c->rpc);

    if (c->count != UINT32_MAX)
        return error;
    c->count = error == 0 ? get_32(&c->rpc) : 0;
    if (error == 0 && (c->rpc.bad || c->count > c->size))
        error = EIO;
    if (error != 0)
        c->fid = c->count = 0;
    c->rpc.error = error;
    return error;
}

// Let the chunks from `at` on be on their way, up to `end` and at most `most`.
static void
ask_chunks(uint32_t fid, uint64_t at, uint64_t end, uint32_t most)
{
    for (; at < end && most > 0 && find(fid, at) == NULL; most--) {
        uint32_t size = end - at < CHUNK ? (uint32_t)(end - at) : CHUNK;
        ask(T_READ, fid, at, size);
        at += size;
    }
}

// Some of the bytes at `at` into the window; *count of them, 0: there are none.
static int32_t
read_some(struct sip_file_request *q, uint64_t at, uint32_t offset,
          uint32_t size, uint32_t *count)
{
    uint32_t fid = q->head.node;
    struct chunk *c = find(fid, at);

    *count = 0;
    if (c != NULL && settle(c) == 0 && at - c->at >= c->count) {
        c->fid = 0; // there was an end; is it still there?
        c = NULL;
    }
    if (c == NULL || c->fid == 0) {
        ask_chunks(fid, at, at + size, CHUNKS / 2);
        c = find(fid, at);
    }
    int32_t error = settle(c);
    if (error != 0)
        return error;
    uint32_t from = (uint32_t)(at - c->at), left = c->count - from;
    if (at - c->at >= c->count)
        left = 0;
    *count = left < size ? left : size;
    if (*count > 0 &&
        nebulet_window_write(0, offset, memory_of(c) + from, *count) != 0)
        error = EIO; // who asked has left
    return error;
}

// Let so many chunks from `at` on be there, or on their way.
static void
read_ahead(uint32_t fid, uint64_t at, uint32_t count)
{
    for (; count > 0; count--) {
        const struct chunk *c = find(fid, at);
        if (c == NULL)
            ask(T_READ, fid, at, CHUNK);
        at = c == NULL ? at + CHUNK : c->at + c->size;
    }
}

int32_t
do_read(struct sip_file_request *q)
{
    uint32_t size = sip_window_size(), done = 0, count = 1;
    uint64_t at = q->head.at;
    bool goes_on = at == 0 || (q->head.node == last_fid && at == last_end);
    int32_t error = 0;

    while (done < size && count > 0 && error == 0) {
        error = read_some(q, at + done, done, size - done, &count);
        done += error == 0 ? count : 0;
    }
    last_fid = q->head.node;
    last_end = at + done;
    if (goes_on && error == 0 && done == size)
        read_ahead(last_fid, last_end, at > 0 ? AHEAD : 1);
    q->reply.count = done;
    return done > 0 ? 0 : error;
}

// --- writing -----------------------------------------------------------------

static int32_t
write_some(struct sip_file_request *q, uint64_t at, uint32_t offset,
           uint32_t size, uint32_t *count)
{
    struct chunk *c = take_chunk();
    struct rpc *r = &c->rpc;

    *count = 0;
    if (nebulet_window_read(0, offset, memory_of(c), size) != 0)
        return EIO;
    rpc_begin(r, T_WRITE);
    put_32(r, q->head.node);
    put_64(r, at);
    put_32(r, size);
    put_data(r, memory_of(c), size);
    int32_t error = rpc_call(r);
    *count = error == 0 ? get_32(r) : 0;
    return error == 0 && (r->bad || *count > size) ? EIO : error;
}

int32_t
do_write(struct sip_file_request *q)
{
    uint32_t size = sip_window_size(), done = 0, count = 0, part = 0;
    int32_t error = 0;

    forget_ahead();
    while (done < size && error == 0 && count == part) {
        part = size - done < CHUNK ? size - done : CHUNK;
        error = write_some(q, q->head.at + done, done, part, &count);
        done += error == 0 ? count : 0;
    }
    q->reply.count = done;
    return done > 0 ? 0 : error;
}

// One request is served at a time, so nothing of ours comes between.
int32_t
do_append(struct sip_file_request *q)
{
    struct nebulet_file_reply stat;
    int32_t error = get_attributes(q->head.node, &stat);

    if (error != 0)
        return error;
    q->head.at = stat.size;
    error = do_write(q);
    q->reply.size = stat.size + q->reply.count;
    return error;
}

// --- listings ----------------------------------------------------------------

struct wire_entry { // the name follows
    uint8_t kind;
    uint32_t version;
    uint64_t inode, next;
    uint8_t type; // as the mode has it, shifted
    uint16_t name_size;
} __attribute__((packed));

_Static_assert(sizeof(struct wire_entry) == sizeof(struct nebulet_file_entry),
               "as much room as there");

// In place; false: it is not as it should be.
static bool
convert(uint8_t *bytes, uint32_t size)
{
    for (uint32_t at = 0; at < size;) {
        struct wire_entry from;
        if (size - at < sizeof(from))
            return false;
        memcpy(&from, bytes + at, sizeof(from));
        const struct nebulet_file_entry to = {
            .next = from.next,
            .inode = from.inode,
            .filetype = type_of_mode((uint32_t)from.type << 12),
            .name_size = from.name_size,
        };
        if (from.name_size > size - at - sizeof(from))
            return false;
        memcpy(bytes + at, &to, sizeof(to));
        at += sizeof(to) + from.name_size;
    }
    return true;
}

int32_t
do_list(struct sip_file_request *q)
{
    uint32_t size = sip_window_size();

    ask(T_READDIR, q->head.node, q->head.at, size < CHUNK ? size : CHUNK);
    struct chunk *c = find(q->head.node, q->head.at);
    int32_t error = settle(c);
    c->fid = 0;
    if (error == 0 && !convert(memory_of(c), c->count))
        error = EIO;
    q->reply.count = c->count;
    if (error == 0 && c->count > 0 &&
        nebulet_window_write(0, 0, memory_of(c), c->count) != 0)
        error = EIO;
    return error;
}
