//! Paths: has one a single reading, and which segments are in it?

/// Splits a path into decoded segments, or says why it has two readings.
///
/// # Errors
///
/// A sentence for who sent it: what can be read in two ways, and what to do.
pub fn segments(path: &str) -> Result<Vec<String>, &'static str> {
    let path = path
        .strip_prefix('/')
        .ok_or("The path does not begin with a slash; send one that does.")?;
    path.split('/').map(segment).collect()
}

fn segment(raw: &str) -> Result<String, &'static str> {
    if raw.is_empty() {
        return Err(
            "The path has an empty segment; leave the second slash, or the one at the end, out.",
        );
    }
    if raw.contains([';', '\\']) {
        return Err(
            "The path has a semicolon or a backslash, which servers read in two ways; encode a semicolon of an id.",
        );
    }
    let decoded = percent_decode(raw).ok_or("The path is no percent-encoded UTF-8; encode it.")?;
    if decoded.contains(['/', '\\']) {
        return Err(
            "The path has an encoded slash or backslash, which servers read in two ways; address the resource by another id.",
        );
    }
    if decoded == "." || decoded == ".." {
        return Err(DOT_SEGMENT);
    }
    if decoded.chars().any(char::is_control) {
        return Err("The path has a control character; send an id as the service gave it.");
    }
    Ok(decoded)
}

/// Whether a path leads elsewhere for a server that undoes its dot-segments (RFC 3986 section 5.2.4): as they stand or
/// encoded, between encoded slashes or backslashes, and with parameters behind a semicolon.
///
/// The rest of the path may be as it likes.
#[must_use]
pub fn has_dot_segment(path: &str) -> bool {
    let decoded = decoded(path, Some(b'%')).unwrap_or_default();
    decoded.split(|byte| [b'/', b'\\'].contains(byte)).any(|segment| {
        let name = segment.split(|byte| *byte == b';').next();
        name == Some(b".") || name == Some(b"..")
    })
}

/// Writes a text as one segment of a path: encodes all but RFC 3986's unreserved characters, `:` and `@`.
#[must_use]
pub fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:@".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Decodes percent-encoded UTF-8; none if it is none.
#[must_use]
pub fn percent_decode(text: &str) -> Option<String> {
    String::from_utf8(decoded(text, None)?).ok()
}

/// What is told of a dot-segment.
pub const DOT_SEGMENT: &str = "The path has a dot-segment; send the path that is meant.";

/// Decodes; what is no encoded byte becomes `malformed`, or makes none of it all.
fn decoded(text: &str, malformed: Option<u8>) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('%') {
        decoded.extend_from_slice(before.as_bytes());
        let byte = behind.get(..2).filter(|two| two.bytes().all(|b| b.is_ascii_hexdigit()));
        let byte = byte.and_then(|two| u8::from_str_radix(two, 16).ok());
        rest = if byte.is_some() { behind.get(2..).unwrap_or_default() } else { behind };
        decoded.push(byte.or(malformed)?);
    }
    decoded.extend_from_slice(rest.as_bytes());
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_utf_8() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(percent_decode(text).as_deref(), expected, "{text}");
        };
        check("a%20b%C3%a9", Some("a bé"));
        check("é%2f", Some("é/"));
        check("", Some(""));
        check("%", None);
        check("%2", None);
        check("%2é", None);
        check("%+1", None);
        check("%zz", None);
        check("%ff", None);
    }

    #[test]
    fn a_dot_segment_is_seen_behind_whatever_else() {
        for path in ["/a/..", "/%2E%2e", "..", "/a%2f.%5Cb", "/%zz/..;a/b", "/%/./b"] {
            assert!(has_dot_segment(path), "{path}");
        }
        for path in ["/a/...", "/a..b/.c", "/%252e%252e/a", "/a/;..", "/a?..", "/"] {
            assert!(!has_dot_segment(path), "{path}");
        }
    }
}
