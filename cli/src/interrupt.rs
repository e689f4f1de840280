//! Ctrl-C and requests to end (SIGINT, SIGTERM, SIGHUP): the process ends at once and leaves no unfinished file.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use verifier::container;

use crate::exit::ExitStatus;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Ends the process with [`ExitStatus::Interrupted`] when it is asked to end.
///
/// Where such a request is ignored already, as `nohup` does, that stays so.
pub(crate) fn watch() {
    // Without a handler the system ends the process, and the next run removes what was unfinished.
    let _ = ctrlc::try_set_handler(end);
}

/// Whether the process is being ended, so that failures are no news.
pub(crate) fn is_interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

fn end() {
    INTERRUPTED.store(true, Ordering::SeqCst);
    container::abandon_writes();
    let mut out = io::stderr();
    // A progress bar may stand in this line.
    let start = if out.is_terminal() { "\n" } else { "" };
    // Who has closed standard error does not want to know.
    let _ =
        writeln!(out, "{start}interrupted: files that were not finished are removed, those that are there are whole");
    std::process::exit(ExitStatus::Interrupted.code().into());
}
