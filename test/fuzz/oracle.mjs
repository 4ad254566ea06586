// test/fuzz/oracle.mjs: what Node answers, written as a test script that expects
// the same: DIR/NAME-SEED.json and its modules, a file for every PER_FILE.

import { mkdirSync, writeFileSync } from "node:fs";

const I32 = 0x7f, I64 = 0x7e, F32 = 0x7d, F64 = 0x7c;
const PER_FILE = 50;
const TYPE_NAMES = { [I32]: "i32", [I64]: "i64", [F32]: "f32", [F64]: "f64" };

// Node's words and the suite's.  V8 does not tell "integer overflow" and
// "invalid conversion to integer" apart: any trap is right there.
const TRAPS = [["divide by zero", "integer divide by zero"],
    ["remainder by zero", "integer divide by zero"],
    ["divide result unrepresentable", "integer overflow"],
    ["float unrepresentable", "(any trap)"],
    ["memory access out of bounds", "out of bounds memory access"],
    ["table index is out of bounds", "undefined element"],
    ["null function or function signature", "indirect call type mismatch"],
    ["unreachable", "unreachable"]];

const view = new DataView(new ArrayBuffer(8));

function toJs(type, bits) {
    if (type === I32)
        return Number(BigInt.asIntN(32, bits));
    if (type === I64)
        return BigInt.asIntN(64, bits);
    if (type === F64) {
        view.setBigUint64(0, bits);
        return view.getFloat64(0);
    }
    view.setUint32(0, Number(bits));
    return view.getFloat32(0);
}

function fromJs(type, value) {
    if (type === I32)
        return BigInt.asUintN(32, BigInt(value));
    if (type === I64)
        return BigInt.asUintN(64, value);
    if (type === F64) {
        view.setFloat64(0, value);
        return view.getBigUint64(0);
    }
    view.setFloat32(0, value);
    return BigInt(view.getUint32(0));
}

function trapText(error) {
    for (const [theirs, ours] of TRAPS)
        if (error.message.includes(theirs))
            return ours;
    return null;
}

function json(type, bits) {
    const size = type === I32 || type === F32 ? 32 : 64;
    return { type: TYPE_NAMES[type], value: String(BigInt.asUintN(size, bits)) };
}

function expected(type, value) {
    if ((type === F32 || type === F64) && Number.isNaN(value))
        return { type: TYPE_NAMES[type], value: "nan:arithmetic" };
    return json(type, fromJs(type, value));
}

export class Answers {
    constructor(dir, name) {
        mkdirSync(dir, { recursive: true });
        this.dir = dir;
        this.name = name;
        this.commands = [];
        this.modules = 0;
    }

    // The next module; instantiated here, and loaded by the script, which may
    // have it in another form.
    module(bytes, seed, scriptBytes = bytes) {
        if (this.modules % PER_FILE === 0) {
            this.flush();
            this.file = `${this.name}-${seed}`;
        }
        const filename = `${this.file}.${this.modules % PER_FILE}.wasm`;
        this.line = Number(seed);
        const compiled = new WebAssembly.Module(bytes);
        this.instance = new WebAssembly.Instance(compiled);
        writeFileSync(`${this.dir}/${filename}`, scriptBytes);
        this.commands.push({ type: "module", line: this.line, filename });
        this.modules++;
    }

    // Call an export; args are [type, bits].  False when Node's own limits were
    // hit and nothing can be said from here on.
    invoke(field, args, results) {
        const action = { type: "invoke", field,
                         args: args.map(([t, b]) => json(t, b)) };
        try {
            let got = this.instance.exports[field](
                ...args.map(([t, b]) => toJs(t, b)));
            got = results.length === 1 ? [got] : [...(got || [])];
            this.commands.push({ type: "assert_return", line: this.line, action,
                expected: results.map((t, i) => expected(t, got[i])) });
        } catch (error) {
            if (error instanceof WebAssembly.Exception) {
                this.commands.push({ type: "assert_exception", line: this.line,
                                     action });
                return true;
            }
            const text = error instanceof WebAssembly.RuntimeError
                ? trapText(error) : null;
            if (text === null)
                return false;
            this.commands.push({ type: "assert_trap", line: this.line, action,
                                 text, expected: [] });
        }
        return true;
    }

    flush() {
        if (this.commands.length > 0)
            writeFileSync(`${this.dir}/${this.file}.json`, JSON.stringify(
                { source_filename: `${this.file}.mjs`,
                  commands: this.commands }));
        this.commands = [];
    }

    end() {
        this.flush();
        console.log(`${this.modules} modules`);
    }
}
