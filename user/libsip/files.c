// user/libsip/files.c: serving files: requests come apart here, and only those
// whose parts go together reach the program.

#include <nebulet.h>
#include <sip.h>
#include <sip_files.h>

#include <errno.h>
#include <string.h>

// The kernel sends no other; it costs nothing to be sure.
static bool
is_name(const uint8_t *name, uint32_t size)
{
    bool dots = (size == 1 || size == 2) && memcmp(name, "..", size) == 0;

    return size > 0 && !dots && memchr(name, '/', size) == NULL &&
           memchr(name, 0, size) == NULL;
}

// The parts of a request; false: it is none.
static bool
take(struct sip_file_request *q, const uint8_t *bytes, uint32_t size,
     const uint8_t **closed)
{
    struct nebulet_file_request *head = &q->head;

    if (size < sizeof(*head))
        return false;
    memcpy(head, bytes, sizeof(*head));
    q->name = bytes + sizeof(*head);
    size -= sizeof(*head);
    if (head->name_size > size || head->new_size > size - head->name_size)
        return false;
    q->new_name = q->name + head->name_size;
    *closed = q->new_name + head->new_size;
    size -= head->name_size + head->new_size;
    return head->closed <= NEBULET_FILE_CLOSINGS &&
           size == head->closed * sizeof(uint32_t) && head->op < SIP_FILE_OPS &&
           (head->name_size == 0 || is_name(q->name, head->name_size)) &&
           (head->new_size == 0 || is_name(q->new_name, head->new_size));
}

static uint32_t
serve(void *arg, uint64_t badge, const void *request, uint32_t size,
      void *reply)
{
    const struct sip_files *files = arg;
    struct sip_file_request q = {.reply = {.count = 0}};
    const uint8_t *closed;

    (void)badge;
    q.reply.error = EINVAL;
    if (take(&q, request, size, &closed)) {
        for (uint32_t i = 0; i < q.head.closed; i++) {
            uint32_t number;
            memcpy(&number, closed + i * sizeof(number), sizeof(number));
            files->close(number);
        }
        q.reply.error = 0;
        if (q.head.op != NEBULET_FILE_CLOSE)
            q.reply.error = (uint32_t)files->ops[q.head.op](&q);
        if (files->answered != NULL)
            files->answered();
    }
    memcpy(reply, &q.reply, sizeof(q.reply));
    return sizeof(q.reply);
}

// There is one door, which is the kernel's.
static bool
closed(void *arg, uint64_t badge)
{
    (void)arg, (void)badge;
    return false;
}

static uint64_t
deadline(void *arg)
{
    const struct sip_files *files = arg;

    return files->deadline != NULL ? files->deadline() : UINT64_MAX;
}

static void
idle(void *arg)
{
    ((const struct sip_files *)arg)->idle();
}

int32_t
sip_serve_files(uint32_t gate, const struct sip_files *files)
{
    const struct sip_service service = {
        .call = serve,
        .closed = closed,
        .deadline = deadline,
        .idle = idle,
        .arg = (void *)files,
    };

    return sip_serve(gate, &service);
}

uint32_t
sip_window_size(void)
{
    uint32_t size, access;

    return nebulet_window_get(0, &size, &access) == 0 ? size : 0;
}
