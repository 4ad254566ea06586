// test/base/decimal.c: floats in decimal, against the C library: they read back
// as the same, and what it prints has no fewer digits.

#include "test/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static u64
bits_of(double value)
{
    u64 bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static u32
bits_of_float(float value)
{
    u32 bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static u64
read_bits(const char *text, bool is_double)
{
    return is_double ? bits_of(strtod(text, NULL)) :
                       bits_of_float(strtof(text, NULL));
}

// Digits of the shortest text that printf() can make.
static int
fewest_digits(u64 bits, bool is_double)
{
    char text[64];
    double value;
    float single;
    u32 low = (u32)bits;

    memcpy(&single, &low, sizeof(single));
    memcpy(&value, &bits, sizeof(value));
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*e", digits - 1,
                 is_double ? value : (double)single);
        if (read_bits(text, is_double) == bits)
            return digits;
    }
    return 0;
}

// Without zeros at the ends.
static int
digits_of(const char *text)
{
    char digits[FLOAT_TEXT];
    int count = 0, end = 0;

    for (; *text != 0 && *text != 'e'; text++)
        if (*text >= '0' && *text <= '9' && (*text != '0' || count > 0))
            digits[count++] = *text;
    for (int i = 0; i < count; i++)
        end = digits[i] != '0' ? i + 1 : end;
    return end;
}

static void
check(u64 bits, bool is_double)
{
    char text[FLOAT_TEXT];

    memset(text, 'x', sizeof(text));
    format_float(text, bits, is_double);
    EXPECT(memchr(text, 0, sizeof(text)) != NULL);
    if (read_bits(text, is_double) == bits &&
        digits_of(text) <= fewest_digits(bits, is_double))
        return;
    printf("%llx gives %s\n", (unsigned long long)bits, text);
    EXPECT(!"it reads back, and is short");
}

static const struct {
    double value;
    const char *text;
} rows[] = {
    {0,                       "0"                      },
    {-0.0,                    "-0"                     },
    {1,                       "1"                      },
    {-1.5,                    "-1.5"                   },
    {0.1,                     "0.1"                    },
    {1200,                    "1200"                   },
    {123456.789,              "123456.789"             },
    {1e20,                    "100000000000000000000"  },
    {123456789012345680000.0, "123456789012345680000"  },
    {1e21,                    "1e+21"                  },
    {1.25e300,                "1.25e+300"              },
    {0.000001,                "0.000001"               },
    {0.00000123,              "0.00000123"             },
    {1e-7,                    "1e-7"                   },
    {-1.5e-10,                "-1.5e-10"               },
    {5e-324,                  "5e-324"                 },
    {2.2250738585072014e-308, "2.2250738585072014e-308"},
    {1.7976931348623157e308,  "1.7976931348623157e+308"},
    {9007199254740992.0,      "9007199254740992"       },
    {1.0 / 3,                 "0.3333333333333333"     },
};

TEST(base_decimal_rows)
{
    char text[FLOAT_TEXT];

    for (u32 i = 0; i < COUNT(rows); i++) {
        format_float(text, bits_of(rows[i].value), true);
        EXPECT(strcmp(text, rows[i].text) == 0);
    }
    format_float(text, bits_of_float(0.1f), false);
    EXPECT(strcmp(text, "0.1") == 0);
    format_float(text, bits_of_float(16777216), false);
    EXPECT(strcmp(text, "16777216") == 0);
    format_float(text, bits_of_float(1e-45f), false);
    EXPECT(strcmp(text, "1e-45") == 0);
}

TEST(base_decimal_not_numbers)
{
    char text[FLOAT_TEXT];

    format_float(text, 0x7ffull << 52, true);
    EXPECT(strcmp(text, "inf") == 0);
    format_float(text, 0xfffull << 52, true);
    EXPECT(strcmp(text, "-inf") == 0);
    format_float(text, 0xfff8ull << 48 | 1, true);
    EXPECT(strcmp(text, "nan") == 0);
    format_float(text, 0xff800000, false);
    EXPECT(strcmp(text, "-inf") == 0);
    format_float(text, 0x7fc00000, false);
    EXPECT(strcmp(text, "nan") == 0);
}

// Powers of two and their neighbours, and numbers by chance.
TEST(base_decimal_reads_back)
{
    u64 random = 88172645463325252ull;

    for (u64 exponent = 0; exponent < 0x7ff; exponent += 3)
        for (u64 at = 0; at < 5; at++)
            if (exponent > 0 || at > 2)
                check((exponent << 52) + at - 2, true);
    for (u64 exponent = 1; exponent < 0xff; exponent++)
        for (u64 at = 0; at < 5; at++)
            check((exponent << 23) + at - 2, false);
    for (u32 i = 0; i < 1000; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        if ((random >> 52 & 0x7ff) != 0x7ff)
            check(random, true);
        if ((random >> 23 & 0xff) != 0xff)
            check((u32)random, false);
    }
}
