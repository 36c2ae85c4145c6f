//! What processes tell each other.

use memcheck_core::Finding;
use memcheck_core::wire::{self, Columns, FindingRecord};
use serde_json::Value;

/// Findings, stacks and addresses in JSON.
pub fn wire(data: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(data) else { return };
    if let Ok(found) = wire::read_finding(&value) {
        assert_eq!(wire::read_finding(&wire::finding(&found)).as_ref(), Ok(&found));
        let record = FindingRecord::from(&found);
        assert_eq!(Finding::try_from(record).as_ref(), Ok(&found));
        // Columns have no more than SQL can say; what they have said once they say again.
        if let Ok(read) = Finding::try_from(Columns::from(&found)) {
            assert_eq!(Columns::from(&read), Columns::from(&Finding::try_from(Columns::from(&read)).expect("again")));
        }
        drop(found.path.to_string());
    }
    if let Ok(stack) = wire::read_stack(&value) {
        assert_eq!(wire::read_stack(&wire::stack(&stack)), Ok(stack));
    }
    if let Ok(frame) = wire::read_address(&value) {
        assert_eq!(wire::read_address(&wire::address(&frame)), Ok(frame));
    }
}
