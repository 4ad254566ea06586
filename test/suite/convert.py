#!/usr/bin/env python3
"""test/suite/convert.py WASM-TOOLS DATA OUT: the scripts (*.wast) below DATA as
JSON and binary modules in OUT, one folder for each part of the suite."""

import json
import pathlib
import shutil
import subprocess
import sys

# Our folder, and where its scripts are.
PARTS = {
    "core": "wasm-v3",
    "simd": "proposals/simd",
    "relaxed-simd": "proposals/relaxed-simd",
    "multi-memory": "proposals/multi-memory",
    "memory64": "proposals/memory64",
    "gc": "proposals/gc",
    "threads": "proposals/threads",
    "custom-page-sizes": "proposals/custom-page-sizes",
    "wide-arithmetic": "proposals/wide-arithmetic",
}


def run(*command):
    subprocess.run(command, check=True, stderr=subprocess.PIPE)


def binary(tools, folder, command):
    """A module that a script quotes as text and then uses."""
    text = folder / command["filename"]
    run(tools, "parse", str(text), "-o", str(text.with_suffix(".wasm")))
    command["filename"] = text.with_suffix(".wasm").name
    command["module_type"] = "binary"


def unsigned(text, lane):
    """Numbers are written without a sign, as in wast2json."""
    if not text.startswith("-"):
        return text
    return str(int(text) % (1 << int(lane[1:])))


def complete(value):
    """What a value lacks beside that of wast2json: a null reference's value;
    bits as unsigned numbers."""
    kind = value.get("type", "")
    if kind.startswith("null") and kind.endswith("ref"):
        value.setdefault("value", "null")
    for choice in value.get("values", []):
        complete(choice)
    if kind == "v128":
        lane = value["lane_type"]
        value["value"] = [unsigned(v, lane) for v in value["value"]]
    elif kind in ("i32", "i64", "f32", "f64") and "value" in value:
        value["value"] = unsigned(value["value"], kind)


def convert(tools, script, folder):
    target = folder / (script.stem + ".json")
    run(tools, "json-from-wast", str(script), "--wasm-dir", str(folder),
        "-o", str(target))
    content = json.loads(target.read_text(errors="surrogatepass"))
    for command in content["commands"]:
        if command["type"] == "module" and command.get("module_type") == "text":
            binary(tools, folder, command)
        arguments = command.get("action", {}).get("args", [])
        for value in command.get("expected", []) + arguments:
            complete(value)
    target.write_text(json.dumps(content), errors="surrogatepass")


def main():
    tools, data, out = sys.argv[1:]
    shutil.rmtree(out, ignore_errors=True)
    core = {script.stem for script in
            (pathlib.Path(data) / PARTS["core"]).glob("*.wast")}
    refused = 0
    for part, source in PARTS.items():
        folder = pathlib.Path(out) / part
        folder.mkdir(parents=True)
        for script in sorted((pathlib.Path(data) / source).glob("*.wast")):
            if part != "core" and script.stem in core:
                continue  # from before it became part of the core
            try:
                convert(tools, script, folder)
            except subprocess.CalledProcessError as error:
                refused += 1
                last = error.stderr.decode(errors="replace").strip()
                print(f"{part}/{script.stem}: not converted: {last[:200]}")
    print(f"{refused} scripts could not be converted")


main()
