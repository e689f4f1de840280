//! What the command says about itself, and how it exits when used wrongly.

mod common;

use common::zkinfer;

const COMMANDS: [&[&str]; 17] = [
    &["prove"],
    &["verify"],
    &["commit"],
    &["link"],
    &["run"],
    &["evaluate"],
    &["compile"],
    &["setup"],
    &["srs", "new"],
    &["srs", "import"],
    &["srs", "info"],
    &["inspect"],
    &["verify-key"],
    &["estimate"],
    &["doctor"],
    &["evm", "export"],
    &["completions"],
];

#[test]
fn every_command_explains_itself_with_an_example() {
    let overview = zkinfer(&["--help"]).done().stdout;
    for command in COMMANDS {
        assert!(overview.contains(command[0]), "{command:?} is missing in the overview");
        let help = zkinfer(&[command, &["--help"]].concat()).done().stdout;
        let example = format!("\n  zkinfer {}", command.join(" "));
        assert!(help.contains("Example") && help.contains(&example), "{command:?}: {help}");
    }
}

#[test]
fn wrong_usage_exits_with_two() {
    for arguments in [
        &[][..],
        &["unknown"],
        &["verify", "--vk", "a.vk"],
        &["verify", "--vk", "a.vk", "--proof", "a.zkp", "--commitment", "a.zkc"],
        &["link", "--from", "a.zkp", "-o", "a.zkl"],
        &["compile", "m.onnx", "-o", "p.zki", "--rows", "5"],
        &["compile", "m.onnx", "-o", "p.zki", "--input-like", "x="],
        &["prove", "model.onnx", "-o", "out"],
        &["compile", "m.onnx", "-o", "p.zki", "--bits", "40"],
        &["compile", "m.onnx", "-o", "p.zki", "--accuracy", "1.5"],
        &["compile", "m.onnx", "-o", "p.zki", "--accuracy", "0.99", "--bits", "9"],
        &["compile", "m.onnx", "-o", "p.zki", "--ranges", "49"],
        &["compile", "m.onnx", "-o", "p.zki", "--input", "secret"],
        &["srs", "new", "--k", "60", "-o", "s.srs"],
        &["verify", "--vk", "a", "--proof", "b", "--json", "--quiet"],
        &["prove", "m.onnx", "--input", "x.json", "-o", "out", "--engine", "none"],
        &["prove", "m.onnx", "--input", "x.json", "-o", "out", "--max-memory", "4 gigs"],
        &["estimate", "m.onnx", "--max-memory", "0"],
        &["estimate", "m.onnx", "--optimize", "beauty"],
        &["evm"],
        &["evm", "export", "--vk", "a.vk"],
        &["evm", "export", "--vk", "a.vk", "-o", "out", "--verifier", "0x1234"],
    ] {
        zkinfer(arguments).fails(2, &["--help"]);
    }
    let chain = ["verify", "--vk", "a.vk", "--proof", "a.zkp", "--link", "a.zkl", "--input", "x.json"];
    zkinfer(&chain).fails(2, &["--input, --output and --salt are for one proof"]);
}

#[test]
fn sizes_that_are_none_say_what_was_expected() {
    let prove = ["prove", "m.onnx", "--input", "x.json", "-o", "out", "--max-memory"];
    zkinfer(&[&prove[..], &["much"]].concat()).fails(2, &["4GiB, 512MiB or 300MB", "\"much\""]);
    zkinfer(&[&prove[..], &["4G"]].concat()).fails(2, &["\"G\" is no unit", "GiB"]);
}

#[test]
fn missing_files_are_named_and_exit_with_two() {
    let missing = "/nonexistent/file";
    for arguments in [
        &["verify", "--vk", missing, "--proof", missing][..],
        &["inspect", missing],
        &["srs", "info", missing],
        &["run", missing, "--input", missing],
        &["compile", missing, "-o", "/nonexistent/program.zki"],
        &["estimate", missing],
        &["evm", "export", "--vk", missing, "-o", "/nonexistent/out"],
    ] {
        zkinfer(arguments).fails(2, &[missing]);
    }
}

#[test]
fn completions_exist_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = zkinfer(&["completions", shell]).done().stdout;
        assert!(script.contains("verify-key"), "{shell}");
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    assert_eq!(zkinfer(&["--version"]).done().stdout, format!("zkinfer {}\n", env!("CARGO_PKG_VERSION")));
}
