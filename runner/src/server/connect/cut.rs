//! Messages that are too long to be kept: what a function returns or says may be as large as the memory. Of each value and of
//! each error the beginning is passed on, with its size behind it; the rest is left out as it comes in.

/// Bytes of a value that are kept, and of an error or notice. Messages that have no more are none of our business.
pub(super) const KEPT: usize = 1 << 20;

/// Bytes of a row that are kept.
const ROW: usize = 16 << 20;

/// A message that is cut.
#[derive(Debug)]
pub(super) enum Cut {
    /// DataRow: a number of columns, then the length of each value and the value (protocol-message-formats).
    Row(Row),
    /// ErrorResponse, NoticeResponse: texts that end in a null byte, with a byte each before them.
    Words(Words),
}

impl Cut {
    /// Begins a message of this kind and with so much content, if it is to be cut.
    pub(super) fn begin(kind: u8, length: usize) -> Option<Self> {
        match kind {
            b'D' if length > KEPT => Some(Cut::Row(Row { kept: Vec::new(), head: Vec::new(), value: None })),
            b'E' | b'N' if length > KEPT => Some(Cut::Words(Words { kept: Vec::new(), length })),
            _ => None,
        }
    }

    /// Takes a piece of its content.
    pub(super) fn take(&mut self, piece: &[u8]) {
        match self {
            Cut::Row(row) => row.take(piece),
            Cut::Words(words) => {
                let now = piece.len().min(KEPT - words.kept.len());
                words.kept.extend_from_slice(&piece[..now]);
            }
        }
    }

    /// The message that is passed on in its place.
    pub(super) fn end(self, kind: u8) -> Vec<u8> {
        let content = match self {
            Cut::Row(row) => row.kept,
            Cut::Words(Words { kept, length }) => [whole_characters(&kept), note(length).as_bytes(), b"\0\0"].concat(),
        };
        let length = u32::try_from(4 + content.len()).unwrap_or(u32::MAX);
        [&[kind], &length.to_be_bytes()[..], &content].concat()
    }
}

/// The text of an error.
#[derive(Debug)]
pub(super) struct Words {
    kept: Vec<u8>,
    length: usize,
}

/// A row.
#[derive(Debug)]
pub(super) struct Row {
    /// The row as it is passed on.
    kept: Vec<u8>,
    /// What has come of the number of columns or of the length of a value.
    head: Vec<u8>,
    /// The value that is coming in.
    value: Option<Value>,
}

#[derive(Debug)]
struct Value {
    length: usize,
    /// Bytes that are still to come.
    left: usize,
    /// Where in the row it begins, behind its length.
    start: usize,
    /// How much of it is kept.
    keeps: usize,
}

impl Row {
    fn take(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() {
            let Some(value) = &mut self.value else {
                let wanted = if self.kept.is_empty() { 2 } else { 4 };
                let (now, later) = piece.split_at((wanted - self.head.len()).min(piece.len()));
                self.head.extend_from_slice(now);
                piece = later;
                if self.head.len() == wanted {
                    self.begin();
                }
                continue;
            };
            let (now, later) = piece.split_at(value.left.min(piece.len()));
            let room = (value.start + value.keeps).saturating_sub(self.kept.len());
            self.kept.extend_from_slice(&now[..now.len().min(room)]);
            value.left -= now.len();
            piece = later;
            if value.left == 0 {
                self.finish();
            }
        }
    }

    /// Begins a value; the number of columns comes before the first.
    fn begin(&mut self) {
        let head = std::mem::take(&mut self.head);
        self.kept.extend_from_slice(&head);
        // No length is that of NULL.
        let Ok(length) = <[u8; 4]>::try_from(head.as_slice()).map(i32::from_be_bytes) else { return };
        let Ok(length @ 1..) = usize::try_from(length) else { return };
        let start = self.kept.len();
        let room = KEPT.min(ROW.saturating_sub(start));
        let keeps = if length <= room { length } else { room };
        self.value = Some(Value { length, left: length, start, keeps });
    }

    /// Ends a value, with its size where there is more than is kept.
    fn finish(&mut self) {
        let Some(Value { length, start, keeps, .. }) = self.value.take() else { return };
        if keeps == length {
            return;
        }
        let whole = whole_characters(&self.kept[start..]).len();
        self.kept.truncate(start + whole);
        self.kept.extend_from_slice(note(length).as_bytes());
        let length = u32::try_from(self.kept.len() - start).unwrap_or(u32::MAX);
        self.kept[start - 4..start].copy_from_slice(&length.to_be_bytes());
    }
}

/// What is written where the rest is left out.
fn note(length: usize) -> String {
    match length >> 20 {
        0 => format!("... ({} kB)", length >> 10),
        megabytes => format!("... ({megabytes} MB)"),
    }
}

/// Text without the part of a character that it may end with.
fn whole_characters(text: &[u8]) -> &[u8] {
    let begun = text.iter().rev().take(3).position(|byte| *byte >= 0xc0);
    match begun.map(|before_end| text.len() - 1 - before_end) {
        Some(start) if std::str::from_utf8(&text[start..]).is_err() => &text[..start],
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(kind: u8, content: &[u8], size: usize) -> Option<Vec<u8>> {
        let mut cut = Cut::begin(kind, content.len())?;
        content.chunks(size).for_each(|piece| cut.take(piece));
        Some(cut.end(kind))
    }

    fn row(values: &[Option<&[u8]>]) -> Vec<u8> {
        let mut row = (values.len() as u16).to_be_bytes().to_vec();
        for value in values {
            row.extend(value.map_or(-1, |value| value.len() as i32).to_be_bytes());
            row.extend_from_slice(value.unwrap_or_default());
        }
        row
    }

    fn message(kind: u8, content: &[u8]) -> Vec<u8> {
        [&[kind], &(4 + content.len() as u32).to_be_bytes()[..], content].concat()
    }

    #[test]
    fn a_value_that_is_too_long_is_cut_between_characters_and_its_neighbours_are_not() {
        let long = format!("a{}", "\u{e4}".repeat(3 << 20));
        let kept = format!("a{}... (6 MB)", "\u{e4}".repeat((1 << 19) - 1));
        let values = |long: &'static str, of: &str| {
            let of = if of.is_empty() { long.as_bytes() } else { of.as_bytes() };
            row(&[Some(b"x"), None, Some(of), Some(b""), Some(b"yz")])
        };
        for size in [7, 4096, usize::MAX] {
            let cut = cut(b'D', &values("", &long), size).unwrap();
            assert!(cut == message(b'D', &values("", &kept)), "in pieces of {size}");
        }
        assert_eq!(cut(b'D', &row(&[Some(b"short")]), 1), None);
        assert_eq!(cut(b'T', &vec![0; 2 << 20], 1), None);
    }

    #[test]
    fn a_row_of_many_long_values_is_cut_as_well() {
        let value = vec![b'v'; 1 << 20];
        let values = vec![Some(value.as_slice()); 100];
        let cut = cut(b'D', &row(&values), 1 << 16).unwrap();
        assert!(cut.len() < 17 << 20, "{}", cut.len());
        let length = u32::from_be_bytes([cut[1], cut[2], cut[3], cut[4]]) as usize;
        assert_eq!((cut.len(), &cut[5..7]), (1 + length, &100u16.to_be_bytes()[..]));
        assert!(cut.ends_with(b"\0\0\0\x0a... (1 MB)"));
    }

    #[test]
    fn an_error_keeps_its_beginning() {
        let content = [b"SERROR\0C22000\0M".as_slice(), &vec![b'm'; 5 << 20], b"\0D\0\0"].concat();
        let cut = cut(b'E', &content, 1000).unwrap();
        assert!(cut.len() < KEPT + 100 && cut[5..].starts_with(b"SERROR\0C22000\0Mmm"));
        assert!(cut.ends_with(b"mmm... (5 MB)\0\0"));
    }
}
