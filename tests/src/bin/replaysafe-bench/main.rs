//! Measures what the sandbox costs, beside the same core in this process: ratios within one run, so that they hold on any machine.
//!
//! docs/performance.md has the method and the figures.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that measures, and stops where it cannot"
)]

mod clock;
mod growth;
mod hosted;
mod populations;
mod requests;
mod rounds;
mod start;
mod steady;
mod table;
mod threads;

use std::{borrow::Cow, error::Error, fs, io, process::ExitCode};

use replaysafe::guest::{COMPONENT, Guest, GuestOptions, PLANNING_COMPONENT, PlanningGuest};

use crate::table::Measure;

const USAGE: &str = "\
usage: replaysafe-bench [OPTION...]    the table, and target/bench/report.json; 1 where a bar is missed
       replaysafe-bench steady COUNT   makes so many requests: what is traced for the table
       replaysafe-bench populations N CACHE    plans so many resources on each side, and prints seconds, seconds by the clock, bytes added for each of its input, and MB in all; compiled code is kept in the folder CACHE
       replaysafe-bench write N FOLDER         writes both sides into a folder, for `replaysafe plan`
--report-only       0 where a bar is missed, too
--resources N       so many on each side of the plan, 100000 if not said
--component FILE    this build of the component, not the one that ships; --planning FILE, likewise: for who compares two builds
--brief             without what takes long: growth, start, plan
--plans             what a plan costs, and nothing else";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["steady", count] => count
            .parse()
            .map_err(Into::into)
            .and_then(|count| Ok(steady::make(count)?))
            .map(|()| true),
        ["populations", resources, cache] => resources
            .parse()
            .map_err(Into::into)
            .and_then(|resources| populations::make(resources, cache.as_ref()))
            .map(|()| true),
        ["write", resources, folder] => resources
            .parse()
            .map_err(Into::into)
            .and_then(|resources| populations::write(resources, folder.as_ref()))
            .map(|()| true),
        words => match Options::of(words) {
            Ok(Some(options)) => table(&options),
            Ok(None) => {
                eprintln!("{USAGE}");
                return ExitCode::from(2);
            }
            Err(error) => Err(error.into()),
        },
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// What is measured.
struct Options {
    report_only: bool,
    brief: bool,
    plans: bool,
    resources: usize,
    component: Cow<'static, [u8]>,
    planning: Cow<'static, [u8]>,
}

impl Options {
    fn of(words: &[&str]) -> Result<Option<Self>, io::Error> {
        let mut options = Self {
            report_only: false,
            brief: false,
            plans: false,
            resources: RESOURCES,
            component: COMPONENT.into(),
            planning: PLANNING_COMPONENT.into(),
        };
        let mut rest = words;
        loop {
            rest = match rest {
                [] => return Ok(Some(options)),
                ["--report-only", rest @ ..] => {
                    options.report_only = true;
                    rest
                }
                ["--brief", rest @ ..] => {
                    options.brief = true;
                    rest
                }
                ["--plans", rest @ ..] => {
                    options.plans = true;
                    rest
                }
                ["--component", file, rest @ ..] => {
                    options.component = fs::read(file)?.into();
                    rest
                }
                ["--planning", file, rest @ ..] => {
                    options.planning = fs::read(file)?.into();
                    rest
                }
                ["--resources", count, rest @ ..] => {
                    let Ok(count) = count.parse() else { return Ok(None) };
                    options.resources = count;
                    rest
                }
                _ => return Ok(None),
            };
        }
    }
}

/// Measures all; whether no bar is missed.
fn table(options: &Options) -> Result<bool, Box<dyn Error>> {
    let mut all = Vec::new();
    if !options.plans {
        let guest = Guest::load(&options.component, &GuestOptions::default())?;
        all.extend(requests::measure(&guest, &options.component, &options.planning)?);
        all.extend(steady::measure(&guest));
        all.push(threads::measure(&guest));
        if !options.brief {
            all.extend(growth::measure(&guest));
            all.push(start::measure(&options.component)?);
        }
    }
    if !options.brief {
        let planning = PlanningGuest::load(&options.planning, &GuestOptions::default())?;
        all.extend(populations::measure(&planning, options.resources)?);
    }
    print!("{}", table::write(&all)?);
    Ok(options.report_only || all.iter().all(Measure::is_met))
}

/// 100,000 resources on each side: 84 MB, and a minute.
const RESOURCES: usize = 100_000;
