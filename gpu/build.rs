//! With the feature `cuda`: compiles the kernels with nvcc, for the library to carry. Without nvcc there is a warning and no kernels.
//!
//! | variable | meaning | default |
//! | --- | --- | --- |
//! | `NVCC` | the compiler | `nvcc` in the search path |
//! | `ZKINFER_CUDA_ARCHS` | architectures, separated by commas; for the last one PTX is added, which newer devices translate | `80,86,89,90` |
//!
//! What the assembler says of each kernel (registers, spills) is left in a file for `tests/resources.rs`.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The architectures that the library is made for, unless told otherwise.
const ARCHITECTURES: &str = "80,86,89,90";

fn main() {
    for variable in ["NVCC", "ZKINFER_CUDA_ARCHS", "PATH"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    println!("cargo:rerun-if-changed=cuda");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-check-cfg=cfg(embedded_kernels)");
    if std::env::var_os("CARGO_FEATURE_CUDA").is_none() {
        return;
    }
    let nvcc = std::env::var_os("NVCC").unwrap_or_else(|| "nvcc".into());
    if !Command::new(&nvcc).arg("--version").output().is_ok_and(|output| output.status.success()) {
        println!(
            "cargo:warning=feature `cuda`: {} does not run, so no kernels are built in; set NVCC to a CUDA compiler",
            nvcc.to_string_lossy()
        );
        return;
    }
    let folder = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo names it"));
    match (Compiler { nvcc, architectures: architectures() }).library(&folder) {
        Ok((library, resources)) => {
            println!("cargo:rustc-env=ZKINFER_CUDA_LIBRARY={}", library.display());
            println!("cargo:rustc-env=ZKINFER_CUDA_RESOURCES={}", resources.display());
            println!("cargo:rustc-cfg=embedded_kernels");
        }
        Err(reason) => panic!("the kernels can't be compiled: {reason}"),
    }
}

fn architectures() -> Vec<String> {
    let list = std::env::var("ZKINFER_CUDA_ARCHS").unwrap_or_else(|_| ARCHITECTURES.into());
    let list: Vec<String> = list.split(',').map(|name| name.trim().to_owned()).collect();
    let numbers = list.iter().all(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    assert!(numbers, "ZKINFER_CUDA_ARCHS is a list like {ARCHITECTURES}");
    list
}

struct Compiler {
    nvcc: OsString,
    architectures: Vec<String>,
}

impl Compiler {
    /// The library, and what the assembler says of its kernels.
    fn library(&self, folder: &Path) -> Result<(PathBuf, PathBuf), String> {
        let mut sources: Vec<PathBuf> = std::fs::read_dir("cuda")
            .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
            .map_err(|error| format!("the sources: {error}"))?;
        sources.retain(|path| path.extension() == Some(OsStr::new("cu")));
        sources.sort();
        let objects: Vec<PathBuf> =
            sources.iter().map(|source| folder.join(source.with_extension("o").file_name().expect("a file"))).collect();
        // The files do not depend on each other.
        let reports: Result<Vec<String>, String> = std::thread::scope(|scope| {
            let jobs = sources.iter().zip(&objects);
            let running: Vec<_> =
                jobs.map(|(source, object)| scope.spawn(move || self.compile(source, object))).collect();
            running.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        let resources = folder.join("resources.txt");
        std::fs::write(&resources, reports?.concat()).map_err(|error| error.to_string())?;
        let library = folder.join("libzkinfer_cuda.so");
        let mut link = Command::new(&self.nvcc);
        link.args(["-shared", "-cudart", "static"]).args(self.targets()).args(self.library_folder());
        link.args(["-Xlinker", "--no-undefined", "-Xlinker", "-Bsymbolic", "-Xlinker", "-s"]);
        run(link.arg("-o").arg(&library).args(&objects))?;
        Ok((library, resources))
    }

    fn compile(&self, source: &Path, object: &Path) -> Result<String, String> {
        let mut compile = Command::new(&self.nvcc);
        compile.args(["-O2", "-std=c++17", "-Xfatbin", "-compress-all", "-Xptxas", "-v"]);
        compile.args(["-Xcompiler", "-fPIC,-fvisibility=hidden"]).args(self.targets());
        run(compile.arg("-c").arg(source).arg("-o").arg(object))
    }

    fn targets(&self) -> Vec<String> {
        let target = |name: &String| [format!("-gencode=arch=compute_{name},code=sm_{name}")];
        let portable =
            self.architectures.last().map(|last| format!("-gencode=arch=compute_{last},code=compute_{last}"));
        self.architectures.iter().flat_map(target).chain(portable).collect()
    }

    /// Where toolkits from wheels have the runtime; nvcc looks beside it.
    fn library_folder(&self) -> Option<OsString> {
        let folder = Path::new(&self.nvcc).parent()?.parent()?.join("lib");
        folder.join("libcudart_static.a").exists().then(|| {
            let mut flag = OsString::from("-L");
            flag.push(folder);
            flag
        })
    }
}

/// What a command says on its error output.
fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        Ok(text)
    } else {
        Err(format!("{command:?}:\n{}{text}", String::from_utf8_lossy(&output.stdout)))
    }
}
