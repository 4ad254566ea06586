#!/usr/bin/env python3
"""make/prove.py OUT [EVERY]: prove that the rows of verify/forms.def are right,
all of them or each so-many-th.

For each sample of out/prove-samples (make/prove.c) a problem for z3: registers,
flags and memory are any; the machine does what the manual (SDM vol. 2) says of
the mnemonic and operands that Zydis sees; the effect that the decoder of verify/
states is denied. `unsat` for all of them: the machine does nothing else. The
problems stay in OUT/prove/ROW.smt2. Then the lemmas that bounds rest on, of the
addresses that generated code may use.

Then claims and lemmas that are wrong on purpose: there must be a `sat` for each.
"""

import os
import subprocess
import sys

NONE, RIP = 16, 17
MEM, WFLAGS, FAULTS, VMEM_A = 1, 2, 8, 32
RAX, RCX, RDX, RSP = 0, 1, 2, 4
FLAGS = ("cf", "zf", "sf", "of", "pf")


def bv(value, bits=64):
    return f"(_ bv{value % (1 << bits)} {bits})"


def low(term, bits):
    return f"((_ extract {bits - 1} 0) {term})"


def zext(term, bits, to=64):
    return term if bits == to else f"((_ zero_extend {to - bits}) {term})"


def sext(term, bits, to=64):
    return term if bits == to else f"((_ sign_extend {to - bits}) {term})"


def product_of(term):
    """Of rax and that, 128 bits."""
    return f"(bvmul {zext('r0', 64, 128)} {zext(term, 64, 128)})"


class State:
    """What an instruction leaves: registers and flags, accesses, where to go."""

    def __init__(self, length):
        self.regs = {i: f"r{i}" for i in range(16)}
        self.flags = {f: f for f in FLAGS}
        self.accesses = []  # (kind, address, bits, value or None)
        self.end = f"(bvadd rip {bv(length)})"
        self.next = self.end
        self.traps = False

    def write(self, reg, bits, value):
        if bits == 64:
            self.regs[reg] = value
        elif bits == 32:
            self.regs[reg] = zext(value, 32)
        else:
            old = self.regs[reg]
            self.regs[reg] = f"(concat ((_ extract 63 {bits}) {old}) {value})"


class Machine:
    """The manual: what a mnemonic does to a State."""

    def __init__(self, mnemonic, operands, length):
        self.name = mnemonic
        self.ops = [o.split(":") for o in operands]
        self.state = State(length)
        self.fresh = []  # (name, bits)
        self.length = length

    # Values nobody knows: of vectors, of memory, of what is undefined.
    def any(self, bits):
        name = f"any{len(self.fresh)}"
        self.fresh.append((name, bits))
        return name

    def any_bool(self):
        return f"(= {self.any(1)} #b1)"

    def address(self, op):
        base, index, scale, disp = (int(x) for x in op[1:5])
        terms = [bv(disp)]
        if base == RIP:
            terms.append(self.state.end)
        elif base != NONE:
            terms.append(f"r{base}")
        if index != NONE:
            terms.append(f"(bvmul r{index} {bv(scale)})")
        out = terms[0]
        for term in terms[1:]:
            out = f"(bvadd {out} {term})"
        return out

    def bits(self, i):
        kind = self.ops[i][0]
        return int(self.ops[i][2]) if kind[0] == "r" else int(self.ops[i][5])

    def read(self, i, bits=None):
        op = self.ops[i]
        if op[0] == "i":
            return bv(int(op[1]), bits)
        if op[0][0] == "r":
            return low(f"r{op[1]}", int(op[2])) if op[2] != "64" else f"r{op[1]}"
        size = int(op[5])
        value = low("memory", size) if size < 64 else "memory"
        self.state.accesses.append(("r", self.address(op), size, None))
        return value

    def write(self, i, value):
        op = self.ops[i]
        if op[0][0] == "r":
            self.state.write(int(op[1]), int(op[2]), value)
        else:
            self.state.accesses.append(
                ("w", self.address(op), int(op[5]), value))

    def set_flags(self, **known):
        for flag in FLAGS:
            self.state.flags[flag] = known.get(flag) or self.any_bool()

    def arithmetic(self, op, a, b, bits, result):
        sign = lambda x: f"(= ((_ extract {bits - 1} {bits - 1}) {x}) #b1)"
        known = {"zf": f"(= {result} {bv(0, bits)})", "sf": sign(result)}
        if op == "sub":
            known["cf"] = f"(bvult {a} {b})"
            known["of"] = (f"(and (xor {sign(a)} {sign(b)}) "
                           f"(xor {sign(a)} {sign(result)}))")
        elif op == "add":
            known["cf"] = f"(bvult {result} {a})"
        elif op == "and":
            known["cf"] = known["of"] = "false"
        self.set_flags(**known)

    # --- one method for mnemonics that are alike ---

    def run(self):
        name = self.name
        for start, method in (("cmov", self.cmov), ("set", self.setcc)):
            if name.startswith(start):
                method(name[len(start):])
                return
        method = getattr(self, "do_" + name, None)
        if method:
            method()
        elif name[0] == "j" and name != "jmp":
            self.jcc(name[1:])
        else:
            self.vector()

    def binary(self, op):
        bits = self.bits(0)
        a = self.read(0)
        b = self.read(1, bits)
        result = f"(bv{op} {a} {b})"
        self.write(0, result)
        self.arithmetic(op, a, b, bits, result)

    def do_add(self):
        self.binary("add")

    def do_sub(self):
        self.binary("sub")

    def do_and(self):
        self.binary("and")

    def do_or(self):
        self.binary("or")

    def do_xor(self):
        self.binary("xor")

    def compare(self, op):
        bits = self.bits(0)
        a = self.read(0)
        b = self.read(1, bits)
        self.arithmetic(op, a, b, bits, f"(bv{op} {a} {b})")

    def do_cmp(self):
        self.compare("sub")

    def do_test(self):
        self.compare("and")

    def do_mov(self):
        self.write(0, self.read(1, self.bits(0)))

    def do_movzx(self):
        self.write(0, zext(self.read(1), self.bits(1), self.bits(0)))

    def do_movsx(self):
        self.write(0, sext(self.read(1), self.bits(1), self.bits(0)))

    do_movsxd = do_movsx

    def do_lea(self):
        address, bits = self.address(self.ops[1]), self.bits(0)
        self.write(0, address if bits == 64 else low(address, bits))

    def do_xchg(self):
        a, b = self.read(0), self.read(1)
        self.write(0, b)
        self.write(1, a)

    def do_xadd(self):
        bits = self.bits(0)
        a, b = self.read(0), self.read(1)
        total = f"(bvadd {a} {b})"
        self.write(1, a)
        self.write(0, total)
        self.arithmetic("add", a, b, bits, total)

    # A 32-bit accumulator that is not written may lose its upper half, or not.
    def do_cmpxchg(self):
        bits = self.bits(0)
        old, new = self.read(0), self.read(1)
        accumulator = low("r0", bits) if bits < 64 else "r0"
        equal = f"(= {old} {accumulator})"
        self.write(0, f"(ite {equal} {new} {old})")
        kept = "r0"
        if bits == 32:
            kept = f"(ite {self.any_bool()} r0 {zext(low('r0', 32), 32)})"
        self.state.write(RAX, bits, old)
        self.state.regs[RAX] = f"(ite {equal} {kept} {self.state.regs[RAX]})"
        self.arithmetic("sub", accumulator, old, bits,
                        f"(bvsub {accumulator} {old})")

    def condition(self, name):
        c = {"o": "of", "b": "cf", "z": "zf", "be": "(or cf zf)", "s": "sf",
             "p": "pf", "l": "(xor sf of)", "le": "(or zf (xor sf of))"}
        return f"(not {c[name[1:]]})" if name[0] == "n" else c[name]

    def cmov(self, cc):
        a, b = self.read(0), self.read(1)
        self.write(0, f"(ite {self.condition(cc)} {b} {a})")

    def setcc(self, cc):
        self.write(0, f"(ite {self.condition(cc)} {bv(1, 8)} {bv(0, 8)})")

    def jcc(self, cc):
        there = f"(bvadd {self.state.end} {bv(int(self.ops[0][1]))})"
        self.state.next = \
            f"(ite {self.condition(cc)} {there} {self.state.end})"

    def do_imul(self):
        bits = self.bits(0)
        if len(self.ops) == 1:
            self.do_div()
            return
        for i in range(len(self.ops)):
            self.read(i, bits)
        self.write(0, self.any(bits))
        self.set_flags()

    def two(self, low_half, high_half):
        self.state.write(RAX, self.bits(0), low_half)
        self.state.write(RDX, self.bits(0), high_half)
        self.set_flags()

    def do_mul(self):
        product = product_of(self.read(0))
        self.two(low(product, 64), f"((_ extract 127 64) {product})")

    # Other products and quotients, of which nobody relies on more: anything.
    def do_div(self):
        self.read(0)
        self.two(self.any(self.bits(0)), self.any(self.bits(0)))

    do_idiv = do_div

    def do_cdq(self):
        sign = "((_ extract 31 31) r0)"
        self.state.write(RDX, 32, sext(sign, 1, 32))

    def do_cqo(self):
        self.state.write(RDX, 64, sext("((_ extract 63 63) r0)", 1))

    def do_neg(self):
        bits = self.bits(0)
        a = self.read(0)
        self.write(0, f"(bvneg {a})")
        self.set_flags()

    def count(self, bits, order, empty):
        """The number of the first bit that is set, in this order."""
        source = self.read(1)
        result = empty
        for n, i in reversed(list(enumerate(order))):
            result = (f"(ite (= ((_ extract {i} {i}) {source}) #b1) "
                      f"{bv(n, bits)} {result})")
        self.write(0, result)
        self.set_flags()

    def do_tzcnt(self):
        bits = self.bits(0)
        self.count(bits, range(bits), bv(bits, bits))

    def do_lzcnt(self):
        bits = self.bits(0)
        self.count(bits, range(bits - 1, -1, -1), bv(bits, bits))

    def do_popcnt(self):
        bits = self.bits(0)
        source, parts = self.read(1), []
        for i in range(bits):
            parts.append(zext(f"((_ extract {i} {i}) {source})", 1, 7))
        while len(parts) > 1:
            parts = [f"(bvadd {a} {b})" for a, b in zip(parts[::2], parts[1::2])]
        self.write(0, zext(parts[0], 7, bits))
        self.set_flags()

    # Without a bit the result is undefined: the old one, its upper half cleared
    # or not.
    def do_bsf(self):
        bits = self.bits(0)
        reg = int(self.ops[0][1])
        source = self.read(1)
        self.state.write(reg, bits, self.any(bits))
        kept = f"r{reg}"
        if bits == 32:
            kept = f"(ite {self.any_bool()} {kept} {zext(low(kept, 32), 32)})"
        self.state.regs[reg] = (f"(ite (= {source} {bv(0, bits)}) {kept} "
                                f"{self.state.regs[reg]})")
        self.set_flags()

    do_bsr = do_bsf

    def shift(self, op, flags=True):
        bits = self.bits(0)
        source, count = (0, 1) if len(self.ops) == 2 else (1, 2)
        value = self.read(source)
        if self.ops[count][0] == "i":
            amount = bv(int(self.ops[count][1]) % bits, bits)
        else:
            whole = f"r{self.ops[count][1]}"
            amount = (f"(bvand {low(whole, bits) if bits < 64 else whole} "
                      f"{bv(bits - 1, bits)})")
        rest = f"(bvsub {bv(bits, bits)} {amount})"
        if op == "rol":
            result = f"(bvor (bvshl {value} {amount}) (bvlshr {value} {rest}))"
        elif op == "ror":
            result = f"(bvor (bvlshr {value} {amount}) (bvshl {value} {rest}))"
        else:
            result = f"(bv{op} {value} {amount})"
        self.write(0, result)
        if flags:
            by_some = op == "lshr" and self.ops[count][0] == "i" and \
                int(self.ops[count][1]) % bits
            self.set_flags(zf=f"(= {result} {bv(0, bits)})" if by_some else None)

    def do_rol(self):
        self.shift("rol")

    def do_ror(self):
        self.shift("ror")

    def do_shl(self):
        self.shift("shl")

    def do_shr(self):
        self.shift("lshr")

    def do_sar(self):
        self.shift("ashr")

    def do_shlx(self):
        self.shift("shl", flags=False)

    def do_shrx(self):
        self.shift("lshr", flags=False)

    def do_sarx(self):
        self.shift("ashr", flags=False)

    def do_rorx(self):
        self.shift("ror", flags=False)

    # --- control and the stack ---

    def push(self, value):
        self.state.regs[RSP] = f"(bvsub {self.state.regs[RSP]} {bv(8)})"
        self.state.accesses.append(("w", self.state.regs[RSP], 64, value))

    def pop(self):
        self.state.accesses.append(("r", "r4", 64, None))
        self.state.regs[RSP] = f"(bvadd r4 {bv(8)})"
        return "memory"

    def do_push(self):
        self.push(self.read(0))

    def do_pop(self):
        self.write(0, self.pop())

    def do_jmp(self):
        if self.ops[0][0] == "i":
            self.state.next = \
                f"(bvadd {self.state.end} {bv(int(self.ops[0][1]))})"
        else:
            self.state.next = self.read(0)

    def do_call(self):
        self.do_jmp()
        self.push(self.state.end)

    def do_ret(self):
        self.state.next = self.pop()
        if self.ops:
            more = int(self.ops[0][1]) & 0xffff
            self.state.regs[RSP] = f"(bvadd {self.state.regs[RSP]} {bv(more)})"

    def do_ud2(self):
        self.state.traps = True

    def do_int3(self):
        self.state.traps = True

    def do_mfence(self):
        pass

    # --- vectors: what is in them is anything ---

    # From a vector to a general register: the bits that there may be.
    MASKS = {"movmskps": 4, "movmskpd": 2, "pmovmskb": 16, "pextrb": 8,
             "pextrw": 16}

    def vector(self):
        name = self.name[1:] if self.name[0] == "v" else self.name
        for i, op in enumerate(self.ops):
            if op[0] == "m" or op[0] == "r":
                self.read(i)
        for i, op in enumerate(self.ops):
            if op[0] == "rw":
                bits = self.bits(i)
                some = min(self.MASKS.get(name, bits), bits)
                self.write(i, zext(self.any(some), some, bits))
            elif op[0] == "mw":
                self.write(i, None)
        if name in ("ucomiss", "ucomisd", "ptest"):
            self.set_flags()


class Claim:
    """What the decoder of verify/ says: what it denies of a State."""

    def __init__(self, facts, length):
        self.f = facts
        self.length = length
        self.bits = 8 * facts["width"]

    def address(self):
        f = self.f
        terms = [bv(f["disp"])]
        if f["base"] == RIP:
            terms.append(f"(bvadd rip {bv(self.length)})")
        elif f["base"] != NONE:
            terms.append(f"r{f['base']}")
        if f["index"] != NONE:
            terms.append(f"(bvshl r{f['index']} {bv(f['scale'])})")
        out = terms.pop()
        while terms:
            out = f"(bvadd {terms.pop()} {out})"
        return out

    def reg(self, number):
        return f"r{number}" if self.bits == 64 else low(f"r{number}", self.bits)

    def source(self):
        where = self.f["from"]
        if where == "IMM":
            return bv(self.f["imm"], self.bits)
        if where == "MEM":
            return "memory" if self.bits == 64 else low("memory", self.bits)
        return self.reg(self.f["b"])

    def def_is(self, value):
        return f"(= {{def}} {zext(value, self.bits)})"

    # What holds of the def, and of rdx.
    def value_holds(self, state):
        f, effect = self.f, self.f["effect"]
        new = state.regs.get(f["def"], "")
        old = self.reg(f["def"])
        binary = {"ADD": "bvadd", "SUB": "bvsub", "AND": "bvand"}
        holds = []
        if effect == "COPY":
            holds.append(self.def_is(self.source()))
        elif effect == "ADDRESS":
            address = self.address()
            holds.append(self.def_is(
                address if self.bits == 64 else low(address, self.bits)))
        elif effect in binary:
            holds.append(self.def_is(
                f"({binary[effect]} {old} {self.source()})"))
        elif effect == "SELECT":
            holds.append(f"(or {self.def_is(old)} "
                         f"{self.def_is(self.source())})")
        elif effect == "EXTEND":
            half = "memory" if f["from"] == "MEM" else f"r{f['b']}"
            holds.append(f"(= {{def}} {sext(low(half, 32), 32)})")
        elif effect == "SWAP":
            holds.append(f"(= {{def}} r{f['b']})")
            holds.append(f"(= {state.regs[f['b']]} r{f['def']})")
        elif effect == "POP":
            holds.append("(= {def} memory)")
        elif effect == "MERGE" and self.bits < 64:
            upper = lambda x: f"((_ extract 63 {self.bits}) {x})"
            same = f"(= {upper('{def}')} {upper('r%d' % f['def'])})"
            if self.bits == 32:
                same = f"(or {same} (= {upper('{def}')} {bv(0, 32)}))"
            holds.append(same)
        if effect != "MERGE" and f["def"] != NONE and f["bits"] < 64:
            limit = bv(1 << f["bits"])
            holds.append(f"(bvult {{def}} {limit})")
            if effect == "TWO":
                holds.append(f"(bvult {state.regs[RDX]} {limit})")
        return [h.replace("{def}", new) for h in holds]

    # Registers that change otherwise than by the def.
    def others(self):
        f, effect = self.f, self.f["effect"]
        rsp = {"PUSH": -8, "POP": 8, "CALL": -8, "CALL_MEM": -8,
               "RETURN": 8 + f["imm"]}
        changed = {f["def"]}
        holds = []
        if effect == "TWO":
            changed.add(RDX)
        if effect == "SWAP":
            changed.add(f["b"])
        if effect in rsp and RSP not in changed:
            changed.add(RSP)
            holds.append(f"(= {{rsp}} (bvadd r4 {bv(rsp[effect])}))")
        return changed, holds

    def accesses(self):
        """(kind, address, bits, value) in the order in which they happen."""
        f, effect, out = self.f, self.f["effect"], []
        if f["access"] & 1:
            out.append(("r", self.address(), 8 * f["mem_size"], None))
        if f["access"] & 2:
            value = self.source() if effect == "STORE" else None
            out.append(("w", self.address(), 8 * f["mem_size"], value))
        below = f"(bvsub r4 {bv(8)})"
        if effect in ("CALL", "CALL_MEM"):
            out.append(("w", below, 64, f"(bvadd rip {bv(self.length)})"))
        elif effect == "PUSH":
            out.append(("w", below, 64, f"r{f['b']}"))
        elif effect in ("POP", "RETURN"):
            out.append(("r", "r4", 64, None))
        return out

    def next(self):
        end = f"(bvadd rip {bv(self.length)})"
        away = f"(bvadd {end} {bv(self.f['imm'])})"
        cc = self.f["cc"]
        tests = ("of", "cf", "zf", "(or cf zf)", "sf", "pf", "(xor sf of)",
                 "(or zf (xor sf of))")
        test = f"(not {tests[cc >> 1]})" if cc & 1 else tests[cc >> 1]
        return {"CALL": away, "JUMP": away, "CALL_MEM": "memory",
                "JUMP_MEM": "memory", "RETURN": "memory",
                "JUMP_REG": f"r{self.f['b']}",
                "JCC": f"(ite {test} {away} {end})"}.get(self.f["effect"], end)

    # What the judge takes from a row beside its effect: how far a shift by a
    # constant goes, and what product a mul makes.
    def more(self, state):
        f, shifts = self.f, {"SHL_I": "bvshl", "SHR_I": "bvlshr"}
        if f["form"] in shifts:
            value = f"({shifts[f['form']]} {self.reg(f['def'])} " \
                f"{bv(f['imm'], self.bits)})"
            return [f"(= {state.regs[f['def']]} {zext(value, self.bits)})"]
        if f["form"] == "MUL64":
            return [f"(= (concat {state.regs[RDX]} {state.regs[RAX]}) "
                    f"{product_of(self.source())})"]
        return []

    # Those that it asks after: the carry of a sum, the sign of a difference,
    # and whether a shift to the right has left nothing.
    def asked_flag(self, state):
        f = self.f
        old = self.reg(f["def"]) if f["def"] != NONE else ""
        if f["effect"] == "ADD":
            result = f"(bvadd {old} {self.source()})"
            return "cf", f"(bvult {result} {old})"
        if f["effect"] == "SUB":
            result = f"(bvsub {old} {self.source()})"
            return "sf", f"(bvslt {result} {bv(0, self.bits)})"
        if f["form"] == "SHR_I" and f["imm"]:
            return "zf", f"(= {state.regs[f['def']]} {bv(0)})"
        return None

    def flags(self, state):
        f, effect = self.f, self.f["effect"]
        if not f["flags"] & WFLAGS:
            return [f"(= {state.flags[x]} {x})" for x in FLAGS]
        asked = self.asked_flag(state)
        if asked:
            flag = f.get("asked", asked[0])
            return [f"(= {state.flags[flag]} {asked[1]})"]
        if effect not in ("COMPARE", "TEST"):
            return []
        a = self.reg(f["a"]) if not f["flags"] & VMEM_A else \
            "memory" if self.bits == 64 else low("memory", self.bits)
        known = Machine("", [], self.length)
        op = "sub" if effect == "COMPARE" else "and"
        b = self.source()
        known.arithmetic(op, a, b, self.bits, f"(bv{op} {a} {b})")
        return [f"(= {state.flags[x]} {known.state.flags[x]})"
                for x in ("cf", "zf", "sf", "of")]

    def holds(self, state):
        """All that is claimed of the state, as terms; None: not even alike."""
        changed, terms = self.others()
        terms = [t.replace("{rsp}", state.regs[RSP]) for t in terms]
        terms += self.value_holds(state) + self.flags(state) + self.more(state)
        for reg in range(16):
            if reg not in changed:
                terms.append(f"(= {state.regs[reg]} r{reg})")
        ours, theirs = self.accesses(), state.accesses
        if [a[0::2] for a in ours] != [a[0::2] for a in theirs]:
            return None
        for mine, its in zip(ours, theirs):
            terms.append(f"(= {mine[1]} {its[1]})")
            if mine[3] is not None:
                terms.append(f"(= {mine[3]} {its[3]})")
        traps = self.f["effect"] in ("TRAP", "FILL")
        if traps != state.traps or (self.f["access"] and
                                    not self.f["flags"] & FAULTS):
            return None
        terms.append(f"(= {self.next()} {state.next})")
        return terms


def problem(line, plant):
    fields = line.rstrip("\n").split("\t")
    bar = fields.index("|")
    facts = dict(x.split("=", 1) for x in fields[2:bar])
    facts = {k: v if k in ("effect", "from") else int(v)
             for k, v in facts.items()}
    facts["form"] = fields[0]
    length = len(fields[1]) // 2
    if plant:
        plant(facts)
    machine = Machine(fields[bar + 1], fields[bar + 2:], length)
    machine.run()
    terms = Claim(facts, length).holds(machine.state)
    text = [f"; {fields[0]} {fields[1]}: {' '.join(fields[bar + 1:])}", "(push)"]
    text += [f"(declare-const {n} (_ BitVec {b}))" for n, b in machine.fresh]
    denied = "true" if terms is None else f"(not (and {' '.join(terms)}))"
    return "\n".join(text + [f"(assert {denied})", "(check-sat)", "(pop)", ""])


HEAD = "(set-logic QF_BV)\n" + "".join(
    f"(declare-const {r} (_ BitVec 64))\n"
    for r in [f"r{i}" for i in range(16)] + ["rip", "memory"]) + "".join(
    f"(declare-const {f} Bool)\n" for f in FLAGS)

# --- addresses ---------------------------------------------------------------

# What the judge knows of an operand, and what it needs: name, variables that are
# any 64 bits, what is known, what follows.  Slots are 8 GiB (abi/limits.def), an
# access has at most 16 bytes.
GIB8, GIB4, HALF = bv(8 << 30), bv(1 << 32), bv(1 << 31)
TWO_64 = 1 << 64
LEMMAS = (
    ("memory", "base index disp",
     (f"(bvult index {GIB4})", f"(bvult disp {HALF})",
      f"(bvult base {bv(1 << 47)})", "(= at (bvadd base (bvadd index disp)))"),
     ("(bvuge at base)", f"(bvult (bvadd at {bv(15)}) (bvadd base {GIB8}))")),
    ("an index with a scale, below 2^n bits", "index bits scale",
     (f"(bvule scale {bv(3)})", f"(bvule bits {bv(60)})",
      f"(bvult index (bvshl {bv(1)} bits))", "(= at (bvshl index scale))"),
     (f"(bvult at (bvshl {bv(1)} (bvadd bits scale)))",)),
    ("frame", "base size disp bytes",
     (f"(bvule size {bv(64 << 20)})", "(bvule disp size)",
      "(bvule (bvadd disp bytes) size)",
      f"(bvult base {bv((1 << 64) - (128 << 20))})",
      "(= at (bvadd base disp))"),
     ("(bvuge at base)", "(bvule (bvadd at bytes) (bvadd base size))")),
    ("a table, an index below its count, elements of 2^n bytes",
     "base index count n",
     ("(bvult index count)", f"(bvule count {GIB4})", f"(bvule n {bv(5)})",
      f"(bvult base {bv(1 << 47)})", "(= at (bvadd base (bvshl index n)))"),
     ("(bvuge at base)", f"(bvule (bvadd at (bvshl {bv(1)} n)) "
      "(bvadd base (bvshl count n)))")),
    ("the clamp of a switch", "index last chosen at",
     ("(= chosen (ite (bvult index last) index last))",),
     ("(bvule chosen last)",)),
    ("a mask", "a b n",
     (f"(bvult a (bvshl {bv(1)} n))", "(= at (bvand a b))"),
     (f"(bvult at (bvshl {bv(1)} n))",)),
    ("a shift to the right", "a n count",
     ("(bvule count n)",
      f"(bvult a (bvshl {bv(1)} n))", "(= at (bvlshr a count))"),
     (f"(bvult at (bvshl {bv(1)} (bvsub n count)))",)),
    ("a sum of bits", "a b n m",
     (f"(bvult n {bv(63)})", "(bvule m n)", f"(bvult a (bvshl {bv(1)} n))",
      f"(bvult b (bvshl {bv(1)} m))", "(= at (bvadd a b))"),
     (f"(bvult at (bvshl {bv(1)} (bvadd n {bv(1)})))",)),
    ("a shift by 32 that leaves nothing", "a",
     (f"(= at {bv(0)})", f"(= at (bvlshr a {bv(32)}))"),
     (f"(bvult a {GIB4})",)),
)

# Of integers.  A sum without a carry is that of integers; a < n and b < m are
# what is known of bits.
INTEGER_LEMMAS = (
    ("a memory whose size is compared with a sum",
     "base size value more disp bytes",
     ("(<= 0 value)", "(<= (+ value more) size)", "(<= 0 disp)",
      "(<= (+ disp bytes) more)", f"(< size {1 << 47})", f"(< base {1 << 47})",
      "(= at (+ base value disp))"),
     ("(<= base at)", "(<= (+ at bytes) (+ base size))",
      f"(< (+ at bytes) {TWO_64})")),
    ("the upper half of a product", "a b n m high lower",
     ("(<= 0 a)", "(< a n)", "(<= 0 b)", "(< b m)", "(<= 0 lower)",
      f"(= (* a b) (+ (* high {TWO_64}) lower))"),
     (f"(< (* high {TWO_64}) (* n m))",)),
)


ALL_LEMMAS = LEMMAS + INTEGER_LEMMAS


def lemma(name, variables, known, follows):
    whole = name in (x[0] for x in INTEGER_LEMMAS)
    sort = "Int" if whole else "(_ BitVec 64)"
    text = f"; {name}\n" + ("" if whole else "(set-logic QF_BV)\n")
    names = sorted(set(variables.split()) | {"at"})
    text += "".join(f"(declare-const {v} {sort})\n" for v in names)
    text += "".join(f"(assert {k})\n" for k in known)
    return text + f"(assert (not (and {' '.join(follows)})))\n(check-sat)\n"


# --- plants ------------------------------------------------------------------


def plant_to(row, **wrong):
    def change(facts):
        facts.update(wrong)
    return row, change


PLANTS = dict((f"{p[0]}-{i}", p) for i, p in enumerate((
    plant_to("MOV", effect="NONE", **{"def": NONE}),
    plant_to("MOV", width=8),
    plant_to("MOVZX8", bits=7),
    plant_to("MOVSX8", bits=31),
    plant_to("MOVSX32", effect="COPY"),
    plant_to("MOVSX32", effect="ANY", bits=32),
    plant_to("LEA", effect="ANY", bits=31),
    plant_to("ADD", effect="COPY"),
    plant_to("SUB", effect="ADD"),
    plant_to("SUB_I", effect="AND"),
    plant_to("AND_I", bits=1),
    plant_to("XOR", flags=0),
    plant_to("CMOV", effect="COPY"),
    plant_to("SETCC", effect="ANY", bits=8),
    plant_to("SHR_I", bits=1),
    plant_to("BSF", effect="ANY", bits=32),
    plant_to("POPCNT", bits=6),
    plant_to("TZCNT", bits=5),
    plant_to("XADD", effect="NONE", **{"def": NONE}),
    plant_to("CMPXCHG", effect="ANY", bits=32),
    plant_to("CMPXCHG8", effect="NONE", **{"def": NONE}),
    plant_to("XCHG64", effect="COPY"),
    plant_to("IDIV", effect="ANY"),
    plant_to("CDQ", **{"def": RAX}),
    plant_to("PUSH", effect="NONE"),
    plant_to("POP", effect="ANY"),
    plant_to("RET_POP", imm=0),
    plant_to("CALL", effect="JUMP"),
    plant_to("JCC", effect="JUMP"),
    plant_to("JCC", cc=5),
    plant_to("CMP", effect="TEST"),
    plant_to("CMP_I", imm=0),
    plant_to("MOV_MR", access=1),
    plant_to("MOV_MR", mem_size=2),
    plant_to("MOVUPS_MR", access=1),
    plant_to("MOVUPS", mem_size=8),
    plant_to("ADDPS", access=0),
    plant_to("PMOVMSKB", bits=15),
    plant_to("PEXTRW", bits=8),
    plant_to("CVTTSS2SI", bits=31),
    plant_to("MOVSS", disp=4096),
    plant_to("MOV8_MR", base=3),
    plant_to("UD2", effect="NONE"),
    plant_to("SHL_I", imm=3),
    plant_to("SHR_I", imm=3),
    plant_to("IMULWIDE64", form="MUL64", imm=0, **{"from": "IMM"}),
    plant_to("ADD", asked="sf"),
    plant_to("SUB_I", asked="cf"),
    plant_to("SHR_I", asked="cf"),
)))

# --- all of it ---------------------------------------------------------------


def solve(path, text, solver="z3"):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    done = subprocess.run([solver, "-T:900", path], capture_output=True,
                          text=True, check=False)
    return done.stdout.split("\n")[:-1]


def read_samples(out):
    """Names of all rows, and the samples of each."""
    samples = {}
    with open(f"{out}/prove-samples", encoding="ascii") as file:
        rows = file.readline().split()
        for line in file:
            samples.setdefault(line.split("\t")[0], []).append(line)
    return rows, samples


def prove_row(folder, row, lines, solver="z3"):
    """The lines that are not proved."""
    text = HEAD + "".join(problem(line, None) for line in lines)
    answers = solve(f"{folder}/{row}.smt2", text, solver)
    if len(answers) != len(lines):
        return answers or ["no answer"]
    return [line for line, a in zip(lines, answers) if a != "unsat"]


def prove_all(folder, rows, samples, every):
    passed = failed = 0
    for row in rows[::every]:
        lines = samples.get(row, [])
        bad = prove_row(folder, row, lines) if lines else ["no sample"]
        passed, failed = passed + (not bad), failed + bool(bad)
        for line in bad[:3]:
            print(f"{row}: not proved: {line.strip()}")
    for i, row in enumerate(ALL_LEMMAS):
        if i % every:
            continue
        good = solve(f"{folder}/lemma-{i}.smt2", lemma(*row)) == ["unsat"]
        passed, failed = passed + good, failed + (not good)
        if not good:
            print(f"not proved: {row[0]}")
    return passed, failed


def plant_all(folder, samples, every):
    # One who says nothing has proved nothing.
    passed = bool(prove_row(folder, "PUSH", samples["PUSH"], "true"))
    failed = not passed
    for name, (row, change) in list(PLANTS.items())[::every]:
        text = HEAD + "".join(problem(line, change) for line in samples[row])
        good = "sat" in solve(f"{folder}/plant-{name}.smt2", text)
        passed, failed = passed + good, failed + (not good)
        if not good:
            print(f"a wrong {row} was proved: {name}")
    for i, row in enumerate(ALL_LEMMAS[::every]):
        for left_out in range(len(row[2]) - 1):
            known = row[2][:left_out] + row[2][left_out + 1:]
            good = solve(f"{folder}/plant-lemma-{i}.smt2",
                         lemma(row[0], row[1], known, row[3])) == ["sat"]
            passed, failed = passed + good, failed + (not good)
            if not good:
                print(f"{row[0]}: does not need {row[2][left_out]}")
    return passed, failed


def main():
    out, every = sys.argv[1], int((sys.argv + ["1"])[2])
    folder = f"{out}/prove"
    os.makedirs(folder, exist_ok=True)
    rows, samples = read_samples(out)
    count = sum(len(samples.get(row, [])) for row in rows[::every])
    proved = prove_all(folder, rows, samples, every)
    plants = plant_all(folder, samples, every)
    print(f"{len(rows[::every])} rows in {count} samples, "
          f"{len(ALL_LEMMAS[::every])} lemmas: {proved[0]} proved, "
          f"{proved[1]} not")
    print(f"{plants[0]} wrong ones found, {plants[1]} not")
    print(f"{proved[0] + plants[0]} passed, {proved[1] + plants[1]} failed, "
          "0 skipped")
    return 1 if proved[1] + plants[1] else 0


if __name__ == "__main__":
    sys.exit(main())
