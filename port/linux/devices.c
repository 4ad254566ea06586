// port/linux/devices.c: the devices of this port, which are models: a source of
// random bytes.

#include "port/linux/linux.h"
#include "port/model/model.h"

static struct model source;

static void *
at(u64 address)
{
    return (void *)address;
}

void
linux_devices_init(void)
{
    model_init(&source, &model_random, at);
}

struct virtio_device *
port_device(u32 index)
{
    return index == 0 ? &source.device : NULL;
}
