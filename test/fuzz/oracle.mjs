// test/fuzz/oracle.mjs: what Node answers, written as a test script that expects
// the same: DIR/NAME-SEED.json and its modules, a file for every PER_FILE.

import { mkdirSync, writeFileSync } from "node:fs";
import { env } from "node:process";

const I32 = 0x7f, I64 = 0x7e, F32 = 0x7d, F64 = 0x7c;
const PER_FILE = 50;
const TYPE_NAMES = { [I32]: "i32", [I64]: "i64", [F32]: "f32", [F64]: "f64" };

// References are told by their hierarchy, with ? where they may be null; those
// that the host makes are of numbers, by which they are known.
const hosts = new Map();

function host(number) {
    if (!hosts.has(number))
        hosts.set(number, { number });
    return hosts.get(number);
}

const isReference = (type) => typeof type === "string";

function expectedReference(type, value) {
    const family = type.replace("?", "");
    if (value === null)
        return { type: "refnull" };
    if (typeof value === "number" && family === "any")
        return { type: "i31ref" };
    if (hosts.get(value?.number) === value)
        return { type: `${family}ref`, value: String(value.number) };
    return { type: `${family}ref` };
}

// Node's words and the suite's.  V8 does not tell some apart, as "integer
// overflow" and "invalid conversion to integer": any trap is right there.
const TRAPS = [["divide by zero", "integer divide by zero"],
    ["remainder by zero", "integer divide by zero"],
    ["divide result unrepresentable", "integer overflow"],
    ["float unrepresentable", "(any trap)"],
    ["memory access out of bounds", "out of bounds memory access"],
    ["table index is out of bounds", "(any trap)"],
    ["null function or function signature", "(any trap)"],
    ["dereferencing a null pointer", "(any trap)"],
    ["illegal cast", "cast failure"],
    ["array element access out of bounds", "out of bounds array access"],
    ["data segment out of bounds", "out of bounds memory access"],
    ["element segment out of bounds", "out of bounds table access"],
    ["unreachable", "unreachable"]];

const view = new DataView(new ArrayBuffer(8));

function toJs(type, bits) {
    if (isReference(type))
        return bits === null ? null : host(bits);
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
    if (isReference(type))
        return expectedReference(type, toJs(type, bits));
    const size = type === I32 || type === F32 ? 32 : 64;
    return { type: TYPE_NAMES[type], value: String(BigInt.asUintN(size, bits)) };
}

function expected(type, value) {
    if (isReference(type))
        return expectedReference(type, value);
    if ((type === F32 || type === F64) && Number.isNaN(value))
        return { type: TYPE_NAMES[type], value: "nan:arithmetic" };
    return json(type, fromJs(type, value));
}

const isNaN = (value) => typeof value === "number" && Number.isNaN(value);

export class Answers {
    // perFile: modules in a script; computed: NaNs come from operators only.
    constructor(dir, name, perFile = PER_FILE, computed = true) {
        mkdirSync(dir, { recursive: true });
        this.dir = dir;
        this.name = name;
        this.perFile = perFile;
        this.computed = computed;
        this.commands = [];
        this.modules = 0;
    }

    // The next module; instantiated here, and loaded by the script, which may
    // have it in another form.  False when its start traps.
    module(bytes, seed, scriptBytes = bytes) {
        if (this.modules % this.perFile === 0) {
            this.flush();
            this.file = `${this.name}-${seed}`;
        }
        const filename = `${this.file}.${this.modules % this.perFile}.wasm`;
        this.line = Number(seed);
        const compiled = new WebAssembly.Module(bytes);
        writeFileSync(`${this.dir}/${filename}`, scriptBytes);
        this.modules++;
        try {
            this.instance = new WebAssembly.Instance(compiled);
        } catch (error) {
            if (!(error instanceof WebAssembly.RuntimeError)) {
                this.refused(error);
                return false;
            }
            this.commands.push({ type: "assert_uninstantiable", line: this.line,
                                 filename, text: "(any trap)" });
            return false;
        }
        this.commands.push({ type: "module", line: this.line, filename });
        return true;
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
            if (this.computed || !got.some(isNaN))
                this.commands.push({ type: "assert_return", line: this.line,
                    action,
                    expected: results.map((t, i) => expected(t, got[i])) });
            else
                this.commands.push({ type: "action", line: this.line, action,
                                     expected: [] });
        } catch (error) {
            if (error instanceof WebAssembly.Exception) {
                this.commands.push({ type: "assert_exception", line: this.line,
                                     action });
                return true;
            }
            const text = error instanceof WebAssembly.RuntimeError
                ? trapText(error) : null;
            if (text === null) {
                this.refused(error);
                return false;
            }
            this.commands.push({ type: "assert_trap", line: this.line, action,
                                 text, expected: [] });
        }
        return true;
    }

    // What an exported global holds.
    global(field, type) {
        const value = this.instance.exports[field].value;

        if (this.computed || !isNaN(value))
            this.commands.push({ type: "assert_return", line: this.line,
                action: { type: "get", field },
                expected: [expected(type, value)] });
    }

    // Nothing can be said of what Node gave up for reasons of its own.
    refused(error) {
        if (env.ORACLE_REFUSED !== undefined)
            console.error(`${this.line}: ${error}`);
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
