//! Counts of what the engine does, for profiles.

use std::sync::atomic::{AtomicU64, Ordering};

/// What was done, counted and not measured: the floor of its time follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Work {
    /// Products in the scalar field.
    pub products: u64,
    /// Additions of points.
    pub additions: u64,
    /// Transforms of a column.
    pub transforms: u64,
}

impl std::ops::Sub for Work {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            products: self.products - before.products,
            additions: self.additions - before.additions,
            transforms: self.transforms - before.transforms,
        }
    }
}

/// Running totals.
#[derive(Debug, Default)]
pub(super) struct Counters {
    products: AtomicU64,
    additions: AtomicU64,
    transforms: AtomicU64,
}

impl Counters {
    pub(super) fn products(&self, count: usize) {
        self.products.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(super) fn additions(&self, count: usize) {
        self.additions.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(super) fn transforms(&self, columns: usize, k: u32) {
        self.transforms.fetch_add(columns as u64, Ordering::Relaxed);
        // n/2·log n butterflies, and n twists.
        self.products(columns * ((1usize << k) / 2 * k as usize + (1 << k)));
    }

    pub(super) fn total(&self) -> Work {
        Work {
            products: self.products.load(Ordering::Relaxed),
            additions: self.additions.load(Ordering::Relaxed),
            transforms: self.transforms.load(Ordering::Relaxed),
        }
    }
}
