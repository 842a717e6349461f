//! SQLite's way to its files, through a [`Disk`]: the unix file system, with a step before each of its calls.
//!
//! What goes to a folder without such a disk goes straight through. A flush is noted and not made: what it is for is
//! decided by the disk.

#![expect(unsafe_code, reason = "SQLite calls its file system through C")]

use std::{
    ffi::{CStr, OsStr},
    mem::size_of,
    os::{
        raw::{c_char, c_int, c_void},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
    ptr,
    sync::{Once, OnceLock},
};

use rusqlite::ffi::{self, sqlite3_file, sqlite3_int64, sqlite3_io_methods, sqlite3_vfs};

use crate::{
    disk::{Disk, Fate},
    stop::Step,
};

/// Makes this the file system of every connection of this process that is opened from now on.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the name is a C string, and the system's own file system lives as long as the process.
        let unix = unsafe { ffi::sqlite3_vfs_find(c"unix".as_ptr()) };
        assert!(!unix.is_null());
        // SAFETY: it was found, and nothing writes to it.
        let mut vfs = unsafe { *unix };
        vfs.zName = c"faulty".as_ptr();
        vfs.pNext = ptr::null_mut();
        vfs.szOsFile += c_int::try_from(size_of::<Opened>()).unwrap();
        // The methods that are not replaced are the system's own, which look at `pAppData`.
        vfs.xOpen = Some(open);
        vfs.xDelete = Some(delete);
        REAL.set(Real(unix)).ok().unwrap();
        // SAFETY: it is never freed, and its methods are those below and those of `unix`.
        let done = unsafe { ffi::sqlite3_vfs_register(Box::into_raw(Box::new(vfs)), 1) };
        assert_eq!(done, ffi::SQLITE_OK);
    });
}

/// The file as SQLite has it; behind it in memory stands the real one.
#[repr(C)]
struct Opened {
    base: sqlite3_file,
    file: *mut File,
}

/// What is known of an open file.
struct File {
    disk: Option<Disk>,
    path: PathBuf,
}

struct Real(*mut sqlite3_vfs);

// SAFETY: SQLite's own file system is used by all threads, and is not written to here.
unsafe impl Send for Real {}
// SAFETY: as above.
unsafe impl Sync for Real {}

static REAL: OnceLock<Real> = OnceLock::new();

fn unix() -> *mut sqlite3_vfs {
    REAL.get().map_or(ptr::null_mut(), |real| real.0)
}

/// The real file behind `file`.
fn real(file: *mut sqlite3_file) -> *mut sqlite3_file {
    file.wrapping_byte_add(size_of::<Opened>())
}

/// SAFETY: `file` was opened by [`open`] and is not closed.
unsafe fn known<'a>(file: *mut sqlite3_file) -> &'a File {
    // SAFETY: `open` has put it there, and `close` alone takes it away.
    unsafe { &*(*file.cast::<Opened>()).file }
}

/// The method of the real file with this name, called with these arguments.
macro_rules! pass {
    ($file:expr, $method:ident $(, $argument:expr)*) => {{
        let file = real($file);
        // SAFETY: the real file is open, its methods are those of its own file system, and the arguments are SQLite's.
        unsafe { ((*(*file).pMethods).$method.unwrap())(file $(, $argument)*) }
    }};
}

/// Takes a step on the disk of `file`; gives what comes of it.
fn step(file: *mut sqlite3_file, step: Step) -> Fate {
    // SAFETY: SQLite calls methods of open files only.
    unsafe { known(file) }.disk.as_ref().map_or(Fate::Goes, |disk| disk.take(step))
}

/// A method that is a step, and does what the real one does.
macro_rules! stepping {
    ($name:ident, $method:ident, $step:ident, $($argument:ident: $type:ty),*) => {
        extern "C" fn $name(file: *mut sqlite3_file, $($argument: $type),*) -> c_int {
            match step(file, Step::$step) {
                Fate::Goes => pass!(file, $method, $($argument),*),
                Fate::Fails(code) | Fate::Half(code) => code,
            }
        }
    };
}

/// A method that is none.
macro_rules! passing {
    ($name:ident, $method:ident, $($argument:ident: $type:ty),*) => {
        extern "C" fn $name(file: *mut sqlite3_file, $($argument: $type),*) -> c_int {
            pass!(file, $method $(, $argument)*)
        }
    };
}

stepping!(read, xRead, Read, to: *mut c_void, count: c_int, at: sqlite3_int64);
stepping!(truncate, xTruncate, Truncate, size: sqlite3_int64);
stepping!(lock, xLock, Lock, level: c_int);
stepping!(shm_map, xShmMap, ShmMap, page: c_int, size: c_int, extend: c_int, to: *mut *mut c_void);
passing!(file_size, xFileSize, to: *mut sqlite3_int64);
passing!(unlock, xUnlock, level: c_int);
passing!(is_reserved, xCheckReservedLock, to: *mut c_int);
passing!(control, xFileControl, what: c_int, with: *mut c_void);
passing!(sector_size, xSectorSize,);
passing!(characteristics, xDeviceCharacteristics,);

extern "C" fn write(
    file: *mut sqlite3_file,
    from: *const c_void,
    count: c_int,
    at: sqlite3_int64,
) -> c_int {
    let (count, code) = match step(file, Step::Write) {
        Fate::Goes => (count, ffi::SQLITE_OK),
        Fate::Half(code) => (count / 2, code),
        Fate::Fails(code) => return code,
    };
    let written = pass!(file, xWrite, from, count, at);
    // SAFETY: SQLite calls methods of open files only.
    let known = unsafe { known(file) };
    if let Some(disk) = &known.disk {
        let at = usize::try_from(at).unwrap();
        disk.wrote(&known.path, at..at + usize::try_from(count).unwrap());
    }
    if code == ffi::SQLITE_OK { written } else { code }
}

extern "C" fn sync(file: *mut sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: SQLite calls methods of open files only.
    let known = unsafe { known(file) };
    let Some(disk) = &known.disk else { return pass!(file, xSync, flags) };
    match disk.take(Step::Sync) {
        Fate::Goes => {
            disk.synced(&known.path, length(file), |range| content(file, range.start, range.len()));
            ffi::SQLITE_OK
        }
        Fate::Fails(code) | Fate::Half(code) => {
            if !disk.is_dead() {
                disk.not_synced(&known.path);
            }
            code
        }
    }
}

extern "C" fn shm_lock(file: *mut sqlite3_file, at: c_int, count: c_int, flags: c_int) -> c_int {
    // To let go is no step: the end of a process does it too.
    if flags & ffi::SQLITE_SHM_UNLOCK == 0
        && let Fate::Fails(code) | Fate::Half(code) = step(file, Step::ShmLock)
    {
        return code;
    }
    pass!(file, xShmLock, at, count, flags)
}

extern "C" fn shm_barrier(file: *mut sqlite3_file) {
    pass!(file, xShmBarrier);
}

extern "C" fn shm_unmap(file: *mut sqlite3_file, removes: c_int) -> c_int {
    // SAFETY: SQLite calls methods of open files only.
    let dead = unsafe { known(file) }.disk.as_ref().is_some_and(Disk::is_dead);
    pass!(file, xShmUnmap, if dead { 0 } else { removes })
}

extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    let done = pass!(file, xClose);
    let opened = file.cast::<Opened>();
    // SAFETY: `open` has put it there, and SQLite closes a file once.
    drop(unsafe { Box::from_raw((*opened).file) });
    // SAFETY: the memory is SQLite's until this returns.
    unsafe { (*opened).base.pMethods = ptr::null() };
    done
}

extern "C" fn open(
    _: *mut sqlite3_vfs,
    name: *const c_char,
    file: *mut sqlite3_file,
    flags: c_int,
    given: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives as much memory as `szOsFile` says; without methods it does not close what was not opened.
    unsafe { (*file).pMethods = ptr::null() };
    let path = path(name);
    let disk = path.as_deref().and_then(Disk::of);
    if let Some(Fate::Fails(code) | Fate::Half(code)) =
        disk.as_ref().map(|disk| disk.take(Step::Open))
    {
        return code;
    }
    let existed = path.as_deref().is_some_and(Path::exists);
    let unix = unix();
    // SAFETY: the arguments are SQLite's own, and the memory behind `Opened` is as large as `unix` asks for.
    let done = unsafe { ((*unix).xOpen.unwrap())(unix, name, real(file), flags, given) };
    if done != ffi::SQLITE_OK {
        return done;
    }
    if let (Some(disk), Some(path)) = (&disk, &path) {
        disk.opened(path, existed, || content(file, 0, length(file)));
    }
    let known = File { disk, path: path.unwrap_or_default() };
    let opened = Opened {
        base: sqlite3_file { pMethods: &raw const METHODS },
        file: Box::into_raw(Box::new(known)),
    };
    // SAFETY: the memory is there, see above.
    unsafe { file.cast::<Opened>().write(opened) };
    done
}

extern "C" fn delete(_: *mut sqlite3_vfs, name: *const c_char, sync_folder: c_int) -> c_int {
    let path = path(name);
    let disk = path.as_deref().and_then(Disk::of);
    if let Some(Fate::Fails(code) | Fate::Half(code)) =
        disk.as_ref().map(|disk| disk.take(Step::Delete))
    {
        return code;
    }
    if let (Some(disk), Some(path)) = (disk, path) {
        disk.deleted(&path, sync_folder != 0);
    }
    let unix = unix();
    // SAFETY: the arguments are SQLite's own.
    unsafe { ((*unix).xDelete.unwrap())(unix, name, 0) }
}

fn path(name: *const c_char) -> Option<PathBuf> {
    // SAFETY: where SQLite gives a name, it is a C string.
    let name = (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) })?;
    Some(PathBuf::from(OsStr::from_bytes(name.to_bytes())))
}

fn length(file: *mut sqlite3_file) -> usize {
    let mut size: sqlite3_int64 = 0;
    assert_eq!(pass!(file, xFileSize, &raw mut size), ffi::SQLITE_OK);
    usize::try_from(size).unwrap()
}

/// What the system holds, read by way of SQLite: to open and close the file beside it would lose its locks.
fn content(file: *mut sqlite3_file, at: usize, count: usize) -> Vec<u8> {
    let mut bytes = vec![0_u8; count];
    let (length, from) = (c_int::try_from(count).unwrap(), i64::try_from(at).unwrap());
    let done = pass!(file, xRead, bytes.as_mut_ptr().cast(), length, from);
    // Behind its end a file has zeros.
    assert!(done == ffi::SQLITE_OK || done == ffi::SQLITE_IOERR_SHORT_READ, "{done}");
    bytes
}

/// Version 2: files are read and written, and not mapped into memory.
static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(is_reserved),
    xFileControl: Some(control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};
