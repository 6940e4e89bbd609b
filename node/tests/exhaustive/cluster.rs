//! All servers and the messages between them, as a model for the search.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use paxosctl_node::ids::{Ballot, ServerId, Slot};
use paxosctl_node::link::Kind;
use paxosctl_node::paxos::Message;
use paxosctl_node::planted::{Bug, plant};
use paxosctl_node::value::Value;
use stateright::{Model, Property};

use crate::judge::{Broken, Judgement, Sight};
use crate::scope::{SERVERS, Scope};
use crate::server::{Event, Server, Then, fingerprint};
use crate::text;

#[derive(Clone)]
pub struct State {
    servers: [Arc<Server>; SERVERS as usize],
    inboxes: [Arc<Inbox>; SERVERS as usize],
    crashes: u8,
    waits: u8,
    pub judgement: Arc<Judgement>,
}

/// The arrivals of all messages that ever left for a server. None is ever taken out, so that each
/// happens at any time, any number of times, or never.
#[derive(Clone, Default)]
struct Inbox {
    arrivals: BTreeMap<u64, Happening>,
    fingerprint: u64,
}

#[derive(Debug, Clone)]
struct Happening {
    event: Arc<Event>,
    fingerprint: u64,
}

#[derive(Clone, PartialEq)]
pub struct Action {
    server: ServerId,
    happening: Happening,
    then: Then,
}

/// What an action does, whatever the rest of the cluster is like.
pub struct Step {
    server: Arc<Server>,
    sent: Vec<(ServerId, Happening)>,
    chosen: Vec<(Slot, Value)>,
    broken: BTreeSet<Broken>,
    pub cut_short: bool,
}

/// What may arrive at a server.
#[derive(Default)]
struct Outlook {
    /// Arrivals that change it.
    changing: Vec<Happening>,
    /// What it says to those that do not.
    answers: Vec<(ServerId, Happening)>,
    broken: BTreeSet<Broken>,
}

/// The cluster within a scope.
pub struct Cluster {
    scope: Scope,
    bug: Option<Bug>,
    memory: Mutex<Memory>,
    /// The first state in which each property was broken: the search comes to it by a shortest path.
    first_broken: [OnceLock<State>; Broken::ALL.len()],
    seen: [AtomicBool; Sight::ALL.len()],
}

/// What was worked out before, by fingerprints.
#[derive(Default)]
struct Memory {
    servers: HashMap<u64, Arc<Server>>,
    /// None where an assertion failed.
    steps: HashMap<(u64, u64, Then), Option<Arc<Step>>>,
    outlooks: HashMap<(u64, u64), Arc<Outlook>>,
}

impl Happening {
    fn new(event: Event) -> Happening {
        Happening {
            fingerprint: fingerprint(&event),
            event: Arc::new(event),
        }
    }
}

impl PartialEq for Happening {
    fn eq(&self, other: &Happening) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Inbox {
    /// Returns whether it is new.
    fn put(this: &mut Arc<Inbox>, arrival: &Happening) -> bool {
        if this.arrivals.contains_key(&arrival.fingerprint) {
            return false;
        }
        let inbox = Arc::make_mut(this);
        // The sum of what is in it: the order of coming does not matter.
        inbox.fingerprint = inbox.fingerprint.wrapping_add(arrival.fingerprint);
        inbox.arrivals.insert(arrival.fingerprint, arrival.clone());
        true
    }
}

impl State {
    /// What equal states have in common.
    fn identity(&self) -> impl Hash + PartialEq {
        (
            self.servers.each_ref().map(|server| server.fingerprint),
            self.inboxes.each_ref().map(|inbox| inbox.fingerprint),
            (self.crashes, self.waits, &self.judgement),
        )
    }

    pub fn servers(&self) -> [&Server; SERVERS as usize] {
        self.servers.each_ref().map(|server| &**server)
    }

    fn note(&mut self, broken: &BTreeSet<Broken>) {
        if !broken.is_subset(&self.judgement.broken) {
            Arc::make_mut(&mut self.judgement).broken.extend(broken);
        }
    }

    /// Everything that was ever proposed to another server.
    pub fn proposals(&self) -> impl Iterator<Item = (Slot, Ballot, &Value)> {
        let arrivals = self
            .inboxes
            .iter()
            .flat_map(|inbox| inbox.arrivals.values());
        arrivals.filter_map(|arrival| match &*arrival.event {
            Event::Receive {
                message:
                    Message::Accept {
                        ballot,
                        slot,
                        value,
                    },
                ..
            } => Some((*slot, *ballot, value)),
            _ => None,
        })
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

impl PartialEq for State {
    fn eq(&self, other: &State) -> bool {
        self.identity() == other.identity()
    }
}

impl Cluster {
    pub fn new(scope: Scope, bug: Option<Bug>) -> Cluster {
        Cluster {
            scope,
            bug,
            memory: Mutex::default(),
            first_broken: Default::default(),
            seen: Default::default(),
        }
    }

    /// The number of different states that a single server was in.
    pub fn server_states(&self) -> usize {
        self.memory().servers.len()
    }

    pub fn has_seen(&self, sight: Sight) -> bool {
        self.seen[sight as usize].load(Ordering::Relaxed)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().expect("nobody panics with it")
    }

    /// None if an assertion fails.
    fn step(&self, server: &Server, happening: &Happening, then: Then) -> Option<Arc<Step>> {
        let mut memory = self.memory();
        let key = (server.fingerprint, happening.fingerprint, then);
        if let Some(known) = memory.steps.get(&key) {
            return known.clone();
        }
        let after = || {
            let _bug = plant(self.bug).expect("tests have the bugs");
            server.after(&happening.event, then)
        };
        let outcome = catch_unwind(AssertUnwindSafe(after)).ok();
        let step = outcome.map(|outcome| {
            let from = server.id;
            let messages = outcome.sent.into_iter();
            // The votes before an election are granted without asking.
            let sent = messages
                .filter(|(_, message)| !matches!(message, Message::PreVote { .. }))
                .filter(|(_, message)| self.scope.delivers(message.kind()))
                .map(|(to, message)| (to, Happening::new(Event::Receive { from, message })));
            let same = memory.servers.entry(outcome.server.fingerprint);
            Arc::new(Step {
                server: same.or_insert_with(|| Arc::new(outcome.server)).clone(),
                sent: sent.collect(),
                chosen: outcome.chosen,
                broken: outcome.broken,
                cut_short: outcome.cut_short,
            })
        });
        memory.steps.insert(key, step.clone());
        step
    }

    fn outlook(&self, server: &Server, inbox: &Inbox) -> Arc<Outlook> {
        let key = (server.fingerprint, inbox.fingerprint);
        let known = self.memory().outlooks.get(&key).cloned();
        known.unwrap_or_else(|| {
            let mut outlook = Outlook::default();
            for arrival in inbox.arrivals.values() {
                match self.step(server, arrival, Then::Wait) {
                    Some(step) if step.server.fingerprint == server.fingerprint => {
                        outlook.answers.extend(step.sent.iter().cloned());
                        outlook.broken.extend(&step.broken);
                    }
                    _ => outlook.changing.push(arrival.clone()),
                }
            }
            let outlook = Arc::new(outlook);
            self.memory().outlooks.insert(key, outlook.clone());
            outlook
        })
    }

    /// Lets the messages leave, and with them all that they call forth without a change of anyone.
    fn send(&self, state: &mut State, from: ServerId, sent: &[(ServerId, Happening)]) {
        let place = |id: ServerId| usize::from(id.0) - 1;
        let leave = |state: &mut State, sent: &[(ServerId, Happening)]| {
            let mut reached = Vec::new();
            for (to, arrival) in sent {
                if Inbox::put(&mut state.inboxes[place(*to)], arrival) {
                    reached.push(*to);
                }
            }
            reached
        };
        let mut open = leave(state, sent);
        // What arrived before may be answered differently now.
        open.push(from);
        while let Some(id) = open.pop() {
            let outlook = self.outlook(&state.servers[place(id)], &state.inboxes[place(id)]);
            state.note(&outlook.broken);
            open.extend(leave(state, &outlook.answers));
        }
    }

    /// The happening, with each thing that may follow.
    fn variants(&self, state: &State, id: ServerId, happening: Happening) -> Vec<Action> {
        let server = &state.servers[usize::from(id.0) - 1];
        let mut thens = vec![Then::Sync];
        if let Some(step) = self.step(server, &happening, Then::Wait) {
            let unsynced = step.server.unsynced();
            if unsynced > 0 && state.waits < self.scope.waits {
                thens.push(Then::Wait);
            }
            if state.crashes < self.scope.crashes {
                thens.extend((0..=unsynced).map(|kept| Then::Crash { kept }));
            }
        }
        let action = |then| Action {
            server: id,
            happening: happening.clone(),
            then,
        };
        thens.into_iter().map(action).collect()
    }
}

impl Model for Cluster {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let server = |id| Arc::new(Server::new(ServerId(id)));
        vec![State {
            servers: [server(1), server(2), server(3)],
            inboxes: Default::default(),
            crashes: 0,
            waits: 0,
            judgement: Arc::default(),
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.judgement.broken.contains(&Broken::Assertion) {
            return;
        }
        for (index, server) in state.servers().into_iter().enumerate() {
            let outlook = self.outlook(server, &state.inboxes[index]);
            let mut happenings = outlook.changing.clone();
            let mut can = |event| happenings.push(Happening::new(event));
            if !server.writes.is_empty() {
                can(Event::Sync);
            }
            if state.crashes < self.scope.crashes {
                can(Event::Idle);
            }
            let follows = server.replica.majority() && !server.replica.leads();
            if server.told < self.scope.says[index]
                && (!follows || self.scope.delivers(Kind::Forward))
            {
                let command = Scope::command(server.id, server.told);
                can(Event::Say { command });
            }
            if server.stood < self.scope.stands[index] {
                let promised = state.servers().map(|voter| voter.replica.promised());
                let mut promised: Vec<Ballot> = promised
                    .into_iter()
                    .filter(|promised| *promised > server.replica.promised())
                    .collect();
                promised.push(Ballot::ZERO);
                promised.sort_unstable();
                promised.dedup();
                for promised in promised {
                    can(Event::Stand { promised });
                }
            }
            for happening in happenings {
                actions.extend(self.variants(state, server.id, happening));
            }
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let index = usize::from(action.server.0) - 1;
        let mut next = state.clone();
        let Some(step) = self.step(&state.servers[index], &action.happening, action.then) else {
            next.note(&BTreeSet::from([Broken::Assertion]));
            return Some(next);
        };
        next.servers[index] = step.server.clone();
        if !step.chosen.is_empty() {
            let mut judgement = (*state.judgement).clone();
            for (slot, value) in &step.chosen {
                judgement.chose(&next.servers(), *slot, value);
            }
            next.judgement = Arc::new(judgement);
        }
        next.note(&step.broken);
        self.send(&mut next, action.server, &step.sent);
        if next == *state {
            return None;
        }
        match action.then {
            Then::Sync => {}
            Then::Wait => next.waits += 1,
            Then::Crash { .. } => next.crashes += 1,
        }
        for sight in Sight::ALL {
            if !self.has_seen(sight) && sight.is_in(&next, &step) {
                self.seen[sight as usize].store(true, Ordering::Relaxed);
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Cluster>> {
        // The library takes functions without surroundings: one for each place in the list.
        let holds = [
            holds::<0>, holds::<1>, holds::<2>, holds::<3>, holds::<4>, holds::<5>,
        ];
        let all = Broken::ALL.iter().zip(holds);
        all.map(|(broken, holds)| Property::always(broken.property(), holds))
            .collect()
    }
}

/// Whether `state` is not the first one that breaks the property. The library would report the last.
fn holds<const PROPERTY: usize>(cluster: &Cluster, state: &State) -> bool {
    let is_broken = state.judgement.broken.contains(&Broken::ALL[PROPERTY]);
    !is_broken || cluster.first_broken[PROPERTY].get_or_init(|| state.clone()) != state
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let server = self.server;
        match &*self.happening.event {
            Event::Stand { promised } => {
                write!(
                    f,
                    "{server} stands, granted by one that promised {promised}"
                )?;
            }
            Event::Say { command } => write!(f, "{server} is told {}", text::command(command))?,
            Event::Receive { from, message } => {
                write!(f, "{server} gets from {from} {}", text::message(message))?;
            }
            Event::Sync => write!(f, "{server} syncs its oldest write")?,
            Event::Idle => write!(f, "{server} idles")?,
        }
        match self.then {
            Then::Sync => Ok(()),
            Then::Wait => write!(f, ", its disk not yet"),
            Then::Crash { kept } => write!(
                f,
                ", crashes with {kept} of its records written, and restarts"
            ),
        }
    }
}
