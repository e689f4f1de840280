//! What the stages and rounds of a proof took, beside the least that their work takes on this processor.

use prover::field::Instructions;
use prover::report::{Report, RoundReport, StageReport, UnitCosts};
use prover::{Engine, Stage};
use serde_json::{json, Value};

use crate::exit::Outcome;
use crate::printer::{seconds, stage_name, Printer};

/// A profile of one proof.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    engine: Engine,
    instructions: Instructions,
    stages: Vec<StageReport>,
    rounds: Vec<RoundReport>,
}

impl Profile {
    /// The profile of what `engine` reported, part by part.
    pub(crate) fn new(engine: Engine, reports: &[&Report]) -> Self {
        Self {
            engine,
            instructions: Instructions::detected(),
            stages: reports.iter().flat_map(|report| report.stages.clone()).collect(),
            rounds: reports.iter().flat_map(|report| report.rounds.clone()).collect(),
        }
    }

    /// A table for people.
    ///
    /// # Errors
    /// Standard output is closed.
    pub(crate) fn print(&self, printer: Printer) -> Outcome {
        printer.line(row(&["", "wall", "CPU", "products", "additions", "transforms", "floor", "CPU/floor"]))?;
        for stage in &self.stages {
            let cpu = cpu(stage.cpu_seconds);
            printer.line(row(&[stage_name(stage.stage), &seconds(stage.wall_seconds), &cpu, "", "", "", "", ""]))?;
            if stage.stage == Stage::Prove {
                self.rounds.iter().try_for_each(|round| printer.line(self.round_row(round)))?;
            }
        }
        match self.engine {
            Engine::Native => printer.line(self.floor_note()),
            Engine::Stock => printer.line("  (the stock engine does not tell its rounds)"),
        }
    }

    fn round_row(&self, round: &RoundReport) -> String {
        let floor = self.floor(round);
        let times = round.cpu_seconds.filter(|_| floor > 0.0).map(|spent| format!("{:.1}", spent / floor));
        row(&[
            &format!("  {}", round.round),
            &seconds(round.wall_seconds),
            &cpu(round.cpu_seconds),
            &count(round.work.products),
            &count(round.work.additions),
            &count(round.work.transforms),
            &if floor > 0.0 { seconds(floor) } else { String::new() },
            &times.unwrap_or_default(),
        ])
    }

    fn floor_note(&self) -> String {
        let costs = UnitCosts::of(self.instructions);
        format!(
            "  (floor: products at {:.1} ns on {}, additions of points at {} products; those of transforms are among the products)",
            costs.product_seconds * 1e9,
            self.instructions,
            costs.addition_products
        )
    }

    fn floor(&self, round: &RoundReport) -> f64 {
        UnitCosts::of(self.instructions).floor_seconds(&round.work)
    }

    /// The same for programs.
    pub(crate) fn to_json(&self) -> Value {
        let costs = UnitCosts::of(self.instructions);
        let stages = self.stages.iter().map(|stage| {
            json!({ "stage": stage.stage, "wall_seconds": stage.wall_seconds, "cpu_seconds": stage.cpu_seconds })
        });
        let rounds = self.rounds.iter().map(|round| {
            json!({
                "round": round.round.to_string(),
                "wall_seconds": round.wall_seconds,
                "cpu_seconds": round.cpu_seconds,
                "products": round.work.products,
                "additions": round.work.additions,
                "transforms": round.work.transforms,
                "floor_cpu_seconds": self.floor(round),
            })
        });
        json!({
            "engine": self.engine.to_string(),
            "instructions": self.instructions.to_string(),
            "product_seconds": costs.product_seconds,
            "addition_products": costs.addition_products,
            "stages": stages.collect::<Vec<_>>(),
            "rounds": rounds.collect::<Vec<_>>(),
        })
    }
}

fn row(cells: &[&str; 8]) -> String {
    let [name, wall, cpu, products, additions, transforms, floor, times] = cells;
    let text =
        format!("  {name:<18} {wall:>9} {cpu:>9} {products:>9} {additions:>9} {transforms:>10} {floor:>9} {times:>9}");
    text.trim_end().to_owned()
}

fn cpu(spent: Option<f64>) -> String {
    spent.map_or_else(|| "unknown".to_owned(), seconds)
}

/// A count as people read it; nothing for zero.
fn count(count: u64) -> String {
    match count {
        0 => String::new(),
        1..=99_999 => count.to_string(),
        100_000..=99_999_999 => format!("{:.2} M", count as f64 / 1e6),
        _ => format!("{:.2} G", count as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_short() {
        assert_eq!([0, 99_999, 1_234_567, 12_345_678_901].map(count), ["", "99999", "1.23 M", "12.35 G"]);
    }

    #[test]
    fn rows_are_aligned_and_end_where_their_text_ends() {
        let full = row(&["a", "b", "c", "d", "e", "f", "g", "h"]);
        let short = row(&["a", "b", "c", "", "", "", "", ""]);
        assert_eq!(full.chars().take(short.chars().count()).collect::<String>(), short);
        assert!(short.ends_with('c'));
    }
}
