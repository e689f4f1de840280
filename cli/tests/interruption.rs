//! Processes that are ended, and disks that are full: whole files or none.
#![cfg(unix)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{command, example, text, zkinfer};

/// What a proof leaves in its folder.
const ARTIFACTS: [&str; 5] = ["program.zki", "model.pk", "model.vk", "proof.zkp", "result.json"];

fn start(folder: &Path) -> Child {
    let mut command = command();
    command.args(["prove", &example("digits/model.onnx"), "--input", &example("digits/seven.json")]);
    command.args(["--bits", "8", "-o", &text(folder)]);
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the command starts")
}

fn signal(child: &Child, name: &str) {
    // The process may have ended by itself; then there is nobody to be told.
    let _ = Command::new("kill").args(["-s", name, &child.id().to_string()]).stderr(Stdio::null()).status();
}

/// Whether this process ignores SIGHUP, SIGINT or SIGTERM, and so the processes that it starts, as in the background of a shell.
fn signals_are_ignored() -> bool {
    let Ok(status) = fs::read_to_string("/proc/self/status") else { return false };
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    // Bit n − 1 stands for signal n.
    mask & (1 << 1 | 1 << 14 | 1) != 0
}

fn names(folder: &Path) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(folder) else { return BTreeSet::new() };
    entries.map(|entry| entry.expect("readable").file_name().into_string().expect("UTF-8")).collect()
}

/// Names of what is no artifact.
fn others(folder: &Path) -> Vec<String> {
    names(folder).into_iter().filter(|name| !ARTIFACTS.contains(&name.as_str())).collect()
}

/// Every artifact that is there is whole.
#[track_caller]
fn check_artifacts(folder: &Path) {
    for name in names(folder).iter().filter(|name| ARTIFACTS.contains(&name.as_str())) {
        let path = folder.join(name);
        if name == "result.json" {
            let text = fs::read_to_string(&path).expect("readable");
            serde_json::from_str::<serde_json::Value>(&text).expect("JSON");
        } else {
            zkinfer(&["inspect", &text(&path)]).done();
        }
    }
}

/// Waits until the folder holds this artifact, so that the process is at work on the next one.
fn wait_for(folder: &Path, artifact: &str) {
    let there = |()| folder.join(artifact).exists();
    for _ in 0..3000 {
        if there(()) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{artifact} does not come");
}

#[test]
fn an_interrupted_command_leaves_whole_files_only() {
    if signals_are_ignored() {
        println!("skipped: signals are ignored here");
        return;
    }
    for name in ["INT", "TERM"] {
        for artifact in [None, Some("program.zki"), Some("model.pk"), Some("model.vk")] {
            let folder = tempfile::tempdir().expect("a folder");
            let child = start(folder.path());
            match artifact {
                Some(artifact) => wait_for(folder.path(), artifact),
                None => std::thread::sleep(Duration::from_millis(60)),
            }
            signal(&child, name);
            let output = child.wait_with_output().expect("it ends");
            let (status, stderr) = (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned());
            // A process that is done before the signal comes has done nothing wrong.
            assert!(matches!(status, Some(130 | 0)), "{status:?} after {artifact:?}: {stderr}");
            assert!(status == Some(0) || stderr.contains("interrupted"), "{stderr}");
            assert!(!stderr.contains("panicked") && !stderr.contains("error"), "{stderr}");
            let others = others(folder.path());
            assert!(others.is_empty(), "{others:?} after {artifact:?}");
            check_artifacts(folder.path());
        }
    }
}

#[test]
fn what_a_killed_command_leaves_is_removed_by_the_next() {
    let folder = tempfile::tempdir().expect("a folder");
    for artifact in ["program.zki", "model.pk"] {
        let mut child = start(folder.path());
        wait_for(folder.path(), artifact);
        signal(&child, "KILL");
        child.wait().expect("it ends");
        let hidden = |name: &String| name.starts_with('.') && name.ends_with(".zkinfer-tmp");
        let others = others(folder.path());
        assert!(others.iter().all(hidden), "{others:?}");
        check_artifacts(folder.path());
    }
    // The moment of a write is short; this stands for a process that was killed within it.
    fs::write(folder.path().join(".model.pk.1-1.zkinfer-tmp"), b"half").expect("writable");
    assert!(start(folder.path()).wait().expect("it ends").success());
    assert_eq!(names(folder.path()), ARTIFACTS.map(String::from).into());
}

/// Runs `zkinfer` where no file may have more than so many blocks of 512 or 1024 bytes, which fails as a full disk does, and gives
/// its exit status and standard error; none where the system sets no such limit.
fn on_a_full_disk(blocks: u32, arguments: &[&str]) -> Option<(Option<i32>, String)> {
    let base = command();
    // The limit fails where its signal is ignored.
    let script = format!("trap '' XFSZ; ulimit -f {blocks} || exit 99; exec \"$0\" \"$@\"");
    let mut limited = Command::new("sh");
    limited.args(["-c", &script]).arg(base.get_program()).args(arguments);
    limited.envs(base.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = limited.output().expect("a shell starts");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.code() == Some(99) {
        println!("skipped: this system does not limit the size of files ({stderr})");
        return None;
    }
    Some((output.status.code(), stderr))
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing_half_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let (model, input) = (example("medical/model.onnx"), example("medical/patient.json"));
    let prove = ["prove", &model, "--input", &input, "--bits", "8", "-o", &text(&out)];
    let Some((status, stderr)) = on_a_full_disk(2, &prove) else { return };
    assert_eq!(status, Some(1), "{stderr}");
    assert!(stderr.contains("program.zki") && stderr.contains("help: make room"), "{stderr}");
    assert_eq!(names(&out), BTreeSet::new());
}

#[test]
fn a_disk_without_room_for_columns_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(start(folder.path()).wait().expect("it ends").success());
    let program = text(&folder.path().join("program.zki"));
    let estimate = zkinfer(&["estimate", &program, "--json"]).done().json();
    let (least, out) = (estimate["least_memory_bytes"].to_string(), text(folder.path()));
    fs::remove_file(folder.path().join("proof.zkp")).expect("it was made");
    let input = example("digits/seven.json");
    let prove = ["prove", &program, "--input", &input, "-o", &out, "--max-memory", &least];
    let Some((status, stderr)) = on_a_full_disk(1024, &prove) else { return };
    assert_eq!(status, Some(1), "{stderr}");
    assert!(stderr.contains("the temporary file in") && stderr.contains("can't be written"), "{stderr}");
    assert!(stderr.contains("help: name a folder with more room by --spill-folder"), "{stderr}");
    assert!(!folder.path().join("proof.zkp").exists() && others(folder.path()).is_empty());
}

#[test]
fn a_full_standard_output_is_an_error() {
    let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") else {
        println!("skipped: this system has no /dev/full");
        return;
    };
    let output =
        command().args(["completions", "bash"]).stdout(full).stderr(Stdio::piped()).output().expect("it starts");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: "));
}
