// test/fuzz/gc/src/main.rs: `gc-smith DIR FIRST-SEED COUNT`: random modules of
// wasm-smith with structs, arrays and casts: DIR/SEED.wasm, and of each
// DIR/SEED.types, a line for each function or global that it exports: name in
// hexadecimal, kind, types of parameters, types of results.  A type is a
// number's name or the hierarchy of a reference, with `?` if it may be null.
//
// The same seed makes the same module everywhere.  Calls and loop turns cost
// fuel; NaNs are canonical.  Every other seed makes modules that are not to
// trap, so that they come further.

use arbitrary::Unstructured;
use std::{env, error::Error, fmt::Write, fs, process};
use wasm_smith::{Config, Module};
use wasmparser::{
    AbstractHeapType, CompositeInnerType, ExternalKind, HeapType, Parser, Payload, RefType,
    TypeRef, ValType,
};

const FUEL: u32 = 300;

// splitmix64
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e3779b97f4a7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d049bb133111eb);
    z ^ (z >> 31)
}

fn config(state: &mut u64, disallow_traps: bool) -> Config {
    let simd_enabled = random(state) % 4 == 0;
    Config {
        allow_start_export: false,
        canonicalize_nans: true,
        disallow_traps,
        exceptions_enabled: random(state) % 2 == 0,
        export_everything: true,
        gc_enabled: true,
        max_data_segments: 4,
        max_element_segments: 8,
        max_funcs: 12,
        max_globals: 12,
        max_imports: 0,
        max_instructions: 400,
        max_memory32_bytes: 2 << 16,
        max_memory64_bytes: 2 << 16,
        max_table_elements: 100,
        max_tables: 3,
        max_types: 24,
        memory64_enabled: random(state) % 4 == 0,
        memory_max_size_required: true,
        min_funcs: 2,
        min_types: 6,
        relaxed_simd_enabled: false,
        simd_enabled,
        table_max_size_required: true,
        tail_call_enabled: true,
        threads_enabled: false,
        ..Config::default()
    }
}

fn generate(seed: u64) -> Option<Vec<u8>> {
    let mut state = seed.wrapping_mul(0x2545f4914f6cdd1d);
    let size = 1000 + random(&mut state) % 12000;
    let config = config(&mut state, seed % 2 == 0);
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < size {
        bytes.extend(random(&mut state).to_le_bytes());
    }
    let mut module = Module::new(config, &mut Unstructured::new(&bytes)).ok()?;
    module.ensure_termination(FUEL).ok()?;
    Some(module.to_bytes())
}

// What a module declares, as far as its exports need it.
#[derive(Default)]
struct Types {
    types: Vec<CompositeInnerType>,
    funcs: Vec<u32>,
    globals: Vec<ValType>,
}

impl Types {
    fn reference(&self, r: RefType) -> String {
        let name = match r.heap_type() {
            HeapType::Abstract { ty, .. } => match ty {
                AbstractHeapType::Func | AbstractHeapType::NoFunc => "func",
                AbstractHeapType::Extern | AbstractHeapType::NoExtern => "extern",
                AbstractHeapType::Exn | AbstractHeapType::NoExn => "exn",
                _ => "any",
            },
            HeapType::Concrete(index) | HeapType::Exact(index) => {
                match index.as_module_index().map(|k| &self.types[k as usize]) {
                    Some(CompositeInnerType::Func(_)) => "func",
                    _ => "any",
                }
            }
        };
        format!("{name}{}", if r.is_nullable() { "?" } else { "" })
    }

    fn list(&self, types: &[ValType]) -> String {
        let names: Vec<String> = types
            .iter()
            .map(|t| match t {
                ValType::I32 => "i32".into(),
                ValType::I64 => "i64".into(),
                ValType::F32 => "f32".into(),
                ValType::F64 => "f64".into(),
                ValType::V128 => "v128".into(),
                ValType::Ref(r) => self.reference(*r),
            })
            .collect();
        names.join(",")
    }
}

fn describe(bytes: &[u8]) -> Result<String, Box<dyn Error>> {
    let mut module = Types::default();
    let mut out = String::new();

    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::TypeSection(groups) => {
                for group in groups {
                    for t in group?.into_types() {
                        module.types.push(t.composite_type.inner);
                    }
                }
            }
            Payload::ImportSection(imports) => {
                for import in imports {
                    if let TypeRef::Func(_) = import?.ty {
                        return Err("a function is imported".into());
                    }
                }
            }
            Payload::FunctionSection(funcs) => {
                for f in funcs {
                    module.funcs.push(f?);
                }
            }
            Payload::GlobalSection(globals) => {
                for g in globals {
                    module.globals.push(g?.ty.content_type);
                }
            }
            Payload::ExportSection(exports) => {
                for e in exports {
                    let e = e?;
                    let k = e.index as usize;
                    let name: String = e.name.bytes().map(|b| format!("{b:02x}")).collect();
                    if e.kind == ExternalKind::Global {
                        let t = module.list(&[module.globals[k]]);
                        writeln!(out, "{name}\tglobal\t\t{t}")?;
                    } else if e.kind == ExternalKind::Func {
                        if let CompositeInnerType::Func(f) = &module.types[module.funcs[k] as usize]
                        {
                            let (p, r) = (module.list(f.params()), module.list(f.results()));
                            writeln!(out, "{name}\tfunc\t{p}\t{r}")?;
                        }
                    }
                }
            }
            _ => {}
        }
    }
    Ok(out)
}

fn run() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().collect();
    let [_, dir, first, count] = &args[..] else {
        return Err("gc-smith DIR FIRST-SEED COUNT".into());
    };
    let (first, count): (u64, u64) = (first.parse()?, count.parse()?);

    fs::create_dir_all(dir)?;
    for seed in first..first + count {
        let Some(bytes) = generate(seed) else {
            continue;
        };
        let types = describe(&bytes)?;
        if types.is_empty() {
            continue;
        }
        fs::write(format!("{dir}/{seed}.wasm"), &bytes)?;
        fs::write(format!("{dir}/{seed}.types"), types)?;
    }
    Ok(())
}

fn main() {
    if let Err(error) = run() {
        eprintln!("gc-smith: {error}");
        process::exit(1);
    }
}
