// tool/script_boot.c: run every script of an initrd; for the test image.

#include "tool/script.h"

#include "wasi/wasi.h"

enum { LINE_SIZE = 600 };

static status_t lost; // why the host did not take all lines

static void
say(const char *text)
{
    char line[LINE_SIZE];
    u64 size = format(line, sizeof(line), "%s\n", text), count;
    status_t status =
        console_write(PORT_STDOUT, line, size, UINT64_MAX, &count);

    if (status == OK && count < size)
        status = ERR_IO;
    if (lost == OK)
        lost = status;
}

static void
report(const char *name, struct script_result r, const char *note)
{
    char line[LINE_SIZE];

    format_safe(line, sizeof(line), "%s%s%u passed, %u failed, %u skipped%s",
                name, *name ? ": " : "", r.passed, r.failed, r.skipped, note);
    say(line);
}

u32
script_boot(struct bytes initrd)
{
    struct error error = {0};
    struct tar tar = {.archive = initrd, .error = &error};
    struct script_result sum = {0};
    struct tar_entry entry;
    char name[LINE_SIZE / 2];

    while (tar_next(&tar, &entry)) {
        struct string path = entry.path[1];
        if (entry.kind != '0')
            continue;
        format_safe(name, sizeof(name), "%.*s", (i32)path.len, path.ptr);
        struct script_result r = script_run(entry.data, name, say);
        if (r.failed > 0 || r.skipped > 0)
            report(name, r, script_reason(r));
        script_add(&sum, r);
    }
    if (error.status != OK)
        klog("initrd: offset 0x%lx: %s", error.at, error.what);
    report("", sum, "");
    if (lost != OK)
        klog("nebulet: stdout: %s", status_text(lost));
    return !script_good(sum) || error.status != OK || lost != OK;
}
