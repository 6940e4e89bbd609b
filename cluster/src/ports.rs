//! Free ports for nodes, outside the range from which the kernel takes ports for outgoing
//! connections: a node that is down keeps its port until it returns.

use std::fs::{self, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use nix::fcntl::{Flock, FlockArg};
use nix::unistd::Uid;
use rand::{Rng, RngExt};

/// The lowest port that is given out: below are well-known services.
const LOWEST: u16 = 10_000;
const TRIES: usize = 2_000;

/// Ports of one cluster, held against other clusters of the same user as long as this lives.
#[derive(Debug)]
pub struct Ports {
    pub balancer: SocketAddr,
    /// Of s1, s2, …
    pub servers: Vec<SocketAddr>,
    _held: Vec<Held>,
}

/// A lock on a file named after the port. The kernel drops it with the process.
#[derive(Debug)]
struct Held(#[allow(dead_code, reason = "held, never read")] Flock<fs::File>);

/// Ports that a plan names; the rest is chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wishes {
    pub balancer: Option<u16>,
    /// The first server's; the others have the ones after it.
    pub first_server: Option<u16>,
}

impl Wishes {
    /// Whether the plan names the node's port.
    pub fn name(self, node: &str) -> bool {
        if node == "balancer" {
            self.balancer.is_some()
        } else {
            self.first_server.is_some()
        }
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PortError {
    #[error(
        "port {port}, which the plan names for {node}, is in use; `ss -ltnp 'sport = :{port}'` \
         shows by whom. Free it, name another, or leave ports out of the plan"
    )]
    Taken { port: u16, node: String },
    #[error("the plan names port {port} for {node}, and there is no such port")]
    TooHigh { port: u32, node: String },
    #[error("found no free port between {from} and {to} in {tries} tries")]
    NoneFree { from: u16, to: u16, tries: usize },
}

impl Ports {
    /// Ports on the loopback address for a balancer and `servers` servers, each of them free just
    /// now.
    ///
    /// # Errors
    /// A wish cannot be met, or no port is free.
    pub fn choose(servers: u16, wishes: Wishes, random: &mut impl Rng) -> Result<Ports, PortError> {
        let ranges = ranges_outside(ephemeral_range());
        let mut held = Vec::new();
        let mut taken: Vec<u16> = Vec::new();
        let mut named = Vec::new();
        named.push(("balancer".to_owned(), wishes.balancer.map(u32::from)));
        for index in 0..servers {
            let port = wishes
                .first_server
                .map(|first| u32::from(first) + u32::from(index));
            named.push((format!("s{}", index + 1), port));
        }
        // The named ones first, so that none of them is chosen for another node.
        let mut ports = vec![0; named.len()];
        for (place, (node, wish)) in named.iter().enumerate() {
            let Some(wish) = *wish else { continue };
            let port = u16::try_from(wish).map_err(|_| PortError::TooHigh {
                port: wish,
                node: node.clone(),
            })?;
            if taken.contains(&port) || !is_free(port) {
                return Err(PortError::Taken {
                    port,
                    node: node.clone(),
                });
            }
            match hold(port) {
                Some(Ok(lock)) => held.push(lock),
                // Another cluster's, whose node is down just now.
                Some(Err(())) => {
                    return Err(PortError::Taken {
                        port,
                        node: node.clone(),
                    });
                }
                None => {}
            }
            taken.push(port);
            ports[place] = port;
        }
        for port in ports.iter_mut().filter(|port| **port == 0) {
            let (found, lock) = any_free(&ranges, &taken, random)?;
            held.extend(lock);
            taken.push(found);
            *port = found;
        }
        let at = |port: &u16| SocketAddr::from((Ipv4Addr::LOCALHOST, *port));
        Ok(Ports {
            balancer: at(&ports[0]),
            servers: ports[1..].iter().map(at).collect(),
            _held: held,
        })
    }

    /// Those of a cluster that runs already, which hold themselves as far as its nodes are up.
    pub fn of_running(balancer: SocketAddr, servers: Vec<SocketAddr>) -> Ports {
        Ports {
            balancer,
            servers,
            _held: Vec::new(),
        }
    }

    /// Those of no cluster.
    pub fn none() -> Ports {
        Ports::of_running((Ipv4Addr::LOCALHOST, 0).into(), Vec::new())
    }

    /// Addresses that nobody checked, for command lines that nobody runs.
    #[cfg(test)]
    pub fn for_tests(servers: u16) -> Ports {
        Ports {
            balancer: SocketAddr::from((Ipv4Addr::LOCALHOST, 7000)),
            servers: (1..=servers)
                .map(|index| SocketAddr::from((Ipv4Addr::LOCALHOST, 7000 + index)))
                .collect(),
            _held: Vec::new(),
        }
    }

    /// Those that somebody else listens on, with the node that each was meant for. Asked when nodes
    /// ended at their start.
    pub fn lost(&self) -> Vec<(String, SocketAddr)> {
        let servers = self
            .servers
            .iter()
            .enumerate()
            .map(|(index, address)| (format!("s{}", index + 1), *address));
        std::iter::once(("balancer".to_owned(), self.balancer))
            .chain(servers)
            .filter(|(_, address)| !is_free(address.port()))
            .collect()
    }
}

/// Whether a listener can be bound on the port at this moment.
fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn any_free(
    ranges: &[RangeInclusive<u16>],
    taken: &[u16],
    random: &mut impl Rng,
) -> Result<(u16, Option<Held>), PortError> {
    let total: u32 = ranges.iter().map(size).sum();
    for _ in 0..TRIES {
        let port = nth(ranges, random.random_range(0..total));
        if taken.contains(&port) || !is_free(port) {
            continue;
        }
        match hold(port) {
            // Another cluster has it: its node is down just now.
            Some(Err(())) => {}
            Some(Ok(lock)) => return Ok((port, Some(lock))),
            None => return Ok((port, None)),
        }
    }
    Err(PortError::NoneFree {
        from: ranges.first().map_or(0, |range| *range.start()),
        to: ranges.last().map_or(0, |range| *range.end()),
        tries: TRIES,
    })
}

/// Takes the lock of a port. None when there is no place for lock files; the ports are then only
/// tested, which two clusters that start in the same instant can both pass: the one whose node
/// fails to listen chooses again.
fn hold(port: u16) -> Option<Result<Held, ()>> {
    let dir = lock_dir()?;
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(dir.join(port.to_string()))
        .ok()?;
    Some(
        Flock::lock(file, FlockArg::LockExclusiveNonblock)
            .map(Held)
            .map_err(|_| ()),
    )
}

fn lock_dir() -> Option<PathBuf> {
    let dir = std::env::temp_dir().join(format!("paxosctl-ports-{}", Uid::current()));
    fs::create_dir_all(&dir).ok()?;
    Some(dir)
}

fn size(range: &RangeInclusive<u16>) -> u32 {
    u32::from(*range.end()) - u32::from(*range.start()) + 1
}

fn nth(ranges: &[RangeInclusive<u16>], mut index: u32) -> u16 {
    for range in ranges {
        if index < size(range) {
            // Below the size of a range of u16, so it fits.
            return range.start() + index as u16;
        }
        index -= size(range);
    }
    unreachable!("the index is below the total size of the ranges")
}

/// The kernel's ports for outgoing connections.
fn ephemeral_range() -> (u16, u16) {
    const USUAL: (u16, u16) = (32_768, 60_999);
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut numbers = text.split_whitespace().map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(low)), Some(Ok(high))) if low <= high => (low, high),
        _ => USUAL,
    }
}

/// What is left of the unprivileged ports. A kernel that takes them all leaves the upper half of
/// them: something has to be chosen.
fn ranges_outside((low, high): (u16, u16)) -> Vec<RangeInclusive<u16>> {
    const ENOUGH: u32 = 200;
    let mut ranges = Vec::new();
    if low > LOWEST {
        ranges.push(LOWEST..=low - 1);
    }
    if high < u16::MAX {
        ranges.push(high.max(LOWEST - 1) + 1..=u16::MAX);
    }
    if ranges.iter().map(size).sum::<u32>() < ENOUGH {
        return vec![LOWEST..=u16::MAX];
    }
    ranges
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn the_ports_of_outgoing_connections_are_left_alone() {
        assert_eq!(
            ranges_outside((32_768, 60_999)),
            [10_000..=32_767, 61_000..=65_535]
        );
        assert_eq!(ranges_outside((1_024, 60_999)), [61_000..=65_535]);
        assert_eq!(ranges_outside((32_768, 65_535)), [10_000..=32_767]);
        assert_eq!(ranges_outside((1_024, 65_535)), [10_000..=65_535]);
        assert_eq!(ranges_outside((1_024, 5_000)), [10_000..=65_535]);
    }

    #[test]
    fn every_port_of_the_ranges_can_be_drawn() {
        let ranges = [10..=12, 20..=21];
        let drawn: Vec<u16> = (0..5).map(|index| nth(&ranges, index)).collect();
        assert_eq!(drawn, [10, 11, 12, 20, 21]);
    }

    #[test]
    fn clusters_side_by_side_get_different_ports() {
        // The same random numbers: only what the first holds keeps the second off.
        let choose = || {
            Ports::choose(5, Wishes::default(), &mut ChaCha8Rng::seed_from_u64(7))
                .expect("free ports")
        };
        let (first, second) = (choose(), choose());
        let all = |ports: &Ports| {
            let mut all = ports.servers.clone();
            all.push(ports.balancer);
            all
        };
        let mut both = all(&first);
        both.extend(all(&second));
        both.sort();
        both.dedup();
        assert_eq!(both.len(), 12);
        assert!(first.lost().is_empty());
    }

    #[test]
    fn a_named_port_in_use_is_named() {
        let busy = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
        let port = busy.local_addr().expect("address").port();
        let wishes = Wishes {
            balancer: Some(port),
            first_server: None,
        };
        let error = Ports::choose(3, wishes, &mut ChaCha8Rng::seed_from_u64(1)).expect_err("taken");
        assert_eq!(
            error,
            PortError::Taken {
                port,
                node: "balancer".into()
            }
        );
        assert!(error.to_string().contains(&format!("sport = :{port}")));
    }

    #[test]
    fn servers_past_the_last_port_are_refused() {
        let wishes = Wishes {
            balancer: None,
            first_server: Some(65_535),
        };
        let error =
            Ports::choose(2, wishes, &mut ChaCha8Rng::seed_from_u64(1)).expect_err("too high");
        assert_eq!(
            error,
            PortError::TooHigh {
                port: 65_536,
                node: "s2".into()
            }
        );
    }
}
