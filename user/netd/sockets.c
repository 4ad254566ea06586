// user/netd/sockets.c: listeners and connections for programs.  A listener is a
// channel and a connection a stream, as wasi/network.c says; behind them are
// PCBs of lwIP.
//
// A connection begins with lwIP's accept, waits until the program takes it, and
// ends when the program has closed its stream, or lwIP says that it is over.
// Bytes that do not fit into the stream stay with lwIP, whose window closes;
// those that lwIP does not take stay in the stream.

#include "netd.h"

#include <lwip/priv/tcp_priv.h>
#include <lwip/tcp.h>
#include <stdlib.h>
#include <string.h>

enum {
    PIECE = 16384, // from a stream to lwIP at a time
    NUMBERS = 1 << 16,
    BACKLOG = 128,
};

struct listener {
    uint32_t channel; // 0: there is none
    struct tcp_pcb *pcb;
    uint32_t count; // of its connections
};

struct connection {
    uint32_t number; // low half: its place
    struct listener *listener;
    struct tcp_pcb *pcb; // NULL: it is over
    uint32_t stream;     // 0: nobody has taken it
    struct pbuf *unread; // what is not in the stream yet, from `at` on
    uint16_t at;
    bool ended;    // by the other side: that is behind `unread`
    bool told;     // the program knows that
    bool finished; // by the program, and the other side is told
    bool ready;    // it is in the list of those
};

static struct listener listeners[LISTENERS];
static struct connection *connections[CONNECTIONS]; // NULL: free
static uint32_t listener_count, connection_count, open_listeners;

// Those of which lwIP has sent something, which may take more now.
static struct connection *ready[CONNECTIONS];
static uint32_t ready_count;

// --- connections: their ends -------------------------------------------------

// lwIP calls nobody for it any more.
static struct tcp_pcb *
detach(struct connection *c)
{
    struct tcp_pcb *pcb = c->pcb;

    c->pcb = NULL;
    if (pcb != NULL) {
        tcp_arg(pcb, NULL);
        tcp_recv(pcb, NULL);
        tcp_sent(pcb, NULL);
        tcp_err(pcb, NULL);
    }
    return pcb;
}

// The connection is nobody's; lwIP has no PCB of it.
static void
forget(struct connection *c)
{
    if (c->stream != 0) {
        nebulet_port_cancel(netd_port, netd_key(KEY_CONNECTION, c->number));
        nebulet_handle_close(c->stream);
    }
    if (c->unread != NULL)
        pbuf_free(c->unread);
    for (uint32_t i = 0; c->ready && i < ready_count; i++) {
        if (ready[i] == c) {
            ready[i] = ready[--ready_count];
            c->ready = false;
        }
    }
    c->listener->count--;
    connections[c->number % NUMBERS] = NULL;
    connection_count--;
    free(c);
}

// The other side hears of a reset.
static void
abort_connection(struct connection *c)
{
    struct tcp_pcb *pcb = detach(c);

    if (pcb != NULL)
        tcp_abort(pcb);
    forget(c);
}

// The program has closed it: what it has said still goes out.  As elsewhere, it
// is a reset to who says what nobody hears.
static void
close_connection(struct connection *c)
{
    if (c->unread != NULL) {
        abort_connection(c);
        return;
    }
    struct tcp_pcb *pcb = detach(c);
    if (pcb != NULL && tcp_close(pcb) != ERR_OK)
        tcp_abort(pcb);
    forget(c);
}

// --- connections: bytes ------------------------------------------------------

// Is it closed by the program, or only finished?
static bool
is_closed(const struct connection *c)
{
    uint32_t now = 0;

    nebulet_object_wait_one(c->stream, NEBULET_SIGNAL_PEER_CLOSED, 0, &now);
    return (now & NEBULET_SIGNAL_PEER_CLOSED) != 0;
}

// From lwIP to the program, as far as there is room.
static void
deliver(struct connection *c)
{
    uint32_t count;

    while (c->unread != NULL) {
        const struct pbuf *p = c->unread;
        int32_t status =
            nebulet_stream_write(c->stream, (uint8_t *)p->payload + c->at,
                                 (uint32_t)(p->len - c->at), 0, &count);
        if (status != 0)
            return; // for now, or nobody reads, which send_out() finds
        c->at = (uint16_t)(c->at + count);
        if (c->pcb != NULL)
            tcp_recved(c->pcb, (u16_t)count);
        if (c->at == p->len) {
            c->unread = pbuf_free_header(c->unread, c->at);
            c->at = 0;
        }
    }
    if (c->ended && !c->told) {
        c->told = true;
        nebulet_stream_finish(c->stream);
    }
}

// How much lwIP takes now.
static uint32_t
room_out(const struct connection *c)
{
    uint32_t room = tcp_sndbuf(c->pcb);

    if (tcp_sndqueuelen(c->pcb) + 2 * (PIECE / TCP_MSS) > TCP_SND_QUEUELEN)
        return 0;
    return room < PIECE ? room : PIECE;
}

// The stream has ended: false: there is no connection any more.
static bool
end_out(struct connection *c)
{
    if (is_closed(c)) {
        close_connection(c);
        return false;
    }
    if (!c->finished)
        c->finished = tcp_shutdown(c->pcb, 0, 1) == ERR_OK;
    return true;
}

// From the program to lwIP, as far as that takes it; false: there is no
// connection any more.
static bool
send_out(struct connection *c)
{
    static uint8_t piece[PIECE];
    uint32_t room, count;
    int32_t status = 0;

    while (status == 0 && (room = room_out(c)) > 0) {
        status = nebulet_stream_read(c->stream, piece, room, 0, &count);
        if (status == 0 && tcp_write(c->pcb, piece, (u16_t)count,
                                     TCP_WRITE_FLAG_COPY) != ERR_OK) {
            abort_connection(c); // no memory: what was taken is lost
            return false;
        }
    }
    tcp_output(c->pcb);
    if (status == 0 || status == NEBULET_ERR_SHOULD_WAIT)
        return true;
    return end_out(c);
}

// --- what lwIP says ----------------------------------------------------------

static err_t
on_receive(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t error)
{
    struct connection *c = arg;

    (void)pcb, (void)error;
    if (p == NULL)
        c->ended = true;
    else if (c->unread == NULL)
        c->unread = p;
    else
        pbuf_cat(c->unread, p);
    if (c->stream != 0)
        deliver(c);
    return ERR_OK;
}

// In lwIP's hands the connection may not go, as it may when more is sent.
static err_t
on_sent(void *arg, struct tcp_pcb *pcb, u16_t size)
{
    struct connection *c = arg;

    (void)pcb, (void)size;
    if (!c->ready)
        ready[ready_count++] = c;
    c->ready = true;
    return ERR_OK;
}

// The PCB is gone: a reset to the program, or none who took it.
static void
on_error(void *arg, err_t error)
{
    struct connection *c = arg;

    (void)error;
    c->pcb = NULL;
    if (c->stream != 0)
        forget(c);
}

static struct connection *
connection_new(struct listener *l, struct tcp_pcb *pcb)
{
    static uint32_t count;
    uint32_t place = 0;

    if (l->count == CLIENT_MOST || connection_count == CONNECTIONS)
        return NULL;
    while (connections[place] != NULL)
        place++;
    struct connection *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    c->number = ++count * NUMBERS + place;
    c->listener = l;
    c->pcb = pcb;
    connections[place] = c;
    connection_count++;
    l->count++;
    tcp_arg(pcb, c);
    tcp_recv(pcb, on_receive);
    tcp_sent(pcb, on_sent);
    tcp_err(pcb, on_error);
    tcp_nagle_disable(pcb);
    return c;
}

// Somebody has connected: the program hears that he waits.
static err_t
on_accept(void *arg, struct tcp_pcb *pcb, err_t error)
{
    struct listener *l = arg;

    if (error != ERR_OK || pcb == NULL)
        return ERR_VAL;
    struct connection *c = connection_new(l, pcb);
    if (c == NULL) {
        tcp_abort(pcb);
        return ERR_ABRT;
    }
    const struct nebulet_net_message m = {
        .op = NEBULET_NET_WAITS,
        .connection = c->number,
        .address = lwip_ntohl(ip_2_ip4(&pcb->remote_ip)->addr),
        .port = pcb->remote_port,
    };
    if (nebulet_channel_write(l->channel, &m, sizeof(m), NULL, 0) != 0) {
        abort_connection(c);
        return ERR_ABRT;
    }
    return ERR_OK;
}

// --- what programs say -------------------------------------------------------

static struct connection *
find_connection(uint32_t number)
{
    uint32_t place = number % NUMBERS;
    struct connection *c = place < CONNECTIONS ? connections[place] : NULL;

    return c != NULL && c->number == number ? c : NULL;
}

void
connection_serve(uint32_t number)
{
    struct connection *c = find_connection(number);

    if (c == NULL || c->stream == 0 || c->pcb == NULL)
        return;
    deliver(c);
    send_out(c);
}

void
sockets_go_on(void)
{
    while (ready_count > 0) {
        struct connection *c = ready[--ready_count];
        c->ready = false;
        connection_serve(c->number);
    }
}

void
sockets_retry(void)
{
    struct tcp_pcb *next;

    for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb != NULL; pcb = next) {
        next = pcb->next;
        tcp_output(pcb);
    }
}

// The stream is the connection's, or closed where there is none, which is a
// reset to who has its other end.
static void
take(const struct listener *l, uint32_t number, uint32_t stream)
{
    const uint32_t signals = NEBULET_SIGNAL_READABLE | NEBULET_SIGNAL_WRITABLE |
                             NEBULET_SIGNAL_PEER_DONE |
                             NEBULET_SIGNAL_PEER_CLOSED;
    struct connection *c = find_connection(number);

    if (c == NULL || c->listener != l || c->stream != 0) {
        nebulet_handle_close(stream);
        return;
    }
    c->stream = stream;
    if (c->pcb == NULL) {
        forget(c);
        return;
    }
    if (nebulet_port_watch(netd_port, stream, netd_key(KEY_CONNECTION, number),
                           signals, NEBULET_WATCH_REPEAT) != 0)
        abort_connection(c);
    else
        connection_serve(number);
}

// The program has no room for it.
static void
refuse(const struct listener *l, uint32_t number)
{
    struct connection *c = find_connection(number);

    if (c != NULL && c->listener == l && c->stream == 0)
        abort_connection(c);
}

// Nobody listens any more; who was not taken is reset.
static void
close_listener(struct listener *l)
{
    nebulet_port_cancel(netd_port,
                        netd_key(KEY_LISTENER, (uint32_t)(l - listeners)));
    nebulet_handle_close(l->channel);
    l->channel = 0;
    open_listeners--;
    tcp_close(l->pcb);
    for (uint32_t i = 0; i < CONNECTIONS; i++)
        if (connections[i] != NULL && connections[i]->listener == l &&
            connections[i]->stream == 0)
            abort_connection(connections[i]);
}

void
listener_serve(uint32_t number)
{
    struct listener *l = &listeners[number];

    while (l->channel != 0) {
        struct nebulet_net_message m = {0};
        struct nebulet_message_handle handle = {0};
        uint32_t size = 0, count = 0;
        int32_t status = nebulet_channel_read(&(struct nebulet_channel_read){
            .channel = l->channel,
            .bytes = &m,
            .bytes_size = sizeof(m),
            .handles = &handle,
            .handles_count = 1,
            .size = &size,
            .count = &count,
        });
        if (status == NEBULET_ERR_SHOULD_WAIT)
            return;
        if (status != 0) { // it is closed, or says what nobody understands
            close_listener(l);
            return;
        }
        if (count == 1 && size == sizeof(m) && m.op == NEBULET_NET_TAKE)
            take(l, m.connection, handle.handle);
        else if (count == 1)
            nebulet_handle_close(handle.handle);
        else if (size == sizeof(m) && m.op == NEBULET_NET_TAKE)
            refuse(l, m.connection);
    }
}

int32_t
listener_open(uint32_t channel, uint16_t port)
{
    struct listener *l = &listeners[listener_count];
    struct tcp_pcb *pcb = tcp_new();

    if (listener_count == LISTENERS)
        return NEBULET_ERR_LIMIT;
    if (pcb == NULL)
        return NEBULET_ERR_NO_MEMORY;
    if (tcp_bind(pcb, IP_ADDR_ANY, port) != ERR_OK ||
        (l->pcb = tcp_listen_with_backlog(pcb, BACKLOG)) == NULL) {
        tcp_abort(pcb);
        return NEBULET_ERR_BAD_ARGUMENT;
    }
    l->channel = channel;
    tcp_arg(l->pcb, l);
    tcp_accept(l->pcb, on_accept);
    open_listeners++;
    return nebulet_port_watch(
        netd_port, channel, netd_key(KEY_LISTENER, listener_count++),
        NEBULET_SIGNAL_READABLE | NEBULET_SIGNAL_PEER_CLOSED,
        NEBULET_WATCH_REPEAT);
}

bool
sockets_are_over(void)
{
    return open_listeners == 0 && connection_count == 0 &&
           tcp_active_pcbs == NULL;
}
