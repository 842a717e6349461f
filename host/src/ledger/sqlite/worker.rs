//! A connection with a thread of its own: how is SQLite used without blocking the runtime?
//!
//! A job that was handed over runs to its end, whether or not anybody still waits for it.

use std::{io, thread};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::ledger::LedgerError;

/// One connection and the thread that uses it. Dropping it finishes the jobs handed over and closes.
#[derive(Debug)]
pub(super) struct Worker {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Worker {
    pub(super) fn start(name: &str, mut connection: Connection) -> io::Result<Self> {
        let (jobs, mut queue) = mpsc::channel::<Job>(JOBS_MAX);
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            while let Some(job) = queue.blocking_recv() {
                job(&mut connection);
            }
        })?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (answer, answered) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
        let job: Job = Box::new(move |connection| {
            // Nobody listens if the caller was dropped: what the job did stands all the same.
            drop(answer.send(job(connection)));
        });
        jobs.send(job).await.map_err(|_closed| stopped())?;
        answered.await.map_err(|_dropped| stopped())?
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has answered its caller already: see `stopped`.
            drop(thread.join());
        }
    }
}

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// How many jobs may be queued before a caller waits to hand over its own: a job lasts about as long
/// as one flush of the disk, and whoever waits here can still be cancelled.
const JOBS_MAX: usize = 64;

fn stopped() -> LedgerError {
    LedgerError::Storage("the ledger's thread has stopped".into())
}
