//! How things look on a terminal and in a pipe. Nothing that another person wrote can move the
//! cursor, change colours or pretend to be another line.

use paxosctl_chaos::fnv::fnv1a;
use paxosctl_node::value::Command;

use super::local_time::{Day, LocalTime};

/// Rows and characters of one message that a terminal shows; the rest is counted.
const MOST_ROWS: usize = 40;
const MOST_CHARACTERS: usize = 4000;

const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const YELLOW: &str = "\x1b[33m";
const PLAIN: &str = "\x1b[0m";

/// Speakers' colours: those that can be read on light and dark, without the yellow of warnings.
const COLOURS: [&str; 6] = [
    "\x1b[36m", "\x1b[32m", "\x1b[35m", "\x1b[94m", "\x1b[95m", "\x1b[31m",
];

/// Something to be shown to the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// A message of the chat.
    Message {
        command: Command,
        /// Said in this window.
        own: bool,
        /// The message's place in the chat, to be shown with it.
        place: Option<u64>,
    },
    /// What the chat itself has to say, a line.
    Notice(String),
    /// The same, when the person should know it at once.
    Warning(String),
    /// The answer to a command, in lines.
    Answer(Vec<String>),
}

/// Where the output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// A person looks at it: long messages are cut, line breaks are shown as such, and days are
    /// marked. If not, each message is exactly one line.
    pub terminal: bool,
    pub colour: bool,
}

/// Turns things to be shown into lines.
#[derive(Debug)]
pub struct Renderer {
    style: Style,
    local_time: fn(u64) -> Option<LocalTime>,
    /// The day of the last message that was shown.
    day: Option<Day>,
}

impl Renderer {
    /// Messages of the day `today` need no mark of their day.
    pub fn new(
        style: Style,
        local_time: fn(u64) -> Option<LocalTime>,
        today: Option<Day>,
    ) -> Renderer {
        Renderer {
            style,
            local_time,
            day: today,
        }
    }

    /// The lines, each with its end.
    pub fn render(&mut self, shown: &Shown) -> String {
        match shown {
            Shown::Message {
                command,
                own,
                place,
            } => self.message(command, *own, *place),
            Shown::Notice(text) => self.painted(DIM, &format!("· {}", clean(text))) + "\n",
            Shown::Warning(text) => self.painted(YELLOW, &format!("! {}", clean(text))) + "\n",
            Shown::Answer(lines) => lines
                .iter()
                .map(|line| format!("  {}\n", clean(line)))
                .collect(),
        }
    }

    fn message(&mut self, command: &Command, own: bool, place: Option<u64>) -> String {
        let time = (self.local_time)(command.at_ms);
        let mut out = match time {
            Some(time) => self.new_day(time.day),
            None => String::new(),
        };
        if let Some(place) = place {
            out += &self.painted(DIM, &format!("#{place}"));
            out.push(' ');
        }
        let clock = match time {
            Some(time) => format!("{:02}:{:02}", time.hour, time.minute),
            None => "--:--".into(),
        };
        out += &self.painted(DIM, &clock);
        out.push(' ');
        out += &self.name(&command.name, own);
        out += ": ";
        out += &self.text(&command.text);
        out.push('\n');
        out
    }

    fn new_day(&mut self, day: Day) -> String {
        if !self.style.terminal || self.day == Some(day) {
            return String::new();
        }
        self.day = Some(day);
        self.painted(DIM, &format!("— {} —", written(day))) + "\n"
    }

    fn name(&self, name: &str, own: bool) -> String {
        let clean = match clean(name).trim() {
            "" => "(no name)".to_owned(),
            clean => clean.to_owned(),
        };
        match (own, self.style.colour) {
            (true, true) => self.painted(BOLD, &clean),
            (true, false) if self.style.terminal => format!("{clean} (you)"),
            (false, true) => self.painted(colour_of(name), &clean),
            (_, false) => clean,
        }
    }

    fn text(&self, text: &str) -> String {
        let text = text.replace("\r\n", "\n");
        let breaks = [
            '\n', '\r', '\u{2028}', '\u{2029}', '\u{b}', '\u{c}', '\u{85}',
        ];
        let mut rows = text.split(breaks);
        if !self.style.terminal {
            return clean(&rows.collect::<Vec<_>>().join(" ⏎ "));
        }
        let mut out = String::new();
        let mut left = MOST_CHARACTERS;
        let mut cut = 0;
        for (number, row) in rows.by_ref().enumerate() {
            let characters = row.chars().count();
            if number >= MOST_ROWS || left == 0 {
                cut += characters;
                continue;
            }
            if number > 0 {
                out += "\n      ";
            }
            out.extend(row.chars().take(left).map(harmless));
            cut += characters.saturating_sub(left);
            left = left.saturating_sub(characters);
        }
        if cut > 0 {
            let more = format!(" … {cut} more characters");
            out += &self.painted(DIM, &more);
        }
        out
    }

    fn painted(&self, code: &str, text: &str) -> String {
        if self.style.colour {
            format!("{code}{text}{PLAIN}")
        } else {
            text.to_owned()
        }
    }
}

/// The text without anything that a terminal would act on.
pub fn clean(text: &str) -> String {
    text.chars().map(harmless).collect()
}

/// Control characters, and those that turn the direction of writing around, which could make a
/// line look like another.
fn harmless(character: char) -> char {
    match character {
        '\t' => ' ',
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' => '\u{fffd}',
        control if control.is_control() => '\u{fffd}',
        other => other,
    }
}

/// The same for a name in every window and at every time.
fn colour_of(name: &str) -> &'static str {
    COLOURS[(fnv1a(name.bytes()) % COLOURS.len() as u64) as usize]
}

fn written(day: Day) -> String {
    const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let name = |names: &[&'static str], number: u8| *names.get(usize::from(number)).unwrap_or(&"?");
    format!(
        "{} {} {} {}",
        name(&WEEKDAYS, day.weekday),
        day.day,
        name(&MONTHS, day.month),
        day.year
    )
}

#[cfg(test)]
mod tests {
    use paxosctl_node::ids::ClientId;

    use super::*;

    /// Days of 24 hours from Thursday, 1 January 1970 on; enough for one month.
    fn utc(at_ms: u64) -> Option<LocalTime> {
        let minutes = at_ms / 60_000;
        let days = u8::try_from(minutes / 1440).ok()?;
        Some(LocalTime {
            day: Day {
                year: 1970,
                month: 0,
                day: days + 1,
                weekday: (days + 4) % 7,
            },
            hour: (minutes / 60 % 24) as u8,
            minute: (minutes % 60) as u8,
        })
    }

    fn renderer(terminal: bool, colour: bool) -> Renderer {
        let today = utc(0).map(|time| time.day);
        Renderer::new(Style { terminal, colour }, utc, today)
    }

    fn message(name: &str, at_ms: u64, text: &str) -> Shown {
        Shown::Message {
            command: Command {
                client: ClientId(1),
                seq: 1,
                name: name.into(),
                at_ms,
                text: text.into(),
            },
            own: false,
            place: None,
        }
    }

    fn own(shown: Shown) -> Shown {
        match shown {
            Shown::Message { command, place, .. } => Shown::Message {
                command,
                own: true,
                place,
            },
            other => other,
        }
    }

    const NOON_MS: u64 = 12 * 3_600_000 + 3 * 60_000;

    #[test]
    fn a_message_shows_its_time_and_speaker() {
        let hi = message("ann", NOON_MS, "hi there");
        assert_eq!(renderer(true, false).render(&hi), "12:03 ann: hi there\n");
        assert_eq!(renderer(false, false).render(&hi), "12:03 ann: hi there\n");
        assert_eq!(
            renderer(true, true).render(&hi),
            "\x1b[2m12:03\x1b[0m \x1b[36mann\x1b[0m: hi there\n"
        );
    }

    #[test]
    fn ones_own_name_is_told_apart() {
        let hi = own(message("ann", NOON_MS, "hi"));
        assert_eq!(renderer(true, false).render(&hi), "12:03 ann (you): hi\n");
        assert_eq!(renderer(false, false).render(&hi), "12:03 ann: hi\n");
        assert_eq!(
            renderer(true, true).render(&hi),
            "\x1b[2m12:03\x1b[0m \x1b[1mann\x1b[0m: hi\n"
        );
    }

    #[test]
    fn a_speaker_keeps_a_colour_and_speakers_have_several() {
        let names = ["ann", "bob", "cy", "dan", "eve", "fay", "gus", "hal"];
        let mut colours: Vec<_> = names.iter().map(|name| colour_of(name)).collect();
        assert_eq!(colours[0], colour_of("ann"));
        colours.sort_unstable();
        colours.dedup();
        assert!(colours.len() >= 4, "{colours:?}");
    }

    #[test]
    fn nothing_that_others_write_reaches_the_terminal_as_a_command() {
        let nasty = message(
            "\x1b]0;root\x07bob\u{202e}",
            NOON_MS,
            "\x1b[2J\x1b[31mred\u{9b}H\x08\x7f\ttab\u{2066}",
        );
        assert_eq!(
            renderer(true, false).render(&nasty),
            "12:03 \u{fffd}]0;root\u{fffd}bob\u{fffd}: \
             \u{fffd}[2J\u{fffd}[31mred\u{fffd}H\u{fffd}\u{fffd} tab\u{fffd}\n"
        );
        assert_eq!(
            renderer(true, false).render(&Shown::Warning("lost s1 (\x1b[2J)".into())),
            "! lost s1 (\u{fffd}[2J)\n"
        );
        assert_eq!(
            renderer(true, false).render(&Shown::Answer(vec!["s1  \x1bc".into()])),
            "  s1  \u{fffd}c\n"
        );
        for byte in (0..=0x1f).chain(0x7f..=0x9f) {
            let character = char::from(byte);
            assert!(!harmless(character).is_control(), "{byte:#x}");
        }
    }

    #[test]
    fn a_line_break_cannot_pretend_to_be_a_message() {
        let two = message("bob", NOON_MS, "one\r\n12:03 ann: two\u{2028}three");
        assert_eq!(
            renderer(true, false).render(&two),
            "12:03 bob: one\n      12:03 ann: two\n      three\n"
        );
        assert_eq!(
            renderer(false, false).render(&two),
            "12:03 bob: one ⏎ 12:03 ann: two ⏎ three\n"
        );
    }

    #[test]
    fn a_name_is_never_empty() {
        let hi = message(" \t", NOON_MS, "hi");
        assert_eq!(renderer(true, false).render(&hi), "12:03 (no name): hi\n");
    }

    #[test]
    fn a_huge_message_does_not_fill_the_terminal() {
        let long = message("bob", NOON_MS, &"é".repeat(MOST_CHARACTERS + 7));
        let shown = renderer(true, false).render(&long);
        assert!(shown.ends_with("éé … 7 more characters\n"), "{shown}");
        let whole = renderer(false, false).render(&long);
        assert_eq!(
            whole.chars().count(),
            "12:03 bob: \n".len() + MOST_CHARACTERS + 7
        );
        let rows = message("bob", NOON_MS, &"x\n".repeat(100));
        let shown = renderer(true, false).render(&rows);
        assert_eq!(shown.lines().count(), MOST_ROWS);
        assert!(shown.ends_with("x … 60 more characters\n"), "{shown}");
    }

    #[test]
    fn a_change_of_the_day_is_marked_on_a_terminal() {
        let day_ms = 86_400_000;
        let mut renderer = renderer(true, false);
        assert_eq!(renderer.render(&message("a", 0, "x")), "00:00 a: x\n");
        assert_eq!(
            renderer.render(&message("a", day_ms, "y")),
            "— Fri 2 Jan 1970 —\n00:00 a: y\n"
        );
        assert_eq!(
            renderer.render(&message("a", day_ms + 60_000, "z")),
            "00:01 a: z\n"
        );
    }

    #[test]
    fn a_time_that_no_calendar_holds_is_not_shown() {
        let hi = message("a", u64::MAX, "x");
        assert_eq!(renderer(true, false).render(&hi), "--:-- a: x\n");
    }

    #[test]
    fn a_place_in_the_chat_comes_first() {
        let Shown::Message { command, own, .. } = message("a", 0, "x") else {
            unreachable!("made as a message")
        };
        let place = Some(17);
        let shown = Shown::Message {
            command,
            own,
            place,
        };
        assert_eq!(renderer(false, false).render(&shown), "#17 00:00 a: x\n");
    }
}
