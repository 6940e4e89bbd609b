//! Every page of the chat that a client asked for is the same stretch of the same log (P5).

use super::context::Context;
use super::findings::Findings;
use crate::history::Page;
use crate::report::{CheckResult, Violation, clip, count};
use paxosctl_node::event::page_digest;

pub(crate) fn check(context: &Context) -> CheckResult {
    let mut findings = Findings::new(context, "pages");
    let evidence = context.evidence;
    let pages: u64 = evidence.sessions.iter().map(|s| s.pages.len() as u64).sum();
    if pages == 0 {
        return findings.not_judged("no pages");
    }
    if !evidence.replicas.iter().any(Context::readable) {
        findings.undecided("no replica's log could be read".to_string());
        return findings.finish(String::new());
    }
    let mut messages = 0;
    for session in &evidence.sessions {
        for page in &session.pages {
            messages += page.count;
            let Some(problem) = problem(context, page) else {
                continue;
            };
            findings.violate(|| Violation {
                message: format!(
                    "{} was shown a page of {} from index {} on, {problem}",
                    clip(&session.name, 40),
                    count(page.count, "message"),
                    page.first,
                ),
                at_us: Some(page.at_us),
                ..Violation::default()
            });
        }
    }
    findings.finish(format!(
        "{} of {}",
        count(pages, "page"),
        count(messages, "message")
    ))
}

fn problem(context: &Context, page: &Page) -> Option<String> {
    if page.count == 0 {
        return None;
    }
    let chat = context.evidence.chat();
    let stretch = page.first.checked_sub(1).and_then(|from| {
        let to = from.checked_add(page.count)?;
        chat.get(usize::try_from(from).ok()?..usize::try_from(to).ok()?)
    });
    let Some(stretch) = stretch else {
        if context.is_after_reads(page.at_us) {
            return None;
        }
        return Some(format!(
            "but the log has {}",
            count(chat.len() as u64, "message")
        ));
    };
    let digest = page_digest(
        stretch
            .iter()
            .map(|applied| (applied.client, applied.seq, applied.digest)),
    );
    (digest != page.digest).then(|| "and the log holds something else there".to_string())
}
