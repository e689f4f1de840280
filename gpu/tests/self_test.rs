//! All kernels under the C++ compiler's sanitizers, with threads in both orders; the devices' product of field elements against the
//! host's.

use std::path::Path;
use std::process::Command;

use gpu::twin::{build_self_test, skip, Twin};

#[test]
fn kernels_pass_under_sanitizers() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("self-test");
    let program = match build_self_test(&folder).expect("the self-test can be built") {
        Twin::Built(program) => program,
        Twin::NoCompiler => return skip("no C++ compiler, so no self-test"),
    };
    for order in ["forward", "reverse"] {
        let output = Command::new(&program).env("ZKINFER_TWIN_ORDER", order).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{order}: {text}");
    }
}
