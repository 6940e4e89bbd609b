//! A cluster that `up` started, whose nodes are killed and started again by hand, and strangers who
//! talk to them.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use paxosctl_node::ids::Slot;
use paxosctl_node::value::Value as Chosen;
use paxosctl_node::wire::frame::{self, FrameDecoder};
use paxosctl_node::wire::{ClientMessage, Hello, Role, ServerMessage, Welcome};
use serde_json::Value;

use super::{Place, wait_until};

/// One node of a [`Live`] cluster.
pub struct LiveNode {
    pub name: String,
    pub address: SocketAddr,
    pub dir: PathBuf,
    pid: u32,
    arguments: Vec<String>,
    /// When this test started it; else `up` did.
    child: Option<Child>,
}

pub struct Live<'a> {
    place: &'a Place,
    pub id: u64,
    pub nodes: Vec<LiveNode>,
}

impl Live<'_> {
    /// Starts the plan's balancer and servers.
    #[track_caller]
    pub fn up<'a>(place: &'a Place, plan: &str) -> Live<'a> {
        place
            .run(&["up", plan, "-d", "--name", "live"])
            .expect_code(0);
        let state = place.path().join(".paxosctl/clusters/live/state.json");
        let state: Value =
            serde_json::from_slice(&fs::read(state).expect("a state file")).expect("JSON");
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let nodes = state["nodes"].as_array().expect("nodes");
        let nodes = nodes.iter().map(|node| {
            let pid = node["pid"].as_u64().expect("a pid") as u32;
            LiveNode {
                name: text(&node["name"]),
                address: text(&node["address"]).parse().expect("an address"),
                dir: text(&node["dir"]).into(),
                pid,
                arguments: arguments_by_hand(pid),
                child: None,
            }
        });
        Live {
            place,
            id: u64::from_str_radix(&text(&state["cluster"]), 16).expect("an id"),
            nodes: nodes.collect(),
        }
    }

    pub fn node(&mut self, name: &str) -> &mut LiveNode {
        let found = self.nodes.iter_mut().find(|node| node.name == name);
        found.expect("a node of the cluster")
    }

    /// A client process. Its events go to a file in the place, which is returned.
    pub fn client(&mut self, name: &str, more: &[&str]) -> (Child, PathBuf) {
        let events = self.place.path().join(format!("{name}.jsonl"));
        let dir = self.place.path().join(format!("client-{name}"));
        let (dir, id) = (dir.display().to_string(), format!("{:016x}", self.id));
        let balancer = self.node("balancer").address.to_string();
        let mut arguments = vec!["node", "client", "--dir", &dir, "--cluster", &id];
        arguments.extend(["--name", name, "--balancer", &balancer]);
        arguments.extend(more);
        let child = self
            .place
            .command(&arguments)
            .stdin(Stdio::piped())
            .stdout(File::create(&events).expect("a file"))
            .spawn()
            .expect("a client");
        (child, events)
    }

    /// A stranger's connection to a node: connected, and nothing said.
    pub fn stranger(&mut self, name: &str) -> TcpStream {
        let stream = TcpStream::connect(self.node(name).address).expect("connected");
        let limit = Some(Duration::from_secs(20));
        stream.set_read_timeout(limit).expect("a limit");
        stream
    }

    /// Introduces a connection, and says what was answered.
    pub fn introduce(
        &self,
        stream: &mut TcpStream,
        cluster: u64,
        node: &str,
        role: Role,
    ) -> Welcome {
        let node = node.to_owned();
        send(
            stream,
            &Hello {
                cluster,
                node,
                role,
            },
        );
        receive(stream, &mut FrameDecoder::new())
    }

    /// A connection on which a server expects a client's messages.
    pub fn as_client(&mut self, server: &str, name: &str) -> TcpStream {
        let mut stream = self.stranger(server);
        let welcome = self.introduce(&mut stream, self.id, name, Role::Client);
        assert!(matches!(welcome, Welcome::Accepted { .. }), "{welcome:?}");
        stream
    }

    /// Every chosen value that a server knows, from slot 1 on.
    pub fn chosen(&mut self, server: &str) -> Vec<Chosen> {
        let mut stream = self.as_client(server, "reader");
        let mut decoder = FrameDecoder::new();
        let mut all = Vec::new();
        loop {
            let from = Slot(all.len() as u64 + 1);
            send(&mut stream, &ClientMessage::Slots { from });
            match receive(&mut stream, &mut decoder) {
                ServerMessage::Slots { values, .. } if values.is_empty() => return all,
                ServerMessage::Slots { values, .. } => all.extend(values),
                other => panic!("asked for slots, got {other:?}"),
            }
        }
    }

    /// Ends what the test started; `down` ends the rest.
    #[track_caller]
    pub fn down(mut self) {
        for node in &mut self.nodes {
            if node.child.is_some() {
                node.kill();
            }
        }
        self.place.run(&["down", "live"]).expect_code(0);
        assert_eq!(self.place.processes(), Vec::<u32>::new());
    }
}

impl LiveNode {
    /// SIGKILL, and returns when the process is gone.
    pub fn kill(&mut self) {
        let pid = Pid::from_raw(self.pid as i32);
        kill(pid, Signal::SIGKILL).expect("it runs");
        match &mut self.child {
            Some(child) => drop(child.wait().expect("a child")),
            // A zombie of another parent counts as gone.
            None => wait_until("the node is gone", || {
                let line = fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
                line.is_empty().then_some(())
            }),
        }
    }

    /// Starts it again with the arguments that it had, behind the back of `up`.
    pub fn start(&mut self) {
        let append = |name: &str| {
            let mut options = File::options();
            options.create(true).append(true);
            options.open(self.dir.join(name)).expect("a file")
        };
        let child = Command::new(env!("CARGO_BIN_EXE_paxosctl"))
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(append("events.jsonl"))
            .stderr(append("stderr.log"))
            .spawn()
            .expect("a node");
        self.pid = child.id();
        self.child = Some(child);
    }

    pub fn is_alive(&self) -> bool {
        fs::read(format!("/proc/{}/cmdline", self.pid)).is_ok_and(|line| !line.is_empty())
    }

    /// The most memory that it ever held, in MiB.
    pub fn peak_memory_mib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let words: Vec<&str> = line.expect("VmHWM").split_whitespace().collect();
        words[0].parse::<u64>().expect("kB") / 1024
    }

    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid))
            .expect("it runs")
            .count()
    }

    /// Bytes that it wrote down for people and as evidence.
    pub fn words_bytes(&self) -> u64 {
        ["stderr.log", "events.jsonl"]
            .iter()
            .map(|file| fs::metadata(self.dir.join(file)).expect("a file").len())
            .sum()
    }
}

/// How a running node was started, without the tie to the command that started it.
fn arguments_by_hand(pid: u32) -> Vec<String> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).expect("it runs");
    let mut words: Vec<String> = line
        .split(|byte| *byte == 0)
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .skip(1)
        .filter(|word| !word.is_empty())
        .collect();
    if let Some(tie) = words.iter().position(|word| word == "--die-with-parent") {
        words.drain(tie..tie + 2);
    }
    words
}

/// The events of a file, as far as they are whole lines.
pub fn events(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// How many events of a kind a file has.
pub fn count(path: &Path, kind: &str) -> usize {
    events(path)
        .iter()
        .filter(|event| event["event"] == kind)
        .count()
}

/// Sends a message; a node that closed the connection is no failure here.
pub fn send<T: serde::Serialize>(stream: &mut TcpStream, message: &T) {
    let mut bytes = Vec::new();
    frame::encode(message, &mut bytes).expect("a frame");
    let _ = stream.write_all(&bytes);
}

#[track_caller]
pub fn receive<T: serde::de::DeserializeOwned>(
    stream: &mut TcpStream,
    decoder: &mut FrameDecoder,
) -> T {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        if let Some(body) = decoder.next_frame(64 << 20).expect("a sound frame") {
            return frame::decode(body).expect("the message that was asked for");
        }
        let count = stream.read(&mut bytes).expect("an answer");
        assert!(count > 0, "the node closed the connection");
        decoder.extend(&bytes[..count]);
    }
}

/// Has a scripted client say something.
pub fn say(input: &mut ChildStdin, text: &str) {
    let line = serde_json::json!({"say": {"text": text}});
    writeln!(input, "{line}").expect("the client listens");
}
