//! The journal: what went out while the ledger could not be used, until the ledger has it (S36)?
//!
//! A file of one size, filled when it is made, so that a full disk does not keep a line from being written.
//! Lines are sealed, and hold no credential and no secret. Nothing is decided here.

use std::{
    fmt,
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read},
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::LedgerError;
use crate::{
    contract::{EntryId, Request, Tag},
    keys::{LedgerKey, Place, sync_directory},
};

/// Where it is written that something goes out without a record.
///
/// One process has it open. What was handed over has reached the disk.
pub struct Journal {
    key: Arc<LedgerKey>,
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    file: File,
    lines: Vec<Line>,
    /// Where the next record begins.
    end: usize,
}

/// One request that goes out without a record.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Line {
    /// The id of its entry to be: also the public name of its decision.
    pub(crate) id: EntryId,
    /// The tag of what it asks.
    pub(crate) statement: Tag,
    /// What it asks, secrets lifted.
    pub(crate) request: Request,
}

/// What stands in the file.
#[derive(serde::Serialize, serde::Deserialize)]
enum Written {
    Line(Box<Line>),
    /// The line with this id needs the ledger no more.
    Ended(EntryId),
}

impl Journal {
    /// Opens the journal at `path`, or makes it, for this process alone.
    ///
    /// The file's owner alone may read it. Blocks until it is open.
    ///
    /// # Errors
    ///
    /// 1. [`LedgerError::Unreadable`]: it is no journal, a damaged one, open to others, or of another key,
    /// 2. [`LedgerError::InUse`]: another process, or this one, has it open,
    /// 3. [`LedgerError::Storage`]: the file cannot be made, locked or written.
    pub fn open(path: impl AsRef<Path>, key: Arc<LedgerKey>) -> Result<Self, LedgerError> {
        let path = path.as_ref().to_owned();
        let unreadable = |reason: &str| LedgerError::Unreadable {
            path: path.display().to_string(),
            reason: reason.to_owned(),
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&path).map_err(storage)?;
        if file.metadata().map_err(storage)?.mode() & 0o077 != 0 {
            return Err(unreadable("others may use it: run `chmod 600` on it"));
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LedgerError::InUse { path: path.display().to_string() });
            }
            Err(TryLockError::Error(error)) => return Err(storage(error)),
        }
        let mut bytes = Vec::new();
        file.by_ref().take(SIZE as u64 + 1).read_to_end(&mut bytes).map_err(storage)?;
        let head = head(&key);
        let made = bytes.len() == SIZE && bytes.starts_with(&head);
        if !made && bytes.iter().any(|byte| *byte != 0) && !bytes.starts_with(&head) {
            return Err(unreadable("it is no journal, or one of another key"));
        }
        if !made && bytes.iter().skip(head.len()).any(|byte| *byte != 0) {
            return Err(unreadable("it is cut short: restore it, or look at the target by hand"));
        }
        if !made {
            // New, or its making was cut short: nothing was ever written to it.
            bytes = head;
            bytes.resize(SIZE, 0);
            file.write_all_at(&bytes, 0).map_err(storage)?;
            file.sync_all().and_then(|()| sync_directory(&path)).map_err(storage)?;
        }
        let damaged =
            || unreadable("a line does not open: restore it, or look at the target by hand");
        let (lines, end) = read(&key, &bytes).ok_or_else(damaged)?;
        Ok(Self { key, path, state: Mutex::new(State { file, lines, end }) })
    }

    /// The lines whose requests the ledger does not have, oldest first.
    pub(crate) fn lines(&self) -> Vec<Line> {
        self.state().lines.clone()
    }

    /// How many they are.
    pub(crate) fn count(&self) -> usize {
        self.state().lines.len()
    }

    /// The line that asks the same, if one does.
    pub(crate) fn holds(&self, statement: &Tag) -> Option<EntryId> {
        let state = self.state();
        let same = state.lines.iter().find(|line| line.statement == *statement);
        same.map(|line| line.id.clone())
    }

    /// Writes a line; it has reached the disk when this returns. Gives false, and writes nothing, where one asks
    /// the same already.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Storage`]: the journal is full, or the disk fails. There is no line then.
    pub(crate) fn add(&self, line: Line) -> Result<bool, LedgerError> {
        let mut state = self.state();
        if state.lines.iter().any(|other| other.statement == line.statement) {
            return Ok(false);
        }
        self.write(&mut state, &Written::Line(Box::new(line.clone())))?;
        state.lines.push(line);
        Ok(true)
    }

    /// Takes a line out: the ledger has its request, or does not need it. May be called again.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Storage`]: the line is out in this process, and may be there again in the next.
    pub(crate) fn remove(&self, id: &EntryId) -> Result<(), LedgerError> {
        let mut state = self.state();
        let before = state.lines.len();
        state.lines.retain(|line| line.id != *id);
        if state.lines.len() == before {
            return Ok(());
        }
        if !state.lines.is_empty() {
            return self.write(&mut state, &Written::Ended(id.clone()));
        }
        // One length that is 0 at the beginning: there is no record.
        state.file.write_all_at(&[0; LENGTH], HEAD as u64).map_err(storage)?;
        state.file.sync_data().map_err(storage)?;
        state.end = HEAD;
        Ok(())
    }

    /// Writes a record: first what it holds, then, once that has reached the disk, its length.
    ///
    /// INVARIANT: behind the last record is a length of 0, and a length that is not 0 has its record whole. It
    /// is aligned, so that no disk writes half of it. What ends the lines that stand there has room behind it.
    fn write(&self, state: &mut State, written: &Written) -> Result<(), LedgerError> {
        let plain =
            serde_json::to_vec(written).map_err(|error| LedgerError::Storage(error.into()))?;
        let sealed = self.key.seal(&place(&state.end.to_string()), &plain)?;
        let next = state.end + LENGTH + sealed.len().next_multiple_of(LENGTH);
        let ends = match written {
            Written::Line(_) => state.lines.len() + 1,
            Written::Ended(_) => 0,
        };
        let room = SIZE - LENGTH - ends * ENDED_BYTES;
        let length = u32::try_from(sealed.len()).ok().filter(|_| next <= room);
        let Some(length) = length else {
            let full = format!("the journal `{}` is full", self.path.display());
            return Err(LedgerError::Storage(full.into()));
        };
        let mut bytes = sealed;
        bytes.resize(next - state.end, 0);
        let at = state.end as u64;
        let file = &state.file;
        file.write_all_at(&bytes, at + LENGTH as u64).map_err(storage)?;
        file.sync_data().map_err(storage)?;
        file.write_all_at(&length.to_be_bytes(), at).map_err(storage)?;
        file.sync_data().map_err(storage)?;
        state.end = next;
        Ok(())
    }

    /// A lock whose holder panicked still guards whole values: lines are added and taken out at once.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The lines that stand in the file, and where the next record begins; none if one does not open.
fn read(key: &LedgerKey, bytes: &[u8]) -> Option<(Vec<Line>, usize)> {
    let (mut lines, mut at) = (Vec::<Line>::new(), HEAD);
    loop {
        let length = bytes.get(at..)?.first_chunk::<LENGTH>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        if length == 0 {
            return Some((lines, at));
        }
        let sealed = bytes.get(at + LENGTH..)?.get(..length)?;
        let plain = key.open_sealed(&place(&at.to_string()), sealed).ok()?;
        match serde_json::from_slice(&plain).ok()? {
            Written::Line(line) => lines.push(*line),
            Written::Ended(id) => lines.retain(|line| line.id != id),
        }
        at += LENGTH + length.next_multiple_of(LENGTH);
    }
}

/// A record opens where it was written, and nowhere else.
fn place(at: &str) -> Place<'_> {
    Place { kind: "journal", tenant: "", id: at, bound: &[] }
}

/// What the file begins with: what it is, and of which key.
fn head(key: &LedgerKey) -> Vec<u8> {
    let mut head = format!("replaysafe journal 1\n{}\n", key.id()).into_bytes();
    head.resize(HEAD, 0);
    head
}

fn storage(error: io::Error) -> LedgerError {
    LedgerError::Storage(Box::new(error))
}

/// 128 bytes: 21 of words, 65 of the key's name, and room.
const HEAD: usize = 128;

/// A length has 4 bytes.
const LENGTH: usize = 4;

/// 88 bytes: what ends a line has 44, sealed 84, and its length 4. Each line keeps room for its own end, so that a full
/// journal can be emptied.
const ENDED_BYTES: usize = 88;

/// 1 MiB: a thousand revocations of a kilobyte each. What is larger than the rest of it does not go out.
const SIZE: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;
    use crate::contract::{Method, Scope};

    #[test]
    fn lines_are_there_again_until_they_are_taken_out() {
        let place = Folder::new();
        let journal = place.open();
        assert!(journal.add(line("a")).unwrap() && journal.add(line("b")).unwrap());
        assert!(!journal.add(Line { id: "other".into(), ..line("a") }).unwrap(), "once");
        assert_eq!(journal.holds(&"sa".to_owned()), Some("a".to_owned()));
        drop(journal);
        assert_eq!(ids(&place.open()), ["a", "b"]);
        let journal = place.open();
        journal.remove(&"a".to_owned()).unwrap();
        journal.remove(&"a".to_owned()).unwrap();
        assert!(journal.add(line("c")).unwrap());
        drop(journal);
        assert_eq!(ids(&place.open()), ["b", "c"]);
        let journal = place.open();
        for id in ["b", "c"] {
            journal.remove(&id.to_owned()).unwrap();
        }
        // A shorter record over a longer one: what is left of that one is not read.
        assert!(journal.add(line("d")).unwrap());
        drop(journal);
        assert_eq!(ids(&place.open()), ["d"]);
    }

    /// Whatever a crash leaves of a write that has not returned, what had returned is there, and nothing else.
    #[test]
    fn a_line_is_there_whole_or_not_at_all() {
        let place = Folder::new();
        let journal = place.open();
        journal.add(line("a")).unwrap();
        let (before, start) = (fs::read(&place.file).unwrap(), journal.state().end);
        journal.add(line("b")).unwrap();
        let (after, end) = (fs::read(&place.file).unwrap(), journal.state().end);
        drop(journal);
        // The body comes first, and may have come in part; then the length.
        for cut in (start + LENGTH..=end).step_by(31) {
            let mut torn = before.clone();
            torn[start + LENGTH..cut].copy_from_slice(&after[start + LENGTH..cut]);
            fs::write(&place.file, &torn).unwrap();
            let journal = place.open();
            assert_eq!(ids(&journal), ["a"], "{cut}");
            // Over what is left of it another is written.
            journal.add(line("c")).unwrap();
            drop(journal);
            assert_eq!(ids(&place.open()), ["a", "c"], "{cut}");
        }
    }

    #[test]
    fn it_is_for_its_owner_and_one_process_and_tells_nothing() {
        let place = Folder::new();
        let journal = place.open();
        journal.add(line("a")).unwrap();
        let about = fs::metadata(&place.file).unwrap();
        assert_eq!((about.mode() & 0o777, about.len()), (0o600, SIZE as u64));
        assert!(matches!(place.try_open(), Err(LedgerError::InUse { .. })));
        let text = String::from_utf8_lossy(&fs::read(&place.file).unwrap()).into_owned();
        for secret in ["ada", "statement", "u1", "principal"] {
            assert!(!text.contains(secret), "{secret}");
        }
        assert!(!format!("{journal:?}").contains("ada"));
        drop(journal);
        fs::set_permissions(&place.file, fs::Permissions::from_mode(0o640)).unwrap();
        place.refuses("chmod 600");
    }

    #[test]
    fn what_was_changed_is_refused() {
        let place = Folder::new();
        let journal = place.open();
        journal.add(line("a")).unwrap();
        let end = journal.state().end;
        drop(journal);
        let whole = fs::read(&place.file).unwrap();
        for at in (HEAD..end - LENGTH).step_by(7) {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&place.file, &changed).unwrap();
            place.refuses("does not open");
        }
        fs::write(&place.file, &whole[..end]).unwrap();
        place.refuses("cut short");
        fs::write(&place.file, "no journal").unwrap();
        place.refuses("no journal");
        fs::write(&place.file, &whole).unwrap();
        let other = Folder { key: Arc::new(LedgerKey::generate().unwrap()), ..place };
        other.refuses("another key");
    }

    #[test]
    fn a_making_that_was_cut_short_is_made_again() {
        let place = Folder::new();
        drop(place.open());
        let whole = fs::read(&place.file).unwrap();
        for length in [0, HEAD, HEAD + 9, SIZE - 1] {
            fs::write(&place.file, &whole[..length]).unwrap();
            drop(place.open());
            assert_eq!(fs::read(&place.file).unwrap(), whole, "{length}");
        }
        fs::write(&place.file, vec![0; SIZE]).unwrap();
        drop(place.open());
        assert_eq!(fs::read(&place.file).unwrap(), whole);
    }

    #[test]
    fn a_full_journal_takes_nothing_and_keeps_what_it_has() {
        let place = Folder::new();
        let journal = place.open();
        let large = |id: &str| {
            let mut line = line(id);
            line.request.body = Some("x".repeat(SIZE / 2));
            line
        };
        assert!(journal.add(large("a")).unwrap());
        let full = journal.add(large("b")).unwrap_err();
        assert!(format!("{full:?}").contains("is full"), "{full:?}");
        assert!(journal.add(line("c")).unwrap());
        drop(journal);
        assert_eq!(ids(&place.open()), ["a", "c"]);
        let journal = place.open();
        let many = (0..10_000).map(|n| line(&format!("{n:032x}")));
        let taken = many.take_while(|line| journal.add(line.clone()).is_ok()).count();
        assert!((500..5_000).contains(&taken), "{taken}");
        // Each line has room for its end.
        for id in ids(&journal) {
            journal.remove(&id).unwrap();
        }
        drop(journal);
        assert!(ids(&place.open()).is_empty());
    }

    struct Folder {
        folder: tempfile::TempDir,
        file: PathBuf,
        key: Arc<LedgerKey>,
    }

    impl Folder {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("journal");
            Self { folder, file, key: Arc::new(LedgerKey::generate().unwrap()) }
        }

        fn try_open(&self) -> Result<Journal, LedgerError> {
            assert!(self.folder.path().exists());
            Journal::open(&self.file, Arc::clone(&self.key))
        }

        fn open(&self) -> Journal {
            self.try_open().unwrap()
        }

        #[track_caller]
        fn refuses(&self, saying: &str) {
            let error = self.try_open().unwrap_err().to_string();
            assert!(error.contains(saying), "{error}");
        }
    }

    fn ids(journal: &Journal) -> Vec<EntryId> {
        journal.lines().into_iter().map(|line| line.id).collect()
    }

    fn line(id: &str) -> Line {
        let scope = Scope {
            tenant: "default".into(),
            target: "default".into(),
            source: "default".into(),
            principal: "principal".into(),
        };
        let request = Request {
            scope,
            method: Method::Delete,
            resource_type: "User".into(),
            id: Some("u1".into()),
            body: Some("{\"userName\":\"ada\"}".into()),
            key: None,
            version: None,
            if_match: None,
            received_at: 1,
            extra: Vec::new(),
        };
        Line { id: id.into(), statement: format!("s{id}"), request }
    }
}
