//! A chat on a terminal: a line that is being typed at the bottom, and messages above it.
//!
//! The editor has the main thread. Everything else happens on a second one, and reaches the screen
//! through the editor, which puts it above the line being typed. When a line is complete the editor
//! leaves it on the screen; it is taken away, since it comes again as a message once it is chosen.

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{
    Cmd, CompletionType, ConditionalEventHandler, Config, Context, Editor, Event as Keys,
    EventContext, EventHandler, ExternalPrinter, Helper, KeyEvent, RepeatCount,
};
use unicode_width::UnicodeWidthChar;

use super::command::{COMMANDS, Line};
use super::conversation::{Conversation, Event, Screen};
use super::gate::Gate;
use super::render::{Renderer, Shown};
use super::{ChatError, ChatOptions, render};

const PROMPT: &str = "> ";
/// Typed lines that are remembered, over all sessions.
const REMEMBERED: usize = 1000;
/// How long the end waits for messages that are not stored.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is shown goes above the line being typed, or straight out once there is none.
pub struct Terminal {
    renderer: Renderer,
    gate: Arc<Gate>,
    /// None once the editor is gone.
    printer: Option<Box<dyn ExternalPrinter + Send>>,
    /// What waits for the gate.
    waiting: String,
}

impl Screen for Terminal {
    fn show(&mut self, shown: &[Shown]) -> io::Result<()> {
        for what in shown {
            self.waiting += &self.renderer.render(what);
        }
        if self.waiting.is_empty() {
            return Ok(());
        }
        if let Some(printer) = &mut self.printer {
            let Some(_passage) = self.gate.pass() else {
                return Ok(());
            };
            if printer.print(self.waiting.clone()).is_ok() {
                self.waiting.clear();
                return Ok(());
            }
            // The editor is gone while the message waited for it.
            self.printer = None;
        }
        let mut out = io::stdout().lock();
        out.write_all(self.waiting.as_bytes())?;
        self.waiting.clear();
        out.flush()
    }
}

/// Chats until the person leaves.
///
/// # Errors
/// See [`ChatError`].
pub fn run(
    conversation: Conversation<()>,
    renderer: Renderer,
    events: Sender<Event>,
    dir: &Path,
    options: &ChatOptions,
) -> Result<(), ChatError> {
    let gate = Arc::new(Gate::new(events.clone()));
    let mut editor = new_editor(&gate).map_err(terminal_error)?;
    let remembered = dir.join("typed");
    // Without them only the arrow keys have less to offer.
    let _ = editor.load_history(&remembered);
    let printer = editor.create_external_printer().map_err(terminal_error)?;
    let mut conversation = conversation.on(Terminal {
        renderer,
        gate: Arc::clone(&gate),
        printer: Some(Box::new(printer)),
        waiting: String::new(),
    });
    greet(options).map_err(ChatError::Output)?;
    let chat = std::thread::Builder::new()
        .name("chat".into())
        .spawn(move || {
            while !conversation.turn(None)?.quit {}
            conversation.screen.printer = None;
            let unsent = conversation.view.unsent();
            if unsent > 0 {
                let text = format!(
                    "{unsent} of your messages not stored yet: waiting up to {} s for that; Ctrl-C \
                     gives up",
                    PATIENCE.as_secs()
                );
                (conversation.screen.show(&[Shown::Warning(text)])).map_err(ChatError::Output)?;
            }
            conversation.leave(PATIENCE, |view| view.unsent() == 0)
        })
        .map_err(|error| ChatError::Terminal(error.to_string()))?;

    let typed = read_lines(&mut editor, &gate, &events, &remembered);
    // From here on nothing waits for the editor.
    drop(editor);
    let _ = events.send(Event::InputEnded);
    let left = chat
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    typed.and(left)
}

fn greet(options: &ChatOptions) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{}, welcome to {}. /help lists the commands, Ctrl-D leaves.",
        render::clean(&options.name),
        render::clean(&options.cluster_name)
    )
}

/// Passes typed lines on until the person wants to leave.
fn read_lines(
    editor: &mut Editor<Help, FileHistory>,
    gate: &Gate,
    events: &Sender<Event>,
    remembered: &Path,
) -> Result<(), ChatError> {
    let mut interrupted = false;
    loop {
        gate.opening();
        let read = editor.readline(PROMPT);
        let on_screen = gate.typed();
        match read {
            Ok(text) => {
                take_away(editor, &text)?;
                interrupted = false;
                let line = Line::parse(&text);
                if line != Line::Empty && editor.add_history_entry(&text).unwrap_or(false) {
                    let _ = editor.append_history(remembered);
                }
                let quit = line == Line::Quit;
                // The chat has ended only if its thread failed, which the caller sees.
                if events.send(Event::Typed(line)).is_err() || quit {
                    return Ok(());
                }
            }
            Err(ReadlineError::Interrupted) => {
                take_away(editor, &on_screen)?;
                if !on_screen.is_empty() {
                    interrupted = false;
                } else if interrupted {
                    return Ok(());
                } else {
                    interrupted = true;
                    let hint = "Ctrl-C once more leaves, and so does Ctrl-D".to_owned();
                    let _ = events.send(Event::Typed(Line::Advice(hint)));
                }
            }
            Err(ReadlineError::Eof) => {
                return take_away(editor, "");
            }
            Err(error) => return Err(terminal_error(error)),
        }
    }
}

/// Clears the rows in which the editor left a complete line.
fn take_away(editor: &mut Editor<Help, FileHistory>, text: &str) -> Result<(), ChatError> {
    let columns = editor.dimensions().map_or(80, |(columns, _)| columns);
    let rows = rows_down(PROMPT, text, usize::from(columns)) + 1;
    let mut out = io::stdout().lock();
    write!(out, "\x1b[{rows}A\r\x1b[J")
        .and_then(|()| out.flush())
        .map_err(ChatError::Output)
}

/// How many rows below its first one the cursor stands behind a line, as the editor lays it out:
/// wide characters do not fit half, and behind a full row it stands in the next one.
fn rows_down(prompt: &str, text: &str, columns: usize) -> usize {
    const TAB: usize = 8;
    let (mut rows, mut column) = (0, 0);
    for character in prompt.chars().chain(text.chars()) {
        if character == '\n' {
            rows += 1;
            column = 0;
            continue;
        }
        let width = match character {
            '\t' => TAB - column % TAB,
            other => other.width().unwrap_or(0),
        };
        column += width;
        if column > columns {
            rows += 1;
            column = width;
        }
    }
    rows + usize::from(column >= columns)
}

fn terminal_error(error: ReadlineError) -> ChatError {
    ChatError::Terminal(error.to_string())
}

fn new_editor(gate: &Arc<Gate>) -> Result<Editor<Help, FileHistory>, ReadlineError> {
    let config = Config::builder()
        .max_history_size(REMEMBERED)?
        .history_ignore_dups(true)?
        .auto_add_history(false)
        .completion_type(CompletionType::List)
        .build();
    let mut editor = Editor::with_config(config)?;
    editor.set_helper(Some(Help {
        gate: Arc::clone(gate),
    }));
    for (keys, command) in [
        (KeyEvent::from('\r'), Cmd::AcceptLine),
        (KeyEvent::ctrl('J'), Cmd::AcceptLine),
        (KeyEvent::ctrl('C'), Cmd::Interrupt),
        (KeyEvent::ctrl('D'), Cmd::EndOfFile),
    ] {
        let gate = Arc::clone(gate);
        let closes = Closes { gate, command };
        editor.bind_sequence(keys, EventHandler::Conditional(Box::new(closes)));
    }
    Ok(editor)
}

/// A key that ends the line: closes the gate before the line leaves the editor.
struct Closes {
    gate: Arc<Gate>,
    command: Cmd,
}

impl ConditionalEventHandler for Closes {
    fn handle(&self, _: &Keys, _: RepeatCount, _: bool, line: &EventContext) -> Option<Cmd> {
        // Ctrl-D in a line deletes a character, as everywhere.
        if self.command == Cmd::EndOfFile && !line.line().is_empty() {
            return None;
        }
        self.gate.close(line.line());
        Some(self.command.clone())
    }
}

/// Completes commands, and notices that the prompt is there.
struct Help {
    gate: Arc<Gate>,
}

impl Helper for Help {}
impl Validator for Help {}
impl Highlighter for Help {
    fn highlight_candidate<'c>(&self, candidate: &'c str, _: CompletionType) -> Cow<'c, str> {
        Cow::Borrowed(candidate)
    }
}

impl Hinter for Help {
    type Hint = String;

    /// The editor asks for a hint whenever it shows the line.
    fn hint(&self, _: &str, _: usize, _: &Context<'_>) -> Option<String> {
        self.gate.shown();
        None
    }
}

impl Completer for Help {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let typed = line.get(..position).unwrap_or_default();
        if !typed.starts_with('/') {
            return Ok((position, Vec::new()));
        }
        let names = COMMANDS.iter().map(|(name, _)| *name);
        let fitting = names.filter(|name| name.starts_with(typed));
        Ok((0, fitting.map(str::to_owned).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_as_the_editor_lays_them_out() {
        assert_eq!(rows_down("> ", "", 10), 0);
        assert_eq!(rows_down("> ", "1234567", 10), 0);
        // A full row: the cursor is in the next one.
        assert_eq!(rows_down("> ", "12345678", 10), 1);
        assert_eq!(rows_down("> ", "123456789", 10), 1);
        assert_eq!(rows_down("> ", &"x".repeat(28), 10), 3);
        // The second half of a wide character does not fit.
        assert_eq!(rows_down("> ", "1234567日x", 10), 1);
        assert_eq!(rows_down("> ", "日本語日", 10), 1);
        assert_eq!(rows_down("> ", "日本語日日日日日日", 10), 2);
        // An accent of its own takes no place.
        assert_eq!(rows_down("> ", "1234567\u{301}", 10), 0);
        assert_eq!(rows_down("> ", "a\nb\nc", 10), 2);
        assert_eq!(rows_down("> ", "a\tbc", 10), 1);
    }
}
