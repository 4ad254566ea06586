// user/abi2018/channels.c: channels and streams.

#include "abi2018.h"

#include <string.h>

enum {
    MESSAGE_MAX = 65536,
    STREAM_ROOM = 65536,
    QUEUE_BYTES = 1 << 20,
};

static char large[MESSAGE_MAX + 1];

// --- channels ----------------------------------------------------------------

static void
refuse_channels(const struct ends *e)
{
    uint32_t event = new_event(), size = 77;
    char buffer[4];

    EXPECT_EQ(abi_channel_create(OUTSIDE, &size), ABI_INTERNAL);
    EXPECT_EQ(abi_channel_create(&size, OUTSIDE), ABI_INTERNAL);

    EXPECT_EQ(abi_channel_send(NO_HANDLE, "x", 1), ABI_NOT_FOUND);
    EXPECT_EQ(abi_channel_send(event, "x", 1), ABI_WRONG_TYPE);
    EXPECT_EQ(abi_channel_send(e->out, "x", 1), ABI_ACCESS_DENIED);
    EXPECT_EQ(abi_channel_send(e->in, OUTSIDE, 100), ABI_INVALID_ARG);
    EXPECT_EQ(abi_channel_send(e->in, large, MESSAGE_MAX + 1), ABI_INVALID_ARG);

    EXPECT_EQ(abi_channel_recv(NO_HANDLE, buffer, 4, &size), ABI_NOT_FOUND);
    EXPECT_EQ(abi_channel_recv(event, buffer, 4, &size), ABI_WRONG_TYPE);
    EXPECT_EQ(abi_channel_recv(e->in, buffer, 4, &size), ABI_ACCESS_DENIED);
    EXPECT_EQ(abi_channel_recv(e->out, buffer, 4, &size), ABI_SHOULD_WAIT);
    EXPECT_EQ(size, 77);
    close_handle(event);
}

static void
fill_channel(const struct ends *e)
{
    uint32_t size = 0;
    int64_t status = 0;
    int sent = 0;

    for (; status == 0; sent += status == 0)
        status = abi_channel_send(e->in, large, MESSAGE_MAX);
    EXPECT_EQ(status, ABI_SHOULD_WAIT);
    EXPECT_EQ(sent, QUEUE_BYTES / MESSAGE_MAX);
    EXPECT_EQ(abi_channel_recv(e->out, large, MESSAGE_MAX, &size), 0);
    EXPECT_EQ(size, MESSAGE_MAX);
    EXPECT_EQ(abi_object_wait_one(e->in, ABI_SIGNAL_WRITABLE) &
                  ABI_SIGNAL_WRITABLE,
              ABI_SIGNAL_WRITABLE);
}

void
test_channels(void)
{
    struct ends e = new_channel();
    uint32_t size = 0;
    char buffer[8] = "";

    refuse_channels(&e);

    // In their order, each whole.
    EXPECT_EQ(abi_channel_send(e.in, "first", 5), 0);
    EXPECT_EQ(abi_channel_send(e.in, "", 0), 0);
    EXPECT_EQ(abi_channel_send(e.in, "third", 5), 0);
    EXPECT_EQ(abi_object_wait_one(e.out, ABI_SIGNAL_READABLE |
                                             ABI_SIGNAL_PEER_SIGNALED) &
                  ABI_SIGNAL_READABLE,
              ABI_SIGNAL_READABLE);
    EXPECT_EQ(abi_channel_recv(e.out, buffer, 4, &size), ABI_BUFFER_TOO_SMALL);
    EXPECT_EQ(size, 5);
    EXPECT_EQ(abi_channel_recv(e.out, OUTSIDE, 100, &size), ABI_INVALID_ARG);
    EXPECT_EQ(abi_channel_recv(e.out, buffer, 8, OUTSIDE), ABI_INTERNAL);
    EXPECT_EQ(abi_channel_recv(e.out, buffer, 8, &size), 0);
    EXPECT_EQ(size, 5);
    EXPECT_EQ(memcmp(buffer, "first", 5), 0);
    EXPECT_EQ(abi_channel_recv(e.out, buffer, 8, &size), 0);
    EXPECT_EQ(size, 0);
    EXPECT_EQ(abi_channel_recv(e.out, buffer, 8, &size), 0);
    EXPECT_EQ(memcmp(buffer, "third", 5), 0);

    fill_channel(&e);

    // What was sent comes, and then the end.
    close_handle(e.in);
    for (int i = 0; i < QUEUE_BYTES / MESSAGE_MAX - 1; i++)
        EXPECT_EQ(abi_channel_recv(e.out, large, MESSAGE_MAX, &size), 0);
    EXPECT_EQ(abi_channel_recv(e.out, large, MESSAGE_MAX, &size),
              ABI_PEER_CLOSED);
    EXPECT_EQ(abi_object_wait_one(e.out, ABI_SIGNAL_PEER_CLOSED) &
                  ABI_SIGNAL_PEER_CLOSED,
              ABI_SIGNAL_PEER_CLOSED);
    close_handle(e.out);

    e = new_channel();
    close_handle(e.out);
    EXPECT_EQ(abi_channel_send(e.in, "x", 1), ABI_PEER_CLOSED);
    close_handle(e.in);
}

// --- streams -----------------------------------------------------------------

static void
refuse_streams(const struct ends *e)
{
    uint32_t event = new_event(), count = 77;
    char buffer[4];

    EXPECT_EQ(abi_stream_create(OUTSIDE, &count), ABI_INTERNAL);
    EXPECT_EQ(abi_stream_create(&count, OUTSIDE), ABI_INTERNAL);

    EXPECT_EQ(abi_stream_write(NO_HANDLE, "x", 1, &count), ABI_NOT_FOUND);
    EXPECT_EQ(abi_stream_write(event, "x", 1, &count), ABI_WRONG_TYPE);
    EXPECT_EQ(abi_stream_write(e->out, "x", 1, &count), ABI_ACCESS_DENIED);
    EXPECT_EQ(abi_stream_write(e->in, OUTSIDE, 100, &count), ABI_INVALID_ARG);
    EXPECT_EQ(abi_stream_write(e->in, "x", 1, OUTSIDE), ABI_INTERNAL);

    EXPECT_EQ(abi_stream_read(NO_HANDLE, buffer, 4, &count), ABI_NOT_FOUND);
    EXPECT_EQ(abi_stream_read(event, buffer, 4, &count), ABI_WRONG_TYPE);
    EXPECT_EQ(abi_stream_read(e->in, buffer, 4, &count), ABI_ACCESS_DENIED);
    EXPECT_EQ(abi_stream_read(e->out, OUTSIDE, 100, &count), ABI_INVALID_ARG);
    EXPECT_EQ(abi_stream_read(e->out, buffer, 4, OUTSIDE), ABI_INTERNAL);
    EXPECT_EQ(count, 77);
    close_handle(event);
}

void
test_streams(void)
{
    struct ends e = new_stream();
    uint32_t count = 77;
    char buffer[8] = "";

    refuse_streams(&e);

    // Nothing yet is 0 bytes.
    EXPECT_EQ(abi_stream_read(e.out, buffer, 8, &count), 0);
    EXPECT_EQ(count, 0);
    EXPECT_EQ(abi_stream_write(e.in, "some bytes", 10, &count), 0);
    EXPECT_EQ(count, 10);
    EXPECT_EQ(abi_object_wait_one(e.out, ABI_SIGNAL_READABLE) &
                  ABI_SIGNAL_READABLE,
              ABI_SIGNAL_READABLE);
    EXPECT_EQ(abi_stream_read(e.out, buffer, 4, &count), 0);
    EXPECT_EQ(count, 4);
    EXPECT_EQ(abi_stream_read(e.out, buffer + 4, 4, &count), 0);
    EXPECT_EQ(memcmp(buffer, "some byt", 8), 0);

    // Full is 0 bytes, too.
    EXPECT_EQ(abi_stream_write(e.in, large, STREAM_ROOM, &count), 0);
    EXPECT_EQ(count, STREAM_ROOM - 2);
    EXPECT_EQ(abi_stream_write(e.in, "x", 1, &count), 0);
    EXPECT_EQ(count, 0);

    // What was written comes, and then the end.
    close_handle(e.in);
    for (uint32_t got = 0; got < STREAM_ROOM; got += count)
        EXPECT_EQ(abi_stream_read(e.out, large, STREAM_ROOM, &count), 0);
    EXPECT_EQ(abi_stream_read(e.out, buffer, 8, &count), ABI_PEER_CLOSED);
    close_handle(e.out);

    e = new_stream();
    close_handle(e.out);
    EXPECT_EQ(abi_stream_write(e.in, "x", 1, &count), ABI_PEER_CLOSED);
    close_handle(e.in);
}
