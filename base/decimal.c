// base/decimal.c: a float as the shortest decimal that reads back as the same,
// and of those the nearest, with integers only (Steele and White 1990).
//
//     value = r / s; value - low / s to value + high / s all reads back

#include "base/base.h"

enum {
    WORDS = 40,  // 1,280 bits; 10 * 2^(1024 + 54) has fewer, 2^1076 * 10, too
    DIGITS = 17, // at most, of the shortest for a double
};

struct big {
    u32 word[WORDS]; // the least first
    u32 len;         // without zeros at the top
};

static void
big_set(struct big *b, u64 value, u32 shift)
{
    u32 at = shift / 32, bits = shift % 32;

    memset(b, 0, sizeof(*b));
    b->word[at] = (u32)(value << bits);
    b->word[at + 1] = (u32)(value << bits >> 32);
    b->word[at + 2] = bits > 0 ? (u32)(value >> (64 - bits)) : 0;
    b->len = at + 3;
    while (b->len > 0 && b->word[b->len - 1] == 0)
        b->len--;
}

static void
big_times_10(struct big *b)
{
    u64 carry = 0;

    for (u32 i = 0; i < b->len; i++) {
        carry += (u64)b->word[i] * 10;
        b->word[i] = (u32)carry;
        carry >>= 32;
    }
    if (carry > 0) {
        assert(b->len < WORDS);
        b->word[b->len++] = (u32)carry;
    }
}

// The sign of a + more - b (more may be NULL: 0).
static int
big_compare(const struct big *a, const struct big *more, const struct big *b)
{
    i64 above = 0; // a + more - b of the words so far, in units of the next

    for (u32 i = WORDS; i-- > 0;) {
        i64 more_word = more != NULL ? more->word[i] : 0;
        above = above * ((i64)1 << 32) + a->word[i] + more_word - b->word[i];
        if (above > 0 || above < -1)
            break; // what follows is more than -1 and less than 2 units
    }
    return (above > 0) - (above < 0);
}

// a - b, which is no less than 0.
static void
big_subtract(struct big *a, const struct big *b)
{
    u64 borrow = 0;

    for (u32 i = 0; i < a->len; i++) {
        u64 word = (u64)a->word[i] - b->word[i] - borrow;
        a->word[i] = (u32)word;
        borrow = word >> 63;
    }
    while (a->len > 0 && a->word[a->len - 1] == 0)
        a->len--;
}

struct decimal {
    struct big r, s, low, high;
    bool even; // the ends themselves read back as the value
    u8 digits[DIGITS];
    u32 count;
    int point; // value = 0.DIGITS * 10^point
};

// mantissa * 2^exponent; `edge`: the float below is nearer than that above.
static void
set_value(struct decimal *d, u64 mantissa, int exponent, bool edge)
{
    u32 up = exponent > 0 ? (u32)exponent : 0;
    u32 down = exponent < 0 ? (u32)-exponent : 0;

    big_set(&d->r, mantissa, up + 1 + edge);
    big_set(&d->s, 1, down + 1 + edge);
    big_set(&d->low, 1, up);
    big_set(&d->high, 1, up + edge);
    d->even = (mantissa & 1) == 0;
}

// All but 10^point: then the first digit is that behind the point.
static void
scale(struct decimal *d)
{
    while (big_compare(&d->r, &d->high, &d->s) >= !d->even) {
        big_times_10(&d->s);
        d->point++;
    }
    for (;;) {
        struct decimal next = *d;
        big_times_10(&next.r);
        big_times_10(&next.low);
        big_times_10(&next.high);
        if (big_compare(&next.r, &next.high, &next.s) >= !d->even)
            return;
        *d = next;
        d->point--;
    }
}

static u8
next_digit(struct decimal *d)
{
    u8 digit = 0;

    big_times_10(&d->r);
    big_times_10(&d->low);
    big_times_10(&d->high);
    while (big_compare(&d->r, NULL, &d->s) >= 0) {
        big_subtract(&d->r, &d->s);
        digit++;
    }
    return digit;
}

static void
find_digits(struct decimal *d)
{
    bool below, above;

    scale(d);
    do {
        u8 digit = next_digit(d);
        below = big_compare(&d->r, NULL, &d->low) < d->even;
        above = big_compare(&d->r, &d->high, &d->s) >= !d->even;
        bool half = big_compare(&d->r, &d->r, &d->s) >= 0;
        assert(d->count < DIGITS);
        d->digits[d->count++] = (u8)(digit + (above && (!below || half)));
    } while (!below && !above);
}

static char *
put_digits(char *to, const struct decimal *d, int from, int end)
{
    for (int i = from; i < end; i++)
        *to++ = (char)(i >= 0 && i < (int)d->count ? '0' + d->digits[i] : '0');
    return to;
}

// As people write it: 0.00012, 1200, 1.2e+30.
static void
put_decimal(const struct decimal *d, char *to)
{
    enum { LEAST = -6, MOST = 21, EXPONENT_TEXT = 8 };
    bool plain = d->point > LEAST && d->point <= MOST;
    int before = plain ? d->point : 1, exponent = d->point - 1;

    to = put_digits(to, d, before > 0 ? 0 : -1, MAX(before, 0));
    if ((int)d->count > before) {
        *to++ = '.';
        to = put_digits(to, d, before, (int)d->count);
    }
    *to = 0;
    if (!plain)
        format(to, EXPONENT_TEXT, "e%c%d", exponent < 0 ? '-' : '+',
               exponent < 0 ? -exponent : exponent);
}

void
format_float(char *to, u64 bits, bool is_double)
{
    int width = is_double ? 52 : 23, most = is_double ? 0x7ff : 0xff;
    u64 hidden = 1ull << width, mantissa = bits & (hidden - 1);
    int exponent = (int)(bits >> width) & most;
    struct decimal d = {.count = 0};

    if ((bits >> (is_double ? 63 : 31) & 1) != 0 &&
        (exponent < most || mantissa == 0))
        *to++ = '-';
    if (exponent == most || (exponent == 0 && mantissa == 0)) {
        format(to, 4, "%s",
               exponent == 0 ? "0" :
               mantissa == 0 ? "inf" :
                               "nan");
        return;
    }
    set_value(&d, exponent > 0 ? mantissa | hidden : mantissa,
              MAX(exponent, 1) - most / 2 - width,
              mantissa == 0 && exponent > 1);
    find_digits(&d);
    put_decimal(&d, to);
}
