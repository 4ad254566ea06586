// base/format.c: text from values; see base.h for what is understood.

#include "base/base.h"

struct sink {
    char *to;
    u64 size;
    u32 len; // of the whole text, also what did not fit
};

static void
put(struct sink *s, char c)
{
    if (s->len + 1 < s->size)
        s->to[s->len] = c;
    s->len++;
}

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
    for (u32 i = 0; i < len; i++)
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
        put_text(s, text, text_length(text, limit), width);
        break;
    }
    case 'c':
        put(s, (char)va_arg(*list, int));
        break;
    case '%':
        put(s, '%');
        break;
    default:
        panic(__FILE__, __LINE__, "format directive");
    }
    return at + 1;
}

u32
format_list(char *to, u64 size, const char *text, va_list list)
{
    struct sink s = {to, size, 0};
    va_list copy;

    va_copy(copy, list);
    while (*text != 0) {
        if (*text == '%')
            text = directive(&s, text + 1, &copy);
        else
            put(&s, *text++);
    }
    va_end(copy);
    if (size > 0)
        to[MIN(s.len, size - 1)] = 0;
    return s.len;
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

void
print(struct printer *p, const char *text, ...)
{
    char line[256];
    va_list list;

    va_start(list, text);
    u32 len = format_list(line, sizeof(line), text, list);
    va_end(list);
    p->put(p, line, MIN(len, (u32)sizeof(line) - 1));
}
