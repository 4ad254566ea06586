"""tool/gdb.py: GDB and the programs that the kernel runs: source it in a GDB that
looks at the kernel, of either port (docs/debugging.md).

    nebulet-symbols     tell GDB the functions of all compiled modules
    nebulet-backtrace [CPU]
                        the frames of the program that the pc is in, or that
                        called the kernel on that CPU (0)
    nebulet-history     what ran last on each CPU

Nothing is changed in what is looked at.  Names come from the name section of the
module, what is not printable in them as escapes; functions without one are
func_NUMBER."""

import atexit
import os
import shutil
import subprocess
import tempfile

import gdb

NO_INDEX = 0xffffffff


def value(text):
    return gdb.parse_and_eval(text)


def memory(address, size):
    return bytes(gdb.selected_inferior().read_memory(int(address), int(size)))


def printable(name):
    """Of anybody's bytes: a terminal may take it."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in name)


def word(address):
    return int.from_bytes(memory(address, 8), "little")


def offset_of(struct, member):
    return int(value(f"(unsigned long)&((struct {struct} *)0)->{member}"))


# --- modules -------------------------------------------------------------------

def processes():
    """struct process of each in the list of members (kernel/group.c)."""
    head = value("&members.all")
    link, inside = offset_of("member", "link"), offset_of("process", "member")
    at = head["next"]
    while at != head:
        member = int(at) - link
        if int(value(f"((struct member *){member})->kind")) == \
                int(value("MEMBER_PROCESS")):
            yield value(f"*(struct process *){member - inside}")
        at = at["next"]


def modules():
    seen = set()
    for process in processes():
        store = process["store"]
        for n in range(int(store["instance_count"]) if store else 0):
            code = store["instances"][n]["code"]
            if int(code) not in seen:
                seen.add(int(code))
                yield printable(process["name"].string(errors="replace")), code


def leb(data, at):
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7f) << shift
        shift += 7
        if byte < 0x80:
            return number, at


def names_of(code):
    """Of functions, from the contents of the name section (part 1)."""
    section = code["module"]["names"]
    names = {}
    if int(section["size"]) == 0:
        return names
    data = memory(section["ptr"], section["size"])
    at = 0
    try:
        while at < len(data):
            part = data[at]
            size, at = leb(data, at + 1)
            end = at + size
            if part == 1:
                count, at = leb(data, at)
                for _ in range(count):
                    func, at = leb(data, at)
                    length, at = leb(data, at)
                    names[func] = printable(
                        data[at:at + length].decode(errors="replace"))
                    at += length
            at = end
    except IndexError:
        pass  # a bad section only costs the names
    return names


def rows(pointer, count, layout):
    """A table of structs of u32, read at once."""
    size = int(pointer.dereference().type.sizeof)
    data = memory(pointer, size * int(count)) if int(count) else b""
    places = [offset_of(*place) for place in layout]
    for at in range(0, len(data), size):
        yield tuple(int.from_bytes(data[at + p:at + p + 4], "little")
                    for p in places)


class Module:
    def __init__(self, process, code):
        self.process = process
        self.text, self.size = int(code["text"]), int(code["code"]["size"])
        self.names = names_of(code)
        table = code["code"]
        self.funcs = list(rows(table["funcs"], table["func_count"],
                               [("func_code", m) for m in
                                ("start", "end", "func", "frame", "args")]))
        self.calls = {row[0]: row[1:] for row in rows(
            table["calls"], table["call_count"],
            [("call_site", m) for m in ("pc", "at", "args")])}

    def name(self, func):
        return "imports" if func == NO_INDEX else \
            self.names.get(func, f"func_{func}")

    def func(self, offset):
        for row in self.funcs:
            if row[0] <= offset < row[1]:
                return row
        return None


class Symbols(gdb.Command):
    """nebulet-symbols: tell GDB the functions of all compiled modules."""

    def __init__(self):
        super().__init__("nebulet-symbols", gdb.COMMAND_FILES)

    def invoke(self, argument, from_tty):
        for m in map(lambda pair: Module(*pair), modules()):
            self.add(m)
            print(f"{m.process}: {len(m.funcs)} functions at {m.text:#x}")

    def add(self, m):
        folder = tempfile.mkdtemp(prefix="nebulet-gdb-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        source = os.path.join(folder, "module.s")
        image = os.path.join(folder, "module.elf")
        with open(source, "w") as out:
            out.write(".text\n.globl _start\n")
            known = set()
            for start, end, func, _, _ in m.funcs:
                name = "".join(c if c.isascii() and c.isalnum() else "_"
                               for c in m.name(func))
                while name in known:  # names may come twice
                    name += f"_{func}"
                known.add(name)
                out.write(f".org {start}\n.type wasm_{name}, @function\n"
                          f"wasm_{name}:\n.size wasm_{name}, {end - start}\n")
            out.write(f".org {m.size}\n")
        subprocess.run(["as", source, "-o", image + ".o"], check=True)
        subprocess.run(["ld", "-e", "0", f"-Ttext={m.text:#x}", image + ".o",
                        "-o", image], check=True)
        gdb.execute(f"add-symbol-file {image}", to_string=True)


# --- frames ----------------------------------------------------------------------

class Backtrace(gdb.Command):
    """nebulet-backtrace [CPU]: the frames of the program, from the pc outwards or
from its call of the kernel on that CPU (0), as runtime/frame.c finds them; up to
a call between instances."""

    def __init__(self):
        super().__init__("nebulet-backtrace", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        known = [Module(*pair) for pair in modules()]
        pc, rsp = int(value("(unsigned long)$pc")), int(value("(unsigned long)$sp"))
        m = self.at(known, pc)
        if m is not None:
            func = m.func(pc - m.text)
            print(f"#0 wasm {m.name(func[2])} in {m.process}")
            self.walk(known, rsp + func[3], func[4], 1)
            return
        cpu = int(argument or 0)
        entry = value(f"run_queues[{cpu}].current->entry")
        self.walk(known, int(entry["rsp"]), int(entry["popped"]), 0)

    def at(self, known, pc):
        for m in known:
            if 0 <= pc - m.text < m.size:
                return m
        return None

    def walk(self, known, at, popped, number):
        while True:
            pc = word(at)
            m = self.at(known, pc)
            func = m and m.func(pc - m.text - 1)
            call = m and m.calls.get(pc - m.text)
            if not func or not call:
                return
            if func[2] != NO_INDEX:
                print(f"#{number} wasm {m.name(func[2])} in {m.process},"
                      f" offset {call[0]:#x}")
                number += 1
            at = at + 8 + popped - call[1] + func[3]
            popped = func[4]


class History(gdb.Command):
    """nebulet-history: what ran last on each CPU."""

    def __init__(self):
        super().__init__("nebulet-history", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        notes = int(value("(int)HISTORY"))
        for cpu in range(int(value("(int)CPU_MAX"))):
            h = value(f"histories[{cpu}]")
            count = int(h["next"])
            if count > 0:
                print(f"CPU {cpu}, the last of {count}:")
            for i in range(max(count - notes, 0), count):
                n = h["notes"][i % notes]
                if int(n["call"]):
                    print(f"    thread {int(n['to'])} calls "
                          f"{n['module'].string()}.{n['call'].string()}")
                else:
                    print(f"    thread {int(n['to'])} after thread "
                          f"{int(n['from'])}")


# On linux these are the kernel's interrupts and faults.
gdb.execute("handle SIGSEGV SIGBUS SIGILL SIGFPE SIG34 SIG35 SIG36 nostop "
            "noprint pass", to_string=True)
Symbols()
Backtrace()
History()
