// test/fuzz/ttf.mjs DIR FIRST-SEED COUNT: modules from binaryen's
// `wasm-opt -ttf`, run under Node, written as a test script (oracle.mjs).

import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { argv, pid } from "node:process";
import { createHash } from "node:crypto";
import { Answers } from "./oracle.mjs";

const FEATURES = ["--mvp-features", "--enable-sign-ext",
    "--enable-nontrapping-float-to-int", "--enable-bulk-memory",
    "--enable-mutable-globals", "--enable-multivalue"];
const V128_UP = 0x7b; // values from here down cannot cross to JavaScript

function randomBytes(seed, size) {
    const out = [];
    for (let i = 0; out.length < size; i++)
        out.push(...createHash("sha256").update(`${seed}:${i}`).digest());
    return Buffer.from(out.slice(0, size));
}

function generate(seed) {
    const base = `${tmpdir()}/ttf-${pid}`;
    const size = 200 + (seed * 7919) % 4000;
    writeFileSync(`${base}.in`, randomBytes(seed, size));
    try {
        execFileSync("wasm-opt", [`${base}.in`, "-ttf", "-o", `${base}.wasm`,
            "--denan", "--remove-imports", ...FEATURES], { stdio: "ignore" });
    } catch {
        return null; // binaryen's own limit: it makes nothing of this seed
    }
    const bytes = readFileSync(`${base}.wasm`);
    rmSync(`${base}.in`);
    rmSync(`${base}.wasm`);
    return bytes;
}

// The exported functions and their types, from the binary.
function signatures(bytes) {
    let at = 8;
    const types = [], funcs = [], exports = [];
    const u32 = () => {
        let value = 0, shift = 0;
        for (;;) {
            const byte = bytes[at++];
            value |= (byte & 0x7f) << shift;
            shift += 7;
            if (byte < 0x80)
                return value >>> 0;
        }
    };
    const list = () => Array.from({ length: u32() }, () => bytes[at++]);
    while (at < bytes.length) {
        const id = bytes[at++], size = u32(), end = at + size;
        for (let n = [1, 3, 7].includes(id) ? u32() : 0; n > 0; n--) {
            if (id === 1) {
                at++;
                types.push({ params: list(), results: list() });
            } else if (id === 3) {
                funcs.push(u32());
            } else {
                const len = u32();
                const name = Buffer.from(bytes.slice(at, at + len)).toString();
                at += len;
                const kind = bytes[at++], index = u32();
                if (kind === 0)
                    exports.push({ name, ...types[funcs[index]] });
            }
        }
        at = end;
    }
    return exports;
}

const argument = { 0x7f: 5n, 0x7e: 0x123456789n, 0x7d: 0x40490fdbn,
                   0x7c: 0x400921fb54442d18n };

function main() {
    const [, , dir, firstSeed, count] = argv;
    const answers = new Answers(dir, "ttf");

    for (let n = 0; n < Number(count); n++) {
        const seed = Number(firstSeed) + n, bytes = generate(seed);
        if (bytes === null)
            continue;
        answers.module(bytes, seed);
        const all = signatures(bytes);
        const limit = all.find((e) => e.name === "hangLimitInitializer");
        for (const e of all) {
            if (e === limit ||
                [...e.params, ...e.results].some((t) => t <= V128_UP))
                continue;
            if (limit && !answers.invoke(limit.name, [], limit.results))
                break;
            if (!answers.invoke(e.name, e.params.map((t) => [t, argument[t]]),
                                e.results))
                break;
        }
    }
    answers.end();
}

main();
