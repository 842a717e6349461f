//! How is one question asked of the service that is measured?
//!
//! Nothing is repeated but what was turned away with 429, which has changed nothing.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use replaysafe::target::upstream::{Upstream, whole};
use serde_json::Value;
use tokio::sync::watch;

/// The service, and what may still be asked of it.
pub(super) struct Service {
    upstream: Upstream,
    credential: Option<HeaderValue>,
    stop: watch::Receiver<bool>,
    asked: Cell<usize>,
    began: Cell<Instant>,
    bounds: Cell<Bounds>,
}

/// How much may be asked, and until when.
#[derive(Clone, Copy)]
struct Bounds {
    requests: usize,
    time: Duration,
    stoppable: bool,
}

/// Why nothing more is asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Halt {
    /// A person wants it.
    #[error("stopped by a signal")]
    Stopped,
    /// [`REQUESTS_MAX`].
    #[error("it took more than {REQUESTS_MAX} requests")]
    Requests,
    /// [`TIME_MAX`].
    #[error("it took longer than {} minutes", TIME_MAX.as_secs() / 60)]
    Time,
    /// The first question had no answer.
    #[error("the service does not answer: {0}")]
    NoAnswer(String),
    /// The credential, or what it may do.
    #[error(
        "the service answers {0} to {1}; name a credential that may create, change and delete users with `--target-credential FILE`"
    )]
    NotAllowed(StatusCode, String),
    /// Not even one user can be made.
    #[error("the service makes no user: {0}")]
    NoUser(String),
}

/// What was answered; no status where no complete answer came.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    pub(super) status: Option<StatusCode>,
    pub(super) etag: Option<String>,
    pub(super) location: Option<String>,
    pub(super) body: Value,
    /// Why there is no status.
    pub(super) reason: String,
}

impl Answer {
    pub(super) fn is_good(&self) -> bool {
        self.status.is_some_and(|status| status.is_success())
    }

    /// It has surely changed nothing, and will not.
    pub(super) fn is_refusal(&self) -> bool {
        self.status
            .is_some_and(|status| status.is_client_error() || status == StatusCode::NOT_IMPLEMENTED)
    }

    pub(super) fn is_gone(&self) -> bool {
        matches!(self.status, Some(StatusCode::NOT_FOUND | StatusCode::GONE))
    }

    pub(super) fn number(&self) -> Option<u64> {
        self.status.map(|status| status.as_u16().into())
    }

    /// What came, in a few words.
    pub(super) fn words(&self) -> String {
        let detail = self.body.get("detail").and_then(Value::as_str).unwrap_or_default();
        let detail: String = detail.chars().filter(|one| !one.is_control()).take(200).collect();
        match self.status {
            Some(status) if detail.is_empty() => status.as_u16().to_string(),
            Some(status) => format!("{}, {detail}", status.as_u16()),
            None => self.reason.clone(),
        }
    }
}

impl Service {
    pub(super) fn new(
        upstream: Upstream,
        credential: Option<HeaderValue>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let bounds = Bounds { requests: REQUESTS_MAX, time: TIME_MAX, stoppable: true };
        Self {
            upstream,
            credential,
            stop,
            asked: Cell::new(0),
            began: Cell::new(Instant::now()),
            bounds: Cell::new(bounds),
        }
    }

    /// From here on there is time to clear away, whatever was used up before, and no signal stops it.
    pub(super) fn clear_away(&self) {
        let requests = self.asked.get() + CLEARING_REQUESTS_MAX;
        self.began.set(Instant::now());
        self.bounds.set(Bounds { requests, time: CLEARING_MAX, stoppable: false });
    }

    /// How many requests were sent.
    pub(super) fn asked(&self) -> usize {
        self.asked.get()
    }

    /// Waits, no longer than a signal lets it.
    pub(super) async fn pause(&self, time: Duration) -> Result<(), Halt> {
        let mut stop = self.stop.clone();
        if !self.bounds.get().stoppable {
            tokio::time::sleep(time).await;
            return Ok(());
        }
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            _ = stop.wait_for(|stop| *stop) => Err(Halt::Stopped),
        }
    }

    /// Asks once. `path` is below the base; `if_match` an entity tag.
    pub(super) async fn ask(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
        if_match: Option<&str>,
    ) -> Result<Answer, Halt> {
        let mut tries = 0;
        loop {
            let answer = self.once(method, path, body, if_match).await?;
            if answer.status != Some(StatusCode::TOO_MANY_REQUESTS) || TURNED_AWAY_MAX <= tries {
                return Ok(answer);
            }
            tries += 1;
            self.pause(TURNED_AWAY_PAUSE).await?;
        }
    }

    async fn once(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
        if_match: Option<&str>,
    ) -> Result<Answer, Halt> {
        let bounds = self.bounds.get();
        if bounds.stoppable && *self.stop.borrow() {
            return Err(Halt::Stopped);
        }
        if bounds.requests <= self.asked.get() {
            return Err(Halt::Requests);
        }
        if bounds.time <= self.began.get().elapsed() {
            return Err(Halt::Time);
        }
        self.asked.set(self.asked.get() + 1);
        let none = |reason: String| Answer { reason, ..Answer::default() };
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        let uri = format!("{}{path}", self.upstream.base().prefix());
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header(header::ACCEPT, "application/scim+json, application/json");
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/scim+json");
        }
        if let Some(credential) = &self.credential {
            request = request.header(header::AUTHORIZATION, credential);
        }
        if let Some(tag) = if_match {
            request = request.header(header::IF_MATCH, tag);
        }
        let request = match request.body(whole(body)) {
            Ok(request) => request,
            Err(error) => return Ok(none(error.to_string())),
        };
        Ok(match self.upstream.collect(request).await {
            Ok(answer) => {
                let text = |name| {
                    answer.headers().get(name).and_then(|one: &HeaderValue| one.to_str().ok())
                };
                Answer {
                    status: Some(answer.status()),
                    etag: text(header::ETAG).map(str::to_owned),
                    location: text(header::LOCATION).map(str::to_owned),
                    body: serde_json::from_slice(answer.body()).unwrap_or_default(),
                    reason: String::new(),
                }
            }
            Err(error) => none(error.to_string()),
        })
    }
}

/// Five times what a service takes that finds at once; a search that lags is asked twice a second.
pub(crate) const REQUESTS_MAX: usize = 600;
/// The searches of one that lags as long as it may, for users and for groups, and as much again for all else.
pub(crate) const TIME_MAX: Duration = Duration::from_secs(300);
/// Three deletions and reads of each canary, and searches for those of which no id is known.
const CLEARING_REQUESTS_MAX: usize = 300;
/// What is asked to end soon should.
const CLEARING_MAX: Duration = Duration::from_secs(60);
/// How often, and after which pause, what was turned away with 429 is asked again.
const TURNED_AWAY_MAX: usize = 10;
const TURNED_AWAY_PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use replaysafe::target::upstream::Roots;

    use super::*;
    use crate::memory::{Behaviour, MemoryTarget};

    #[tokio::test]
    async fn what_is_asked_has_an_end_and_clearing_away_has_its_own() {
        let target = MemoryTarget::start(Behaviour::strict()).await.unwrap();
        let (stop, stopped) = watch::channel(false);
        let upstream = Upstream::new(&target.base(), &Roots::System).unwrap();
        let service = Service::new(upstream, None, stopped);
        let ask = async || {
            let answer = service.ask(&Method::GET, "/Users", None, None).await;
            answer.map(|answer| answer.status.map(|status| status.as_u16()))
        };
        let whole = service.bounds.get();
        assert_eq!(ask().await, Ok(Some(200)));
        service.bounds.set(Bounds { requests: 2, ..whole });
        assert_eq!(ask().await, Ok(Some(200)));
        assert_eq!(ask().await, Err(Halt::Requests));
        service.bounds.set(Bounds { time: Duration::ZERO, ..whole });
        assert_eq!(ask().await, Err(Halt::Time));
        service.bounds.set(whole);
        stop.send_replace(true);
        assert_eq!(ask().await, Err(Halt::Stopped));
        assert_eq!(service.pause(TIME_MAX).await, Err(Halt::Stopped));
        assert_eq!((service.asked(), target.requests().len()), (2, 2));
        service.clear_away();
        assert_eq!(ask().await, Ok(Some(200)));
        let bounds = service.bounds.get();
        assert_eq!((bounds.requests, bounds.time), (2 + CLEARING_REQUESTS_MAX, CLEARING_MAX));
    }
}
