// user/counter/main.c: a server: it adds up numbers, a sum for each door of its
// gate, in several threads.  user/gates starts and calls it.
//
// Its parent gives it the end of a channel, to which it sends its doors.

#include <nebulet.h>
#include <sip.h>

#include <stdio.h>
#include <string.h>

// The first word of a request: add the second, or trap, or add so many words of
// window 0 and write the sum to window 1.
enum { ADD, TRAP, ADD_WINDOW };

enum { DOORS = 2, THREADS = 3 };

static uint64_t sums[DOORS];
static uint32_t closed;
static sip_mutex guard;

static uint32_t
word_of_window(uint32_t index)
{
    uint32_t word = 0;

    nebulet_window_read(0, index * sizeof(word), &word, sizeof(word));
    return word;
}

static uint32_t
answer(void *arg, uint64_t badge, const void *request, uint32_t size,
       void *reply)
{
    uint32_t words[2];

    (void)arg;
    if (badge >= DOORS || size != sizeof(words))
        return 0;
    memcpy(words, request, sizeof(words));
    if (words[0] == TRAP)
        __builtin_trap();
    uint64_t more = words[0] == ADD ? words[1] : 0;
    for (uint32_t i = 0; words[0] == ADD_WINDOW && i < words[1]; i++)
        more += word_of_window(i);
    sip_lock(&guard);
    sums[badge] += more;
    memcpy(reply, &sums[badge], sizeof(sums[badge]));
    sip_unlock(&guard);
    if (words[0] == ADD_WINDOW)
        nebulet_window_write(1, 0, (const uint8_t *)&more, sizeof(more));
    return sizeof(sums[badge]);
}

static bool
close_door(void *arg, uint64_t badge)
{
    (void)arg, (void)badge;
    sip_lock(&guard);
    bool more = ++closed < DOORS;
    sip_unlock(&guard);
    if (!more)
        sip_print("counter: all doors are closed, sums %llu and %llu\n",
                  (unsigned long long)sums[0], (unsigned long long)sums[1]);
    return more;
}

static const struct sip_service service = {.call = answer,
                                           .closed = close_door};
static uint32_t gate;

static void
serve(void *arg)
{
    (void)arg;
    if (sip_serve(gate, &service) == 0)
        nebulet_process_exit(3); // all doors are closed
}

int
main(void)
{
    struct sip_thread threads[THREADS - 1];
    struct nebulet_message_handle handles[DOORS];
    uint32_t channel;

    if (nebulet_process_given(0, &channel) != 0 ||
        nebulet_gate_create(64, &gate) != 0)
        return 1;
    for (uint32_t i = 0; i < DOORS; i++)
        if (nebulet_gate_badge(gate, i, &handles[i].handle) != 0)
            return 1;
    if (nebulet_channel_write(channel, NULL, 0, handles, DOORS) != 0)
        return 1;
    for (uint32_t i = 0; i < THREADS - 1; i++)
        if (!sip_spawn(&threads[i], serve, NULL))
            return 1;
    serve(NULL);
    return 1;
}
