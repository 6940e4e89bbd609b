//! A sequence as a diagram: a lane a node, an arrow a message, down the page in the order of time.
//! Plain SVG without a script; every text in it is escaped.

use std::fmt::Write;

use paxosctl_node::ids::ServerId;

use super::text::words;
use super::{Fate, Sequence, TraceWhat};
use crate::report::{escaped, plain};

/// Pixels: between two lanes, between two steps, and above the first.
const LANE: usize = 150;
const ROW: usize = 22;
const HEAD: usize = 40;
/// Room for the times on the left.
const LEFT: usize = 120;
/// Letters of a message that fit beside its arrow.
const MOST_LETTERS: usize = 60;

/// The diagram, an `svg` element.
pub fn diagram(sequence: &Sequence) -> String {
    let lanes = lanes(sequence);
    let marked = sequence
        .steps
        .partition_point(|step| step.at_us <= sequence.at_us);
    let (width, height) = (
        LEFT + lanes.len() * LANE + 300,
        HEAD + (sequence.steps.len() + 2) * ROW,
    );
    let mut out = format!(
        "<svg class=\"sequence\" role=\"img\" aria-label=\"sequence of messages\" width=\"{width}\" \
         height=\"{height}\" viewBox=\"0 0 {width} {height}\" font-size=\"11\" \
         font-family=\"ui-monospace, monospace\" fill=\"currentColor\" stroke=\"none\">"
    );
    for (number, name) in lanes.iter().enumerate() {
        let x = lane_x(number);
        let _ = write!(
            out,
            "<text x=\"{x}\" y=\"16\" text-anchor=\"middle\" font-weight=\"bold\">{}</text>\
             <line x1=\"{x}\" y1=\"24\" x2=\"{x}\" y2=\"{}\" stroke=\"currentColor\" \
             stroke-opacity=\"0.25\"/>",
            escaped(&plain(name)),
            height - ROW
        );
    }
    for (number, step) in sequence.steps.iter().enumerate() {
        if number == marked {
            violation(&mut out, sequence, row_y(number), width);
        }
        let y = row_y(number + usize::from(number >= marked));
        let told = escaped(&plain(&words(step)));
        let _ = write!(
            out,
            "<g><title>{:.6} s: {told}</title><text x=\"4\" y=\"{}\" fill-opacity=\"0.6\">{:.6}</text>",
            step.at_us as f64 / 1e6,
            y + 4,
            step.at_us as f64 / 1e6
        );
        match &step.what {
            TraceWhat::Sent {
                from,
                to,
                message,
                fate,
                ..
            } => arrow(
                &mut out,
                x_of(&lanes, from),
                x_of(&lanes, to),
                y,
                message,
                *fate,
            ),
            TraceWhat::Event { node, .. } | TraceWhat::Ended { node, .. } => {
                let x = x_of(&lanes, node);
                let is_end = matches!(step.what, TraceWhat::Ended { .. });
                let colour = if is_end { "#d33" } else { "currentColor" };
                let _ = write!(
                    out,
                    "<circle class=\"event\" cx=\"{x}\" cy=\"{y}\" r=\"3\" fill=\"{colour}\"/>\
                     <text x=\"{}\" y=\"{}\" fill=\"{colour}\">{}</text>",
                    x + 7,
                    y + 4,
                    cut(told
                        .split_once("  ")
                        .map_or(told.as_str(), |(_, words)| words))
                );
            }
            TraceWhat::Action { words } => {
                let _ = write!(
                    out,
                    "<rect class=\"action\" x=\"{LEFT}\" y=\"{}\" width=\"{}\" height=\"16\" \
                     fill=\"#fa3\" fill-opacity=\"0.2\"/><text x=\"{}\" y=\"{}\">{}</text>",
                    y - 8,
                    lanes.len() * LANE,
                    LEFT + 6,
                    y + 4,
                    cut(&escaped(&plain(words)))
                );
            }
        }
        out.push_str("</g>");
    }
    if marked == sequence.steps.len() {
        violation(&mut out, sequence, row_y(marked), width);
    }
    out.push_str("</svg>");
    out
}

fn violation(out: &mut String, sequence: &Sequence, y: usize, width: usize) {
    let _ = write!(
        out,
        "<g class=\"violation\"><line x1=\"0\" y1=\"{y}\" x2=\"{width}\" y2=\"{y}\" stroke=\"#d33\" \
         stroke-width=\"2\"/><text x=\"4\" y=\"{}\" fill=\"#d33\" font-weight=\"bold\">{}</text></g>",
        y - 4,
        escaped(&plain(&sequence.violation))
    );
}

fn arrow(out: &mut String, from: usize, to: usize, y: usize, message: &str, fate: Fate) {
    let arrives = matches!(fate, Fate::Arrives { .. });
    // What is lost gets no further than half the way.
    let end = if arrives { to } else { (from + to) / 2 };
    let colour = if arrives { "currentColor" } else { "#d33" };
    let _ = write!(
        out,
        "<line class=\"message\" x1=\"{from}\" y1=\"{y}\" x2=\"{end}\" y2=\"{y}\" stroke=\"{colour}\"/>"
    );
    let tip = if to > from {
        end.saturating_sub(6)
    } else {
        end + 6
    };
    let head = match arrives {
        true => format!("M{tip} {} L{end} {y} L{tip} {}", y - 3, y + 3),
        false => format!(
            "M{} {} L{} {} M{} {} L{} {}",
            end - 4,
            y - 4,
            end + 4,
            y + 4,
            end - 4,
            y + 4,
            end + 4,
            y - 4
        ),
    };
    let class = if arrives { "head" } else { "lost" };
    let _ = write!(
        out,
        "<path class=\"{class}\" d=\"{head}\" fill=\"none\" stroke=\"{colour}\"/>\
         <text x=\"{}\" y=\"{}\" fill=\"{colour}\">{}</text>",
        from.min(to) + 8,
        y - 3,
        cut(&escaped(&plain(message)))
    );
}

/// The balancer, the servers, then the clients, as far as they occur.
fn lanes(sequence: &Sequence) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut note = |name: &String| {
        if !names.contains(name) {
            names.push(name.clone());
        }
    };
    for step in &sequence.steps {
        match &step.what {
            TraceWhat::Sent { from, to, .. } => {
                note(from);
                note(to);
            }
            TraceWhat::Event { node, .. } | TraceWhat::Ended { node, .. } => note(node),
            TraceWhat::Action { .. } => {}
        }
    }
    let rank = |name: &String| match (name.as_str(), name.parse::<ServerId>()) {
        ("balancer", _) => (0, 0),
        (_, Ok(server)) => (1, server.0),
        (_, Err(_)) => (2, 0),
    };
    names.sort_by_key(|name| (rank(name), name.clone()));
    names
}

fn lane_x(number: usize) -> usize {
    LEFT + LANE / 2 + number * LANE
}

fn x_of(lanes: &[String], name: &str) -> usize {
    lane_x(lanes.iter().position(|lane| lane == name).unwrap_or(0))
}

fn row_y(number: usize) -> usize {
    HEAD + (number + 1) * ROW
}

/// Escaped text as long as there is room for; an escape is never cut in two.
fn cut(text: &str) -> String {
    if text.chars().count() <= MOST_LETTERS {
        return text.to_owned();
    }
    let cut: String = text.chars().take(MOST_LETTERS - 1).collect();
    match cut.rfind('&') {
        Some(at) if !cut[at..].contains(';') => format!("{}…", &cut[..at]),
        _ => format!("{cut}…"),
    }
}
