//! The page of a plan: what would be done, in which order, why, and what waits for a person?

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Page, ROWS_MOST, instant, list_of, number_of, text_of};

/// The page of a plan, from the document that `replaysafe plan --format json` writes.
#[must_use]
pub(crate) fn page(plan: &Value) -> String {
    let findings = Findings::of(list_of(plan, "findings"));
    let effects = list_of(plan, "effects");
    let mut page = Page::begin(|page| {
        page.markup("Plan: ");
        page.verdict(effects.len(), findings.waiting());
    });
    page.head(plan, effects.len(), &findings);
    page.figures(plan);
    page.guard(list_of(plan, "guard"));
    page.waiting(&findings);
    page.situations(&findings);
    page.effects(effects, &findings);
    page.others(&findings);
    page.end()
}

/// What was found, by what follows from it.
struct Findings<'a> {
    by_conclusion: BTreeMap<&'a str, Vec<&'a Value>>,
    /// What there is more to be said of than its effects say.
    remarks: Vec<&'a Value>,
    /// How many there are of a type, of a situation, of a conclusion.
    counts: BTreeMap<&'a str, BTreeMap<(&'a str, &'a str), usize>>,
    /// What a resource is called, by its type and id.
    names: BTreeMap<(&'a str, &'a str), &'a str>,
}

impl<'a> Findings<'a> {
    fn of(all: &'a [Value]) -> Self {
        let mut findings = Self {
            by_conclusion: BTreeMap::new(),
            remarks: Vec::new(),
            counts: BTreeMap::new(),
            names: BTreeMap::new(),
        };
        for one in all {
            let kind = text_of(one, "resourceType");
            let (situation, conclusion) = (text_of(one, "situation"), text_of(one, "conclusion"));
            *findings
                .counts
                .entry(kind)
                .or_default()
                .entry((situation, conclusion))
                .or_default() += 1;
            findings.by_conclusion.entry(conclusion).or_default().push(one);
            // Of who goes it is told why with the effect, and nothing of it is left.
            let leaves = situation == "source-missing";
            if conclusion == "planned" && !leaves && !text_of(one, "detail").is_empty() {
                findings.remarks.push(one);
            }
            for id in list_of(one, "ids").iter().filter_map(Value::as_str) {
                findings.names.insert((kind, id), text_of(one, "name"));
            }
        }
        findings
    }

    fn concluded(&self, conclusion: &str) -> &[&'a Value] {
        self.by_conclusion.get(conclusion).map(Vec::as_slice).unwrap_or_default()
    }

    fn waiting(&self) -> usize {
        self.concluded("ambiguous").len() + self.concluded("blocked").len()
    }

    /// What the resource of an effect is called: as its finding calls it, else as the effect does.
    fn name<'b>(&'b self, effect: &'b Value) -> &'b str {
        let of = (text_of(effect, "resourceType"), text_of(effect, "id"));
        let found = self.names.get(&of).copied();
        let document = effect.get("document").unwrap_or(&Value::Null);
        [text_of(effect, "externalId"), found.unwrap_or_default()]
            .into_iter()
            .chain(["userName", "displayName"].map(|name| text_of(document, name)))
            .find(|name| !name.is_empty())
            .unwrap_or_default()
    }
}

impl Page {
    fn verdict(&mut self, effects: usize, waiting: usize) {
        match (effects, waiting) {
            (0, 0) => self.markup("nothing to do"),
            (0, _) => self.markup("nothing to do without a person"),
            (_, _) => self.count(effects, "effect", "effects"),
        }
        match waiting {
            0 => {}
            1 => self.markup(", 1 resource waits for a person"),
            waiting => {
                self.markup(", ");
                self.figure(waiting);
                self.markup(" resources wait for a person");
            }
        }
    }

    fn head(&mut self, plan: &Value, effects: usize, findings: &Findings<'_>) {
        self.markup("<header>\n<p class=\"what\">replaysafe plan</p>\n");
        self.element("h1", |page| match (effects, findings.waiting()) {
            (0, 0) => page.markup("Nothing to do"),
            (0, _) => page.markup("Nothing to do without a person"),
            (_, _) => page.count(effects, "effect", "effects"),
        });
        self.element("p class=\"lead\"", |page| {
            page.markup("What would lead from what is there to what should be. Nothing has been changed");
            page.markup(if effects == 0 { "." } else { ": <code>replaysafe apply</code> carries out this plan as <code>--format json</code> writes it." });
        });
        self.markup("<dl class=\"about\">");
        let at = number_of(plan, "at");
        if 0 < at {
            self.made(at);
        }
        self.markup("<div><dt>Digest of its effects</dt><dd><code>");
        self.text(text_of(plan, "digest"));
        self.markup("</code></dd></div></dl>\n</header>\n");
    }

    /// Writes when something was made.
    pub(super) fn made(&mut self, at: u64) {
        let instant = instant(at);
        let (day, rest) = instant.split_once('T').unwrap_or((&instant, ""));
        self.markup("<div><dt>Made</dt><dd>");
        self.text(day);
        self.markup(" ");
        self.text(rest.trim_end_matches('Z'));
        self.markup(" UTC</dd></div>");
    }

    fn figures(&mut self, plan: &Value) {
        let none = Value::Null;
        let summary = plan.get("summary").unwrap_or(&none);
        self.markup("<section aria-labelledby=\"figures-head\">\n<h2 id=\"figures-head\" class=\"aside\">Figures</h2>\n");
        self.markup("<div class=\"figures\"><div><h3>Effects</h3>");
        let counts = CLASSES.map(|class| (class.tone, number_of(summary, class.name)));
        self.bar(&counts);
        self.markup("<ul>");
        for class in &CLASSES {
            self.tile(class.name, class.tone, number_of(summary, class.name), class.anchor);
        }
        self.markup("</ul></div><div><h3>Resources</h3><ul>");
        for conclusion in CONCLUSIONS.iter().filter(|one| !one.anchor.is_empty()) {
            self.tile(
                conclusion.name,
                conclusion.tone,
                number_of(summary, conclusion.name),
                conclusion.anchor,
            );
        }
        self.markup("</ul></div></div>\n</section>\n");
    }

    /// Writes a bar whose parts are as long as their counts; the counts stand beside it as text.
    pub(super) fn bar(&mut self, counts: &[(&'static str, u64)]) {
        let all: u64 = counts.iter().map(|(_, count)| count).sum();
        if all == 0 {
            return;
        }
        // In thousandths, so that no fraction is to be written.
        let share = |count: u64| u128::from(count) * 1_000 / u128::from(all);
        self.markup("<svg class=\"bar\" viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">");
        let mut before = 0;
        for (tone, count) in counts.iter().filter(|(_, count)| 0 < *count) {
            self.markup("<rect height=\"10\" class=\"");
            self.markup(tone);
            self.markup("\" x=\"");
            self.figure_of(share(before));
            self.markup("\" width=\"");
            before += count;
            self.figure_of(share(before) - share(before - count));
            self.markup("\"></rect>");
        }
        self.markup("</svg>");
    }

    fn figure_of(&mut self, thousandths: u128) {
        self.number(u64::try_from(thousandths).unwrap_or_default());
    }

    /// Writes a figure with its name, and a link to what it counts where there is any.
    pub(super) fn tile(
        &mut self,
        name: &'static str,
        tone: &'static str,
        count: u64,
        anchor: &'static str,
    ) {
        self.markup("<li class=\"tile ");
        self.markup(tone);
        self.markup(if count == 0 { " none\">" } else { "\">" });
        let linked = 0 < count && !anchor.is_empty();
        if linked {
            self.markup("<a href=\"#");
            self.markup(anchor);
            self.markup("\">");
        }
        self.markup("<span class=\"count\">");
        self.figure(count);
        self.markup("</span> <span class=\"name\">");
        self.markup(name);
        self.markup("</span>");
        self.markup(if linked { "</a></li>" } else { "</li>" });
    }

    /// Writes the limits that the plan exceeds (S33), where its document tells of any.
    fn guard(&mut self, exceeded: &[Value]) {
        if exceeded.is_empty() {
            return;
        }
        self.markup("<section id=\"limits\" class=\"waits\" aria-labelledby=\"limits-head\">\n");
        self.markup("<h2 id=\"limits-head\">Limits that this plan exceeds</h2>\n");
        self.markup("<p class=\"note\">Nothing of this plan is sent before a person lets it begin: <code>replaysafe apply</code> stages it, and <code>replaysafe approve</code> with its digest lets it begin.</p>\n");
        self.markup("<table class=\"rows limits\"><caption class=\"aside\">Limits that this plan exceeds</caption><thead><tr><th scope=\"col\">Effects</th><th scope=\"col\">Type</th><th scope=\"col\" class=\"number\">In this plan</th><th scope=\"col\" class=\"number\">Of</th><th scope=\"col\" class=\"number\">Limit</th><th scope=\"col\">Why</th></tr></thead><tbody>\n");
        let left_out = self.rows(exceeded, |page, one| {
            page.markup("<tr><th scope=\"row\">");
            page.badge(text_of(one, "op"));
            page.markup("</th><td data-label=\"Type\">");
            page.text(text_of(one, "resourceType"));
            for (start, name) in [
                ("</td><td class=\"number\" data-label=\"In this plan\">", "count"),
                ("</td><td class=\"number\" data-label=\"Of\">", "there"),
                ("</td><td class=\"number\" data-label=\"Limit\">", "limit"),
            ] {
                page.markup(start);
                page.plain(one.get(name).unwrap_or(&Value::Null));
            }
            page.markup("</td><td>");
            page.prose(text_of(one, "detail"));
            page.markup("</td></tr>\n");
        });
        self.markup("</tbody></table>\n");
        self.left_out(left_out, exceeded.len());
        self.markup("</section>\n");
    }

    /// Writes a figure or a text, whichever it is.
    fn plain(&mut self, value: &Value) {
        match (value.as_u64(), value.as_str()) {
            (Some(figure), _) => self.figure(figure),
            (None, Some(text)) => self.text(text),
            (None, None) if value.is_null() => self.markup("–"),
            (None, None) => self.json(value),
        }
    }

    /// Writes what an effect does, in the colour of its class.
    fn badge(&mut self, op: &str) {
        self.markup("<span class=\"badge ");
        self.markup(CLASSES.iter().find(|class| class.name == op).map_or("", |class| class.tone));
        self.markup("\">");
        self.text(op);
        self.markup("</span>");
    }

    fn waiting(&mut self, findings: &Findings<'_>) {
        if findings.waiting() == 0 && findings.remarks.is_empty() {
            return;
        }
        self.markup("<section class=\"waits\" aria-labelledby=\"waits-head\">\n");
        self.markup("<h2 id=\"waits-head\">What waits for a person</h2>\n");
        for conclusion in CONCLUSIONS.iter().filter(|one| one.tone == "waits") {
            let found = findings.concluded(conclusion.name);
            if !found.is_empty() {
                self.heading(conclusion.anchor, conclusion.name, found.len());
                self.element("p class=\"note\"", |page| page.markup(conclusion.means));
                self.found(found, conclusion.name);
            }
        }
        if !findings.remarks.is_empty() {
            self.heading("remarks", "planned in part", findings.remarks.len());
            self.markup("<p class=\"note\">These have effects; something else that is desired of them is left as it is.</p>");
            self.found(&findings.remarks, "planned in part");
        }
        self.markup("</section>\n");
    }

    /// Writes a heading with a count beside it.
    pub(super) fn heading(&mut self, anchor: &'static str, title: &'static str, count: usize) {
        self.markup("<h3 id=\"");
        self.markup(anchor);
        self.markup("\">");
        self.markup(title);
        self.markup(" <span class=\"count\">");
        self.figure(count);
        self.markup("</span></h3>\n");
    }

    fn found(&mut self, found: &[&Value], caption: &'static str) {
        self.markup("<table class=\"rows\"><caption class=\"aside\">Resources: ");
        self.markup(caption);
        self.markup("</caption><thead><tr><th scope=\"col\">Resource</th><th scope=\"col\">Situation</th><th scope=\"col\">Why</th></tr></thead><tbody>\n");
        let left_out = self.rows(found, |page, one| {
            let ids: Vec<&str> = list_of(one, "ids").iter().filter_map(Value::as_str).collect();
            page.markup("<tr><th scope=\"row\" class=\"resource\">");
            page.resource(text_of(one, "name"), text_of(one, "resourceType"), &ids, "not there");
            page.markup("</th><td class=\"situation\" data-label=\"Situation\">");
            page.text(text_of(one, "situation"));
            page.markup("</td><td>");
            page.prose(text_of(one, "detail"));
            page.markup("</td></tr>\n");
        });
        self.markup("</tbody></table>\n");
        self.left_out(left_out, found.len());
    }

    /// Writes which resource it is about: its name, its type, its ids.
    pub(super) fn resource(&mut self, name: &str, kind: &str, ids: &[&str], without: &'static str) {
        self.element("span class=\"name\"", |page| match name {
            "" => page.markup("<i>without a name</i>"),
            name => page.text(name),
        });
        self.markup(" <span class=\"which\">");
        self.text(kind);
        self.markup(" · ");
        match ids {
            [] => self.markup(without),
            ids => self.listed(ids),
        }
        self.markup("</span>");
    }

    /// Writes ids or values, as many as a cell has room for.
    pub(super) fn listed(&mut self, values: &[&str]) {
        for (at, value) in values.iter().take(LISTED_MOST).enumerate() {
            self.markup(if at == 0 { "" } else { ", " });
            self.element("code", |page| page.text(value));
        }
        if let Some(more @ 1..) = values.len().checked_sub(LISTED_MOST) {
            self.markup("<span class=\"more\">, and ");
            self.figure(more);
            self.markup(" more</span>");
        }
    }

    fn situations(&mut self, findings: &Findings<'_>) {
        self.markup("<section id=\"situations\" aria-labelledby=\"situations-head\">\n<h2 id=\"situations-head\">Situations, and what follows</h2>\n");
        if findings.counts.is_empty() {
            self.markup("<p class=\"note\">Nothing is desired, and nothing is there.</p>\n");
        }
        self.markup("<div class=\"matrices\">\n");
        for (kind, counts) in findings.counts.iter().take(TYPES_MOST) {
            self.matrix(kind, counts);
        }
        self.markup("</div>\n");
        self.left_out(findings.counts.len().saturating_sub(TYPES_MOST), findings.counts.len());
        self.markup("<details><summary>What these words mean</summary>\n<dl class=\"words\">\n");
        for (name, means) in SITUATIONS {
            self.word(name, means);
        }
        for conclusion in &CONCLUSIONS {
            self.word(conclusion.name, conclusion.means);
        }
        self.markup("</dl></details>\n</section>\n");
    }

    fn word(&mut self, name: &'static str, means: &'static str) {
        self.markup("<div><dt>");
        self.markup(name);
        self.markup("</dt><dd>");
        self.markup(means);
        self.markup("</dd></div>\n");
    }

    fn matrix(&mut self, kind: &str, counts: &BTreeMap<(&str, &str), usize>) {
        let sum = |of: &dyn Fn(&(&str, &str)) -> bool| -> usize {
            counts.iter().filter(|(at, _)| of(at)).map(|(_, count)| count).sum()
        };
        self.markup("<div class=\"scroll\" tabindex=\"0\"><table class=\"matrix\"><caption>");
        self.text(kind);
        self.markup("</caption><thead><tr><th scope=\"col\">Situation</th>");
        for conclusion in &CONCLUSIONS {
            self.markup("<th scope=\"col\" class=\"number\"><span>");
            self.markup(conclusion.name);
            self.markup("</span></th>");
        }
        self.markup(
            "<th scope=\"col\" class=\"number sum\"><span>all</span></th></tr></thead><tbody>\n",
        );
        for (situation, _) in SITUATIONS {
            self.markup("<tr><th scope=\"row\">");
            self.markup(situation);
            self.markup("</th>");
            for conclusion in &CONCLUSIONS {
                let count = counts.get(&(situation, conclusion.name)).copied().unwrap_or_default();
                self.cell(conclusion.tone, count);
            }
            self.cell("sum", sum(&|at| at.0 == situation));
            self.markup("</tr>\n");
        }
        self.markup("</tbody><tfoot><tr><th scope=\"row\">all</th>");
        for conclusion in &CONCLUSIONS {
            self.cell("sum", sum(&|at| at.1 == conclusion.name));
        }
        self.cell("sum", sum(&|_| true));
        self.markup("</tr></tfoot></table></div>\n");
    }

    fn cell(&mut self, tone: &'static str, count: usize) {
        self.markup("<td class=\"number ");
        self.markup(tone);
        self.markup(if count == 0 { " none\">" } else { "\">" });
        self.figure(count);
        self.markup("</td>");
    }

    fn effects(&mut self, effects: &[Value], findings: &Findings<'_>) {
        if effects.is_empty() {
            return;
        }
        self.markup("<section id=\"effects\" aria-labelledby=\"effects-head\">\n<h2 id=\"effects-head\">Effects, in their order</h2>\n");
        self.markup("<p class=\"note\">What takes access away comes first, deletions come last (");
        self.rule("S34");
        self.markup("). An effect is sent after those that it depends on.</p>\n");
        let runs: Vec<&[Value]> =
            effects.chunk_by(|one, next| text_of(one, "op") == text_of(next, "op")).collect();
        // A number leads to a row only where the row is shown.
        let shown: BTreeSet<u64> = runs
            .iter()
            .flat_map(|run| run.iter().take(ROWS_MOST))
            .map(|one| number_of(one, "effect"))
            .collect();
        let mut before: BTreeSet<&str> = BTreeSet::new();
        for run in runs {
            let op = run.first().map(|one| text_of(one, "op")).unwrap_or_default();
            let class = CLASSES.iter().find(|class| class.name == op);
            // Each class is one run. Of a plan that somebody has put into another order the first one has the name.
            match class.filter(|_| before.insert(op)) {
                Some(class) => self.heading(class.anchor, class.title, run.len()),
                None => self.element("h3", |page| page.text(op)),
            }
            self.run(run, class.map_or("", |class| class.title), findings, &shown);
        }
        self.markup("</section>\n");
    }

    fn run(
        &mut self,
        run: &[Value],
        title: &'static str,
        findings: &Findings<'_>,
        shown: &BTreeSet<u64>,
    ) {
        self.markup("<table class=\"rows effects\"><caption class=\"aside\">Effects: ");
        self.markup(title);
        self.markup("</caption><thead><tr><th scope=\"col\">Effect</th><th scope=\"col\">Resource</th><th scope=\"col\">What is sent</th><th scope=\"col\">Why, and after what</th></tr></thead><tbody>\n");
        let left_out = self.rows(run, |page, effect| {
            page.markup("<tr id=\"effect-");
            page.number(number_of(effect, "effect"));
            page.markup("\"><th scope=\"row\" class=\"effect\"><span class=\"place\">");
            page.figure(number_of(effect, "effect"));
            page.markup("</span> ");
            page.badge(text_of(effect, "op"));
            page.markup("</th><td class=\"resource\">");
            let id = Some(text_of(effect, "id")).filter(|id| !id.is_empty());
            page.resource(
                findings.name(effect),
                text_of(effect, "resourceType"),
                id.as_slice(),
                "new",
            );
            page.markup("</td><td class=\"sent\">");
            page.carried(effect);
            let version = text_of(effect, "ifMatch");
            if !version.is_empty() {
                page.element("p class=\"which\"", |page| {
                    page.markup("if its version is <code>");
                    page.text(version);
                    page.markup("</code>");
                });
            }
            if text_of(effect, "op") == "delete" && effect.get("operations").is_none() {
                page.markup("<span class=\"which\">a deletion</span>");
            }
            page.markup("</td><td class=\"why\">");
            page.prose(text_of(effect, "reason"));
            page.after(list_of(effect, "dependsOn"), shown);
            page.markup("</td></tr>\n");
        });
        self.markup("</tbody></table>\n");
        self.left_out(left_out, run.len());
    }

    /// Writes which effects come first.
    fn after(&mut self, depends_on: &[Value], shown: &BTreeSet<u64>) {
        if depends_on.is_empty() {
            return;
        }
        self.markup("<span class=\"after\">after ");
        for (at, number) in
            depends_on.iter().filter_map(Value::as_u64).take(LISTED_MOST).enumerate()
        {
            self.markup(if at == 0 { "" } else { ", " });
            if !shown.contains(&number) {
                self.figure(number);
                continue;
            }
            self.markup("<a href=\"#effect-");
            self.number(number);
            self.markup("\">");
            self.figure(number);
            self.markup("</a>");
        }
        if let Some(more @ 1..) = depends_on.len().checked_sub(LISTED_MOST) {
            self.markup(" and ");
            self.figure(more);
            self.markup(" more");
        }
        self.markup("</span>");
    }

    /// Writes of what nothing is done, for whoever wants to know.
    fn others(&mut self, findings: &Findings<'_>) {
        let others = CONCLUSIONS.iter().filter(|one| one.tone == "stays");
        let others: Vec<_> =
            others.filter(|one| !findings.concluded(one.name).is_empty()).collect();
        if others.is_empty() {
            return;
        }
        self.markup("<section aria-labelledby=\"others-head\">\n<h2 id=\"others-head\">What stays as it is</h2>\n");
        for conclusion in others {
            let found = findings.concluded(conclusion.name);
            self.heading(conclusion.anchor, conclusion.name, found.len());
            self.element("p class=\"note\"", |page| page.markup(conclusion.means));
            self.markup("<details><summary>Show them</summary>\n");
            self.found(found, conclusion.name);
            self.markup("</details>\n");
        }
        self.markup("</section>\n");
    }
}

/// A class of effects.
struct Class {
    name: &'static str,
    /// What it does, as a heading.
    title: &'static str,
    /// Whether it takes away, gives, or changes: its colour.
    tone: &'static str,
    anchor: &'static str,
}

/// The classes of effects, in the order of a plan.
const CLASSES: [Class; 7] = [
    Class {
        name: "revoke",
        title: "Take members, roles or entitlements away",
        tone: "takes",
        anchor: "revoke",
    },
    Class { name: "disable", title: "Switch off", tone: "takes", anchor: "disable" },
    Class { name: "create", title: "Create", tone: "gives", anchor: "create" },
    Class {
        name: "adopt",
        title: "Write the external id on what was found",
        tone: "changes",
        anchor: "adopt",
    },
    Class {
        name: "update",
        title: "Change attributes, or switch on",
        tone: "changes",
        anchor: "update",
    },
    Class {
        name: "grant",
        title: "Add members, roles or entitlements",
        tone: "gives",
        anchor: "grant",
    },
    Class { name: "delete", title: "Delete", tone: "takes", anchor: "delete" },
];

/// What follows from a situation.
struct Follows {
    name: &'static str,
    means: &'static str,
    tone: &'static str,
    /// Where it is told; empty where the effects tell it.
    anchor: &'static str,
}

/// What may follow, in order of precedence.
const CONCLUSIONS: [Follows; 5] = [
    Follows {
        name: "ambiguous",
        means: "Several may be meant: a person decides.",
        tone: "waits",
        anchor: "ambiguous",
    },
    Follows {
        name: "blocked",
        means: "There is something to do, and a rule stands against it, or against a part of it. Nothing stands in the way of taking access away.",
        tone: "waits",
        anchor: "blocked",
    },
    Follows {
        name: "planned",
        means: "There is something to do: the effects.",
        tone: "changes",
        anchor: "",
    },
    Follows {
        name: "unchanged",
        means: "It is as it should be.",
        tone: "stays",
        anchor: "unchanged",
    },
    Follows { name: "kept", means: "It is not desired, and stays.", tone: "stays", anchor: "kept" },
];

/// How a desired and an observed resource stand to each other, by the names that `OpenIDM` has for it.
const SITUATIONS: [(&str, &str); 8] = [
    ("confirmed", "One is the other: by a link, by the target’s id, or by the external id."),
    ("found", "One correlates with the other, which carries no external id, or is given none."),
    ("found-already-linked", "What it correlates with carries another external id."),
    ("absent", "Nothing there is it."),
    ("ambiguous", "Several may be it, or it may be what another one is: none is touched."),
    ("missing", "A link leads to a resource that is not there."),
    ("unassigned", "It is there, carries no external id, and is not desired."),
    ("source-missing", "It is there, carries an external id or is linked, and is not desired."),
];

/// 10 ids or numbers in a cell: more of them tell a person nothing.
const LISTED_MOST: usize = 10;
/// 20 resource types, each with a table: services have two to five.
const TYPES_MOST: usize = 20;

/// The situations that a page has rows for.
#[cfg(test)]
pub(crate) fn situations() -> [&'static str; 8] {
    SITUATIONS.map(|(name, _)| name)
}

/// The conclusions that a page has columns for.
#[cfg(test)]
pub(crate) fn conclusions() -> [&'static str; 5] {
    CONCLUSIONS.map(|conclusion| conclusion.name)
}

/// The classes that a page has a heading for.
#[cfg(test)]
pub(crate) fn classes() -> [&'static str; 7] {
    CLASSES.map(|class| class.name)
}
