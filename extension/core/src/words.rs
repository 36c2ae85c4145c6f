//! Words of the language: enums without fields, each value with one spelling.

/// A word that is not one of a fixed list, with the list's subject (`check`, `severity`, ...).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} \"{word}\"")]
pub struct UnknownWord {
    /// What kind of word was looked for.
    pub what: &'static str,
    /// The word as it was written.
    pub word: String,
}

/// Defines a fieldless enum with one spelling for each variant, in the order in which they are listed.
#[macro_export]
macro_rules! words {
    (
        $(#[$outer:meta])*
        $name:ident: $what:literal { $($(#[$inner:meta])* $variant:ident = $word:literal,)+ }
    ) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$inner])* $variant,)+
        }

        impl $name {
            /// Every value, in declaration order.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];

            /// The spelling used in SQL, specs and goldens.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::words::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                Self::ALL
                    .iter()
                    .copied()
                    .find(|value| value.as_str() == word)
                    .ok_or_else(|| $crate::words::UnknownWord { what: $what, word: word.to_owned() })
            }
        }
    };
}
pub(crate) use words;
