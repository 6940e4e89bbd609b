use std::path::Path;

use super::*;

fn read_text(text: &str) -> Node {
    let mut errors = Errors::new(Path::new("x.yaml"), text);
    read(text, &mut errors).unwrap_or_else(|| panic!("{}", errors.finish::<()>(None).unwrap_err()))
}

/// Every scalar as `line:column+length text`, depth first.
fn scalars(node: &Node, found: &mut Vec<String>) {
    let Place {
        line,
        column,
        length,
        ..
    } = node.place;
    match &node.content {
        Content::Empty => found.push(format!("{line}:{column}+{length} ~")),
        Content::Text(text) => found.push(format!("{line}:{column}+{length} {}", text.text)),
        Content::List(nodes) => nodes.iter().for_each(|node| scalars(node, found)),
        Content::Map(entries) => entries.iter().for_each(|(key, value)| {
            scalars(key, found);
            scalars(value, found);
        }),
    }
}

fn places(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    scalars(&read_text(text), &mut found);
    found
}

#[test]
fn every_scalar_knows_its_place() {
    let text = "a: 1\nbé: [x, 'y z', \"w\"]\nc:\n  - {d: 1e3, e: 007}\n  - true\n  - -1.50\n";
    assert_eq!(
        places(text),
        [
            "1:1+1 a",
            "1:4+1 1",
            "2:1+2 bé",
            "2:6+1 x",
            "2:9+5 y z",
            "2:16+3 w",
            "3:1+1 c",
            "4:6+1 d",
            "4:9+3 1e3",
            "4:14+1 e",
            "4:17+3 007",
            "5:5+4 true",
            "6:5+5 -1.50",
        ]
    );
}

#[test]
fn escapes_several_lines_and_nothing() {
    assert_eq!(
        places("a: \"x\\ty\"\nb: |\n  one\n  two\nc:\nd: ~\ne: []\nf: ''\n"),
        [
            "1:1+1 a",
            "1:4+6 x\ty",
            "2:1+1 b",
            "2:4+1 one\ntwo\n",
            "5:1+1 c",
            "5:1+1 ~",
            "6:1+1 d",
            "6:4+1 ~",
            "7:1+1 e",
            "8:1+1 f",
            "8:4+2 ",
        ]
    );
}

#[test]
fn anchors_are_repeated_with_the_place_of_their_text() {
    assert_eq!(
        places("a: &t 12\nb: *t\nc: &m {x: y}\nd: *m\n"),
        [
            "1:1+1 a", "1:7+2 12", "2:1+1 b", "1:7+2 12", "3:1+1 c", "3:8+1 x", "3:11+1 y",
            "4:1+1 d", "3:8+1 x", "3:11+1 y",
        ]
    );
}

#[test]
fn the_very_first_scalar_and_a_root_that_is_a_scalar() {
    assert_eq!(places("word"), ["1:1+1 word"]);
    assert_eq!(read_text("").content, Content::Empty);
    assert_eq!(read_text("# nothing\n").content, Content::Empty);
}

#[test]
fn a_part_of_a_text_has_a_place_of_its_own() {
    let at = |text: &str| {
        let Content::Map(entries) = read_text(text).content else {
            panic!("a map");
        };
        let place = entries[0].1.part(4, 2);
        (place.column, place.length)
    };
    assert_eq!(at("k: s1, s9"), (8, 2));
    assert_eq!(at("k: \"s1, s9\""), (9, 2));
    // With an escape the characters do not correspond: the whole text is meant.
    assert_eq!(at("k: \"s1,\\ts9\""), (4, 9));
}

#[test]
fn what_is_not_yaml_is_told_with_its_place() {
    for (text, line, message) in [
        (
            "a: [1, 2",
            1,
            "this is not YAML: did not find expected ',' or ']'",
        ),
        (
            "a: 1\n b: 2",
            2,
            "this is not YAML: mapping values are not allowed in this context",
        ),
        ("a: !x 1", 1, "a YAML tag"),
        ("a: *b", 1, "this is not YAML: unknown anchor"),
        (
            "a: 1\n---\nb: 2",
            1,
            "this is not YAML: deserializing from YAML containing more than one document is not supported",
        ),
    ] {
        let mut errors = Errors::new(Path::new("x.yaml"), text);
        assert_eq!(read(text, &mut errors), None, "{text}");
        let told = errors.finish::<()>(None).unwrap_err().errors;
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].line, told[0].message.as_str()), (line, message));
        assert!(told[0].help.is_some());
    }
}

#[test]
fn aliases_cannot_blow_up() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let below = format!("*a{}", level - 1);
        let row = vec![below; 9].join(", ");
        text += &format!("a{level}: &a{level} [{row}]\n");
    }
    let mut errors = Errors::new(Path::new("x.yaml"), &text);
    assert_eq!(read(&text, &mut errors), None);
}
