// port/linux/devices.c: the devices of this port, which are models: a source of
// random bytes, and disks, which are files of the host.  A disk is read and
// written when it is notified, by whoever does that.  None has registers.

#include "port/linux/linux.h"
#include "port/model/model.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DISKS_MAX = 64 };

static struct model source, disk_models[DISKS_MAX];
static struct model_disk disks[DISKS_MAX];
static u32 disk_count;

static void *
at(u64 address)
{
    return (void *)address;
}

// --- disks -------------------------------------------------------------------

static bool
move(struct model_disk *disk, u64 place, u8 *ptr, u32 size, bool in)
{
    for (u32 done = 0; done < size;) {
        ssize_t count = in ? pread(disk->fd, ptr + done, size - done,
                                   (off_t)(place + done)) :
                             pwrite(disk->fd, ptr + done, size - done,
                                    (off_t)(place + done));
        if (count == 0 || (count < 0 && errno != EINTR))
            return false;
        done += count > 0 ? (u32)count : 0;
    }
    return true;
}

static bool
flush(struct model_disk *disk)
{
    return fdatasync(disk->fd) == 0;
}

int
linux_disk(const char *path, bool writable)
{
    struct model_disk *disk = &disks[disk_count];
    int fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);

    if (fd < 0)
        return errno;
    off_t size = lseek(fd, 0, SEEK_END);
    int how = writable ? LOCK_EX : LOCK_SH;
    if (disk_count == DISKS_MAX || size < 0 || flock(fd, how | LOCK_NB) != 0) {
        int error = errno == EWOULDBLOCK ? EBUSY : errno;
        close(fd);
        return disk_count == DISKS_MAX ? ENFILE : error;
    }
    *disk = (struct model_disk){
        .move = move,
        .flush = flush,
        .fd = fd,
        .count = (u64)size / SECTOR,
        .read_only = !writable,
    };
    snprintf(disk->name, sizeof(disk->name), "disk%u", disk_count++);
    return 0;
}

// --- all of them -------------------------------------------------------------

void
linux_devices_init(void)
{
    model_init(&source, &model_random, at);
    for (u32 i = 0; i < disk_count; i++) {
        model_init(&disk_models[i], &model_disk, at);
        model_disk_init(&disk_models[i], &disks[i]);
    }
}

struct virtio_device *
port_device(u32 index)
{
    if (index > disk_count)
        return NULL;
    return index == 0 ? &source.device : &disk_models[index - 1].device;
}

struct port_registers *
port_registers(u32 index)
{
    (void)index;
    return NULL;
}
