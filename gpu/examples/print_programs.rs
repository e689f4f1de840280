//! Prints kernels for the straight-line programs of models.
//!
//! `print_programs LEAST MODEL.zki…` takes the layouts of compiled programs for least time, and lists each of the quotient's
//! programs that at least `LEAST` batches of theirs have: `cuda/printed/programs.txt`. Without arguments the list stays. Then it prints `cuda/printed/kernels.hpp` from the list.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use circuits::layout::LayoutOptions;
use gpu::program::{parse_list, print, DeviceProgram, Steps};
use prover::plonk::quotient::{QuotientPlan, Room};
use prover::Plan;

const HEAD: &str = "\
# Programs of the quotients of models in use, those that most batches have first. `kernels.hpp` is printed from this list;
# both are made by `cargo run --release -p zkinfer-gpu --example print_programs`.
";

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cuda/printed");
    let list = folder.join("programs.txt");
    let mut arguments = std::env::args().skip(1);
    if let Some(least) = arguments.next() {
        std::fs::write(&list, listed(least.parse()?, arguments)?)?;
    }
    std::fs::write(folder.join("kernels.hpp"), print(&parse_list(&std::fs::read_to_string(list)?)?))?;
    Ok(())
}

/// The list of the programs that at least so many batches have.
fn listed(least: usize, models: impl Iterator<Item = String>) -> Result<String, Box<dyn Error>> {
    let mut uses: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for model in models {
        let plan = Plan::new(prover::program::read(model.as_ref())?, LayoutOptions::default())?;
        let (constraints, pieces) = prover::memory::constraints(plan.layout());
        for batch in QuotientPlan::new(&constraints, pieces, Room::UNLIMITED).batches {
            let steps: Steps = DeviceProgram::new(&batch.program).steps;
            let entry = uses.entry(steps.to_string()).or_default();
            *entry = (entry.0 + 1, entry.1 + steps.products() * batch.cosets);
        }
    }
    let mut ordered: Vec<_> = uses.into_iter().collect();
    ordered.sort_by_key(|(_, (batches, _))| std::cmp::Reverse(*batches));
    let products = |some: &[(String, (usize, usize))]| some.iter().map(|(_, (_, products))| products).sum::<usize>();
    let all = (ordered.len(), products(&ordered));
    ordered.retain(|(_, (batches, _))| *batches >= least);
    eprintln!("{} of {} programs, which do {} of {} products", ordered.len(), all.0, products(&ordered), all.1);
    Ok(ordered.into_iter().fold(HEAD.to_owned(), |text, (steps, _)| text + &steps + "\n"))
}
