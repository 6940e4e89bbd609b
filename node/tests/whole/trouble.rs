//! What goes wrong, and the end of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use paxosctl_node::ids::ServerId;
use paxosctl_node::log::{Disk, Log, LogError, MemoryDisk};
use rand::RngExt;

use super::network::{Packet, Weather};
use super::process::read;
use super::{Node, TROUBLE_ENDS, World};

/// Which disks may be emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wipes {
    /// Up to f, once every server votes: the cluster must survive that.
    Survivable,
    /// Any, any number of times, at any time, except that of s1. The cluster may lose its majority
    /// by that; it must not lose agreement.
    All,
    /// Logs are damaged, any of them, all of them, at any time: what is lost then is known to be.
    Damage,
}

pub(super) struct Trouble {
    wipes: Wipes,
    next: Duration,
    over: bool,
    pub crashes: u64,
    pub wiped: u64,
    pub clocks: u64,
}

impl Trouble {
    pub fn new(wipes: Wipes) -> Trouble {
        Trouble {
            wipes,
            next: Duration::from_millis(10),
            over: false,
            crashes: 0,
            wiped: 0,
            clocks: 0,
        }
    }

    pub fn end(&mut self) {
        self.over = true;
    }

    pub fn is_over(&self) -> bool {
        self.over
    }

    pub fn next_at(&self, now: Duration) -> Duration {
        if self.over {
            now + Duration::from_secs(1)
        } else {
            self.next
        }
    }
}

/// Flips some bit of what is written of the log, and sees that it does not go unnoticed. Whether it did damage.
fn flip_anywhere(disk: &MemoryDisk, at: u64, bit: u8) -> bool {
    let mut files = disk.list().expect("a disk");
    files.retain(|file| file.ends_with(".log"));
    let written = |file: &String| {
        let contents = disk.contents(file);
        let last = contents.iter().rposition(|&byte| byte != 0);
        last.map_or(0, |last| last as u64 + 1)
    };
    let lengths: Vec<u64> = files.iter().map(written).collect();
    let total: u64 = lengths.iter().sum();
    let Some(mut at) = at.checked_rem(total) else {
        return false;
    };
    for (file, &length) in files.iter().zip(&lengths) {
        if at < length {
            let before = read(disk);
            disk.flip_bit(file, at, bit);
            let after = Log::read_only(Arc::new(disk.clone()));
            if let Err(LogError::Damaged { .. }) = after {
                return true;
            }
            // It hit what a crash had torn, and is cut off with it.
            assert_eq!(
                read(disk),
                before,
                "{file}, byte {at}, bit {bit}: not noticed"
            );
            return false;
        }
        at -= length;
    }
    false
}

impl World {
    pub(super) fn make_trouble(&mut self) {
        if self.trouble.over || self.now < self.trouble.next {
            return;
        }
        if self.now >= TROUBLE_ENDS {
            return self.heal();
        }
        let calm = match self.setting.wipes {
            Wipes::Survivable => self.rng.random_range(20..300),
            Wipes::All | Wipes::Damage => self.rng.random_range(5..200),
        };
        self.trouble.next = (self.now + Duration::from_millis(calm)).min(TROUBLE_ENDS);
        let server = ServerId(self.rng.random_range(1..=self.setting.servers));
        if self.setting.clocks && self.rng.random() {
            self.set_clocks(server);
        }
        match self.rng.random_range(0..14) {
            0 | 1 => {
                self.trouble.crashes += 1;
                self.kill(server);
            }
            2 | 3 => self.pause_or_resume(server),
            4 => self.partition(),
            5 => self.cut_one_way(),
            6 | 7 => self.cuts.clear(),
            8 => self.change_weather(),
            9 => self.wipe(server),
            10 => self.restart_balancer(),
            11 if self.rng.random() => {
                let to = ServerId(self.rng.random_range(1..=self.setting.servers));
                self.break_connection_of_servers(server, to);
            }
            11 => self.break_connection(),
            12 => {
                let now = self.now;
                if let Some(process) = self.running(server) {
                    let local = process.local(now);
                    process.server.drain(local);
                }
            }
            _ => self.kill_all_sometimes(),
        }
    }

    fn heal(&mut self) {
        self.trouble.over = true;
        let clocks = self.setting.clocks;
        self.cuts.clear();
        self.weather = Weather::fair();
        for server in (1..=self.setting.servers).map(ServerId) {
            self.resume(server);
            let now = self.now;
            let behind = self.setting.seed.is_multiple_of(2);
            if let Some(process) = self.running(server).filter(|_| clocks) {
                match behind {
                    // Progress is owed by clocks that go, whatever they show: every timer that
                    // runs was set to a time that such a clock shows long after the end.
                    true => process.set_clock(now, -3_600_000_000, 1000),
                    false => process.set_clock_right(now),
                }
            }
            if let Some(site) = self.sites.get_mut(&server) {
                site.restart_at = Some(self.now);
            }
        }
        self.balancer_restart_at = Some(self.now);
    }

    /// The clock of one server, or of all at once, jumps by up to a minute either way, or runs slow
    /// or fast.
    fn set_clocks(&mut self, one: ServerId) {
        let (now, all) = (self.now, self.rng.random_range(0..4) == 0);
        for server in (1..=self.setting.servers).map(ServerId) {
            let (jump_us, rate_permille) = match self.rng.random() {
                true => (self.rng.random_range(-60_000_000..60_000_000), 1000),
                false => (0, self.rng.random_range(200..5000)),
            };
            let Some(process) = self.running(server).filter(|_| all || server == one) else {
                continue;
            };
            process.set_clock(now, jump_us, rate_permille);
            self.trouble.clocks += 1;
            self.trace.note(
                now,
                format_args!("{server}'s clock: {jump_us} us, {rate_permille} permille"),
            );
        }
    }

    fn pause_or_resume(&mut self, server: ServerId) {
        let Some(process) = self.running(server) else {
            return self.resume(server);
        };
        process.paused = true;
        self.trace.note(self.now, format_args!("{server} pauses"));
    }

    fn resume(&mut self, server: ServerId) {
        let process = self.sites.get_mut(&server).and_then(|s| s.process.as_mut());
        let Some(process) = process.filter(|process| process.paused) else {
            return;
        };
        process.paused = false;
        for packet in std::mem::take(&mut process.backlog) {
            self.arrive(packet);
        }
    }

    fn nodes(&self) -> Vec<Node> {
        let servers = (1..=self.setting.servers).map(|id| Node::Server(ServerId(id)));
        let users = (0..self.users.len()).map(Node::User);
        servers.chain(users).chain([Node::Balancer]).collect()
    }

    fn partition(&mut self) {
        let nodes = self.nodes();
        let side: Vec<bool> = nodes.iter().map(|_| self.rng.random()).collect();
        for (from, from_side) in nodes.iter().zip(&side) {
            for (to, to_side) in nodes.iter().zip(&side) {
                if from_side != to_side {
                    self.cuts.insert((*from, *to));
                }
            }
        }
        self.trace.note(self.now, format_args!("parted {side:?}"));
    }

    fn cut_one_way(&mut self) {
        let nodes = self.nodes();
        for _ in 0..self.rng.random_range(1..5) {
            let from = nodes[self.rng.random_range(0..nodes.len())];
            let to = nodes[self.rng.random_range(0..nodes.len())];
            self.cuts.insert((from, to));
        }
    }

    fn change_weather(&mut self) {
        self.weather = Weather {
            loss: self.rng.random_range(0..300),
            repeat: self.rng.random_range(0..300),
            late: self.rng.random_range(0..400),
            latest: Duration::from_millis(self.rng.random_range(1..800)),
        };
    }

    fn wipe(&mut self, server: ServerId) {
        let flip = self.trouble.wipes == Wipes::Damage || self.rng.random();
        let wiped: BTreeSet<ServerId> = (self.sites.iter())
            .filter(|(_, site)| site.wiped)
            .map(|(&id, _)| id)
            .collect();
        let allowed = match self.trouble.wipes {
            Wipes::Survivable => {
                let survivable = usize::from(self.setting.servers - 1) / 2;
                self.judge.formed() == usize::from(self.setting.servers)
                    && (wiped.len() < survivable || wiped.contains(&server))
            }
            Wipes::All => server != ServerId(1),
            Wipes::Damage => true,
        };
        if !allowed {
            return;
        }
        self.kill(server);
        let at: u64 = self.rng.random();
        let bit = self.rng.random_range(0..8);
        if let Some(site) = self.sites.get_mut(&server) {
            let damaged = flip && flip_anywhere(&site.disk, at, bit);
            if self.trouble.wipes == Wipes::Damage && !damaged {
                return;
            }
            // The shell sets a damaged log aside and begins a new one.
            site.lost |= damaged;
            site.disk = MemoryDisk::new();
            site.wiped = true;
        }
        self.trouble.wiped += 1;
        self.judge.wiped(server);
        self.trace.note(self.now, format_args!("{server} is wiped"));
    }

    fn kill_all_sometimes(&mut self) {
        if self.rng.random_range(0..4) == 0 {
            for server in (1..=self.setting.servers).map(ServerId) {
                self.kill(server);
            }
        }
    }

    fn restart_balancer(&mut self) {
        let downtime = Duration::from_millis(self.rng.random_range(0..1500));
        if self.balancer.take().is_some() {
            self.balancer_restart_at = Some(self.now + downtime);
        }
    }

    /// The connection on which one server sends to another breaks, and is made anew.
    pub fn break_connection_of_servers(&mut self, from: ServerId, to: ServerId) {
        let (there, here) = (&self.sites[&to], &self.sites[&from]);
        if to == from || there.process.is_none() || here.process.is_none() {
            return;
        }
        let (to_life, from_life) = (there.lives, here.lives);
        let broken = Packet::Disconnected {
            to,
            life: to_life,
            peer: from,
        };
        let anew = Packet::Connected {
            to: from,
            life: from_life,
            peer: Some(to),
        };
        for packet in [broken, anew] {
            let delay = Duration::from_micros(self.rng.random_range(0..50_000));
            self.put(delay, packet);
        }
    }

    fn break_connection(&mut self) {
        let user = self.rng.random_range(0..self.users.len());
        let Some((&server, &connection)) = self.users[user].conns.first_key_value() else {
            return;
        };
        let (conn, life) = (connection.conn, connection.life);
        for packet in [
            Packet::ServerGone { user, server, conn },
            Packet::UserGone { server, life, conn },
        ] {
            let delay = Duration::from_millis(self.rng.random_range(0..300));
            self.put(delay, packet);
        }
    }
}
