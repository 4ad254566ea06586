// user/shell/edit.c: a line that is typed and mended at the terminal, and the
// lines before it.
//
// The terminal is raw meanwhile.  After each key the whole line is drawn again,
// over as many rows as it has.

#include "shell.h"

#include <ctype.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HISTORY = 500, PATIENCE_MS = 100 };

enum key {
    KEY_NONE = 256,
    KEY_LEFT,
    KEY_RIGHT,
    KEY_UP,
    KEY_DOWN,
    KEY_HOME,
    KEY_END,
    KEY_DELETE,
    KEY_CLOSED,
    KEY_RESIZED,
};

#define CONTROL(letter) ((letter) - '@')

static struct editor {
    const char *prompt;
    struct text *line;
    size_t at;          // where in the line the next letter goes
    size_t row;         // of the cursor, below the first
    size_t past;        // how far back in history we are, 0: not
    struct text latest; // the line that was typed, meanwhile
} e;

static char *lines[HISTORY];
static size_t line_count;

// --- history -----------------------------------------------------------------

void
history_add(const char *line)
{
    size_t size = strcspn(line, "\n");
    const char *last = line_count > 0 ? lines[line_count - 1] : "";

    if (size == 0 || (strlen(last) == size && strncmp(last, line, size) == 0))
        return;
    if (line_count == HISTORY) {
        free(lines[0]);
        memmove(lines, lines + 1, (HISTORY - 1) * sizeof(lines[0]));
        line_count--;
    }
    lines[line_count++] = need(strndup(line, size));
}

void
history_print(int fd)
{
    for (size_t i = 0; i < line_count; i++)
        dprintf(fd, "%5zu  %s\n", i + 1, lines[i]);
}

static void
set_line(const char *text)
{
    text_clear(e.line);
    text_put(e.line, text);
    e.at = e.line->size;
}

static void
go_back(size_t past)
{
    if (past > line_count)
        return;
    if (e.past == 0) {
        text_clear(&e.latest);
        text_put(&e.latest, text_get(e.line));
    }
    e.past = past;
    set_line(past == 0 ? text_get(&e.latest) : lines[line_count - past]);
}

// --- drawing -----------------------------------------------------------------

static bool
begins(char c) // a character of UTF-8
{
    return ((unsigned char)c & 0xc0) != 0x80;
}

static size_t
width(const char *text, size_t size)
{
    size_t count = 0;

    for (size_t i = 0; i < size; i++)
        count += begins(text[i]);
    return count;
}

static size_t
columns(void)
{
    const char *text = variable_get("COLUMNS");
    int count = text != NULL ? atoi(text) : 0;

    return count > 0 ? (size_t)count : 80;
}

static void
put(struct text *out, const char *format, size_t number)
{
    char text[32];

    snprintf(text, sizeof(text), format, (int)number);
    text_put(out, text);
}

// The cursor is in row e.row of what was drawn before.
static void
draw(const char *prompt, const char *line, size_t size, size_t at)
{
    size_t wide = columns(), before = width(prompt, strlen(prompt));
    size_t end = before + width(line, size), to = before + width(line, at);
    struct text out = {NULL, 0, 0};

    if (e.row > 0)
        put(&out, "\033[%dA", e.row);
    text_put(&out, "\r\033[J");
    text_put(&out, prompt);
    text_add(&out, line, size);
    if (end > 0 && end % wide == 0)
        text_put(&out, "\r\n"); // terminals wait at the last column
    e.row = to / wide;
    if (end / wide > e.row)
        put(&out, "\033[%dA", end / wide - e.row);
    text_char(&out, '\r');
    if (to % wide > 0)
        put(&out, "\033[%dC", to % wide);
    write(1, out.at, out.size);
    free(out.at);
}

static void
redraw(void)
{
    draw(e.prompt, text_get(e.line), e.line->size, e.at);
}

// What follows is printed below the line.
static void
leave_line(void)
{
    e.at = e.line->size;
    redraw();
    write(1, "\r\n", 2);
    e.row = 0;
}

// --- keys --------------------------------------------------------------------

static int
read_byte(bool soon)
{
    struct pollfd fd = {.fd = 0, .events = POLLIN};
    unsigned char c;

    if (soon && poll(&fd, 1, PATIENCE_MS) <= 0)
        return KEY_NONE;
    if (!soon && !terminal_wait())
        return KEY_RESIZED;
    return read(0, &c, 1) == 1 ? c : KEY_CLOSED;
}

// ESC [ A, ESC O A, ESC [ 3 ~ and the like.
static int
read_escape(void)
{
    static const struct {
        char letter;
        enum key key;
    } keys[] = {
        {'A', KEY_UP   },
        {'B', KEY_DOWN },
        {'C', KEY_RIGHT},
        {'D', KEY_LEFT },
        {'H', KEY_HOME },
        {'F', KEY_END  },
    };
    static const enum key numbered[] = {KEY_NONE,   KEY_HOME, KEY_NONE,
                                        KEY_DELETE, KEY_END,  KEY_NONE,
                                        KEY_NONE,   KEY_HOME, KEY_END};
    int number = 0, c = read_byte(true);

    if (c != '[' && c != 'O')
        return KEY_NONE;
    for (c = read_byte(true); isdigit(c) || c == ';'; c = read_byte(true))
        number = c == ';' ? 0 : (number * 10 + c - '0') % 100;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (keys[i].letter == c)
            return keys[i].key;
    return c == '~' && number < 9 ? (int)numbered[number] : KEY_NONE;
}

static int
read_key(void)
{
    int c = read_byte(false);

    return c == 27 ? read_escape() : c;
}

// --- changes -----------------------------------------------------------------

static void
insert(const char *text, size_t size)
{
    struct text *line = e.line;
    size_t rest = line->size - e.at;

    text_add(line, text, size); // for the room
    memmove(line->at + e.at + size, line->at + e.at, rest);
    memcpy(line->at + e.at, text, size);
    e.at += size;
}

static void
cut(size_t from, size_t to)
{
    struct text *line = e.line;

    if (to <= from)
        return;
    memmove(line->at + from, line->at + to, line->size - to + 1);
    line->size -= to - from;
    e.at = from;
}

static size_t
left_of(size_t at)
{
    while (at > 0 && !begins(e.line->at[--at]))
        continue;
    return at;
}

static size_t
right_of(size_t at)
{
    size_t size = e.line->size;

    while (at < size && ++at < size && !begins(e.line->at[at]))
        continue;
    return at;
}

static size_t
word_left_of(size_t at)
{
    while (at > 0 && e.line->at[at - 1] == ' ')
        at--;
    while (at > 0 && e.line->at[at - 1] != ' ')
        at--;
    return at;
}

static void
show_choices(const struct words *choices)
{
    size_t widest = 0, wide = columns(), at = e.at;

    for (size_t i = 0; i < choices->count; i++)
        if (strlen(choices->list[i]) > widest)
            widest = strlen(choices->list[i]);
    size_t each = (wide + 2) / (widest + 2);
    each = each > 0 ? each : 1;
    leave_line();
    for (size_t i = 0; i < choices->count; i++) {
        bool last = i % each == each - 1 || i + 1 == choices->count;
        printf("%-*s%s", last ? 0 : (int)widest + 2, choices->list[i],
               last ? "\n" : "");
    }
    fflush(stdout);
    e.at = at;
}

static void
complete_word(void)
{
    struct text more = {NULL, 0, 0};
    struct words choices = {NULL, 0, 0};

    bool one = complete(text_get(e.line), e.at, &more, &choices);
    insert(text_get(&more), more.size);
    if (!one && more.size == 0 && choices.count > 0)
        show_choices(&choices);
    free(more.at);
    words_free(&choices);
}

// --- search ------------------------------------------------------------------

// The latest line before number `from` that has the text; line_count: none.
static size_t
find_line(const char *what, size_t from)
{
    while (from-- > 0)
        if (strstr(lines[from], what) != NULL)
            return from;
    return line_count;
}

// ^R: the key that ended it, which has a meaning of its own.
static int
search(void)
{
    struct text what = {NULL, 0, 0}, prompt = {NULL, 0, 0};
    size_t found = line_count;
    int key;

    for (;;) {
        const char *line = found < line_count ? lines[found] : "";
        text_clear(&prompt);
        text_put(&prompt, "(search) ");
        text_put(&prompt, text_get(&what));
        text_put(&prompt, ": ");
        draw(text_get(&prompt), line, strlen(line), 0);
        key = read_key();
        size_t from = line_count;
        if (key == CONTROL('R'))
            from = found < line_count ? found : line_count;
        else if (key == 127 || key == CONTROL('H'))
            what.size -= what.size > 0;
        else if (key >= ' ' && key < 256)
            text_char(&what, (char)key);
        else if (key != KEY_RESIZED)
            break;
        if (what.at != NULL)
            what.at[what.size] = 0;
        size_t next = what.size > 0 ? find_line(what.at, from) : line_count;
        found = next < line_count || key != CONTROL('R') ? next : found;
    }
    if (found < line_count && key != CONTROL('C') && key != CONTROL('G'))
        set_line(lines[found]);
    free(what.at);
    free(prompt.at);
    return key == CONTROL('G') ? KEY_NONE : key;
}

// --- a line ------------------------------------------------------------------

// Keys that move or change; false: it is none of them.
static bool
mend(int key)
{
    size_t size = e.line->size;

    switch (key) {
    case KEY_LEFT:
    case CONTROL('B'):
        e.at = left_of(e.at);
        return true;
    case KEY_RIGHT:
    case CONTROL('F'):
        e.at = right_of(e.at);
        return true;
    case KEY_HOME:
    case CONTROL('A'):
        e.at = 0;
        return true;
    case KEY_END:
    case CONTROL('E'):
        e.at = size;
        return true;
    case 127:
    case CONTROL('H'):
        cut(left_of(e.at), e.at);
        return true;
    case KEY_DELETE:
    case CONTROL('D'):
        cut(e.at, right_of(e.at));
        return true;
    case CONTROL('K'):
        cut(e.at, size);
        return true;
    case CONTROL('U'):
        cut(0, e.at);
        return true;
    case CONTROL('W'):
        cut(word_left_of(e.at), e.at);
        return true;
    }
    return false;
}

static void
take_key(int key)
{
    char c = (char)key;

    if (mend(key))
        return;
    if (key == KEY_UP || key == CONTROL('P'))
        go_back(e.past + 1);
    else if ((key == KEY_DOWN || key == CONTROL('N')) && e.past > 0)
        go_back(e.past - 1);
    else if (key == CONTROL('I'))
        complete_word();
    else if (key == CONTROL('L')) {
        write(1, "\033[H\033[J", 6);
        e.row = 0;
    } else if (key >= ' ' && key < 256)
        insert(&c, 1);
}

// False: the line is at its end, with the last key in *key.
static bool
next_key(int *key)
{
    *key = read_key();
    if (*key == CONTROL('R'))
        *key = search();
    if (*key == '\r' || *key == '\n' || *key == CONTROL('C') ||
        *key == KEY_CLOSED || (*key == CONTROL('D') && e.line->size == 0))
        return false;
    if (*key == KEY_RESIZED)
        e.row = 0;
    else
        take_key(*key);
    return true;
}

bool
edit_line(const char *prompt, struct text *line)
{
    struct text typed = {NULL, 0, 0};
    int key;

    e = (struct editor){.prompt = prompt, .line = &typed, .latest = e.latest};
    text_clear(&typed);
    text_add(&typed, "", 0);
    terminal_update();
    terminal_mode(TYPED_KEYS);
    redraw();
    while (next_key(&key))
        redraw();
    leave_line();
    if (key == CONTROL('C'))
        text_clear(&typed);
    if (key != KEY_CLOSED && key != CONTROL('D')) {
        text_add(line, typed.at, typed.size);
        text_char(line, '\n');
    }
    free(typed.at);
    if (key == CONTROL('C')) {
        interrupt(true);
        text_clear(line);
    }
    return key != KEY_CLOSED && key != CONTROL('D');
}
