//! Text in shared memory.

/// Text of limited length.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Text<const N: usize> {
    length: u16,
    bytes: [u8; N],
}

impl<const N: usize> Text<N> {
    /// As much of a text as there is room for, in whole characters.
    pub(crate) fn new(text: &str) -> Self {
        let mut length = text.len().min(N);
        while !text.is_char_boundary(length) {
            length -= 1;
        }
        let mut bytes = [0; N];
        bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
        Text { length: length as u16, bytes }
    }

    /// A whole text; none where there is no room for it.
    pub(super) fn whole(text: &str) -> Option<Self> {
        (text.len() <= N).then(|| Self::new(text))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether it is the same text.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.length == other.length && self.bytes == other.bytes
    }

    /// The text, unless somebody else has written to it.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length).min(N)]).unwrap_or_default()
    }

    pub(crate) fn to_text(self) -> String {
        String::from_utf8_lossy(&self.bytes[..usize::from(self.length).min(N)]).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::Text;

    #[test]
    fn texts_are_cut_between_characters_or_not_at_all() {
        let table = [("", ""), ("abcd", "abcd"), ("abcde", "abcd"), ("abcé", "abc"), ("éé", "éé")];
        for (text, kept) in table {
            assert_eq!(Text::<4>::new(text).to_text(), kept);
            assert_eq!(Text::<4>::whole(text).map(Text::to_text), (text == kept).then(|| kept.to_owned()), "{text}");
        }
    }
}
