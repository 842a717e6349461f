//! Kept pages: where does a reading go on that was cut off?
//!
//! A file of one reading: a line says what is read, and each other one has what was asked, a tab, and what was answered.
//! No credential is in it, only whether there was one.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, BufRead as _, BufReader, Seek as _},
    os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::list::{Page, page};

/// The pages that were read so far, in a file that this process alone has.
///
/// Each is taken once, in the order in which it was put.
#[derive(Debug)]
pub struct Kept {
    path: PathBuf,
    file: BufReader<File>,
    earlier: Earlier,
    /// Where the lines end that were taken or put; what is behind them was kept by another process.
    end: u64,
    /// Where the lines end that were taken.
    taken: u64,
}

/// What is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    /// The service, in one spelling.
    pub service: String,
    /// It is read with a credential. Which one is not kept: it may be another one of the same reader by then.
    pub credential: bool,
}

/// What there was of a reading that was cut off, with the time at which that was begun, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Earlier {
    /// Nothing.
    Nothing,
    /// Pages, which are gone on with.
    Pages(u64),
    /// Pages of a time that is not within [`AGE_MOST_MS`], which were given up.
    Old(u64),
}

/// Why no pages can be kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeptError {
    /// The file cannot be made, read or written
    #[error("`{}`", path.display())]
    Storage {
        /// The file
        path: PathBuf,
        /// What went wrong
        source: io::Error,
    },
    /// Others than its owner may use it
    #[error("others may use `{}`: run `chmod 600` on it, or name another folder", path.display())]
    Exposed {
        /// The file
        path: PathBuf,
    },
    /// Another process has it
    #[error("`{}` is in use by another process", path.display())]
    InUse {
        /// The file
        path: PathBuf,
    },
    /// It has what was read of another service, or by whom may see something else; or it is no such file
    #[error("`{}` has no pages of {}, read {} credential: name another folder, or delete it", path.display(), reading.service, if reading.credential { "with a" } else { "without" })]
    Other {
        /// The file
        path: PathBuf,
        /// What was to be read
        reading: Reading,
    },
}

/// The first line.
#[derive(Serialize, Deserialize)]
struct Head {
    /// When the reading was begun, in milliseconds since 1970.
    at: u64,
    of: Reading,
}

impl Kept {
    /// Opens the file at `path`, or makes it, for this process alone. Its owner alone may read it.
    ///
    /// What was begun more than [`AGE_MOST_MS`] before `now` is given up: the reading begins anew.
    /// `now` is in milliseconds since 1970.
    ///
    /// # Errors
    ///
    /// Where it cannot be used, or is that of another reading.
    pub fn open(path: &Path, reading: &Reading, now: u64) -> Result<Self, KeptError> {
        let storage = |source| KeptError::Storage { path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path).map_err(storage)?;
        if file.metadata().map_err(storage)?.mode() & 0o077 != 0 {
            return Err(KeptError::Exposed { path: path.to_owned() });
        }
        file.try_lock().map_err(|refused| match refused {
            TryLockError::WouldBlock => KeptError::InUse { path: path.to_owned() },
            TryLockError::Error(error) => storage(error),
        })?;
        let mut file = BufReader::new(file);
        let mut line = Vec::new();
        file.read_until(b'\n', &mut line).map_err(storage)?;
        let mut earlier = Earlier::Nothing;
        // Nothing follows on a line that was cut off.
        if let Some(text) = line.strip_suffix(b"\n") {
            let other = || KeptError::Other { path: path.to_owned(), reading: reading.clone() };
            let head: Head = serde_json::from_slice(text).map_err(|_no_head| other())?;
            if head.of != *reading {
                return Err(other());
            }
            if (head.at..=head.at.saturating_add(AGE_MOST_MS)).contains(&now) {
                let (path, end) = (path.to_owned(), length(&line));
                return Ok(Self { path, file, earlier: Earlier::Pages(head.at), end, taken: end });
            }
            earlier = Earlier::Old(head.at);
        }
        let head = Head { at: now, of: reading.clone() };
        let mut line = serde_json::to_vec(&head).map_err(|error| storage(error.into()))?;
        line.push(b'\n');
        let mut kept = Self { path: path.to_owned(), file, earlier, end: 0, taken: 0 };
        kept.forget(0).and_then(|_| kept.write(&line)).map_err(storage)?;
        Ok(kept)
    }

    /// What there was when it was opened.
    #[must_use]
    pub fn earlier(&self) -> Earlier {
        self.earlier
    }

    /// Removes the file: all has been read.
    ///
    /// # Errors
    ///
    /// Where it cannot be removed.
    pub fn remove(self) -> Result<(), KeptError> {
        fs::remove_file(&self.path).map_err(|source| KeptError::Storage { path: self.path, source })
    }

    /// The next page, if it was kept, whole, and is that which is asked for; nothing is taken behind one that is not.
    pub(super) fn take(&mut self, asked: &str) -> io::Result<Option<Page>> {
        let mut line = Vec::new();
        self.file.read_until(b'\n', &mut line)?;
        let body = line.strip_suffix(b"\n").and_then(|line| line.strip_prefix(asked.as_bytes()));
        let taken = body.and_then(|body| body.strip_prefix(b"\t")).and_then(page);
        if taken.is_some() {
            self.end += length(&line);
            self.taken = self.end;
            return Ok(taken);
        }
        self.forget(self.end)?;
        Ok(None)
    }

    /// Keeps a page. `body` is JSON.
    pub(super) fn put(&mut self, asked: &str, body: &[u8]) -> io::Result<()> {
        let mut line = [asked.as_bytes(), b"\t", body].concat();
        // In JSON a line break stands between tokens only, where a space says the same.
        line.iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = b' ');
        line.push(b'\n');
        self.write(&line)
    }

    /// Where the pages end that were taken and put.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Gives up what was kept from there on, and says whether any of it was taken.
    pub(super) fn forget(&mut self, from: u64) -> io::Result<bool> {
        let was_taken = from < self.taken;
        self.file.get_ref().set_len(from)?;
        self.file.seek(io::SeekFrom::Start(from))?;
        (self.end, self.taken) = (from, self.taken.min(from));
        Ok(was_taken)
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        self.file.get_ref().write_all_at(line, self.end)?;
        self.end += length(line);
        // What was written is not read by this process.
        self.file.seek(io::SeekFrom::Start(self.end)).map(drop)
    }
}

fn length(line: &[u8]) -> u64 {
    u64::try_from(line.len()).unwrap_or(u64::MAX)
}

/// 6 hours: as long as the largest population takes by a page a second. What was read in two halves further apart never was there at one time.
pub const AGE_MOST_MS: u64 = 6 * 3_600_000;

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const NOW: u64 = 1_767_225_540_000;

    /// However much of the file is left, what is taken is what was put, in order; the rest is put anew.
    #[test]
    fn what_was_cut_off_goes_on_where_it_was() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("pages");
        let pages = [
            ("/Users?a", "{\"totalResults\":\n2,\"Resources\":[{\"id\":\"1\"}]}"),
            ("/Users?b", "{\"totalResults\":2,\"Resources\":[{\"id\":\"2\"}]}"),
        ];
        let mut kept = open(&path, true, NOW).unwrap();
        for (asked, body) in pages {
            assert_eq!(kept.take(asked).unwrap(), None);
            kept.put(asked, body.as_bytes()).unwrap();
        }
        drop(kept);
        let whole = fs::read(&path).unwrap();
        let ends: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] == b'\n').collect();
        assert_eq!(ends.len(), 3);
        for cut in 0..=whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let mut kept = open(&path, true, NOW).unwrap();
            for (number, (asked, body)) in pages.into_iter().enumerate() {
                let taken = kept.take(asked).unwrap();
                assert_eq!(taken.is_some(), ends[number + 1] < cut, "{number} of {cut}");
                match taken {
                    Some(taken) => assert_eq!(Some(taken), page(body.as_bytes())),
                    None => kept.put(asked, body.as_bytes()).unwrap(),
                }
            }
            assert_eq!(kept.take("/Users?c").unwrap(), None);
            assert_eq!(fs::read(&path).unwrap(), whole, "{cut}");
        }
    }

    /// Who asks for something else, or gives up what was taken, goes on without what is behind it.
    #[test]
    fn what_is_not_asked_for_is_not_taken() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("pages");
        let body = br#"{"totalResults":0}"#;
        let mut kept = open(&path, true, NOW).unwrap();
        let begun = kept.end();
        for asked in ["/a", "/b", "/c"] {
            kept.put(asked, body).unwrap();
        }
        assert!(!kept.forget(kept.end()).unwrap());
        drop(kept);
        let mut kept = open(&path, true, NOW).unwrap();
        assert!(kept.take("/a").unwrap().is_some());
        assert!(kept.take("/c").unwrap().is_none());
        assert!(kept.take("/b").unwrap().is_none());
        assert!(kept.forget(begun).unwrap(), "`/a` was taken");
        kept.put("/d", body).unwrap();
        drop(kept);
        let mut kept = open(&path, true, NOW).unwrap();
        assert!(kept.take("/d").unwrap().is_some());
        kept.remove().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn what_is_of_another_reading_is_refused_and_what_is_old_given_up() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("pages");
        let mut kept = open(&path, true, NOW).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        kept.put("/a", br#"{"totalResults":0}"#).unwrap();
        assert!(matches!(open(&path, true, NOW), Err(KeptError::InUse { .. })));
        drop(kept);
        assert!(matches!(open(&path, false, NOW), Err(KeptError::Other { .. })));
        let other = Reading { service: "https://b/v2".into(), credential: true };
        assert!(matches!(Kept::open(&path, &other, NOW), Err(KeptError::Other { .. })));
        let has = |now| {
            let mut kept = open(&path, true, now).unwrap();
            (kept.earlier(), kept.take("/a").unwrap().is_some())
        };
        assert_eq!(has(NOW + AGE_MOST_MS), (Earlier::Pages(NOW), true));
        let late = NOW + AGE_MOST_MS + 1;
        assert_eq!(has(late), (Earlier::Old(NOW), false));
        // A clock that was set back tells no age.
        assert_eq!(has(NOW), (Earlier::Old(late), false));
        assert_eq!(has(NOW), (Earlier::Pages(NOW), false));
        fs::write(&path, "what a user wrote\n").unwrap();
        assert!(matches!(open(&path, true, NOW), Err(KeptError::Other { .. })));
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
        assert!(matches!(open(&path, true, NOW), Err(KeptError::Exposed { .. })));
    }

    fn open(path: &Path, credential: bool, now: u64) -> Result<Kept, KeptError> {
        Kept::open(path, &Reading { service: "https://a/v2".into(), credential }, now)
    }
}
