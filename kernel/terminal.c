// kernel/terminal.c: the terminal: what is typed on the console, and who gets
// it.
//
// Programs have handles of *seats*.  One seat has the focus: what is typed goes
// to its readers, by its mode; all others wait.  So a job that is stopped, or
// in the background, takes nothing from the one in front, and what a program
// does to the mode is its own affair and gone with it.
//
// Cooked, the mode of a new seat, is lines: they are echoed, can be mended till
// they end, and ^C and ^Z become signals of the seat.  What these are to do is
// for whoever waits for the signals, a shell.  Raw is bytes as they come, ^C
// and ^Z among them or not.  What nobody had read in a raw mode is cooked when
// that ends, as if it was typed then: ^Z stops a program also if it was typed
// just before that began.
//
// The size of the terminal is told by whoever types: ESC _ N ROWS ; COLUMNS
// ESC \ in the input is not for programs (tool/terminal.c).

#include "kernel/internal.h"

enum {
    QUEUE = 64 * 1024, // bytes that nobody has read yet, of either kind
    LINE = 4096,       // of a line that is being typed
    ECHO = 8 * 1024,   // not printed yet; more is dropped
    REPORT = 32,       // of a size
    PIECE = 1024,      // that is looked at under the lock
    END = 256,         // in the queue: ^D
    CONTROL_C = 3,
    CONTROL_Z = 26,
};

enum { COOKED, RAW, RAW_SIGNALS };

struct terminal {
    struct object object;
    u32 mode MEMBER_GUARDED_BY(tty_lock);
};

static struct lock tty_lock = LOCK_INIT(TERMINAL);

static struct {
    struct terminal *focus; // NULL: nobody's; goes when it is freed
    u16 queue[QUEUE];       // a ring: for readers, before what is in `typed`
    u32 from, count;
    u8 typed[QUEUE]; // a ring: not cooked, yet
    u32 typed_from, typed_count;
    u8 line[LINE]; // cooked, not ended
    u32 line_size;
    u8 echo[ECHO]; // a ring
    u32 echo_from, echo_count;
    u8 report[REPORT]; // of a size, as far as it has come
    u32 report_size;
    u32 rows, columns;
    bool ended; // nothing more is typed
} tty GUARDED_BY(tty_lock);

// For the kernel's own threads: there may be room in the queue, or an echo.
static struct object *taken, *said;
static struct mutex output; // the order of what is printed

// --- what is printed ---------------------------------------------------------

static void
echo(const char *text, u32 size) REQUIRES(tty_lock)
{
    assert_held(&tty_lock);
    if (size > ECHO - tty.echo_count)
        return;
    for (u32 i = 0; i < size; i++)
        tty.echo[(tty.echo_from + tty.echo_count++) % ECHO] = (u8)text[i];
}

u32
terminal_see_echo(u8 *to, u32 size)
{
    bool on = lock_irq(&tty_lock);
    u32 count = MIN(size, tty.echo_count);

    for (u32 i = 0; i < count; i++)
        to[i] = tty.echo[(tty.echo_from + i) % ECHO];
    unlock_irq(&tty_lock, on);
    return count;
}

void
terminal_drop_echo(u32 count)
{
    bool on = lock_irq(&tty_lock);

    assert(count <= tty.echo_count);
    tty.echo_from = (tty.echo_from + count) % ECHO;
    tty.echo_count -= count;
    unlock_irq(&tty_lock, on);
}

// What was typed before something is printed stands before it.  ERR_TIMED_OUT:
// not all of it does.
static status_t
print_echo(u64 deadline_ns)
{
    u8 piece[256];
    u64 count;

    for (u32 size; (size = terminal_see_echo(piece, sizeof(piece))) > 0;) {
        status_t status =
            console_write(PORT_STDOUT, piece, size, deadline_ns, &count);
        if (status == ERR_TIMED_OUT)
            return status;
        terminal_drop_echo(status == OK ? (u32)count : size);
    }
    return OK;
}

status_t
terminal_write(struct terminal *t, struct bytes from, u64 deadline_ns,
               u64 *count)
{
    (void)t;
    *count = 0;
    status_t status = mutex_lock_until(&output, deadline_ns);
    if (status != OK)
        return status;
    status = print_echo(deadline_ns);
    if (status == OK)
        status =
            console_write(PORT_STDOUT, from.ptr, from.size, deadline_ns, count);
    mutex_unlock(&output);
    return status;
}

// --- what is typed -----------------------------------------------------------

static bool
is_raw(void) REQUIRES(tty_lock)
{
    assert_held(&tty_lock);
    return tty.focus != NULL && tty.focus->mode != COOKED;
}

// There is something for the focus, or there is not.
static void
tell_focus(void) REQUIRES(tty_lock)
{
    assert_held(&tty_lock);
    if (tty.focus == NULL)
        return;
    if (tty.count > 0 || (is_raw() && tty.typed_count > 0) || tty.ended)
        object_signal(&tty.focus->object, 0, SIGNAL_READABLE);
    else
        object_signal(&tty.focus->object, SIGNAL_READABLE, 0);
}

static void
enqueue(u32 what) REQUIRES(tty_lock)
{
    assert_held(&tty_lock);
    if (tty.count < QUEUE)
        tty.queue[(tty.from + tty.count++) % QUEUE] = (u16)what;
}

static void
end_line(void) REQUIRES(tty_lock)
{
    assert_held(&tty_lock);
    for (u32 i = 0; i < tty.line_size; i++)
        enqueue(tty.line[i]);
    tty.line_size = 0;
}

static u32
width_of(u8 c)
{
    return c < ' ' && c != '\t' ? 2 : 1;
}

static bool
continues(u8 c) // a character of UTF-8
{
    return (c & 0xc0) == 0x80;
}

// The last character of the line.
static void
erase(void) REQUIRES(tty_lock)
{
    assert_held(&tty_lock);
    if (tty.line_size == 0)
        return;
    u8 c = tty.line[--tty.line_size];
    while (continues(c) && tty.line_size > 0)
        c = tty.line[--tty.line_size];
    for (u32 i = width_of(c); i > 0; i--)
        echo("\b \b", 3);
}

static void
erase_word(void) REQUIRES(tty_lock)
{
    assert_held(&tty_lock);
    while (tty.line_size > 0 && tty.line[tty.line_size - 1] == ' ')
        erase();
    while (tty.line_size > 0 && tty.line[tty.line_size - 1] != ' ')
        erase();
}

static void
add_to_line(u8 c) REQUIRES(tty_lock)
{
    char shown[2] = {'^', (char)(c ^ 0x40)};

    assert_held(&tty_lock);
    if (tty.line_size == LINE - 1) {
        echo("\a", 1);
        return;
    }
    tty.line[tty.line_size++] = c;
    if (width_of(c) == 2)
        echo(shown, 2);
    else
        echo((const char[]){c == '\t' ? ' ' : (char)c}, 1);
}

// What was typed so far was for what ends now.
static void
signal_focus(u32 signal, const char *shown) REQUIRES(tty_lock)
{
    assert_held(&tty_lock);
    echo(shown, 3);
    tty.line_size = tty.count = 0;
    tell_focus();
    if (tty.focus != NULL)
        object_signal(&tty.focus->object, 0, signal);
}

static void
type_cooked(u8 c) REQUIRES(tty_lock)
{
    assert_held(&tty_lock);
    switch (c) {
    case CONTROL_C:
        signal_focus(SIGNAL_INTERRUPTED, "^C\n");
        return;
    case CONTROL_Z:
        signal_focus(SIGNAL_STOPPED, "^Z\n");
        return;
    case 8:
    case 127:
        erase();
        return;
    case 21: // ^U
        while (tty.line_size > 0)
            erase();
        return;
    case 23: // ^W
        erase_word();
        return;
    case 4: // ^D
        end_line();
        enqueue(END);
        return;
    case '\r':
    case '\n':
        tty.line[tty.line_size++] = '\n';
        echo("\n", 1);
        end_line();
        return;
    }
    add_to_line(c);
}

static bool
is_signal(u8 c)
{
    return c == CONTROL_C || c == CONTROL_Z;
}

static u8
take_typed(void) REQUIRES(tty_lock)
{
    u8 c = tty.typed[tty.typed_from];

    assert_held(&tty_lock);
    tty.typed_from = (tty.typed_from + 1) % QUEUE;
    tty.typed_count--;
    return c;
}

// Cook what is typed, `max` bytes of it; false: that was all that is to be.
static bool
cook(u32 max) REQUIRES(tty_lock)
{
    assert_held(&tty_lock);
    while (tty.typed_count > 0 && !is_raw()) {
        if (max-- == 0)
            return true;
        type_cooked(take_typed());
    }
    return false;
}

static void
type(u8 c) REQUIRES(tty_lock)
{
    assert_held(&tty_lock);
    if (tty.focus != NULL && tty.focus->mode == RAW_SIGNALS && is_signal(c)) {
        tty.typed_count = 0;
        type_cooked(c);
        return;
    }
    if (tty.typed_count == QUEUE)
        return;
    tty.typed[(tty.typed_from + tty.typed_count++) % QUEUE] = c;
    cook(2); // others may be before it
}

// --- its size ----------------------------------------------------------------

static const char begins[] = "\033_N", ends[] = "\033\\";

static u32
number_at(u32 *at) REQUIRES(tty_lock)
{
    u32 number = 0;

    assert_held(&tty_lock);
    while (*at < tty.report_size && tty.report[*at] >= '0' &&
           tty.report[*at] <= '9' && number < 10000)
        number = number * 10 + tty.report[(*at)++] - '0';
    *at += 1;
    return number;
}

static void
resize(void) REQUIRES(tty_lock)
{
    u32 at = sizeof(begins) - 1;

    assert_held(&tty_lock);
    tty.rows = number_at(&at);
    tty.columns = number_at(&at);
    if (tty.focus != NULL)
        object_signal(&tty.focus->object, 0, SIGNAL_RESIZED);
}

// What looked like a report was typed.
static void
give_report_up(void) REQUIRES(tty_lock)
{
    u32 size = tty.report_size;

    assert_held(&tty_lock);
    tty.report_size = 0;
    for (u32 i = 0; i < size; i++)
        type(tty.report[i]);
}

static bool
reports(u8 c) REQUIRES(tty_lock)
{
    u32 at = tty.report_size;

    assert_held(&tty_lock);
    if (at < sizeof(begins) - 1)
        return c == (u8)begins[at];
    if (at > 0 && tty.report[at - 1] == (u8)ends[0])
        return c == (u8)ends[1];
    return (c >= '0' && c <= '9') || c == ';' || c == (u8)ends[0];
}

static void
take(u8 c) REQUIRES(tty_lock)
{
    assert_held(&tty_lock);
    if (tty.report_size == REPORT || !reports(c))
        give_report_up();
    if (!reports(c)) {
        type(c);
        return;
    }
    tty.report[tty.report_size++] = c;
    if (tty.report_size >= sizeof(begins) && c == (u8)ends[1]) {
        resize();
        tty.report_size = 0;
    }
}

// An escape alone is a key, when nothing follows it at once.
static void
take_piece(const u8 *bytes, u64 size)
{
    bool on = lock_irq(&tty_lock);

    for (u64 i = 0; i < size; i++)
        take(bytes[i]);
    if (tty.report_size == 1 && size < PIECE)
        give_report_up();
    tell_focus();
    unlock_irq(&tty_lock, on);
    if (said != NULL)
        object_signal(said, 0, SIGNAL_SIGNALED);
}

void
terminal_input(struct bytes bytes)
{
    for (u64 at = 0; at < bytes.size; at += PIECE)
        take_piece(bytes.ptr + at, MIN(bytes.size - at, PIECE));
}

// --- who reads ---------------------------------------------------------------

// Cooked: up to the end of a line, or to where ^D was typed; *end when that is
// first.  Raw: whatever there is.
static u32
take_queue(u8 *to, u32 size, bool raw, bool *end) REQUIRES(tty_lock)
{
    u32 count = 0;

    assert_held(&tty_lock);
    while (count < size && tty.count > 0) {
        u32 what = tty.queue[tty.from];
        tty.from = (tty.from + 1) % QUEUE;
        tty.count--;
        if (what == END && !raw) {
            *end = count == 0;
            break;
        }
        to[count++] = what == END ? 4 : (u8)what;
        if (what == '\n' && !raw)
            break;
    }
    while (raw && count < size && tty.typed_count > 0)
        to[count++] = take_typed();
    return count;
}

// 0: nothing now, or *end.  For one that is suspended there is nothing: it
// would keep what another can read.
static u32
read_now(const struct terminal *t, u8 *to, u32 size, bool *end)
{
    u32 count = 0;
    bool on = lock_irq(&tty_lock);

    if (tty.focus == t && !thread_is_suspended()) {
        count = take_queue(to, size, t->mode != COOKED, end);
        *end |= count == 0 && tty.ended;
        tell_focus();
    }
    unlock_irq(&tty_lock, on);
    return count;
}

status_t
terminal_read(struct terminal *t, struct bytes to, u64 deadline, u64 *count)
{
    u8 piece[PIECE]; // memory of programs is touched without a lock
    status_t status = OK;
    bool end = to.size == 0;

    *count = 0;
    while (status == OK && *count == 0 && !end) {
        *count = read_now(t, piece, (u32)MIN(to.size, PIECE), &end);
        if (*count > 0 || end)
            break;
        status = object_wait_one(&t->object, SIGNAL_READABLE, deadline, NULL);
        if (status == OK)
            status = thread_wait_resumed();
    }
    if (*count > 0)
        memcpy(to.ptr, piece, *count);
    if (taken != NULL)
        object_signal(taken, 0, SIGNAL_SIGNALED);
    return status;
}

// --- seats -------------------------------------------------------------------

struct terminal *
terminal_from_object(struct object *o)
{
    return CONTAINER(o, struct terminal, object);
}

struct object *
terminal_object(struct terminal *t)
{
    return &t->object;
}

status_t
terminal_new(struct terminal **out, struct account *payer)
{
    struct terminal *t;
    status_t status = object_new(&t, &terminal_type, sizeof(*t), payer);

    if (status != OK)
        return status;
    object_signal(&t->object, 0, SIGNAL_WRITABLE);
    *out = t;
    return OK;
}

void
terminal_free(struct object *o)
{
    struct terminal *t = terminal_from_object(o);
    bool on = lock_irq(&tty_lock);

    if (tty.focus == t)
        tty.focus = NULL;
    unlock_irq(&tty_lock, on);
    kernel_free(t);
}

// Let t be in front, or else have this mode, now or when it is.  What was typed
// of a line counts as it is where lines count no more, and of bytes as of lines
// where these do not: a piece at a time, as there may be many.
static void
change(struct terminal *t, bool focus, u32 mode)
{
    bool on = lock_irq(&tty_lock);

    if (focus && tty.focus != NULL)
        object_signal(&tty.focus->object, SIGNAL_READABLE, 0);
    if (focus)
        tty.focus = t;
    else
        t->mode = mode;
    if (is_raw())
        end_line();
    while (cook(PIECE)) {
        unlock_irq(&tty_lock, on);
        on = lock_irq(&tty_lock);
    }
    tell_focus();
    unlock_irq(&tty_lock, on);
    if (said != NULL)
        object_signal(said, 0, SIGNAL_SIGNALED);
    if (taken != NULL)
        object_signal(taken, 0, SIGNAL_SIGNALED);
}

void
terminal_focus(struct terminal *t)
{
    change(t, true, 0);
}

status_t
terminal_set_mode(struct terminal *t, u32 mode)
{
    if (mode > RAW_SIGNALS)
        return ERR_BAD_ARGUMENT;
    change(t, false, mode);
    return OK;
}

status_t
terminal_size(u32 *rows, u32 *columns)
{
    bool on = lock_irq(&tty_lock);

    *rows = tty.rows;
    *columns = tty.columns;
    unlock_irq(&tty_lock, on);
    return *rows > 0 && *columns > 0 ? OK : ERR_NOT_FOUND;
}

// --- the threads of the kernel -----------------------------------------------

static bool
has_room(void)
{
    bool on = lock_irq(&tty_lock);
    bool room = QUEUE - tty.count - tty.typed_count > PIECE + LINE;

    unlock_irq(&tty_lock, on);
    return room;
}

static void
end_input(void)
{
    bool on = lock_irq(&tty_lock);

    tty.ended = true;
    tell_focus();
    unlock_irq(&tty_lock, on);
}

// Wait until `event` is set after it was looked at.
static void
wait_for(struct object *event)
{
    (void)!object_wait_one(event, SIGNAL_SIGNALED, UINT64_MAX, NULL);
}

// Takes what is typed as long as there is room for it, so that ^C is seen
// whatever programs do.
static void
take_input(void *arg)
{
    u8 bytes[PIECE];
    u64 count = 1;

    (void)arg;
    while (count > 0) {
        object_signal(taken, SIGNAL_SIGNALED, 0);
        if (!has_room()) {
            wait_for(taken);
            continue;
        }
        if (console_read(bytes, sizeof(bytes), UINT64_MAX, &count) != OK)
            count = 0;
        terminal_input((struct bytes){bytes, count});
    }
    end_input();
}

// Prints what was typed where nobody else prints: who takes input never waits
// for a reader.
static void
give_echo(void *arg)
{
    (void)arg;
    for (;;) {
        object_signal(said, SIGNAL_SIGNALED, 0);
        if (mutex_lock(&output) == OK) { // nobody kills us
            (void)!print_echo(UINT64_MAX);
            mutex_unlock(&output);
        }
        wait_for(said);
    }
}

static status_t
start_thread(void (*run)(void *arg))
{
    struct thread *t;
    status_t status = thread_new(&t, run, NULL);

    if (status != OK)
        return status;
    sched_start(t);
    thread_release(t);
    return OK;
}

void
terminal_init(void)
{
    mutex_init(&output, LOCK_OUTPUT);
}

status_t
terminal_start(struct terminal **out)
{
    status_t status = terminal_new(out, NULL);

    if (status == OK)
        status = event_new(&taken, NULL);
    if (status == OK)
        status = event_new(&said, NULL);
    if (status == OK)
        status = start_thread(take_input);
    if (status == OK)
        status = start_thread(give_echo);
    if (status == OK)
        terminal_focus(*out);
    return status;
}
