// tool/serve.c: the host's end of the channel to a guest (serve.h).
//
// Everything is one loop that waits in poll() and nowhere else, so that a time
// limit holds whatever a reader of ours, the guest or QEMU does.  Standard
// input is touched only when the guest asks.

#include "tool/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 64 * 1024, LOG_PENDING_MAX = 1024 * 1024 };

enum { POLL_CHANNEL, POLL_LOG, POLL_INPUT, POLL_OUTPUTS };

void
serve_init(struct server *s, int channel, int log)
{
    *s = (struct server){
        .channel = channel,
        .log = log,
        .channel_open = true,
        .log_open = true,
    };
    fcntl(channel, F_SETFL, O_NONBLOCK); // ours alone
    host_stream_open(&s->input, STDIN_FILENO);
    for (u32 i = 0; i < PORT_STREAMS; i++)
        host_stream_open(&s->outputs[i].host,
                         i == PORT_STDOUT ? STDOUT_FILENO : STDERR_FILENO);
    // What goes to stderr stays in order, and so does stdout beside it.
    struct serve_output *out = &s->outputs[PORT_STDOUT];
    if (!host_stream_same(&out->host, &s->outputs[PORT_STDERR].host))
        out->behind = out->host.behind;
    s->outputs[PORT_LOG].behind = CHANNEL_FLIGHT; // the kernel never waits
}

void
serve_profile(struct server *s, int fd)
{
    host_stream_close(&s->outputs[PORT_PROFILE].host);
    host_stream_open(&s->outputs[PORT_PROFILE].host, fd);
    s->outputs[PORT_PROFILE].behind = CHANNEL_FLIGHT;
}

void
serve_free(struct server *s)
{
    close(s->channel);
    close(s->log);
    host_stream_close(&s->input);
    buffer_free(&s->answers);
    for (u32 i = 0; i < PORT_STREAMS; i++) {
        host_stream_close(&s->outputs[i].host);
        buffer_free(&s->outputs[i].pending);
    }
}

// --- answers -----------------------------------------------------------------

static void
send_answers(struct server *s)
{
    while (s->answers_from < s->answers.size) {
        ssize_t n = write(s->channel, s->answers.ptr + s->answers_from,
                          s->answers.size - s->answers_from);
        if (n <= 0)
            return; // later, or reading will find that the guest is gone
        s->answers_from += (u64)n;
    }
    s->answers.size = s->answers_from = 0;
}

static void
answer(struct server *s, struct channel_head head, const void *bytes)
{
    buffer_put(&s->answers, &head, sizeof(head));
    buffer_put(&s->answers, bytes, head.kind == CHANNEL_DATA ? head.size : 0);
}

// How far the guest may go ahead of what is done.
static void
answer_behind(struct server *s, u32 stream, u32 behind)
{
    s->outputs[stream].behind = behind;
    answer(s,
           (struct channel_head){
               .kind = CHANNEL_STREAM, .stream = (u8)stream, .size = behind},
           NULL);
}

// After an error the guest may not go ahead any more: the next one is for the
// write that it belongs to.
static void
answer_done(struct server *s, u32 stream, status_t status)
{
    if (status != OK && s->outputs[stream].behind > 0 && stream == PORT_STDOUT)
        answer_behind(s, stream, 0);
    if (stream != PORT_STDIN) // there it is the debug port
        answer(s,
               (struct channel_head){.kind = CHANNEL_DONE,
                                     .stream = (u8)stream,
                                     .status = status,
                                     .at = s->outputs[stream].done},
               NULL);
}

// --- output ------------------------------------------------------------------

static bool
is_pending(const struct serve_output *o)
{
    return o->from < o->pending.size;
}

// The debug port's last words come after what the kernel has said before.
static bool
is_next(const struct server *s, u32 stream)
{
    return is_pending(&s->outputs[stream]) &&
           (stream != PORT_STDIN || !is_pending(&s->outputs[PORT_LOG]));
}

// Write what it takes now; after an error the rest is dropped, as the guest
// will do.
static void
flush_output(struct server *s, u32 stream)
{
    struct serve_output *o = &s->outputs[stream];
    status_t status = OK;
    u64 before = o->done, count;

    while (is_pending(o) && status == OK) {
        status = host_stream_write(&o->host, o->pending.ptr + o->from,
                                   o->pending.size - o->from, &count);
        o->from += count;
        o->done += count;
    }
    if (status == ERR_SHOULD_WAIT)
        status = OK;
    if (status != OK)
        o->from = o->pending.size;
    if (status != OK && (stream == PORT_STDIN || o->behind > 0))
        o->status = status; // nobody waits for it
    if (!is_pending(o))
        o->from = o->pending.size = 0;
    if (status != OK || o->done > before)
        answer_done(s, stream, status);
}

// Tell the guest once that nobody reads an output any more.
static void
look_for_reader(struct server *s, u32 stream)
{
    struct serve_output *o = &s->outputs[stream];

    if (o->unread || !host_stream_unread(&o->host))
        return;
    o->unread = true;
    o->from = o->pending.size = 0;
    answer_done(s, stream, ERR_PEER_CLOSED);
}

// --- input -------------------------------------------------------------------

static void
answer_look(struct server *s, bool now)
{
    struct port_input state;
    status_t status = host_stream_look(&s->input, &state);

    if (status == ERR_TIMED_OUT && !now)
        return;
    answer(s,
           (struct channel_head){.kind = CHANNEL_STATE,
                                 .now = now,
                                 .size = (u32)MIN(state.ready, INT32_MAX),
                                 .status = status},
           NULL);
    if (!now)
        s->look_later = false;
}

static void
read_input(struct server *s)
{
    static u8 bytes[CHANNEL_SIZE_MAX];
    u64 count;
    status_t status = host_stream_read(&s->input, bytes, s->read_size, &count);

    if (status == ERR_SHOULD_WAIT)
        return;
    answer(s,
           (struct channel_head){
               .kind = CHANNEL_DATA, .size = (u32)count, .status = status},
           bytes);
    s->read_size = 0;
}

static bool
wants_input(const struct server *s)
{
    return s->channel_open && (s->look_later || s->read_size > 0);
}

// --- from the guest ----------------------------------------------------------

static void
greet(struct server *s)
{
    for (u32 i = PORT_STDOUT; i < PORT_STREAMS; i++) {
        answer_behind(s, i, s->outputs[i].behind);
        look_for_reader(s, i);
    }
    u64 age_ms = s->counted ? 0 : host_age_ms();
    answer(s,
           (struct channel_head){.kind = CHANNEL_HELLO, .at = age_ms * 1000000},
           NULL);
}

static bool
take_write(struct server *s, const struct channel_head *h)
{
    struct serve_output *o = &s->outputs[h->stream % PORT_STREAMS];
    u64 pending = o->pending.size - o->from;

    if (h->stream == PORT_STDIN || h->stream >= PORT_STREAMS ||
        h->size > CHANNEL_SIZE_MAX || pending + h->size > CHANNEL_FLIGHT)
        return false;
    s->left = h->size;
    s->dropped = h->at != o->done + pending;
    if (!s->dropped)
        o->status = OK; // if there was an error, the guest knows
    return true;
}

// False: that is not what a guest may say.
static bool
take_head(struct server *s, const struct channel_head *h)
{
    switch (h->kind) {
    case CHANNEL_START:
        greet(s);
        return true;
    case CHANNEL_WRITE:
        return take_write(s, h);
    case CHANNEL_READ:
        s->read_size = h->size;
        return h->size > 0 && h->size <= CHANNEL_SIZE_MAX;
    case CHANNEL_LOOK:
        if (h->now)
            answer_look(s, true);
        else
            s->look_later = true;
        return true;
    }
    return false;
}

static bool
take(struct server *s, const u8 *bytes, u64 size)
{
    while (size > 0) {
        u64 part = MIN(size, (u64)s->left);
        struct serve_output *o = &s->outputs[s->head.stream % PORT_STREAMS];

        if (s->left > 0) {
            if (!s->dropped)
                buffer_put(&o->pending, bytes, part);
            s->left -= (u32)part;
        } else {
            part = MIN(size, sizeof(s->head) - s->head_size);
            memcpy((u8 *)&s->head + s->head_size, bytes, part);
            s->head_size += (u32)part;
        }
        bytes += part;
        size -= part;
        if (s->left == 0 && is_pending(o)) // in the order of the messages
            flush_output(s, (u32)(o - s->outputs));
        if (s->head_size < sizeof(s->head))
            continue;
        s->head_size = 0;
        if (!take_head(s, &s->head))
            return false;
    }
    return true;
}

// False: the guest does not keep the rules.
static bool
read_channel(struct server *s)
{
    static u8 bytes[CHUNK];
    ssize_t got = read(s->channel, bytes, sizeof(bytes));

    if (got > 0)
        return take(s, bytes, (u64)got);
    if (got == 0 || (errno != EAGAIN && errno != EINTR))
        s->channel_open = false;
    return true;
}

// How many of the last bytes may be the exit status, a NUL and one byte.
static u32
status_size(const u8 *bytes, u64 size)
{
    if (size >= 2 && bytes[size - 2] == 0)
        return 2;
    return size >= 1 && bytes[size - 1] == 0;
}

// Pass the log on, but for what may be the exit status.
static void
read_log(struct server *s)
{
    u8 bytes[4096 + 2];
    struct serve_output *o = &s->outputs[PORT_STDIN];

    memcpy(bytes, s->tail, s->tail_count);
    ssize_t got = read(s->log, bytes + s->tail_count, 4096);
    if (got <= 0) {
        s->log_open = false;
        buffer_put(&o->pending, s->tail,
                   s->tail_count == 2 || s->quiet ? 0 : s->tail_count);
        return;
    }
    u64 size = s->tail_count + (u64)got;
    s->tail_count = status_size(bytes, size);
    size -= s->tail_count;
    buffer_put(&o->pending, bytes, s->quiet ? 0 : size);
    memcpy(s->tail, bytes + size, s->tail_count);
}

// --- the loop ----------------------------------------------------------------

static void
watch(struct pollfd *p, bool wanted, int fd, short events)
{
    *p = (struct pollfd){.fd = wanted ? fd : -1, .events = events};
}

static void
watch_all(const struct server *s, struct pollfd *fds)
{
    bool answers = s->answers_from < s->answers.size;
    bool log = s->outputs[0].pending.size < LOG_PENDING_MAX;

    watch(&fds[POLL_CHANNEL], s->channel_open, s->channel,
          answers ? POLLIN | POLLOUT : POLLIN);
    watch(&fds[POLL_LOG], s->log_open && log, s->log, POLLIN);
    watch(&fds[POLL_INPUT], wants_input(s), host_stream_fd(&s->input), POLLIN);
    for (u32 i = 0; i < PORT_STREAMS; i++) {
        const struct serve_output *o = &s->outputs[i];
        bool pending = is_next(s, i);
        watch(&fds[POLL_OUTPUTS + i],
              pending || (o->host.pipe && !o->unread && s->channel_open),
              host_stream_fd(&o->host), pending ? POLLOUT : 0);
    }
}

static bool
act(struct server *s, const struct pollfd *fds)
{
    if (fds[POLL_CHANNEL].revents != 0 && !read_channel(s))
        return false;
    if (fds[POLL_LOG].revents != 0)
        read_log(s);
    for (u32 i = PORT_STREAMS; i-- > 0;) {
        if (is_next(s, i))
            flush_output(s, i);
        if (fds[POLL_OUTPUTS + i].revents & (POLLERR | POLLHUP))
            look_for_reader(s, i);
    }
    if (fds[POLL_INPUT].revents != 0 && s->look_later)
        answer_look(s, false);
    if (fds[POLL_INPUT].revents != 0 && s->read_size > 0)
        read_input(s);
    if (s->channel_open)
        send_answers(s);
    return true;
}

static bool
is_finished(const struct server *s)
{
    bool pending = false;

    for (u32 i = 0; i < PORT_STREAMS; i++)
        pending |= is_pending(&s->outputs[i]);
    return !s->channel_open && !s->log_open && !pending;
}

enum serve_end
serve(struct server *s, u64 deadline_ms)
{
    struct pollfd fds[POLL_OUTPUTS + PORT_STREAMS];

    while (!is_finished(s)) {
        i64 left = deadline_ms ? (i64)(deadline_ms - host_now_ms()) : -1;

        if (deadline_ms && left <= 0)
            return SERVE_LATE;
        watch_all(s, fds);
        if (poll(fds, COUNT(fds), (int)MIN(left, INT32_MAX)) < 0)
            continue; // a signal
        if (!act(s, fds))
            return SERVE_BROKEN;
    }
    return SERVE_ENDED;
}

void
serve_rest(struct server *s)
{
    fcntl(s->log, F_SETFL, O_NONBLOCK); // ours alone; nobody writes any more
    while (s->log_open)
        read_log(s);
    if (is_pending(&s->outputs[PORT_LOG]))
        flush_output(s, PORT_LOG);
    flush_output(s, PORT_STDIN);
}

// That nobody reads is no loss.
bool
serve_arrived(const struct server *s)
{
    for (u32 i = 0; i < PORT_STREAMS; i++) {
        status_t status = s->outputs[i].status;
        if (status == OK || status == ERR_PEER_CLOSED)
            continue;
        complain("%s: %s", i == PORT_STDOUT ? "stdout" : "stderr",
                 status_text(status));
        return false;
    }
    return true;
}
