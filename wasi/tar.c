// wasi/tar.c: read ustar archives, with the two ways of long names: GNU's 'L'
// and 'K' members and the pax records of POSIX.  Everything points into the
// archive; nothing is copied.  Damage is reported with its offset.

#include "wasi/wasi.h"

enum { BLOCK = 512 };

// The header block.  All fields are text.
struct header {
    char name[100];
    char mode[8], uid[8], gid[8];
    char size[12], mtime[12];
    char checksum[8];
    char kind;
    char target[100];
    char magic[6], version[2];
    char user[32], group[32];
    char major[8], minor[8];
    char prefix[155];
    char pad[12];
};

_Static_assert(sizeof(struct header) == BLOCK, "a header is one block");

static struct string
text_field(const char *field, u32 size)
{
    struct string s = {field, 0};

    while (s.len < size && field[s.len] != 0)
        s.len++;
    return s;
}

// A number: octal digits between blanks, or GNU's base 256 when the top bit is
// set.  False when it is neither or does not fit.
static bool
number_field(const char *field, u32 size, u64 *out)
{
    const u8 *byte = (const u8 *)field;
    u64 value = 0;
    u32 i = 0;

    if (byte[0] == 0x80) {
        for (i = 1; i < size; i++) {
            if (value >> 56)
                return false;
            value = value << 8 | byte[i];
        }
        *out = value;
        return true;
    }
    while (i < size && byte[i] == ' ')
        i++;
    for (; i < size && byte[i] >= '0' && byte[i] <= '7'; i++)
        value = value << 3 | (u64)(byte[i] - '0');
    if (i < size && byte[i] != ' ' && byte[i] != 0)
        return false;
    *out = value;
    return true;
}

// The sum of all bytes, with the sum's own field read as blanks.
static bool
checksum_matches(const struct header *h)
{
    const u8 *byte = (const u8 *)h;
    u64 want, sum = 0;

    for (u32 i = 0; i < BLOCK; i++)
        sum += byte[i];
    for (u32 i = 0; i < sizeof(h->checksum); i++)
        sum += ' ' - (u64)(u8)h->checksum[i];
    return number_field(h->checksum, sizeof(h->checksum), &want) && want == sum;
}

static bool
is_zero(const struct header *h)
{
    const u8 *byte = (const u8 *)h;

    for (u32 i = 0; i < BLOCK; i++)
        if (byte[i] != 0)
            return false;
    return true;
}

static bool
damaged(struct tar *tar, u64 at, const char *what)
{
    error_set(tar->error, ERR_MALFORMED, at, what);
    tar->at = tar->archive.size;
    return false;
}

static bool
decimal(struct string s, u64 *out)
{
    u64 value = 0;

    for (u32 i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9' || value > UINT64_MAX / 10 - 9)
            return false;
        value = value * 10 + (u64)(s.ptr[i] - '0');
    }
    *out = value;
    return s.len > 0;
}

static u64
nanoseconds(u64 seconds, u64 fraction)
{
    const u64 second = 1000000000;

    if (seconds > (UINT64_MAX - fraction) / second)
        return UINT64_MAX;
    return seconds * second + fraction;
}

// "SECONDS" or "SECONDS.FRACTION" since 1970; 0 for what was before that.
static bool
time_value(struct string s, u64 *out)
{
    bool before = s.len > 0 && s.ptr[0] == '-';
    u64 fraction = 0, unit = 100000000, seconds;
    u32 point = 0;

    s.ptr += before;
    s.len -= before;
    while (point < s.len && s.ptr[point] != '.')
        point++;
    for (u32 i = point + 1; i < s.len; i++, unit /= 10) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        fraction += unit * (u64)(s.ptr[i] - '0');
    }
    if (!decimal((struct string){s.ptr, point}, &seconds))
        return false;
    *out = before ? 0 : nanoseconds(seconds, fraction);
    return true;
}

static bool
is_name(struct string s)
{
    for (u32 i = 0; i < s.len; i++)
        if (s.ptr[i] == 0)
            return false;
    return true;
}

// Split "LENGTH KEY=VALUE\n" off the records; false when they are damaged.
static bool
pax_record(struct string *rest, struct string *key, struct string *value)
{
    u32 space = 0, equals;
    u64 len;

    while (space < rest->len && rest->ptr[space] != ' ')
        space++;
    if (!decimal((struct string){rest->ptr, space}, &len) || len > rest->len ||
        len < space + 3ull || rest->ptr[len - 1] != '\n')
        return false;
    for (equals = space + 1; equals < len && rest->ptr[equals] != '=';)
        equals++;
    if (equals == len)
        return false;
    *key = (struct string){rest->ptr + space + 1, equals - space - 1};
    *value = (struct string){rest->ptr + equals + 1, (u32)len - equals - 2};
    rest->ptr += len;
    rest->len -= (u32)len;
    return true;
}

// What one record says about the next member; an empty value takes back what
// another one said (POSIX).
static bool
apply_record(struct tar *tar, struct string key, struct string value)
{
    bool given = value.len > 0;

    if (string_equal(key, STRING("path"))) {
        tar->path = value;
        return is_name(value);
    }
    if (string_equal(key, STRING("linkpath"))) {
        tar->target = value;
        return is_name(value);
    }
    if (string_equal(key, STRING("size"))) {
        tar->has_size = given;
        return !given || decimal(value, &tar->size);
    }
    if (string_equal(key, STRING("mtime"))) {
        tar->has_mtime = given;
        return !given || time_value(value, &tar->mtime_ns);
    }
    return true;
}

// Remember what pax records say about the next member.
static bool
pax_records(struct tar *tar, struct string records)
{
    struct string key, value;

    while (records.len > 0)
        if (!pax_record(&records, &key, &value) ||
            !apply_record(tar, key, value))
            return false;
    return true;
}

// A member that only describes the next one.
static bool
read_extension(struct tar *tar, char kind, struct bytes data, u64 at)
{
    struct string text = {(const char *)data.ptr, (u32)data.size};

    if (data.size > LIMIT_NAME_SIZE)
        return damaged(tar, at, "tar: extended header too long");
    if (kind == 'L')
        tar->path = text_field(text.ptr, text.len);
    else if (kind == 'K')
        tar->target = text_field(text.ptr, text.len);
    else if (kind == 'x' && !pax_records(tar, text))
        return damaged(tar, at, "tar: bad extended header");
    return true;
}

static void
fill_entry(struct tar *tar, const struct header *h, struct tar_entry *entry)
{
    bool ustar = memcmp(h->magic, "ustar", 5) == 0 && h->version[0] == '0';
    u64 mtime;

    entry->path[0] = (struct string){"", 0};
    entry->path[1] = text_field(h->name, sizeof(h->name));
    if (tar->path.len > 0)
        entry->path[1] = tar->path;
    else if (ustar)
        entry->path[0] = text_field(h->prefix, sizeof(h->prefix));
    entry->target = tar->target.len > 0 ?
                        tar->target :
                        text_field(h->target, sizeof(h->target));
    entry->kind = h->kind == 0 || h->kind == '7' ? '0' : h->kind;
    entry->mtime_ns = 0;
    if (tar->has_mtime)
        entry->mtime_ns = tar->mtime_ns;
    else if (number_field(h->mtime, sizeof(h->mtime), &mtime))
        entry->mtime_ns = nanoseconds(mtime, 0);
    tar->path = tar->target = (struct string){"", 0};
    tar->has_size = tar->has_mtime = false;
}

bool
tar_next(struct tar *tar, struct tar_entry *entry)
{
    while (tar->archive.size - tar->at >= BLOCK) {
        u64 at = tar->at, size;
        const struct header *h = (const void *)(tar->archive.ptr + at);

        if (is_zero(h)) {
            tar->at = tar->archive.size;
            return false;
        }
        if (!checksum_matches(h))
            return damaged(tar, at, "tar: bad checksum");
        bool extension = h->kind == 'L' || h->kind == 'K' || h->kind == 'x' ||
                         h->kind == 'g';
        if (h->kind >= '1' && h->kind <= '6')
            size = 0; // links, directories and devices have no data
        else if (!extension && tar->has_size)
            size = tar->size;
        else if (!number_field(h->size, sizeof(h->size), &size))
            return damaged(tar, at, "tar: bad size");
        if (size > tar->archive.size - at - BLOCK)
            return damaged(tar, at, "tar: archive is cut off");

        entry->data = (struct bytes){tar->archive.ptr + at + BLOCK, size};
        tar->at = MIN(at + BLOCK + ALIGN_UP(size, BLOCK), tar->archive.size);
        if (!extension) {
            fill_entry(tar, h, entry);
            return true;
        }
        if (!read_extension(tar, h->kind, entry->data, at))
            return false;
    }
    if (tar->at != tar->archive.size)
        return damaged(tar, tar->at, "tar: archive is cut off");
    return false;
}
