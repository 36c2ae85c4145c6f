//! A link that only tests ask for: it proves that an allocation can be refused and enlarged, by whom it is made.

use crate::link::{Before, Link, Request};
use crate::trace::sites;

/// What is tried.
#[derive(Default)]
pub(crate) struct Trial {
    /// By how much each allocation is enlarged (bytes).
    enlarge: usize,
    /// Which allocation of each site is refused, counted from 1; 0 for none.
    refuse: u32,
    /// Allocations so far, by site.
    made: Vec<u32>,
}

impl Trial {
    /// Tries something else from now on.
    pub(crate) fn set(&mut self, enlarge: usize, refuse: u32) {
        *self = Trial { enlarge, refuse, made: if refuse > 0 { vec![0; sites::MOST] } else { Vec::new() } };
    }
}

impl Link for Trial {
    fn before(&mut self, request: &Request) -> Before {
        if let Some(made) = self.made.get_mut(request.site as usize) {
            *made += 1;
            if *made == self.refuse {
                return Before::Refuse;
            }
        }
        if self.enlarge > 0 { Before::Enlarge(request.size + self.enlarge) } else { Before::Pass }
    }
}
