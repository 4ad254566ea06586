// user/shell/arith.c: $((...)): C's operators on signed integers of 64 bits,
// which wrap around, and variables: one that is not set or empty is 0.

#include "expand.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NESTED_MAX = 100 };

struct arith {
    const char *at;
    int depth;
    bool skips;      // what is read has no effect: the other side of ?: && ||
    const char *why; // NULL: nothing is wrong
};

static int64_t comma(struct arith *a);

static void
refuse(struct arith *a, const char *why)
{
    if (a->why == NULL)
        a->why = why;
}

static bool
takes(struct arith *a, const char *op)
{
    a->at += strspn(a->at, " \t\n");
    if (strncmp(a->at, op, strlen(op)) != 0)
        return false;
    a->at += strlen(op);
    return true;
}

// --- numbers and variables ---------------------------------------------------

// Of all digits: 0x and 0 in front as in C.
static bool
read_number(const char *text, int64_t *value)
{
    char *end;

    *value = (int64_t)strtoull(text, &end, 0);
    return end != text && *end == 0;
}

static int64_t
value_of(struct arith *a, const char *name)
{
    const char *text = variable_get(name);
    int64_t value = 0;

    if (text == NULL || text[0] == 0)
        return 0;
    bool minus = text[0] == '-';
    if (!read_number(text + (minus || text[0] == '+'), &value))
        refuse(a, "a variable is not a number");
    return minus ? (int64_t)(0 - (uint64_t)value) : value;
}

// The name or number that comes; the caller's.
static char *
take_word(struct arith *a)
{
    size_t size = 0;

    a->at += strspn(a->at, " \t\n");
    while (isalnum((unsigned char)a->at[size]) || a->at[size] == '_')
        size++;
    char *word = need(strndup(a->at, size));
    a->at += size;
    return word;
}

static int64_t binary(struct arith *a, const char *op, int64_t x, int64_t y);

static void
assign(const struct arith *a, const char *name, int64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%lld", (long long)value);
    if (!a->skips && a->why == NULL)
        variable_set(name, text);
}

static int64_t ternary(struct arith *a);

// NAME, NAME = X, NAME += X and so on.
static int64_t
variable(struct arith *a, const char *name)
{
    static const char *const ops[] = {"*", "/", "%", "+",  "-",
                                      "&", "^", "|", "<<", ">>"};
    const char *before = a->at;

    if (takes(a, "=") && *a->at != '=') {
        int64_t value = ternary(a);
        assign(a, name, value);
        return value;
    }
    a->at = before;
    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        if (takes(a, ops[i]) && *a->at == '=') {
            a->at++;
            int64_t value = value_of(a, name);
            value = binary(a, ops[i], value, ternary(a));
            assign(a, name, value);
            return value;
        }
        a->at = before;
    }
    return value_of(a, name);
}

static int64_t
operand(struct arith *a)
{
    int64_t value = 0;

    if (takes(a, "(")) {
        value = comma(a);
        if (!takes(a, ")"))
            refuse(a, ") is missing");
        return value;
    }
    char *word = take_word(a);
    if (is_name(word, strlen(word)))
        value = variable(a, word);
    else if (!read_number(word, &value))
        refuse(a, "a number is missing");
    free(word);
    return value;
}

static int64_t
unary(struct arith *a)
{
    int64_t value = 0;

    if (a->depth++ > NESTED_MAX)
        refuse(a, "too deep");
    if (a->why != NULL)
        value = 0;
    else if (takes(a, "-"))
        value = (int64_t)(0 - (uint64_t)unary(a));
    else if (takes(a, "+"))
        value = unary(a);
    else if (takes(a, "~"))
        value = ~unary(a);
    else if (takes(a, "!"))
        value = !unary(a);
    else
        value = operand(a);
    a->depth--;
    return value;
}

// --- operators of two --------------------------------------------------------

// From the weakest; of a level those first that others begin with.
enum level {
    LEVEL_OR,
    LEVEL_AND,
    LEVEL_BIT_OR,
    LEVEL_XOR,
    LEVEL_BIT_AND,
    LEVEL_EQUAL,
    LEVEL_LESS,
    LEVEL_SHIFT,
    LEVEL_ADD,
    LEVEL_MULTIPLY,
    LEVELS
};

static const struct {
    const char *op;
    enum level level;
} operators[] = {
    {"||", LEVEL_OR      },
    {"&&", LEVEL_AND     },
    {"|",  LEVEL_BIT_OR  },
    {"^",  LEVEL_XOR     },
    {"&",  LEVEL_BIT_AND },
    {"==", LEVEL_EQUAL   },
    {"!=", LEVEL_EQUAL   },
    {"<=", LEVEL_LESS    },
    {">=", LEVEL_LESS    },
    {"<",  LEVEL_LESS    },
    {">",  LEVEL_LESS    },
    {"<<", LEVEL_SHIFT   },
    {">>", LEVEL_SHIFT   },
    {"+",  LEVEL_ADD     },
    {"-",  LEVEL_ADD     },
    {"*",  LEVEL_MULTIPLY},
    {"/",  LEVEL_MULTIPLY},
    {"%",  LEVEL_MULTIPLY},
};

static int64_t
divide(struct arith *a, char op, int64_t x, int64_t y)
{
    if (y == 0 && !a->skips)
        refuse(a, "division by zero");
    if (y == 0)
        return 0;
    if (y == -1) // the smallest number has no opposite
        return op == '/' ? (int64_t)(0 - (uint64_t)x) : 0;
    return op == '/' ? x / y : x % y;
}

static int64_t
binary(struct arith *a, const char *op, int64_t x, int64_t y)
{
    uint64_t u = (uint64_t)x, v = (uint64_t)y;

    switch (op[0]) {
    case '+':
        return (int64_t)(u + v);
    case '-':
        return (int64_t)(u - v);
    case '*':
        return (int64_t)(u * v);
    case '/':
    case '%':
        return divide(a, op[0], x, y);
    case '&':
        return x & y;
    case '|':
        return x | y;
    case '^':
        return x ^ y;
    case '=':
        return x == y;
    case '!':
        return x != y;
    case '<':
        return op[1] == '<' ? (int64_t)(u << (v & 63)) :
               op[1] == '=' ? x <= y :
                              x < y;
    default:
        return op[1] == '>' ? x >> (v & 63) : op[1] == '=' ? x >= y : x > y;
    }
}

// The operator of this level that comes; NULL: none.  One that a stronger or an
// assignment begins with does not.
static const char *
take_operator(struct arith *a, enum level level)
{
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
        const char *before = a->at, *op = operators[i].op;
        if (operators[i].level != level || !takes(a, op))
            continue;
        bool longer =
            strlen(op) == 1 && strchr("|&<>", op[0]) != NULL && *a->at == op[0];
        bool assigns =
            *a->at == '=' && strchr("|^&+-*/%", op[0]) != NULL && op[1] == 0;
        if (!longer && !assigns)
            return op;
        a->at = before;
    }
    return NULL;
}

static int64_t
level_of(struct arith *a, enum level level)
{
    if (level == LEVELS)
        return unary(a);
    int64_t x = level_of(a, level + 1);
    const char *op;
    while (a->why == NULL && (op = take_operator(a, level)) != NULL) {
        bool skips = a->skips;
        if (level == LEVEL_OR || level == LEVEL_AND) {
            a->skips |= (x != 0) == (level == LEVEL_OR);
            int64_t y = level_of(a, level + 1);
            x = level == LEVEL_OR ? x || y : x && y;
        } else {
            x = binary(a, op, x, level_of(a, level + 1));
        }
        a->skips = skips;
    }
    return x;
}

static int64_t
ternary(struct arith *a)
{
    if (a->depth++ > NESTED_MAX)
        refuse(a, "too deep");
    int64_t x = level_of(a, 0);
    if (a->why == NULL && takes(a, "?")) {
        bool skips = a->skips;
        a->skips = skips || x == 0;
        int64_t yes = ternary(a);
        if (!takes(a, ":"))
            refuse(a, ": is missing");
        a->skips = skips || x != 0;
        int64_t no = ternary(a);
        a->skips = skips;
        x = x != 0 ? yes : no;
    }
    a->depth--;
    return x;
}

static int64_t
comma(struct arith *a)
{
    int64_t value = ternary(a);

    while (a->why == NULL && takes(a, ","))
        value = ternary(a);
    return value;
}

bool
arithmetic(const char *text, int64_t *value)
{
    struct arith a = {.at = text};

    *value = text[strspn(text, " \t\n")] != 0 ? comma(&a) : 0;
    a.at += strspn(a.at, " \t\n");
    if (text[strspn(text, " \t\n")] != 0 && *a.at != 0)
        refuse(&a, "unexpected character");
    if (a.why != NULL)
        complain(text, a.why);
    return a.why == NULL;
}
