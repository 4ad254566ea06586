// test/programs/node.mjs DIR FILE.wasm [ARGS...]: run a WASI program under Node
// with DIR as its "/", as an oracle.

import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { WASI } from "node:wasi";

const [, , dir, file, ...args] = process.argv;
const wasi = new WASI({ version: "preview1", args: [basename(file), ...args],
                        env: {}, preopens: { "/": dir }, returnOnExit: true });
const module = await WebAssembly.compile(await readFile(file));
const instance = await WebAssembly.instantiate(module,
                                               wasi.getImportObject());
process.exitCode = wasi.start(instance);
