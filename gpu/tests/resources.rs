//! Registers, stack and spills of the kernels that are built in, against `cuda/limits.csv`.
//!
//! A kernel that takes more registers runs with fewer threads at a time; one that spills waits for memory. Neither is seen by a test
//! of results, and both come with small changes. No kernel may spill; those that the file lists may take no more than it says.
//! `ZKINFER_WRITE_LIMITS=1` writes it anew.
#![cfg(embedded_kernels)]

use std::collections::BTreeMap;

/// What a kernel takes on the architecture where it takes most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Resources {
    registers: u32,
    stack_bytes: u32,
    spill_bytes: u32,
    shared_bytes: u32,
}

impl Resources {
    fn most(self, other: Self) -> Self {
        Self {
            registers: self.registers.max(other.registers),
            stack_bytes: self.stack_bytes.max(other.stack_bytes),
            spill_bytes: self.spill_bytes.max(other.spill_bytes),
            shared_bytes: self.shared_bytes.max(other.shared_bytes),
        }
    }
}

/// The identifiers in a mangled name, each of which is its length and itself, and the literals among them (`L`, a type, the number, `E`).
fn identifiers(mangled: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = mangled;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let digits = rest[start..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - start);
        let (length, behind) = rest[start..].split_at(digits);
        if ["Lb", "Li", "Lj"].iter().any(|literal| rest[..start].ends_with(literal)) {
            found.push(length);
            rest = behind;
            continue;
        }
        match length.parse::<usize>().ok().and_then(|length| behind.get(..length).filter(|name| !name.is_empty())) {
            Some(name) if name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') => {
                found.push(name);
                rest = &behind[name.len()..];
            }
            _ => rest = behind,
        }
    }
    found
}

/// A kernel's name for people: its file, its struct and the struct's parameters. The compiler puts the file into the name of the unnamed
/// namespace, `_GLOBAL__N__<hash>_<length>_<file>_cu_<hash>`.
fn kernel_name(mangled: &str) -> String {
    let part = |name: &str| match name.strip_prefix("_GLOBAL__N__") {
        Some(rest) => rest.split('_').skip(2).take_while(|part| *part != "cu").collect::<Vec<_>>().join("_"),
        None => name.to_owned(),
    };
    let names = identifiers(mangled).into_iter().filter(|name| !["zkinfer", "run_kernel", "Field", "_"].contains(name));
    names.map(part).collect::<Vec<_>>().join(".")
}

/// The number before a word.
fn number_before(line: &str, word: &str) -> Option<u32> {
    line[..line.find(word)?].split_whitespace().next_back()?.parse().ok()
}

fn parse(report: &str) -> BTreeMap<String, Resources> {
    let mut kernels: BTreeMap<String, Resources> = BTreeMap::new();
    let mut current = Resources::default();
    let mut name = String::new();
    for line in report.lines() {
        if let Some(rest) = line.split_once("Compiling entry function '").map(|(_, rest)| rest) {
            name = kernel_name(rest.split('\'').next().unwrap_or_default());
            current = Resources::default();
        } else if let Some(stack) = number_before(line, " bytes stack frame") {
            current.stack_bytes = stack;
            current.spill_bytes = number_before(line, " bytes spill stores").unwrap_or(0)
                + number_before(line, " bytes spill loads").unwrap_or(0);
        } else if let Some(registers) = number_before(line, " registers") {
            current.registers = registers;
            current.shared_bytes = number_before(line, " bytes smem").unwrap_or(0);
            let most = kernels.get(&name).map_or(current, |known| known.most(current));
            kernels.insert(name.clone(), most);
        }
    }
    kernels
}

const HEAD: &str = "kernel,registers,stack bytes,spill bytes,shared bytes\n";

fn table(kernels: &BTreeMap<String, Resources>) -> String {
    let line = |(name, of): (&String, &Resources)| {
        format!("{name},{},{},{},{}\n", of.registers, of.stack_bytes, of.spill_bytes, of.shared_bytes)
    };
    HEAD.to_owned() + &kernels.iter().map(line).collect::<String>()
}

fn read_table(text: &str) -> BTreeMap<String, Resources> {
    let line = |line: &str| {
        let (name, numbers) = line.split_once(',').expect("a name and numbers");
        let numbers: Vec<u32> = numbers.split(',').map(|number| number.parse().expect("a number")).collect();
        let [registers, stack_bytes, spill_bytes, shared_bytes] = numbers[..] else { panic!("four numbers: {line}") };
        (name.to_owned(), Resources { registers, stack_bytes, spill_bytes, shared_bytes })
    };
    text.lines().skip(1).map(line).collect()
}

#[test]
fn kernels_take_no_more_than_they_may() {
    let report = std::fs::read_to_string(env!("ZKINFER_CUDA_RESOURCES")).expect("the assembler's report");
    let found = parse(&report);
    assert!(!found.is_empty(), "the assembler names no kernels: {report}");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/cuda/limits.csv");
    if std::env::var_os("ZKINFER_WRITE_LIMITS").is_some() {
        std::fs::write(path, table(&found)).expect("the limits can be written");
    }
    let limits = read_table(&std::fs::read_to_string(path).expect("the limits"));
    for (name, found) in &found {
        assert_eq!(found.spill_bytes, 0, "{name} spills");
        match limits.get(name) {
            Some(limit) => assert_eq!(found.most(*limit), *limit, "{name} takes more than its limit"),
            None => println!("{name} has no limit yet: ZKINFER_WRITE_LIMITS=1 writes the limits anew"),
        }
    }
}

#[test]
fn the_library_that_is_built_in_is_opened_without_a_device() {
    let kernels = gpu::Kernels::find().expect("the loader takes it, with or without a driver");
    if let Err(reason) = kernels.device_count() {
        gpu::twin::skip(&reason.to_string());
        assert!(kernels.device(0, None).is_err());
    }
}
