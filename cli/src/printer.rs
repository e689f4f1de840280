//! What people and programs read: lines and progress for people, one JSON object for programs.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use circuits::layout::Estimate;
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use prover::{Progress, Stage, StageReport};

use crate::exit::{Failure, Outcome};
use crate::report::Report;

/// Who reads the standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// People: lines as the work goes on.
    People,
    /// A program: one JSON object at the end.
    Program,
    /// Nobody: warnings and errors only.
    Nobody,
}

/// Prints what the reader wants to see and leaves out the rest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printer {
    reader: Reader,
}

impl Printer {
    /// A printer for `reader`.
    pub(crate) fn new(reader: Reader) -> Self {
        Self { reader }
    }

    /// This printer less its lines and bars, for work inside other work.
    pub(crate) fn without_bars(self) -> Self {
        Self { reader: Reader::Nobody }
    }

    /// Whether standard output shows the 256 colours.
    pub(crate) fn colours(self) -> bool {
        let refused = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        self.reader == Reader::People && io::stdout().is_terminal() && !refused("NO_COLOR") && !dumb
    }

    /// A line for people.
    ///
    /// # Errors
    /// Standard output is closed.
    pub(crate) fn line(self, text: impl Display) -> Outcome {
        match self.reader {
            Reader::People => write_out(&format!("{text}\n")),
            Reader::Program | Reader::Nobody => Ok(()),
        }
    }

    /// A label and what belongs to it, aligned with others.
    ///
    /// # Errors
    /// Standard output is closed.
    pub(crate) fn field(self, label: &str, value: impl Display) -> Outcome {
        self.line(format_args!("  {label:<12} {value}"))
    }

    /// A warning on standard error, whoever reads.
    pub(crate) fn warn(self, text: impl Display) {
        eprintln!("warning: {text}");
    }

    /// Runs one stage of the work under a progress bar that is drawn from the estimated seconds, where there are any.
    pub(crate) fn stage<T>(self, label: &'static str, estimate: Option<f64>, work: impl FnOnce() -> T) -> T {
        let bar = self.bar(label, estimate);
        let result = work();
        bar.finish_and_clear();
        result
    }

    /// A bar for `count` steps; call `inc` on it.
    pub(crate) fn steps(self, label: &'static str, count: u64) -> ProgressBar {
        if !self.draws() {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("  {prefix:<12} [{bar:32}] {pos}/{len}  {eta} left")
            .expect("the template is well formed")
            .progress_chars("=> ");
        ProgressBar::new(count).with_style(style).with_prefix(label)
    }

    /// The object for programs.
    ///
    /// # Errors
    /// Standard output is closed.
    pub(crate) fn report(self, report: &Report) -> Outcome {
        match self.reader {
            Reader::Program => write_out(&format!("{}\n", report.to_json())),
            Reader::People | Reader::Nobody => Ok(()),
        }
    }

    fn draws(self) -> bool {
        self.reader == Reader::People && io::stderr().is_terminal()
    }

    fn bar(self, label: &'static str, estimate: Option<f64>) -> ProgressBar {
        if !self.draws() {
            return ProgressBar::hidden();
        }
        let drawn = move |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            // A closed terminal is no reason to stop the work.
            let _ = write!(out, "{}", estimated_bar(state.elapsed().as_secs_f64(), estimate));
        };
        let style = ProgressStyle::with_template("  {prefix:<12} {spinner} {estimate}")
            .expect("the template is well formed")
            .with_key("estimate", drawn);
        let bar = ProgressBar::new_spinner().with_style(style).with_prefix(label);
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }
}

/// Draws the stages of a setup or a proof as they come.
pub(crate) struct Bars {
    printer: Printer,
    estimate: Estimate,
    current: Mutex<Option<ProgressBar>>,
}

impl Bars {
    /// Bars for a circuit of which this is expected.
    pub(crate) fn new(printer: Printer, estimate: Estimate) -> Self {
        Self { printer, estimate, current: Mutex::new(None) }
    }

    fn replace(&self, bar: Option<ProgressBar>) {
        // A panic elsewhere while the lock is held leaves a bar that is as good as before.
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(earlier) = std::mem::replace(&mut *current, bar) {
            earlier.finish_and_clear();
        }
    }
}

impl Progress for Bars {
    fn begin(&self, stage: Stage) {
        let (label, cpu_seconds) = match stage {
            Stage::Layout => ("layout", None),
            Stage::Commit => ("setup", Some(self.estimate.setup_cpu_seconds)),
            Stage::Derive => ("key", None),
            Stage::Witness => ("witness", None),
            Stage::Prove => ("proof", Some(self.estimate.prove_cpu_seconds)),
            Stage::Verify => ("verify", None),
        };
        // The estimate is of CPU time, and the work runs on all cores.
        let cores = std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64);
        self.replace(Some(self.printer.bar(label, cpu_seconds.map(|seconds| seconds / cores))));
    }

    fn end(&self, _: &StageReport) {
        self.replace(None);
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        // A stage that fails is begun and never ended.
        self.replace(None);
    }
}

/// How far the work should be after `elapsed` seconds; it never claims to be done.
fn estimated_bar(elapsed: f64, estimate: Option<f64>) -> String {
    const WIDTH: usize = 32;
    let Some(estimate) = estimate.filter(|seconds| *seconds > 0.0) else {
        return format!("{elapsed:.1} s");
    };
    let done = ((elapsed / estimate).min(0.97) * WIDTH as f64) as usize;
    format!("[{}>{}] {elapsed:.1} s of about {estimate:.1} s", "=".repeat(done), " ".repeat(WIDTH - 1 - done))
}

/// Writes to standard output.
///
/// # Errors
/// It is closed.
pub(crate) fn write_out(text: &str) -> Outcome {
    io::stdout().write_all(text.as_bytes()).map_err(Failure::refused)
}

/// Bytes as people read them.
pub(crate) fn bytes(count: u64) -> String {
    match count {
        0..=9_999 => format!("{count} B"),
        10_000..=999_999 => format!("{:.1} kB", count as f64 / 1e3),
        1_000_000..=999_999_999 => format!("{:.1} MB", count as f64 / 1e6),
        _ => format!("{:.2} GB", count as f64 / 1e9),
    }
}

/// Seconds as people read them.
pub(crate) fn seconds(count: f64) -> String {
    match count {
        s if s < 0.0995 => format!("{:.1} ms", s * 1e3),
        s if s < 99.5 => format!("{s:.2} s"),
        s => format!("{:.0} min {:.0} s", (s / 60.0).floor(), s % 60.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_short() {
        assert_eq!(bytes(2816), "2816 B");
        assert_eq!(bytes(12_345_678), "12.3 MB");
        assert_eq!(bytes(3_100_000_000), "3.10 GB");
        assert_eq!(seconds(0.0061), "6.1 ms");
        assert_eq!(seconds(7.253), "7.25 s");
        assert_eq!(seconds(125.0), "2 min 5 s");
    }

    #[test]
    fn a_bar_beyond_its_estimate_stays_open() {
        let bar = estimated_bar(100.0, Some(2.0));
        assert!(bar.starts_with("[===") && bar.contains("> ]") || bar.contains(">]"), "{bar}");
        assert_eq!(estimated_bar(1.25, None), "1.2 s");
        assert_eq!(estimated_bar(0.0, Some(0.0)), "0.0 s");
    }
}
