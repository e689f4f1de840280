//! Products of matrices: the interpreter against the schoolbook, and programs that are refused.

mod support;

use circuits::analysis::AnalysisError;
use circuits::graph::{Op, ProgramError, Requantize, Table, Visibility};
use circuits::layout::{compile, LayoutError, LayoutOptions};
use circuits::reference::{run, RunError};
use support::ProgramBuilder;

/// `[stack, rows, inner]` times `[stack, inner, columns]`, both inputs.
fn product([stack, rows, inner, columns]: [usize; 4], requantize: Option<Requantize>) -> ProgramBuilder {
    let mut b = ProgramBuilder::new(1);
    let x = b.input(&[stack, rows, inner], Visibility::Private);
    let y = b.input(&[stack, inner, columns], Visibility::Private);
    let z = b.matmul(x, y, requantize);
    b.output(z, Visibility::Public);
    b
}

#[test]
fn the_interpreter_multiplies() {
    for size in [[1, 1, 1, 1], [1, 3, 4, 2], [2, 2, 5, 3], [3, 4, 1, 4], [2, 1, 3, 1]] {
        let [stack, rows, inner, columns] = size;
        let mut b = product(size, None);
        let inputs = b.inputs();
        let trace = run(&b.program, &inputs).expect("the inputs are admissible");
        for s in 0..stack {
            for i in 0..rows {
                for j in 0..columns {
                    let term =
                        |k: usize| inputs[0][(s * rows + i) * inner + k] * inputs[1][(s * inner + k) * columns + j];
                    let expected: i64 = (0..inner).map(term).sum();
                    assert_eq!(trace.outputs(&b.program)[0][(s * rows + i) * columns + j], expected, "{size:?}");
                }
            }
        }
    }
}

#[test]
fn accumulators_are_requantized() {
    let mut b = product([1, 2, 3, 2], None);
    let table = b.table(Table::identity(-3, 4));
    let inputs = b.inputs();
    let exact = run(&b.program, &inputs).expect("the inputs are admissible").outputs(&b.program)[0].clone();
    for node in &mut b.program.nodes {
        if let Op::MatMul { requantize, .. } = &mut node.op {
            *requantize = Some(Requantize { shift: 3, table });
        }
    }
    let found = run(&b.program, &inputs).expect("the inputs are admissible").outputs(&b.program)[0].clone();
    assert_eq!(found, exact.iter().map(|acc| ((acc + 4) >> 3).clamp(-3, 4)).collect::<Vec<_>>());
}

#[test]
fn shapes_that_do_not_fit() {
    let fits = product([2, 3, 4, 5], None).program;
    assert_eq!(fits.validate(), Ok(()));
    let (x, y, z) = (0, 1, 2);
    for (node, shape) in
        [(x, vec![1, 6, 4]), (y, vec![2, 5, 4]), (y, vec![1, 8, 5]), (z, vec![2, 5, 3]), (z, vec![1, 6, 5])]
    {
        let mut program = fits.clone();
        program.nodes[node].shape = shape.clone();
        assert!(matches!(program.validate(), Err(ProgramError::Shape { .. })), "{shape:?}");
    }
    for (node, shape) in [(x, vec![6, 4]), (y, vec![2, 4, 5, 1]), (z, vec![30])] {
        let mut program = fits.clone();
        program.nodes[node].shape = shape.clone();
        assert!(matches!(program.validate(), Err(ProgramError::OutOfBounds { .. })), "{shape:?}");
    }
}

/// Sums that no machine can hold: an overflow of the interpreter, and a typed error of the layout.
#[test]
fn accumulators_that_grow_too_large() {
    let wide = |bits: u32| {
        let mut b = product([1, 1, 8, 1], None);
        for node in &mut b.program.nodes {
            if let Op::Input { lo, hi } = &mut node.op {
                (*lo, *hi) = ((1 << bits) - 3, 1 << bits);
            }
        }
        b.program
    };
    assert!(compile(&wide(28), &LayoutOptions::default()).is_ok());
    let found = compile(&wide(31), &LayoutOptions::default());
    assert!(matches!(found, Err(LayoutError::Analysis(AnalysisError::TooWide { .. }))), "{found:?}");
    let inputs = vec![vec![1 << 62; 8]; 2];
    assert!(matches!(run(&wide(62), &inputs), Err(RunError::Overflow { .. })));
}
