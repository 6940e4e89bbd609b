//! What did not hold, as workflow commands of GitHub Actions: marks beside the plan's lines.

use super::model::{CheckResult, Outcome, RunResult, Verdict};
use super::text::plain;
use crate::plan::Plan;

/// One `::error …` line for each check that does not hold, or for the run as a whole if that is
/// where the fault lies; none for a run that passed. `file` is the plan's path in the repository.
pub fn annotations(result: &RunResult, plan: &Plan, file: &str) -> Vec<String> {
    let title = |what: &str| format!("{}: {what}", result.plan);
    let mut lines: Vec<String> = result
        .checks
        .iter()
        .filter(|check| matches!(check.outcome, Outcome::Violated | Outcome::Inconclusive))
        .map(|check| {
            let message = match check.violations.first() {
                Some(violation) => violation.message.as_str(),
                None => check.evidence.as_str(),
            };
            let text = format!("{message}\nrun again: {}", result.command);
            let line = line_of(check, result, plan);
            error(file, line, &title(&check.property), &text)
        })
        .collect();
    if lines.is_empty() && result.verdict != Verdict::Pass {
        let title = title(result.verdict.word());
        lines.push(error(file, 1, &title, &result.reasons.join("\n")));
    }
    lines
}

/// Where the plan asks for what the check judges: the fault that did not bite, or the expectation.
fn line_of(check: &CheckResult, result: &RunResult, plan: &Plan) -> usize {
    if check.property == "faults-bit" {
        let fired = |id: &str| result.faults.iter().any(|row| row.fault == id);
        let toothless = |id: &str| result.faults.iter().any(|row| row.fault == id && !row.bit);
        let guilty = plan
            .faults
            .iter()
            .find(|fault| toothless(&fault.id) || !fired(&fault.id));
        return guilty.map_or(1, |fault| fault.line);
    }
    expectation(&plan.source, &check.property).unwrap_or(1)
}

/// The line below `expect:` on which the property's key stands. Safety needs no expectation, and
/// then there is none.
fn expectation(source: &str, property: &str) -> Option<usize> {
    let key = property.replace('-', "_");
    let lines = source.lines().enumerate();
    let mut below = lines.skip_while(|(_, line)| !line.starts_with("expect:"));
    let found = below.find(|(_, line)| {
        let code = line.split(" #").next().unwrap_or_default();
        let code = code.strip_prefix("expect:").unwrap_or(code);
        code.split(['{', ',', ' '])
            .filter_map(|word| word.strip_suffix(':'))
            .any(|word| key == word || key.starts_with(&format!("{word}_")))
    });
    found.map(|(place, _)| place + 1)
}

/// <https://docs.github.com/actions/reference/workflow-commands-for-github-actions>
fn error(file: &str, line: usize, title: &str, message: &str) -> String {
    let property = |text: &str| data(&plain(text)).replace(':', "%3A").replace(',', "%2C");
    let message: Vec<String> = message.lines().map(plain).collect();
    format!(
        "::error file={},line={line},title={}::{}",
        property(file),
        property(title),
        data(&message.join("\n"))
    )
}

fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_ends_the_command_or_begins_another() {
        assert_eq!(
            error(
                "plans/a,b:c.yaml",
                3,
                "100%: x",
                "50%\r\n::error::no, really"
            ),
            "::error file=plans/a%2Cb%3Ac.yaml,line=3,title=100%25%3A x::50%25%0A::error::no, really"
        );
    }

    #[test]
    fn the_line_of_an_expectation_is_found_however_it_is_written() {
        let block =
            "name: x\n# expect: acked: nothing\nexpect:\n  unavailable: {max: 3s}\n  acked: 100%\n";
        assert_eq!(expectation(block, "acked"), Some(5));
        assert_eq!(expectation(block, "unavailable"), Some(4));
        assert_eq!(expectation(block, "agreement"), None);
        let flow = "expect: {acked: 100%, ack_latency: {p95: 1s}}";
        assert_eq!(expectation(flow, "ack-latency-p95"), Some(1));
    }
}
