//! Samples in tables of text: one sample per row.

use std::collections::BTreeMap;

use super::{Array, ArrayError};

/// The table as a whole, under the empty name, and each column under the name that the first line has for it.
///
/// Cells are separated by commas, semicolons or tabs, whichever the first line has. The first line holds names where one of its
/// cells is no number; names may be in double quotes, numbers too. Empty lines at the end are left out.
///
/// # Errors
/// A cell that is neither a number nor empty (a missing value, NaN); lines of unequal length; no line of numbers.
pub(super) fn arrays(text: &str) -> Result<BTreeMap<String, Array>, ArrayError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim_end_matches(['\r', '\n']);
    let first = text.lines().next().ok_or(ArrayError::Empty)?;
    let separator = [',', ';', '\t'].into_iter().find(|&separator| first.contains(separator)).unwrap_or(',');
    let cells = |line: &str| line.split(separator).map(|cell| unquoted(cell).to_owned()).collect::<Vec<_>>();
    let names = Some(cells(first)).filter(|names| names.iter().any(|name| number(name).is_none()));
    let columns = cells(first).len();
    let mut data = Vec::new();
    for (index, line) in text.lines().enumerate().skip(usize::from(names.is_some())) {
        let (line, cells) = (index + 1, cells(line));
        if cells.len() != columns {
            return Err(ArrayError::Cells { line, expected: columns, found: cells.len() });
        }
        for (position, cell) in cells.iter().enumerate() {
            let found = || cell.chars().take(40).collect();
            data.push(number(cell).ok_or_else(|| ArrayError::Cell { line, column: position + 1, found: found() })?);
        }
    }
    let rows = data.len() / columns;
    if rows == 0 {
        return Err(ArrayError::Empty);
    }
    let column = |at: usize| (0..rows).map(|row| data[row * columns + at]).collect::<Vec<_>>();
    let mut arrays: BTreeMap<_, _> = (names.unwrap_or_default().into_iter().enumerate())
        .map(|(at, name)| (name, Array { shape: vec![rows, 1], data: column(at).into() }))
        .collect();
    arrays.insert(String::new(), Array { shape: vec![rows, columns], data: data.into() });
    Ok(arrays)
}

/// A cell without the spaces and double quotes around it.
fn unquoted(cell: &str) -> &str {
    let cell = cell.trim();
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
    fn malformed_tables_are_refused() {
        assert!(matches!(arrays("a,b\n1,x"), Err(ArrayError::Cell { line: 2, column: 2, found }) if found == "x"));
        assert!(arrays("a,b\n1,").unwrap()["b"].data[0].is_nan());
        assert!(matches!(arrays("1,2\n3"), Err(ArrayError::Cells { line: 2, expected: 2, found: 1 })));
        assert!(matches!(arrays("a,b\n"), Err(ArrayError::Empty)));
        assert!(matches!(arrays(""), Err(ArrayError::Empty)));
    }
}
