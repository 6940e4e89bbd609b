//! What faults are called: the name that the plan gives, or `f1`, `f2`, … by their place in it.
//!
//! A plan that was written from another may keep the other's names, so that each fault still draws
//! what it drew there: `f3` is a name wherever no fault has it by its place, and `storm.2`, which
//! `random` gives, wherever no `random` is called `storm`.

use std::collections::BTreeMap;

use crate::plan::error::Place;
use crate::plan::lower::{Lowering, is_name_character};
use crate::plan::raw::RawFault;

/// The items of `faults` by name.
pub(super) struct FaultNames<'a> {
    items: &'a [(Place, RawFault<'a>)],
    /// The first item that is given each name.
    first: BTreeMap<&'a str, usize>,
}

impl<'a> FaultNames<'a> {
    pub fn new(items: &'a [(Place, RawFault<'a>)]) -> FaultNames<'a> {
        let mut names = FaultNames {
            items,
            first: BTreeMap::new(),
        };
        for index in 0..items.len() {
            if let Some(name) = names.given(index) {
                names.first.entry(name).or_insert(index);
            }
        }
        names
    }

    fn given(&self, index: usize) -> Option<&'a str> {
        self.items[index].1.name?.value.text()
    }

    /// The fault that has this name by its place.
    fn by_place(&self, name: &str) -> Option<usize> {
        let index = name
            .strip_prefix('f')?
            .parse::<usize>()
            .ok()?
            .checked_sub(1)?;
        let is_unnamed = self.items.get(index)?.1.name.is_none();
        (is_unnamed && by_place(index) == name).then_some(index)
    }

    /// The `random` that may give this name to what it draws.
    fn by_draw(&self, name: &str) -> Option<usize> {
        let (stem, _) = name.split_once('.')?;
        let index = self
            .by_place(stem)
            .or_else(|| self.first.get(stem).copied())?;
        self.items[index].1.random.is_some().then_some(index)
    }

    fn line(&self, index: usize) -> usize {
        self.items[index].0.line
    }
}

fn by_place(index: usize) -> String {
    format!("f{}", index + 1)
}

/// Letters, digits, `-` and `_`; and of a fault that is not drawn now, a number as if it had been.
fn fits(name: &str, is_random: bool) -> bool {
    let is_number = |text: &str| {
        (1..=5).contains(&text.len()) && text.chars().all(|letter| letter.is_ascii_digit())
    };
    let stem = match name.split_once('.') {
        Some((stem, number)) if !is_random && is_number(number) => stem,
        _ => name,
    };
    stem.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && stem.chars().all(is_name_character)
        && stem.len() <= 32
}

impl Lowering {
    pub(super) fn fault_id(&mut self, names: &FaultNames, index: usize) -> String {
        let (_, raw) = &names.items[index];
        let Some(typed) = raw.name else {
            return by_place(index);
        };
        let Some(name) = self.text(typed) else {
            return by_place(index);
        };
        let (message, help) = if !fits(name, raw.random.is_some()) {
            (
                format!("`{name}` cannot name a fault"),
                "use a letter, then letters, digits, `-` and `_`, up to 32".to_owned(),
            )
        } else if name == "heal" {
            (
                "`heal` cannot name a fault".to_owned(),
                "it is used by paxosctl itself; choose another word".to_owned(),
            )
        } else if let Some(other) = names.by_place(name) {
            let line = names.line(other);
            (
                format!("`{name}` cannot name this fault"),
                format!("the fault in line {line} is called so by its place"),
            )
        } else if let Some(random) = names.by_draw(name) {
            let line = names.line(random);
            (
                format!("`{name}` cannot name this fault"),
                format!("what the `random` in line {line} draws is called so"),
            )
        } else if names.first.get(name).is_some_and(|first| *first < index) {
            (
                format!("there are two faults called `{name}`"),
                "give each fault a name of its own, or none".to_owned(),
            )
        } else {
            return name.to_owned();
        };
        self.errors.add_help(typed.value.place, message, help);
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// What is told of a plan with these faults, which begin at 4:9.
    fn told(faults: &str) -> Vec<String> {
        let text = format!(
            "version: 1\ncluster: {{servers: 3, clients: [ann]}}\ntraffic: [{{at: 9s, as: ann, say: x}}]\nfaults: [{faults}]\n"
        );
        let errors = crate::plan::parse(Path::new("x.yaml"), &text).err();
        let errors = errors.into_iter().flat_map(|errors| errors.errors);
        errors
            .map(|e| format!("{}:{} {}", e.line, e.column, e.message))
            .collect()
    }

    fn two(one: &str, other: &str) -> Vec<String> {
        told(&format!(
            "{{at: 2s, kill: s1{one}}}, {{at: 3s, kill: s2{other}}}"
        ))
    }

    #[test]
    fn a_name_that_is_free_may_be_one_that_a_fault_had_elsewhere() {
        for name in ["f7", "f1", "f2", "f07", "storm.3", "a-b_c"] {
            let named = two(&format!(", name: {name}"), ", name: other");
            assert_eq!(named, [""; 0], "{name}");
        }
        assert_eq!(two("", ", name: f3"), [""; 0]);
        assert_eq!(two(", name: f2", ""), ["4:35 `f2` cannot name this fault"]);
        assert_eq!(two("", ", name: f1"), ["4:55 `f1` cannot name this fault"]);
        assert_eq!(
            two(", name: a", ", name: a"),
            ["4:64 there are two faults called `a`"]
        );
        for wrong in ["heal", "3", "a.b", "a.", ".1", "a.123456", "a.1.1"] {
            assert_eq!(two("", &format!(", name: {wrong}")).len(), 1, "{wrong}");
        }
    }

    #[test]
    fn a_random_keeps_its_names_for_what_it_draws() {
        let random = |name: &str, other: &str| {
            told(&format!(
                "{{at: 2s, for: 2s, random: {{every: 1s}}{name}}}, {{at: 3s, kill: s2, name: {other}}}"
            ))
        };
        assert_eq!(random(", name: storm", "wind.1"), [""; 0]);
        assert_eq!(random(", name: storm", "f1.1"), [""; 0]);
        assert_eq!(
            random(", name: storm", "storm.1"),
            ["4:88 `storm.1` cannot name this fault"]
        );
        assert_eq!(random("", "f1.1"), ["4:75 `f1.1` cannot name this fault"]);
        assert_eq!(
            random(", name: storm.1", "x"),
            ["4:55 `storm.1` cannot name a fault"]
        );
    }
}
