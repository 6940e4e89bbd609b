//! A chat through pipes: each line that comes in is a message or a command, each message that goes
//! out is a line. Notices go to standard error.

use std::io::{self, BufRead, Write};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use super::ChatError;
use super::command::Line;
use super::conversation::{Conversation, Event, Screen};
use super::render::{Renderer, Shown};

/// Lines that may be read and not stored; more are left in the pipe.
const AHEAD: usize = 256;
/// How long the end waits while nothing goes forward.
const PATIENCE: Duration = Duration::from_secs(15);

/// Standard output for messages and answers, standard error for the rest.
pub struct Pipes {
    renderer: Renderer,
}

impl Pipes {
    pub fn new(renderer: Renderer) -> Pipes {
        Pipes { renderer }
    }
}

impl Screen for Pipes {
    fn show(&mut self, shown: &[Shown]) -> io::Result<()> {
        let mut data = String::new();
        let mut words = String::new();
        for what in shown {
            let rendered = self.renderer.render(what);
            match what {
                Shown::Message { .. } | Shown::Answer(_) => data += &rendered,
                Shown::Notice(_) | Shown::Warning(_) => words += &rendered,
            }
        }
        // With standard error gone there is nobody to tell.
        let _ = io::stderr().lock().write_all(words.as_bytes());
        if data.is_empty() {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        out.write_all(data.as_bytes())?;
        out.flush()
    }
}

/// Chats until the input ends and everything that it said is stored.
///
/// # Errors
/// See [`ChatError`].
pub fn run(mut conversation: Conversation<Pipes>, events: Sender<Event>) -> Result<(), ChatError> {
    let (grants, granted) = mpsc::channel();
    std::thread::Builder::new()
        .name("lines".into())
        .spawn(move || read_lines(&granted, &events))
        .map_err(ChatError::Input)?;
    // Commands want a chat that they can tell something of.
    while !conversation.view.is_live() && conversation.now() < PATIENCE {
        conversation.turn(Some(PATIENCE))?;
    }
    let mut under_way = 0;
    loop {
        for _ in under_way + conversation.view.unsent()..AHEAD {
            under_way += 1;
            // Once the input has ended nobody takes grants.
            let _ = grants.send(());
        }
        let turn = conversation.turn(None)?;
        under_way = under_way.saturating_sub(turn.lines);
        if turn.quit {
            break;
        }
    }
    conversation.leave(PATIENCE, |view| view.is_settled())?;
    if conversation.view.was_connected() {
        Ok(())
    } else {
        Err(ChatError::NoServer)
    }
}

/// Reads a line for each grant. Lines end with LF or CR LF; bytes that are no UTF-8 are replaced.
fn read_lines(granted: &Receiver<()>, events: &Sender<Event>) {
    let mut input = io::stdin().lock();
    let mut bytes = Vec::new();
    while granted.recv().is_ok() {
        bytes.clear();
        let event = match input.read_until(b'\n', &mut bytes) {
            Ok(0) => Event::InputEnded,
            Ok(_) => {
                let text = String::from_utf8_lossy(&bytes);
                Event::Typed(Line::parse(text.trim_end_matches(['\n', '\r'])))
            }
            Err(error) => Event::InputFailed(error),
        };
        let last = !matches!(event, Event::Typed(_));
        if events.send(event).is_err() || last {
            return;
        }
    }
}
