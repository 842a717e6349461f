//! The ledger in one SQLite file: opened by one process, durable at every write.
//!
//! The file's owner can read who was provisioned when, but no document: these are sealed.

mod audit;
mod files;
mod rows;
mod worker;

use std::{
    fmt,
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior};

use self::{
    files::Files,
    rows::{Rows, WAITS},
    worker::Worker,
};
use super::{
    Leased, Ledger, LedgerError, NameLeases, Note, PlanRecord, Record, RecordedStep, Waiting,
};
use crate::{
    contract::{Entry, EntryId, Field, Found, Scope, Tag},
    keys::{LedgerKey, sync_directory},
};

/// A ledger in SQLite.
///
/// Dropping it waits for the write under way, closes the file and lets other processes open it.
pub struct SqliteLedger {
    key: Arc<LedgerKey>,
    leases: NameLeases,
    /// How many bytes could not be written, since when nothing as large was; 0: the last write succeeded.
    failed: AtomicUsize,
    /// What is written to; none: memory, or nothing.
    files: Option<Arc<Files>>,
    // Dropped in this order: the file is unlocked when nobody uses it any more.
    reader: Option<Worker>,
    writer: Option<Worker>,
    locks: Vec<File>,
}

impl SqliteLedger {
    /// Opens the ledger at `path`, or makes it, for this process alone.
    ///
    /// Beside it stand `PATH.lock` and, while it is open, SQLite's `PATH-wal` and `PATH-shm`.
    /// Blocks until the file is open. It must be on a local disk: SQLite's log does not work over NFS.
    ///
    /// # Errors
    ///
    /// 1. [`LedgerError::Unreadable`]: it is no ledger, of an unknown version, or of another key,
    /// 2. [`LedgerError::InUse`]: another process, or this one, has it open,
    /// 3. [`LedgerError::Storage`]: the file cannot be made, locked or written.
    pub fn open(path: impl AsRef<Path>, key: Arc<LedgerKey>) -> Result<Self, LedgerError> {
        let path = path.as_ref();
        create(path).map_err(storage)?;
        let path = path.canonicalize().map_err(storage)?;
        let locks = vec![lock_name(&path)?, lock_file(&path)?];
        let mut connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        prepare(&mut connection, &key).map_err(|reason| reason.at(&path))?;
        // SQLite makes its log when it reads first.
        let _empty = is_empty(&connection)?;
        let reader = connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        Ok(Self {
            key,
            leases: NameLeases::default(),
            failed: AtomicUsize::new(0),
            files: Some(Arc::new(Files::of(&path).map_err(storage)?)),
            reader: Some(Worker::start("ledger-reader", reader).map_err(storage)?),
            writer: Some(Worker::start("ledger-writer", connection).map_err(storage)?),
            locks,
        })
    }

    /// Opens the ledger at `path` for reading, also while another process writes it.
    ///
    /// Every write is refused with [`LedgerError::Storage`].
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), but never [`LedgerError::InUse`]. A file that does not exist is an error.
    pub fn open_read_only(
        path: impl AsRef<Path>,
        key: Arc<LedgerKey>,
    ) -> Result<Self, LedgerError> {
        let path = path.as_ref().canonicalize().map_err(storage)?;
        let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        check(&connection, &key).map_err(|reason| reason.at(&path))?;
        Ok(Self {
            key,
            leases: NameLeases::default(),
            failed: AtomicUsize::new(0),
            files: None,
            reader: Some(Worker::start("ledger-reader", connection).map_err(storage)?),
            writer: None,
            locks: Vec::new(),
        })
    }

    /// Opens the ledger at `path` for one write of an operator's, also while another process serves from it.
    ///
    /// Names are leased in the memory of whoever serves, so nothing is leased here: what is written must
    /// carry the fence of the identity that it rests on, and make none.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), but [`LedgerError::InUse`] only where it is served under another name, as what is written
    /// here would not be seen there. A file that does not exist is an error.
    pub fn open_beside(path: impl AsRef<Path>, key: Arc<LedgerKey>) -> Result<Self, LedgerError> {
        let path = path.as_ref().canonicalize().map_err(storage)?;
        match lock_name(&path) {
            // Whoever serves has it open under this name: SQLite keeps the two apart.
            Err(LedgerError::InUse { .. }) => {}
            name => drop((lock_file(&path)?, name?)),
        }
        let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        check(&connection, &key).map_err(|reason| reason.at(&path))?;
        durable(&connection)?;
        Ok(Self {
            key,
            leases: NameLeases::default(),
            reader: None,
            failed: AtomicUsize::new(0),
            files: Some(Arc::new(Files::of(&path).map_err(storage)?)),
            writer: Some(Worker::start("ledger", connection).map_err(storage)?),
            locks: Vec::new(),
        })
    }

    /// Makes a ledger that is gone when it is dropped.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Storage`] if there is no memory or no thread for it.
    pub fn in_memory(key: Arc<LedgerKey>) -> Result<Self, LedgerError> {
        let mut connection = Connection::open_in_memory()?;
        connection.busy_timeout(BUSY_WAIT)?;
        prepare(&mut connection, &key).map_err(|reason| reason.at(Path::new(":memory:")))?;
        Ok(Self {
            key,
            leases: NameLeases::default(),
            failed: AtomicUsize::new(0),
            files: None,
            reader: None,
            writer: Some(Worker::start("ledger", connection).map_err(storage)?),
            locks: Vec::new(),
        })
    }

    /// Which life of the ledger this is: 1, then one more after each restore (S42).
    ///
    /// # Errors
    ///
    /// [`LedgerError::Storage`] if it cannot be read.
    pub async fn incarnation(&self) -> Result<u64, LedgerError> {
        self.read(|rows| incarnation(rows.connection)).await
    }

    /// Begins a new life of the ledger, after it was restored or has lost writes (S42). Gives its number.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Storage`] if it cannot be written.
    pub async fn begin_incarnation(&self) -> Result<u64, LedgerError> {
        self.change(|rows| {
            let next = incarnation(rows.connection)?.saturating_add(1);
            set(rows.connection, "incarnation", &next.to_string())?;
            Ok(next)
        })
        .await
    }

    /// Makes sure that this is the ledger of `service`, for example of its base URL in one spelling.
    ///
    /// A ledger that belongs to no service belongs to this one from now on. Only a keyed digest of it is kept.
    ///
    /// # Errors
    ///
    /// 1. [`LedgerError::OtherService`]: it belongs to another one, whose receipts and properties are not true of this,
    /// 2. [`LedgerError::Storage`]: it cannot be read or written.
    pub async fn belong_to(&self, service: &str) -> Result<(), LedgerError> {
        let service = self.key.tag("", "service", service);
        self.change(move |rows| match meta(rows.connection, "service")? {
            Some(known) if known == service => Ok(()),
            Some(_) => Err(LedgerError::OtherService),
            None => Ok(set(rows.connection, "service", &service)?),
        })
        .await
    }

    /// Says that the service of this ledger is `service` from now on: the same one, at another place.
    ///
    /// Entries, identities and receipts stay. What was learned about it is forgotten, as another version may run at the
    /// new place; where it is there already, nothing is.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Storage`] if it cannot be written.
    pub async fn move_to(&self, service: &str) -> Result<(), LedgerError> {
        let service = self.key.tag("", "service", service);
        self.change(move |rows| {
            if meta(rows.connection, "service")?.as_ref() != Some(&service) {
                set(rows.connection, "service", &service)?;
                rows.connection.execute("DELETE FROM fact", [])?;
            }
            Ok(())
        })
        .await
    }

    /// Reads in one transaction: everything that `job` sees is of one moment.
    async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Rows<'_>) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let worker = self.reader.as_ref().or(self.writer.as_ref()).ok_or_else(read_only)?;
        self.run(worker, TransactionBehavior::Deferred, None, job).await
    }

    /// Writes in one transaction, which is durable when this returns, or nothing was written.
    async fn change<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Rows<'_>) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let worker = self.writer.as_ref().ok_or_else(read_only)?;
        self.run(worker, TransactionBehavior::Immediate, self.files.clone(), job).await
    }

    /// Writes `bytes`, and remembers if there was no room for so many.
    async fn change_noting<T: Send + 'static>(
        &self,
        bytes: usize,
        job: impl FnOnce(&Rows<'_>) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let done = self.change(job).await;
        match &done {
            Err(LedgerError::Storage(_)) => drop(self.failed.fetch_max(bytes, Ordering::Relaxed)),
            Ok(_) if self.failed.load(Ordering::Relaxed) <= bytes => {
                self.failed.store(0, Ordering::Relaxed);
            }
            // Refused, or too small to tell.
            Ok(_) | Err(_) => {}
        }
        done
    }

    async fn run<T: Send + 'static>(
        &self,
        worker: &Worker,
        behavior: TransactionBehavior,
        files: Option<Arc<Files>>,
        job: impl FnOnce(&Rows<'_>) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let key = Arc::clone(&self.key);
        worker
            .run(move |connection| {
                // Rolled back when dropped without a commit.
                let transaction = Transaction::new(connection, behavior)?;
                let done = job(&Rows { connection: &transaction, key: &key })?;
                let check = || files.as_deref().map_or(Ok(()), Files::check);
                check()?;
                transaction.commit()?;
                // Removed between the two: it is not told as written.
                check()?;
                Ok(done)
            })
            .await
    }
}

impl fmt::Debug for SqliteLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteLedger")
            .field("writable", &self.writer.is_some())
            .field("locked", &!self.locks.is_empty())
            .finish_non_exhaustive()
    }
}

impl Ledger for SqliteLedger {
    async fn lease(
        &self,
        names: &[Tag],
        statement: &Tag,
        waiting: Waiting,
    ) -> Result<Leased, LedgerError> {
        Ok(self.leases.lease(names, statement, waiting).await)
    }

    async fn find(
        &self,
        scope: &Scope,
        key: Option<&Tag>,
        statement: &Tag,
        names: &[Tag],
    ) -> Result<Found, LedgerError> {
        let (tenant, key) = (scope.tenant.clone(), key.cloned());
        let (statement, names) = (statement.clone(), names.to_vec());
        self.read(move |rows| rows.find(&tenant, key.as_ref(), &statement, &names)).await
    }

    async fn write(&self, record: &Record) -> Result<(), LedgerError> {
        let record = record.clone();
        self.change_noting(bytes(&record), move |rows| rows.write(&record)).await
    }

    async fn entry(&self, id: &EntryId) -> Result<Option<Entry>, LedgerError> {
        let id = id.clone();
        self.read(move |rows| Ok(rows.entry(&id)?.map(|row| row.entry))).await
    }

    async fn due(
        &self,
        now: u64,
        after: Option<&Entry>,
        most: u32,
    ) -> Result<Vec<Entry>, LedgerError> {
        let after = after.map(|entry| (entry.wake_at.unwrap_or_default(), entry.id.clone()));
        self.read(move |rows| rows.due(now, after, most)).await
    }

    async fn profile(&self, target: &str) -> Result<Vec<Field>, LedgerError> {
        let target = target.to_owned();
        self.read(move |rows| rows.profile(&target)).await
    }

    async fn note(
        &self,
        tenant: &str,
        decision: &EntryId,
        step: &RecordedStep,
    ) -> Result<(), LedgerError> {
        let (tenant, decision, step) = (tenant.to_owned(), decision.clone(), step.clone());
        let bytes = step.input.len() + step.output.len();
        self.change_noting(bytes, move |rows| rows.write_step(&tenant, &decision, &step)).await
    }

    async fn steps(&self, decision: &EntryId) -> Result<Vec<RecordedStep>, LedgerError> {
        let decision = decision.clone();
        self.read(move |rows| rows.steps(&decision)).await
    }

    async fn waiting(&self) -> Result<Vec<EntryId>, LedgerError> {
        self.read(|rows| rows.waiting()).await
    }

    async fn waiting_step(&self, decision: &EntryId) -> Result<Option<RecordedStep>, LedgerError> {
        let decision = decision.clone();
        self.read(move |rows| rows.waiting_step(&decision)).await
    }

    async fn forget_steps(&self, before: u64) -> Result<u64, LedgerError> {
        let before = i64::try_from(before).unwrap_or(i64::MAX);
        self.change(move |rows| {
            let removed = rows.connection.execute(
                &format!("DELETE FROM step WHERE at < ?1 AND NOT ifnull({WAITS}, FALSE)"),
                [before],
            )?;
            Ok(u64::try_from(removed).unwrap_or(u64::MAX))
        })
        .await
    }

    async fn plans(&self) -> Result<Vec<PlanRecord>, LedgerError> {
        self.read(|rows| rows.plans()).await
    }

    async fn write_plan(&self, record: &PlanRecord, forget: u64) -> Result<(), LedgerError> {
        let record = record.clone();
        self.change(move |rows| rows.write_plan(&record, forget)).await
    }

    /// Makes one durable write: a full or failing disk shows itself only then. It costs one flush.
    ///
    /// Where the last write failed, this one is as large, up to 1 MiB: on a full disk there is room for a
    /// small one now and then.
    async fn ready(&self) -> Result<(), LedgerError> {
        let failed = self.failed.load(Ordering::Relaxed);
        let spare = if failed == 0 { 0 } else { PROBE_BYTES_SPARE };
        let size = failed.saturating_add(spare).clamp(PROBE_BYTES_LEAST, PROBE_BYTES_MOST);
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        // Random, because SQLite writes nothing where nothing changes.
        let probe = "INSERT OR REPLACE INTO meta VALUES ('probe', hex(randomblob(?1 / 2)))";
        self.change(move |rows| Ok(rows.connection.execute(probe, [size]).map(drop)?)).await?;
        let order = Ordering::Relaxed;
        let _failed_meanwhile = self.failed.compare_exchange(failed, 0, order, order);
        Ok(())
    }

    async fn audit(&self) -> Result<Vec<Note>, LedgerError> {
        self.read(audit::audit).await
    }
}

impl From<rusqlite::Error> for LedgerError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(Box::new(error))
    }
}

impl From<crate::keys::KeyError> for LedgerError {
    fn from(error: crate::keys::KeyError) -> Self {
        Self::Storage(Box::new(error))
    }
}

/// Why a file is not this ledger.
enum Refusal {
    Reason(String),
    Storage(LedgerError),
}

impl Refusal {
    fn at(self, path: &Path) -> LedgerError {
        match self {
            Self::Reason(reason) => {
                LedgerError::Unreadable { path: path.display().to_string(), reason }
            }
            Self::Storage(error) => error,
        }
    }
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => {
                Self::Reason("it is no SQLite database, or a damaged one".to_owned())
            }
            Some(_) | None => Self::Storage(error.into()),
        }
    }
}

/// Makes an empty file that only its owner may use: SQLite would let the umask decide.
fn create(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => file.sync_all().and_then(|()| sync_directory(path)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Takes the lock on the name of a file that one process holds for as long as it has the ledger open: it keeps two
/// processes apart who make the file at the same time.
///
/// The lock file stays: to remove it would let two processes lock two files of one name.
fn lock_name(path: &Path) -> Result<File, LedgerError> {
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(beside(path, ".lock"))
        .map_err(storage)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(in_use(path)),
        Err(TryLockError::Error(error)) => Err(storage(error)),
    }
}

/// Takes the lock on the file itself, which is the same whatever name leads to it: a hard link, a new name, or a mount of
/// the file alone. Two logs of one file would destroy it.
///
/// Source: How To Corrupt An SQLite Database File, sections 2.2, 2.4 and 2.5. SQLite's own locks are others (`fcntl`, not
/// `flock`), but they are gone as soon as this process closes the file anywhere: it is opened before SQLite opens it, and
/// closed after.
fn lock_file(path: &Path) -> Result<File, LedgerError> {
    let file = File::open(path).map_err(storage)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            // It may be this very process that has it open, under another name: see above.
            std::mem::forget(file);
            Err(in_use(path))
        }
        Err(TryLockError::Error(error)) => Err(storage(error)),
    }
}

fn in_use(path: &Path) -> LedgerError {
    LedgerError::InUse { path: path.display().to_string() }
}

fn connect(path: &Path, access: OpenFlags) -> Result<Connection, LedgerError> {
    // Each connection is used by one thread, and SQLite need not lock it once more.
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_WAIT)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    Ok(connection)
}

/// Sets up a connection that writes, and the tables if there are none.
fn prepare(connection: &mut Connection, key: &LedgerKey) -> Result<(), Refusal> {
    if is_empty(connection)? {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(include_str!("sqlite/schema.sql"))?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        set(&transaction, "key", &key.id())?;
        set(&transaction, "incarnation", "1")?;
        transaction.commit()?;
    }
    check(connection, key)?;
    // Changed only after the file is known to be ours. A log in memory stays as it is.
    connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))?;
    Ok(durable(connection)?)
}

fn durable(connection: &Connection) -> rusqlite::Result<()> {
    // FULL: each commit has reached the disk before it returns, as S7 demands of `dispatched`.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))
}

/// Whether the file is a ledger of this version and this key.
fn check(connection: &Connection, key: &LedgerKey) -> Result<(), Refusal> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    if number("application_id")? != APPLICATION_ID {
        return Err(Refusal::Reason("it is no ledger".to_owned()));
    }
    let version = number("user_version")?;
    if version != SCHEMA_VERSION {
        return Err(Refusal::Reason(format!(
            "its schema has version {version}, but this program knows version {SCHEMA_VERSION} only"
        )));
    }
    if meta(connection, "key")? != Some(key.id()) {
        return Err(Refusal::Reason(
            "it was written with another key: name the key file that was made with it".to_owned(),
        ));
    }
    Ok(())
}

fn incarnation(connection: &Connection) -> Result<u64, LedgerError> {
    meta(connection, "incarnation")?
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| rows::tampered("meta", "incarnation"))
}

fn meta(connection: &Connection, name: &str) -> rusqlite::Result<Option<String>> {
    connection
        .query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| row.get(0))
        .optional()
}

fn set(connection: &Connection, name: &str, value: &str) -> rusqlite::Result<()> {
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?1, ?2)", [name, value]).map(drop)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// How much a record holds: what its readable columns add is not worth counting.
fn bytes(record: &Record) -> usize {
    let identities = record.identities.iter().map(|(write, _)| write.identity.state.len());
    let step = record.step.as_ref().map_or(0, |step| step.input.len() + step.output.len());
    record.entry.state.len() + identities.sum::<usize>() + step
}

fn storage(error: io::Error) -> LedgerError {
    LedgerError::Storage(Box::new(error))
}

fn read_only() -> LedgerError {
    LedgerError::Storage("the ledger is open for reading only".into())
}

/// What SQLite's header says of whose file it is: `RpSf`.
const APPLICATION_ID: i64 = 0x5270_5366;

/// Which tables these are. Another number is refused.
const SCHEMA_VERSION: i64 = 4;

/// How long SQLite waits for a reader in another process, which holds it up for moments only.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// What a probe writes where nothing has failed: any change costs a page.
const PROBE_BYTES_LEAST: usize = 16;

/// 64 KiB that a write takes beside what it holds: 16 pages of 4 KiB, one for each table and index that it touches.
const PROBE_BYTES_SPARE: usize = 64 << 10;

/// 1 MiB: with so much room every usual request can be recorded.
const PROBE_BYTES_MOST: usize = 1 << 20;

#[cfg(test)]
mod tests;
