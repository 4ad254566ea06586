// test/command/programs/netd_ends.c: what is in the place of user/netd in a
// test: it says that somebody waits, says "hi" to who takes him, and ends.

#include <nebulet.h>
#include <stdint.h>

int
main(void)
{
    struct nebulet_net_message m = {.op = NEBULET_NET_WAITS, .connection = 5};
    struct nebulet_message_handle stream = {0};
    uint32_t channel, size, count;

    if (nebulet_process_given(1, &channel) != 0 ||
        nebulet_channel_write(channel, &m, sizeof(m), 0, 0) != 0)
        return 1;
    int32_t status = nebulet_channel_read(&(struct nebulet_channel_read){
        .channel = channel,
        .deadline_ns = UINT64_MAX,
        .bytes = &m,
        .bytes_size = sizeof(m),
        .handles = &stream,
        .handles_count = 1,
        .size = &size,
        .count = &count,
    });
    if (status != 0 || count != 1 || m.op != NEBULET_NET_TAKE ||
        m.connection != 5)
        return 1;
    return nebulet_stream_write(stream.handle, "hi", 2, 0, &count) != 0;
}
