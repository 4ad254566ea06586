// base/format.c: text from values; see base.h for what is understood, and for
// what makes text from outside safe to show.

#include "base/base.h"

struct sink {
    char *to;
    u64 size;
    u32 len;   // of the whole text, also what did not fit
    bool safe; // text that is inserted is made safe
};

static void
put(struct sink *s, char c)
{
    if (s->len + 1 < s->size)
        s->to[s->len] = c;
    s->len++;
}

// --- text from outside -------------------------------------------------------

// The character at `text`, and its bytes in *size: UTF-8 in its shortest form
// (RFC 3629).  *size = 0 where there is none.
static u32
character(const u8 *text, u32 len, u32 *size)
{
    static const struct {
        u8 mask, lead;
        u32 least;
    } forms[] = {
        {0x80, 0x00, 0      },
        {0xe0, 0xc0, 0x80   },
        {0xf0, 0xe0, 0x800  },
        {0xf8, 0xf0, 0x10000},
    };
    u32 form = 0;

    *size = 0;
    while (form < COUNT(forms) &&
           (text[0] & forms[form].mask) != forms[form].lead)
        form++;
    if (form == COUNT(forms) || form >= len)
        return 0;
    u32 code = text[0] & (u8)~forms[form].mask;
    for (u32 i = 1; i <= form; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (text[i] & 0x3f);
    }
    bool surrogate = code >= 0xd800 && code <= 0xdfff;
    if (code >= forms[form].least && code <= 0x10ffff && !surrogate)
        *size = form + 1;
    return code;
}

// Does it only show itself?  Control characters (C0, DEL, C1) do more, as do
// separators of lines and marks that turn the direction of what follows; what
// will never be a character (U+FFFE and the like) cannot even be shown.
static bool
is_harmless(u32 code)
{
    return !(code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x200e ||
             code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
             (code >= 0x2066 && code <= 0x2069) || code == 0xfeff ||
             (code & 0xfffe) == 0xfffe);
}

// All of a piece or nothing, and then nothing after it.
static void
put_piece(struct sink *s, const char *piece, u32 len)
{
    if (s->len + len >= s->size)
        s->size = MIN(s->size, s->len + 1ull);
    for (u32 i = 0; i < len; i++)
        put(s, piece[i]);
}

static void
put_escape(struct sink *s, u8 byte)
{
    static const char digits[] = "0123456789abcdef";
    char escape[4] = {'\\', 'x', digits[byte >> 4], digits[byte & 15]};

    if (byte == '\n' || byte == '\r' || byte == '\t') {
        escape[1] = byte == '\n' ? 'n' : byte == '\r' ? 'r' : 't';
        put_piece(s, escape, 2);
    } else {
        put_piece(s, escape, sizeof(escape));
    }
}

static void
put_safe(struct sink *s, const char *text, u32 len)
{
    for (u32 i = 0, size; i < len; i += size) {
        u32 code = character((const u8 *)text + i, len - i, &size);
        if (size > 0 && is_harmless(code)) {
            put_piece(s, text + i, size);
            continue;
        }
        size = MAX(size, 1);
        for (u32 k = 0; k < size; k++)
            put_escape(s, (u8)text[i + k]);
    }
}

// --- directives --------------------------------------------------------------

static void
pad(struct sink *s, char c, u32 width, u32 used)
{
    for (; used < width; used++)
        put(s, c);
}

static void
put_text(struct sink *s, const char *text, u32 len, u32 width)
{
    pad(s, ' ', width, len);
    if (s->safe)
        put_safe(s, text, len);
    for (u32 i = 0; i < len && !s->safe; i++)
        put(s, text[i]);
}

static void
put_number(struct sink *s, u64 number, u32 base, bool negative, char fill,
           u32 width)
{
    char digits[24];
    u32 count = 0;

    do {
        digits[count++] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number != 0);

    u32 used = count + negative;
    if (fill == ' ')
        pad(s, ' ', width, used);
    if (negative)
        put(s, '-');
    if (fill == '0')
        pad(s, '0', width, used);
    while (count > 0)
        put(s, digits[--count]);
}

static u32
text_length(const char *text, i32 limit)
{
    u32 len = 0;

    while ((limit < 0 || len < (u32)limit) && text[len] != 0)
        len++;
    return len;
}

// One directive, after its '%'; returns what follows it.
static const char *
directive(struct sink *s, const char *at, va_list *list)
{
    char fill = ' ';
    u32 width = 0, longs = 0;
    i32 limit = -1;

    if (*at == '0')
        fill = *at++;
    if (*at == '*') {
        width = va_arg(*list, u32);
        at++;
    }
    while (*at >= '0' && *at <= '9')
        width = width * 10 + (u32)(*at++ - '0');
    if (at[0] == '.' && at[1] == '*') {
        limit = va_arg(*list, i32);
        at += 2;
    }
    for (; *at == 'l' || *at == 'z'; at++)
        longs++;

    switch (*at) {
    case 'd': {
        i64 n = longs ? va_arg(*list, i64) : va_arg(*list, i32);
        put_number(s, n < 0 ? 0 - (u64)n : (u64)n, 10, n < 0, fill, width);
        break;
    }
    case 'u':
    case 'x': {
        u64 n = longs ? va_arg(*list, u64) : va_arg(*list, u32);
        put_number(s, n, *at == 'x' ? 16 : 10, false, fill, width);
        break;
    }
    case 'p':
        put_text(s, "0x", 2, 0);
        put_number(s, (u64)va_arg(*list, void *), 16, false, '0', 16);
        break;
    case 's': {
        const char *text = va_arg(*list, const char *);
        bool counted = s->safe && limit >= 0;
        put_text(s, text, counted ? (u32)limit : text_length(text, limit),
                 width);
        break;
    }
    case 'c': {
        char c = (char)va_arg(*list, int);
        put_text(s, &c, 1, 0);
        break;
    }
    case '%':
        put(s, '%');
        break;
    default:
        panic(__FILE__, __LINE__, "format directive");
    }
    return at + 1;
}

static u32
format_all(struct sink *s, const char *text, va_list list)
{
    va_list copy;

    va_copy(copy, list);
    while (*text != 0) {
        if (*text == '%')
            text = directive(s, text + 1, &copy);
        else
            put(s, *text++);
    }
    va_end(copy);
    if (s->size > 0)
        s->to[MIN(s->len, s->size - 1)] = 0;
    return s->len;
}

u32
format_list(char *to, u64 size, const char *text, va_list list)
{
    struct sink s = {.to = to, .size = size};

    return format_all(&s, text, list);
}

u32
format_safe_list(char *to, u64 size, const char *text, va_list list)
{
    struct sink s = {.to = to, .size = size, .safe = true};

    return format_all(&s, text, list);
}

u32
format(char *to, u64 size, const char *text, ...)
{
    va_list list;

    va_start(list, text);
    u32 len = format_list(to, size, text, list);
    va_end(list);
    return len;
}

u32
format_safe(char *to, u64 size, const char *text, ...)
{
    va_list list;

    va_start(list, text);
    u32 len = format_safe_list(to, size, text, list);
    va_end(list);
    return len;
}

void
print(struct printer *p, const char *text, ...)
{
    char line[256];
    va_list list;

    va_start(list, text);
    u32 len = format_safe_list(line, sizeof(line), text, list);
    va_end(list);
    p->put(p, line, MIN(len, (u32)sizeof(line) - 1));
}
