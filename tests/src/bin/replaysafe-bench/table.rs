//! What was measured, beside what is wanted of it?

use std::{
    fmt::{self, Write as _},
    fs, io,
    path::PathBuf,
};

use serde_json::{Value, json};

use crate::rounds::Ratio;

/// What is wanted of a figure.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted {
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
    /// Nothing: it is there to be known.
    Any,
}

impl Wanted {
    fn met(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => least <= value,
            Self::Any => true,
        }
    }

    fn number(self) -> Option<f64> {
        match self {
            Self::AtMost(number) | Self::AtLeast(number) => Some(number),
            Self::Any => None,
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(most) => write!(f, "<= {}", short(*most)),
            Self::AtLeast(least) => write!(f, ">= {}", short(*least)),
            Self::Any => f.write_str("-"),
        }
    }
}

/// One line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Measure {
    name: String,
    /// None where it could not be measured.
    value: Option<f64>,
    bar: Wanted,
    aim: Wanted,
    /// What else is to be known of it.
    detail: String,
}

impl Measure {
    pub(crate) fn new(name: impl Into<String>, value: impl Into<Option<f64>>) -> Self {
        let (name, value) = (name.into(), value.into());
        Self { name, value, bar: Wanted::Any, aim: Wanted::Any, detail: String::new() }
    }

    pub(crate) fn of(name: impl Into<String>, ratio: Ratio) -> Self {
        let (low, high) = ratio.spread;
        let [one, other] = [ratio.first, ratio.second].map(|time| 1e6 * time.as_secs_f64());
        let detail = format!("{} to {}; {one:.1} us to {other:.1} us", short(low), short(high));
        Self::new(name, ratio.value).detail(detail)
    }

    /// The bar and the aim: so much, or less.
    pub(crate) fn at_most(self, bar: f64, aim: f64) -> Self {
        Self { bar: Wanted::AtMost(bar), aim: Wanted::AtMost(aim), ..self }
    }

    /// The bar and the aim: so much, or more.
    pub(crate) fn at_least(self, bar: f64, aim: f64) -> Self {
        Self { bar: Wanted::AtLeast(bar), aim: Wanted::AtLeast(aim), ..self }
    }

    pub(crate) fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..self }
    }

    /// The bar is met. What was not measured does not meet one.
    pub(crate) fn is_met(&self) -> bool {
        match self.value {
            Some(value) => self.bar.met(value),
            None => self.bar.number().is_none(),
        }
    }

    fn word(&self) -> &'static str {
        match (self.value, self.bar) {
            (_, Wanted::Any) => "",
            (None, _) => "NOT MEASURED",
            (Some(value), _) if self.is_met() && self.aim.met(value) => "aim met",
            (Some(_), _) if self.is_met() => "met",
            (Some(_), _) => "MISSED",
        }
    }

    fn line(&self) -> String {
        let value = self.value.map_or("-".into(), short);
        let (bar, aim) = (self.bar.to_string(), self.aim.to_string());
        let Self { name, detail, .. } = self;
        format!("{name:<56} {value:>9} {bar:>10} {aim:>10}  {:<12}  {detail}", self.word())
    }

    fn json(&self) -> Value {
        json!({
            "measure": self.name, "value": self.value, "bar": self.bar.number(), "aim": self.aim.number(),
            "met": self.is_met(), "detail": self.detail,
        })
    }
}

/// The table as text; it is also written to `target/bench/report.json`.
///
/// # Errors
///
/// Where it cannot be written.
pub(crate) fn write(all: &[Measure]) -> io::Result<String> {
    let mut text = String::new();
    let head = ["measure", "value", "bar", "aim"];
    let [measure, value, bar, aim] = head;
    writeln!(text, "{measure:<56} {value:>9} {bar:>10} {aim:>10}").map_err(io::Error::other)?;
    for one in all {
        writeln!(text, "{}", one.line().trim_end()).map_err(io::Error::other)?;
    }
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "target", "bench"].iter().collect();
    fs::create_dir_all(&folder)?;
    let report = Value::Array(all.iter().map(Measure::json).collect());
    fs::write(folder.join("report.json"), format!("{report:#}\n"))?;
    Ok(text)
}

/// Three digits that count.
pub(crate) fn short(value: f64) -> String {
    let digits = match value.abs() {
        large if 100.0 <= large => 0,
        large if 10.0 <= large => 1,
        usual if 0.1 <= usual || usual == 0.0 => 2,
        small if 0.01 <= small => 3,
        _ => 5,
    };
    format!("{value:.digits$}")
}
