// test/fuzz/gc.mjs GENERATOR DIR FIRST-SEED COUNT: modules with structs, arrays
// and casts from wasm-smith (gc/src/main.rs, built by cargo), run under Node of
// 24 or later, each written as a test script (oracle.mjs).

import { execFileSync, fork } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import process, { argv } from "node:process";
import { Answers } from "./oracle.mjs";

const CALLS = 3; // of each function
const CODES = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c };
const NUMBERS = {
    0x7f: [0n, 1n, 5n, 0x7fffffffn, 0x80000000n, 0xffffffffn, 0x1234n],
    0x7e: [0n, 1n, 0xffffffffffffffffn, 0x8000000000000000n, 0x123456789n],
    0x7d: [0n, 0x40490fdbn, 0xbf800000n, 0x7f800000n],
    0x7c: [0n, 0x400921fb54442d18n, 0xc000000000000000n, 0x7ff0000000000000n],
};

// Lines of: name, kind, types of parameters, types of results.
function exported(file) {
    const list = (types) => types === "" ? [] :
        types.split(",").map((name) => CODES[name] ?? name);
    return readFileSync(file, "utf8").split("\n").filter((line) => line !== "")
        .map((line) => {
        const [name, kind, params, results] = line.split("\t");
        return { name: Buffer.from(name, "hex").toString(), kind,
                 params: list(params), results: list(results) };
    });
}

// A value to call with; undefined: a script has none of the type.
function argument(type, n) {
    const numbers = NUMBERS[type];
    if (numbers !== undefined)
        return numbers[n % numbers.length];
    if (/^extern/.test(type) && n % 3 !== 0)
        return BigInt(n % 7 + 1);
    return type.endsWith("?") && !type.startsWith("exn") ? null : undefined;
}

const crosses = (type) => !/^(v128|exn)/.test(type);

function callAll(answers, exports, seed) {
    for (let n = 0; n < CALLS; n++) {
        for (const e of exports.filter((e) => e.kind === "func")) {
            const args = e.params.map((t, k) => [t, argument(t, seed + n * 5 + k)]);
            if (args.some(([, v]) => v === undefined) ||
                !e.params.every(crosses) || !e.results.every(crosses))
                continue;
            if (!answers.invoke(e.name, args, e.results))
                return;
        }
    }
    for (const e of exports)
        if (e.kind === "global" && crosses(e.results[0]))
            answers.global(e.name, e.results[0]);
}

// In a process of its own: an array that is too large for Node ends it.
function work(dir, made, seed, end) {
    const answers = new Answers(dir, "gc", 1, false);

    for (; seed < end; seed++) {
        const base = `${made}/${seed}`;
        process.send(seed);
        if (existsSync(`${base}.wasm`) &&
            answers.module(readFileSync(`${base}.wasm`), seed))
            callAll(answers, exported(`${base}.types`), seed);
        answers.flush();
    }
    process.disconnect();
}

// All modules up to `end`: where to go on, behind one that ended the process.
// Any other error than that is one of ours.
function workOn(dir, made, seed, end) {
    return new Promise((resolve, reject) => {
        const child = fork(argv[1], ["--work", dir, made, seed, end],
                           { stdio: ["ignore", "inherit", "pipe", "ipc"],
                             execArgv: ["--max-old-space-size=800"] });
        let at = seed, said = "";
        child.on("message", (now) => { at = now; });
        child.stderr.on("data", (text) => { said += text; });
        child.on("close", (status) => {
            if (status === 0)
                resolve(end);
            else if (said.includes("JavaScript heap out of memory"))
                resolve(at + 1);
            else
                reject(new Error(`seed ${at}: ${said}`));
        });
    });
}

async function main(generator, dir, firstSeed, count) {
    const made = mkdtempSync(`${tmpdir()}/gc-`);
    const end = Number(firstSeed) + Number(count);

    execFileSync(generator, [made, firstSeed, count]);
    for (let seed = Number(firstSeed); seed < end;)
        seed = await workOn(dir, made, seed, end);
    rmSync(made, { recursive: true });
}

if (argv[2] === "--work")
    work(argv[3], argv[4], Number(argv[5]), Number(argv[6]));
else
    await main(...argv.slice(2));
