#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod curve;
mod msm;
mod ntt;
mod session;
mod vec_ops;

pub use curve::{BaseConfig, BaseField, Bn254, ScalarConfig, ScalarField};
pub use session::take_kernels;
pub use vec_ops::{add_scalars, mul_scalars, sub_scalars, VecOps, VecOpsConfig};
