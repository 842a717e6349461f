//! Framed text: parts put together so that no two lists of parts give the same text.

use alloc::string::{String, ToString};

/// Puts `parts` behind `label`, each with its length in bytes before it.
///
/// `frame("key", &["a", "bc"])` and `frame("key", &["ab", "c"])` differ, whatever the parts hold.
pub(crate) fn frame(label: &str, parts: &[&str]) -> String {
    let mut text = String::from("replaysafe1:");
    text.push_str(label);
    for part in parts {
        text.push(':');
        text.push_str(&part.len().to_string());
        text.push(':');
        text.push_str(part);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cannot_run_into_each_other() {
        assert_eq!(frame("key", &["a", "bc"]), "replaysafe1:key:1:a:2:bc");
        assert_eq!(frame("key", &["ab", "c"]), "replaysafe1:key:2:ab:1:c");
        assert_ne!(frame("key", &["a:1:b"]), frame("key", &["a", "b"]));
    }
}
