// user/philosophers-c/main.c: five philosophers at a table with five forks.
// Each needs the two forks beside the plate to eat; the last one takes them in
// the other order, so that they cannot all wait for each other.

#include <sip.h>

#include <stdio.h>

enum { SEATS = 5, MEAL_YIELDS = 100 };

struct philosopher {
    const char *name;
    int first, second; // forks, in the order they are taken
    struct sip_thread thread;
};

static sip_mutex forks[SEATS];

static struct philosopher philosophers[SEATS] = {
    {.name = "Judith Butler",   .first = 0, .second = 1},
    {.name = "Gilles Deleuze",  .first = 1, .second = 2},
    {.name = "Karl Marx",       .first = 2, .second = 3},
    {.name = "Emma Goldman",    .first = 3, .second = 4},
    {.name = "Michel Foucault", .first = 0, .second = 4},
};

static void
eat(void *arg)
{
    struct philosopher *p = arg;

    sip_lock(&forks[p->first]);
    sip_lock(&forks[p->second]);
    sip_print("%s is eating.\n", p->name);
    for (int i = 0; i < MEAL_YIELDS; i++)
        sip_yield();
    sip_print("%s is done eating.\n", p->name);
    sip_unlock(&forks[p->second]);
    sip_unlock(&forks[p->first]);
}

int
main(void)
{
    for (int i = 0; i < SEATS; i++)
        if (!sip_spawn_named(&philosophers[i].thread, philosophers[i].name, eat,
                             &philosophers[i])) {
            fprintf(stderr, "philosophers: no thread for %s\n",
                    philosophers[i].name);
            return 1;
        }
    for (int i = 0; i < SEATS; i++)
        sip_join(&philosophers[i].thread);
    return 0;
}
