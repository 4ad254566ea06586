#!/usr/bin/env python3
"""test/fuzz/calls.py DIR FIRST-SEED COUNT: random calls between instances.

For each seed a test script DIR/SEED.json with its modules: some instances, two
at least of one module, that share a table, a budget of calls and tags.  Their
functions have any number of arguments and results of all types and call each
other: directly, by table, by reference, by tail calls; under handlers of both
kinds, which catch, rethrow, delegate and call on; some throw, some trap.  What
each call returns, or how it ends, is computed here, by running the same trees.
"""

import json
import os
import random
import struct
import sys
import threading

I32, I64, F32, F64, V128, EXN = 0x7F, 0x7E, 0x7D, 0x7C, 0x7B, 0x69
TYPES = [I32, I64, F32, F64, V128]
NAMES = {I32: "i32", I64: "i64", F32: "f32", F64: "f64"}
BITS = {I32: 32, I64: 64, F32: 32, F64: 64, V128: 128}
MASK = {t: (1 << n) - 1 for t, n in BITS.items()}

# Instructions on values: bytes, operand types, result type, meaning.
OPS = [
    (b"\x6a", [I32, I32], I32, lambda a, b: a + b & MASK[I32]),
    (b"\x6b", [I32, I32], I32, lambda a, b: a - b & MASK[I32]),
    (b"\x7c", [I64, I64], I64, lambda a, b: a + b & MASK[I64]),
    (b"\x7e", [I64, I64], I64, lambda a, b: a * b & MASK[I64]),
    (b"\xfd\x51", [V128, V128], V128, lambda a, b: a ^ b),
    (b"\xad", [I32], I64, lambda a: a),
    (b"\xac", [I32], I64, lambda a: (a ^ 1 << 31) - (1 << 31) & MASK[I64]),
    (b"\xa7", [I64], I32, lambda a: a & MASK[I32]),
    (b"\xbc", [F32], I32, lambda a: a),
    (b"\xbd", [F64], I64, lambda a: a),
    (b"\xfd\x12", [I64], V128, lambda a: a << 64 | a),
    (b"\xfd\x1d\x01", [V128], I64, lambda a: a >> 64),
    (b"\xfd\x1d\x00", [V128], I64, lambda a: a & MASK[I64]),
]

# Of the hub: tags 0 and 1, which all modules import; two more are their own.
HUB_TAGS = 2
OWN_TAGS = 2
GLOBAL_FUEL, GLOBAL_BASE, GLOBAL_PEER, GLOBAL_SUM = range(4)


class Thrown(Exception):
    """tag: its identity in the process."""

    def __init__(self, tag, values):
        super().__init__()
        self.tag, self.values = tag, values


class Trapped(Exception):
    pass


# --- encoding ---------------------------------------------------------------


def uleb(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def sleb(n):
    out = b""
    while not -0x40 <= n < 0x40:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n & 0x7F])


def signed(n, bits):
    return n - (1 << bits) if n >> bits - 1 else n


def vec(items):
    return uleb(len(items)) + b"".join(items)


def name(text):
    return uleb(len(text)) + text.encode()


def section(number, items):
    body = vec(items)
    return bytes([number]) + uleb(len(body)) + body if items else b""


def const(t, n):
    if t in (I32, I64):
        return (b"\x41" if t == I32 else b"\x42") + sleb(signed(n, BITS[t]))
    head = {F32: b"\x43", F64: b"\x44", V128: b"\xfd\x0c"}[t]
    return head + n.to_bytes(BITS[t] // 8, "little")


def json_value(t, n):
    if t == V128:
        lanes = [str(n & MASK[I64]), str(n >> 64)]
        return {"type": "v128", "lane_type": "i64", "value": lanes}
    return {"type": NAMES[t], "value": str(n)}


def random_value(r, t):
    if t == F32:
        return struct.unpack("<I", struct.pack("<f", r.randint(-99, 99) / 4))[0]
    if t == F64:
        return struct.unpack("<Q", struct.pack("<d", r.randint(-99, 99) / 4))[0]
    return r.choice([r.getrandbits(BITS[t]), MASK[t], r.getrandbits(8)])


def random_types(r, most):
    count = r.choice([0, 1, 2, 3, 6, 8, 13, r.randint(0, most)])
    if r.random() < 0.3:  # all of one kind: more on the stack
        return [r.choice(TYPES)] * count
    return [r.choice(TYPES) for _ in range(count)]


# --- modules ----------------------------------------------------------------


class Module:
    def __init__(self, tags):
        self.types, self.funcs, self.tags = [], [], tags
        self.peer = None  # the module of its instances' peers

    def type(self, params, results):
        key = (tuple(params), tuple(results))
        if key not in self.types:
            self.types.append(key)
        return self.types.index(key)

    def type_section(self):
        return section(1, [b"\x60" + vec([bytes([t]) for t in p]) +
                           vec([bytes([t]) for t in q]) for p, q in self.types])


class Function:
    """Locals are numbered with the parameters; IMPORTS functions come first."""

    IMPORTS = 1  # spectest.print_i32

    def __init__(self, r, module, number):
        self.r, self.module, self.number = r, module, number
        self.params, self.results = random_types(r, 24), random_types(r, 16)
        self.locals = list(self.params)
        self.legacy = r.random() < 0.5
        self.code, self.body = b"", []

    # --- values: a local or a constant

    def local(self, t):
        self.locals.append(t)
        return len(self.locals) - 1

    def operand(self, t):
        places = [i for i, have in enumerate(self.locals) if have == t]
        if places and self.r.random() < 0.85:
            return ("local", self.r.choice(places))
        return ("const", random_value(self.r, t))

    def get(self, t, v):
        return b"\x20" + uleb(v[1]) if v[0] == "local" else const(t, v[1])

    def get_all(self, types, values):
        return b"".join(self.get(t, v) for t, v in zip(types, values))

    def set_all(self, places):
        return b"".join(b"\x21" + uleb(p) for p in reversed(places))

    # --- statements: each gives its code and a function of (instance, frame)

    def compute(self):
        code, types, result, meaning = self.r.choice(OPS)
        values = [self.operand(t) for t in types]
        to = self.local(result)

        def run(_, frame):
            frame[to] = meaning(*[read(frame, v) for v in values])

        return self.get_all(types, values) + code + self.set_all([to]), run

    def host(self):
        v = self.operand(I32)
        return self.get(I32, v) + b"\x10\x00", lambda i, frame: None

    def throw(self, depth):
        tag = self.r.randrange(len(self.module.tags))
        types = self.module.tags[tag]
        values = [self.operand(t) for t in types]
        condition = self.operand(I32)
        code = (self.get(I32, condition) + b"\x41\x03\x71\x45\x04\x40" +
                self.get_all(types, values) + b"\x08" + uleb(tag) + b"\x0b")

        def run(i, frame):
            if read(frame, condition) & 3 == 0:
                raise Thrown(i.tag(tag), [read(frame, v) for v in values])

        return code, run

    # The function that a call reaches, and the code of the call, for a way.
    def target(self, results):
        way = self.r.choice(["direct", "table", "peer", "peer", "reference"])
        module = self.module.peer if way == "peer" else self.module
        funcs = [f for f in module.funcs
                 if results is None or f.results == results]
        if not funcs:
            return None
        f = self.r.choice(funcs)
        index, t = f.number + self.IMPORTS, self.module.type(f.params, f.results)
        if way == "direct":
            return f, way, (b"\x10", b"\x12"), b"", uleb(index)
        if way == "reference":
            return f, way, (b"\x14", b"\x15"), b"\xd2" + uleb(index), uleb(t)
        base = GLOBAL_PEER if way == "peer" else GLOBAL_BASE
        before = b"\x23" + uleb(base) + b"\x41" + sleb(f.number) + b"\x6a"
        return f, way, (b"\x11", b"\x13"), before, uleb(t) + b"\x00"

    def call(self, depth):
        f, way, codes, before, after = self.target(None)
        values = [self.operand(t) for t in f.params]
        places = [self.local(t) for t in f.results]
        code = (self.get_all(f.params, values) + before + codes[0] + after +
                self.set_all(places))

        def run(i, frame):
            there = i.peer if way == "peer" else i
            results = call(there, f, [read(frame, v) for v in values])
            for place, value in zip(places, results):
                frame[place] = value

        return code, run

    def tail(self, condition):
        found = self.target(self.results)
        if found is None:
            return self.compute()
        f, way, codes, before, after = found
        values = [self.operand(t) for t in f.params]
        code = self.get_all(f.params, values) + before + codes[1] + after
        if condition is not None:
            code = self.get(I32, condition) + b"\x04\x40" + code + b"\x0b"

        def run(i, frame):
            if condition is not None and read(frame, condition) == 0:
                return None
            there = i.peer if way == "peer" else i
            given = [read(frame, v) for v in values]
            return lambda: call(there, f, given)

        return code, run

    # Note what was caught: sum = sum * 31 + v.
    def note(self, v):
        code = (b"\x23" + uleb(GLOBAL_SUM) + b"\x42\x1f\x7e" +
                self.get(I64, v) + b"\x7c\x24" + uleb(GLOBAL_SUM))

        def run(i, frame):
            i.sum = i.sum * 31 + read(frame, v) & MASK[I64]

        return code, run

    # A try with statements in it and a handler of one of the kinds.
    def guard(self, depth):
        tag = self.r.choice([None] + list(range(len(self.module.tags))))
        types = [] if tag is None else self.module.tags[tag]
        again = self.r.random() < 0.25
        if self.legacy and self.r.random() < 0.2:
            return self.delegate(depth)
        body_code, body = self.statements(depth + 1, self.r.randint(1, 3))
        places = [self.local(t) for t in types]
        handler_code, handler = self.statements(depth + 1, self.r.randint(0, 2))
        note_code, note = self.note(self.operand(I64))
        handler_code = note_code + handler_code
        form = self.legacy_form if self.legacy else self.table_form
        code = form(tag, types, places, body_code, handler_code, again)

        def run(i, frame):
            try:
                return run_all(body, i, frame)
            except Thrown as e:
                if tag is not None and e.tag != i.tag(tag):
                    raise
                if tag is not None:
                    for place, value in zip(places, e.values):
                        frame[place] = value
                note(i, frame)
                left = run_all(handler, i, frame)
                if left is None and again:
                    raise
                return left

        return code, run

    def legacy_form(self, tag, types, places, body, handler, again):
        start = b"\x19" if tag is None else b"\x07" + uleb(tag)
        return (b"\x06\x40" + body + start + self.set_all(places) + handler +
                (b"\x09\x00" if again else b"") + b"\x0b")

    # A block for the way around, one for the handler, the try.
    def table_form(self, tag, types, places, body, handler, again):
        results = types + [EXN] if again else types
        kind = (0 if tag is not None else 2) + again
        clause = bytes([kind]) + (b"" if tag is None else uleb(tag)) + b"\x00"
        kept = self.local(EXN) if again else None
        block = sleb(self.module.type([], results))
        return (b"\x02\x40\x02" + block + b"\x1f\x40\x01" + clause + body +
                b"\x0b\x0c\x01\x0b" +
                self.set_all(places + ([kept] if again else [])) + handler +
                (b"\x20" + uleb(kept) + b"\x0a" if again else b"") + b"\x0b")

    # To the next handler outwards.
    def delegate(self, depth):
        code, body = self.statements(depth + 1, self.r.randint(1, 2))

        def run(i, frame):
            return run_all(body, i, frame)

        return b"\x06\x40" + code + b"\x18\x00", run

    def statements(self, depth, count):
        codes, runs = [], []
        for _ in range(count):
            makers = [self.compute, self.compute, self.host,
                      lambda: self.throw(depth)]
            makers += [lambda: self.call(depth)] * 3
            if depth < 3:
                makers += [lambda: self.guard(depth)] * 3
            if self.r.random() < 0.1:
                makers = [lambda: self.tail(self.operand(I32))]
            code, run = self.r.choice(makers)()
            codes.append(code)
            runs.append(run)
        return b"".join(codes), runs

    # --- the function

    def bottom(self):
        """When the budget is spent."""
        if self.r.random() < 0.15:
            return b"\x00", "trap", None
        if self.r.random() < 0.6:
            tag = self.r.randrange(len(self.module.tags))
            types = self.module.tags[tag]
            values = [self.operand(t) for t in types]
            code = self.get_all(types, values) + b"\x08" + uleb(tag)
            return code, "throw", (tag, values)
        values = [self.operand(t) for t in self.results]
        return self.get_all(self.results, values) + b"\x0f", "return", values

    def make(self):
        fuel = uleb(GLOBAL_FUEL)
        code, self.bottom_kind, self.bottom_values = self.bottom()
        code = (b"\x23" + fuel + b"\x41\x01\x6b\x24" + fuel + b"\x23" + fuel +
                b"\x41\x00\x48\x04\x40" + code + b"\x0b")
        more, self.body = self.statements(0, self.r.randint(1, 4))
        code += more
        if self.r.random() < 0.35 and any(f.results == self.results
                                          for f in self.module.funcs):
            more, run = self.tail(None)
            code += more
            self.body.append(run)
        self.last = [self.operand(t) for t in self.results]
        self.code = code + self.get_all(self.results, self.last)

    def encoded(self):
        extra = self.locals[len(self.params):]
        body = vec([uleb(1) + bytes([t]) for t in extra]) + self.code + b"\x0b"
        return uleb(len(body)) + body


# --- running the trees ------------------------------------------------------


class Instance:
    def __init__(self, module, number, process):
        self.module, self.number, self.process = module, number, process
        self.base, self.peer, self.sum = 0, None, 0

    def tag(self, index):
        return index if index < HUB_TAGS else (self.number, index)


def read(frame, v):
    return frame[v[1]] if v[0] == "local" else v[1]


def run_all(runs, i, frame):
    """None, or how the function is left: by a tail call."""
    for run in runs:
        left = run(i, frame)
        if left is not None:
            return left
    return None


def call(i, f, arguments):
    frame = arguments + [0] * (len(f.locals) - len(f.params))
    i.process["fuel"] -= 1
    if i.process["fuel"] < 0:
        if f.bottom_kind == "trap":
            raise Trapped()
        if f.bottom_kind == "throw":
            tag, values = f.bottom_values
            raise Thrown(i.tag(tag), [read(frame, v) for v in values])
        return [read(frame, v) for v in f.bottom_values]
    left = run_all(f.body, i, frame)
    if left is not None:
        return left()
    return [read(frame, v) for v in f.last]


# --- files ------------------------------------------------------------------


def hub_bytes(tags, size):
    m = Module(tags)
    kinds = [m.type(t, []) for t in tags]
    spend = m.type([I32], [])
    return (b"\0asm\1\0\0\0" + m.type_section() + section(3, [uleb(spend)]) +
            section(4, [b"\x70\x00" + uleb(size)]) +
            section(13, [b"\x00" + uleb(k) for k in kinds]) +
            section(6, [b"\x7f\x01\x41\x00\x0b"]) +
            section(7, [name("spend") + b"\x00\x00", name("table") + b"\x01\x00",
                        name("fuel") + b"\x03\x00"] +
                    [name("tag%d" % k) + b"\x04" + uleb(k)
                     for k in range(len(tags))]) +
            section(10, [b"\x06\x00\x20\x00\x24\x00\x0b"]))


# The places of an instance and of its peer in the table.
def place_bytes(base, peer):
    return (b"\0asm\1\0\0\0" +
            section(6, [b"\x7f\x00\x41" + sleb(n) + b"\x0b"
                        for n in (base, peer)]) +
            section(7, [name("base") + b"\x03\x00", name("peer") + b"\x03\x01"]))


def module_bytes(m, size):
    kinds = [m.type(t, []) for t in m.tags]
    printer = m.type([I32], [])
    getter = m.type([], [I64])
    funcs = [m.type(f.params, f.results) for f in m.funcs] + [getter]
    codes = [f.encoded() for f in m.funcs]
    codes.append(b"\x04\x00\x23" + uleb(GLOBAL_SUM) + b"\x0b")
    at = Function.IMPORTS
    every = [uleb(at + f.number) for f in m.funcs]
    imports = [name("spectest") + name("print_i32") + b"\x00" + uleb(printer),
               name("hub") + name("table") + b"\x01\x70\x00" + uleb(size),
               name("hub") + name("fuel") + b"\x03\x7f\x01",
               name("place") + name("base") + b"\x03\x7f\x00",
               name("place") + name("peer") + b"\x03\x7f\x00"]
    imports += [name("hub") + name("tag%d" % k) + b"\x04\x00" + uleb(kinds[k])
                for k in range(HUB_TAGS)]
    return (b"\0asm\1\0\0\0" + m.type_section() + section(2, imports) +
            section(3, [uleb(f) for f in funcs]) +
            section(13, [b"\x00" + uleb(k) for k in kinds[HUB_TAGS:]]) +
            section(6, [b"\x7e\x01\x42\x00\x0b"]) +
            section(7, [name("f%d" % f.number) + b"\x00" + uleb(at + f.number)
                        for f in m.funcs] +
                    [name("sum") + b"\x00" + uleb(at + len(m.funcs))]) +
            section(9, [b"\x00\x23" + uleb(GLOBAL_BASE) + b"\x0b" + vec(every)]) +
            section(10, codes))


def invoke(i, field, types, values):
    return {"type": "invoke", "module": "$i%d" % i.number, "field": field,
            "args": [json_value(t, n) for t, n in zip(types, values)]}


def expect(i, f, arguments, line):
    command = {"line": line,
               "action": invoke(i, "f%d" % f.number, f.params, arguments)}
    try:
        results = call(i, f, list(arguments))
        command["type"] = "assert_return"
        command["expected"] = [json_value(t, n)
                               for t, n in zip(f.results, results)]
    except Thrown:
        command.update({"type": "assert_exception", "expected": []})
    except Trapped:
        command.update({"type": "assert_trap", "text": "unreachable",
                        "expected": []})
    return command


def make_modules(r):
    hub_tags = [random_types(r, 12) for _ in range(HUB_TAGS)]
    modules = [Module(hub_tags + [random_types(r, 12) for _ in range(OWN_TAGS)])
               for _ in range(r.randint(1, 3))]
    for m in modules:
        m.funcs = [Function(r, m, k) for k in range(r.randint(2, 6))]
        for f in m.funcs[1:]:  # so that tail calls find something
            if r.random() < 0.5:
                f.results = r.choice(m.funcs[:f.number]).results
    for m in modules:
        m.peer = r.choice(modules)
    for m in modules:
        for f in m.funcs:
            f.make()
    return hub_tags, modules


def make_instances(r, modules):
    process, instances = {"fuel": 0}, []
    for m in modules + [r.choice(modules) for _ in range(r.randint(1, 2))]:
        i = Instance(m, len(instances), process)
        i.base = sum(len(other.module.funcs) for other in instances)
        instances.append(i)
    for i in instances:
        i.peer = r.choice([o for o in instances if o.module is i.module.peer])
    return process, instances


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def make_script(directory, seed):
    r = random.Random(seed)
    hub_tags, modules = make_modules(r)
    process, instances = make_instances(r, modules)
    size = sum(len(i.module.funcs) for i in instances)
    commands = []

    def add_module(label, file, data, registered):
        write(os.path.join(directory, file), data)
        commands.append({"type": "module", "line": 1, "name": label,
                         "filename": file})
        if registered:
            commands.append({"type": "register", "line": 1, "name": label,
                             "as": registered})

    add_module("$hub", "%d.hub.wasm" % seed, hub_bytes(hub_tags, size), "hub")
    for i in instances:
        add_module("$p%d" % i.number, "%d.p%d.wasm" % (seed, i.number),
                   place_bytes(i.base, i.peer.base), "place")
        add_module("$i%d" % i.number,
                   "%d.m%d.wasm" % (seed, modules.index(i.module)),
                   module_bytes(i.module, size), None)
    for line in range(2, 26):
        i = r.choice(instances)
        f = r.choice(i.module.funcs)
        process["fuel"] = r.choice([1, 4, 10, 30, 90, 150])
        commands.append({"type": "action", "line": line, "expected": [],
                         "action": {"type": "invoke", "module": "$hub",
                                    "field": "spend", "args": [
                                        json_value(I32, process["fuel"])]}})
        commands.append(expect(i, f, [random_value(r, t) for t in f.params],
                               line))
    for i in instances:
        commands.append({"type": "assert_return", "line": 99,
                         "action": invoke(i, "sum", [], []),
                         "expected": [json_value(I64, i.sum)]})
    with open(os.path.join(directory, "%d.json" % seed), "w",
              encoding="utf-8") as file:
        json.dump({"source_filename": str(seed), "commands": commands}, file)


def main():
    directory, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    os.makedirs(directory, exist_ok=True)
    for seed in range(first, first + count):
        make_script(directory, seed)


if __name__ == "__main__":
    sys.setrecursionlimit(1000000)
    threading.stack_size(512 << 20)
    thread = threading.Thread(target=main)
    thread.start()
    thread.join()
