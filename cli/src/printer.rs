//! What people and programs read: lines and progress for people, one JSON object for programs.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use prover::plonk::prove::Round;
use prover::{Progress, Stage, StageReport};
use verifier::printable;

use crate::exit::{Failure, Outcome};
use crate::pipeline::expectation::Expectation;
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

    /// A line for people. It is one whatever the names in it hold: what a terminal would obey is escaped.
    ///
    /// # Errors
    /// Standard output is closed.
    pub(crate) fn line(self, text: impl Display) -> Outcome {
        match self.reader {
            Reader::People => write_out(&format!("{}\n", printable(&text.to_string()))),
            Reader::Program | Reader::Nobody => Ok(()),
        }
    }

    /// A drawing for people, of several lines and perhaps in colours. Nothing of a file's own text may be in it.
    ///
    /// # Errors
    /// Standard output is closed.
    pub(crate) fn drawing(self, drawn: &str) -> Outcome {
        match self.reader {
            Reader::People => write_out(drawn),
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
        eprintln!("warning: {}", printable(&text.to_string()));
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
        self.shared_bar(label, &Arc::new(Whole::new(estimate)))
    }

    /// A bar whose estimate may change while it is drawn.
    fn shared_bar(self, label: &'static str, whole: &Arc<Whole>) -> ProgressBar {
        if !self.draws() {
            return ProgressBar::hidden();
        }
        let whole = Arc::clone(whole);
        let drawn = move |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            // A closed terminal is no reason to stop the work.
            let _ = write!(out, "{}", estimated_bar(state.elapsed().as_secs_f64(), whole.estimate()));
        };
        let style = ProgressStyle::with_template("  {prefix:<12} {spinner} {estimate}  {msg}")
            .expect("the template is well formed")
            .with_key("estimate", drawn);
        let bar = ProgressBar::new_spinner().with_style(style).with_prefix(label);
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }
}

/// What a stage is called.
pub(crate) fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::Layout => "layout",
        Stage::Commit => "setup",
        Stage::Derive => "key",
        Stage::Witness => "witness",
        Stage::Prove => "proof",
        Stage::Verify => "verify",
        Stage::Link => "link",
    }
}

/// The time that a stage takes as a whole: what was expected, until the rounds tell.
struct Whole {
    begun: Instant,
    estimate: Mutex<Option<f64>>,
}

/// Share of a proof below which what has passed says little about the whole.
const TELLING_SHARE: f64 = 0.2;

impl Whole {
    fn new(estimate: Option<f64>) -> Self {
        Self { begun: Instant::now(), estimate: Mutex::new(estimate) }
    }

    fn estimate(&self) -> Option<f64> {
        *self.estimate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A round begins.
    fn round(&self, round: Round) {
        let done = share_before(round);
        if done >= TELLING_SHARE {
            let whole = self.begun.elapsed().as_secs_f64() / done;
            *self.estimate.lock().unwrap_or_else(PoisonError::into_inner) = Some(whole);
        }
    }
}

/// The share of a proof's time that has passed when a round begins, as in proofs of 2^12 to 2^15 rows.
fn share_before(round: Round) -> f64 {
    match round {
        Round::Fill(0) | Round::Advice(0) => 0.0,
        Round::Fill(_) => 0.03,
        Round::Advice(_) => 0.05,
        Round::Lookups | Round::Products => 0.20,
        Round::Quotient => 0.32,
        Round::Pieces => 0.82,
        Round::Evaluations => 0.91,
        Round::Opening => 0.93,
    }
}

/// Draws the stages of a setup or a proof as they come, and the rounds within a proof.
pub(crate) struct Bars {
    printer: Printer,
    expected: Option<Expectation>,
    current: Mutex<Option<(ProgressBar, Arc<Whole>)>>,
}

impl Bars {
    /// Bars for a circuit of which this is expected.
    pub(crate) fn new(printer: Printer, expected: Option<Expectation>) -> Self {
        Self { printer, expected, current: Mutex::new(None) }
    }

    fn current(&self) -> MutexGuard<'_, Option<(ProgressBar, Arc<Whole>)>> {
        // A panic elsewhere while the lock is held leaves a bar that is as good as before.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replace(&self, bar: Option<(ProgressBar, Arc<Whole>)>) {
        if let Some((earlier, _)) = std::mem::replace(&mut *self.current(), bar) {
            earlier.finish_and_clear();
        }
    }
}

impl Progress for Bars {
    fn begin(&self, stage: Stage) {
        let cpu_seconds = self.expected.and_then(|expected| match stage {
            Stage::Commit => Some(expected.setup_cpu_seconds),
            Stage::Prove => Some(expected.prove_cpu_seconds),
            Stage::Layout | Stage::Derive | Stage::Witness | Stage::Verify | Stage::Link => None,
        });
        // The expectation is of CPU time, and the work runs on all cores.
        let cores = std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64);
        let whole = Arc::new(Whole::new(cpu_seconds.map(|seconds| seconds / cores)));
        self.replace(Some((self.printer.shared_bar(stage_name(stage), &whole), whole)));
    }

    fn end(&self, _: &StageReport) {
        self.replace(None);
    }

    fn round(&self, round: Round) {
        if let Some((bar, whole)) = &*self.current() {
            whole.round(round);
            bar.set_message(round.to_string());
        }
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
    fn rounds_correct_the_estimate_of_the_whole() {
        let whole = Whole { begun: Instant::now() - Duration::from_secs(8), estimate: Mutex::new(Some(1.0)) };
        whole.round(Round::Fill(0));
        assert_eq!(whole.estimate(), Some(1.0), "nothing is known yet");
        whole.round(Round::Quotient);
        assert!(whole.estimate().is_some_and(|seconds| (24.9..26.0).contains(&seconds)), "{:?}", whole.estimate());
        let rounds = [
            Round::Fill(0),
            Round::Advice(0),
            Round::Fill(1),
            Round::Advice(1),
            Round::Lookups,
            Round::Products,
            Round::Quotient,
            Round::Pieces,
            Round::Evaluations,
            Round::Opening,
        ];
        assert!(rounds.map(share_before).is_sorted(), "rounds come in this order");
    }

    #[test]
    fn a_bar_beyond_its_estimate_stays_open() {
        let bar = estimated_bar(100.0, Some(2.0));
        assert!(bar.starts_with("[===") && bar.contains("> ]") || bar.contains(">]"), "{bar}");
        assert_eq!(estimated_bar(1.25, None), "1.2 s");
        assert_eq!(estimated_bar(0.0, Some(0.0)), "0.0 s");
    }
}
