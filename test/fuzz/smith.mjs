// test/fuzz/smith.mjs OUT-DIR FIRST-SEED COUNT [scalar|simd|control]: random
// valid modules, run under Node, written as a test script that expects what Node
// answered: OUT-DIR/smith-SEED.json and its modules.  `control` adds exceptions
// and tail calls.
//
// The modules are biased to what breaks compilers: addresses at the edges of
// memory, constants at the edges of their types, many locals, br_table, loops,
// calls with many arguments, values live across calls.  They are made
// deterministic: NaNs are replaced by zero where a float is computed, and every
// loop turn and call costs fuel.

import { argv } from "node:process";
import { Answers } from "./oracle.mjs";
import { control } from "./control.mjs";
import { simd } from "./simd.mjs";

const I32 = 0x7f, I64 = 0x7e, F32 = 0x7d, F64 = 0x7c, V128 = 0x7b, EXNREF = 0x69;
const FUEL = 200, CALLS = 6;

// --- numbers ---------------------------------------------------------------

let state = 1n;

// splitmix64: the same modules for the same seed everywhere.
function random64() {
    state = BigInt.asUintN(64, state + 0x9e3779b97f4a7c15n);
    let z = state;
    z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    return z ^ (z >> 31n);
}

const below = (n) => Number(random64() % BigInt(n));
const chance = (percent) => below(100) < percent;
const pick = (list) => list[below(list.length)];

function uleb(n) {
    const out = [];
    n = BigInt(n);
    do {
        const byte = Number(n & 0x7fn);
        n >>= 7n;
        out.push(n ? byte | 0x80 : byte);
    } while (n);
    return out;
}

function sleb(n) {
    const out = [];
    for (n = BigInt(n); ;) {
        const byte = Number(n & 0x7fn);
        n >>= 7n;
        if ((n === 0n && !(byte & 0x40)) || (n === -1n && byte & 0x40)) {
            out.push(byte);
            return out;
        }
        out.push(byte | 0x80);
    }
}

function bytesOf(value, size) {
    const out = [];
    for (let i = 0; i < size; i++)
        out.push(Number((value >> BigInt(8 * i)) & 0xffn));
    return out;
}

const EDGES = [0n, 1n, 2n, 3n, 7n, 8n, 10n, 31n, 32n, 63n, 64n, 127n, 128n,
    255n, 256n, 32767n, 32768n, 65535n, 65536n, 0x7fffffffn, 0x80000000n,
    0xfffffffen, 0xffffffffn, 0x100000000n, 0x7fffffffffffffffn,
    0x8000000000000000n, 0xffffffffffffffffn, 0xaaaaaaaan, 0x55555555n];
const F32_EDGES = [0, 0x80000000, 0x3f800000, 0xbf800000, 0x4f000000,
    0xcf000000, 0x4f800000, 0x5f000000, 0xdf000000, 0x5f800000, 1, 0x7f7fffff,
    0x7f800000, 0xff800000, 0x3f000000, 0x3fc00000, 0x4effffff, 0x4b000001];
const F64_EDGES = [0n, 1n << 63n, 0x3ff0000000000000n, 0xbff0000000000000n,
    0x41dfffffffc00000n, 0x41e0000000000000n, 0xc1e0000000000000n,
    0xc1e0000000200000n, 0x41f0000000000000n, 0x43e0000000000000n,
    0xc3e0000000000000n, 0x43f0000000000000n, 1n, 0x7fefffffffffffffn,
    0x7ff0000000000000n, 0xfff0000000000000n, 0x3fe0000000000000n,
    0x4330000000000001n];

const i32 = () => BigInt.asIntN(32, chance(60) ? pick(EDGES) : random64());
const i64 = () => BigInt.asIntN(64, chance(60) ? pick(EDGES) : random64());

function isNaN32(bits) {
    return (bits & 0x7f800000n) === 0x7f800000n && (bits & 0x7fffffn) !== 0n;
}

function f32() {
    if (chance(70))
        return BigInt(pick(F32_EDGES));
    const bits = random64() & 0xffffffffn;
    return isNaN32(bits) ? 0n : bits;
}

function f64() {
    if (chance(70))
        return pick(F64_EDGES);
    const bits = random64();
    const exponent = 0x7ff0000000000000n;
    return (bits & exponent) === exponent ? 0n : bits;
}

// --- the table of operators: [opcode bytes, operands, result] --------------

const ops = [];

function range(first, last, operands, result, isFloat) {
    for (let code = first; code <= last; code++)
        ops.push({ code: [code], operands, result, isFloat });
}

range(0x45, 0x45, [I32], I32);
range(0x46, 0x4f, [I32, I32], I32);
range(0x50, 0x50, [I64], I32);
range(0x51, 0x5a, [I64, I64], I32);
range(0x5b, 0x60, [F32, F32], I32);
range(0x61, 0x66, [F64, F64], I32);
range(0x67, 0x69, [I32], I32);
range(0x6a, 0x78, [I32, I32], I32);
range(0x79, 0x7b, [I64], I64);
range(0x7c, 0x8a, [I64, I64], I64);
range(0x8b, 0x91, [F32], F32, true);
range(0x92, 0x98, [F32, F32], F32, true);
range(0x99, 0x9f, [F64], F64, true);
range(0xa0, 0xa6, [F64, F64], F64, true);
range(0xa7, 0xa7, [I64], I32);
range(0xa8, 0xa9, [F32], I32);
range(0xaa, 0xab, [F64], I32);
range(0xac, 0xad, [I32], I64);
range(0xae, 0xaf, [F32], I64);
range(0xb0, 0xb1, [F64], I64);
range(0xb2, 0xb3, [I32], F32);
range(0xb4, 0xb5, [I64], F32);
range(0xb6, 0xb6, [F64], F32, true);
range(0xb7, 0xb8, [I32], F64);
range(0xb9, 0xba, [I64], F64);
range(0xbb, 0xbb, [F32], F64, true);
range(0xbc, 0xbc, [F32], I32);
range(0xbd, 0xbd, [F64], I64);
range(0xbe, 0xbe, [I32], F32, true);
range(0xbf, 0xbf, [I64], F64, true);
range(0xc0, 0xc1, [I32], I32);
range(0xc2, 0xc4, [I64], I64);
for (const [n, from, to] of [[0, F32, I32], [1, F32, I32], [2, F64, I32],
    [3, F64, I32], [4, F32, I64], [5, F32, I64], [6, F64, I64], [7, F64, I64]])
    ops.push({ code: [0xfc, n], operands: [from], result: to });

// [opcode, result, log2 of the width]
const LOADS = [[0x28, I32, 2], [0x29, I64, 3], [0x2a, F32, 2], [0x2b, F64, 3],
    [0x2c, I32, 0], [0x2d, I32, 0], [0x2e, I32, 1], [0x2f, I32, 1],
    [0x30, I64, 0], [0x31, I64, 0], [0x32, I64, 1], [0x33, I64, 1],
    [0x34, I64, 2], [0x35, I64, 2]];
const STORES = [[0x36, I32, 2], [0x37, I64, 3], [0x38, F32, 2], [0x39, F64, 3],
    [0x3a, I32, 0], [0x3b, I32, 1], [0x3c, I64, 0], [0x3d, I64, 1],
    [0x3e, I64, 2]];

// --- a function ----------------------------------------------------------------

class Body {
    constructor(module, index) {
        this.m = module;
        this.type = module.types[module.funcs[index]];
        this.locals = [...this.type.params];
        // Small, without calls and loops: the compiler builds such functions
        // in place of their calls.
        this.isLeaf = index >= module.firstLeaf;
        const extra = this.isLeaf ? below(3)
            : chance(15) ? 40 + below(60) : below(10);
        for (let i = 0; i < extra; i++)
            this.locals.push(pick(module.valtypes));
        this.hidden = new Map(); // scratch locals by type
        this.labels = []; // the type that each takes, or null
        this.places = []; // how deep each is, in blocks
        this.nesting = 0;
        this.handlers = []; // that this code is in
        this.code = [];
        this.budget = this.isLeaf ? 2 + below(12) : 60 + below(240);
        // Addresses that are used again, also with what is near them.
        this.pointers = [this.locals.push(I32) - 1, this.locals.push(I32) - 1];
    }

    put(...bytes) {
        this.code.push(...bytes);
    }

    open(type) {
        this.labels.push(type);
        this.places.push(this.nesting++);
    }

    close() {
        this.labels.pop();
        this.places.pop();
        this.nesting--;
    }

    depth(label) {
        return this.nesting - 1 - this.places[label];
    }

    // A local for canonicalising, which nothing else reads: it may hold a NaN.
    scratch(type) {
        if (!this.hidden.has(type))
            this.hidden.set(type, this.locals.push(type) - 1);
        return uleb(this.hidden.get(type));
    }

    constant(type) {
        switch (type) {
        case I32: return this.put(0x41, ...sleb(i32()));
        case I64: return this.put(0x42, ...sleb(i64()));
        case F32: return this.put(0x43, ...bytesOf(f32(), 4));
        case F64: return this.put(0x44, ...bytesOf(f64(), 8));
        }
        this.put(0xfd, 0x0c);
        if (chance(50)) // as integers; floats would need care for NaNs
            this.put(...bytesOf(BigInt.asUintN(64, i64()), 8),
                     ...bytesOf(BigInt.asUintN(64, i64()), 8));
        else
            for (let i = 0; i < 16; i++)
                this.put(pick([0, 1, 127, 128, 255, below(256)]));
    }

    // Turn a NaN on the stack into zero.
    canonical(type) {
        const t = this.scratch(type);
        const eq = { [F32]: 0x5b, [F64]: 0x61 }[type];
        this.put(0x22, ...t);
        this.put(...(type === F32 ? [0x43, 0, 0, 0, 0]
                                  : [0x44, 0, 0, 0, 0, 0, 0, 0, 0]));
        this.put(0x20, ...t, 0x20, ...t, eq, 0x1b);
    }

    canonicalVector(lanes) {
        const t = this.scratch(V128);
        const eq = { 4: 0x41, 2: 0x47 }[lanes];
        this.put(0x22, ...t, 0x20, ...t, 0x20, ...t, 0xfd, eq, 0xfd, 0x4e);
    }

    address() {
        if (chance(40)) {
            this.put(0x20, ...uleb(pick(this.pointers)));
            if (chance(40))
                this.put(0x41, ...sleb(pick([-16, -8, -4, 1, 4, 8, 16])), 0x6a);
            return;
        }
        if (chance(5)) {
            const edge = pick([0, 0, 64, 65536, 131072, 65536, 2 ** 31, 2 ** 32]);
            const value = edge - below(20) + pick([0, 4, 8]);
            this.put(0x41, ...sleb(BigInt.asIntN(32, BigInt(value))));
        } else {
            this.expression(I32, 2);
            if (chance(98))
                this.put(0x41, ...sleb(pick([0xfff, 0x7fff, 0xff80, 0xfff8])), 0x71);
        }
        if (chance(4)) // arithmetic that may wrap
            this.put(0x41, ...sleb(pick([1, 2, 4, -1, -8, 1 << 30])),
                     pick([0x6a, 0x6b, 0x74]));
    }

    memarg(log2) {
        const offset = chance(97) ? below(64)
            : pick([65535, 65528, 131072, 0x7fffffff, 0x80000000, 0xffffffff,
                    0xfffffff8, 4096]);
        this.put(...uleb(below(log2 + 1)), ...uleb(offset));
    }

    localOf(type) {
        const found = this.locals.map((t, i) => (t === type ? i : -1))
            .filter((i) => i >= 0 && i !== this.hidden.get(type) &&
                    !this.pointers.includes(i));
        return found.length ? uleb(pick(found)) : null;
    }

    globalOf(type) {
        const found = this.m.globals.map((t, i) => (t === type ? i : -1))
            .filter((i) => i > 0);
        return found.length ? uleb(pick(found)) : null;
    }

    operator(type, depth) {
        const list = this.m.byResult[type];
        if (!list || list.length === 0)
            return this.constant(type);
        const op = pick(list);
        for (const operand of op.operands)
            this.expression(operand, depth - 1);
        this.put(...op.code);
        for (let i = 0; i < (op.lanes || []).length; i++)
            this.put(below(op.lanes[i]));
        if (op.isFloat)
            this.canonical(type);
        if (op.floatLanes)
            this.canonicalVector(op.floatLanes);
    }

    load(type) {
        if (type === V128) {
            const [code, log2] = pick(simd.loads);
            this.address();
            this.put(0xfd, ...uleb(code));
            this.memarg(log2);
            return;
        }
        const [code, , log2] = pick(LOADS.filter((l) => l[1] === type));
        this.address();
        this.put(code);
        this.memarg(log2);
        if (type === F32 || type === F64)
            this.canonical(type);
    }

    call(index) {
        const type = this.m.types[this.m.funcs[index]];
        for (const p of type.params)
            this.expression(p, 1);
        if (chance(60)) {
            this.put(0x10, ...uleb(index));
        } else { // through the table; now and then with a wrong index
            const slot = chance(90) ? index : below(this.m.funcs.length + 3);
            this.put(0x41, ...sleb(slot), 0x11,
                     ...uleb(this.m.funcs[index]), 0);
        }
    }

    callFor(type) {
        const found = [];
        if (this.isLeaf)
            return this.constant(type);
        for (let i = 0; i < this.m.funcs.length; i++) {
            const r = this.m.types[this.m.funcs[i]].results;
            if (r.length === 1 && r[0] === type)
                found.push(i);
        }
        if (found.length === 0)
            return this.constant(type);
        this.call(pick(found));
    }

    blockFor(type, depth) {
        if (this.m.tags && !this.isLeaf && chance(40))
            return this.attempt(type);
        const kind = pick([0x02, 0x04]);
        if (kind === 0x04)
            this.expression(I32, depth - 1);
        this.put(kind, type);
        this.open(type);
        this.statements(1 + below(2));
        this.expression(type, depth - 1);
        if (chance(30)) { // leave early with a value
            this.expression(I32, 1);
            this.put(0x0d, 0);
        }
        if (kind === 0x04) {
            this.put(0x05);
            this.statements(below(2));
            this.expression(type, depth - 1);
        }
        this.close();
        this.put(0x0b);
    }

    // Leave a value of this type on the stack.
    expression(type, depth) {
        if (depth <= 0 || --this.budget <= 0) {
            const local = chance(70) && this.localOf(type);
            return local ? this.put(0x20, ...local) : this.constant(type);
        }
        const dice = below(100);
        const local = this.localOf(type), global = this.globalOf(type);
        if (dice < 45)
            this.operator(type, depth);
        else if (dice < 58 && local)
            this.put(0x20, ...local);
        else if (dice < 63 && global)
            this.put(0x23, ...global);
        else if (dice < 75)
            this.load(type);
        else if (dice < 80) {
            this.expression(type, depth - 1);
            this.expression(type, depth - 1);
            this.expression(I32, depth - 1);
            this.put(...(type === V128 ? [0x1c, 1, V128] : [0x1b]));
        } else if (dice < 86)
            this.blockFor(type, depth);
        else if (dice < 92)
            this.callFor(type);
        else if (dice < 96 && local) {
            this.expression(type, depth - 1);
            this.put(0x22, ...local);
        } else
            this.constant(type);
    }

    store() {
        if (this.m.valtypes.includes(V128) && chance(25)) {
            const [code, log2, lanes] = pick(simd.stores);
            this.address();
            this.expression(V128, 2);
            this.put(0xfd, ...uleb(code));
            this.memarg(log2);
            if (lanes)
                this.put(below(lanes));
            return;
        }
        const [code, type, log2] = pick(STORES);
        this.address();
        this.expression(type, 2);
        this.put(code);
        this.memarg(log2);
    }

    // A loop that burns fuel and goes round while a condition holds.
    loop() {
        this.put(0x03, 0x40);
        this.open(null);
        this.burn();
        this.statements(1 + below(3));
        this.expression(I32, 2);
        this.put(0x0d, 0);
        this.close();
        this.put(0x0b);
    }

    burn() {
        this.put(0x23, 0, 0x41, 1, 0x6b, 0x24, 0);
        this.put(0x23, 0, 0x41, 0, 0x48, 0x04, 0x40, 0x00, 0x0b);
    }

    ifElse() {
        this.expression(I32, 2);
        this.put(0x04, 0x40);
        this.open(null);
        this.statements(1 + below(2));
        if (chance(50)) {
            this.put(0x05);
            this.statements(1 + below(2));
        }
        this.close();
        this.put(0x0b);
    }

    // Labels that take no values, by depth; loops are left out for they would
    // turn without burning fuel only at their head, which is fine.
    plainLabels() {
        return this.labels.map((t, i) => (t === null ? this.depth(i) : -1))
            .filter((d) => d >= 0);
    }

    table() {
        const count = 1 + below(chance(10) ? 40 : 6);
        for (let i = 0; i < 3; i++) {
            this.put(0x02, 0x40);
            this.open(null);
        }
        const targets = this.plainLabels();
        this.expression(I32, 2);
        if (chance(70))
            this.put(0x41, ...sleb(count), 0x70);
        this.put(0x0e, ...uleb(count));
        for (let i = 0; i <= count; i++)
            this.put(...uleb(chance(80) ? below(3) : pick(targets)));
        for (let i = 0; i < 3; i++) {
            this.close();
            this.put(0x0b);
            this.statements(1);
        }
    }

    branch() {
        const targets = this.plainLabels();
        if (targets.length === 0)
            return;
        this.expression(I32, 2);
        this.put(0x0d, ...uleb(pick(targets)));
    }

    bulk() {
        this.address();
        if (chance(50)) {
            this.expression(I32, 1);
            this.put(0x41, ...sleb(below(200)), 0xfc, 0x0b, 0);
        } else {
            this.address();
            this.put(0x41, ...sleb(below(200)), 0xfc, 0x0a, 0, 0);
        }
    }

    leafStatement() {
        const type = pick(this.m.valtypes);
        const local = this.localOf(type), global = this.globalOf(type);
        const dice = below(10);
        if (dice < 2 && local) {
            this.expression(type, 2);
            this.put(0x21, ...local);
        } else if (dice < 3 && global) {
            this.expression(type, 1);
            this.put(0x24, ...global);
        } else if (dice < 6)
            this.store();
        else if (dice < 8)
            this.ifElse();
        else if (dice < 9)
            this.branch();
        else { // leave early
            this.expression(I32, 1);
            this.put(0x04, 0x40);
            this.open(null);
            for (const r of this.type.results)
                this.expression(r, 1);
            this.close();
            this.put(0x0f, 0x0b);
        }
    }

    statement() {
        if (--this.budget <= 0)
            return;
        if (chance(5)) {
            this.expression(I32, 1);
            this.put(0x41, ...sleb(pick([0xff8, 0x7fff, 0x1fff8])), 0x71, 0x21,
                     ...uleb(pick(this.pointers)));
            return;
        }
        if (this.isLeaf)
            return this.leafStatement();
        if (this.m.tags && chance(30))
            return this.controlStatement();
        const dice = below(100);
        const type = pick(this.m.valtypes);
        const local = this.localOf(type), global = this.globalOf(type);
        if (dice < 30 && local) {
            this.expression(type, 3);
            this.put(0x21, ...local);
        } else if (dice < 38 && global) {
            this.expression(type, 2);
            this.put(0x24, ...global);
        } else if (dice < 55)
            this.store();
        else if (dice < 67)
            this.ifElse();
        else if (dice < 77)
            this.loop();
        else if (dice < 83)
            this.branch();
        else if (dice < 88)
            this.table();
        else if (dice < 91)
            this.bulk();
        else if (dice < 92)
            this.put(0x41, pick([0, 1]), 0x40, 0, 0x1a);
        else if (dice < 96) {
            const index = below(this.m.funcs.length);
            this.call(index);
            for (const r of this.m.types[this.m.funcs[index]].results)
                this.put(0x1a);
        } else {
            this.expression(type, 3);
            this.put(0x1a);
        }
    }

    statements(count) {
        for (let i = 0; i < count; i++)
            this.statement();
    }

    finish() {
        if (!this.isLeaf)
            this.burn();
        this.statements(this.isLeaf ? below(3) : 2 + below(8));
        for (const r of this.type.results)
            this.expression(r, this.isLeaf ? 2 : 3);
        const groups = this.locals.slice(this.type.params.length)
            .map((t) => [1, t]);
        const bytes = [...uleb(groups.length), ...groups.flat(), ...this.code,
                       0x0b];
        return [...uleb(bytes.length), ...bytes];
    }
}

Object.assign(Body.prototype, control, { below, chance });

// --- a module ---------------------------------------------------------------------

function section(id, items) {
    const body = [...uleb(items.length), ...items.flat()];
    return [id, ...uleb(body.length), ...body];
}

const nameBytes = (text) => [...uleb(text.length), ...Buffer.from(text)];

function byResult(list) {
    const out = {};
    for (const op of list)
        (out[op.result] ||= []).push(op);
    return out;
}

const SCALAR_OPS = byResult(ops);
const ALL_OPS = byResult([...ops, ...simd.ops]);

// FNV over memory and globals, so that every store counts.
function hashBody(globals) {
    const c = [];
    c.push(0x42, ...sleb(0x1234567), 0x21, 1);
    c.push(0x03, 0x40, 0x20, 1, 0x42, ...sleb(0x100000001b3n), 0x7e,
           0x20, 0, 0x29, 3, 0, 0x85, 0x21, 1,
           0x20, 0, 0x41, 8, 0x6a, 0x22, 0, 0x41, ...sleb(65536), 0x49, 0x0d,
           0, 0x0b);
    globals.forEach((type, i) => {
        const asI64 = { [I32]: [0xad], [I64]: [], [F32]: [0xbc, 0xad],
                        [F64]: [0xbd], [V128]: [0xfd, 0x1d, 1] }[type];
        if (i > 0)
            c.push(0x20, 1, 0x42, 31, 0x7e, 0x23, ...uleb(i), ...asI64, 0x85,
                   0x21, 1);
    });
    c.push(0x20, 1, 0x0b);
    const bytes = [2, 1, I32, 1, I64, ...c];
    return [...uleb(bytes.length), ...bytes];
}

// Tags, and the types of the blocks in front of their handlers.
function makeTags(m, form) {
    m.both = form !== "legacy";
    m.exnref = form === "exnref";
    m.tags = Array.from({ length: 1 + below(3) }, () =>
        Array.from({ length: below(4) }, () => pick(m.valtypes)));
    const after = m.types.length + 1 + m.tags.length; // hash's, the tags' own
    m.caught = m.tags.map((_, i) => after + i);
}

// The types behind those of functions: [parameters, results].
function tagTypes(m) {
    const tags = m.tags || [], exnref = m.exnref ? [EXNREF] : [];
    return [...tags.map((t) => [t, []]),
            ...tags.map((t) => [[], [...t, ...exnref]])]
        .map(([params, results]) => ({ params, results }));
}

// form: null, or the form of exceptions: legacy (any), common (legacy, but only
// what the new form has too), exnref.
function makeModule(vectors, form) {
    const m = {};
    m.valtypes = vectors ? [I32, I64, F32, F64, V128, V128] : [I32, I64, F32, F64];
    m.byResult = vectors ? ALL_OPS : SCALAR_OPS;
    m.types = [];
    m.funcs = [];
    const count = 2 + below(4), leaves = below(5);
    m.firstLeaf = count;
    for (let i = 0; i < count + leaves; i++) {
        const many = i < count && chance(15);
        const params = Array.from({ length: below(many ? 16 : 5) },
                                  () => pick(m.valtypes));
        const results = form && i > 0 && chance(50) ? m.types[0].results
            : Array.from({ length: chance(12) ? 2 + below(6) : below(2) },
                                   () => pick(m.valtypes));
        m.types.push({ params, results });
        m.funcs.push(i);
    }
    if (form)
        makeTags(m, form);
    m.globals = [I32, ...Array.from({ length: below(6) }, () => pick(m.valtypes))];

    const bodies = m.funcs.map((_, i) => new Body(m, i).finish());
    // Exported wrappers: refuel, call, reinterpret nothing.  A vector cannot
    // leave, so functions with one are reached through the others only.
    const exported = m.funcs.filter((f) =>
        ![...m.types[f].params, ...m.types[f].results].includes(V128));
    const wrappers = exported.map((f) => {
        const c = [0, 0x41, ...sleb(FUEL), 0x24, 0];
        m.types[f].params.forEach((_, i) => c.push(0x20, ...uleb(i)));
        c.push(0x10, ...uleb(f), 0x0b);
        return [...uleb(c.length), ...c];
    });
    const hashType = m.types.length;
    const typeItems = [...m.types, { params: [], results: [I64] },
                       ...tagTypes(m)].map((t) =>
        [0x60, ...uleb(t.params.length), ...t.params, ...uleb(t.results.length),
         ...t.results]);
    const zero = { [I32]: [0x41, 0], [I64]: [0x42, 0], [F32]: [0x43, 0, 0, 0, 0],
                   [F64]: [0x44, 0, 0, 0, 0, 0, 0, 0, 0],
                   [V128]: [0xfd, 0x0c, ...Array(16).fill(0)] };
    const first = m.funcs.length;
    const bytes = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
        ...section(1, typeItems),
        ...section(3, [...m.funcs, ...exported, hashType].map((t) => uleb(t))),
        ...section(4, [[0x70, 0, ...uleb(m.funcs.length)]]),
        ...section(5, [[1, 1, 3]]),
        ...(m.tags ? section(13, m.tags.map((_, i) =>
            [0, ...uleb(hashType + 1 + i)])) : []),
        ...section(6, m.globals.map((t) => [t, 1, ...zero[t], 0x0b])),
        ...section(7, [...exported.map((f, i) =>
            [...nameBytes("f" + f), 0, ...uleb(first + i)]),
            [...nameBytes("hash"), 0, ...uleb(first + exported.length)]]),
        ...section(9, [[0, 0x41, 0, 0x0b, ...uleb(m.funcs.length),
                        ...m.funcs.map((f) => uleb(f)).flat()]]),
        ...section(10, [...bodies, ...wrappers, hashBody(m.globals)]),
        ...section(11, [[0, 0x41, 0, 0x0b, ...uleb(64),
                         ...Array.from({ length: 64 }, () => below(256))],
                        [0, 0x41, ...sleb(65500), 0x0b, ...uleb(36),
                         ...Array.from({ length: 36 }, () => below(256))]]),
    ];
    return { bytes: new Uint8Array(bytes), types: m.types, exported };
}

// Call some exports with edge values, the hash after each.
function script(answers, made) {
    const argument = { [I32]: i32, [I64]: i64, [F32]: f32, [F64]: f64 };

    for (let i = 0; i < CALLS && made.exported.length > 0; i++) {
        const f = pick(made.exported), t = made.types[f];
        const args = t.params.map((p) => [p, argument[p]()]);
        if (!answers.invoke("f" + f, args, t.results) ||
            !answers.invoke("hash", [], [I64]))
            return;
    }
}

function main() {
    const [, , dir, firstSeed, count, mode = "scalar"] = argv;
    const answers = new Answers(dir, `smith-${mode}`);

    for (let n = 0; n < Number(count); n++) {
        const seed = BigInt(firstSeed) + BigInt(n);
        const make = (form) => {
            state = seed * 0x2545f4914f6cdd1dn;
            return makeModule(mode === "simd" || (form && chance(40)), form);
        };
        // Node throws when the module is invalid: our bug.
        if (mode !== "control") {
            const made = make(null);
            answers.module(made.bytes, seed);
            script(answers, made);
        } else if (n % 2 === 0) {
            const made = make("legacy");
            answers.module(made.bytes, seed);
            script(answers, made);
        } else {
            const exnref = make("exnref"), made = make("common");
            answers.module(made.bytes, seed, exnref.bytes);
            script(answers, made);
        }
    }
    answers.end();
}

main();
