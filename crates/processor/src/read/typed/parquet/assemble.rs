//! Records of the values of their columns, by the levels that Dremel defined.

use ::parquet::errors::Result;

use super::leaf::Leaf;
use super::schema::{Field, Node};
use crate::read::typed::Lines;

/// Puts records together.
pub(super) struct Assembly {
    leaves: Vec<Leaf>,
}

impl Assembly {
    pub(super) fn new(leaves: Vec<Leaf>) -> Self {
        Self { leaves }
    }

    /// Writes the next record, without the end of its line.
    pub(super) fn record(&mut self, root: &[Field], out: &mut Lines) -> Result<()> {
        for leaf in &mut self.leaves {
            leaf.begin_record()?;
        }
        self.fields(root, out);
        self.leaves.iter().try_for_each(Leaf::end_record)
    }

    /// Says so where something is left behind the last record.
    pub(super) fn end(&mut self) -> Result<()> {
        self.leaves.iter_mut().try_for_each(Leaf::end)
    }

    fn fields(&mut self, fields: &[Field], out: &mut Lines) {
        out.push(b"{");
        for (nth, field) in fields.iter().enumerate() {
            if nth > 0 {
                out.push(b",");
            }
            out.push(&field.name);
            self.node(&field.node, out);
        }
        out.push(b"}");
    }

    fn node(&mut self, node: &Node, out: &mut Lines) {
        match node {
            Node::Leaf(leaf) => self.leaves[*leaf].take(out.room()),
            Node::Group {
                first,
                last,
                defined,
                fields,
            } => match self.leaves[*first].def() < *defined {
                true => self.absent(*first..*last, b"null", out),
                false => self.fields(fields, out),
            },
            Node::List {
                first,
                last,
                defined,
                filled,
                repeats,
                element,
            } => {
                if self.is_absent(*first..*last, (*defined, *filled), [b"null", b"[]"], out) {
                    return;
                }
                out.push(b"[");
                self.node(element, out);
                while self.repeats(*first..*last, *repeats) {
                    out.push(b",");
                    self.node(element, out);
                }
                out.push(b"]");
            }
            Node::Map {
                first,
                last,
                defined,
                filled,
                repeats,
                key,
                value,
            } => {
                if self.is_absent(*first..*last, (*defined, *filled), [b"null", b"{}"], out) {
                    return;
                }
                out.push(b"{");
                self.entry(*key, value.as_deref(), out);
                while self.repeats(*first..*last, *repeats) {
                    out.push(b",");
                    self.entry(*key, value.as_deref(), out);
                }
                out.push(b"}");
            }
        }
    }

    fn entry(&mut self, key: usize, value: Option<&Node>, out: &mut Lines) {
        self.leaves[key].take_name(out.room());
        match value {
            Some(value) => self.node(value, out),
            None => out.push(b"null"),
        }
    }

    /// Whether another element of the same list follows: in all of its columns, or in none.
    fn repeats(&mut self, leaves: std::ops::Range<usize>, level: i16) -> bool {
        let first = self.leaves[leaves.start].rep();
        let repeats = first >= level;
        for leaf in &mut self.leaves[leaves] {
            leaf.agree((leaf.rep() >= level) == repeats);
        }
        repeats
    }

    /// Writes what is NULL or empty, and steps over its levels.
    fn is_absent(
        &mut self,
        leaves: std::ops::Range<usize>,
        (defined, filled): (i16, i16),
        [null, empty]: [&[u8]; 2],
        out: &mut Lines,
    ) -> bool {
        let def = self.leaves[leaves.start].def();
        if def >= filled {
            return false;
        }
        let text = if def < defined { null } else { empty };
        self.absent(leaves, text, out);
        true
    }

    fn absent(&mut self, leaves: std::ops::Range<usize>, text: &[u8], out: &mut Lines) {
        out.push(text);
        for leaf in &mut self.leaves[leaves] {
            leaf.take(None);
        }
    }
}
