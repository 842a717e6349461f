//! The ledger in one SQLite file: opened by one process, durable at every write.
//!
//! The file's owner can read who was provisioned when, but no document: these are sealed.

mod audit;
mod rows;
mod worker;

use std::{
    fmt,
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior};

use self::{rows::Rows, worker::Worker};
use super::{Leased, Ledger, LedgerError, NameLeases, Note, Record, RecordedStep, Waiting};
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
    // Dropped in this order: the file is unlocked when nobody uses it any more.
    reader: Option<Worker>,
    writer: Option<Worker>,
    lock: Option<File>,
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
        // Whatever name leads to the file, the lock is the same.
        let path = path.canonicalize().map_err(storage)?;
        let lock = lock(&path)?;
        let mut connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        prepare(&mut connection, &key).map_err(|reason| reason.at(&path))?;
        let reader = connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        Ok(Self {
            key,
            leases: NameLeases::default(),
            reader: Some(Worker::start("ledger-reader", reader).map_err(storage)?),
            writer: Some(Worker::start("ledger-writer", connection).map_err(storage)?),
            lock: Some(lock),
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
            reader: Some(Worker::start("ledger-reader", connection).map_err(storage)?),
            writer: None,
            lock: None,
        })
    }

    /// Opens the ledger at `path` for one write of an operator's, also while another process serves from it.
    ///
    /// Names are leased in the memory of whoever serves, so nothing is leased here: what is written must
    /// carry the fence of the identity that it rests on, and make none.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), but never [`LedgerError::InUse`]. A file that does not exist is an error.
    pub fn open_beside(path: impl AsRef<Path>, key: Arc<LedgerKey>) -> Result<Self, LedgerError> {
        let path = path.as_ref().canonicalize().map_err(storage)?;
        let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        check(&connection, &key).map_err(|reason| reason.at(&path))?;
        durable(&connection)?;
        Ok(Self {
            key,
            leases: NameLeases::default(),
            reader: None,
            writer: Some(Worker::start("ledger", connection).map_err(storage)?),
            lock: None,
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
            reader: None,
            writer: Some(Worker::start("ledger", connection).map_err(storage)?),
            lock: None,
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

    /// Reads in one transaction: everything that `job` sees is of one moment.
    async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Rows<'_>) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let worker = self.reader.as_ref().or(self.writer.as_ref()).ok_or_else(read_only)?;
        self.run(worker, TransactionBehavior::Deferred, job).await
    }

    /// Writes in one transaction, which is durable when this returns, or nothing was written.
    async fn change<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Rows<'_>) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let worker = self.writer.as_ref().ok_or_else(read_only)?;
        self.run(worker, TransactionBehavior::Immediate, job).await
    }

    async fn run<T: Send + 'static>(
        &self,
        worker: &Worker,
        behavior: TransactionBehavior,
        job: impl FnOnce(&Rows<'_>) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let key = Arc::clone(&self.key);
        worker
            .run(move |connection| {
                // Rolled back when dropped without a commit.
                let transaction = Transaction::new(connection, behavior)?;
                let done = job(&Rows { connection: &transaction, key: &key })?;
                transaction.commit()?;
                Ok(done)
            })
            .await
    }
}

impl fmt::Debug for SqliteLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteLedger")
            .field("writable", &self.writer.is_some())
            .field("locked", &self.lock.is_some())
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
        self.change(move |rows| rows.write(&record)).await
    }

    async fn entry(&self, id: &EntryId) -> Result<Option<Entry>, LedgerError> {
        let id = id.clone();
        self.read(move |rows| Ok(rows.entry(&id)?.map(|row| row.entry))).await
    }

    async fn due(&self, now: u64, most: u32) -> Result<Vec<Entry>, LedgerError> {
        self.read(move |rows| rows.due(now, most)).await
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
        self.change(move |rows| rows.write_step(&tenant, &decision, &step)).await
    }

    async fn steps(&self, decision: &EntryId) -> Result<Vec<RecordedStep>, LedgerError> {
        let decision = decision.clone();
        self.read(move |rows| rows.steps(&decision)).await
    }

    async fn refused(&self) -> Result<Vec<EntryId>, LedgerError> {
        self.read(|rows| rows.refused()).await
    }

    async fn forget_steps(&self, before: u64) -> Result<u64, LedgerError> {
        let before = i64::try_from(before).unwrap_or(i64::MAX);
        self.change(move |rows| {
            let removed = rows.connection.execute("DELETE FROM step WHERE at < ?1", [before])?;
            Ok(u64::try_from(removed).unwrap_or(u64::MAX))
        })
        .await
    }

    /// Makes one durable write: a full or failing disk shows itself only then. It costs one flush.
    async fn ready(&self) -> Result<(), LedgerError> {
        // Counted, because SQLite writes nothing where nothing changes.
        let probe = "INSERT INTO meta VALUES ('probe', 1)
            ON CONFLICT (name) DO UPDATE SET value = value + 1";
        self.change(move |rows| Ok(rows.connection.execute(probe, []).map(drop)?)).await
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

/// Takes the lock that one process holds for as long as it has the ledger open.
///
/// The lock file stays: to remove it would let two processes lock two files of one name.
fn lock(path: &Path) -> Result<File, LedgerError> {
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(beside(path, ".lock"))
        .map_err(storage)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            Err(LedgerError::InUse { path: path.display().to_string() })
        }
        Err(TryLockError::Error(error)) => Err(storage(error)),
    }
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

fn storage(error: io::Error) -> LedgerError {
    LedgerError::Storage(Box::new(error))
}

fn read_only() -> LedgerError {
    LedgerError::Storage("the ledger is open for reading only".into())
}

/// What SQLite's header says of whose file it is: `RpSf`.
const APPLICATION_ID: i64 = 0x5270_5366;

/// Which tables these are. Another number is refused.
const SCHEMA_VERSION: i64 = 1;

/// How long SQLite waits for a reader in another process, which holds it up for moments only.
const BUSY_WAIT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
