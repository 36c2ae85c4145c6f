//! What all pages begin and end with.

use maud::{DOCTYPE, Markup, PreEscaped, html};

/// How pages look, for people and for printers.
const STYLE: &str = include_str!("page.css");

/// A page, with what its look and its script add.
pub(crate) fn document(title: &str, style: &str, script: Option<&str>, body: &Markup) -> String {
    // Nothing is asked for, whatever stands in what is shown.
    let policy = match script {
        None => "default-src 'none'; style-src 'unsafe-inline'",
        Some(_) => "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'",
    };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(policy);
                title { (title) }
                style { (PreEscaped(STYLE)) (PreEscaped(style)) }
            }
            body {
                (body)
                @if let Some(script) = script { script { (PreEscaped(script)) } }
            }
        }
    };
    page.into_string()
}
