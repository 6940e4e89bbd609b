//! Partitions: groups, one-way cuts, and shapes by name.

use crate::plan::lower::Lowering;
use crate::plan::raw::{RawShape, Typed};
use crate::plan::yaml::Content;
use crate::plan::{Partition, Shape, targets};

impl Lowering {
    /// A text, or a map of one key for the shapes that need a node: `{isolate: s2}`.
    pub(super) fn partition(&mut self, typed: &Typed) -> Option<Partition> {
        if typed.value.is_map() {
            let raw = RawShape::read(typed.value, &mut self.errors)?;
            return self.isolate(&raw.isolate?);
        }
        if let Content::List(_) = typed.value.content {
            self.errors.add_help(
                typed.value.place,
                "`partition` is one text, not a list",
                "part the groups by `|`: partition: \"s1 | s2,s3\"",
            );
            return None;
        }
        let text = self.text(*typed)?;
        match targets::partition(text, &self.names) {
            Ok(partition) => Some(partition),
            Err(wrongs) => {
                self.add_wrongs(typed.value, wrongs);
                None
            }
        }
    }

    pub(super) fn isolate(&mut self, typed: &Typed) -> Option<Partition> {
        let nodes = self.nodes(typed)?;
        Some(Partition::Shape(Shape::Isolate(nodes)))
    }
}
