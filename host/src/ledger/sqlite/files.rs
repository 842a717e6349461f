//! Are the files that SQLite writes to still those that the ledger's name leads to?
//!
//! SQLite goes on in a file that was removed or replaced, and all of it is gone with the process.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::beside;
use crate::ledger::LedgerError;

/// A ledger's file and its log, as they were when it was opened.
#[derive(Debug)]
pub(super) struct Files([(PathBuf, Identity); 2]);

/// The device and the number of a file.
type Identity = (u64, u64);

impl Files {
    /// Those of the ledger at `path`, which SQLite has open.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let known = |path: PathBuf| identity(&path).map(|identity| (path, identity));
        Ok(Self([known(path.to_owned())?, known(beside(path, "-wal"))?]))
    }

    /// Makes sure that they are still there: what was written elsewhere is not durable (S7).
    ///
    /// # Errors
    ///
    /// [`LedgerError::Storage`] if one of them was removed or replaced.
    pub(super) fn check(&self) -> Result<(), LedgerError> {
        let [(file, own), (log, logs)] = &self.0;
        let said = |path: &Path, known, what: &str| match identity(path) {
            Ok(found) if found == known => Ok(()),
            Ok(_) => Err(format!("`{}` was replaced: {what}", path.display())),
            Err(error) => Err(format!("`{}` is not there ({error}): {what}", path.display())),
        };
        let checked = said(file, *own, FILE).and_then(|()| said(log, *logs, LOG));
        checked.map_err(|said| LedgerError::Storage(said.into()))
    }
}

/// SQLite leaves the log beside a file that is not its own, and writes nothing back.
const FILE: &str = "put it back before the process stops, or its log is not saved; and where another stands there on purpose, remove the `-wal` and `-shm` beside it before the next start";

/// What the log had is in SQLite's memory and in the file without a name.
const LOG: &str = "stop the process in order (SIGTERM), which saves what the log had";

fn identity(path: &Path) -> io::Result<Identity> {
    let file = fs::metadata(path)?;
    Ok((file.dev(), file.ino()))
}
