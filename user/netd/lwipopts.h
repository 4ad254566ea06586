// user/netd/lwipopts.h: lwIP as netd has it built: IPv4, TCP and DHCP, called
// from one thread, with memory from malloc.  What one client may take of that
// is netd's to say (netd.h), so lwIP's own pools have no bounds.

#pragma once

#define NO_SYS                   1
#define SYS_LIGHTWEIGHT_PROT     0
#define LWIP_SOCKET              0
#define LWIP_NETCONN             0
#define LWIP_IPV4                1
#define LWIP_IPV6                0
#define LWIP_ICMP                1
#define LWIP_RAW                 0
#define LWIP_DHCP                1
#define DHCP_DOES_ARP_CHECK      0
#define LWIP_STATS               0
#define LWIP_SUPPORT_CUSTOM_PBUF 1

#define MEM_LIBC_MALLOC          1
#define MEMP_MEM_MALLOC          1
#define MEM_ALIGNMENT            8

// A segment fills a frame.  Windows are what fits without scaling.
#define TCP_MSS             1460
#define TCP_WND             (44 * TCP_MSS)
#define TCP_SND_BUF         (44 * TCP_MSS)
#define TCP_SND_QUEUELEN    (4 * TCP_SND_BUF / TCP_MSS)
#define MEMP_NUM_TCP_SEG    TCP_SND_QUEUELEN
#define TCP_SNDLOWAT        (TCP_SND_BUF / 2)
#define TCP_QUEUE_OOSEQ     1
#define TCP_OOSEQ_MAX_PBUFS 64
#define TCP_LISTEN_BACKLOG  1
// A connection that ended stays known for twice this.
#define TCP_MSL 1000UL
