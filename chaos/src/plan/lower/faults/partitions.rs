//! Partitions: groups, one-way cuts, and shapes by name.

use super::name_of;
use crate::plan::lower::Lowering;
use crate::plan::raw::{RawShape, Typed};
use crate::plan::{Partition, Shape, targets};

impl Lowering {
    /// A text, or a map of one key for the shapes that need a node: `{isolate: s2}`.
    pub(super) fn partition(&mut self, typed: &Typed) -> Option<Partition> {
        if typed.value.is_map() {
            let raw = RawShape::read(typed.value, &mut self.errors)?;
            let Some(isolate) = raw.isolate else {
                self.errors.add_help(
                    typed.value.place,
                    format!("`{}` cuts nothing", name_of(typed)),
                    "write groups, as \"leader | rest\", or {isolate: s2}",
                );
                return None;
            };
            return self.isolate(&isolate);
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
