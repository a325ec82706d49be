//! Columns for people.

/// Rows under a heading, indented, each column as wide as its widest cell; the last is not filled up.
pub(super) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([heading[column].len()]).max().unwrap_or_default()
    };
    let widths: Vec<_> = (0..N).map(width).collect();
    let line = |cells: [&str; N]| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("\n  {}", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    let mut text = line(heading);
    for row in rows {
        text.push_str(&line(row.each_ref().map(String::as_str)));
    }
    text
}

/// "1 session", "2 sessions", "no sessions".
pub(super) fn count(number: u64, thing: &str) -> String {
    match number {
        0 => format!("no {thing}s"),
        1 => format!("1 {thing}"),
        _ => format!("{number} {thing}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a-long-name".to_owned(), "1".to_owned()], ["b".to_owned(), "22".to_owned()]];
        let text = table(["name", "sessions"], &rows);
        assert_eq!(text, "\n  name         sessions\n  a-long-name  1\n  b            22");
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!([0, 1, 2].map(|n| count(n, "device")), ["no devices", "1 device", "2 devices"]);
    }
}
