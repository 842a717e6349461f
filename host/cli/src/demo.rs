//! The demonstration: the same script against a faulty SCIM service, directly and through the gateway.
//!
//! Every case has a service, a gateway and a ledger of its own, so all cases run at once.

mod client;
mod script;
mod side;

use serde_json::{Value, json};

use self::{
    script::{CASES, Case, Told},
    side::{Lab, Side},
};
use crate::{exit::Exit, output::Output, wiring};

/// Runs every case on both sides and tells what came of it.
pub(crate) async fn run(output: Output) -> anyhow::Result<Exit> {
    output.narrate(&output.strong(TITLE))?;
    output.narrate(INTRODUCTION)?;
    let lab = Lab::new(wiring::guest()?)?;
    let running: Vec<_> = CASES
        .iter()
        .map(|case| {
            let lab = lab.clone();
            (case, tokio::spawn(async move { both(case, &lab).await }))
        })
        .collect();
    let mut pairs = Vec::new();
    for (case, task) in running {
        let pair = task.await??;
        output.narrate(&narrated(output, case, &pair))?;
        pairs.push((case, pair));
    }
    let right = pairs.iter().all(|(_, pair)| pair.through.right);
    output.result(&table(output, &pairs), &document(&pairs, right))?;
    Ok(if right { Exit::Good } else { Exit::Negative })
}

/// What came of one case on both sides.
struct Pair {
    direct: Told,
    through: Told,
}

async fn both(case: &Case, lab: &Lab) -> anyhow::Result<Pair> {
    let mut direct = Lab::direct(case).await?;
    let mut through = lab.through(case).await?;
    let (told, told_through) = tokio::join!(case.play(&mut direct), case.play(&mut through));
    let mut pair = Pair { direct: told?, through: told_through? };
    if let Some(fault) = through.close().await? {
        pair.through.right = false;
        pair.through.end.push_str(&fault);
    }
    drop(direct);
    Ok(pair)
}

fn narrated(output: Output, case: &Case, pair: &Pair) -> String {
    let mut lines =
        vec![String::new(), output.strong(&format!("({}) {}", case.letter, case.title))];
    for (side, told) in [("directly", &pair.direct), (Side::THROUGH, &pair.through)] {
        lines.push(format!("  {side}:"));
        lines.extend(told.steps.iter().map(|step| format!("    {step}")));
        let mark = output.judged(if told.right { "right" } else { "WRONG" }, told.right);
        lines.push(format!("    {mark}: {}", told.end));
    }
    lines.push(format!("  {}", case.why));
    lines.join("\n")
}

fn table(output: Output, pairs: &[(&Case, Pair)]) -> String {
    let head = ["case", "directly", Side::THROUGH].map(str::to_owned);
    let rows: Vec<[String; 3]> = pairs
        .iter()
        .map(|(case, pair)| {
            let name = format!("({}) {}", case.letter, case.short);
            [name, pair.direct.end.clone(), pair.through.end.clone()]
        })
        .collect();
    let width = |at: usize| {
        let cells = rows.iter().chain([&head]).filter_map(|row| row.get(at));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let (first, second) = (width(0), width(1));
    let [case, left, right] = &head;
    let head = format!("{case:<first$}  {left:<second$}  {right}");
    let mut lines = vec![String::new(), output.strong(&head)];
    for ([case, left, right], (_, pair)) in rows.iter().zip(pairs) {
        let left = output.judged(&format!("{left:<second$}"), pair.direct.right);
        let right = output.judged(right, pair.through.right);
        lines.push(format!("{case:<first$}  {left}  {right}"));
    }
    let wrong = pairs.iter().filter(|(_, pair)| !pair.direct.right).count();
    let wrong_through = pairs.iter().filter(|(_, pair)| !pair.through.right).count();
    lines.push(format!(
        "\nDirectly, {wrong} of {} cases end wrong; {}, {wrong_through}. S numbers are the rules in docs/rules.md.",
        pairs.len(),
        Side::THROUGH,
    ));
    lines.join("\n")
}

fn document(pairs: &[(&Case, Pair)], right: bool) -> Value {
    let side = |told: &Told| json!({"end": told.end, "right": told.right, "steps": told.steps});
    let cases: Vec<Value> = pairs
        .iter()
        .map(|(case, pair)| {
            json!({
                "case": case.letter.to_string(),
                "title": case.title,
                "why": case.why,
                "direct": side(&pair.direct),
                "through": side(&pair.through),
            })
        })
        .collect();
    json!({"right": right, "cases": cases})
}

const TITLE: &str = "What repeats do to a SCIM service";

const INTRODUCTION: &str = "\
A client provisions accounts into a SCIM service that behaves as many do: it takes every
POST as a new resource, stacks equal values, and now and then loses its answer after it has
done the work. The client repeats what seems to have failed. Each case runs twice, on a
service of its own: directly, and through `replaysafe gateway` (sandboxed component, durable
ledger). A line says what the client sends, what it is told, and → what the service then has.
All cases run at once; some wait for time-outs.";

#[cfg(test)]
mod tests {
    use super::*;

    /// What peers of the in-memory service do, as counted on real ones.
    #[tokio::test]
    async fn without_the_gateway_every_case_ends_wrong() {
        check('a', "2 users").await;
        check('b', "2 users").await;
        check('c', "in the group 3 times").await;
        check('d', "role BACK, a second change event").await;
        check('e', "the role 4 times").await;
        check('f', "the leaver is BACK; second delete 404").await;
        check('g', "20 users under 20 ids").await;
        check('h', "2 users").await;
    }

    #[test]
    fn the_table_stands_in_columns_and_counts_what_is_wrong() {
        let told = |end: &str, right| Told { steps: Vec::new(), end: end.to_owned(), right };
        let case = CASES.first().unwrap();
        let pair = Pair { direct: told("2 users", false), through: told("1 user", true) };
        let table = table(Output::new(crate::output::Format::Text), &[(case, pair)]);
        assert_eq!(
            table,
            "\ncase                     directly  through replaysafe\n\
             (a) create, answer lost  2 users   1 user\n\
             \nDirectly, 1 of 1 cases end wrong; through replaysafe, 0. S numbers are the rules in docs/rules.md."
        );
    }

    async fn check(letter: char, end: &str) {
        let case = CASES.iter().find(|case| case.letter == letter).unwrap();
        let mut side = Lab::direct(case).await.unwrap();
        let told = case.play(&mut side).await.unwrap();
        assert_eq!((told.end.as_str(), told.right), (end, false), "{letter}: {:?}", told.steps);
    }
}
