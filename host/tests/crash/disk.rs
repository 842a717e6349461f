//! A disk that fails: what of the files in one folder has reached it, and which step goes wrong?
//!
//! It holds for what SQLite does there, from the opening of a file to its closing; [`vfs`](super::vfs) asks it.

use std::{
    collections::BTreeMap,
    fs,
    ops::Range,
    os::raw::c_int,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

use rusqlite::ffi;

use crate::stop::{Step, Stop};

/// The disk under one folder, for the life of one process. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Disk(Arc<State>);

#[derive(Debug)]
struct State {
    folder: PathBuf,
    stop: Stop,
    fault: Mutex<Option<Fault>>,
    hits: AtomicUsize,
    files: Mutex<BTreeMap<PathBuf, Image>>,
}

/// What goes wrong, from which step on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    pub(crate) from: usize,
}

/// A way to go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `EIO`, once.
    Broken,
    /// `ENOSPC`, until there is room again.
    Full,
    /// Half of a write, and then no room, once.
    Short,
    /// A flush that fails, once. What it was to flush never reaches the disk, though later flushes succeed.
    Unflushed,
    /// Nothing can be written until the file system is mounted anew.
    ReadOnly,
    /// Every flush succeeds, and flushes nothing.
    Lying,
}

/// What comes of a step.
pub(crate) enum Fate {
    Goes,
    /// It does nothing, and SQLite gets this code.
    Fails(c_int),
    /// A write does half, and SQLite gets this code.
    Half(c_int),
}

/// A file: what has reached the disk, beside what the system holds of it.
#[derive(Debug, Default)]
struct Image {
    /// None: the disk knows of no such file.
    durable: Option<Vec<u8>>,
    /// It was made since, and neither name nor content has reached the disk.
    fresh: bool,
    /// What was written since.
    dirty: Vec<Range<usize>>,
    /// It was removed since.
    gone: bool,
}

impl Disk {
    /// Takes the place of the disk under `folder`.
    pub(crate) fn mount(folder: &Path, stop: Stop, fault: Option<Fault>) -> Self {
        let folder = folder.canonicalize().unwrap();
        let disk = Self(Arc::new(State {
            folder: folder.clone(),
            stop,
            fault: Mutex::new(fault),
            hits: AtomicUsize::new(0),
            files: Mutex::default(),
        }));
        mounted().insert(folder, disk.clone());
        disk
    }

    /// The disk that a file is on, if it is one of these.
    pub(crate) fn of(file: &Path) -> Option<Self> {
        mounted().get(file.parent()?).cloned()
    }

    pub(crate) fn unmount(&self) {
        drop(mounted().remove(&self.0.folder));
    }

    /// The process takes a step.
    pub(crate) fn take(&self, step: Step) -> Fate {
        let Some(number) = self.0.stop.take(step) else { return Fate::Fails(code(step)) };
        let Some(fault) = *self.0.fault.lock().unwrap() else { return Fate::Goes };
        let hits = number == fault.from || fault.kind.lasts() && fault.from < number;
        if !hits || !fault.kind.concerns(step) {
            return Fate::Goes;
        }
        self.0.hits.fetch_add(1, Ordering::SeqCst);
        match fault.kind {
            Kind::Full => Fate::Fails(ffi::SQLITE_FULL),
            Kind::Short => Fate::Half(ffi::SQLITE_FULL),
            Kind::Lying => Fate::Fails(ffi::SQLITE_OK),
            Kind::Broken | Kind::Unflushed | Kind::ReadOnly => Fate::Fails(code(step)),
        }
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.0.stop.is_dead()
    }

    /// Nothing goes wrong any more.
    pub(crate) fn heal(&self) {
        *self.0.fault.lock().unwrap() = None;
    }

    /// How many steps went wrong.
    pub(crate) fn hits(&self) -> usize {
        self.0.hits.load(Ordering::SeqCst)
    }

    pub(crate) fn opened(&self, file: &Path, existed: bool, content: impl FnOnce() -> Vec<u8>) {
        let mut files = self.files();
        if existed && !files.contains_key(file) {
            let image = Image { durable: Some(content()), ..Image::default() };
            drop(files.insert(file.to_owned(), image));
        }
        if !existed {
            let image = files.entry(file.to_owned()).or_default();
            (image.fresh, image.gone) = (true, false);
            image.dirty.clear();
        }
    }

    pub(crate) fn wrote(&self, file: &Path, range: Range<usize>) {
        if let Some(image) = self.files().get_mut(file) {
            image.dirty.push(range);
        }
    }

    /// A flush succeeds: what was written since the last one is on the disk.
    pub(crate) fn synced(
        &self,
        file: &Path,
        length: usize,
        read: impl Fn(Range<usize>) -> Vec<u8>,
    ) {
        let mut files = self.files();
        let Some(image) = files.get_mut(file) else { return };
        let mut dirty = std::mem::take(&mut image.dirty);
        if image.fresh {
            dirty.push(0..length);
        }
        let durable = image.durable.get_or_insert_default();
        if image.fresh {
            durable.clear();
        }
        durable.resize(length, 0);
        for range in dirty {
            let range = range.start.min(length)..range.end.min(length);
            durable[range.clone()].copy_from_slice(&read(range));
        }
        image.fresh = false;
        image.dirty.clear();
    }

    /// A flush fails: the system counts as written what is not.
    ///
    /// Source: Rebello et al., Can Applications Recover from fsync Failures?, USENIX ATC 2020.
    pub(crate) fn not_synced(&self, file: &Path) {
        if let Some(image) = self.files().get_mut(file) {
            if image.fresh {
                image.durable = Some(Vec::new());
            }
            image.fresh = false;
            image.dirty.clear();
        }
    }

    pub(crate) fn deleted(&self, file: &Path, for_good: bool) {
        let mut files = self.files();
        if for_good {
            drop(files.remove(file));
        } else if let Some(image) = files.get_mut(file) {
            image.gone = true;
        }
    }

    /// The power goes: what has not reached the disk is lost; with a `seed`, some sectors of it.
    ///
    /// The files are closed.
    pub(crate) fn lose_power(&self, seed: Option<u64>) {
        for (file, image) in std::mem::take(&mut *self.files()) {
            let held = fs::read(&file).unwrap_or_default();
            match image.left(&held, seed) {
                Some(left) if left == held && file.exists() => {}
                Some(left) => fs::write(&file, left).unwrap(),
                None => drop(fs::remove_file(&file)),
            }
        }
        drop(fs::remove_file(self.0.folder.join("ledger-shm")));
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Image>> {
        self.0.files.lock().unwrap()
    }
}

impl Image {
    /// What is left of a file of which the system held this.
    fn left(self, held: &[u8], seed: Option<u64>) -> Option<Vec<u8>> {
        let Some(seed) = seed else { return self.durable };
        if self.gone {
            return self.durable.filter(|_| comes_through(seed, usize::MAX));
        }
        if self.fresh && !comes_through(seed, usize::MAX) {
            return self.durable;
        }
        let (mut left, mut dirty) = (self.durable.unwrap_or_default(), self.dirty);
        if self.fresh {
            left.clear();
            dirty.push(0..held.len());
        }
        for range in dirty {
            for at in range.start..range.end.min(held.len()) {
                if comes_through(seed, at / SECTOR) {
                    left.resize(left.len().max(at + 1), 0);
                    left[at] = held[at];
                }
            }
        }
        Some(left)
    }
}

impl Kind {
    /// Those that a disk tells of.
    pub(crate) const TOLD: [Self; 5] =
        [Self::Broken, Self::Full, Self::Short, Self::Unflushed, Self::ReadOnly];

    /// Whether a step can go wrong so.
    pub(crate) fn concerns(self, step: Step) -> bool {
        match self {
            Self::Broken => !matches!(step, Step::Host | Step::Sync),
            Self::Full => matches!(step, Step::Write | Step::ShmMap),
            Self::Short => step == Step::Write,
            Self::Unflushed | Self::Lying => step == Step::Sync,
            Self::ReadOnly => matches!(step, Step::Write | Step::Truncate | Step::Delete),
        }
    }

    fn lasts(self) -> bool {
        matches!(self, Self::Full | Self::ReadOnly | Self::Lying)
    }
}

/// How the failure of a step is called.
fn code(step: Step) -> c_int {
    match step {
        Step::Host => ffi::SQLITE_IOERR,
        Step::Open => ffi::SQLITE_CANTOPEN,
        Step::Read => ffi::SQLITE_IOERR_READ,
        Step::Write => ffi::SQLITE_IOERR_WRITE,
        Step::Truncate => ffi::SQLITE_IOERR_TRUNCATE,
        Step::Sync => ffi::SQLITE_IOERR_FSYNC,
        Step::Delete => ffi::SQLITE_IOERR_DELETE,
        Step::Lock => ffi::SQLITE_IOERR_LOCK,
        Step::ShmMap => ffi::SQLITE_IOERR_SHMMAP,
        Step::ShmLock => ffi::SQLITE_IOERR_SHMLOCK,
    }
}

/// Half of all sectors come through, others with each seed.
fn comes_through(seed: u64, sector: usize) -> bool {
    let mixed = (seed ^ sector as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 63 == 0
}

fn mounted() -> MutexGuard<'static, BTreeMap<PathBuf, Disk>> {
    static MOUNTED: Mutex<BTreeMap<PathBuf, Disk>> = Mutex::new(BTreeMap::new());
    MOUNTED.lock().unwrap()
}

/// 512 bytes: the least that a disk writes whole.
const SECTOR: usize = 512;
