//! Processor seconds, medians, and runs that alternate.
//!
//! Times are those of all threads of the process together: they hardly depend on what else the machine does, while wall time
//! does.

use rustix::time::{clock_gettime, ClockId};

/// Processor seconds of all threads of this process so far.
pub fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Processor seconds that `work` takes, and what it gives.
pub fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = cpu_seconds();
    let result = work();
    (cpu_seconds() - start, result)
}

/// The value in the middle (of an even number of values the upper one); none of no values.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Median processor seconds of two pieces of work that run in turn, `repetitions` times each, after one run each that does not
/// count.
pub fn alternate(repetitions: usize, first: &mut dyn FnMut(), second: &mut dyn FnMut()) -> [f64; 2] {
    first();
    second();
    let mut seconds = [Vec::new(), Vec::new()];
    for _ in 0..repetitions.max(1) {
        seconds[0].push(timed(&mut *first).0);
        seconds[1].push(timed(&mut *second).0);
    }
    seconds.map(|seconds| median(seconds).expect("at least one repetition"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_middle_values() {
        assert_eq!(median([]), None);
        assert_eq!(median([3.0]), Some(3.0));
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0]), Some(4.0));
    }

    #[test]
    fn work_alternates() {
        let order = std::cell::RefCell::new(String::new());
        alternate(2, &mut || order.borrow_mut().push('a'), &mut || order.borrow_mut().push('b'));
        assert_eq!(order.into_inner(), "ababab");
    }
}
