// tool/servers.c: who serves files in the machine: for each directory or disk
// that it has as a device the driver's module, its arguments and what it is
// granted, as run/served/N of the initrd (wasi/wasi.h).

#include "tool/tool.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

// Of who serves files.
static void
add_served(struct buffer *tar, u32 index, const char *name, const void *bytes,
           u64 size)
{
    tar_add_member(tar, "run/served", index, name,
                   (struct bytes){(u8 *)bytes, size});
}

// The driver of one directory that the machine has as a device, or of one disk;
// what it makes gets the modes that it would get from us.
static void
pack_server(struct buffer *tar, const struct dirs *dirs, u32 number, u32 index,
            struct bytes driver)
{
    const struct dir *dir = &dirs->list[number];
    const char *path = dir->disk ? "diskfs" : "ninep";
    u32 disk = dir_disk_number(dirs, dir);
    mode_t mask = umask(0);
    char text[64];
    int size;

    umask(mask);
    add_served(tar, index, "name", dir->guest, strlen(dir->guest));
    add_served(tar, index, "path", path, strlen(path));
    add_served(tar, index, "app.wasm", driver.ptr, driver.size);
    if (dir->disk)
        size = snprintf(text, sizeof(text), "diskfs%cdisk%u%c%03o%c%s", 0, disk,
                        0, (u32)mask, 0, dir->read_only ? "ro" : "rw");
    else
        size = snprintf(text, sizeof(text), "ninep%c%03o", 0, (u32)mask);
    add_served(tar, index, "args", text, (u64)size + 1);
    if (dir->disk)
        size = snprintf(text, sizeof(text), "disk=%u", disk);
    else
        size = snprintf(text, sizeof(text), "files=dir%u", number);
    add_served(tar, index, "grants", text, (u64)size);
    if (dir->read_only)
        add_served(tar, index, "ro", "", 0);
}

// Those whose driver is this one, of disks or not.
static bool
pack_servers_of(struct buffer *tar, const struct dirs *dirs, bool disks,
                u32 *index)
{
    const char *name = disks ? "user/diskfs.wasm" : "user/ninep.wasm";
    struct bytes driver = {NULL, 0};
    char path[4096];

    for (u32 i = 0; i < dirs->count; i++) {
        const struct dir *dir = &dirs->list[i];
        if (!dir_is_served(dirs, dir) || dir->disk != disks)
            continue;
        if (driver.ptr == NULL)
            driver = module_read(kernel_path(name, path, sizeof(path)));
        if (driver.ptr == NULL)
            return false;
        pack_server(tar, dirs, i, (*index)++, driver);
    }
    free(driver.ptr);
    return true;
}

bool
servers_pack(struct buffer *tar, const struct dirs *dirs)
{
    u32 index = 0;

    return pack_servers_of(tar, dirs, false, &index) &&
           pack_servers_of(tar, dirs, true, &index);
}
