//! What a CI system reads: sound XML, and every check counted as what it is.

use roxmltree::{Document, Node};

use super::*;

fn child<'a, 'd>(node: Node<'a, 'd>, name: &str) -> Option<Node<'a, 'd>> {
    node.children().find(|child| child.has_tag_name(name))
}

fn case<'a, 'd>(suite: Node<'a, 'd>, name: &str) -> Node<'a, 'd> {
    suite
        .children()
        .find(|node| node.has_tag_name("testcase") && node.attribute("name") == Some(name))
        .unwrap_or_else(|| panic!("no case {name}"))
}

#[track_caller]
fn number(node: Node, name: &str) -> usize {
    let value = node.attribute(name).expect(name);
    value.parse().expect("a number")
}

#[test]
fn every_check_is_a_case_and_counts_as_what_it_is() {
    let result = every_outcome();
    let xml = junit(std::slice::from_ref(&result));
    let document = Document::parse(&xml).unwrap_or_else(|error| panic!("{error}\n{xml}"));
    let suites = document.root_element();
    let suite = child(suites, "testsuite").expect("a suite");
    assert_eq!(suite.attribute("name"), Some("a \"plan\" <&>"));
    let count = |outcome| {
        let checks = result.checks.iter();
        checks.filter(|check| check.outcome == outcome).count()
    };
    for node in [suites, suite] {
        assert_eq!(number(node, "tests"), result.checks.len());
        assert_eq!(number(node, "failures"), count(Outcome::Violated));
        assert_eq!(number(node, "errors"), 1);
        assert_eq!(number(node, "skipped"), count(Outcome::NotJudged));
    }
    assert!(count(Outcome::Violated) > 1 && count(Outcome::NotJudged) > 0);
    for check in &result.checks {
        let case = case(suite, &check.property);
        assert_eq!(case.attribute("classname"), suite.attribute("name"));
        let wanted = match check.outcome {
            Outcome::Holds => "system-out",
            Outcome::Violated => "failure",
            Outcome::Inconclusive => "error",
            Outcome::NotJudged => "skipped",
        };
        let found: Vec<&str> = case
            .children()
            .filter(Node::is_element)
            .map(|node| node.tag_name().name())
            .collect();
        assert_eq!(found, [wanted], "{}", check.property);
    }
    let seed = suite
        .descendants()
        .find(|node| node.attribute("name") == Some("seed"));
    assert_eq!(seed.and_then(|node| node.attribute("value")), Some("7"));
}

#[test]
fn a_violation_is_explained_and_its_words_stay_words() {
    let result = every_outcome();
    let xml = junit(&[result]);
    let document = Document::parse(&xml).expect("sound XML");
    let agreement = document
        .descendants()
        .find(|node| node.attribute("name") == Some("agreement"))
        .expect("the case");
    let failure = child(agreement, "failure").expect("a failure");
    let text = failure.text().expect("a text");
    for part in [
        "slot 5 holds different values on s1, s2, s3",
        "]]></failure>|`*<img src=x>\u{fffd}[31m\u{fffd}&amp;\n::error::x",
        "s1 holds bob #2 \"message 4\"",
        "run again: paxosctl run plans/story.yaml --seed 7",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    let message = failure.attribute("message").expect("a message");
    assert!(message.starts_with("slot 5 holds"), "{message}");
    assert!(!message.contains('\n'));
    let undecided = document
        .descendants()
        .find(|node| node.has_tag_name("error"))
        .expect("an error");
    assert_eq!(undecided.attribute("type"), Some("inconclusive"));
    let message = undecided.attribute("message").expect("a message");
    assert!(message.contains("&amp;\n::error::x"), "{message}");
}

#[test]
fn a_run_that_cannot_be_judged_is_an_error_and_never_green() {
    let failed = RunResult::could_not_run("story", 7, "paxosctl run x", "no port".to_string());
    let mut stopped = result(&sound());
    stopped.set_verdict(Verdict::Interrupted);
    let mut cut = result(&sound());
    cut.reasons = vec!["the history is cut short".to_string()];
    cut.set_verdict(Verdict::Inconclusive);
    let checks = cut.checks.len();
    let xml = junit(&[failed, stopped, cut, result(&sound())]);
    let document = Document::parse(&xml).expect("sound XML");
    let suites: Vec<Node> = document
        .root_element()
        .children()
        .filter(Node::is_element)
        .collect();
    let errors: Vec<usize> = suites
        .iter()
        .map(|suite| number(*suite, "errors"))
        .collect();
    assert_eq!(errors, [1, 1, 1, 0]);
    let tests: Vec<usize> = suites.iter().map(|suite| number(*suite, "tests")).collect();
    assert_eq!(tests, [1, checks + 1, checks + 1, checks]);
    let kinds: Vec<Option<&str>> = suites[..3]
        .iter()
        .map(|suite| child(case(*suite, "run"), "error").and_then(|node| node.attribute("type")))
        .collect();
    assert_eq!(
        kinds,
        [
            Some("could-not-run"),
            Some("interrupted"),
            Some("inconclusive")
        ]
    );
    assert_eq!(number(document.root_element(), "errors"), 3);
}
