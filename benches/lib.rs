//! What the measuring programs share: records, tables, plots, clocks, and networks to measure.
//!
//! | module | content |
//! | --- | --- |
//! | [`clock`] | processor seconds, medians, runs that alternate |
//! | [`models`] | models of a corpus |
//! | [`networks`] | synthetic integer programs |
//! | [`plot`] | plots as SVG |
//! | [`record`] | records as CSV, and where and on what they were taken |
//! | [`samples`] | pseudo-random elements and points |
//! | [`table`] | records as Markdown |

pub mod clock;
pub mod models;
pub mod networks;
pub mod plot;
pub mod record;
pub mod samples;
pub mod table;
