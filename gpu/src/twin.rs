//! For tests: the kernels as the system's C++ compiler builds them, with the processor as the device.
//!
//! The twin has the same sources and the same interface as the library for devices. What differs is the product of two field
//! elements, and that threads run one after the other.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::library::REQUIRE_VARIABLE;

/// The sources of the kernels.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/cuda");

/// A twin, or why there is none.
#[derive(Clone, Debug)]
pub enum Twin {
    /// The library's file.
    Built(PathBuf),
    /// This machine has no C++ compiler.
    NoCompiler,
}

/// Builds the twin in a folder, unless it is there.
///
/// # Errors
/// Files can't be written, or the compiler refuses the sources.
pub fn build(folder: &Path) -> io::Result<Twin> {
    let file = folder.join("libzkinfer_twin.so");
    let Some(compiler) = compiler() else { return Ok(Twin::NoCompiler) };
    if is_newer_than_sources(&file)? {
        return Ok(Twin::Built(file));
    }
    std::fs::create_dir_all(folder)?;
    // Tests run at the same time: each builds its own, and the last one to be done leaves it.
    let own = folder.join(format!("{}.building", std::process::id()));
    compile(&compiler, &["-shared", "-fPIC", "-fvisibility=hidden"], &sources("cu")?, &own)?;
    std::fs::rename(&own, &file)?;
    Ok(Twin::Built(file))
}

/// Builds the self-test, a program that runs all kernels under the compiler's sanitizers.
///
/// # Errors
/// Files can't be written, or the compiler refuses the sources.
pub fn build_self_test(folder: &Path) -> io::Result<Twin> {
    let Some(compiler) = compiler() else { return Ok(Twin::NoCompiler) };
    std::fs::create_dir_all(folder)?;
    let file = folder.join("zkinfer_self_test");
    let flags = [
        "-DZKINFER_NO_REUSE",
        "-DZKINFER_COUNT_PRODUCTS",
        "-g",
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover=all",
    ];
    let mut files = sources("cu")?;
    files.push(Path::new(SOURCES).join("self_test.cpp"));
    compile(&compiler, &flags, &files, &file)?;
    Ok(Twin::Built(file))
}

/// Builds a library of one C++ source, for tests of what is refused; `None` without a compiler.
#[cfg(test)]
pub(crate) fn shared_library(folder: &Path, source: &str) -> io::Result<Option<PathBuf>> {
    let Some(compiler) = compiler() else { return Ok(None) };
    // A loader that has opened a file takes another one of that name for the same.
    let name = format!("other-{}", source.len());
    let (text, file) = (folder.join(&name).with_extension("cpp"), folder.join(&name).with_extension("so"));
    std::fs::write(&text, source)?;
    compile(&compiler, &["-shared", "-fPIC"], &[text], &file)?;
    Ok(Some(file))
}

/// Says that a test is left out for want of `what`; ends it as failed where `ZKINFER_REQUIRE_GPU` is 1.
///
/// # Panics
/// `ZKINFER_REQUIRE_GPU` is 1.
pub fn skip(what: &str) {
    assert!(std::env::var_os(REQUIRE_VARIABLE).is_none_or(|value| value != "1"), "{what}, and it is required");
    println!("skipped: {what}");
}

/// The C++ compiler that `CXX` names, or one of the usual names.
fn compiler() -> Option<OsString> {
    let named = std::env::var_os("CXX").into_iter();
    let mut candidates = named.chain(["c++", "g++", "clang++"].map(OsString::from));
    candidates.find(|name| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success()))
}

/// The source files with an ending, in order.
fn sources(ending: &str) -> io::Result<Vec<PathBuf>> {
    let files = std::fs::read_dir(SOURCES)?.map(|entry| Ok(entry?.path()));
    let mut files: Vec<_> = files.collect::<io::Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|found| found == ending));
    files.sort();
    Ok(files)
}

fn is_newer_than_sources(file: &Path) -> io::Result<bool> {
    let Ok(built) = file.metadata().and_then(|data| data.modified()) else { return Ok(false) };
    Ok(built >= newest(Path::new(SOURCES))?)
}

/// When a folder, or anything in it, was changed last.
fn newest(folder: &Path) -> io::Result<SystemTime> {
    let mut newest = folder.metadata()?.modified()?;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        newest = newest.max(if path.is_dir() { self::newest(&path)? } else { path.metadata()?.modified()? });
    }
    Ok(newest)
}

fn compile(compiler: &OsString, flags: &[&str], files: &[PathBuf], to: &Path) -> io::Result<()> {
    let mut command = Command::new(compiler);
    command.args(["-std=c++17", "-O2", "-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas"]).args(flags);
    command.args(["-x", "c++"]).args(files).arg("-o").arg(to);
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("{command:?}:\n{}", String::from_utf8_lossy(&output.stderr))))
}
