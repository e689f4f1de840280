//! Runs the built command as scripts do.

// Each test file is a crate of its own and uses a part of this.
#![allow(dead_code, unreachable_pub)]

pub mod onnx;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace").to_owned()
}

/// A file of the examples, as an argument.
pub fn example(path: &str) -> String {
    text(&root().join("examples").join(path))
}

/// A path as an argument.
pub fn text(path: &Path) -> String {
    path.display().to_string()
}

/// What a run of the command gave.
pub struct Run {
    /// Exit status.
    pub status: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// `zkinfer` without arguments, in the environment of the tests.
pub fn command() -> Command {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("zkinfer-cache");
    let mut command = Command::new(env!("CARGO_BIN_EXE_zkinfer"));
    // Two threads on any machine: what is planned depends on them, and tests run side by side.
    command.env("ZKINFER_CACHE", cache).env("RAYON_NUM_THREADS", "2").env_remove("MAX_DEGREE").env("TERM", "dumb");
    command
}

/// Runs `zkinfer` with these arguments.
pub fn zkinfer(arguments: &[&str]) -> Run {
    let Output { status, stdout, stderr } = command().args(arguments).output().expect("the command starts");
    let status = status.code().expect("the command exits by itself");
    let utf8 = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Run { status, stdout: utf8(stdout), stderr: utf8(stderr) }
}

impl Run {
    /// Expects success.
    #[track_caller]
    pub fn done(self) -> Self {
        assert_eq!(self.status, 0, "{}{}", self.stdout, self.stderr);
        self
    }

    /// Expects this exit status and words on standard error, and no panic.
    #[track_caller]
    pub fn fails(self, status: i32, words: &[&str]) -> Self {
        assert_eq!(self.status, status, "{}{}", self.stdout, self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is missing in: {}", self.stderr);
        }
        self
    }

    /// The object that `--json` printed, and nothing else.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", self.stdout, self.stderr))
    }
}
