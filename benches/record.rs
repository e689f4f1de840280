//! Records: comma-separated values, named by machine and date.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{bail, Context, Result};
use prover::field::Instructions;

/// Where the records of this repository are.
pub const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/records");

/// The columns that tell on what a row was measured.
pub const ENVIRONMENT: [&str; 4] = ["commit", "processor", "instructions", "threads"];

/// The cells of [`ENVIRONMENT`].
pub fn environment() -> Vec<String> {
    vec![commit(), processor(), Instructions::detected().to_string(), threads().to_string()]
}

/// Rows of cells under the names of their columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Record {
    /// A record without rows.
    pub fn new<S: AsRef<str>>(columns: &[S]) -> Self {
        Self { columns: columns.iter().map(|name| name.as_ref().to_owned()).collect(), rows: Vec::new() }
    }

    /// The record at `path`, or a new one where there is none.
    ///
    /// # Errors
    /// The file can't be read, or has other columns.
    pub fn open<S: AsRef<str>>(path: &Path, columns: &[S]) -> Result<Self> {
        let new = Self::new(columns);
        if !path.exists() {
            return Ok(new);
        }
        let record = Self::read(path)?;
        if record.columns != new.columns {
            bail!("{}: the record has other columns; move it away", path.display());
        }
        Ok(record)
    }

    /// Reads a record.
    ///
    /// # Errors
    /// The file can't be read, is empty, or has rows of another length than its head.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    /// Reads the text of a record.
    ///
    /// # Errors
    /// It is empty, or has rows of another length than its head.
    pub fn parse(text: &str) -> Result<Self> {
        let mut lines = text.lines().map(cells);
        let columns = lines.next().context("the record is empty")?;
        let rows: Vec<Vec<String>> = lines.collect();
        if let Some(row) = rows.iter().position(|row| row.len() != columns.len()) {
            bail!("row {} of the record has not as many cells as it has columns", row + 1);
        }
        Ok(Self { columns, rows })
    }

    /// Adds a row.
    ///
    /// # Panics
    /// It has not as many cells as there are columns.
    pub fn push(&mut self, row: Vec<String>) {
        assert_eq!(row.len(), self.columns.len(), "a cell for each column");
        self.rows.push(row);
    }

    /// Adds a row in the place of one whose first `keys` cells are the same, if there is one.
    ///
    /// # Panics
    /// As [`Self::push`].
    pub fn put(&mut self, row: Vec<String>, keys: usize) {
        assert_eq!(row.len(), self.columns.len(), "a cell for each column");
        match self.rows.iter_mut().find(|other| other[..keys] == row[..keys]) {
            Some(other) => *other = row,
            None => self.rows.push(row),
        }
    }

    /// Writes the record, and the folders above it.
    ///
    /// # Errors
    /// The system refuses.
    pub fn write(&self, path: &Path) -> Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        fs::write(path, self.text()).with_context(|| path.display().to_string())
    }

    /// The record as it is written.
    pub fn text(&self) -> String {
        std::iter::once(&self.columns).chain(&self.rows).map(|row| line(row) + "\n").collect()
    }

    /// The names of the columns.
    pub fn columns(&self) -> Vec<&str> {
        self.columns.iter().map(String::as_str).collect()
    }

    /// The rows.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|cells| Row { columns: &self.columns, cells })
    }
}

/// A row of a record, cells by the names of their columns.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    columns: &'a [String],
    cells: &'a [String],
}

impl<'a> Row<'a> {
    /// The cell in a column; empty where the record has no such column.
    pub fn cell(self, column: &str) -> &'a str {
        let position = self.columns.iter().position(|name| name == column);
        position.map_or("", |position| &self.cells[position])
    }

    /// The figure in a column, if there is one.
    pub fn figure(self, column: &str) -> Option<f64> {
        self.cell(column).parse().ok()
    }
}

/// A row as text. Cells are quoted where they hold a comma or a quote, and never hold more than a line.
pub fn line(row: &[String]) -> String {
    let cell = |cell: &String| {
        let cell = cell.replace('\n', " ");
        if cell.contains([',', '"']) {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell
        }
    };
    row.iter().map(cell).collect::<Vec<_>>().join(",")
}

/// The cells of a line.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cells.last_mut().expect("never empty").push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            c => cells.last_mut().expect("never empty").push(c),
        }
    }
    cells
}

/// A figure as a cell: six significant digits, which is more than any is measured to; whole numbers in full.
pub fn figure(value: f64) -> String {
    if value == value.trunc() || value.abs() >= 1e6 {
        return format!("{value:.0}");
    }
    let digits = (5 - value.abs().log10().floor() as i32).clamp(0, 15) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// `<folder>/<machine>/<date><suffix>`
///
/// # Errors
/// The clock stands before 1970.
pub fn path(folder: &Path, suffix: &str) -> Result<PathBuf> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    Ok(folder.join(machine()).join(format!("{}{suffix}", date(seconds / 86_400))))
}

/// The processor and the number of its cores that may be used, as a folder's name.
pub fn machine() -> String {
    let model = processor();
    let words = model.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    format!("{}-{}-cores", words.collect::<Vec<_>>().join("-").to_lowercase(), threads())
}

/// The processor's name.
fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name"));
    model.map_or("unknown processor", |model| model.trim_start_matches([' ', '\t', ':'])).to_owned()
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The commit that the source is at, and whether there are changes to it.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(["-C", env!("CARGO_MANIFEST_DIR")]).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=10", "HEAD"]) else { return "unknown".into() };
    match git(&["status", "--porcelain", "--untracked-files=no", "--", ":/", ":(exclude)records"]) {
        Some(changes) if changes.is_empty() => commit,
        _ => commit + "+changes",
    }
}

/// The date, as ISO 8601 writes it, of the day so many days after 1970-01-01.
pub fn date(days: u64) -> String {
    // Years from 1 March on, so that the leap day is a year's last; 719468 days lie between 0000-03-01 and 1970-01-01.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|cell| (*cell).to_owned()).collect()
    }

    #[test]
    fn days_become_dates() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(11_016), "2000-02-29");
        assert_eq!(date(20_513), "2026-03-01");
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut record = Record::new(&["name", "seconds", "note"]);
        record.push(strings(&["conv 3×3, wide", "1.5", "node \"a\": no"]));
        record.push(strings(&["b", "", ""]));
        let text = record.text();
        assert_eq!(text, "name,seconds,note\n\"conv 3×3, wide\",1.5,\"node \"\"a\"\": no\"\nb,,\n");
        assert_eq!(Record::parse(&text).expect("well formed"), record);
        let rows: Vec<Row<'_>> = record.rows().collect();
        assert_eq!((rows[0].figure("seconds"), rows[1].figure("seconds")), (Some(1.5), None));
        assert_eq!((rows[0].cell("name"), rows[0].cell("other")), ("conv 3×3, wide", ""));
    }

    #[test]
    fn damaged_records_are_refused() {
        assert!(Record::parse("").is_err());
        assert!(Record::parse("a,b\n1\n").is_err());
    }

    #[test]
    fn a_second_measurement_takes_the_place_of_the_first() {
        let mut record = Record::new(&["name", "engine", "seconds"]);
        for row in [["a", "x", "1"], ["a", "y", "2"], ["a", "x", "3"]] {
            record.put(strings(&row), 2);
        }
        assert_eq!(record.text(), "name,engine,seconds\na,x,3\na,y,2\n");
    }

    #[test]
    fn figures_have_six_digits() {
        let shown = [0.0, 3.0, 1.0 / 3.0, 123.456_789, 3.815e-9, 87_490_560.0, 1_234_567.8].map(figure);
        assert_eq!(shown, ["0", "3", "0.333333", "123.457", "0.000000003815", "87490560", "1234568"]);
    }

    #[test]
    fn records_name_their_environment() {
        assert_eq!(environment().len(), ENVIRONMENT.len());
        assert!(environment().iter().all(|cell| !cell.is_empty()));
    }
}
