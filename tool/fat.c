// tool/fat.c: the file system that UEFI starts from (media.h).  FAT12, as in
// Microsoft's "FAT: General Overview of On-Disk Format", 1.03: a boot sector,
// two tables, the root directory, clusters from 2 on.

#include "tool/media.h"

#include <string.h>
#include <time.h>

enum {
    SECTOR = 512,
    CLUSTER = 4 * SECTOR,
    ROOT_ENTRIES = 16, // one sector of them
    CLUSTERS_MAX = 4084,
    LAST = 0xfff,
    ATTRIBUTE_DIRECTORY = 0x10,
    FIRST_FILE = 4, // after the clusters of two directories
};

struct boot_sector {
    u8 jump[3];
    char oem[8];
    u8 sector_size[2], cluster_sectors, reserved[2], tables;
    u8 root_entries[2], sectors[2], media, table_sectors[2];
    u8 track[2], heads[2], hidden[4], sectors_large[4];
    u8 drive, zero, signature, serial[4];
    char label[11], type[8];
    u8 code[448];
    u8 end[2];
};

_Static_assert(sizeof(struct boot_sector) == SECTOR, "no padding");

struct entry {
    char name[11];
    u8 attributes, zero[10];
    u8 time[2], date[2], cluster[2], size[4];
};

_Static_assert(sizeof(struct entry) == 32, "no padding");

struct fat {
    u8 *table; // one of both
    u32 table_sectors, clusters;
    u8 time[2], date[2];
};

// Years are counted from 1980, and 7 bits have them.
static void
set_date(struct fat *f, i64 seconds)
{
    time_t when = (time_t)MIN(MAX(seconds, 315532800), 4354819198);
    struct tm t;

    gmtime_r(&when, &t);
    put16(f->time, (u32)(t.tm_hour << 11 | t.tm_min << 5 | t.tm_sec / 2));
    put16(f->date,
          (u32)((t.tm_year - 80) << 9 | (t.tm_mon + 1) << 5 | t.tm_mday));
}

// 12 bits each.
static void
set_next(struct fat *f, u32 cluster, u32 next)
{
    u8 *at = f->table + cluster * 3 / 2;

    if (cluster % 2 == 0) {
        at[0] = (u8)next;
        at[1] = (u8)((at[1] & 0xf0) | next >> 8);
    } else {
        at[0] = (u8)((at[0] & 0x0f) | next << 4);
        at[1] = (u8)(next >> 4);
    }
}

static void
put_entry(struct buffer *out, const struct fat *f, const char *name,
          u8 attributes, u32 cluster, u64 size)
{
    struct entry e = {.attributes = attributes};

    memcpy(e.name, name, sizeof(e.name));
    memcpy(e.time, f->time, sizeof(e.time));
    memcpy(e.date, f->date, sizeof(e.date));
    put16(e.cluster, cluster);
    put32(e.size, (u32)size);
    buffer_put(out, &e, sizeof(e));
}

static void
pad(struct buffer *out, u64 begin, u64 unit)
{
    static const u8 zeros[CLUSTER];

    buffer_put(out, zeros,
               ALIGN_UP(out->size - begin, unit) - (out->size - begin));
}

static void
put_boot_sector(struct buffer *out, const struct fat *f, i64 seconds)
{
    u32 sectors = 1 + 2 * f->table_sectors + 1 + f->clusters * CLUSTER / SECTOR;
    struct boot_sector b = {
        .jump = {0xeb,         0x3c, 0x90},
        .cluster_sectors = CLUSTER / SECTOR,
        .reserved = {1           },
        .tables = 2,
        .root_entries = {ROOT_ENTRIES},
        .media = 0xf8,
        .drive = 0x80,
        .signature = 0x29,
        .end = {0x55,        0xaa               }
    };

    memcpy(b.oem, "NEBULET ", sizeof(b.oem));
    memcpy(b.label, "NEBULET    ", sizeof(b.label));
    memcpy(b.type, "FAT12   ", sizeof(b.type));
    put16(b.sector_size, SECTOR);
    put16(b.table_sectors, f->table_sectors);
    put16(b.track, 32);
    put16(b.heads, 64);
    put32(b.serial, (u32)seconds);
    if (sectors <= UINT16_MAX)
        put16(b.sectors, sectors);
    else
        put32(b.sectors_large, sectors);
    buffer_put(out, &b, sizeof(b));
}

static void
fill_table(struct fat *f)
{
    set_next(f, 0, 0xff8);
    set_next(f, 1, LAST);
    set_next(f, 2, LAST);
    set_next(f, 3, LAST);
    for (u32 i = FIRST_FILE; i < f->clusters + 2; i++)
        set_next(f, i, i + 1 < f->clusters + 2 ? i + 1 : LAST);
}

// A directory in a cluster, with one name in it.
static void
put_directory(struct buffer *out, const struct fat *f, u32 cluster, u32 parent,
              const char *name, u8 attributes, u64 size)
{
    u64 begin = out->size;

    put_entry(out, f, ".          ", ATTRIBUTE_DIRECTORY, cluster, 0);
    put_entry(out, f, "..         ", ATTRIBUTE_DIRECTORY, parent, 0);
    put_entry(out, f, name, attributes, cluster + 1, size);
    pad(out, begin, CLUSTER);
}

bool
fat_put(struct buffer *out, struct bytes efi, i64 seconds)
{
    u8 table[ALIGN_UP((CLUSTERS_MAX + 2) * 3 / 2 + 1, SECTOR)] = {0};
    u64 clusters = 2 + (efi.size + CLUSTER - 1) / CLUSTER;
    struct fat f = {.table = table, .clusters = (u32)clusters};
    u64 begin;

    if (clusters > CLUSTERS_MAX) {
        complain("GRUB for UEFI has %llu bytes, which is too much",
                 (unsigned long long)efi.size);
        return false;
    }
    f.table_sectors =
        (u32)ALIGN_UP((clusters + 2) * 3 / 2 + 1, SECTOR) / SECTOR;
    set_date(&f, seconds);
    fill_table(&f);
    put_boot_sector(out, &f, seconds);
    for (u32 i = 0; i < 2; i++)
        buffer_put(out, table, f.table_sectors * SECTOR);
    begin = out->size;
    put_entry(out, &f, "EFI        ", ATTRIBUTE_DIRECTORY, 2, 0);
    pad(out, begin, SECTOR);
    put_directory(out, &f, 2, 0, "BOOT       ", ATTRIBUTE_DIRECTORY, 0);
    put_directory(out, &f, 3, 2, "BOOTX64 EFI", 0, efi.size);
    begin = out->size;
    buffer_put(out, efi.ptr, efi.size);
    pad(out, begin, CLUSTER);
    return true;
}
