//! What the handler of a signal does. In a process of its own, since nothing can be written afterwards.

use std::fs;
use std::io::Write;

use verifier::container::{abandon_writes, write_atomic, write_atomic_with};

#[test]
fn an_abandoned_write_leaves_nothing_and_no_other_begins() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("proof.zkp");
    write_atomic(&path, b"earlier").expect("writable");
    let count = || fs::read_dir(folder.path()).expect("readable").count();
    let result = write_atomic_with(&path, |file| {
        file.write_all(&[0; 1 << 17])?;
        assert_eq!(count(), 2, "the unfinished file is there");
        abandon_writes();
        assert_eq!(count(), 1, "it is gone");
        file.write_all(b"the rest")
    });
    let error = result.expect_err("writes are over").to_string();
    assert!(error.contains("proof.zkp") && error.contains("being ended"), "{error}");
    write_atomic(&path, b"later").expect_err("writes are over");
    assert_eq!(fs::read(&path).expect("readable"), b"earlier");
    assert_eq!(count(), 1);
}
