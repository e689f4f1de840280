//! Draws a tensor of an image's shape in the terminal.

/// Smallest and largest side that is drawn.
const SIDES: std::ops::RangeInclusive<usize> = 5..=96;

/// Shades from empty to full.
const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];

/// The plane of an image: its grey levels in [0, 1], row-major.
#[derive(Debug, PartialEq)]
pub(crate) struct Picture {
    width: usize,
    levels: Vec<f64>,
}

impl Picture {
    /// Reads a tensor as a picture: `[1, C, H, W]`, `[1, H, W, C]`, `[C, H, W]`, `[H, W]` … with C of 1 or 3, colours
    /// averaged to grey, levels stretched to the range of the data. `None` where the shape is no image's.
    pub(crate) fn from_tensor(shape: &[usize], values: &[f64]) -> Option<Self> {
        let (channels, height, width, last) = geometry(shape)?;
        if values.len() != channels * height * width || !values.iter().all(|value| value.is_finite()) {
            return None;
        }
        let plane = height * width;
        let level = |pixel: usize| {
            let channel = |c: usize| if last { values[pixel * channels + c] } else { values[c * plane + pixel] };
            (0..channels).map(channel).sum::<f64>() / channels as f64
        };
        let levels: Vec<f64> = (0..plane).map(level).collect();
        let low = levels.iter().copied().fold(f64::INFINITY, f64::min);
        let high = levels.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let span = if high > low { high - low } else { 1.0 };
        Some(Self { width, levels: levels.iter().map(|level| (level - low) / span).collect() })
    }

    /// One character for two pixels, one above the other: characters are twice as high as wide.
    pub(crate) fn shaded(&self) -> String {
        let rows: Vec<&[f64]> = self.levels.chunks(self.width).collect();
        let lines = rows.chunks(2).map(|pair| {
            let cell = |x: usize| pair.iter().map(|row| row[x]).sum::<f64>() / pair.len() as f64;
            (0..self.width).map(|x| shade(cell(x))).collect::<String>()
        });
        lines.map(|line| format!("  {}\n", line.trim_end())).collect()
    }

    /// Two pixels to a character in 24 shades of grey, for terminals that know the 256 colours.
    pub(crate) fn coloured(&self) -> String {
        let rows: Vec<&[f64]> = self.levels.chunks(self.width).collect();
        let mut text = String::new();
        for pair in rows.chunks(2) {
            text.push_str("  ");
            for x in 0..self.width {
                let lower = pair.get(1).map_or(0.0, |row| row[x]);
                text.push_str(&format!("\x1b[38;5;{};48;5;{}m▀", grey(pair[0][x]), grey(lower)));
            }
            text.push_str("\x1b[0m\n");
        }
        text
    }
}

/// Channels, height, width, and whether the channels come last.
fn geometry(shape: &[usize]) -> Option<(usize, usize, usize, bool)> {
    let rank = shape.len();
    let start = rank.saturating_sub(3);
    if rank < 2 || shape[..start].iter().any(|&size| size != 1) {
        return None;
    }
    let found = match shape[start..] {
        [height, width] => (1, height, width, false),
        [channels @ (1 | 3), height, width] => (channels, height, width, false),
        [height, width, channels @ (1 | 3)] => (channels, height, width, true),
        _ => return None,
    };
    (SIDES.contains(&found.1) && SIDES.contains(&found.2)).then_some(found)
}

fn shade(level: f64) -> char {
    SHADES[(level * (SHADES.len() - 1) as f64).round() as usize]
}

fn grey(level: f64) -> u8 {
    232 + (level * 23.0).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_told_from_other_tensors() {
        assert_eq!(geometry(&[1, 1, 28, 28]), Some((1, 28, 28, false)));
        assert_eq!(geometry(&[1, 12, 12, 3]), Some((3, 12, 12, true)));
        assert_eq!(geometry(&[8, 8]), Some((1, 8, 8, false)));
        for shape in [&[1usize, 64][..], &[64], &[1, 16, 28, 28], &[2, 1, 28, 28], &[1, 1, 1, 28], &[]] {
            assert_eq!(geometry(shape), None, "{shape:?}");
        }
    }

    #[test]
    fn two_rows_share_a_line() {
        let values: Vec<f64> = (0..36).map(|i| if i < 12 { 1.0 } else { 0.0 }).collect();
        let picture = Picture::from_tensor(&[1, 1, 6, 6], &values).expect("an image");
        assert_eq!(picture.shaded(), "  ██████\n  \n  \n");
    }

    #[test]
    fn colours_are_averaged_wherever_the_channels_are() {
        let planes: Vec<f64> = (0..75).map(|i| f64::from(i % 25)).collect();
        let interleaved: Vec<f64> = (0..75).map(|i| f64::from(i / 3)).collect();
        let first = Picture::from_tensor(&[3, 5, 5], &planes).expect("an image");
        assert_eq!(Picture::from_tensor(&[1, 5, 5, 3], &interleaved), Some(first));
    }

    #[test]
    fn a_flat_picture_is_empty_and_a_broken_one_refused() {
        let flat = Picture::from_tensor(&[5, 5], &[0.25; 25]).expect("an image");
        assert_eq!(flat.shaded(), "  \n".repeat(3));
        assert_eq!(Picture::from_tensor(&[5, 5], &[f64::NAN; 25]), None);
        assert_eq!(Picture::from_tensor(&[5, 5], &[0.0; 24]), None);
    }
}
