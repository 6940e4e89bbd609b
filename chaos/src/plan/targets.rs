//! Targets, links and partition groups: `leader`, `s1,s2`, `ann <-> s1`, `leader | rest`.
//!
//! | a target | is |
//! |---|---|
//! | `s1`, `balancer`, `ann`, `load1` | that node |
//! | `leader` | the server that leads when the fault fires |
//! | `follower` | one server that does not lead, drawn by the seed |
//! | `followers` | every server that does not lead |
//! | `servers`, `clients` | every server; every client that has joined, loads included |
//! | `random(2)` | so many different servers, drawn by the seed, those that are up first |
//! | `server-of(ann)` | the server that this client talks to when the fault fires |
//! | `all` | every server, the balancer and every client |
//! | `s1,leader,ann` | each of these |
//!
//! A link is `a -> b`, `a <- b` or `a <-> b`, and each side may be any target; one of the two may be
//! `rest`, every server that the other side does not mean.
//!
//! The groups of a partition are parted by `|`; nodes in different groups cannot reach each other.
//! `rest` is every *server* that no group names. The balancer, the clients, and servers that are in
//! no group are not touched: they reach everybody. To cut them too, name them: `leader,ann | rest,
//! bob,balancer`. When a node turns out to be in two groups, as s2 in `leader | s2,s3` while s2
//! leads, it is in the first of them. `a -> b` in a partition loses what `a` sends to `b`, one way.

use paxosctl_node::ids::ServerId;

use super::shapes;
use super::words::{Wrong, closest, whole_number};
use super::{Link, Member, Nodes, Partition};

/// The nodes that a plan has.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    /// s1 … sN.
    pub servers: u16,
    /// Every client that the plan names, loads included, in the order of the plan.
    pub clients: Vec<String>,
}

/// Words that a client cannot be called, because a target means something else by them.
pub(super) const RESERVED: [&str; 11] = [
    "balancer",
    "leader",
    "follower",
    "followers",
    "servers",
    "clients",
    "random",
    "server-of",
    "all",
    "rest",
    "heal",
];

impl Names {
    /// `s1, s2, s3`
    pub fn server_list(&self) -> String {
        let names: Vec<String> = (1..=self.servers).map(|n| format!("s{n}")).collect();
        names.join(", ")
    }

    pub fn has(&self, name: &str) -> bool {
        name == "balancer" || self.is_server(name) || self.clients.iter().any(|c| c == name)
    }

    pub fn is_server(&self, name: &str) -> bool {
        // Not `s01`: a node has one name.
        name.parse::<ServerId>()
            .is_ok_and(|server| server.0 <= self.servers && server.to_string() == name)
    }

    /// Nothing of this name exists: what to say.
    fn unknown(&self, start: usize, name: &str) -> Wrong {
        let length = name.chars().count();
        if looks_like_server(name) {
            let help = format!("this plan has {}", self.server_list());
            return Wrong::new(start, length, format!("unknown server `{name}`"), help);
        }
        let message = format!("unknown node `{name}`");
        let words = RESERVED
            .iter()
            .copied()
            .filter(|word| !matches!(*word, "heal" | "rest"))
            .chain(self.clients.iter().map(String::as_str));
        let help = match closest(name, words) {
            Some(word) => format!("did you mean `{word}`?"),
            None => {
                let mut nodes = self.server_list() + ", balancer";
                for client in &self.clients {
                    nodes = nodes + ", " + client;
                }
                format!(
                    "this plan has {nodes}; a target can also be leader, follower, followers, \
                     servers, clients, random(n), server-of(client) or all"
                )
            }
        };
        Wrong::new(start, length, message, help)
    }

    /// What to say of a client that does not exist.
    pub fn unknown_client(&self, name: &str) -> Wrong {
        let length = name.chars().count();
        let message = format!("unknown client `{name}`");
        let help = match closest(name, self.clients.iter().map(String::as_str)) {
            Some(client) => format!("did you mean `{client}`?"),
            None if self.clients.is_empty() => {
                format!("this plan has no clients; add cluster: {{clients: [{name}]}}")
            }
            None => format!("this plan has {}", self.clients.join(", ")),
        };
        Wrong::new(0, length, message, help)
    }
}

/// Whether a name has the form of a server's: `s` and digits.
pub(super) fn looks_like_server(name: &str) -> bool {
    name.strip_prefix('s').is_some_and(|digits| {
        !digits.is_empty() && digits.chars().all(|digit| digit.is_ascii_digit())
    })
}

/// A piece of a text, and where its first character stands in that text.
#[derive(Clone, Copy)]
struct Piece<'a> {
    start: usize,
    text: &'a str,
}

impl<'a> Piece<'a> {
    fn trim(self) -> Piece<'a> {
        let cut = self.text.trim_start();
        let before = self.text.chars().count() - cut.chars().count();
        Piece {
            start: self.start + before,
            text: cut.trim_end(),
        }
    }

    /// The pieces between separators, trimmed.
    fn split(self, separator: char) -> Vec<Piece<'a>> {
        let mut start = self.start;
        let mut pieces = Vec::new();
        for text in self.text.split(separator) {
            pieces.push(Piece { start, text }.trim());
            start += text.chars().count() + 1;
        }
        pieces
    }

    /// What stands before and after an arrow, trimmed.
    fn split_at(self, arrow: &str) -> Option<(Piece<'a>, Piece<'a>)> {
        let (left, right) = self.text.split_once(arrow)?;
        let start = self.start + left.chars().count() + arrow.chars().count();
        let left = Piece {
            start: self.start,
            text: left,
        };
        Some((left.trim(), Piece { start, text: right }.trim()))
    }

    fn length(self) -> usize {
        self.text.chars().count().max(1)
    }
}

/// A target, or a list of them.
pub(super) fn nodes(text: &str, names: &Names) -> Result<Nodes, Vec<Wrong>> {
    nodes_of(Piece { start: 0, text }.trim(), names)
}

fn nodes_of(piece: Piece, names: &Names) -> Result<Nodes, Vec<Wrong>> {
    const ARROW: &str = "a target is a node, not a link; links go into delay: {link: …}, drop: \
                         {link: …} or partition";
    if piece.text.contains("->") || piece.text.contains('|') {
        let wrong = Wrong::new(
            piece.start,
            piece.length(),
            "a node is expected here",
            ARROW,
        );
        return Err(vec![wrong]);
    }
    let mut wrongs = Vec::new();
    let mut targets = Vec::new();
    for item in piece.split(',') {
        match one_target(item, names) {
            Ok(target) if targets.contains(&target) => wrongs.push(Wrong::new(
                item.start,
                item.length(),
                format!("`{}` is named twice", item.text),
                "name each node once",
            )),
            Ok(target) => targets.push(target),
            Err(wrong) => wrongs.push(wrong),
        }
    }
    if !wrongs.is_empty() {
        return Err(wrongs);
    }
    Ok(join(targets))
}

/// What stood between the commas of a target.
pub(super) fn apart(nodes: Nodes) -> Vec<Nodes> {
    match nodes {
        Nodes::Several(several) => several,
        Nodes::Named(names) => {
            let alone = names.into_iter().map(|name| Nodes::Named(vec![name]));
            alone.collect()
        }
        other => vec![other],
    }
}

/// Targets with commas between them. Names alone are one list of names.
pub(super) fn join(mut targets: Vec<Nodes>) -> Nodes {
    let all_names = targets
        .iter()
        .all(|target| matches!(target, Nodes::Named(_)));
    if all_names {
        return Nodes::Named(targets.iter().flat_map(named).cloned().collect());
    }
    if targets.len() == 1 {
        return targets.remove(0);
    }
    Nodes::Several(targets)
}

fn named(nodes: &Nodes) -> &[String] {
    match nodes {
        Nodes::Named(names) => names,
        _ => &[],
    }
}

fn one_target(piece: Piece, names: &Names) -> Result<Nodes, Wrong> {
    let simple = match piece.text {
        "" => {
            return Err(Wrong::new(
                piece.start,
                1,
                "a node is missing here",
                "name a node, as s1, ann or leader, and put one comma between two",
            ));
        }
        "leader" => Some(Nodes::Leader),
        "follower" => Some(Nodes::Follower),
        "followers" => Some(Nodes::Followers),
        "servers" => Some(Nodes::Servers),
        "clients" => Some(Nodes::Clients),
        "balancer" => Some(Nodes::Balancer),
        "all" => Some(Nodes::All),
        "rest" => {
            return Err(Wrong::new(
                piece.start,
                4,
                "`rest` means what the other side or the other groups leave",
                "write partition: \"leader | rest\", or as one side of a link: \"s1 <-> rest\"",
            ));
        }
        _ => None,
    };
    if let Some(nodes) = simple {
        return Ok(nodes);
    }
    if let Some((function, argument)) = piece.split_at("(") {
        let Some(inside) = argument.text.strip_suffix(')') else {
            let help = "write random(2) or server-of(ann)";
            return Err(Wrong::new(
                piece.start,
                piece.length(),
                "a `)` is missing",
                help,
            ));
        };
        let argument = Piece {
            start: argument.start,
            text: inside,
        }
        .trim();
        return call(piece, function, argument, names);
    }
    if matches!(piece.text, "random" | "server-of") {
        let (message, help) = match piece.text {
            "random" => ("how many?", "write random(1)"),
            _ => ("of which client?", "write server-of(ann)"),
        };
        let message = format!("`{}`: {message}", piece.text);
        return Err(Wrong::new(piece.start, piece.length(), message, help));
    }
    if names.has(piece.text) {
        Ok(Nodes::Named(vec![piece.text.to_owned()]))
    } else {
        Err(names.unknown(piece.start, piece.text))
    }
}

fn call(piece: Piece, function: Piece, argument: Piece, names: &Names) -> Result<Nodes, Wrong> {
    match function.text {
        "random" => {
            let most = names.servers.max(1);
            match whole_number(argument.text, 1, most.into()) {
                Ok(count) => Ok(Nodes::Random(count as u16)),
                Err(wrong) => Err(Wrong::new(
                    argument.start,
                    argument.length(),
                    wrong.message,
                    format!("random(n) draws from {}", names.server_list()),
                )),
            }
        }
        "server-of" => {
            if names.clients.iter().any(|client| client == argument.text) {
                return Ok(Nodes::ServerOf(argument.text.to_owned()));
            }
            let wrong = names.unknown_client(argument.text);
            Err(Wrong {
                start: argument.start,
                length: argument.length(),
                ..wrong
            })
        }
        other => Err(Wrong::new(
            piece.start,
            piece.length(),
            format!("unknown target `{other}(…)`"),
            "with parentheses there are random(n) and server-of(client)",
        )),
    }
}

/// `a -> b`, `a <- b`, or `a <-> b`, which is two links.
pub(super) fn links(text: &str, names: &Names) -> Result<Vec<Link>, Vec<Wrong>> {
    let piece = Piece { start: 0, text }.trim();
    let (left, right, both) = if let Some((left, right)) = piece.split_at("<->") {
        (left, right, true)
    } else if let Some((left, right)) = piece.split_at("->") {
        (left, right, false)
    } else if let Some((left, right)) = piece.split_at("<-") {
        (right, left, false)
    } else {
        return Err(vec![Wrong::new(
            piece.start,
            piece.length(),
            format!("`{}` is not a link", piece.text),
            "write a -> b for one direction, a <-> b for both; each side is a node or a target",
        )]);
    };
    if left.text == "rest" && right.text == "rest" {
        return Err(vec![Wrong::new(
            piece.start,
            piece.length(),
            "`rest` of whom?",
            "name the nodes on one side: s1 <-> rest",
        )]);
    }
    let side = |side: Piece| match side.text {
        "rest" => Ok(Nodes::Rest),
        _ => nodes_of(side, names),
    };
    let (from, to) = (side(left), side(right));
    let (from, to) = match (from, to) {
        (Ok(from), Ok(to)) => (from, to),
        (from, to) => {
            let wrongs = [from, to].into_iter().filter_map(Result::err);
            return Err(wrongs.flatten().collect());
        }
    };
    let one_node = match &from {
        Nodes::Named(names) => names.len() == 1,
        Nodes::Leader | Nodes::Balancer | Nodes::ServerOf(_) => true,
        // The same words mean the same node.
        Nodes::Follower | Nodes::Random(1) => true,
        _ => false,
    };
    if one_node && from == to {
        return Err(vec![Wrong::new(
            piece.start,
            piece.length(),
            "a link from a node to itself",
            "a node's messages to itself pass no link; name two nodes",
        )]);
    }
    let there = Link { from, to };
    if !both {
        return Ok(vec![there]);
    }
    let back = Link {
        from: there.to.clone(),
        to: there.from.clone(),
    };
    Ok(vec![there, back])
}

/// `leader | rest`, `s1,ann | s2,s3`, one way: `s1 -> s2,s3`, or a shape by its name.
pub(super) fn partition(text: &str, names: &Names) -> Result<Partition, Vec<Wrong>> {
    if let Some(shape) = shapes::shape(text, names) {
        return shape.map(Partition::Shape);
    }
    let piece = Piece { start: 0, text }.trim();
    if piece.text.contains("<->") {
        return Err(vec![Wrong::new(
            piece.start,
            piece.length(),
            "a partition has groups, not links",
            "part the groups by `|`: both directions are cut then; or write a -> b for one",
        )]);
    }
    let (pieces, one_way) = match piece.split_at("->") {
        Some((from, to)) => (vec![from, to], true),
        None => (piece.split('|'), false),
    };
    if pieces.len() < 2 {
        return Err(vec![Wrong::new(
            piece.start,
            piece.length(),
            "a partition needs at least two groups",
            format!(
                "part the groups by `|`: \"{} | rest\"; or name a shape, one of {}",
                piece.text,
                shapes::SHAPES.join(", ")
            ),
        )]);
    }
    let mut wrongs = Vec::new();
    let mut groups = Vec::new();
    let mut seen = Vec::new();
    for group in pieces {
        groups.push(members(group, names, &mut seen, &mut wrongs));
    }
    if !wrongs.is_empty() {
        return Err(wrongs);
    }
    Ok(match (one_way, groups.as_mut_slice()) {
        (true, [from, to]) => Partition::OneWay {
            from: std::mem::take(from),
            to: std::mem::take(to),
        },
        _ => Partition::Groups(groups),
    })
}

/// One group. `seen` holds every name and word used by the groups so far.
fn members(
    group: Piece,
    names: &Names,
    seen: &mut Vec<String>,
    wrongs: &mut Vec<Wrong>,
) -> Vec<Member> {
    if group.text.is_empty() {
        wrongs.push(Wrong::new(
            group.start,
            1,
            "an empty group",
            "name a node on each side of `|` and `->`, or write `rest`",
        ));
        return Vec::new();
    }
    let mut members = Vec::new();
    for item in group.split(',') {
        let again = |name: &str| {
            Wrong::new(
                item.start,
                item.length(),
                format!("`{name}` is named twice: the groups overlap"),
                "a node can be in one group only",
            )
        };
        let member = if item.text == "rest" {
            Member::Rest
        } else {
            match one_target(item, names) {
                Ok(nodes) => Member::Nodes(nodes),
                Err(wrong) => {
                    wrongs.push(wrong);
                    continue;
                }
            }
        };
        // A word for a whole set overlaps every name in it.
        let clash = seen.iter().find(|earlier| {
            earlier.as_str() == item.text
                || covers(earlier, item.text, names)
                || covers(item.text, earlier, names)
        });
        match clash {
            Some(earlier) if covers(earlier, item.text, names) => wrongs.push(again(item.text)),
            Some(earlier) => wrongs.push(again(&earlier.clone())),
            None => {
                seen.push(item.text.to_owned());
                members.push(member);
            }
        }
    }
    members
}

/// Whether the set that a word means holds another word's nodes for certain.
fn covers(set: &str, other: &str, names: &Names) -> bool {
    let is_client = |name: &str| names.clients.iter().any(|client| client == name);
    let is_some_server = |word: &str| {
        matches!(word, "leader" | "follower" | "followers" | "rest")
            || names.is_server(word)
            || word.starts_with("random(")
            || word.starts_with("server-of(")
    };
    match set {
        "all" => other != "all",
        "servers" => is_some_server(other),
        "clients" => is_client(other),
        "followers" => other == "follower",
        _ => false,
    }
}

#[cfg(test)]
#[path = "targets_tests.rs"]
mod tests;
