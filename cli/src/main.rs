//! The `zkinfer` command.
fn main() {}
