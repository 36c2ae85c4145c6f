//! What the server logs, as far as it concerns the engine: questions of other processes come as the head of a dump, and
//! references that were not given back as complaints.

use memcheck_core::judge::complaint::resource;

use crate::pg::log::{Message, on_message};
use crate::{ask, session};

pub(super) fn register() {
    on_message(look_at);
}

/// False for the lines of a dump that was only a question.
fn look_at(message: &Message) -> bool {
    if message.is_for_the_log_only() && ask::is_of_question(message.format) {
        return false;
    }
    if message.is_warning() {
        // What is not UTF-8 is none of the texts looked for.
        let text = message.text.to_str().unwrap_or_default();
        if let Some(resource) = resource(message.format.to_str().unwrap_or_default(), text) {
            session::unless_busy(|session| session.complaint(resource, text));
        }
    }
    true
}
