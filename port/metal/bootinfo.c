// port/metal/bootinfo.c: what the boot loader left: memory map, command line,
// initrd.  Two formats, PVH (xen/include/public/arch-x86/hvm/start_info.h) and
// Multiboot2 (its specification, 3.6), become one struct.  Both are trusted:
// who loads the kernel could as well replace it.

#include "port/metal/metal.h"

enum { RAM_USABLE = 1 }; // type of a memory map entry, in both formats

struct pvh_info {
    u32 magic, version, flags, module_count;
    u64 modules, cmdline, rsdp, memory_map;
    u32 memory_map_count, reserved;
};

struct pvh_module {
    u64 start, size, cmdline, reserved;
};

struct pvh_memory {
    u64 start, size;
    u32 type, reserved;
};

struct multiboot_tag {
    u32 type, size;
};

enum { // types of tags
    MULTIBOOT_END = 0,
    MULTIBOOT_CMDLINE = 1,
    MULTIBOOT_MODULE = 3,
    MULTIBOOT_MAP = 6,
    MULTIBOOT_RSDP_OLD = 14, // a copy of it, of ACPI 1.0
    MULTIBOOT_RSDP = 15,     // and later ones
};

struct multiboot_module {
    struct multiboot_tag tag;
    u32 start, end;
};

struct multiboot_map {
    struct multiboot_tag tag;
    u32 entry_size, entry_version;
};

static void
copy_cmdline(struct boot_info *info, const char *text)
{
    u32 i = 0;

    for (; text[i] != 0 && i < CMDLINE_MAX - 1; i++)
        info->cmdline[i] = text[i];
    info->cmdline[i] = 0;
}

// Only whole pages count.
static void
add_ram(struct boot_info *info, u64 start, u64 size, u32 type)
{
    u64 first = ALIGN_UP(start, PAGE_SIZE);
    u64 end = (start + size) & ~(u64)(PAGE_SIZE - 1);

    if (type == RAM_USABLE && first < end)
        ranges_add(&info->ram, first, end);
}

static void
read_pvh(struct boot_info *info, const struct pvh_info *pvh, const u8 *window)
{
    const struct pvh_memory *map = (const void *)(window + pvh->memory_map);
    const struct pvh_module *modules = (const void *)(window + pvh->modules);

    info->rsdp = pvh->rsdp;
    if (pvh->cmdline != 0)
        copy_cmdline(info, (const char *)window + pvh->cmdline);
    if (pvh->module_count > 0)
        info->initrd = (struct range){modules[0].start,
                                      modules[0].start + modules[0].size};
    for (u32 i = 0; pvh->version >= 1 && i < pvh->memory_map_count; i++)
        add_ram(info, map[i].start, map[i].size, map[i].type);
}

static void
read_multiboot_map(struct boot_info *info, const struct multiboot_map *map)
{
    const u8 *at = (const u8 *)(map + 1),
             *end = (const u8 *)map + map->tag.size;

    for (; at < end; at += map->entry_size) {
        const struct pvh_memory *entry = (const void *)at; // the same layout
        add_ram(info, entry->start, entry->size, entry->type);
    }
}

// On UEFI nobody else says where it is; the later one counts.
static void
read_multiboot_rsdp(struct boot_info *info, const struct multiboot_tag *tag)
{
    u64 size = MIN(tag->size - sizeof(*tag), sizeof(info->rsdp_copy));

    if (tag->type == MULTIBOOT_RSDP_OLD && info->rsdp != 0)
        return;
    memcpy(info->rsdp_copy, tag + 1, size);
    info->rsdp = (u64)info->rsdp_copy - KERNEL_BASE;
}

static void
read_multiboot(struct boot_info *info, const u8 *start)
{
    const struct multiboot_tag *tag = (const void *)(start + 8);

    while (tag->type != MULTIBOOT_END) {
        const struct multiboot_module *module = (const void *)tag;

        if (tag->type == MULTIBOOT_CMDLINE)
            copy_cmdline(info, (const char *)(tag + 1));
        if (tag->type == MULTIBOOT_MODULE && info->initrd.end == 0)
            info->initrd = (struct range){module->start, module->end};
        if (tag->type == MULTIBOOT_MAP)
            read_multiboot_map(info, (const void *)tag);
        if (tag->type == MULTIBOOT_RSDP_OLD || tag->type == MULTIBOOT_RSDP)
            read_multiboot_rsdp(info, tag);
        tag = (const void *)((const u8 *)tag + ALIGN_UP(tag->size, 8));
    }
}

bool
boot_info_read(struct boot_info *info, u32 magic, const u8 *start,
               const u8 *window)
{
    const struct pvh_info *pvh = (const void *)start;

    if (magic == MULTIBOOT2_MAGIC)
        read_multiboot(info, start);
    else if (pvh->magic == PVH_MAGIC)
        read_pvh(info, pvh, window);
    else
        return false;
    return true;
}

bool
boot_info_has_word(const struct boot_info *info, const char *word)
{
    const char *at = info->cmdline;

    while (*at != 0) {
        u32 i = 0;

        while (*at == ' ')
            at++;
        while (word[i] != 0 && at[i] == word[i])
            i++;
        if (word[i] == 0 && (at[i] == 0 || at[i] == ' '))
            return true;
        while (*at != 0 && *at != ' ')
            at++;
    }
    return false;
}

// --- sets of ranges ----------------------------------------------------------

static void
append(struct ranges *set, u64 start, u64 end)
{
    if (start < end && set->count < RANGE_MAX) // a full set forgets memory,
        set->at[set->count++] = (struct range){start, end}; // which is safe
}

void
ranges_remove(struct ranges *set, u64 start, u64 end)
{
    struct ranges old = *set;

    set->count = 0;
    for (u32 i = 0; i < old.count; i++) {
        append(set, old.at[i].start, MIN(old.at[i].end, start));
        append(set, MAX(old.at[i].start, end), old.at[i].end);
    }
}

// What overlaps is counted once.
void
ranges_add(struct ranges *set, u64 start, u64 end)
{
    struct ranges old;
    u32 i = 0;

    ranges_remove(set, start, end);
    old = *set;
    set->count = 0;
    for (; i < old.count && old.at[i].start < start; i++)
        append(set, old.at[i].start, old.at[i].end);
    append(set, start, end);
    for (; i < old.count; i++)
        append(set, old.at[i].start, old.at[i].end);
}
