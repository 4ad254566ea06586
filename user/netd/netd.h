// user/netd/netd.h: the process that serves the network: it drives one device
// (device.c), has TCP/IP by lwIP behind an interface of two functions (link.c),
// and gives programs listeners and connections (sockets.c), as wasi/network.c
// asks for them.
//
// One thread does all, and waits in one place (main.c); nothing else waits.

#pragma once

#include <nebulet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// --- main.c ------------------------------------------------------------------

extern uint32_t netd_port; // where all that is waited for is watched
uint64_t netd_now_ns(void);
void netd_complain(const char *what, int32_t status);

// Of what packets of the port are: a kind, and a number of that kind.
enum { KEY_DEVICE, KEY_LISTENER, KEY_CONNECTION };

static inline uint64_t
netd_key(uint32_t kind, uint32_t number)
{
    return (uint64_t)kind << 32 | number;
}

// --- device.c: virtio-net ----------------------------------------------------

enum { MAC_SIZE = 6, FRAME_SIZE = 1514 };

struct pbuf;

// From reset to work: its address; 0 or a status.
int32_t device_open(uint32_t device, uint8_t mac[MAC_SIZE]);
// Send a frame, which is held until the device has read it; false: there is no
// room now.
bool device_send(struct pbuf *frame);
// Take what came, some of it, and give each frame away; false: that was all.
bool device_poll(void (*take)(struct pbuf *frame));
// The device has stopped by itself.
bool device_is_broken(void);

// --- link.c: lwIP's interface ------------------------------------------------

void link_open(const uint8_t mac[MAC_SIZE]);
// Let lwIP have some frames that came; true: there may be more.
bool link_poll(void);
// The device had no room for a frame since this was asked.
bool link_was_full(void);

// --- sockets.c ---------------------------------------------------------------

// What one client, a listener, may have of connections, and all of them.
enum { CLIENT_MOST = 1000, CONNECTIONS = 1500, LISTENERS = 32 };

// Listen at a port for who has the other end of the channel; 0 or a status.
int32_t listener_open(uint32_t channel, uint16_t port);
// Something came for it: signals, or a message.
void listener_serve(uint32_t number);
void connection_serve(uint32_t number);
// After lwIP has had frames: those that may send more do.
void sockets_go_on(void);
// What found no room in the device is sent.
void sockets_retry(void);
// Nobody listens, and nobody has a connection.
bool sockets_are_over(void);
