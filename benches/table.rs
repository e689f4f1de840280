//! Records as Markdown.

/// A table whose first column is text and whose others are figures.
pub fn markdown<S: AsRef<str>>(headings: &[S], rows: &[Vec<String>]) -> String {
    let headings: Vec<&str> = headings.iter().map(AsRef::as_ref).collect();
    let figures = headings.len().saturating_sub(1);
    let mut text = format!("| {} |\n| --- |{}\n", headings.join(" | "), " ---: |".repeat(figures));
    for row in rows {
        text += &format!("| {} |\n", row.join(" | "));
    }
    text
}

/// How a figure is shown.
pub type Show = fn(f64) -> String;

/// A figure as `show` shows it; a dash where there is none.
pub fn shown(figure: Option<f64>, show: Show) -> String {
    figure.map_or_else(|| "–".into(), show)
}

/// How many times the second figure the first one is.
pub fn ratio(first: Option<f64>, second: Option<f64>) -> Option<f64> {
    first.zip(second).map(|(first, second)| first / second).filter(|ratio| ratio.is_finite())
}

/// No decimals.
pub fn whole(figure: f64) -> String {
    format!("{figure:.0}")
}

/// Two decimals.
pub fn hundredths(figure: f64) -> String {
    format!("{figure:.2}")
}

/// Three significant digits, with a prefix of thousands: for bytes.
pub fn bytes(figure: f64) -> String {
    let units = ["B", "KB", "MB", "GB", "TB"];
    let step = (0..units.len() - 1).find(|step| figure < 999.5 * 1e3f64.powi(*step as i32)).unwrap_or(units.len() - 1);
    format!("{} {}", digits(figure / 1e3f64.powi(step as i32)), units[step])
}

/// Three significant digits.
pub fn digits(figure: f64) -> String {
    let decimals = (0..3).find(|decimals| figure.abs() >= 99.95 / 10f64.powi(*decimals)).unwrap_or(3);
    let text = format!("{figure:.*}", decimals as usize);
    match figure == figure.trunc() {
        true => format!("{figure:.0}"),
        false => text,
    }
}

/// A ratio, such as `3.2×`.
pub fn times(ratio: f64) -> String {
    format!("{}×", digits(ratio))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_markdown() {
        let table = markdown(&["model", "s", "MB"], &[vec!["a".into(), "1.5".into(), "7".into()]]);
        assert_eq!(table, "| model | s | MB |\n| --- | ---: | ---: |\n| a | 1.5 | 7 |\n");
    }

    #[test]
    fn ratios_need_both_figures() {
        assert_eq!(ratio(Some(6.0), Some(2.0)), Some(3.0));
        assert_eq!(ratio(Some(6.0), None), None);
        assert_eq!(ratio(None, Some(2.0)), None);
        assert_eq!(ratio(Some(6.0), Some(0.0)), None);
        assert_eq!(shown(ratio(Some(6.4), Some(2.0)), times), "3.20×");
        assert_eq!(shown(None, times), "–");
    }

    #[test]
    fn figures_have_three_digits() {
        assert_eq!([0.1234, 1.234, 12.34, 123.4, 1234.5].map(digits), ["0.123", "1.23", "12.3", "123", "1234"]);
        assert_eq!(
            [12.0, 999.0, 153_044.0, 87_490_560.0, 4.1e9].map(bytes),
            ["12 B", "999 B", "153 KB", "87.5 MB", "4.10 GB"]
        );
    }
}
