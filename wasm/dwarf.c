// wasm/dwarf.c: from offsets in a module to lines of its source.
//
// Runs the line number programs of .debug_line (DWARF 2 to 5, section 6.2)
// until rows cover all addresses that are asked for.  The section is untrusted:
// a reader that fails ends the search, and every unit is read within its own
// bounds.  One walk, linear in the section; nothing is kept.

#include "wasm/wasm.h"

enum { // standard opcodes
    DW_EXTENDED,
    DW_COPY,
    DW_ADVANCE_PC,
    DW_ADVANCE_LINE,
    DW_SET_FILE,
    DW_SET_COLUMN,
    DW_NEGATE_STMT,
    DW_SET_BASIC_BLOCK,
    DW_CONST_ADD_PC,
    DW_FIXED_ADVANCE_PC,
};

enum { DW_END_SEQUENCE = 1, DW_SET_ADDRESS = 2 }; // extended opcodes

enum { // forms of the entries of version 5
    DW_FORM_DATA2 = 0x05,
    DW_FORM_STRING = 0x08,
    DW_FORM_DATA1 = 0x0b,
    DW_FORM_STRP = 0x0e,
    DW_FORM_UDATA = 0x0f,
    DW_FORM_DATA16 = 0x1e,
    DW_FORM_LINE_STRP = 0x1f,
    DW_PATH = 1, // content type
};

enum { LENGTH_64 = 0xffffffff, FORMATS_MAX = 8, TEXT_MAX = 4096, STEPS = 4096 };

// The header of one unit.
struct unit {
    u32 version;
    u64 start, end; // what follows its length; offsets in the section
    u64 program;    // ends where the unit does
    u64 files;      // tables of directories and files, up to the program
    bool is64;      // offsets have 8 bytes
    u8 min_length, line_range, opcode_base;
    i8 line_base;
    u8 lengths[256]; // operands of the standard opcodes
};

// The state machine's registers, as far as they matter here.
struct row {
    u64 address;
    u64 file, line;
    bool valid; // a row of this sequence came before
};

// What is looked for.
struct search {
    const struct module *m;
    struct code_place *places;
    u32 count;
    u64 low, high;         // of the addresses that are not found yet
    u64 found, here;       // sets of places; in this unit
    u64 files[PLACES_MAX]; // of the found ones, numbers in the unit's tables
    bool (*stopped)(void); // NULL: never
    u32 steps;             // done; it is asked after some
    bool given_up;
};

// Before each step of what may be long.
static bool
goes_on(struct search *s)
{
    if (s->steps++ % STEPS == 0 && s->stopped != NULL && s->stopped())
        s->given_up = true;
    return !s->given_up;
}

static u64
read_offset(struct reader *r, bool is64)
{
    return read_bits(r, is64 ? 8 : 4);
}

// A zero-terminated string.
static struct string
read_text(struct reader *r)
{
    struct string text = {(const char *)r->bytes + r->at, 0};

    while (read_u8(r) != 0)
        text.len++;
    return r->error->status == OK ? text : STRING("");
}

static struct string
text_at(struct bytes section, u64 at)
{
    struct error error = {OK, 0, NULL};
    u64 end = at < section.size ? at + MIN(section.size - at, TEXT_MAX) : at;
    struct reader r = reader_range(section.ptr, section.size, at, end, &error);

    return read_text(&r);
}

// --- headers -----------------------------------------------------------------

// Read what the header says behind the unit's length; r ends where the unit
// does.  The tables of files are a part of the header, which ends where the
// program begins.
static bool
read_header(struct reader *r, struct unit *u)
{
    u->version = (u32)read_bits(r, 2);
    if (u->version < 2 || u->version > 5)
        return false;
    if (u->version == 5)
        (void)reader_skip(r, 2); // sizes of addresses and segments
    u64 length = read_offset(r, u->is64), at = r->at;
    if (!reader_skip(r, length))
        return false;
    u->program = r->at;
    struct reader head = reader_part(r, at, u->program);

    u->min_length = read_u8(&head);
    if (u->version >= 4)
        (void)reader_skip(&head, 1); // operations per instruction
    (void)reader_skip(&head, 1);     // default_is_stmt
    u->line_base = (i8)read_u8(&head);
    u->line_range = read_u8(&head);
    u->opcode_base = read_u8(&head);
    for (u32 i = 1; i < u->opcode_base; i++)
        u->lengths[i] = read_u8(&head);
    u->files = head.at;
    return head.error->status == OK && u->line_range != 0;
}

// Go to the next unit; false at the end of the section, or when nothing behind
// it can be found.
static bool
next_unit(struct reader *r, struct unit *u)
{
    *u = (struct unit){.version = 0};
    if (reader_left(r) == 0)
        return false;
    u64 length = read_bits(r, 4);
    u->is64 = length == LENGTH_64;
    if (u->is64)
        length = read_bits(r, 8);
    u->start = r->at;
    if (!reader_skip(r, length))
        return false;
    u->end = r->at;
    return true;
}

// --- rows --------------------------------------------------------------------

// Step the machine to its next row.  False at the end of the program.
// *ended: the row ends its sequence.
static bool
next_row(struct search *s, struct reader *r, const struct unit *u,
         struct row *row, bool *ended)
{
    *ended = false;
    while (reader_left(r) > 0 && goes_on(s)) {
        u8 op = read_u8(r);
        if (op >= u->opcode_base) {
            u32 n = op - u->opcode_base;
            row->address += (u64)(n / u->line_range) * u->min_length;
            row->line += (u64)(i64)(u->line_base + (i32)(n % u->line_range));
            return true;
        }
        switch (op) {
        case DW_EXTENDED: {
            u64 size = read_u64(r), at = r->at;
            if (size == 0 || !reader_skip(r, size))
                return false;
            struct reader operand = reader_part(r, at, r->at);
            u8 code = read_u8(&operand);
            if (code == DW_SET_ADDRESS && size - 1 <= 8 && size > 1)
                row->address = read_bits(&operand, (u32)size - 1);
            *ended = code == DW_END_SEQUENCE;
            if (*ended)
                return true;
            break;
        }
        case DW_COPY:
            return true;
        case DW_ADVANCE_PC:
            row->address += read_u64(r) * u->min_length;
            break;
        case DW_ADVANCE_LINE:
            row->line += (u64)read_i64(r);
            break;
        case DW_SET_FILE:
            row->file = read_u64(r);
            break;
        case DW_CONST_ADD_PC:
            row->address +=
                (u64)((255 - u->opcode_base) / u->line_range) * u->min_length;
            break;
        case DW_FIXED_ADVANCE_PC:
            row->address += read_bits(r, 2);
            break;
        default: // no effect on us, or unknown
            for (u32 i = 0; i < u->lengths[op]; i++)
                read_u64(r);
        }
    }
    return false;
}

static u64
address_of(const struct search *s, u32 place)
{
    return s->places[place].at - s->m->code_at;
}

static void
set_bounds(struct search *s)
{
    s->low = UINT64_MAX;
    s->high = 0;
    for (u32 k = 0; k < s->count; k++) {
        if (s->found >> k & 1)
            continue;
        s->low = MIN(s->low, address_of(s, k));
        s->high = MAX(s->high, address_of(s, k));
    }
}

// `row` holds from its address up to `end`.
static void
note_row(struct search *s, const struct row *row, u64 end)
{
    if (end <= s->low || row->address > s->high)
        return;
    for (u32 k = 0; k < s->count; k++) {
        u64 address = address_of(s, k);
        if (s->found >> k & 1 || address < row->address || address >= end)
            continue;
        s->found |= 1ull << k;
        s->here |= 1ull << k;
        s->files[k] = row->file;
        s->places[k].line = row->line;
    }
    set_bounds(s);
}

static bool
all_found(const struct search *s)
{
    return s->low > s->high;
}

static void
find_rows(struct search *s, const struct reader *section, const struct unit *u)
{
    struct reader r = reader_part(section, u->program, u->end);
    const struct row first = {.file = 1, .line = 1};
    struct row row = first, before = first;
    bool ended;

    while (!all_found(s) && next_row(s, &r, u, &row, &ended)) {
        if (before.valid)
            note_row(s, &before, row.address);
        row.valid = true;
        before = row;
        if (ended)
            row = before = first;
    }
}

// --- files -------------------------------------------------------------------

// Compilers differ in what they put in front of the name.
static struct string
base_name(struct string path)
{
    u32 at = path.len;

    while (at > 0 && path.ptr[at - 1] != '/')
        at--;
    return (struct string){path.ptr + at, path.len - at};
}

// The least number of a file, from `from` on, that a place of this unit is in.
static u64
next_file(const struct search *s, u64 from)
{
    u64 next = UINT64_MAX;

    for (u32 k = 0; k < s->count; k++)
        if (s->here >> k & 1 && s->files[k] >= from)
            next = MIN(next, s->files[k]);
    return next;
}

static void
name_file(struct search *s, u64 file, struct string path)
{
    for (u32 k = 0; k < s->count; k++)
        if (s->here >> k & 1 && s->files[k] == file)
            s->places[k].file = base_name(path);
}

// Versions 2 to 4: directories, then files, each list ends with an empty name.
static void
name_files_4(struct search *s, struct reader *r)
{
    u64 wanted = next_file(s, 1);

    while (read_text(r).len > 0 && goes_on(s))
        ;
    for (u64 i = 1; wanted != UINT64_MAX && goes_on(s); i++) {
        struct string name = read_text(r);
        if (name.len == 0)
            return;
        if (i == wanted) {
            name_file(s, i, name);
            wanted = next_file(s, i + 1);
        }
        read_u64(r); // directory
        read_u64(r); // time
        read_u64(r); // size
    }
}

// Version 5: how the entries of a list are written.
struct formats {
    u32 count;
    struct {
        u64 content, form;
    } entries[FORMATS_MAX];
};

static struct formats
read_formats(struct reader *r)
{
    struct formats f = {.count = read_u8(r)};

    if (f.count > FORMATS_MAX)
        reader_fail(r, r->at, ERR_LIMIT, "too many formats");
    for (u32 i = 0; i < f.count && r->error->status == OK; i++) {
        f.entries[i].content = read_u64(r);
        f.entries[i].form = read_u64(r);
    }
    return f;
}

// Texts in other sections, which may be long and named often, only if wanted.
static struct string
read_form(struct reader *r, const struct module *m, u64 form, bool is64,
          bool wanted)
{
    u64 at;

    switch (form) {
    case DW_FORM_STRING:
        return read_text(r);
    case DW_FORM_LINE_STRP:
        at = read_offset(r, is64);
        return wanted ? text_at(m->debug_line_str, at) : STRING("");
    case DW_FORM_STRP:
        at = read_offset(r, is64);
        return wanted ? text_at(m->debug_str, at) : STRING("");
    case DW_FORM_UDATA:
        read_u64(r);
        break;
    case DW_FORM_DATA1:
        (void)reader_skip(r, 1);
        break;
    case DW_FORM_DATA2:
        (void)reader_skip(r, 2);
        break;
    case DW_FORM_DATA16:
        (void)reader_skip(r, 16);
        break;
    default:
        reader_fail(r, r->at, ERR_UNSUPPORTED, "unknown form");
    }
    return STRING("");
}

// One entry of a list; its path, if wanted.
static struct string
read_entry(struct reader *r, const struct module *m, const struct formats *f,
           bool is64, bool wanted)
{
    struct string path = STRING("");

    for (u32 k = 0; k < f->count; k++) {
        struct string text = read_form(r, m, f->entries[k].form, is64, wanted);
        if (f->entries[k].content == DW_PATH)
            path = text;
    }
    return path;
}

// The entries of a list up to the last one that is wanted, the first of them
// being `wanted`; or all, UINT64_MAX.
static void
read_list(struct search *s, struct reader *r, bool is64, u64 wanted)
{
    struct formats f = read_formats(r);
    u64 count = read_u64(r);
    bool all = wanted == UINT64_MAX;

    if (count > reader_left(r))
        reader_fail(r, r->at, ERR_MALFORMED, "unexpected end");
    for (u64 i = 0; i < count && f.count > 0; i++) {
        if (r->error->status != OK || !goes_on(s))
            return;
        struct string path = read_entry(r, s->m, &f, is64, i == wanted);
        if (i != wanted)
            continue;
        name_file(s, i, path);
        wanted = next_file(s, i + 1);
        if (!all && wanted == UINT64_MAX)
            return;
    }
}

static void
name_files(struct search *s, const struct reader *section, const struct unit *u)
{
    struct reader r = reader_part(section, u->files, u->program);

    if (u->version < 5) {
        name_files_4(s, &r);
        return;
    }
    read_list(s, &r, u->is64, UINT64_MAX); // directories
    read_list(s, &r, u->is64, next_file(s, 0));
}

void
module_lines(const struct module *m, struct code_place *places, u32 count,
             bool (*stopped)(void))
{
    struct search s = {
        .m = m, .places = places, .count = count, .stopped = stopped};
    struct error error = {OK, 0, NULL};
    u64 size = MIN(m->debug_line.size, DESCRIBE_MAX);
    struct reader r = reader_range(m->debug_line.ptr, size, 0, size, &error);
    struct unit u;

    assert(count <= PLACES_MAX);
    set_bounds(&s);
    while (!all_found(&s) && goes_on(&s) && next_unit(&r, &u)) {
        struct reader unit = reader_part(&r, u.start, u.end);
        if (read_header(&unit, &u))
            find_rows(&s, &r, &u);
        error = (struct error){OK, 0, NULL}; // another unit may be whole
        if (s.here != 0)
            name_files(&s, &r, &u);
        error = (struct error){OK, 0, NULL};
        s.here = 0;
    }
}
