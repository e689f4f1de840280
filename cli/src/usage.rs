//! Memory, as the kernel counts it.
//!
//! Read from `/proc`, so the figures exist on Linux only; elsewhere they are absent rather than guessed.

use std::fs;

/// Memory that the machine could still give, in bytes.
pub(crate) fn available_memory_bytes() -> Option<u64> {
    field_bytes(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")
}

fn field_bytes(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let kilobytes: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_kilobytes() {
        let text = "Name:\tzkinfer\nVmHWM:\t    1234 kB\nVmRSS:\t 12 kB\n";
        assert_eq!(field_bytes(text, "VmHWM:"), Some(1234 * 1024));
        assert_eq!(field_bytes(text, "VmSwap:"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_has_memory() {
        assert!(available_memory_bytes().is_some_and(|bytes| bytes > 1 << 20));
    }
}
