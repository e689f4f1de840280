//! Where the CUDA runtime is, for linking: the folder that `ZKINFER_CUDART` names, if it does. `check.sh` names one in which `libcudart.a`
//! is the static runtime, so that programs start where there is no CUDA.

fn main() {
    println!("cargo:rerun-if-env-changed=ZKINFER_CUDART");
    println!("cargo:rerun-if-changed=build.rs");
    if let Ok(folder) = std::env::var("ZKINFER_CUDART") {
        println!("cargo:rustc-link-search=native={folder}");
    }
}
