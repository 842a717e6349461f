//! Populations: all resources of a type, however many, for a plan.
//!
//! A look of the provisioner's ends with an answer's budget, and proves an absence or nothing ([`Target::observe`](super::Target::observe));
//! this one goes on for as long as it takes, and tries again what a busy service does not answer.
//!
//! Source: RFC 7644 section 3.4.2.4; RFC 9865.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use http::StatusCode;
use tokio::time::sleep;

use super::{
    Caller,
    list::{PAGE_SIZE, Pages, Progress, page},
    path::percent_encode,
    scim::{ScimTarget, page_path},
};
use crate::contract::{Document, Endpoint};

/// How a service gives a list page by page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paging {
    /// From a position on (`startIndex`, RFC 7644 section 3.4.2.4).
    Index,
    /// From a cursor on (RFC 9865): for services that say `pagination.cursor` in their `ServiceProviderConfig`.
    Cursor,
}

/// Why a population could not be read to its end. What has come of it is no population.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unread {
    /// The service has no such resource type.
    #[error("the service has no such resource type")]
    Nowhere,
    /// It refuses, or goes on answering that it cannot.
    #[error("it answers {0} to a list")]
    Refused(u16),
    /// What it answers is no list.
    #[error("it answers a list with what is none")]
    NoList,
    /// Its figures do not fit what it sends: something was made or deleted meanwhile, or it repeats itself.
    #[error(
        "its list changes while it is read, or repeats itself: read it again, or export it to a file"
    )]
    Unsteady,
    /// It is larger than what is read.
    #[error("it has more than {POPULATION_MOST} resources of this type: export them to a file")]
    TooMany,
    /// It does not answer, after several tries.
    #[error("it gives no complete answer")]
    Silent,
}

impl ScimTarget {
    /// Reads all resources of a type, page by page. `told` hears how many have come, and of how many, after each page.
    ///
    /// A page that is not answered, or with 429, 502, 503 or 504, is asked for again, after `Retry-After` where the service says so; not so the first one where nobody answers.
    /// A resource that comes twice is there once. Nothing is changed.
    ///
    /// # Errors
    ///
    /// Where not all can have come: [`Unread`] says why.
    pub async fn read_all(
        &self,
        resource_type: &str,
        endpoints: &[Endpoint],
        caller: &Caller,
        paging: Paging,
        told: &(dyn Fn(usize, Option<usize>) + Send + Sync),
    ) -> Result<Vec<Document>, Unread> {
        let whole =
            self.collection_path(endpoints, resource_type).map_err(|_odd| Unread::Nowhere)?;
        let path = format!("{whole}?");
        let mut documents = Vec::new();
        let mut pages = Pages::up_to(POPULATION_MOST);
        let mut cursors = BTreeSet::new();
        let (mut first, mut empty, mut paging) = (true, 0, paging);
        let mut at = match paging {
            Paging::Index => page_path(&path, 1),
            Paging::Cursor => format!("{path}cursor&count={PAGE_SIZE}"),
        };
        loop {
            let body = match self.patiently(&at, first, caller).await {
                // As a look does (S14): a service that refuses paging is asked once without.
                Err(Unread::Refused(400 | 501)) if first => {
                    paging = Paging::Index;
                    self.patiently(&whole, first, caller).await?
                }
                other => other?,
            };
            let Some(page) = page(&body) else { return Err(Unread::NoList) };
            let (total, cursor) = (page.total, page.cursor.clone());
            if total.is_some_and(|total| POPULATION_MOST < total) {
                return Err(Unread::TooMany);
            }
            // Who knows no cursors gives none, and counts by positions.
            if first && cursor.is_none() {
                paging = Paging::Index;
            }
            let next = match paging {
                Paging::Index => {
                    let (new, progress) = pages.take(page);
                    documents.extend(new);
                    match progress {
                        Progress::Hopeless | Progress::Unsteady => return Err(Unread::Unsteady),
                        Progress::Complete => None,
                        Progress::Next(start) => Some(page_path(&path, start)),
                    }
                }
                Paging::Cursor => {
                    let new = pages.new_of(page);
                    empty = if new.is_empty() { empty + 1 } else { 0 };
                    documents.extend(new);
                    // What it says that there are has to have come.
                    if cursor.is_none() && total.is_some_and(|total| total != documents.len()) {
                        return Err(Unread::Unsteady);
                    }
                    let encode = |cursor: &String| {
                        format!("{path}cursor={}&count={PAGE_SIZE}", percent_encode(cursor))
                    };
                    cursor.as_ref().map(encode)
                }
            };
            told(documents.len(), total);
            if POPULATION_MOST < documents.len() {
                return Err(Unread::TooMany);
            }
            let Some(next) = next else { return Ok(documents) };
            // A service that leads in a circle never ends.
            let circle = cursor.is_some_and(|cursor| !cursors.insert(cursor));
            if circle || EMPTY_MOST < empty {
                return Err(Unread::Unsteady);
            }
            at = next;
            first = false;
        }
    }

    /// A page's body; asked for again where the service is busy.
    async fn patiently(&self, at: &str, first: bool, caller: &Caller) -> Result<Bytes, Unread> {
        let mut refused = Unread::Silent;
        for tries in 0..TRIES_MOST {
            let wait = match self.get(at, caller).await {
                // Who has answered nothing yet may not be there.
                None if first => break,
                None => None,
                Some(answer) if answer.status() == StatusCode::OK => return Ok(answer.into_body()),
                Some(answer) => {
                    let status = answer.status().as_u16();
                    refused = Unread::Refused(status);
                    if ![429, 502, 503, 504].contains(&status) {
                        return Err(refused);
                    }
                    self.answer(answer).retry_after
                }
            };
            let told = wait.map_or(Duration::ZERO, |seconds| Duration::from_secs(seconds.into()));
            if tries + 1 == TRIES_MOST || WAIT_MOST < told {
                break;
            }
            sleep(told.max(BACK_OFF * (1 << tries))).await;
        }
        Err(refused)
    }
}

/// 2,000,000 resources of one type: twice the largest population that is aimed at.
pub const POPULATION_MOST: usize = 2_000_000;

/// 100 pages in a row with nothing new: RFC 9865 lets a page be empty, but a service that gives no other never ends.
const EMPTY_MOST: usize = 100;

/// 5 tries of one page: with the pauses between them a quarter of a minute, in which a service that is started anew is there again.
const TRIES_MOST: u32 = 5;

/// 1 second before the second try, doubled before each other one.
const BACK_OFF: Duration = Duration::from_secs(1);

/// 5 minutes: who is told to wait for longer can as well ask again later.
const WAIT_MOST: Duration = Duration::from_secs(300);
