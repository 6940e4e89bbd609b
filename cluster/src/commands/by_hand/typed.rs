//! From what was typed to an item of a plan's faults.

use super::breaks::BreakRequest;
use crate::cli::{BreakTyped, DownArgs, LinkArgs};
use crate::state::{Clusters, TypedFault};

impl BreakRequest {
    pub(in crate::commands) fn new(typed: BreakTyped, clusters: Clusters) -> BreakRequest {
        match typed {
            BreakTyped::Kill(args) => down("kill", args, clusters),
            BreakTyped::Stop(args) => down("stop", args, clusters),
            BreakTyped::Restart { target, on } => BreakRequest {
                typed: plain("restart", target),
                lasts: None,
                cluster: on.cluster,
                clusters,
            },
            BreakTyped::Pause { target, lasts, on } => BreakRequest {
                typed: plain("pause", target),
                lasts: lasts.lasts.map(|length| ("for", length)),
                cluster: on.cluster,
                clusters,
            },
            BreakTyped::Partition { groups, lasts, on } => BreakRequest {
                typed: plain("partition", groups),
                lasts: lasts.lasts.map(|length| ("for", length)),
                cluster: on.cluster,
                clusters,
            },
            BreakTyped::Delay {
                by,
                jitter,
                distribution,
                links,
            } => {
                let options = [
                    ("by", Some(by)),
                    ("jitter", jitter),
                    ("distribution", distribution),
                ];
                linked("delay", options, links, clusters)
            }
            BreakTyped::Mode {
                target,
                mode,
                lasts,
                on,
            } => BreakRequest {
                typed: TypedFault {
                    options: Some(vec![("mode".to_owned(), mode)]),
                    ..plain("mode", target)
                },
                lasts: lasts.lasts.map(|length| ("for", length)),
                cluster: on.cluster,
                clusters,
            },
            BreakTyped::Drop(links) => linked("drop", [], links, clusters),
            BreakTyped::Duplicate { copies, links } => {
                linked("duplicate", [("copies", copies)], links, clusters)
            }
            BreakTyped::Reorder { within, links } => {
                linked("reorder", [("within", within)], links, clusters)
            }
        }
    }
}

fn plain(verb: &str, on: String) -> TypedFault {
    TypedFault {
        verb: verb.to_owned(),
        on,
        options: None,
    }
}

fn down(verb: &str, args: DownArgs, clusters: Clusters) -> BreakRequest {
    BreakRequest {
        typed: plain(verb, args.target),
        lasts: args.restart_after.map(|length| ("restart_after", length)),
        cluster: args.on.cluster,
        clusters,
    }
}

fn linked<const N: usize>(
    verb: &str,
    own: [(&str, Option<String>); N],
    args: LinkArgs,
    clusters: Clusters,
) -> BreakRequest {
    let kinds = (!args.kinds.is_empty()).then(|| args.kinds.join(","));
    let shared = [
        ("kinds", kinds),
        ("probability", args.probability),
        ("side", args.side),
    ];
    let options = own
        .into_iter()
        .chain(shared)
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect();
    BreakRequest {
        typed: TypedFault {
            options: Some(options),
            ..plain(verb, args.link)
        },
        lasts: args.lasts.lasts.map(|length| ("for", length)),
        cluster: args.on.cluster,
        clusters,
    }
}
