//! From what was typed to what it means, with everything that is wrong told at once.
//!
//! Each function here reads one thing, records its mistakes and answers none if there was one; the
//! caller goes on with the next.

mod expect;
mod faults;
mod learned;
mod load;
mod traffic;
mod values;

use std::path::Path;
use std::time::Duration;

use paxosctl_node::ids::ServerId;

use super::error::{Errors, FileId, Place, PlanErrors};
use super::raw::{RawCluster, RawPlan, RawPorts, RawTraffic, Typed};
use super::script::ScriptLine;
use super::targets::{Names, RESERVED, looks_like_server};
use super::words::closest;
use super::yaml::{self, Content, Node};
use super::{Cluster, Fault, Plan, Traffic};

/// The largest cluster: what one machine runs with a disk and a process a server.
const MOST_SERVERS: u64 = 9;

/// How long a cluster may take to come level when the plan does not say.
const DEFAULT_SETTLE: Duration = Duration::from_secs(10);

/// Reads and checks a whole plan.
pub(super) fn plan(path: &Path, text: &str) -> Result<Plan, PlanErrors> {
    let mut lowering = Lowering {
        errors: Errors::new(path, text),
        names: Names {
            // Until the plan says how many: a missing number makes no server unknown.
            servers: MOST_SERVERS as u16,
            clients: Vec::new(),
        },
    };
    let root = yaml::read(text, &mut lowering.errors);
    let plan = root.and_then(|root| lowering.plan(path, text, &root));
    lowering.errors.finish(plan)
}

/// Reads one fault that stands in no plan, for nodes by these names.
pub(super) fn fault(text: &str, names: Names) -> Result<Fault, PlanErrors> {
    let mut lowering = Lowering {
        errors: Errors::new(Path::new(""), text),
        names,
    };
    let root = yaml::read(text, &mut lowering.errors);
    let fault = root.and_then(|root| lowering.lone_fault(&root));
    lowering.errors.finish(fault)
}

/// What the parts share: the mistakes so far, and the nodes of the plan.
struct Lowering {
    errors: Errors,
    names: Names,
}

/// A script with its file.
struct Script {
    file: FileId,
    text: String,
    /// Added to the times of its lines.
    starts: Duration,
    /// Of the `script` key in the plan.
    line: usize,
}

impl Lowering {
    fn plan(&mut self, path: &Path, text: &str, root: &Node) -> Option<Plan> {
        if root.content == Content::Empty {
            self.errors.add_help(
                root.place,
                "the plan is empty",
                "begin with version: 1 and cluster: {servers: 3}",
            );
            return None;
        }
        let raw = RawPlan::read(root, &mut self.errors)?;
        let start = Place {
            length: 1,
            ..root.place
        };
        self.version(raw.version, start);
        let name = self.plan_name(raw.name, path);
        let seed = raw
            .seed
            .and_then(|seed| self.whole_number(seed, 0, u64::MAX));
        let (clients, cluster) = self.cluster(raw.cluster, start);
        let items = self.items::<RawTraffic>(raw.traffic, RawTraffic::read);
        let mistakes = self.errors.count();
        let scripts = self.scripts(path, raw.script, &items);
        let lines: Vec<(&Script, Vec<ScriptLine>)> = scripts
            .iter()
            .map(|script| {
                let lines = super::script::read(script.file, &script.text, &mut self.errors);
                (script, lines)
            })
            .collect();
        // Faults and traffic point at each other's names: collect them before either is checked.
        self.collect_clients(clients.as_deref().unwrap_or_default(), &items);
        let traffic = self.traffic(clients.as_deref(), &items, &lines);
        // An end that another mistake makes unknown is no reason for one more.
        let end = (self.errors.count() == mistakes).then(|| end_of_traffic(&traffic));
        let (faults, random) = self.faults(raw.faults, end);
        let settle = raw.settle.map_or(Some(DEFAULT_SETTLE), |settle| {
            self.positive_duration(settle)
        });
        let expect = self.expect(raw.expect, &faults);
        Some(Plan {
            path: path.to_owned(),
            source: text.to_owned(),
            name,
            seed,
            cluster: cluster?,
            traffic,
            faults,
            random,
            settle: settle?,
            expect,
            time_scale: 1.0,
        })
    }

    fn version(&mut self, version: Option<Typed>, start: Place) {
        let Some(version) = version else {
            self.errors.add_help(
                start,
                "`version` is missing",
                "begin the plan with version: 1",
            );
            return;
        };
        if version.value.text() != Some("1") {
            self.errors.add_help(
                version.value.place,
                format!("unknown plan version {}", version.value.describe()),
                "this paxosctl reads version: 1",
            );
        }
    }

    /// The name is used for directories.
    fn plan_name(&mut self, name: Option<Typed>, path: &Path) -> String {
        let Some(name) = name else {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let fit = |c: char| if is_name_character(c) { c } else { '-' };
            let stem: String = stem.chars().map(fit).collect();
            return match stem.trim_matches('-') {
                "" => "plan".to_owned(),
                stem => stem.to_owned(),
            };
        };
        let text = self.text(name).unwrap_or_default().to_owned();
        let fits = text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(is_name_character)
            && text.len() <= 64;
        if !fits && name.value.text().is_some() {
            self.errors.add_help(
                name.value.place,
                format!("`{text}` cannot name a plan"),
                "use up to 64 letters, digits, `-` and `_`: runs are kept in a directory of that \
                 name",
            );
        }
        text
    }

    /// The clients, when they can be told, and the whole.
    fn cluster(
        &mut self,
        typed: Option<Typed>,
        start: Place,
    ) -> (Option<Vec<String>>, Option<Cluster>) {
        let Some(typed) = typed else {
            self.errors.add_help(
                start,
                "`cluster` is missing",
                "say at least how many servers: cluster: {servers: 3}",
            );
            return (None, None);
        };
        let Some(raw) = RawCluster::read(typed.value, &mut self.errors) else {
            return (None, None);
        };
        let servers = match raw.servers {
            Some(servers) => self.servers(servers),
            None => {
                self.errors.add_help(
                    typed.key.place,
                    "`servers` is missing in `cluster`",
                    "say how many: cluster: {servers: 3}",
                );
                None
            }
        };
        if let Some(servers) = servers {
            self.names.servers = servers;
        }
        let clients = raw
            .clients
            .map_or(Vec::new(), |clients| self.cluster_clients(clients));
        let first_leader = raw.first_leader.and_then(|leader| self.server(leader));
        let (balancer_port, server_port) = self.ports(raw.ports, servers);
        let cluster = servers.map(|servers| Cluster {
            servers,
            first_leader,
            clients: clients.clone(),
            balancer_port,
            server_port,
        });
        (Some(clients), cluster)
    }

    /// The name of one server.
    fn server(&mut self, typed: Typed) -> Option<ServerId> {
        let name = self.text(typed)?;
        if self.names.is_server(name) {
            return name.parse().ok();
        }
        self.errors.add_help(
            typed.value.place,
            format!("unknown server `{name}`"),
            format!("this plan has {}", self.names.server_list()),
        );
        None
    }

    /// A number, or the list of all names.
    fn servers(&mut self, typed: Typed) -> Option<u16> {
        const REASON: &str = "1 to 9: every server is a process with a disk log of its own on this \
                              machine, and an odd number survives most: 3, 5 or 7";
        let count = match &typed.value.content {
            Content::List(names) => {
                for (index, name) in names.iter().enumerate() {
                    let expected = format!("s{}", index + 1);
                    if name.text() != Some(&expected) {
                        self.errors.add_help(
                            name.place,
                            format!("{} where `{expected}` is expected", name.describe()),
                            "servers are s1, s2, … in this order; a number says the same",
                        );
                        return None;
                    }
                }
                names.len() as u64
            }
            _ => self.whole_number(typed, 0, u64::MAX)?,
        };
        if count == 0 || count > MOST_SERVERS {
            self.errors.add_help(
                typed.value.place,
                format!("a cluster cannot have {count} servers"),
                REASON,
            );
            return None;
        }
        Some(count as u16)
    }

    fn cluster_clients(&mut self, typed: Typed) -> Vec<String> {
        let mut clients: Vec<String> = Vec::new();
        for node in self.texts(typed) {
            let name = node.text().unwrap_or_default();
            // A name that is refused is kept all the same: that it speaks is no second mistake.
            let is_fit = self.client_name(node);
            let is_taken = clients.iter().any(|client| client == name);
            if is_fit && is_taken {
                self.errors.add_help(
                    node.place,
                    format!("there are two clients called `{name}`"),
                    "give each client a name of its own",
                );
            }
            if !is_taken {
                clients.push(name.to_owned());
            }
        }
        clients
    }

    /// Whether the text can be a client's name; if not, says why.
    fn client_name(&mut self, node: &Node) -> bool {
        let name = node.text().unwrap_or_default();
        if means_a_node(name) {
            self.errors.add_help(
                node.place,
                format!("a client cannot be called `{name}`"),
                "that word means another node, or a set of nodes, in faults",
            );
            return false;
        }
        let fits = can_name_client(name);
        if !fits {
            self.errors.add_help(
                node.place,
                format!("`{name}` cannot name a client"),
                "use a letter, then letters, digits, `-` and `_`, up to 32",
            );
        }
        fits
    }

    fn ports(&mut self, typed: Option<Typed>, servers: Option<u16>) -> (Option<u16>, Option<u16>) {
        let raw = typed.and_then(|typed| RawPorts::read(typed.value, &mut self.errors));
        let Some(raw) = raw else {
            return (None, None);
        };
        let width = servers.unwrap_or(1);
        let balancer = raw
            .balancer
            .and_then(|port| self.whole_number(port, 1, 65_535));
        // s2 has the next port, and so on.
        let most = 65_536 - u64::from(width);
        let first = raw
            .servers
            .and_then(|port| self.whole_number(port, 1, most));
        let last = first.map(|first| first + u64::from(width) - 1);
        if let (Some(typed), Some(balancer), Some(first), Some(last)) =
            (raw.balancer, balancer, first, last)
            && (first..=last).contains(&balancer)
        {
            self.errors.add_help(
                typed.value.place,
                format!("port {balancer} is a server's too"),
                format!("the servers use {first} to {last}"),
            );
        }
        (
            balancer.map(|port| port as u16),
            first.map(|port| port as u16),
        )
    }

    /// The top-level script and those of traffic items, with their files read.
    fn scripts(
        &mut self,
        path: &Path,
        top: Option<Typed>,
        items: &[(Place, RawTraffic)],
    ) -> Vec<Script> {
        let mut scripts = Vec::new();
        let of_items = items
            .iter()
            .filter_map(|(_, item)| Some((item.script?, item.at)));
        for (typed, at) in top.map(|top| (top, None)).into_iter().chain(of_items) {
            let Some(name) = self.text(typed) else {
                continue;
            };
            // A wrong `at` is told with the item.
            let starts = at
                .and_then(|at| super::words::duration(at.value.text()?).ok())
                .unwrap_or_default();
            let file = path.parent().unwrap_or(Path::new("")).join(name);
            match std::fs::read_to_string(&file) {
                Ok(text) => scripts.push(Script {
                    file: self.errors.add_file(file, text.clone()),
                    text,
                    starts,
                    line: typed.key.place.line,
                }),
                Err(error) => self.errors.add_help(
                    typed.value.place,
                    format!("cannot read the script {}: {error}", file.display()),
                    "the path is relative to the plan",
                ),
            }
        }
        scripts
    }

    /// What to say of a client that nobody knows.
    fn add_unknown_client(&mut self, place: Place, message: String, name: &str) {
        let near = closest(name, self.names.clients.iter().map(String::as_str));
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!(
                "add {name} to `clients` in `cluster`, or an earlier item {{at: …, join: {name}}}"
            ),
        };
        self.errors.add_help(place, message, help);
    }
}

/// When the last message can be said.
fn end_of_traffic(traffic: &[Traffic]) -> Duration {
    let ends = traffic.iter().map(Traffic::ends);
    ends.max().unwrap_or_default()
}

/// `load1`, `load2`, …: the loads of a plan, by their order.
/// Whether a plan can have a client of this name.
pub(super) fn can_name_client(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(is_name_character)
        && name.len() <= 32
        && !means_a_node(name)
}

fn means_a_node(name: &str) -> bool {
    looks_like_server(name) || is_load_name(name) || RESERVED.contains(&name)
}

fn is_load_name(name: &str) -> bool {
    name.strip_prefix("load").is_some_and(|digits| {
        !digits.is_empty() && digits.chars().all(|digit| digit.is_ascii_digit())
    })
}

fn is_name_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_')
}
