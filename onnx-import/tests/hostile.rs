//! Damaged models of every operator: an error or a graph that can be evaluated, never a panic.

use onnx_import::float::evaluate::evaluate_all;
use onnx_import::float::graph::{FloatGraph, Tensor};
use onnx_import::{import, ImportOptions};
use std::io::{Cursor, Read};

/// Damaged copies of each model.
const COPIES: usize = 60;

/// A small generator, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % bound.max(1)
    }
}

fn damage(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len());
        match random.below(5) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
            2 => bytes.truncate(at.max(1)),
            3 => {
                bytes.remove(at);
                if bytes.is_empty() {
                    bytes.push(0);
                }
            }
            _ => {
                let piece = bytes[at..(at + random.below(16)).min(bytes.len())].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, piece);
            }
        }
    }
    bytes
}

/// Evaluates a graph of moderate size; every value must have the elements that its shape promises.
fn check_shapes(graph: &FloatGraph) {
    if graph.nodes.iter().any(|node| node.elements() > 100_000) {
        return;
    }
    let input = |shape: &[usize]| Tensor::new(shape.to_vec(), vec![0.5; shape.iter().product()]);
    let inputs: Vec<Tensor> = graph.inputs.iter().map(|port| input(&graph.node(port.value).shape)).collect();
    let values = evaluate_all(graph, &inputs).expect("the inputs have the declared shapes");
    for (node, value) in graph.nodes.iter().zip(&values) {
        assert_eq!((&node.shape, node.elements()), (&value.shape, value.data.len()), "{:?}", node.provenance);
    }
}

#[test]
fn damaged_models_never_panic() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut refused, mut accepted) = (0, 0);
    for bytes in [&include_bytes!("cases.zip")[..], include_bytes!("ml_cases.zip")] {
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).expect("a zip archive");
        for index in 0..archive.len() {
            let mut entry = archive.by_index(index).expect("the entry exists");
            if !entry.name().expect("the name is UTF-8").ends_with(".onnx") {
                continue;
            }
            let mut bytes = vec![];
            entry.read_to_end(&mut bytes).expect("the entry is readable");
            for _ in 0..COPIES {
                match import(&damage(&bytes, &mut random), &ImportOptions::default()) {
                    Ok(graph) => {
                        accepted += 1;
                        check_shapes(&graph);
                    }
                    Err(_) => refused += 1,
                }
            }
        }
    }
    println!("{refused} refused, {accepted} accepted");
    assert!(refused > 0 && accepted > 0, "some damage shows and some does not");
}
