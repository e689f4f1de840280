//! The JSON object that every command prints under `--json` and that `prove` leaves as `result.json`.
//!
//! The keys that scripts rely on are always there; a figure that a command does not know is `null`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A public or computed tensor, decoded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct NamedTensor {
    /// Name in the model.
    pub(crate) name: String,
    /// Shape in the model.
    pub(crate) shape: Vec<usize>,
    /// Real values (`scale · integer`), or the integers themselves for labels and indices.
    pub(crate) values: Vec<f64>,
    /// The integers that were proved or computed.
    pub(crate) integers: Vec<i64>,
}

/// Figures and results of a command.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// The command.
    pub(crate) command: String,
    /// The circuit has `2^k` rows.
    pub(crate) k: Option<u32>,
    /// Rows that the program occupies.
    pub(crate) rows_used: Option<u64>,
    /// Columns that the prover commits to.
    pub(crate) advice_columns: Option<u64>,
    /// Columns that the key commits to.
    pub(crate) fixed_columns: Option<u64>,
    /// Group elements in a proof.
    pub(crate) commitments: Option<u64>,
    /// CPU seconds of making the proof, witness included.
    pub(crate) prove_cpu_seconds: Option<f64>,
    /// CPU seconds of making the keys.
    pub(crate) setup_cpu_seconds: Option<f64>,
    /// Wall milliseconds of verifying.
    pub(crate) verify_ms: Option<f64>,
    /// Largest resident memory while proving, or of the process for commands that do not prove.
    pub(crate) peak_rss_bytes: Option<u64>,
    /// Size of the proof itself.
    pub(crate) proof_bytes: Option<u64>,
    /// Size of the proving key's file.
    pub(crate) proving_key_bytes: Option<u64>,
    /// Size of the verifying key's file.
    pub(crate) verifying_key_bytes: Option<u64>,
    /// The outputs, where the command knows them.
    pub(crate) outputs: Option<Vec<NamedTensor>>,
    /// What else the command has to say.
    #[serde(flatten)]
    pub(crate) more: Map<String, Value>,
}

impl Report {
    /// An empty report of `command`.
    pub(crate) fn new(command: &str) -> Self {
        Self { command: command.to_owned(), ..Self::default() }
    }

    /// Adds a key of the command's own.
    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.more.insert(key.to_owned(), value.into());
        self
    }

    /// One line of JSON.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a report has string keys only")
    }

    /// JSON for a file, indented.
    pub(crate) fn to_json_file(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a report has string keys only");
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_that_scripts_rely_on_are_always_there() {
        let value: Value = serde_json::from_str(&Report::new("run").with("samples", 3).to_json()).expect("JSON");
        for key in [
            "k",
            "rows_used",
            "advice_columns",
            "fixed_columns",
            "commitments",
            "prove_cpu_seconds",
            "setup_cpu_seconds",
            "verify_ms",
            "peak_rss_bytes",
            "proof_bytes",
            "proving_key_bytes",
            "verifying_key_bytes",
            "outputs",
        ] {
            assert!(value.get(key).is_some(), "{key}");
        }
        assert_eq!(value["samples"], 3);
    }

    #[test]
    fn a_report_is_read_back() {
        let mut report = Report::new("prove").with("accepted", true);
        report.k = Some(14);
        report.outputs = Some(vec![NamedTensor {
            name: "y".into(),
            shape: vec![1, 2],
            values: vec![0.5, 1.0],
            integers: vec![1, 2],
        }]);
        assert_eq!(serde_json::from_str::<Report>(&report.to_json_file()).expect("JSON"), report);
    }
}
