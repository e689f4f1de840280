//! Outputs as people read them: a class with its percentage, a label, a short list of numbers.

use circuits::graph::PortKind;

use crate::report::NamedTensor;

/// Classes that are shown of a ranking.
const RANKED: usize = 3;
/// Outputs with more values than this are no ranking of classes.
const MOST_CLASSES: usize = 1000;
/// Values that are shown of a plain list.
const LISTED: usize = 12;
/// Characters of a full bar.
const BAR: usize = 24;

/// The lines that show one output.
pub(crate) fn lines(tensor: &NamedTensor, kind: PortKind) -> Vec<String> {
    match (kind, tensor.values.as_slice()) {
        (PortKind::Index, [_]) => vec![format!("{}: {}", tensor.name, tensor.integers[0])],
        (PortKind::Real, values) if is_ranking(&tensor.shape, values) => ranking(tensor),
        (_, [value]) => vec![format!("{}: {}", tensor.name, number(*value))],
        (_, values) => vec![format!("{} {:?}: {}", tensor.name, tensor.shape, list(values))],
    }
}

/// `values`, shortened where there are many.
pub(crate) fn list(values: &[f64]) -> String {
    let shown: Vec<String> = values.iter().take(LISTED).map(|value| number(*value)).collect();
    match values.len().checked_sub(LISTED) {
        Some(left @ 1..) => format!("{} … and {left} more", shown.join(", ")),
        _ => shown.join(", "),
    }
}

/// One axis of several classes, all others of size 1.
fn is_ranking(shape: &[usize], values: &[f64]) -> bool {
    (2..=MOST_CLASSES).contains(&values.len()) && shape.last() == Some(&values.len())
}

fn ranking(tensor: &NamedTensor) -> Vec<String> {
    let proven = are_probabilities(&tensor.values);
    let shares = if proven { tensor.values.clone() } else { softmax(&tensor.values) };
    let mut order: Vec<usize> = (0..shares.len()).collect();
    order.sort_by(|&a, &b| tensor.values[b].total_cmp(&tensor.values[a]));
    let mut lines = vec![format!("{}: class {}", tensor.name, order[0])];
    for &class in order.iter().take(RANKED) {
        let filled = (shares[class] * BAR as f64).round() as usize;
        let bar = format!("{}{}", "█".repeat(filled), "·".repeat(BAR - filled));
        let score = if proven { String::new() } else { format!("   score {}", number(tensor.values[class])) };
        lines.push(format!("{class:>5}  {bar} {:>6.2} %{score}", 100.0 * shares[class]));
    }
    if !proven {
        lines.push(
            "       (the scores are what the model gives; the percentages are their softmax, taken here)".to_owned(),
        );
    }
    lines
}

/// Whether the values read as probabilities already; quantization makes their sum inexact.
fn are_probabilities(values: &[f64]) -> bool {
    values.iter().all(|value| (-0.001..=1.02).contains(value)) && (values.iter().sum::<f64>() - 1.0).abs() < 0.05
}

fn softmax(values: &[f64]) -> Vec<f64> {
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = values.iter().map(|value| (value - high).exp()).collect();
    let total: f64 = powers.iter().sum();
    powers.iter().map(|power| power / total).collect()
}

fn number(value: f64) -> String {
    let text = format!("{value:.4}");
    let short = text.trim_end_matches('0').trim_end_matches('.');
    if short.is_empty() || short == "-0" {
        "0".to_owned()
    } else {
        short.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(shape: &[usize], values: &[f64]) -> NamedTensor {
        NamedTensor { name: "y".into(), shape: shape.into(), values: values.into(), integers: vec![7; values.len()] }
    }

    #[test]
    fn scores_are_ranked_and_their_softmax_is_said_to_be_no_part_of_the_model() {
        let lines = lines(&tensor(&[1, 3], &[1.0, 5.0, 3.0]), PortKind::Real);
        assert_eq!(lines[0], "y: class 1");
        assert!(lines[1].contains("86.68 %   score 5"), "{lines:?}");
        assert!(lines.last().is_some_and(|line| line.contains("softmax, taken here")));
    }

    #[test]
    fn probabilities_are_shown_as_they_are() {
        let lines = lines(&tensor(&[1, 3], &[0.1, 0.15, 0.75]), PortKind::Real);
        assert_eq!(lines.len(), 4);
        assert!(lines[1].contains("75.00 %"), "{lines:?}");
    }

    #[test]
    fn other_outputs_are_numbers() {
        assert_eq!(lines(&tensor(&[1, 1], &[0.91]), PortKind::Real), ["y: 0.91"]);
        assert_eq!(lines(&tensor(&[1], &[7.0]), PortKind::Index), ["y: 7"]);
        let long = lines(&tensor(&[1, 4, 5], &[1.5; 20]), PortKind::Real);
        assert!(long[0].starts_with("y [1, 4, 5]: 1.5, ") && long[0].ends_with("… and 8 more"), "{long:?}");
        assert_eq!(number(-0.00001), "0");
    }
}
