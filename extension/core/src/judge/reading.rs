//! What a scenario makes of curves: the part of a judgement that is a scenario's own.

use crate::census::{Live, PathTable, Totals};
use crate::finding::Finding;
use crate::judge::curve::{Contexts, Curve};
use crate::judge::evidence::Evidence;

/// How a scenario reads the curves of contexts.
///
/// [`untraced`](crate::judge::untraced) and [`traced`](crate::judge::traced) have what readings are made of.
pub trait Reading {
    /// Leaves those of the contexts that have grown that are looked at, given that contexts which pile up below others that do
    /// are already counted as part of those.
    fn select(&self, _paths: &PathTable, _all: &mut Vec<Contexts<Totals>>) {}

    /// What the totals of contexts with one path say.
    fn totals(&self, evidence: &Evidence, contexts: &Contexts<Totals>) -> Vec<Finding>;

    /// What the allocations of a target in contexts with one path say, and whether such contexts pile up.
    fn traced(&self, evidence: &Evidence, contexts: &Contexts<Live>, piles_up: bool) -> Vec<Finding>;

    /// Whether memory outside of contexts is lost.
    fn is_lost(&self, curve: &Curve<Live>) -> bool {
        curve.bytes().is_some()
    }

    /// Whether what a site holds in contexts with one path counts, so that what else is there neither hides it nor is charged
    /// with it.
    fn counts(&self, _site: &Curve<Live>) -> bool {
        true
    }

    /// Whether contexts that pile up do so for sure, so that there need be nothing of a target's in them. Without a shape there
    /// were too few marks to tell a pile from a context that is made once.
    fn is_sure(&self, pile: &Finding) -> bool {
        pile.shape.is_some()
    }

    /// Whether contexts that pile up are reported as their totals have them, whoever has made them and whatever is in them.
    fn counts_contexts(&self) -> bool {
        false
    }
}
