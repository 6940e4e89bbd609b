//! What happened, as calls and returns in the order of time.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;

use paxosctl_node::ids::{ClientId, ServerId};
use serde::{Serialize, Serializer};

use crate::history::{ActionLine, Evidence};
use crate::target::{Action, Change};

/// One line; see the module's documentation for the fields.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line<'a> {
    pub index: u64,
    pub time_ns: u64,
    pub process: Process,
    #[serde(rename = "type")]
    pub kind: Kind,
    #[serde(rename = "f")]
    pub function: Function<'a>,
    pub value: Value<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shown")]
    pub session: Option<ClientId>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shown")]
    pub server: Option<ServerId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planned: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<&'a [Change]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'a str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    Client(u32),
    Nemesis,
    Unexplained,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Invoke,
    Ok,
    Info,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Function<'a> {
    Append,
    Read,
    /// Of the nemesis, under the name that the history has for it.
    Action(&'a Action),
    /// Of the nemesis, or unexplained.
    Other(&'static str),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Value<'a> {
    Nothing,
    Text(&'a str),
    Length(u64),
    Names(Vec<String>),
}

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Kind::Invoke => "invoke",
            Kind::Ok => "ok",
            Kind::Info => "info",
        }
    }
}

impl Function<'_> {
    pub fn word(self) -> Cow<'static, str> {
        match self {
            Function::Append => "append".into(),
            Function::Read => "read".into(),
            Function::Other(word) => word.into(),
            Function::Action(action) => match serde_json::to_value(action) {
                Ok(serde_json::Value::String(word)) => word.into(),
                Ok(serde_json::Value::Object(fields)) => fields
                    .into_iter()
                    .next()
                    .map_or_else(Default::default, |(word, _)| word.into()),
                _ => "action".into(),
            },
        }
    }
}

impl Serialize for Process {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self {
            Process::Client(number) => out.serialize_u32(*number),
            Process::Nemesis => out.serialize_str("nemesis"),
            Process::Unexplained => out.serialize_str("unexplained"),
        }
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(self.word())
    }
}

impl Serialize for Function<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&self.word())
    }
}

fn shown<T: ToString, S: Serializer>(value: &Option<T>, out: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => out.serialize_str(&value.to_string()),
        None => out.serialize_none(),
    }
}

/// An operation of a client: the place of a message, or of a session and of a read in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Operation {
    Append(u32),
    Read(u32, u32),
}

#[derive(Debug, Clone, Copy)]
enum Moment {
    Call(Operation),
    Begun(u32),
    Died(u32),
    Done(u32),
    Return(Operation),
    Stray(u32),
    Conflicting(u32),
}

impl Moment {
    /// The order of what has the same time.
    fn rank(self) -> u8 {
        match self {
            Moment::Call(_) => 0,
            Moment::Begun(_) => 1,
            Moment::Died(_) => 2,
            Moment::Done(_) => 3,
            Moment::Return(_) | Moment::Stray(_) | Moment::Conflicting(_) => 4,
        }
    }
}

/// Hands out every line in the order of time. The first error of `take` ends it.
pub fn lines(evidence: &Evidence, take: &mut dyn FnMut(&Line) -> io::Result<()>) -> io::Result<()> {
    let mut processes = Processes::new(evidence);
    let mut index = 0;
    let mut give = |at_us: u64, mut line: Line| {
        line.index = index;
        line.time_ns = at_us.saturating_mul(1000);
        index += 1;
        take(&line)
    };
    for (at_us, moment) in moments(evidence) {
        match moment {
            Moment::Call(operation) => {
                let process = processes.begin(operation);
                give(at_us, call(evidence, operation, process, Kind::Invoke))?;
            }
            Moment::Return(operation) => {
                let process = processes.end(operation);
                give(at_us, answer(evidence, operation, process))?;
            }
            Moment::Begun(place) => give(at_us, action(&evidence.actions[place as usize], false))?,
            Moment::Done(place) => give(at_us, action(&evidence.actions[place as usize], true))?,
            Moment::Died(place) => {
                let death = &evidence.deaths[place as usize];
                let mut line = blank(Process::Nemesis, Function::Other("died"));
                line.value = Value::Names(vec![death.node.clone()]);
                line.error = Some(&death.status);
                give(at_us, line)?;
            }
            Moment::Stray(place) => {
                let stray = &evidence.stray_acks[place as usize];
                let mut line = blank(Process::Unexplained, Function::Other("stray-ack"));
                line.session = Some(stray.client);
                line.position = Some(stray.ack.index);
                line.server = Some(stray.ack.server);
                give(at_us, line)?;
            }
            Moment::Conflicting(place) => {
                let (message, ack) = &evidence.conflicting_acks[place as usize];
                let message = &evidence.messages[*message as usize];
                let mut line = blank(Process::Unexplained, Function::Other("conflicting-ack"));
                line.value = Value::Text(&message.text);
                line.session = Some(evidence.sessions[message.session as usize].client);
                line.position = Some(ack.index);
                line.server = Some(ack.server);
                give(at_us, line)?;
            }
        }
    }
    for (process, operation) in processes.open() {
        give(
            evidence.end_us,
            call(evidence, operation, process, Kind::Info),
        )?;
    }
    Ok(())
}

fn moments(evidence: &Evidence) -> Vec<(u64, Moment)> {
    let mut moments = Vec::with_capacity(evidence.messages.len() * 2);
    for (place, message) in (0..).zip(&evidence.messages) {
        moments.push((message.said_us, Moment::Call(Operation::Append(place))));
        if let Some(ack) = &message.ack {
            moments.push((ack.at_us, Moment::Return(Operation::Append(place))));
        }
    }
    for (place, session) in (0..).zip(&evidence.sessions) {
        for (read, found) in (0..).zip(&session.reads) {
            let operation = Operation::Read(place, read);
            moments.push((found.asked_us, Moment::Call(operation)));
            if let Some((done_us, _, _)) = found.done {
                moments.push((done_us, Moment::Return(operation)));
            }
        }
    }
    for (place, action) in (0..).zip(&evidence.actions) {
        moments.push((action.at_us, Moment::Begun(place)));
        moments.push((action.done_us, Moment::Done(place)));
    }
    for (place, death) in (0..).zip(&evidence.deaths) {
        moments.push((death.at_us, Moment::Died(place)));
    }
    for (place, stray) in (0..).zip(&evidence.stray_acks) {
        moments.push((stray.ack.at_us, Moment::Stray(place)));
    }
    for (place, (_, ack)) in (0..).zip(&evidence.conflicting_acks) {
        moments.push((ack.at_us, Moment::Conflicting(place)));
    }
    moments.sort_by_key(|&(at_us, moment)| (at_us, moment.rank()));
    moments
}

/// Numbers for clients: a number does one operation at a time, and a session may have many open.
struct Processes {
    sessions_of_messages: Vec<u32>,
    /// For each session, the numbers that are free.
    free: Vec<Vec<u32>>,
    /// For each number, what it is doing.
    doing: Vec<Option<Operation>>,
    number_of: HashMap<Operation, u32>,
}

impl Processes {
    fn new(evidence: &Evidence) -> Processes {
        let messages = evidence.messages.iter();
        Processes {
            sessions_of_messages: messages.map(|message| message.session).collect(),
            free: vec![Vec::new(); evidence.sessions.len()],
            doing: Vec::new(),
            number_of: HashMap::new(),
        }
    }

    fn session(&self, operation: Operation) -> usize {
        match operation {
            Operation::Append(message) => self.sessions_of_messages[message as usize] as usize,
            Operation::Read(session, _) => session as usize,
        }
    }

    fn begin(&mut self, operation: Operation) -> u32 {
        let session = self.session(operation);
        let number = self.free[session].pop().unwrap_or_else(|| {
            self.doing.push(None);
            self.doing.len() as u32 - 1
        });
        self.doing[number as usize] = Some(operation);
        self.number_of.insert(operation, number);
        number
    }

    fn end(&mut self, operation: Operation) -> u32 {
        // A return that the clock puts before its call gets its call's number all the same.
        let number = match self.number_of.remove(&operation) {
            Some(number) => number,
            None => self.begin(operation),
        };
        self.doing[number as usize] = None;
        let session = self.session(operation);
        self.free[session].push(number);
        number
    }

    fn open(self) -> impl Iterator<Item = (u32, Operation)> {
        (0..)
            .zip(self.doing)
            .filter_map(|(number, doing)| Some((number, doing?)))
    }
}

fn blank(process: Process, function: Function<'_>) -> Line<'_> {
    Line {
        index: 0,
        time_ns: 0,
        process,
        kind: Kind::Info,
        function,
        value: Value::Nothing,
        position: None,
        client: None,
        session: None,
        server: None,
        fault: None,
        planned: None,
        effect: None,
        error: None,
    }
}

fn call(evidence: &Evidence, operation: Operation, process: u32, kind: Kind) -> Line<'_> {
    let (session, function, value) = match operation {
        Operation::Append(message) => {
            let message = &evidence.messages[message as usize];
            (
                message.session,
                Function::Append,
                Value::Text(&message.text),
            )
        }
        Operation::Read(session, _) => (session, Function::Read, Value::Nothing),
    };
    let session = &evidence.sessions[session as usize];
    Line {
        kind,
        value,
        client: Some(&evidence.nodes[session.node as usize].name),
        session: Some(session.client),
        ..blank(Process::Client(process), function)
    }
}

fn answer(evidence: &Evidence, operation: Operation, process: u32) -> Line<'_> {
    let mut line = call(evidence, operation, process, Kind::Ok);
    match operation {
        Operation::Append(message) => {
            if let Some(ack) = &evidence.messages[message as usize].ack {
                line.position = ack.names_place().then_some(ack.index);
                line.server = Some(ack.server);
            }
        }
        Operation::Read(session, read) => {
            let read = &evidence.sessions[session as usize].reads[read as usize];
            if let Some((_, length, server)) = read.done {
                line.value = Value::Length(length);
                line.server = Some(server);
            }
        }
    }
    line
}

fn action(line: &ActionLine, done: bool) -> Line<'_> {
    Line {
        value: Value::Names(line.resolved.clone()),
        fault: Some(&line.fault),
        planned: Some(&line.planned),
        effect: done.then_some(line.changes.as_slice()),
        error: line.error.as_deref().filter(|_| done),
        ..blank(Process::Nemesis, Function::Action(&line.action))
    }
}
