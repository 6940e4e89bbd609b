//! What a typed line means.

use paxosctl_node::value::Command;

/// The commands, for completion and `/help`.
pub const COMMANDS: [(&str, &str); 5] = [
    ("/who", "who is chatting, and at which server"),
    (
        "/history",
        "20 earlier messages; /history 50: the last 50; /history 10-30",
    ),
    (
        "/server",
        "the server that you talk to, and what is not stored yet",
    ),
    ("/help", "this list; `//text` says `/text`"),
    ("/quit", "leave; so does Ctrl-D"),
];

/// A line that was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Nothing but white space.
    Empty,
    /// At most [`Command::MAX_TEXT_BYTES`].
    Say(String),
    Who,
    History(Span),
    Server,
    Help,
    Quit,
    /// Nothing to say or do; the text says why, and what to type instead.
    Advice(String),
}

/// Which messages of the chat to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// Those before the earliest shown so far.
    Earlier,
    /// The last so many.
    Last(u64),
    /// By their places in the chat, counted from 1, both ends included.
    Between { first: u64, last: u64 },
}

impl Line {
    pub fn parse(typed: &str) -> Line {
        let typed = typed.trim_end();
        if typed.trim_start().is_empty() {
            return Line::Empty;
        }
        if let Some(text) = typed.strip_prefix("//") {
            return say(format!("/{text}"));
        }
        let Some(command) = typed.strip_prefix('/') else {
            return say(typed.to_owned());
        };
        let (name, rest) = command
            .split_once(char::is_whitespace)
            .unwrap_or((command, ""));
        let rest = rest.trim();
        match (name, rest) {
            ("who", "") => Line::Who,
            ("server", "") => Line::Server,
            ("help", "") => Line::Help,
            ("quit" | "exit", "") => Line::Quit,
            ("history", _) => match span(rest) {
                Some(span) => Line::History(span),
                None => Line::Advice(
                    "/history takes nothing, a number of messages (`/history 50`) or a range \
                     (`/history 10-30`)"
                        .into(),
                ),
            },
            ("who" | "server" | "help" | "quit" | "exit", _) => {
                Line::Advice(format!("/{name} takes nothing after it"))
            }
            _ => Line::Advice(format!(
                "/{name} is no command; /help lists them. To say it, type //{command}"
            )),
        }
    }
}

fn say(text: String) -> Line {
    if text.len() > Command::MAX_TEXT_BYTES {
        return Line::Advice(format!(
            "not sent: the message has {} bytes, at most {} are allowed",
            text.len(),
            Command::MAX_TEXT_BYTES
        ));
    }
    Line::Say(text)
}

fn span(text: &str) -> Option<Span> {
    if text.is_empty() {
        return Some(Span::Earlier);
    }
    let number = |text: &str| text.trim().parse().ok().filter(|&number: &u64| number > 0);
    match text.split_once('-') {
        None => number(text).map(Span::Last),
        Some((first, last)) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Span::Between { first, last })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_said_as_typed_but_for_the_white_space_behind_it() {
        assert_eq!(Line::parse("hello"), Line::Say("hello".into()));
        assert_eq!(Line::parse("  indented \r"), Line::Say("  indented".into()));
        assert_eq!(Line::parse("//who"), Line::Say("/who".into()));
        assert_eq!(Line::parse("// a comment"), Line::Say("/ a comment".into()));
        assert_eq!(Line::parse(" \t "), Line::Empty);
        assert_eq!(Line::parse(""), Line::Empty);
    }

    #[test]
    fn commands_are_understood() {
        assert_eq!(Line::parse("/who "), Line::Who);
        assert_eq!(Line::parse("/server"), Line::Server);
        assert_eq!(Line::parse("/help"), Line::Help);
        assert_eq!(Line::parse("/quit"), Line::Quit);
        assert_eq!(Line::parse("/exit"), Line::Quit);
        assert_eq!(Line::parse("/history"), Line::History(Span::Earlier));
        assert_eq!(Line::parse("/history 50"), Line::History(Span::Last(50)));
        let (first, last) = (10, 30);
        let between = Line::History(Span::Between { first, last });
        assert_eq!(Line::parse("/history 10-30"), between);
        assert_eq!(Line::parse("/history 10 - 30"), between);
    }

    #[test]
    fn a_wrong_command_gets_a_hint() {
        let wrong = |typed: &str| match Line::parse(typed) {
            Line::Advice(hint) => hint,
            other => panic!("{typed} is taken as {other:?}"),
        };
        assert_eq!(
            wrong("/etc/passwd is a file"),
            "/etc/passwd is no command; /help lists them. To say it, type //etc/passwd is a file"
        );
        assert_eq!(wrong("/who ann"), "/who takes nothing after it");
        for typed in [
            "/history x",
            "/history 0",
            "/history 5-2",
            "/history -",
            "/history 1-2-3",
        ] {
            assert!(wrong(typed).starts_with("/history takes"), "{typed}");
        }
    }

    #[test]
    fn a_text_that_is_too_long_is_not_sent() {
        let most = "x".repeat(Command::MAX_TEXT_BYTES);
        assert_eq!(Line::parse(&most), Line::Say(most.clone()));
        assert_eq!(
            Line::parse(&format!("{most}y")),
            Line::Advice("not sent: the message has 65537 bytes, at most 65536 are allowed".into())
        );
    }
}
