//! Results as libpq prints them (fe-print.c, PQprint with `header`, `align` and `|` as separator).

use crate::exec::happening::Table;

/// Adds a result to the text. A result without columns is not shown.
pub(super) fn print(text: &mut String, table: &Table) {
    if table.columns.is_empty() {
        return;
    }
    let cells = |row: &[Option<String>]| row.iter().map(|value| value.clone().unwrap_or_default()).collect::<Vec<_>>();
    let rows: Vec<Vec<String>> = table.rows.iter().map(|row| cells(row)).collect();
    let columns: Vec<Column> = (table.columns.iter().enumerate())
        .map(|(i, name)| {
            let values = || rows.iter().filter_map(|row| row.get(i)).filter(|value| !value.is_empty());
            Column {
                // In bytes, as C measures strings.
                width: values().map(String::len).max().unwrap_or(0).max(name.len()),
                is_numeric: values().all(|value| looks_numeric(value)),
            }
        })
        .collect();
    line(text, &columns, &table.columns);
    let border: Vec<String> = columns.iter().map(|column| "-".repeat(column.width)).collect();
    *text += &border.join("+");
    text.push('\n');
    for row in &rows {
        line(text, &columns, row);
    }
    let number = rows.len() + table.more;
    let plural = if number == 1 { "" } else { "s" };
    *text += &format!("({number} row{plural})\n\n");
}

struct Column {
    width: usize,
    is_numeric: bool,
}

fn line(text: &mut String, columns: &[Column], cells: &[String]) {
    for (i, (column, cell)) in columns.iter().zip(cells).enumerate() {
        if i > 0 {
            text.push('|');
        }
        let blanks = " ".repeat(column.width.saturating_sub(cell.len()));
        *text += &if column.is_numeric { format!("{blanks}{cell}") } else { format!("{cell}{blanks}") };
    }
    text.push('\n');
}

/// Whether PQprint takes a value for a number (fe-print.c, do_field): digits and the like, neither beginning with an E
/// nor ending in anything but a digit.
fn looks_numeric(value: &str) -> bool {
    value.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'E' | 'e' | ' ' | '-'))
        && !value.starts_with(['E', 'e'])
        && value.ends_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(columns: &[&str], rows: &[&[Option<&str>]]) -> String {
        let table = Table {
            columns: columns.iter().map(|&name| name.to_owned()).collect(),
            rows: rows.iter().map(|row| row.iter().map(|value| value.map(str::to_owned)).collect()).collect(),
            more: 0,
        };
        let mut text = String::new();
        print(&mut text, &table);
        text
    }

    #[test]
    fn columns_are_aligned_by_what_their_values_look_like() {
        let text = printed(&["id", "name"], &[&[Some("1"), Some("a")], &[Some("-10.5e3"), None]]);
        assert_eq!(text, "     id|name\n-------+----\n      1|a   \n-10.5e3|    \n(2 rows)\n\n");
    }

    #[test]
    fn an_empty_column_counts_as_numeric_and_widths_are_bytes() {
        assert_eq!(printed(&["a", "b"], &[&[None, Some("é")]]), "a|b \n-+--\n |é\n(1 row)\n\n");
        assert_eq!(printed(&["ab"], &[]), "ab\n--\n(0 rows)\n\n");
        assert_eq!(printed(&[], &[&[]]), "");
    }

    #[test]
    fn numbers_end_in_a_digit() {
        for (value, expected) in
            [("1", true), ("1.", false), ("e1", false), ("1e5", true), ("2020-01-01", true), ("x", false)]
        {
            assert_eq!(looks_numeric(value), expected, "{value}");
        }
    }
}
