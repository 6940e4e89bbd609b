//! The original system's test modes: `mode: {s1: "p:10::a:20::c:30"}`.

use crate::plan::lower::Lowering;
use crate::plan::raw::Typed;
use crate::plan::words;
use crate::plan::yaml::{Content, Node};
use crate::plan::{Nodes, ServerMode, Verb};

const HELP: &str = "write which servers and their mode: mode: {s1: \"p:10::a:20::c:30\"}";

impl Lowering {
    pub(super) fn mode(&mut self, typed: &Typed) -> Option<Verb> {
        let Content::Map(entries) = &typed.value.content else {
            self.errors.add_help(
                typed.value.place,
                format!("`mode` is a map, not {}", typed.value.describe()),
                HELP,
            );
            return None;
        };
        if entries.is_empty() {
            self.errors
                .add_help(typed.value.place, "`mode` names no server", HELP);
        }
        let mut modes: Vec<ServerMode> = Vec::new();
        for (key, value) in entries {
            let servers = self.mode_servers(key, &modes);
            let mode = self.word(Typed { key, value }, words::mode);
            if let (Some(servers), Some(mode)) = (servers, mode) {
                modes.push(ServerMode { servers, mode });
            }
        }
        let sound = !modes.is_empty() && modes.len() == entries.len();
        sound.then_some(Verb::Mode(modes))
    }

    /// A target that means servers, none of which has a mode already.
    fn mode_servers(&mut self, key: &Node, earlier: &[ServerMode]) -> Option<Nodes> {
        let servers = self.nodes(&Typed { key, value: key })?;
        if !self.are_servers(&servers) {
            self.errors.add_help(
                key.place,
                format!("`{servers}` does not mean servers only"),
                "only a server has a mode: name servers, or write leader, followers or servers",
            );
            return None;
        }
        let named = |nodes: &Nodes| match nodes {
            Nodes::Named(names) => names.clone(),
            _ => Vec::new(),
        };
        let taken: Vec<String> = earlier
            .iter()
            .flat_map(|mode| named(&mode.servers))
            .collect();
        if let Some(twice) = named(&servers).iter().find(|name| taken.contains(name)) {
            self.errors.add_help(
                key.place,
                format!("{twice} has a mode already"),
                "join the parts of one mode by `::`",
            );
            return None;
        }
        Some(servers)
    }

    fn are_servers(&self, nodes: &Nodes) -> bool {
        match nodes {
            Nodes::Named(names) => names.iter().all(|name| self.names.is_server(name)),
            Nodes::Clients | Nodes::Balancer | Nodes::All => false,
            Nodes::Several(several) => several.iter().all(|nodes| self.are_servers(nodes)),
            Nodes::Leader
            | Nodes::Follower
            | Nodes::Followers
            | Nodes::Servers
            | Nodes::Random(_)
            | Nodes::ServerOf(_)
            | Nodes::Rest => true,
        }
    }
}
