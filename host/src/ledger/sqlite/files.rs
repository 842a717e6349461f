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
        for (path, known) in &self.0 {
            if !identity(path).is_ok_and(|found| found == *known) {
                let name = path.display();
                let said =
                    format!("`{name}` was removed or replaced: stop the process, which saves it");
                return Err(LedgerError::Storage(said.into()));
            }
        }
        Ok(())
    }
}

fn identity(path: &Path) -> io::Result<Identity> {
    let file = fs::metadata(path)?;
    Ok((file.dev(), file.ino()))
}
