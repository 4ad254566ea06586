// user/netd/link.c: lwIP's interface: a function that sends a frame, and one
// that takes those that came.  All that lwIP knows of the device is here.

#include "netd.h"

#include <lwip/dhcp.h>
#include <lwip/etharp.h>
#include <lwip/init.h>
#include <lwip/netif.h>
#include <netif/ethernet.h>
#include <string.h>

static struct netif cable;
static bool full;

static err_t
send_frame(struct netif *netif, struct pbuf *frame)
{
    bool sent = device_send(frame);

    (void)netif;
    full |= !sent;
    return sent ? ERR_OK : ERR_MEM;
}

static void
take_frame(struct pbuf *frame)
{
    if (cable.input(frame, &cable) != ERR_OK)
        pbuf_free(frame);
}

static err_t
set_up(struct netif *netif)
{
    netif->name[0] = 'e';
    netif->name[1] = 'n';
    netif->output = etharp_output;
    netif->linkoutput = send_frame;
    netif->mtu = 1500;
    netif->hwaddr_len = MAC_SIZE;
    memcpy(netif->hwaddr, netif->state, MAC_SIZE);
    netif->flags =
        NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET;
    return ERR_OK;
}

void
link_open(const uint8_t mac[MAC_SIZE])
{
    lwip_init();
    netif_add(&cable, NULL, NULL, NULL, (void *)mac, set_up, ethernet_input);
    netif_set_default(&cable);
    netif_set_link_up(&cable);
    netif_set_up(&cable);
    dhcp_start(&cable);
}

bool
link_poll(void)
{
    return device_poll(take_frame);
}

bool
link_was_full(void)
{
    bool was = full;

    full = false;
    return was;
}
