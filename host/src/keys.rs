//! Keyed digests and sealed documents: how can the ledger compare what it must not be able to read?
//!
//! No meaning is here: materials arrive framed by the component, and what is sealed is opaque.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

/// The secret that a ledger's tags and seals are made with.
///
/// It is erased from memory when dropped, and never shown. Every tenant has keys of its own, derived
/// from it, so a tag or a sealed row means nothing under another tenant.
pub struct LedgerKey {
    root: Zeroizing<[u8; KEY_BYTES]>,
}

impl LedgerKey {
    /// Reads the key from `path`, or makes one there if the file does not exist.
    ///
    /// A new file appears complete or not at all, readable by its owner only, and has reached the
    /// disk when this returns. Of two processes that make one at the same time, both get the first.
    ///
    /// # Errors
    ///
    /// See [`KeyError`]: a file that others may read, or that is not exactly 32 bytes, is refused.
    pub fn open_or_create(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        let path = path.as_ref();
        match Self::open(path) {
            Err(KeyError::Storage { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Self::create(path)?;
                Self::open(path)
            }
            read => read,
        }
    }

    /// Reads the key of the ledger in the file `ledger` from `path`; makes one there only where that ledger is still to be
    /// made.
    ///
    /// A new key beside an old ledger opens nothing, and the next backup would put it in the place of the right one.
    ///
    /// # Errors
    ///
    /// As [`open_or_create`](Self::open_or_create), and [`KeyError::Missing`]: there is none, and the ledger, its log or
    /// its journal holds something.
    pub fn of_ledger(path: impl AsRef<Path>, ledger: impl AsRef<Path>) -> Result<Self, KeyError> {
        let (path, ledger) = (path.as_ref(), ledger.as_ref());
        let holds_something = ["", "-wal", ".unrecorded"].iter().any(|suffix| {
            let mut name = ledger.as_os_str().to_owned();
            name.push(suffix);
            fs::metadata(name).is_ok_and(|file| 0 < file.len())
        });
        match Self::open(path) {
            Err(KeyError::Storage { source, .. })
                if source.kind() == io::ErrorKind::NotFound && holds_something =>
            {
                Err(KeyError::Missing { path: path.to_owned(), ledger: ledger.to_owned() })
            }
            Err(_) | Ok(_) => Self::open_or_create(path),
        }
    }

    /// Makes a key that is kept nowhere, for tests and for ledgers in memory.
    ///
    /// # Errors
    ///
    /// [`KeyError::Random`] if the system gives no random bytes.
    pub fn generate() -> Result<Self, KeyError> {
        let mut root = Zeroizing::new([0; KEY_BYTES]);
        getrandom::fill(root.as_mut()).map_err(random)?;
        Ok(Self { root })
    }

    /// Names the key without telling anything about it: a ledger remembers which key it belongs to.
    #[must_use]
    pub fn id(&self) -> String {
        hex(hmac(&self.root, &[&frame(&[b"replaysafe/1 key-id"])]).as_slice())
    }

    /// Makes the tag of `material`, which the component has framed.
    ///
    /// Equal tags mean equal tenant, purpose and material, whatever bytes these hold.
    #[must_use]
    pub fn tag(&self, tenant: &str, purpose: &str, material: &str) -> String {
        self.digest(tenant, purpose, material.as_bytes())
    }

    /// Makes the tag of a secret that was lifted out of a document, so that two can be compared.
    #[must_use]
    pub fn secret_tag(&self, tenant: &str, secret: &[u8]) -> String {
        self.digest(tenant, "secret", secret)
    }

    /// Makes the name of whoever shows `credential`, so that the credential need not be kept.
    #[must_use]
    pub fn principal(&self, tenant: &str, credential: &[u8]) -> String {
        self.digest(tenant, "principal", credential)
    }

    /// Seals `plain` for one place: it opens there and nowhere else.
    ///
    /// # Errors
    ///
    /// [`KeyError::Random`] if the system gives no random bytes.
    pub fn seal(&self, place: &Place<'_>, plain: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut nonce = [0; NONCE_BYTES];
        // 192 random bits: two equal nonces are not to be feared however many rows are written.
        getrandom::fill(&mut nonce).map_err(random)?;
        let sealed = self
            .cipher(place.tenant)
            .encrypt(XNonce::from_slice(&nonce), Payload { msg: plain, aad: &place.bytes() })
            // The only failure is a text of more than 256 GiB.
            .map_err(|_too_long| KeyError::TooLong)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens what [`seal`](Self::seal) made for this place.
    ///
    /// # Errors
    ///
    /// [`KeyError::Sealed`] if it was changed, was made for another place, or with another key.
    pub fn open_sealed(
        &self,
        place: &Place<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let (nonce, text) = sealed.split_at_checked(NONCE_BYTES).ok_or(KeyError::Sealed)?;
        self.cipher(place.tenant)
            .decrypt(XNonce::from_slice(nonce), Payload { msg: text, aad: &place.bytes() })
            .map(Zeroizing::new)
            .map_err(|_not_ours| KeyError::Sealed)
    }

    fn open(path: &Path) -> Result<Self, KeyError> {
        let storage = |source| KeyError::Storage { path: path.to_owned(), source };
        // Asked before opening: opening a pipe would wait for its writer.
        if !fs::metadata(path).map_err(storage)?.is_file() {
            return Err(KeyError::NoFile { path: path.to_owned() });
        }
        let mut file = File::open(path).map_err(storage)?;
        let about = file.metadata().map_err(storage)?;
        let mode = about.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Exposed { path: path.to_owned(), mode });
        }
        if about.len() != KEY_BYTES as u64 {
            return Err(KeyError::Length { path: path.to_owned(), length: about.len() });
        }
        let mut root = Zeroizing::new([0; KEY_BYTES]);
        file.read_exact(root.as_mut()).map_err(storage)?;
        Ok(Self { root })
    }

    /// Writes a new key beside `path` and links it there: a crash leaves no half a key behind.
    fn create(path: &Path) -> Result<(), KeyError> {
        let storage = |source| KeyError::Storage { path: path.to_owned(), source };
        let key = Self::generate()?;
        let mut suffix = [0; 8];
        getrandom::fill(&mut suffix).map_err(random)?;
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}.new", hex(&suffix)));
        let beside = PathBuf::from(beside);

        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)
            .and_then(|mut file| {
                file.write_all(key.root.as_ref())?;
                file.sync_all()
            })
            .and_then(|()| fs::hard_link(&beside, path));
        let removed = fs::remove_file(&beside);
        match written {
            // Another process was faster: its key is the key.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            written => written.and(removed).map_err(storage)?,
        }
        sync_directory(path).map_err(storage)
    }

    pub(crate) fn digest(&self, tenant: &str, purpose: &str, material: &[u8]) -> String {
        let key = self.derive(b"replaysafe/1 tag", tenant);
        hex(hmac(&key, &[&frame(&[purpose.as_bytes()]), material]).as_slice())
    }

    fn cipher(&self, tenant: &str) -> XChaCha20Poly1305 {
        let key = self.derive(b"replaysafe/1 seal", tenant);
        XChaCha20Poly1305::new((&*key).into())
    }

    fn derive(&self, label: &[u8], tenant: &str) -> Zeroizing<[u8; KEY_BYTES]> {
        hmac(&self.root, &[&frame(&[label, tenant.as_bytes()])])
    }
}

impl fmt::Debug for LedgerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LedgerKey(..)")
    }
}

/// Where a sealed document belongs: it opens nowhere else.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// What it is, for example `entry`.
    pub kind: &'a str,
    /// Whose it is.
    pub tenant: &'a str,
    /// Of which row.
    pub id: &'a str,
    /// What else must be as it was when it was sealed: the row's readable columns.
    pub bound: &'a [&'a [u8]],
}

impl Place<'_> {
    fn bytes(&self) -> Vec<u8> {
        let mut parts = vec![self.kind.as_bytes(), self.tenant.as_bytes(), self.id.as_bytes()];
        parts.extend_from_slice(self.bound);
        frame(&parts)
    }
}

/// Why there is no key, or no document.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Others than its owner may use the key file.
    #[error("the key file `{path}` is open to others (mode {mode:03o}): run `chmod 600` on it")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// There is no key file beside a ledger that was written with one.
    #[error(
        "there is no key at `{path}`, and the ledger `{ledger}` was written with one: put both back from one backup, or name \
         the key file that was made with it"
    )]
    Missing {
        /// Where the key should be.
        path: PathBuf,
        /// The ledger.
        ledger: PathBuf,
    },
    /// The file is no key.
    #[error("the key file `{path}` must have 32 bytes, but has {length}")]
    Length {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        length: u64,
    },
    /// The path names a directory, a pipe or a device.
    #[error("the key file `{path}` is no regular file")]
    NoFile {
        /// The path.
        path: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("the key file `{path}` cannot be used")]
    Storage {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {reason}")]
    Random {
        /// Why.
        reason: String,
    },
    /// A document is too long to be sealed.
    #[error("the document is too long to be sealed")]
    TooLong,
    /// The document was changed, belongs elsewhere, or was sealed with another key.
    #[error("the sealed document does not open here")]
    Sealed,
}

/// Makes the entry of `path` in its directory durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    File::open(directory)?.sync_all()
}

/// Joins parts so that no two lists of parts give the same bytes: each is preceded by its length.
pub(crate) fn frame(parts: &[&[u8]]) -> Vec<u8> {
    let mut framed = Vec::new();
    for part in parts {
        framed.extend_from_slice(&(part.len() as u64).to_be_bytes());
        framed.extend_from_slice(part);
    }
    framed
}

fn hmac(key: &[u8; KEY_BYTES], parts: &[&[u8]]) -> Zeroizing<[u8; KEY_BYTES]> {
    // RFC 2104 §2: a key shorter than the block is filled up with zeros.
    let mut block = Zeroizing::new([0; 64]);
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    let mut mac = <Hmac<Sha256> as KeyInit>::new((&*block).into());
    for part in parts {
        mac.update(part);
    }
    Zeroizing::new(mac.finalize().into_bytes().into())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn random(error: getrandom::Error) -> KeyError {
    KeyError::Random { reason: error.to_string() }
}

/// 256 bits: what HMAC-SHA256 and `XChaCha20` take.
const KEY_BYTES: usize = 32;

/// The nonce of XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03 section 2).
const NONCE_BYTES: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const PLACE: Place<'_> =
        Place { kind: "entry", tenant: "acme", id: "e1", bound: &[b"settled"] };

    /// RFC 4231 section 4.2, test case 1 has a key of 20 bytes; filled up with zeros it is the same key.
    #[test]
    fn the_digest_is_hmac_sha256() {
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        assert_eq!(
            hex(hmac(&key, &[b"Hi ", b"There"]).as_slice()),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
    }

    #[test]
    fn a_tag_depends_on_key_tenant_purpose_and_material() {
        let (key, other) = (LedgerKey::generate().unwrap(), LedgerKey::generate().unwrap());
        let tags = [
            key.tag("acme", "name", "m"),
            other.tag("acme", "name", "m"),
            key.tag("acmf", "name", "m"),
            key.tag("acme", "names", "m"),
            key.tag("acme", "name", "n"),
            key.tag("acme", "nam", "em"),
            key.tag("acmen", "ame", "m"),
            key.secret_tag("acme", b"m"),
            key.principal("acme", b"m"),
        ];
        let distinct: std::collections::BTreeSet<_> = tags.iter().collect();
        assert_eq!(distinct.len(), tags.len());
        assert_eq!(tags[0], key.tag("acme", "name", "m"));
        assert!(tags.iter().all(|tag| tag.len() == 64));
    }

    #[test]
    fn a_sealed_document_opens_in_its_place_only() {
        let key = LedgerKey::generate().unwrap();
        let sealed = key.seal(&PLACE, b"text").unwrap();
        let opens = |place: &Place<'_>| key.open_sealed(place, &sealed).is_ok();
        assert_eq!(key.open_sealed(&PLACE, &sealed).unwrap().as_slice(), b"text");
        assert!(!opens(&Place { kind: "identity", ..PLACE }));
        assert!(!opens(&Place { tenant: "other", ..PLACE }));
        assert!(!opens(&Place { id: "e2", ..PLACE }));
        assert!(!opens(&Place { bound: &[b"parked"], ..PLACE }));
        assert!(LedgerKey::generate().unwrap().open_sealed(&PLACE, &sealed).is_err());
    }

    #[test]
    fn every_changed_or_missing_byte_is_noticed() {
        let key = LedgerKey::generate().unwrap();
        let sealed = key.seal(&PLACE, b"text").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key.open_sealed(&PLACE, &changed).is_err(), "byte {at}");
            assert!(key.open_sealed(&PLACE, &sealed[..at]).is_err(), "length {at}");
        }
    }

    #[test]
    fn a_key_file_is_made_once_and_for_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let made = LedgerKey::open_or_create(&path).unwrap().id();
        assert_eq!(LedgerKey::open_or_create(&path).unwrap().id(), made);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_key_is_made_for_a_ledger_that_is_still_to_be_made_only() {
        let directory = tempfile::tempdir().unwrap();
        let [path, ledger] = ["key", "ledger"].map(|name| directory.path().join(name));
        for suffix in ["", "-wal", ".unrecorded"] {
            let file = directory.path().join(format!("ledger{suffix}"));
            fs::write(&file, "something").unwrap();
            let missing = LedgerKey::of_ledger(&path, &ledger);
            assert!(matches!(missing, Err(KeyError::Missing { .. })), "{suffix}: {missing:?}");
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is written");
            fs::remove_file(&file).unwrap();
        }
        fs::write(&ledger, "").unwrap();
        let made = LedgerKey::of_ledger(&path, &ledger).unwrap().id();
        fs::write(&ledger, "something").unwrap();
        assert_eq!(LedgerKey::of_ledger(&path, &ledger).unwrap().id(), made);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(LedgerKey::of_ledger(&path, &ledger), Err(KeyError::Exposed { .. })));
    }

    #[test]
    fn a_key_file_is_refused_if_it_is_exposed_or_no_key() {
        check_file(&[1; 32], 0o640, "is open to others (mode 640)");
        check_file(&[1; 32], 0o604, "is open to others (mode 604)");
        check_file(&[1; 31], 0o600, "must have 32 bytes, but has 31");
        check_file(&[1; 33], 0o400, "must have 32 bytes, but has 33");
        check_file(&[], 0o600, "must have 32 bytes, but has 0");
        let directory = tempfile::tempdir().unwrap();
        let error = LedgerKey::open_or_create(directory.path()).unwrap_err().to_string();
        assert!(error.contains("is no regular file"), "{error}");
    }

    #[test]
    fn a_key_does_not_show_itself() {
        assert_eq!(format!("{:?}", LedgerKey::generate().unwrap()), "LedgerKey(..)");
    }

    fn check_file(bytes: &[u8], mode: u32, expected: &str) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = LedgerKey::open_or_create(&path).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
