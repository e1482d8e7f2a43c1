//! Multisets of what must be there and of what is there.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use crate::database::Arrival;
use crate::manifest::{Content, Id};
use crate::source::Expected;

/// How many examples of what is wrong are shown.
const EXAMPLES: usize = 20;

/// What the audit has found until now.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    contents: u64,
    superseded: u64,
    rows: u64,
    rejects: u64,
    objects: u64,
    /// Records that are neither a row nor a reject.
    pub(crate) lost: u64,
    /// Rows and rejects beyond the first of their record.
    pub(crate) doubled: u64,
    /// Rows and rejects of no record.
    pub(crate) foreign: u64,
    /// All that is not right besides.
    pub(crate) wrong: u64,
    examples: Vec<String>,
}

impl Findings {
    pub(crate) fn is_clean(&self) -> bool {
        self.lost + self.doubled + self.foreign + self.wrong == 0
    }

    /// One content: its rows and rejects against its records, and its arrival against both.
    pub(crate) fn content(
        &mut self,
        content: &Content,
        expect: &Expected,
        arrivals: &[Arrival],
        rows: Vec<String>,
        rejects: Vec<String>,
    ) {
        self.contents += 1;
        self.rows += rows.len() as u64;
        self.rejects += rejects.len() as u64;
        let name = &content.name;
        let arrival = match arrivals {
            [arrival] => Some(arrival),
            [] => {
                self.note(format!("{name} never arrived"));
                None
            }
            _ => {
                self.note(format!("{name} arrived {} times", arrivals.len()));
                None
            }
        };
        // An overwritten content may be read before, or not at all, and nothing between.
        let is_superseded = arrival.is_some_and(|arrival| arrival.state == "superseded");
        if is_superseded && !content.stands {
            self.superseded += 1;
            self.compare(name, "row", &[], rows);
            self.compare(name, "reject", &[], rejects);
            return;
        }
        if let Some(arrival) = arrival {
            let is_right = arrival.state == "loaded"
                && arrival.rejected == expect.rejects.len() as u64
                && arrival.loaded + arrival.rejected == expect.records;
            if !is_right {
                self.note(format!(
                    "{name} has {} records, {} of them rejects; its arrival is {arrival:?}",
                    expect.records,
                    expect.rejects.len()
                ));
            }
        }
        self.compare(name, "row", &expect.rows, rows);
        self.compare(name, "reject", &expect.rejects, rejects);
    }

    /// Rows that name a content that was never delivered to their table.
    pub(crate) fn foreign_rows(&mut self, rows: Vec<String>) {
        self.rows += rows.len() as u64;
        self.compare("no content", "row", &[], rows);
    }

    /// Rejects that are left when all contents have had theirs.
    pub(crate) fn foreign_rejects(&mut self, rejects: HashMap<Id, Vec<String>>) {
        for (id, rejects) in rejects {
            self.rejects += rejects.len() as u64;
            self.compare(&format!("{id:?}"), "reject", &[], rejects);
        }
    }

    /// Arrivals of what was never delivered.
    pub(crate) fn foreign_arrivals(
        &mut self,
        contents: &[Content],
        arrivals: &HashMap<Id, Vec<Arrival>>,
    ) {
        let delivered: HashSet<Id> = contents.iter().map(Content::id).collect();
        for id in arrivals.keys().filter(|id| !delivered.contains(*id)) {
            self.note(format!("an arrival of what was never delivered: {id:?}"));
        }
    }

    /// One object.
    pub(crate) fn object(&mut self, content: &Content, is_untouched: bool) {
        self.objects += 1;
        if !is_untouched {
            let name = &content.name;
            self.note(format!("the object of {name} is not what was put"));
        }
    }

    fn compare(&mut self, content: &str, what: &str, expect: &[String], found: Vec<String>) {
        let mut counts: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for record in expect {
            counts.entry(record).or_default().0 += 1;
        }
        for record in &found {
            counts.entry(record).or_default().1 += 1;
        }
        for (record, (expect, found)) in counts {
            let how = match (expect, found) {
                _ if expect == found => continue,
                (0, _) => {
                    self.foreign += found;
                    "foreign"
                }
                _ if found < expect => {
                    self.lost += expect - found;
                    "lost"
                }
                _ => {
                    self.doubled += found - expect;
                    "doubled"
                }
            };
            self.example(format!(
                "{how}: {content}: this {what} is there {found} times, not {expect}: {record}"
            ));
        }
    }

    fn note(&mut self, what: String) {
        self.wrong += 1;
        self.example(format!("wrong: {what}"));
    }

    fn example(&mut self, what: String) {
        if self.examples.len() < EXAMPLES {
            self.examples.push(what);
        }
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for example in &self.examples {
            writeln!(f, "{example}")?;
        }
        writeln!(
            f,
            "audited {} rows and {} rejects of {} contents ({} of them superseded), {} objects",
            self.rows, self.rejects, self.contents, self.superseded, self.objects
        )?;
        if self.foreign + self.wrong > 0 {
            writeln!(f, "foreign {}, wrong {}", self.foreign, self.wrong)?;
        }
        writeln!(f, "lost {}, doubled {}", self.lost, self.doubled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two records alike, a third, and a bad one.
    fn expect() -> Expected {
        Expected {
            records: 4,
            rows: texts(&["a", "a", "b"]),
            rejects: texts(&["4\tx"]),
        }
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn content(stands: bool) -> Content {
        Content {
            pipeline: "events".to_owned(),
            name: "c".to_owned(),
            key: "k".to_owned(),
            etag: "e".to_owned(),
            source: "s".into(),
            stands,
        }
    }

    fn arrival(state: &str) -> Arrival {
        Arrival {
            state: state.to_owned(),
            loaded: 3,
            rejected: 1,
            error_code: String::new(),
        }
    }

    /// Lost, doubled, foreign, wrong.
    fn counts(findings: &Findings) -> [u64; 4] {
        [
            findings.lost,
            findings.doubled,
            findings.foreign,
            findings.wrong,
        ]
    }

    #[test]
    fn what_is_lost_doubled_or_foreign_is_found() {
        let check = |rows: &[&str], rejects: &[&str], expect_counts: [u64; 4]| {
            let mut findings = Findings::default();
            let arrivals = [arrival("loaded")];
            findings.content(
                &content(true),
                &expect(),
                &arrivals,
                texts(rows),
                texts(rejects),
            );
            assert_eq!(counts(&findings), expect_counts, "{rows:?} {rejects:?}");
            assert_eq!(findings.is_clean(), expect_counts == [0; 4]);
        };
        check(&["b", "a", "a"], &["4\tx"], [0, 0, 0, 0]);
        check(&["b", "a"], &["4\tx"], [1, 0, 0, 0]);
        check(&["a", "a"], &["4\tx"], [1, 0, 0, 0]);
        check(&["a", "a", "b"], &[], [1, 0, 0, 0]);
        check(&["a", "a", "b", "b"], &["4\tx"], [0, 1, 0, 0]);
        check(&["a", "a", "a", "b"], &["4\tx"], [0, 1, 0, 0]);
        check(&["a", "a", "b"], &["4\tx", "4\tx"], [0, 1, 0, 0]);
        check(&["a", "a", "b", "c"], &["4\tx"], [0, 0, 1, 0]);
        check(&["a", "a", "b"], &["4\tx", "3\tx"], [0, 0, 1, 0]);
        check(&["a", "b", "b"], &["4\tx"], [1, 1, 0, 0]);
    }

    #[test]
    fn an_arrival_must_say_what_became_of_its_content() {
        let check = |stands: bool, arrivals: &[Arrival], rows: &[&str], expect_counts| {
            let mut findings = Findings::default();
            let rejects = if rows.is_empty() { &[][..] } else { &["4\tx"] };
            findings.content(
                &content(stands),
                &expect(),
                arrivals,
                texts(rows),
                texts(rejects),
            );
            assert_eq!(
                counts(&findings),
                expect_counts,
                "{stands} {arrivals:?} {rows:?}"
            );
        };
        let all = &["a", "a", "b"];
        check(true, &[], &[], [4, 0, 0, 1]);
        check(true, &[arrival("failed")], all, [0, 0, 0, 1]);
        check(true, &[arrival("loading")], all, [0, 0, 0, 1]);
        check(true, &[arrival("superseded")], &[], [4, 0, 0, 1]);
        check(false, &[arrival("superseded")], &[], [0, 0, 0, 0]);
        check(false, &[arrival("superseded")], all, [0, 0, 4, 0]);
        check(false, &[arrival("loaded")], all, [0, 0, 0, 0]);
        check(
            true,
            &[arrival("loaded"), arrival("loaded")],
            all,
            [0, 0, 0, 1],
        );
        let miscounted = Arrival {
            loaded: 4,
            ..arrival("loaded")
        };
        check(true, &[miscounted], all, [0, 0, 0, 1]);
    }

    #[test]
    fn what_was_never_delivered_is_found() {
        let mut findings = Findings::default();
        findings.foreign_rows(texts(&["z"]));
        let id = ("events".to_owned(), "other".to_owned(), "e".to_owned());
        findings.foreign_rejects(HashMap::from([(id.clone(), texts(&["1\tz"]))]));
        let arrivals = HashMap::from([(id, vec![arrival("loaded")])]);
        findings.foreign_arrivals(&[content(true)], &arrivals);
        assert_eq!(counts(&findings), [0, 0, 2, 1]);
    }

    #[test]
    fn a_changed_object_is_found() {
        let mut findings = Findings::default();
        findings.object(&content(true), true);
        assert!(findings.is_clean());
        findings.object(&content(true), false);
        assert!(!findings.is_clean());
    }
}
