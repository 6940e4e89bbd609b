//! The shapes of partitions that have a name.
//!
//! | a shape | cuts |
//! |---|---|
//! | `halves` | the servers into two groups, one of them a majority, where their number is odd |
//! | `bridge` | the servers into two groups that a single server still reaches, both of them |
//! | `chain` | all but neighbours, so that the servers form a line |
//! | `majorities-ring` | so much that each server sees a majority, and no two see the same one |
//! | `isolate(s2)` | these nodes from everybody, and from each other |
//!
//! Which server is where is drawn by the seed, unless it is said: `bridge(s3)`, `chain(s1,s2,s3)`. A
//! drawn bridge does not lead, and in a drawn chain the leader is at an end: so that the cut bites.

use super::targets::{Names, nodes};
use super::words::Wrong;
use super::{Nodes, Shape};

/// The names of the shapes, as a plan writes them.
pub(super) const SHAPES: [&str; 5] = ["halves", "bridge", "chain", "majorities-ring", "isolate"];

/// Reads a shape; `None` when the text does not begin with the name of one.
pub(super) fn shape(text: &str, names: &Names) -> Option<Result<Shape, Vec<Wrong>>> {
    let trimmed = text.trim();
    let start = text.chars().count() - text.trim_start().chars().count();
    let end = trimmed
        .find(|c: char| !c.is_ascii_alphanumeric() && !"-_".contains(c))
        .unwrap_or(trimmed.len());
    let (name, rest) = trimmed.split_at(end);
    let name = name.replace('_', "-");
    if !SHAPES.contains(&name.as_str()) {
        return None;
    }
    let whole = |message: String, help: &str| {
        let wrong = Wrong::new(start, trimmed.chars().count(), message, help);
        Err(vec![wrong])
    };
    let argument = match argument(rest) {
        Ok(argument) => argument,
        Err(message) => return Some(whole(message, "write halves, bridge(s3) or isolate(s2)")),
    };
    let named = argument.map(|argument| {
        let offset = text.find(argument).unwrap_or(0);
        let shift = text[..offset].chars().count();
        nodes(argument, names).map_err(|wrongs| moved(wrongs, shift))
    });
    let named = match named.transpose() {
        Ok(named) => named,
        Err(wrongs) => return Some(Err(wrongs)),
    };
    Some(match (name.as_str(), named) {
        ("isolate", None) => whole(
            "`isolate`: which node?".to_owned(),
            "write isolate: s2, or isolate: leader",
        ),
        ("isolate", Some(nodes)) => Ok(Shape::Isolate(nodes)),
        ("halves" | "majorities-ring", Some(_)) => whole(
            format!("`{name}` takes no node"),
            "the seed draws which server is where; to choose, write the groups out: \"s1,s2 | s3\"",
        ),
        (_, named) if too_few(&name, names) => {
            let _ = named;
            whole(
                format!("`{name}` needs more than {} servers", names.servers),
                "with two servers write \"s1 | s2\"",
            )
        }
        ("halves", None) => Ok(Shape::Halves),
        ("majorities-ring", None) => Ok(Shape::MajoritiesRing),
        ("bridge", None) => Ok(Shape::Bridge(None)),
        ("bridge", Some(hub)) if is_one_server(&hub, names) => Ok(Shape::Bridge(Some(hub))),
        ("bridge", Some(_)) => whole(
            "a bridge is one server".to_owned(),
            "write bridge(s3) or bridge(leader), or bridge alone to draw one",
        ),
        (_, None) => Ok(Shape::Chain(Vec::new())),
        (_, Some(Nodes::Named(order))) if is_every_server(&order, names) => Ok(Shape::Chain(order)),
        (_, Some(_)) => whole(
            "a chain names every server once, in the order of the line".to_owned(),
            "write chain(s1,s2,s3), or chain alone to draw the order",
        ),
    })
}

/// What stands in the parentheses, or behind a colon; `None` for nothing.
fn argument(rest: &str) -> Result<Option<&str>, String> {
    let rest = rest.trim();
    if rest.is_empty() {
        return Ok(None);
    }
    if let Some(inside) = rest.strip_prefix('(') {
        let inside = inside.strip_suffix(')');
        return match inside.map(str::trim) {
            None => Err("a `)` is missing".to_owned()),
            Some("") => Err("there is nothing in the parentheses".to_owned()),
            Some(inside) => Ok(Some(inside)),
        };
    }
    match rest.strip_prefix(':').map(str::trim) {
        Some("") => Ok(None),
        Some(argument) => Ok(Some(argument)),
        None => Err(format!("`{rest}` behind the name of a shape")),
    }
}

fn moved(wrongs: Vec<Wrong>, by: usize) -> Vec<Wrong> {
    wrongs
        .into_iter()
        .map(|wrong| Wrong {
            start: wrong.start + by,
            ..wrong
        })
        .collect()
}

fn too_few(name: &str, names: &Names) -> bool {
    let least = if name == "halves" { 2 } else { 3 };
    name != "isolate" && names.servers < least
}

fn is_one_server(nodes: &Nodes, names: &Names) -> bool {
    match nodes {
        Nodes::Leader | Nodes::Follower | Nodes::Random(1) | Nodes::ServerOf(_) => true,
        Nodes::Named(named) => named.len() == 1 && names.is_server(&named[0]),
        _ => false,
    }
}

fn is_every_server(order: &[String], names: &Names) -> bool {
    order.len() == usize::from(names.servers) && order.iter().all(|name| names.is_server(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names {
            servers: 3,
            clients: vec!["ann".into()],
        }
    }

    fn read(text: &str) -> Result<Shape, Vec<(usize, usize, String)>> {
        shape(text, &names()).expect("a shape").map_err(|wrongs| {
            wrongs
                .into_iter()
                .map(|wrong| (wrong.start, wrong.length, wrong.message))
                .collect()
        })
    }

    #[test]
    fn shapes_are_read_with_and_without_nodes() {
        assert_eq!(read("halves"), Ok(Shape::Halves));
        assert_eq!(read(" majorities_ring "), Ok(Shape::MajoritiesRing));
        assert_eq!(read("bridge"), Ok(Shape::Bridge(None)));
        assert_eq!(
            read("bridge(leader)"),
            Ok(Shape::Bridge(Some(Nodes::Leader)))
        );
        assert_eq!(read("chain"), Ok(Shape::Chain(Vec::new())));
        let order = ["s2", "s1", "s3"].map(String::from).to_vec();
        assert_eq!(read("chain(s2, s1, s3)"), Ok(Shape::Chain(order)));
        let ann = Nodes::Named(vec!["ann".into()]);
        assert_eq!(read("isolate: ann"), Ok(Shape::Isolate(ann.clone())));
        assert_eq!(read("isolate(ann)"), Ok(Shape::Isolate(ann)));
        assert!(shape("leader | rest", &names()).is_none());
        assert!(shape("s1 -> s2", &names()).is_none());
    }

    #[test]
    fn what_a_shape_cannot_be_is_told_at_its_place() {
        let one = |text: &str| read(text).expect_err("wrong").remove(0);
        assert_eq!(one("isolate").2, "`isolate`: which node?");
        assert_eq!(one("isolate(s9)"), (8, 2, "unknown server `s9`".into()));
        assert_eq!(one("bridge(ann)").2, "a bridge is one server");
        assert!(one("chain(s1,s2)").2.contains("every server once"));
        assert_eq!(one("halves(s1)").2, "`halves` takes no node");
        assert_eq!(one("bridge(s1").2, "a `)` is missing");
        let two = Names {
            servers: 2,
            ..names()
        };
        let wrongs = shape("bridge", &two).expect("a shape").expect_err("two");
        assert_eq!(wrongs[0].message, "`bridge` needs more than 2 servers");
    }
}
