//! `paxosctl chat`: a person, or a pipe, takes part in the chat of a running cluster.
//!
//! [`view`] is the chat as one person sees it, a state machine over the news of a client;
//! [`command`] understands typed lines and [`render`] makes lines of what is to be shown. Around
//! them, [`window`] is for terminals and [`plain`] for pipes.

mod command;
mod conversation;
mod feed;
mod gate;
mod local_time;
mod notices;
mod pages;
mod plain;
mod render;
mod view;
mod window;

use std::io::{self, ErrorKind, IsTerminal};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use paxosctl_node::drive::{Client, ClientConfig, ClientWork, NodeError};
use paxosctl_node::ids::{ClientId, ServerId};

use conversation::{Conversation, Event};
use local_time::LocalTime;
use plain::Pipes;
use render::{Renderer, Style};
use view::View;

/// Who chats where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatOptions {
    /// The name that the person speaks under.
    pub name: String,
    /// The cluster's id.
    pub cluster: u64,
    pub cluster_name: String,
    pub balancer: SocketAddr,
    /// The cluster's directory; the window keeps its things in `chat/NAME/` below it.
    pub dir: PathBuf,
}

/// Why a chat could not begin or did not end well, for a person to read.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    #[error(
        "the name `{}` cannot be used in a chat: {why}; choose another: `--name NAME`",
        render::clean(name)
    )]
    Name { name: String, why: &'static str },
    #[error("cannot make the directory {}: {source}", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Client(#[from] NodeError),
    #[error("cannot use the terminal: {0}; `paxosctl chat | cat` does without")]
    Terminal(String),
    #[error("cannot read standard input: {0}")]
    Input(io::Error),
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
    #[error(
        "{} not acknowledged in time, and may be lost; `paxosctl ps` shows the servers",
        messages(*count)
    )]
    NotStored { count: usize },
    #[error("no server of the cluster could be reached; `paxosctl ps` shows what runs")]
    NoServer,
}

fn messages(count: usize) -> String {
    match count {
        1 => "1 message was".into(),
        many => format!("{many} messages were"),
    }
}

/// Chats until the person leaves, or the input ends and everything that it said is stored.
///
/// # Errors
/// See [`ChatError`]. A reader of standard output who goes away is none.
pub fn run(options: ChatOptions) -> Result<(), ChatError> {
    check_name(&options.name)?;
    let dir = options.dir.join("chat").join(file_name(&options.name));
    std::fs::create_dir_all(&dir).map_err(|source| ChatError::Directory {
        path: dir.clone(),
        source,
    })?;
    match chat(&options, &dir) {
        Err(ChatError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        ended => ended,
    }
}

fn chat(options: &ChatOptions, dir: &Path) -> Result<(), ChatError> {
    let dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb" || term.is_empty());
    let terminal = io::stdin().is_terminal() && io::stdout().is_terminal() && !dumb;
    let colour = terminal && std::env::var("NO_COLOR").map_or(true, |value| value.is_empty());
    let today = LocalTime::now().map(|now| now.day);
    let renderer = Renderer::new(Style { terminal, colour }, LocalTime::of, today);

    let (events, arriving) = mpsc::channel();
    let me = ClientId(rand::random());
    let config = ClientConfig {
        cluster: options.cluster,
        name: options.name.clone(),
        client: Some(me),
        balancer: options.balancer,
        dir: dir.to_owned(),
        work: ClientWork::Scripted,
    };
    let started = Instant::now();
    let told = events.clone();
    let client = Client::start(config, move |news| {
        // When nobody listens any more the chat is about to end.
        let _ = told.send(Event::News(news));
    })?;
    let cluster_name = options.cluster_name.clone();
    let balancer = options.balancer.to_string();
    let view = View::new(me, cluster_name, balancer, terminal, Duration::ZERO);
    let conversation = Conversation::new(client, arriving, started, view);
    if terminal {
        window::run(conversation, renderer, events, dir, options)
    } else {
        plain::run(conversation.on(Pipes::new(renderer)), events)
    }
}

/// Refuses names that nobody could tell from another node's, or could not read.
fn check_name(name: &str) -> Result<(), ChatError> {
    let why = if name.trim().is_empty() {
        "it is empty"
    } else if name.chars().any(char::is_control) {
        "it has control characters"
    } else if name == "balancer" || name.parse::<ServerId>().is_ok() {
        "a node of the cluster has it"
    } else {
        return Ok(());
    };
    Err(ChatError::Name {
        name: name.to_owned(),
        why,
    })
}

/// A file name for any name of a speaker: what could mean something else in a path is written as
/// `%` and two hexadecimal digits.
fn file_name(name: &str) -> String {
    name.chars()
        .map(|character| match character {
            plain if plain.is_alphanumeric() || plain == '-' || plain == '_' => plain.to_string(),
            other => {
                let mut bytes = [0; 4];
                let bytes = other.encode_utf8(&mut bytes).bytes();
                bytes.map(|byte| format!("%{byte:02x}")).collect()
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_within_the_directory() {
        assert_eq!(file_name("ann"), "ann");
        assert_eq!(file_name("Jörg_2-b"), "Jörg_2-b");
        assert_eq!(file_name("../../etc"), "%2e%2e%2f%2e%2e%2fetc");
        assert_eq!(file_name("a b%"), "a%20b%25");
        assert_eq!(file_name(".."), "%2e%2e");
        assert_eq!(file_name("👋"), "%f0%9f%91%8b");
    }

    #[test]
    fn names_of_nodes_and_names_that_cannot_be_read_are_refused() {
        for name in ["ann", "s", "s0", "server1", "the balancer"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "  ", "a\nb", "\x1b[2J", "s1", "s70", "balancer"] {
            assert!(check_name(name).is_err(), "{name}");
        }
        assert_eq!(
            check_name("s2").unwrap_err().to_string(),
            "the name `s2` cannot be used in a chat: a node of the cluster has it; choose another: \
             `--name NAME`"
        );
    }

    #[test]
    fn what_is_not_stored_is_counted() {
        assert_eq!(
            ChatError::NotStored { count: 1 }.to_string(),
            "1 message was not acknowledged in time, and may be lost; `paxosctl ps` shows the servers"
        );
        let many = ChatError::NotStored { count: 7 }.to_string();
        assert!(
            many.starts_with("7 messages were not acknowledged in time"),
            "{many}"
        );
    }
}
