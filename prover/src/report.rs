//! What the stages of a setup or a proof cost, and who is told while they run.
//!
//! Stages and rounds are `tracing` spans as well, for programs that collect those.

use std::time::Instant;

use serde::Serialize;

use crate::engine::Work;
use crate::field::Instructions;
use crate::plonk::prove::{Observer, Round};

/// A part of a setup or a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Choosing the machine and laying the program out on it.
    Layout,
    /// Committing to the fixed columns.
    Commit,
    /// Deriving the polynomials of the proving key from the program.
    Derive,
    /// Running the program and filling the first-phase witness.
    Witness,
    /// Making the proof.
    Prove,
    /// Verifying the proof that was made.
    Verify,
    /// Linking its weights to a registration.
    Link,
}

/// What a stage cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct StageReport {
    /// The stage.
    pub stage: Stage,
    /// Seconds that passed.
    pub wall_seconds: f64,
    /// Seconds of all processors together; `None` where the system does not tell.
    pub cpu_seconds: Option<f64>,
}

/// What a round of a proof cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RoundReport {
    /// The round.
    pub round: Round,
    /// Seconds that passed.
    pub wall_seconds: f64,
    /// Seconds of all processors together; `None` where the system does not tell.
    pub cpu_seconds: Option<f64>,
    /// What was done, by count.
    pub work: Work,
}

/// What a setup or a proof cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// The stages in order.
    pub stages: Vec<StageReport>,
    /// The rounds of a proof in order; none for an engine that does not tell.
    pub rounds: Vec<RoundReport>,
    /// Most memory that the process has held so far; `None` where the system does not tell.
    pub peak_rss_bytes: Option<u64>,
}

/// Seconds of a product in the scalar field on one thread, where eight are done at once by AVX-512 IFMA. Measured on the native
/// engine with operands in the second cache, on a Xeon at its common clock; see `docs/engine.md`.
pub const IFMA_PRODUCT_SECONDS: f64 = 3.8e-9;
/// Seconds of a product in the scalar field on one thread without vector instructions. Measured likewise.
pub const PORTABLE_PRODUCT_SECONDS: f64 = 19e-9;
/// Products that an addition of points takes where many additions share an inversion: three for the shared inversion, and two
/// products and a square for the sum.
pub const ADDITION_PRODUCTS: u64 = 6;

/// What the counted work costs at the least, on one thread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnitCosts {
    /// Seconds of a product.
    pub product_seconds: f64,
    /// Products of an addition of points.
    pub addition_products: u64,
}

impl UnitCosts {
    /// The unit costs of a set of instructions.
    pub fn of(instructions: Instructions) -> Self {
        let product_seconds = match instructions {
            Instructions::Portable => PORTABLE_PRODUCT_SECONDS,
            Instructions::Ifma => IFMA_PRODUCT_SECONDS,
        };
        Self { product_seconds, addition_products: ADDITION_PRODUCTS }
    }

    /// Processor seconds below which the work can't be done. The products of transforms are among the products.
    pub fn floor_seconds(&self, work: &Work) -> f64 {
        (work.products + self.addition_products * work.additions) as f64 * self.product_seconds
    }
}

impl Report {
    /// Seconds that passed in `stage`.
    pub fn wall_seconds(&self, stage: Stage) -> f64 {
        self.of(stage).map(|report| report.wall_seconds).sum()
    }

    /// Processor seconds of `stage`; `None` where the system does not tell.
    pub fn cpu_seconds(&self, stage: Stage) -> Option<f64> {
        self.of(stage).map(|report| report.cpu_seconds).sum()
    }

    fn of(&self, stage: Stage) -> impl Iterator<Item = &StageReport> {
        self.stages.iter().filter(move |report| report.stage == stage)
    }
}

/// Is told of stages as they begin and end. `()` is told and does nothing.
pub trait Progress {
    /// A stage begins.
    fn begin(&self, stage: Stage);
    /// A stage has ended.
    fn end(&self, report: &StageReport);
    /// A round of the stage that runs begins.
    fn round(&self, _: Round) {}
}

impl Progress for () {
    fn begin(&self, _: Stage) {}
    fn end(&self, _: &StageReport) {}
}

/// Runs stages and keeps their reports.
pub(crate) struct Stages<'a> {
    progress: &'a dyn Progress,
    done: Vec<StageReport>,
    rounds: Vec<RoundReport>,
}

/// Times the rounds of a proof.
pub(crate) struct RoundTimes<'a> {
    progress: &'a dyn Progress,
    work: &'a dyn Fn() -> Work,
    begun: (Instant, Option<f64>, Work),
    span: Option<tracing::span::EnteredSpan>,
    done: Vec<RoundReport>,
}

impl<'a> RoundTimes<'a> {
    /// `work` tells what has been done so far.
    pub(crate) fn new(progress: &'a dyn Progress, work: &'a dyn Fn() -> Work) -> Self {
        Self { progress, work, begun: (Instant::now(), None, Work::default()), span: None, done: Vec::new() }
    }

    pub(crate) fn into_reports(self) -> Vec<RoundReport> {
        self.done
    }
}

impl Observer for RoundTimes<'_> {
    fn begin(&mut self, round: Round) {
        self.progress.round(round);
        self.span = Some(tracing::info_span!("round", %round).entered());
        self.begun = (Instant::now(), process_cpu_seconds(), (self.work)());
    }

    fn end(&mut self, round: Round) {
        self.span = None;
        let (wall, cpu, work) = self.begun;
        let cpu_seconds = process_cpu_seconds().zip(cpu).map(|(end, start)| end - start);
        let wall_seconds = wall.elapsed().as_secs_f64();
        self.done.push(RoundReport { round, wall_seconds, cpu_seconds, work: (self.work)() - work });
    }
}

impl<'a> Stages<'a> {
    pub(crate) fn new(progress: &'a dyn Progress) -> Self {
        Self { progress, done: Vec::new(), rounds: Vec::new() }
    }

    /// Runs a stage; one that fails is not reported.
    pub(crate) fn run<T, E>(&mut self, stage: Stage, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        self.progress.begin(stage);
        let _span = tracing::info_span!("stage", ?stage).entered();
        let (wall, cpu) = (Instant::now(), process_cpu_seconds());
        let result = work()?;
        let cpu_seconds = process_cpu_seconds().zip(cpu).map(|(end, start)| end - start);
        let report = StageReport { stage, wall_seconds: wall.elapsed().as_secs_f64(), cpu_seconds };
        self.progress.end(&report);
        self.done.push(report);
        Ok(result)
    }

    /// Adds what was done of the last stage before it.
    pub(crate) fn add_to_last(&mut self, earlier: &StageReport) {
        let last = self.done.last_mut().filter(|last| last.stage == earlier.stage);
        let last = last.expect("the stage is the last one");
        last.wall_seconds += earlier.wall_seconds;
        last.cpu_seconds = last.cpu_seconds.zip(earlier.cpu_seconds).map(|(last, earlier)| last + earlier);
    }

    pub(crate) fn add_rounds(&mut self, rounds: Vec<RoundReport>) {
        self.rounds.extend(rounds);
    }

    pub(crate) fn report(self) -> Report {
        Report { stages: self.done, rounds: self.rounds, peak_rss_bytes: peak_rss_bytes() }
    }
}

/// Processor seconds of all threads of this process.
#[cfg(unix)]
fn process_cpu_seconds() -> Option<f64> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Some(time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9)
}

/// Processor seconds of all threads of this process.
#[cfg(not(unix))]
fn process_cpu_seconds() -> Option<f64> {
    None
}

/// Most memory that this process has held so far.
pub fn peak_rss_bytes() -> Option<u64> {
    status_bytes("VmHWM:")
}

/// Memory that this process holds now.
pub fn rss_bytes() -> Option<u64> {
    status_bytes("VmRSS:")
}

fn status_bytes(field: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Starts [`peak_rss_bytes`] anew, so that a stage is measured by itself. Where the kernel refuses, the old peak stays.
pub fn restart_peak() {
    // Best effort: without it the figure is an upper bound.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[derive(Default)]
    struct Log(RefCell<Vec<String>>);

    impl Progress for Log {
        fn begin(&self, stage: Stage) {
            self.0.borrow_mut().push(format!("begin {stage:?}"));
        }

        fn end(&self, report: &StageReport) {
            self.0.borrow_mut().push(format!("end {:?}", report.stage));
        }
    }

    #[test]
    fn stages_are_told_and_added_up() {
        let log = Log::default();
        let mut stages = Stages::new(&log);
        let done: Result<u32, ()> = stages.run(Stage::Witness, || Ok(7));
        assert_eq!(done, Ok(7));
        assert_eq!(stages.run(Stage::Prove, || Err::<(), _>("no")), Err("no"));
        let report = stages.report();
        assert_eq!(report.stages.len(), 1);
        assert!(report.wall_seconds(Stage::Witness) >= 0.0);
        assert_eq!(report.wall_seconds(Stage::Prove), 0.0);
        assert_eq!(log.0.take(), ["begin Witness", "end Witness", "begin Prove"]);
    }

    #[test]
    fn the_floor_is_that_of_products_and_additions() {
        let work = Work { products: 1_000_000, additions: 500_000, transforms: 3 };
        let floor = UnitCosts::of(Instructions::Ifma).floor_seconds(&work);
        assert!((floor - 4e6 * IFMA_PRODUCT_SECONDS).abs() < 1e-12);
        assert!(UnitCosts::of(Instructions::Portable).floor_seconds(&work) > floor);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_tells_times_and_memory() {
        assert!(process_cpu_seconds().is_some());
        assert!(peak_rss_bytes().is_some_and(|bytes| bytes > 1 << 20));
    }
}
