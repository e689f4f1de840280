//! What `expectations.toml` says of the cases.

use std::collections::BTreeMap;

/// What is expected of a case, and the operator that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expectation {
    pub(crate) operator: String,
    pub(crate) states: States,
}

/// What comes of a case in the float evaluator, and as a program where it passes there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct States {
    pub(crate) float: String,
    pub(crate) program: Option<String>,
}

/// Before the error of a program that is known not to be exact.
pub(crate) const INEXACT: &str = "inexact: ";

impl States {
    /// Whether it has a program whose outputs are those of the case.
    pub(crate) fn is_program(&self) -> bool {
        self.program.as_ref().is_some_and(|program| program.starts_with("pass"))
    }

    /// Whether it has one with some of its inputs as constants alone.
    pub(crate) fn has_constants(&self) -> bool {
        self.program.as_ref().is_some_and(|program| program.starts_with("pass with constants"))
    }

    /// The error of a program that is known not to be exact.
    pub(crate) fn error(&self) -> Option<f64> {
        self.program.as_ref()?.strip_prefix(INEXACT)?.parse().ok()
    }
}

/// Reads the text of the file: cases by name, which stand under the operator that they are about.
pub(crate) fn read(text: &str) -> BTreeMap<String, Expectation> {
    let mut operator = String::new();
    let mut found = BTreeMap::new();
    for line in text.lines() {
        if let Some(header) = line.strip_prefix("[\"").and_then(|rest| rest.strip_suffix("\"]")) {
            header.clone_into(&mut operator);
        } else if let Some((name, states)) = line.split_once(" = ") {
            let mut states = states.trim_matches(['[', ']']).trim_matches('"').split("\", \"").map(str::to_owned);
            let states = States { float: states.next().expect("a state"), program: states.next() };
            found.insert(name.to_owned(), Expectation { operator: operator.clone(), states });
        }
    }
    found
}
