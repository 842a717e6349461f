//! Is a secret written down? In which spellings software writes a text, and whether bytes hold one.

/// Whether `bytes` hold `text`.
pub(crate) fn holds(bytes: &[u8], text: impl AsRef<[u8]>) -> bool {
    memchr::memmem::find(bytes, text.as_ref()).is_some()
}

/// The spellings of `secret` that `bytes` hold.
pub(crate) fn found_in(bytes: &[u8], secret: &str) -> Vec<String> {
    let found = spellings(secret).into_iter().filter(|text| holds(bytes, text));
    found.map(|text| String::from_utf8_lossy(&text).into_owned()).collect()
}

/// A secret as it is, and as base64 (at each of three offsets), hexadecimal, percent-encoded and UTF-16 text.
fn spellings(secret: &str) -> Vec<Vec<u8>> {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let utf16 = |bytes: fn(u16) -> [u8; 2]| secret.encode_utf16().flat_map(bytes).collect();
    let percent: String = secret
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect();
    let mut all: Vec<Vec<u8>> = vec![
        secret.into(),
        hex.to_uppercase().into(),
        hex.into(),
        percent.to_lowercase().into(),
        percent.into(),
        utf16(u16::to_le_bytes),
        utf16(u16::to_be_bytes),
    ];
    // Whatever stands before it, one of three alignments is the one; its first and last characters may differ.
    let aligned = (0..3).filter_map(|skipped| Some(base64(secret.as_bytes().get(skipped..)?)));
    for text in aligned {
        // RFC 4648 section 5 has another spelling of two digits.
        let url = text.replace('+', "-").replace('/', "_");
        if url != text {
            all.push(url.into());
        }
        all.push(text.into());
    }
    all
}

/// RFC 4648 section 4, whole groups of three bytes only.
fn base64(bytes: &[u8]) -> String {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let groups = bytes.chunks_exact(3).flat_map(|group| {
        let bits = group.iter().fold(0_u32, |bits, &byte| bits << 8 | u32::from(byte));
        [18, 12, 6, 0].map(|shift| char::from(digits[(bits >> shift & 63) as usize]))
    });
    groups.collect()
}
