//! What a device can't go below: products by its rate, bytes by its memory's and the bus's (`docs/gpu.md`, 3).

use clap::Args;
use prover::engine::Work;

/// Products of an addition of points that shares no inversion.
const ADDITION_PRODUCTS: f64 = 10.0;
/// Bits of a window of a sum over points.
const WINDOW_BITS: u32 = 20;

/// The rates of a device.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Floors {
    /// Products of the field that the device makes in a second; the default is counted for an H200 whose wide multiply-adds issue at full
    /// rate
    #[arg(long, value_name = "N", default_value_t = 123e9)]
    products_per_second: f64,
    /// Bytes of its memory in a second; the default is an H200's
    #[arg(long, value_name = "N", default_value_t = 4.8e12)]
    memory_bytes_per_second: f64,
    /// Bytes over the bus in a second; the default is PCIe 5's, with 16 lanes
    #[arg(long, value_name = "N", default_value_t = 56e9)]
    bus_bytes_per_second: f64,
}

impl Floors {
    /// Seconds of so many products beside so many bytes of memory.
    pub(crate) fn device(&self, products: f64, bytes: f64) -> f64 {
        (products / self.products_per_second).max(bytes / self.memory_bytes_per_second)
    }

    /// Seconds of so many bytes over the bus.
    pub(crate) fn bus(&self, bytes: f64) -> f64 {
        bytes / self.bus_bytes_per_second
    }

    /// Seconds of a sum of so many points, none of whose scalars is zero or has more bits: an addition for each window.
    pub(crate) fn sum(&self, points: f64, bits: u32) -> f64 {
        self.device(points * f64::from(bits.div_ceil(WINDOW_BITS)) * ADDITION_PRODUCTS, 0.0)
    }

    /// Seconds of what the processor's engine counted, as a device does it: that engine's additions share inversions, and have wider or
    /// narrower windows, so this is a scale more than a bound.
    pub(crate) fn work(&self, work: &Work) -> f64 {
        self.device(work.products as f64 + ADDITION_PRODUCTS * work.additions as f64, 0.0)
    }

    /// The rates, for a record.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "products_per_second": self.products_per_second,
            "memory_bytes_per_second": self.memory_bytes_per_second,
            "bus_bytes_per_second": self.bus_bytes_per_second,
        })
    }
}

#[cfg(test)]
impl Floors {
    /// Rates to test with.
    pub(crate) const SOME: Self =
        Self { products_per_second: 1e9, memory_bytes_per_second: 1e10, bus_bytes_per_second: 1e9 };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slower_of_products_and_memory_decides() {
        assert_eq!(Floors::SOME.device(1e9, 1e9), 1.0);
        assert_eq!(Floors::SOME.device(1e9, 2e10), 2.0);
        assert_eq!(Floors::SOME.sum(1e6, 254), 0.13);
        assert_eq!(Floors::SOME.sum(1e6, 15), 0.01);
    }
}
