//! Where each position of a resized axis lies in the original one.

use crate::error::NodeError;

type Result<T> = std::result::Result<T, NodeError>;

/// How one axis changes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    /// Size before.
    pub(super) input: usize,
    /// Size after.
    pub(super) output: usize,
    /// Their ratio, which need not be exactly `output / input`.
    pub(super) scale: f64,
    /// Part of the axis that is resized, for [`Coordinates::CropAndResize`].
    pub(super) region: [f64; 2],
    /// Whether the size was given, and the scale follows from it.
    pub(super) by_size: bool,
}

/// How precisely coordinates are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Precision {
    Single,
    Double,
}

impl Precision {
    /// The result of one operation as this precision rounds it.
    fn round(self, value: f64) -> f64 {
        match self {
            Self::Single => f64::from(value as f32),
            Self::Double => value,
        }
    }
}

impl Axis {
    /// An axis that stays.
    pub(super) fn unchanged(size: usize) -> Self {
        Self { input: size, output: size, scale: 1.0, region: [0.0, 1.0], by_size: false }
    }

    /// Whether resizing does nothing along it.
    pub(super) fn is_unchanged(&self) -> bool {
        self.input == self.output && self.scale == 1.0 && self.region == [0.0, 1.0]
    }
}

/// The coordinate transformations of ONNX.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coordinates {
    HalfPixel,
    HalfPixelSymmetric,
    PytorchHalfPixel,
    TensorflowHalfPixel,
    AlignCorners,
    Asymmetric,
    CropAndResize,
}

impl Coordinates {
    /// The transformation of that name in that operator set.
    pub(super) fn read(name: &str, version: i64) -> Result<Self> {
        Ok(match name {
            "half_pixel" => Self::HalfPixel,
            "half_pixel_symmetric" if version >= 19 => Self::HalfPixelSymmetric,
            "pytorch_half_pixel" => Self::PytorchHalfPixel,
            // Operator set 13 took it out; exporters still write it, and runtimes take it.
            "tf_half_pixel_for_nn" => Self::TensorflowHalfPixel,
            "align_corners" => Self::AlignCorners,
            "asymmetric" => Self::Asymmetric,
            "tf_crop_and_resize" => Self::CropAndResize,
            other => {
                return Err(NodeError::attribute("coordinate_transformation_mode", format!("`{other}` is unknown")))
            }
        })
    }

    /// The original coordinate of each position; `None` where it lies outside and is extrapolated.
    pub(super) fn of_axis(self, axis: &Axis, precision: Precision) -> Result<Vec<Option<f64>>> {
        if axis.input == 0 {
            return Err(NodeError::shape("it resizes an empty axis"));
        }
        let fractional = Precision::Single.round(axis.scale * axis.input as f64).fract() != 0.0;
        let corners = matches!(self, Self::AlignCorners | Self::CropAndResize);
        if fractional && corners && axis.input != axis.output {
            return Err(NodeError::unsupported(
                format!("runtimes differ on corners with a scale of {} of {} elements", axis.scale, axis.input),
                "give sizes instead of scales",
            ));
        }
        if self == Self::CropAndResize && axis.output == 1 && axis.input != 1 {
            return Err(NodeError::unsupported(
                "runtimes differ on cropping an axis to a single element",
                "use another coordinate transformation",
            ));
        }
        Ok((0..axis.output).map(|at| self.of_position(axis, at as f64, precision)).collect())
    }

    fn of_position(self, axis: &Axis, at: f64, precision: Precision) -> Option<f64> {
        let r = |value: f64| precision.round(value);
        let (input, output) = (axis.input as f64, axis.output as f64);
        let half_pixel = r(r((at + 0.5) / axis.scale) - 0.5);
        Some(match self {
            Self::HalfPixel => half_pixel,
            Self::PytorchHalfPixel if axis.output > 1 => half_pixel,
            Self::PytorchHalfPixel => 0.0,
            Self::TensorflowHalfPixel => r((at + 0.5) / axis.scale),
            Self::HalfPixelSymmetric => {
                let adjustment = r(output / r(axis.scale * input));
                r(r(input / 2.0 * r(1.0 - adjustment)) + half_pixel)
            }
            Self::Asymmetric => r(at / axis.scale),
            Self::AlignCorners if axis.output == 1 => 0.0,
            Self::AlignCorners => r(r(at * (input - 1.0)) / (output - 1.0)),
            Self::CropAndResize => {
                let [start, end] = axis.region;
                let original = if axis.output > 1 {
                    let step = r(r(r(at * r(end - start)) * (input - 1.0)) / (output - 1.0));
                    r(r(start * (input - 1.0)) + step)
                } else {
                    r(0.5 * r(start + end) * (input - 1.0))
                };
                return (0.0..=input - 1.0).contains(&original).then_some(original);
            }
        })
    }
}

/// Which neighbour is nearest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rounding {
    PreferFloor,
    PreferCeil,
    Floor,
    Ceil,
}

impl Rounding {
    /// The rounding of that name.
    pub(super) fn read(name: &str) -> Result<Self> {
        Ok(match name {
            "round_prefer_floor" => Self::PreferFloor,
            "round_prefer_ceil" => Self::PreferCeil,
            "floor" => Self::Floor,
            "ceil" => Self::Ceil,
            other => return Err(NodeError::attribute("nearest_mode", format!("`{other}` is unknown"))),
        })
    }

    /// The neighbour of a coordinate.
    pub(super) fn apply(self, at: f64) -> f64 {
        match self {
            // Not via `at ± 0.5`, which may round.
            Self::PreferFloor if at.fract().abs() == 0.5 => at.floor(),
            Self::PreferCeil if at.fract().abs() == 0.5 => at.ceil(),
            Self::PreferFloor | Self::PreferCeil => at.round(),
            Self::Floor => at.floor(),
            Self::Ceil => at.ceil(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_where_asked() {
        let at = |rounding: Rounding| [-0.5, 0.5, 1.5, 1.4].map(|v| rounding.apply(v));
        assert_eq!(at(Rounding::PreferFloor), [-1.0, 0.0, 1.0, 1.0]);
        assert_eq!(at(Rounding::PreferCeil), [0.0, 1.0, 2.0, 1.0]);
        assert_eq!(at(Rounding::Ceil), [0.0, 1.0, 2.0, 2.0]);
    }

    #[test]
    fn corners_meet_corners() {
        let axis = Axis { output: 5, scale: 5.0 / 3.0, ..Axis::unchanged(3) };
        let corners = Coordinates::AlignCorners.of_axis(&axis, Precision::Double).unwrap();
        assert_eq!(corners, [0.0, 0.5, 1.0, 1.5, 2.0].map(Some));
        let axis = Axis { output: 2, scale: 0.6, ..Axis::unchanged(4) };
        assert!(Coordinates::AlignCorners.of_axis(&axis, Precision::Double).is_err());
    }
}
