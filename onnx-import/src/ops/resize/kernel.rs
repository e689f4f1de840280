//! Interpolation kernels as matrices.

use super::coordinates::Axis;

/// A kernel of interpolation along one axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kernel {
    /// Cubic with that coefficient; otherwise linear.
    pub(super) cubic: Option<f64>,
    /// Stretched by the scale where the result is smaller.
    pub(super) antialias: bool,
    /// Elements outside have no weight; otherwise the border is repeated.
    pub(super) exclude_outside: bool,
}

impl Kernel {
    /// Linear interpolation.
    pub(super) const LINEAR: Kernel = Kernel { cubic: None, antialias: false, exclude_outside: false };

    /// Whether an element may depend on more than its two neighbours.
    pub(super) fn is_wide(&self) -> bool {
        self.cubic.is_some() || self.antialias
    }

    /// The `output × input` matrix for these coordinates; rows of extrapolated positions are zero.
    pub(super) fn matrix(&self, axis: &Axis, positions: &[Option<f64>]) -> Vec<f64> {
        let mut matrix = vec![0.0; axis.output * axis.input];
        for (row, at) in matrix.chunks_exact_mut(axis.input).zip(positions) {
            if let Some(at) = at {
                self.fill_row(row, *at, axis.scale);
            }
        }
        matrix
    }

    fn fill_row(&self, row: &mut [f64], at: f64, scale: f64) {
        let stretch = if self.antialias { scale.min(1.0) } else { 1.0 };
        let reach = if self.cubic.is_some() { 2.0 } else { 1.0 } / stretch;
        let last = row.len() as i64 - 1;
        let mut total = 0.0;
        for index in (at - reach).ceil() as i64..=(at + reach).floor() as i64 {
            let weight = self.weight((index as f64 - at) * stretch);
            if self.exclude_outside && !(0..=last).contains(&index) {
                continue;
            }
            row[index.clamp(0, last) as usize] += weight;
            total += weight;
        }
        if total != 0.0 {
            row.iter_mut().for_each(|weight| *weight /= total);
        }
    }

    /// The weight of an element at that distance.
    fn weight(&self, distance: f64) -> f64 {
        let x = distance.abs();
        match self.cubic {
            None => (1.0 - x).max(0.0),
            Some(a) if x <= 1.0 => ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0,
            Some(a) if x < 2.0 => ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a,
            Some(_) => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(kernel: Kernel, at: f64, input: usize) -> Vec<f64> {
        kernel.matrix(&Axis { output: 1, ..Axis::unchanged(input) }, &[Some(at)])
    }

    #[test]
    fn rows_sum_to_one_and_repeat_the_border() {
        assert_eq!(row(Kernel::LINEAR, 0.25, 3), [0.75, 0.25, 0.0]);
        assert_eq!(row(Kernel::LINEAR, -0.25, 3), [1.0, 0.0, 0.0]);
        let cubic = Kernel { cubic: Some(-0.75), ..Kernel::LINEAR };
        assert_eq!(row(cubic, 1.0, 3), [0.0, 1.0, 0.0]);
        assert!((row(cubic, -0.25, 3).iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
}
