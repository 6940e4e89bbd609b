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
            BreakTyped::Delay { by, jitter, links } => {
                let by = Some(("by".to_owned(), by));
                let jitter = jitter.map(|jitter| ("jitter".to_owned(), jitter));
                linked("delay", by.into_iter().chain(jitter), links, clusters)
            }
            BreakTyped::Drop(links) => linked("drop", [], links, clusters),
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

fn linked(
    verb: &str,
    more: impl IntoIterator<Item = (String, String)>,
    args: LinkArgs,
    clusters: Clusters,
) -> BreakRequest {
    let mut options: Vec<(String, String)> = more.into_iter().collect();
    if !args.kinds.is_empty() {
        options.push(("kinds".to_owned(), args.kinds.join(",")));
    }
    options.extend(
        args.probability
            .map(|share| ("probability".to_owned(), share)),
    );
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
