//! Random schedules: a whole cluster under loss, repetition, delay, reordering, crashes that lose
//! what was not synced, restarts and cut links, with every step audited; then everything is healed
//! and progress is demanded.

mod support;

use std::time::Duration;

use paxosctl_node::ids::{ClientId, ServerId};
use paxosctl_node::paxos::{Limits, Message, Replica, Timing};
use paxosctl_node::value::Command;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use support::{Cluster, Envelope};

const STEPS: usize = 2_000;
const CLIENTS: u64 = 12;

struct Schedule {
    cluster: Cluster,
    rng: ChaCha8Rng,
    /// The last message that each client said.
    said: Vec<u64>,
    reads: u64,
    /// Messages that come much later, from another time as it were.
    late: Vec<Envelope>,
    /// How hard this run is on the cluster, so that seeds differ in kind.
    loss: f64,
    repeat: f64,
    delay: f64,
    crash: f64,
    cut: f64,
}

impl Schedule {
    fn new(servers: u16, seed: u64) -> Schedule {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let limits = Limits {
            batch_messages: 2,
            window_slots: rng.random_range(1..=6),
            ..Limits::default()
        };
        // Nervous clusters change their leader all the time, in the middle of everything.
        let timing = if rng.random_bool(0.5) {
            Timing {
                heartbeat: Duration::from_millis(10),
                election_min: Duration::from_millis(20),
                election_max: Duration::from_millis(60),
                suspicion_min: Duration::from_millis(2),
                suspicion_max: Duration::from_millis(8),
                retransmit: Duration::from_millis(30),
                gather: Duration::from_millis(rng.random_range(0..=5)),
            }
        } else {
            Timing::default()
        };
        let first = rng
            .random_bool(0.3)
            .then(|| ServerId(rng.random_range(1..=servers)));
        let mut cluster = Cluster::new(servers, first, seed, timing, limits);
        cluster.verbose = false;
        for server in cluster.servers() {
            cluster.set_autosync(server, rng.random_bool(0.3));
        }
        let pick =
            |rng: &mut ChaCha8Rng, choices: &[f64]| choices[rng.random_range(0..choices.len())];
        Schedule {
            cluster,
            said: vec![0; CLIENTS as usize],
            reads: 0,
            late: Vec::new(),
            loss: pick(&mut rng, &[0.0, 0.02, 0.1, 0.3]),
            repeat: pick(&mut rng, &[0.0, 0.05, 0.3]),
            delay: pick(&mut rng, &[0.0, 0.05, 0.2]),
            crash: pick(&mut rng, &[0.0, 0.002, 0.01]),
            cut: pick(&mut rng, &[0.0, 0.0, 0.005]),
            rng,
        }
    }

    fn server(&mut self) -> ServerId {
        let servers = self.cluster.servers();
        servers[self.rng.random_range(0..servers.len())]
    }

    fn step(&mut self) {
        let server = self.server();
        if self.rng.random_bool(self.crash) {
            if self.cluster.alive(server) {
                self.cluster.crash(server);
            } else {
                self.cluster.restart(server);
            }
        }
        if self.rng.random_bool(self.cut) {
            let other = self.server();
            if !self.cluster.cut.remove(&(server, other)) && self.cluster.cut.len() < 4 {
                self.cluster.cut.insert((server, other));
            }
        }
        match self.rng.random_range(0..100) {
            0..60 => {
                for _ in 0..self.rng.random_range(1..6) {
                    self.deliver();
                }
            }
            60..70 => {
                // Mostly less than a heartbeat, sometimes long enough for everyone to lose patience.
                let longest = if self.rng.random_bool(0.04) { 900 } else { 12 };
                self.cluster.now += Duration::from_millis(self.rng.random_range(1..longest));
                self.cluster.tick_due();
            }
            70..82 => self.cluster.sync(server),
            82..97 => self.say(server),
            97 => self.deliver_late(),
            98 => {
                self.reads += 1;
                self.cluster.read(server, self.reads);
            }
            _ if self.rng.random_bool(0.2) => {
                self.cluster.hand_over(server);
            }
            _ if self.rng.random_bool(0.5) => self.be_told(server),
            _ if !self.cluster.alive(server) => self.cluster.restart(server),
            _ => {}
        }
        // A real link holds back only so much.
        if self.cluster.network.len() > 300 {
            self.cluster.network.drain(..150);
        }
    }

    /// A server hears something of its connections or of itself, true or not.
    fn be_told(&mut self, server: ServerId) {
        let peer = self.server();
        match self.rng.random_range(0..3) {
            0 => self.cluster.disconnect(server, peer),
            1 => self.cluster.connect(server, peer),
            _ => {
                let held_up = Duration::from_millis(self.rng.random_range(1..2000));
                self.cluster.hold_up(server, held_up);
            }
        }
    }

    fn deliver(&mut self) {
        if self.cluster.network.is_empty() {
            return;
        }
        // Mostly the oldest, sometimes any.
        let index = if self.rng.random_bool(0.7) {
            0
        } else {
            self.rng.random_range(0..self.cluster.network.len())
        };
        let envelope = self.cluster.network.remove(index);
        if self.rng.random_bool(self.loss) {
            return;
        }
        if self.rng.random_bool(self.repeat) {
            self.cluster.network.push(envelope.clone());
        }
        if self.rng.random_bool(self.delay) {
            self.late.push(envelope);
            return;
        }
        self.cluster.arrive(envelope);
    }

    fn deliver_late(&mut self) {
        if !self.late.is_empty() {
            let index = self.rng.random_range(0..self.late.len());
            let envelope = self.late.swap_remove(index);
            self.cluster.arrive(envelope);
        }
    }

    /// A client says its next message, or repeats one, or skips one.
    fn say(&mut self, server: ServerId) {
        let client = self.rng.random_range(0..CLIENTS);
        let last = &mut self.said[client as usize];
        let seq = match self.rng.random_range(0..10) {
            0..5 => *last + 1,
            5..9 => (*last).max(1),
            _ => *last + 2,
        };
        // A client has at most one message that it is not sure of.
        let servers = self.cluster.servers();
        let stored = servers
            .iter()
            .filter_map(|&server| self.cluster.replica(server))
            .any(|replica| replica.sessions().next_seq(ClientId(client)) == seq);
        if seq == *last + 1 && stored {
            *last = seq;
        }
        self.cluster.say(server, vec![command(client, seq)]);
    }

    /// Everything works again: within a few seconds all must hold all.
    fn heal_and_demand_progress(&mut self) {
        let cluster = &mut self.cluster;
        cluster.cut.clear();
        for server in cluster.servers() {
            if !cluster.alive(server) {
                cluster.restart(server);
            }
            cluster.set_autosync(server, true);
        }
        let healed = cluster.now;
        let last = ServerId(cluster.servers().len() as u16);
        for client in 0..=CLIENTS {
            // The last client is new; the others repeat what they are not sure of.
            let seq = self
                .said
                .get(client as usize)
                .map_or(1, |&last| last.max(1));
            loop {
                cluster.say(last, vec![command(client, seq)]);
                cluster.run(Duration::from_millis(50));
                let next = cluster
                    .replica(last)
                    .unwrap()
                    .sessions()
                    .next_seq(ClientId(client));
                if next > seq {
                    break;
                }
                assert!(
                    cluster.now - healed < Duration::from_secs(10),
                    "no progress after healing: client {client} waits for {seq}"
                );
            }
        }
        cluster.read(last, u64::MAX);
        cluster.run(Duration::from_secs(1));
        let answered = cluster
            .trace
            .iter()
            .any(|line| line.contains(&format!("read {}", u64::MAX)));
        assert!(answered, "a read after healing is answered");
        let logs = cluster
            .servers()
            .into_iter()
            .map(|server| cluster.log_of(server).to_vec());
        let mut logs: Vec<_> = logs.collect();
        logs.dedup();
        assert_eq!(logs.len(), 1, "all hold the same log");
        assert_eq!(cluster.leaders().len(), 1, "one leads");
        let chosen = cluster.replica(last).map(Replica::chosen);
        assert_eq!(chosen, Some(cluster.audit.highest_chosen()));
    }
}

fn command(client: u64, seq: u64) -> Command {
    Command {
        client: ClientId(client),
        seq,
        name: format!("c{client}"),
        at_ms: 0,
        text: format!("{client} says {seq}"),
    }
}

fn run_seeds(servers: u16, seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let failed = std::panic::catch_unwind(|| {
            let mut schedule = Schedule::new(servers, seed);
            for _ in 0..STEPS {
                schedule.step();
            }
            schedule.heal_and_demand_progress();
        });
        assert!(failed.is_ok(), "{servers} servers, seed {seed}");
    }
}

#[test]
fn three_servers_agree_whatever_happens() {
    run_seeds(3, 0..150);
}

#[test]
fn five_servers_agree_whatever_happens() {
    run_seeds(5, 1_000..1_100);
}

#[test]
fn clusters_of_other_sizes_agree_whatever_happens() {
    run_seeds(1, 2_000..2_010);
    run_seeds(2, 3_000..3_025);
    run_seeds(4, 4_000..4_025);
}

/// No message is lost or overtaken: then Accepts and Commits are all that anybody needs, however
/// slow the disks are and however much is said, and nobody asks or is taught besides.
#[test]
fn a_sound_cluster_under_load_neither_asks_for_slots_nor_pushes_any() {
    for seed in 0..40 {
        let mut schedule = Schedule::new(3, seed);
        let first = Some(ServerId(1));
        let (timing, limits) = (Timing::default(), Limits::default());
        schedule.cluster = Cluster::new(3, first, seed, timing, limits);
        let cluster = &mut schedule.cluster;
        cluster.verbose = false;
        cluster.run(Duration::from_secs(2));
        for server in cluster.servers() {
            cluster.set_autosync(server, false);
        }
        let settled = cluster.log_of(ServerId(1)).len();
        for step in 0..1500 {
            let server = schedule.server();
            schedule.say(server);
            let cluster = &mut schedule.cluster;
            cluster.now += Duration::from_millis(step % 7);
            cluster.tick_due();
            if step % 5 == 0 {
                cluster.sync(server);
            }
            for _ in 0..schedule.rng.random_range(0..24) {
                let cluster = &mut schedule.cluster;
                if cluster.network.is_empty() {
                    break;
                }
                let envelope = cluster.network.remove(0);
                assert!(
                    !matches!(
                        envelope.message,
                        Message::Learn { .. } | Message::CatchUp { .. }
                    ),
                    "seed {seed}, step {step}: {envelope:?}"
                );
                cluster.arrive(envelope);
            }
        }
        let chosen = schedule.cluster.log_of(ServerId(1)).len() - settled;
        assert!(chosen > 30, "seed {seed}: only {chosen} slots");
    }
}
