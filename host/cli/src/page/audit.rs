//! The page of an audit: what is wrong with what is there, which rule says so, and what would mend it?

use serde_json::Value;

use super::{Page, list_of, number_of, text_of};

/// The page of an audit, from the document that `replaysafe audit --format json` writes.
#[must_use]
pub(crate) fn page(audit: &Value) -> String {
    let findings = list_of(audit, "findings");
    let mut page = Page::begin(|page| {
        page.markup("Audit: ");
        match findings.len() {
            0 => page.markup("nothing is wrong"),
            count => page.count(count, "finding", "findings"),
        }
    });
    page.audited(audit, findings.len());
    page.flaws(audit);
    let same = |one: &Value, next: &Value| {
        ["flaw", "rule", "controls"].iter().all(|name| one.get(name) == next.get(name))
    };
    let mut before = "";
    for run in findings.chunk_by(same) {
        page.flawed(run, &mut before);
    }
    page.end()
}

impl Page {
    fn audited(&mut self, audit: &Value, findings: usize) {
        self.markup("<header>\n<p class=\"what\">replaysafe audit</p>\n");
        self.element("h1", |page| match findings {
            0 => page.markup("Nothing is wrong"),
            count => page.count(count, "finding", "findings"),
        });
        self.element("p class=\"lead\"", |page| {
            page.markup("What is wrong with what is there, whoever made it so. Nothing has been changed. ");
            let (effects, fix) = (number_of(audit, "effects"), text_of(audit, "fix"));
            match (findings, effects) {
                (0, _) => {}
                (_, 0) => page.markup("Nothing of this is mended without a person’s decision."),
                (_, effects) => {
                    page.figure(effects);
                    page.markup(if effects == 1 { " effect" } else { " effects" });
                    if fix.is_empty() {
                        page.markup(" would mend a part of it or all: <code>--fix FILE</code> writes them as a plan.");
                    } else {
                        page.markup(" that mend a part of it or all are in <code>");
                        page.text(fix);
                        page.markup("</code>: <code>replaysafe apply</code> carries them out.");
                    }
                }
            }
        });
        self.markup("<dl class=\"about\">");
        let at = number_of(audit, "at");
        if 0 < at {
            self.made(at);
        }
        self.markup("<div><dt>Audited</dt><dd>");
        let kinds = audit.get("audited").and_then(Value::as_object);
        for (at, (kind, count)) in kinds.into_iter().flatten().take(TYPES_MOST).enumerate() {
            self.markup(if at == 0 { "" } else { ", " });
            self.figure(count.as_u64().unwrap_or_default());
            self.markup(" of type ");
            self.text(kind);
        }
        match kinds.map_or(0, serde_json::Map::len) {
            0 => self.markup("nothing is there"),
            kinds if TYPES_MOST < kinds => {
                self.markup(", and ");
                self.count(kinds - TYPES_MOST, "more type", "more types");
            }
            _ => {}
        }
        self.markup("</dd></div></dl>\n</header>\n");
        self.bounds(audit);
    }

    /// Writes what the audit could not see.
    fn bounds(&mut self, audit: &Value) {
        let followed = audit.get("referencesFollowed").and_then(Value::as_bool).unwrap_or_default();
        let (open, left_out) = (number_of(audit, "referencesOpen"), number_of(audit, "leftOut"));
        if followed && open == 0 && left_out == 0 {
            return;
        }
        self.markup("<section class=\"waits\" aria-labelledby=\"bounds-head\">\n<h2 id=\"bounds-head\">What this audit could not see</h2>\n<ul class=\"notes\">\n");
        if !followed {
            self.markup("<li>References were not followed, as not everything that may be referred to was shown: none is told to lead nowhere. Of a file <code>--complete</code> says that it has everything.</li>\n");
        }
        if 0 < open {
            self.markup("<li>");
            self.figure(open);
            self.markup(if open == 1 { " id is" } else { " ids are" });
            self.markup(
                " referred to and not shown: whether anything has that id cannot be told.</li>\n",
            );
        }
        if 0 < left_out {
            self.markup("<li>");
            self.figure(left_out);
            self.markup(if left_out == 1 { " resource was" } else { " resources were" });
            self.markup(" left out: without an id that can stand in a path.</li>\n");
        }
        self.markup("</ul>\n</section>\n");
    }

    /// Writes how many findings there are of each flaw.
    fn flaws(&mut self, audit: &Value) {
        let none = Value::Null;
        let summary = audit.get("summary").unwrap_or(&none);
        self.markup("<section aria-labelledby=\"figures-head\">\n<h2 id=\"figures-head\" class=\"aside\">Figures</h2>\n<div class=\"figures\"><div><h3>Findings, by weight</h3>");
        self.bar(&FLAWS.map(|flaw| (flaw.tone, number_of(summary, flaw.name))));
        self.markup("<ul>");
        for flaw in &FLAWS {
            self.tile(flaw.name, flaw.tone, number_of(summary, flaw.name), flaw.name);
        }
        self.markup("</ul></div></div>\n</section>\n");
    }

    /// Writes findings of one flaw, one rule and the same controls. The first of a flaw has its name as an anchor.
    fn flawed<'a>(&mut self, run: &'a [Value], before: &mut &'a str) {
        let Some(first) = run.first() else { return };
        let name = text_of(first, "flaw");
        let flaw = FLAWS.iter().find(|flaw| flaw.name == name);
        self.markup("<section>\n");
        match flaw.filter(|_| *before != name) {
            Some(flaw) => {
                self.markup("<h2 id=\"");
                self.markup(flaw.name);
                self.markup("\">");
                self.markup(flaw.title);
            }
            None => {
                self.markup("<h2>");
                self.text(name);
            }
        }
        *before = name;
        self.markup(" <span class=\"count\">");
        self.figure(run.len());
        self.markup("</span></h2>\n<p class=\"note\">");
        self.markup(flaw.map_or("", |flaw| flaw.means));
        self.markup("</p>\n<dl class=\"about\"><div><dt>Called</dt><dd><code>");
        self.text(name);
        self.markup("</code></dd></div><div><dt>Rule</dt><dd>");
        self.rule(text_of(first, "rule"));
        self.markup("</dd></div><div><dt>Controls that it matters to</dt><dd>");
        let controls = list_of(first, "controls").iter().filter_map(Value::as_str);
        for (at, control) in controls.enumerate() {
            self.markup(if at == 0 {
                "<span class=\"control\">"
            } else {
                " <span class=\"control\">"
            });
            self.text(control);
            self.markup("</span>");
        }
        self.markup("</dd></div></dl>\n");
        let left_out = if name == "duplicate-identity" {
            self.markup("<ol class=\"groups\">\n");
            let left_out = self.rows(run, Self::group);
            self.markup("</ol>\n");
            left_out
        } else {
            self.table(run, flaw.map_or("", |flaw| flaw.title))
        };
        self.left_out(left_out, run.len());
        self.markup("</section>\n");
    }

    /// Writes resources that are one identity: who would survive, and who would not.
    fn group(&mut self, finding: &Value) {
        let ids: Vec<&str> = list_of(finding, "ids").iter().filter_map(Value::as_str).collect();
        self.markup("<li>");
        self.element("h3", |page| {
            page.text(text_of(finding, "name"));
            page.markup(" <span class=\"which\">");
            page.text(text_of(finding, "resourceType"));
            page.markup(" · ");
            page.figure(ids.len());
            page.markup(" resources with the same ");
            page.attributes(finding);
            page.markup("</span>");
        });
        self.markup("<dl class=\"same\"><div class=\"survivor\"><dt>Proposed survivor</dt><dd>");
        self.listed(ids.get(..1).unwrap_or_default());
        self.markup("</dd></div><div><dt>Others</dt><dd>");
        self.listed(ids.get(1..).unwrap_or_default());
        self.markup("</dd></div></dl><p>");
        self.prose(text_of(finding, "detail"));
        self.markup("</p>");
        self.mended(finding);
        self.markup("</li>\n");
    }

    fn table(&mut self, run: &[Value], caption: &'static str) -> usize {
        self.markup("<table class=\"rows\"><caption class=\"aside\">");
        self.markup(caption);
        self.markup("</caption><thead><tr><th scope=\"col\">Resource</th><th scope=\"col\">Where</th><th scope=\"col\">Why</th></tr></thead><tbody>\n");
        let left_out = self.rows(run, |page, finding| {
            let texts = |name| list_of(finding, name).iter().filter_map(Value::as_str).collect();
            let (ids, values): (Vec<&str>, Vec<&str>) = (texts("ids"), texts("values"));
            page.markup("<tr><th scope=\"row\" class=\"resource\">");
            page.resource(
                text_of(finding, "name"),
                text_of(finding, "resourceType"),
                &ids,
                "without an id",
            );
            page.markup("</th><td class=\"where\">");
            page.attributes(finding);
            if !values.is_empty() {
                // By its number alone nobody would know it for a decision.
                let decided = text_of(finding, "flaw") == "irrevocable";
                page.markup(if decided { " decision " } else { " " });
                page.listed(&values);
            }
            page.markup("</td><td>");
            page.prose(text_of(finding, "detail"));
            page.mended(finding);
            page.markup("</td></tr>\n");
        });
        self.markup("</tbody></table>\n");
        left_out
    }

    fn attributes(&mut self, finding: &Value) {
        let attributes = list_of(finding, "attributes").iter().filter_map(Value::as_str);
        for (at, attribute) in attributes.enumerate() {
            self.markup(if at == 0 { "" } else { ", " });
            self.element("code class=\"path\"", |page| page.text(attribute));
        }
    }

    /// Writes who mends it.
    fn mended(&mut self, finding: &Value) {
        match number_of(finding, "effects") {
            0 => self.markup(" <span class=\"mended waits\">a person decides</span>"),
            1 => self.markup(" <span class=\"mended\">1 effect would mend it</span>"),
            effects => {
                self.markup(" <span class=\"mended\">");
                self.figure(effects);
                self.markup(" effects would mend it</span>");
            }
        }
    }
}

/// A flaw.
struct Flaw {
    name: &'static str,
    title: &'static str,
    means: &'static str,
    tone: &'static str,
}

/// The flaws, by weight.
const FLAWS: [Flaw; 8] = [
    Flaw {
        name: "duplicate-identity",
        title: "Duplicate identities",
        means: "Several resources are one identity: they have an external id in common, or a value that they correlate by or that is unique, directly or by way of others. None is ever merged without being asked for.",
        tone: "waits",
    },
    Flaw {
        name: "resurrected",
        title: "Deleted, and there",
        means: "It was deleted through the ledger, nobody has brought it back through it, and it is there, switched on.",
        tone: "waits",
    },
    Flaw {
        name: "irrevocable",
        title: "Revocations that were not carried out",
        means: "The target has accepted that access be taken away, and it is there. The values are the decisions: <code>replaysafe explain</code> tells of each.",
        tone: "waits",
    },
    Flaw {
        name: "orphaned-privilege",
        title: "Privileges of those who are switched off",
        means: "It is switched off, and is a member, or has roles or entitlements.",
        tone: "takes",
    },
    Flaw {
        name: "live-credential",
        title: "Credentials of those who are switched off",
        means: "It is switched off, and has credentials that may be used elsewhere: certificates, keys.",
        tone: "takes",
    },
    Flaw {
        name: "stacked-grant",
        title: "Roles and entitlements that are there several times",
        means: "It has one role or entitlement several times.",
        tone: "changes",
    },
    Flaw {
        name: "repeated-member",
        title: "Members that are there several times",
        means: "It has one member several times.",
        tone: "changes",
    },
    Flaw {
        name: "dangling-reference",
        title: "References that lead nowhere",
        means: "It refers to what is nowhere: whoever gets that id next gets what comes with it.",
        tone: "takes",
    },
];

/// 20 resource types in a line.
const TYPES_MOST: usize = 20;

/// The flaws that a page has a figure for.
#[cfg(test)]
pub(crate) fn flaws() -> [&'static str; 8] {
    FLAWS.map(|flaw| flaw.name)
}
