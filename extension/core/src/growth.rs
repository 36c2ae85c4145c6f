//! The shape of a growth over the marks of a window.

use crate::check::words;
words! {
    /// How something grows with the iterations.
    Shape: "shape" {
        /// At a steady rate.
        Linear = "linear",
        /// At a rate that rises: the last interval's is more than 1.5 times the first one's.
        Superlinear = "superlinear",
    }
}
