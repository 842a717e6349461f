//! Client spellings: what does a request mean that says it its own way (S24)?

/// `true` and `false` as a text, whatever the letter case (peers.md §5, no 4: Entra).
pub(crate) fn truth(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        return Some(true);
    }
    text.eq_ignore_ascii_case("false").then_some(false)
}
