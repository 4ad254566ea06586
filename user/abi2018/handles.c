// user/abi2018/handles.c: handles, and the signals of events.

#include "abi2018.h"

void
test_handles(void)
{
    struct ends e = new_channel();
    uint32_t event = new_event();

    // Closed is closed.
    EXPECT_EQ(abi_handle_close(NO_HANDLE), ABI_NOT_FOUND);
    EXPECT_EQ(abi_handle_close(event), 0);
    EXPECT_EQ(abi_handle_close(event), ABI_NOT_FOUND);
    EXPECT_EQ(abi_handle_duplicate(event, READ), ABI_NOT_FOUND);

    // Nobody gave this program a handle.
    EXPECT_EQ(abi_handle_close(0), ABI_NOT_FOUND);

    // The receiving end can be duplicated, with rights that it has.
    int64_t copy = abi_handle_duplicate(e.out, DUPLICATE | READ);
    EXPECT_EQ(copy > 0, 1);
    EXPECT_EQ(copy != e.out, 1);
    EXPECT_EQ(abi_handle_duplicate((uint32_t)copy, TRANSFER),
              ABI_ACCESS_DENIED);
    EXPECT_EQ(abi_handle_duplicate(e.out, WRITE), ABI_ACCESS_DENIED);
    EXPECT_EQ(abi_handle_duplicate(e.out, READ | 16), ABI_ACCESS_DENIED);
    EXPECT_EQ(abi_handle_duplicate(e.out, READ | 1u << 31), ABI_ACCESS_DENIED);

    // The copy names the same channel, and waits as well.
    EXPECT_EQ(abi_channel_send(e.in, "x", 1), 0);
    EXPECT_EQ(abi_object_wait_one((uint32_t)copy, ABI_SIGNAL_READABLE) &
                  ABI_SIGNAL_READABLE,
              ABI_SIGNAL_READABLE);
    close_handle((uint32_t)copy);

    // The other end, and an event, cannot be duplicated.
    event = new_event();
    EXPECT_EQ(abi_handle_duplicate(e.in, WRITE), ABI_ACCESS_DENIED);
    EXPECT_EQ(abi_handle_duplicate(event, 0), ABI_ACCESS_DENIED);
    close_handle(event);
    close_ends(&e);
}

void
test_signals(void)
{
    uint32_t event = new_event(), module = new_module(), ours;
    uint32_t user = ABI_SIGNAL_USER_0 | ABI_SIGNAL_USER_7;
    struct ends e = new_channel();

    // What is set is what comes, in the numbers of then.
    EXPECT_EQ(abi_object_signal(event, ABI_SIGNAL_EVENT_SIGNALED, 0), 0);
    EXPECT_EQ(abi_object_wait_one(event, ABI_SIGNAL_EVENT_SIGNALED),
              ABI_SIGNAL_EVENT_SIGNALED);
    EXPECT_EQ(abi_object_signal(event, user, ABI_SIGNAL_EVENT_SIGNALED), 0);
    EXPECT_EQ(abi_object_wait_one(event, ABI_SIGNAL_USER_7), user);
    EXPECT_EQ(abi_object_signal(event, user, user), 0); // cleared, then set
    EXPECT_EQ(abi_object_wait_one(event, user | ABI_SIGNAL_EVENT_SIGNALED),
              user);

    // Signals that are not the object's.
    EXPECT_EQ(abi_object_wait_one(event, ABI_SIGNAL_READABLE), ABI_INVALID_ARG);
    EXPECT_EQ(abi_object_wait_one(e.out, ABI_SIGNAL_EVENT_SIGNALED),
              ABI_INVALID_ARG);
    EXPECT_EQ(abi_object_wait_one(module, ABI_SIGNAL_READABLE),
              ABI_INVALID_ARG);
    EXPECT_EQ(abi_object_wait_one(event, 1u << 20), ABI_INVALID_ARG);
    EXPECT_EQ(abi_object_signal(event, ABI_SIGNAL_HANDLE_CLOSED, 0),
              ABI_INVALID_ARG);
    EXPECT_EQ(abi_object_signal(event, 0, ABI_SIGNAL_READABLE),
              ABI_INVALID_ARG);
    EXPECT_EQ(abi_object_signal(e.in, ABI_SIGNAL_READABLE, 0), ABI_INVALID_ARG);

    // An object without signals.
    EXPECT_EQ(abi_object_signal(module, 0, 0), ABI_NOT_SUPPORTED);
    EXPECT_EQ(abi_object_signal(module, ABI_SIGNAL_USER_0, 0), ABI_INVALID_ARG);
    EXPECT_EQ(abi_object_signal(e.in, 0, 0), 0);

    EXPECT_EQ(abi_object_wait_one(NO_HANDLE, ABI_SIGNAL_USER_0), ABI_NOT_FOUND);
    EXPECT_EQ(abi_object_signal(NO_HANDLE, ABI_SIGNAL_USER_0, 0),
              ABI_NOT_FOUND);

    // Handles of ours may lack rights that those of then had.
    EXPECT_EQ(nebulet_event_create(&ours), 0);
    uint32_t deaf = without(ours, NEBULET_RIGHT_SIGNAL);
    uint32_t mute = without(ours, NEBULET_RIGHT_WAIT);
    EXPECT_EQ(abi_object_signal(mute, ABI_SIGNAL_USER_0, 0), ABI_ACCESS_DENIED);
    EXPECT_EQ(abi_object_wait_one(deaf, ABI_SIGNAL_USER_0), ABI_ACCESS_DENIED);
    EXPECT_EQ(abi_object_signal(deaf, ABI_SIGNAL_USER_0, 0), 0);
    EXPECT_EQ(abi_object_wait_one(mute, ABI_SIGNAL_USER_0), ABI_SIGNAL_USER_0);

    uint32_t handles[] = {event, module, ours, deaf, mute};
    for (int i = 0; i < 5; i++)
        close_handle(handles[i]);
    close_ends(&e);
}
