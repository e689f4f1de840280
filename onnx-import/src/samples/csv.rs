//! Samples in tables of text: one sample per row.

use std::collections::BTreeMap;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::{Array, ArrayError};

/// Bytes that end a line.
const EOL: [u8; 2] = *b"\r\n";
/// Most columns of a table whose columns have names, each of which is an array of its own.
const MAX_COLUMNS: usize = 1 << 18;

/// The table as a whole, under the empty name, and each column under the name that the first line has for it, if it is the only one with
/// that name.
///
/// Cells are separated by commas, semicolons or tabs, whichever the first line has outside of double quotes. A cell may be in double
/// quotes, between which separators and ends of lines are text, and a quote is written twice. The first line holds names where one of
/// its cells is no number. Empty lines are left out.
///
/// # Errors
/// A cell that is neither a number nor empty (a missing value, NaN); lines of unequal length; no line of numbers; too many columns with
/// names.
pub(super) fn arrays(text: &str) -> Result<BTreeMap<String, Array>, ArrayError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = Lines::new(text);
    let first = lines.next().ok_or(ArrayError::Empty)?;
    let columns = first.ends.len();
    let names = Some(first.clone()).filter(|names| names.cells().any(|name| number(name).is_none()));
    if names.is_some() && columns > MAX_COLUMNS {
        return Err(ArrayError::TooManyColumns { limit: MAX_COLUMNS });
    }
    let mut data = Vec::new();
    let numbers = Some(first).filter(|_| names.is_none());
    for line in numbers.into_iter().chain(lines) {
        append(&line, columns, &mut data)?;
    }
    let rows = data.len() / columns;
    if rows == 0 {
        return Err(ArrayError::Empty);
    }
    let mut places = BTreeMap::<_, Vec<usize>>::new();
    for (at, name) in names.iter().flat_map(Line::cells).enumerate() {
        places.entry(name).or_default().push(at);
    }
    let column = |at: usize| (0..rows).map(|row| data[row * columns + at]).collect::<Vec<_>>();
    let mut arrays: BTreeMap<_, _> = (places.into_iter())
        .filter_map(|(name, places)| Some((name.to_owned(), <[usize; 1]>::try_from(places).ok()?[0])))
        .map(|(name, at)| (name, Array { shape: vec![rows, 1], data: column(at).into() }))
        .collect();
    arrays.insert(String::new(), Array { shape: vec![rows, columns], data: data.into() });
    Ok(arrays)
}

/// What separates the cells of the first line: of several, the first of this list.
fn separator(text: &str) -> u8 {
    let mut quoted = false;
    let outside = text.bytes().filter(|&byte| {
        quoted ^= byte == b'"';
        !quoted
    });
    let line: Vec<u8> = outside.skip_while(|byte| EOL.contains(byte)).take_while(|byte| !EOL.contains(byte)).collect();
    *[b',', b';', b'\t'].iter().find(|separator| line.contains(separator)).unwrap_or(&b',')
}

/// A line of a table, or several where a cell holds the ends of lines.
#[derive(Clone)]
struct Line {
    /// Its number, from 1.
    number: usize,
    /// The cells, one after the other.
    text: String,
    /// Where each ends in it.
    ends: Vec<usize>,
}

impl Line {
    /// The cells, without the spaces and double quotes around them.
    fn cells(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| unquoted(self.text[start..end].trim()))
    }
}

/// The lines of a table.
struct Lines<'a> {
    reader: Reader,
    rest: &'a [u8],
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        Self { reader: ReaderBuilder::new().delimiter(separator(text)).build(), rest: text.as_bytes() }
    }
}

impl Iterator for Lines<'_> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        let number = self.reader.line() as usize;
        let (mut text, mut ends) = (vec![0; 256], vec![0; 16]);
        let (mut bytes, mut cells) = (0, 0);
        loop {
            let (result, read, written, ended) =
                self.reader.read_record(self.rest, &mut text[bytes..], &mut ends[cells..]);
            self.rest = &self.rest[read..];
            bytes += written;
            cells += ended;
            match result {
                // Then it is told once more that nothing is left.
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => text.resize(2 * text.len(), 0),
                ReadRecordResult::OutputEndsFull => ends.resize(2 * ends.len(), 0),
                ReadRecordResult::End => return None,
                ReadRecordResult::Record => break,
            }
        }
        text.truncate(bytes);
        ends.truncate(cells);
        // What separates cells is no part of a character.
        Some(Line { number, text: String::from_utf8(text).expect("it was text"), ends })
    }
}

/// Appends the numbers of a line.
fn append(line: &Line, columns: usize, data: &mut Vec<f64>) -> Result<(), ArrayError> {
    if line.ends.len() != columns {
        return Err(ArrayError::Cells { line: line.number, expected: columns, found: line.ends.len() });
    }
    for (position, cell) in line.cells().enumerate() {
        let refused =
            || ArrayError::Cell { line: line.number, column: position + 1, found: cell.chars().take(40).collect() };
        data.push(number(cell).ok_or_else(refused)?);
    }
    Ok(())
}

/// A cell without the double quotes around it, which stay where spaces were before them.
fn unquoted(cell: &str) -> &str {
    cell.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(cell)
}

/// The number that a cell holds; `true` and `false` are 1 and 0, and nothing is NaN.
fn number(cell: &str) -> Option<f64> {
    match cell {
        "" => Some(f64::NAN),
        "true" | "True" | "TRUE" => Some(1.0),
        "false" | "False" | "FALSE" => Some(0.0),
        _ => cell.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_arrays_and_columns() {
        let table = arrays("\u{feff}age, \"net income\",member\r\n41,1e3,True\r\n-2.5,\"7\",false\r\n\r\n").unwrap();
        assert_eq!((&table[""].shape[..], &table[""].data[..]), (&[2, 3][..], &[41.0, 1e3, 1.0, -2.5, 7.0, 0.0][..]));
        assert_eq!((&table["net income"].shape[..], &table["net income"].data[..]), (&[2, 1][..], &[1e3, 7.0][..]));
        let table = arrays("1;2\n3;4").unwrap();
        assert_eq!((table.len(), &table[""].data[..]), (1, &[1.0, 2.0, 3.0, 4.0][..]));
        assert_eq!(arrays("5").unwrap()[""].shape, [1, 1]);
        let missing = arrays("a\tb\n1\t2\n3\t\n").unwrap();
        assert!(missing["b"].data[0] == 2.0 && missing["b"].data[1].is_nan());
    }

    #[test]
    fn what_is_in_quotes_is_text() {
        let table = arrays("\"size, in cm\";\"a \"\"b\"\"\";\"two\nlines\"\n1;\"2\";3\n").unwrap();
        assert_eq!((&table[""].shape[..], &table[""].data[..]), (&[1, 3][..], &[1.0, 2.0, 3.0][..]));
        assert_eq!(
            (table["size, in cm"].data[0], table["a \"b\""].data[0], table["two\nlines"].data[0]),
            (1.0, 2.0, 3.0)
        );
        assert!(matches!(arrays("a,b\n1,\"2,3\""), Err(ArrayError::Cell { line: 2, column: 2, .. })));
        // A quote that nothing ends.
        assert!(arrays("a,b\n1,\"2\n3,4\n").is_err());
    }

    #[test]
    fn columns_of_one_name_have_no_name() {
        let table = arrays("x,x,y\n1,2,3\n").unwrap();
        assert_eq!(table.keys().collect::<Vec<_>>(), ["", "y"]);
        assert_eq!(table[""].data[..], [1.0, 2.0, 3.0]);
    }

    #[test]
    fn columns_with_names_are_bounded_and_others_are_not() {
        let wide = |cell: &str| vec![cell; MAX_COLUMNS + 1].join(",");
        let (names, numbers) = (wide("a"), wide("1"));
        let refused = arrays(&format!("{names}\n{numbers}\n"));
        assert!(matches!(refused, Err(ArrayError::TooManyColumns { limit: MAX_COLUMNS })));
        assert_eq!(arrays(&numbers).unwrap()[""].shape, [1, MAX_COLUMNS + 1]);
    }

    #[test]
    fn malformed_tables_are_refused() {
        assert!(matches!(arrays("a,b\n1,x"), Err(ArrayError::Cell { line: 2, column: 2, found }) if found == "x"));
        assert!(arrays("a,b\n1,").unwrap()["b"].data[0].is_nan());
        assert!(matches!(arrays("1,2\n3"), Err(ArrayError::Cells { line: 2, expected: 2, found: 1 })));
        assert!(matches!(arrays("a,b\n"), Err(ArrayError::Empty)));
        assert!(matches!(arrays(""), Err(ArrayError::Empty)));
    }
}
