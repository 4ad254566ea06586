// port/metal/streams.c: the standard streams and the log, over the channel
// where the host command has started us (channel.c), else on serial ports.
// What is said at boot and in a panic goes to the serial side in any case,
// which needs nothing to work.  All else does not while the channel is up: the
// host may stop reading there, and the whole machine with it.

#include "abi/channel.h"
#include "port/metal/channel.h"
#include "port/metal/metal.h"

enum { PIECE = 4096 }; // of a write on serial ports

status_t
port_write(enum port_stream stream, const void *bytes, u64 size, u64 *count)
{
    if (channel_is_up())
        return channel_write(stream, bytes, size, count);
    *count = MIN(size, (u64)PIECE);
    serial_write(stream, bytes, *count);
    return OK;
}

status_t
port_settle(enum port_stream stream, u64 *lost)
{
    *lost = 0;
    return channel_is_up() ? channel_settle(stream, lost) : OK;
}

status_t
port_read(void *to, u64 size, u64 *count)
{
    return channel_is_up() ? channel_read(to, size, count) :
                             serial_read(to, size, count);
}

status_t
port_look(bool now, struct port_input *out)
{
    return channel_is_up() ? channel_look(now, out) : serial_look(now, out);
}

// Never both ways at a time: lines would overtake each other.
bool
port_log(const void *bytes, u64 size)
{
    if (channel_is_up() && !channel_has_failed())
        return channel_log(bytes, size);
    serial_write(PORT_LOG, bytes, size);
    return true;
}

i64
port_start_ns(void)
{
    return channel_start_ns();
}

void
streams_start(const struct boot_info *info)
{
    bool asked = boot_info_has_word(info, CHANNEL_WORD);

    if (asked && channel_start(info))
        return;
    if (asked)
        say("nebulet: no channel to the host on a virtio-console: using serial "
            "ports");
    serial_start();
}

void
streams_drain(void)
{
    channel_end();
    klog_end();
    channel_end();
}

void
streams_stop(void)
{
    channel_stop();
    serial_unlock();
}
