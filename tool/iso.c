// tool/iso.c: a disk that is a CD and a hard disk at once (media.h): ISO 9660
// (ECMA-119) with two entries of El Torito (1.0), and in its first sector what
// a BIOS starts and a table of partitions, of which one is for UEFI.

#include "tool/media.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    SECTOR = 2048, // of a CD
    DISK_SECTOR = 512,
    PER_SECTOR = SECTOR / DISK_SECTOR,
    DISK_UNIT = 1024 * 1024, // the size is a multiple of it

    // What is in which sector.
    VOLUME = 16,
    BOOT_RECORD = 17,
    TERMINATOR = 18,
    CATALOG = 19,
    PATHS_LITTLE = 20,
    PATHS_BIG = 21,
    ROOT_DIR = 22,
    BOOT_DIR = 23,
    FIRST_FILE = 24,

    FLAG_DIRECTORY = 2,

    // Fields of GRUB's that say where the next part is, in sectors of the disk.
    SECTOR_NEXT = 0x5c,
    CORE_NEXT = 0x1f4,
    CD_TABLE = 8, // and of the table that mkisofs calls boot-info-table
    CD_SUMMED = 64,

    DISK_SIGNATURE = 0x1b8,
    PARTITIONS = 0x1be,
    TYPE_ESP = 0xef,
    TYPE_DATA = 0xda, // without a file system
    ACTIVE = 0x80,
};

struct layout {
    u32 cd, core, esp, files[ISO_FILES_MAX]; // first sectors
    u32 end;
};

static void
put16_big(u8 *to, u32 value)
{
    to[0] = (u8)(value >> 8);
    to[1] = (u8)value;
}

static void
put32_big(u8 *to, u32 value)
{
    put16_big(to, value >> 16);
    put16_big(to + 2, value);
}

static void
put16_both(u8 *to, u32 value)
{
    put16(to, value);
    put16_big(to + 2, value);
}

static void
put32_both(u8 *to, u32 value)
{
    put32(to, value);
    put32_big(to + 4, value);
}

// Without an end.
static void
put_word(u8 *to, const char *text)
{
    while (*text != 0)
        *to++ = (u8)*text++;
}

// In a field that blanks fill.
static void
put_text(u8 *to, u32 size, const char *text)
{
    memset(to, ' ', size);
    put_word(to, text);
}

// --- directories -------------------------------------------------------------

static struct tm
date_of(const struct iso *iso)
{
    time_t when = (time_t)MIN(MAX(iso->seconds, 0), 5869583999); // of one byte
    struct tm t;

    gmtime_r(&when, &t);
    return t;
}

// Returns what it takes.
static u32
put_record(u8 *to, const struct iso *iso, const char *name, u32 name_size,
           u32 sector, u64 size, u8 flags)
{
    u32 length = (u32)ALIGN_UP(33 + name_size, 2);
    struct tm t = date_of(iso);
    const u8 date[7] = {(u8)t.tm_year, (u8)(t.tm_mon + 1), (u8)t.tm_mday,
                        (u8)t.tm_hour, (u8)t.tm_min,       (u8)t.tm_sec};

    to[0] = (u8)length;
    put32_both(to + 2, sector);
    put32_both(to + 10, (u32)size);
    memcpy(to + 18, date, sizeof(date));
    to[25] = flags;
    put16_both(to + 28, 1);
    to[32] = (u8)name_size;
    memcpy(to + 33, name, name_size);
    return length;
}

static u32
put_dots(u8 *to, const struct iso *iso, u32 self, u32 parent)
{
    u32 at = put_record(to, iso, "\0", 1, self, SECTOR, FLAG_DIRECTORY);

    return at +
           put_record(to + at, iso, "\1", 1, parent, SECTOR, FLAG_DIRECTORY);
}

static void
put_directories(u8 *image, const struct iso *iso, const struct layout *where)
{
    u8 *root = image + ROOT_DIR * SECTOR, *boot = image + BOOT_DIR * SECTOR;
    u32 at = put_dots(root, iso, ROOT_DIR, ROOT_DIR);

    put_record(root + at, iso, "BOOT", 4, BOOT_DIR, SECTOR, FLAG_DIRECTORY);
    at = put_dots(boot, iso, BOOT_DIR, ROOT_DIR);
    for (u32 i = 0; i < iso->count; i++) {
        const struct iso_file *f = &iso->files[i];
        char name[40];
        int size = snprintf(name, sizeof(name), "%s;1", f->name);
        // ECMA-119, 9.3: in this order.
        assert(i == 0 || strcmp(iso->files[i - 1].name, f->name) < 0);
        at += put_record(boot + at, iso, name, (u32)size, where->files[i],
                         f->contents.size, 0);
    }
}

// The two tables of paths, of the same two directories.  Returns their size.
static u32
put_paths(u8 *little, u8 *big)
{
    const u8 head[2] = {1, 0};

    memcpy(little, head, 2);
    memcpy(big, head, 2);
    put32(little + 2, ROOT_DIR);
    put32_big(big + 2, ROOT_DIR);
    put16(little + 6, 1);
    put16_big(big + 6, 1);
    little[10] = big[10] = 4;
    put32(little + 12, BOOT_DIR);
    put32_big(big + 12, BOOT_DIR);
    put16(little + 16, 1);
    put16_big(big + 16, 1);
    put_word(little + 18, "BOOT");
    put_word(big + 18, "BOOT");
    return 22;
}

// --- volume descriptors ------------------------------------------------------

static void
put_head(u8 *to, u8 type)
{
    to[0] = type;
    put_word(to + 1, "CD001\1");
}

static void
put_volume(u8 *to, const struct iso *iso, u32 sectors, u32 paths_size)
{
    struct tm t = date_of(iso);
    char date[32];

    strftime(date, sizeof(date), "%Y%m%d%H%M%S00", &t);
    put_head(to, 1);
    put_text(to + 8, 32, "");
    put_text(to + 40, 32, "NEBULET");
    put32_both(to + 80, sectors);
    put16_both(to + 120, 1);
    put16_both(to + 124, 1);
    put16_both(to + 128, SECTOR);
    put32_both(to + 132, paths_size);
    put32(to + 140, PATHS_LITTLE);
    put32_big(to + 148, PATHS_BIG);
    put_record(to + 156, iso, "\0", 1, ROOT_DIR, SECTOR, FLAG_DIRECTORY);
    put_text(to + 190, 813 - 190, "");
    memcpy(to + 813, date, 16);
    memcpy(to + 830, date, 16);
    memset(to + 847, '0', 16);
    memset(to + 864, '0', 16);
    to[881] = 1;
}

// El Torito: the BIOS reads the first four sectors of the one, which knows the
// rest; UEFI takes the other for a disk.
static void
put_catalog(u8 *to, const struct iso *iso, const struct layout *where)
{
    u8 *bios = to + 32, *head = to + 64, *efi = to + 96;
    u32 sum = 0;

    to[0] = 1;
    put_text(to + 4, 24, "NEBULET");
    put16(to + 30, 0xaa55);
    for (u32 i = 0; i < 32; i += 2)
        sum += to[i] + to[i + 1] * 256u;
    put16(to + 28, 0 - sum);
    bios[0] = efi[0] = 0x88; // bootable
    put16(bios + 6, PER_SECTOR);
    put32(bios + 8, where->cd);
    head[0] = 0x91; // the last section, of UEFI
    head[1] = 0xef;
    put16(head + 2, 1);
    put16(efi + 6, (u32)MIN(iso->esp.size / DISK_SECTOR, UINT16_MAX));
    put32(efi + 8, where->esp);
}

static void
put_descriptors(u8 *image, const struct iso *iso, const struct layout *where)
{
    u32 size =
        put_paths(image + PATHS_LITTLE * SECTOR, image + PATHS_BIG * SECTOR);
    u8 *boot = image + BOOT_RECORD * SECTOR;

    put_volume(image + VOLUME * SECTOR, iso, where->end, size);
    put_head(boot, 0);
    put_word(boot + 7, "EL TORITO SPECIFICATION");
    put32(boot + 71, CATALOG);
    put_head(image + TERMINATOR * SECTOR, 255);
    put_catalog(image + CATALOG * SECTOR, iso, where);
}

// --- a hard disk -------------------------------------------------------------

// Addresses by cylinders are beyond what those can say.
static void
put_partition(u8 *to, u8 active, u8 type, u32 start, u32 end)
{
    static const u8 beyond[3] = {0xfe, 0xff, 0xff};

    to[0] = active;
    memcpy(to + 1, beyond, sizeof(beyond));
    to[4] = type;
    memcpy(to + 5, beyond, sizeof(beyond));
    put32(to + 8, start * PER_SECTOR);
    put32(to + 12, (end - start) * PER_SECTOR);
}

// Partitions do not overlap: UEFI would believe none of them.
static void
put_first_sector(u8 *to, const struct iso *iso, const struct layout *where)
{
    u32 esp_end = where->esp + (u32)ALIGN_UP(iso->esp.size, SECTOR) / SECTOR;

    memcpy(to, iso->grub->sector.ptr, DISK_SECTOR);
    put32(to + SECTOR_NEXT, where->core * PER_SECTOR);
    put_word(to + DISK_SIGNATURE, "NEBU");
    memset(to + PARTITIONS, 0, DISK_SECTOR - PARTITIONS);
    put_partition(to + PARTITIONS, 0, TYPE_ESP, where->esp, esp_end);
    put_partition(to + PARTITIONS + 16, ACTIVE, TYPE_DATA, esp_end, where->end);
    put16(to + DISK_SECTOR - 2, 0xaa55);
}

// What GRUB's parts have to know of where they are.
static void
tell_places(struct bytes core, struct bytes cd, const struct layout *where)
{
    u32 sum = 0, size = (u32)ALIGN_UP(cd.size, 4);

    put32(core.ptr + CORE_NEXT, where->core * PER_SECTOR + 1);
    for (u32 i = CD_SUMMED; i < size; i++)
        sum += (i < cd.size ? (u32)cd.ptr[i] : 0) << i % 4 * 8;
    put32(cd.ptr + CD_TABLE, VOLUME);
    put32(cd.ptr + CD_TABLE + 4, where->cd);
    put32(cd.ptr + CD_TABLE + 8, (u32)cd.size);
    put32(cd.ptr + CD_TABLE + 12, sum);
}

// --- writing -----------------------------------------------------------------

static int
write_at(int fd, const void *bytes, u64 size, u64 at)
{
    for (u64 done = 0; done < size;) {
        ssize_t n = pwrite(fd, (const u8 *)bytes + done,
                           MIN(size - done, (u64)GIB), (off_t)(at + done));
        if (n < 0 && errno != EINTR)
            return errno;
        done += (u64)MAX(n, 0);
    }
    return 0;
}

static int
write_sectors(int fd, struct bytes bytes, u32 sector)
{
    return write_at(fd, bytes.ptr, bytes.size, (u64)sector * SECTOR);
}

static u32
place(u32 *next, struct bytes bytes)
{
    u32 at = *next;

    *next += (u32)(ALIGN_UP(bytes.size, SECTOR) / SECTOR);
    return at;
}

static struct layout
lay_out(const struct iso *iso)
{
    u32 next = FIRST_FILE;
    struct layout where = {.cd = place(&next, iso->grub->cd),
                           .core = place(&next, iso->grub->core)};

    where.esp = place(&next, iso->esp);
    for (u32 i = 0; i < iso->count; i++)
        where.files[i] = place(&next, iso->files[i].contents);
    where.end = (u32)ALIGN_UP(next + 1, DISK_UNIT / SECTOR);
    return where;
}

int
iso_write(const struct iso *iso, int fd)
{
    u8 image[FIRST_FILE * SECTOR] = {0};
    struct layout where = lay_out(iso);

    put_first_sector(image, iso, &where);
    put_descriptors(image, iso, &where);
    put_directories(image, iso, &where);
    tell_places(iso->grub->core, iso->grub->cd, &where);
    int error = write_at(fd, image, sizeof(image), 0);
    if (error == 0)
        error = write_sectors(fd, iso->grub->cd, where.cd);
    if (error == 0)
        error = write_sectors(fd, iso->grub->core, where.core);
    if (error == 0)
        error = write_sectors(fd, iso->esp, where.esp);
    for (u32 i = 0; i < iso->count && error == 0; i++)
        error = write_sectors(fd, iso->files[i].contents, where.files[i]);
    if (error == 0 && ftruncate(fd, (off_t)where.end * SECTOR) != 0)
        error = errno;
    return error;
}
