//! Compiled code, kept in a folder of ours so that a start takes milliseconds.
//!
//! Compiled code is run as it is, so it must be ours. The folder belongs to us and to nobody else;
//! a file in it names the component and the engine that it was made for, and its own digest. What does
//! not fit is compiled anew and written over.

use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
};

use sha2::{Digest as _, Sha256};
use wasmtime::{Engine, component::Component};

use super::error::GuestError;

/// Compiles `component`, or takes what was compiled before from the folder `cache`.
pub(super) fn compile(
    engine: &Engine,
    component: &[u8],
    cache: Option<&Path>,
) -> Result<Component, GuestError> {
    let Some(folder) = cache else {
        return Component::new(engine, component).map_err(GuestError::Invalid);
    };
    let unsafe_folder = |reason: String| GuestError::Cache { path: folder.into(), reason };
    own(folder).map_err(|error| unsafe_folder(error.to_string()))?;
    let label = Label::new(engine, component);
    let path = folder.join(label.file_name());
    if let Some(code) = fs::read(&path).ok().as_deref().and_then(|file| label.code(file))
        && let Some(component) = load(engine, code)
    {
        return Ok(component);
    }
    let code = engine.precompile_component(component).map_err(GuestError::Invalid)?;
    // A full disk makes the next start slow, and nothing else.
    drop(replace(&path, &label.file(&code)));
    load(engine, &code).ok_or_else(|| unsafe_folder("compiled code cannot be loaded".into()))
}

/// What a file holds: for which component, for which engine.
struct Label {
    component: [u8; 32],
    engine: u64,
}

impl Label {
    fn new(engine: &Engine, component: &[u8]) -> Self {
        // Wasmtime checks its own version and settings once more when it loads the code.
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Self { component: Sha256::digest(component).into(), engine: hasher.finish() }
    }

    fn file_name(&self) -> PathBuf {
        let component: String =
            self.component.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("{component}-{:016x}.cwasm", self.engine).into()
    }

    /// What stands in front of the code.
    fn head(&self, code: &[u8]) -> Vec<u8> {
        let mut head = MAGIC.to_vec();
        head.extend_from_slice(&self.component);
        head.extend_from_slice(&self.engine.to_be_bytes());
        head.extend_from_slice(&Sha256::digest(code));
        head
    }

    fn file(&self, code: &[u8]) -> Vec<u8> {
        let mut file = self.head(code);
        file.extend_from_slice(code);
        file
    }

    /// The code in a file; none if it is torn, changed, or for another component or engine.
    fn code<'a>(&self, file: &'a [u8]) -> Option<&'a [u8]> {
        let (head, code) = file.split_at_checked(HEAD_BYTES)?;
        (head == self.head(code)).then_some(code)
    }
}

/// Loads compiled code; none if this engine cannot use it.
fn load(engine: &Engine, code: &[u8]) -> Option<Component> {
    #[expect(unsafe_code, reason = "compiled code is run as it is")]
    // SAFETY: the bytes were compiled by this process, or come from a file whose digest fits, in a
    // folder that only our user can write to: whoever could change them can change us as well.
    unsafe {
        Component::deserialize(engine, code).ok()
    }
}

/// Makes the folder, and checks that nobody but our user can put files there.
#[cfg(unix)]
fn own(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};

    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let found = fs::symlink_metadata(folder)?;
    if !found.is_dir() {
        return Err(io::Error::other("it is a link, not a folder"));
    }
    if found.mode() & 0o077 != 0 {
        return Err(io::Error::other("others may use it: `chmod 700` it, or name another"));
    }
    // A file that we make shows who we are.
    let probe = aside(&folder.join("owner"));
    let file = fs::File::create_new(&probe)?;
    let us = file.metadata().map(|made| made.uid());
    fs::remove_file(&probe)?;
    if us? != found.uid() {
        return Err(io::Error::other("it belongs to another user"));
    }
    Ok(())
}

#[cfg(not(unix))]
fn own(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

/// Writes a file so that nobody reads half of it.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let half = aside(path);
    fs::write(&half, bytes)?;
    fs::rename(&half, path).inspect_err(|_| drop(fs::remove_file(&half)))
}

/// A name that no other writer uses.
fn aside(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    path.with_extension(format!("{}-{count}", process::id()))
}

/// The form of a file; another form gets another number.
const MAGIC: &[u8; 8] = b"RSCWASM1";

const HEAD_BYTES: usize = 8 + 32 + 8 + 32;
