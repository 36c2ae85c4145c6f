//! Values as the server shows them.

use tokio_postgres::SimpleQueryRow;

/// What stands for a value that is no text: a function may return any bytes, and `client_encoding` may be another than UTF8, which is
/// all that is understood here.
pub(super) const NO_TEXT: &str = "\u{fffd}";

/// A column of a row; none for null.
pub(super) fn value(row: &SimpleQueryRow, column: usize) -> Option<&str> {
    row.try_get(column).unwrap_or(Some(NO_TEXT))
}

/// All columns of a row.
pub(super) fn values(row: &SimpleQueryRow) -> impl Iterator<Item = Option<&str>> {
    (0..row.len()).map(|column| value(row, column))
}
