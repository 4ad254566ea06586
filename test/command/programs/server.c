// test/command/programs/server.c: instead of user/ninep: serves a directory
// with one file `f`, of its own making, and traps when it has been read twice,
// or then goes on without an answer (HANGS).  Any program may serve files so.

#include <errno.h>
#include <nebulet.h>
#include <stdbool.h>
#include <string.h>
#include <wasi/api.h>

#ifndef HANGS
#define HANGS 0
#endif

static const char text[] = "served";
static uint32_t reads;

static uint32_t
answer(const struct nebulet_file_request *q, const char *name,
       struct nebulet_file_reply *r)
{
    bool is_f = q->name_size == 1 && name[0] == 'f';

    r->filetype = q->op == NEBULET_FILE_ATTACH ? __WASI_FILETYPE_DIRECTORY :
                                                 __WASI_FILETYPE_REGULAR_FILE;
    r->size = sizeof(text) - 1;
    switch (q->op) {
    case NEBULET_FILE_ATTACH:
    case NEBULET_FILE_CLOSE:
    case NEBULET_FILE_OPEN:
    case NEBULET_FILE_STAT:
        return 0;
    case NEBULET_FILE_LOOKUP:
        return is_f ? 0 : ENOENT;
    case NEBULET_FILE_READ:
        if (++reads > 2 && HANGS)
            for (;;)
                nebulet_thread_yield();
        if (reads > 2)
            __builtin_trap();
        if (q->at == 0)
            r->count = sizeof(text) - 1;
        return (uint32_t)nebulet_window_write(0, 0, text, (uint32_t)r->count);
    default:
        return ENOSYS;
    }
}

int
main(void)
{
    static uint8_t bytes[NEBULET_LIMIT_GATE_SIZE];
    struct nebulet_file_reply reply;
    uint32_t gate, kind, size;
    uint64_t badge;
    struct nebulet_gate_serve call = {
        .deadline_ns = UINT64_MAX,
        .reply = &reply,
        .request = bytes,
        .request_size = sizeof(bytes),
        .badge = &badge,
        .kind = &kind,
        .size = &size,
    };

    if (nebulet_process_given(1, &gate) != 0)
        return 1;
    call.gate = gate;
    while (nebulet_gate_serve(&call) == 0) {
        struct nebulet_file_request q;
        memcpy(&q, bytes, sizeof(q));
        memset(&reply, 0, sizeof(reply));
        reply.error = answer(&q, (char *)bytes + sizeof(q), &reply);
        call.reply_size = sizeof(reply);
    }
    return 0;
}
