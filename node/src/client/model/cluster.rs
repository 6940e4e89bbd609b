//! What the model's servers and its balancer do.

use super::*;

impl World {
    /// The server learns some of the chat, acknowledges and pushes.
    pub(super) fn serve(&mut self, id: ServerId) {
        let length = self.chat.len();
        let learns = match self.in_trouble() {
            true => self.rng.random_range(0..=3),
            false => length,
        };
        let server = self.server(id);
        if server.down || server.frozen {
            return;
        }
        server.applied = length.min(server.applied + learns);
        let applied = server.applied;
        let owed = server.owed.clone();
        let sessions = server.sessions.clone();
        for (client, seq) in owed {
            if let Some(message) = self.acknowledgement(client, seq, applied) {
                self.server(id).owed.remove(&(client, seq));
                self.answer(client, id, message);
            }
        }
        for (client, pushed) in sessions {
            let Some(pushed) = pushed.filter(|&pushed| pushed < applied as u64) else {
                continue;
            };
            let end = applied.min(pushed as usize + 5);
            let messages = self.chat[pushed as usize..end].to_vec();
            let first = pushed + 1;
            self.server(id).sessions.insert(client, Some(end as u64));
            self.answer(
                client,
                id,
                ServerMessage::Deliver {
                    client,
                    first,
                    messages,
                },
            );
        }
    }

    /// The acknowledgement by a server that knows a prefix of the chat. Only the place of a
    /// client's last message is sure to be known.
    fn acknowledgement(
        &mut self,
        client: ClientId,
        seq: u64,
        applied: usize,
    ) -> Option<ServerMessage> {
        let at = (self.chat[..applied].iter())
            .position(|command| (command.client, command.seq) == (client, seq))?;
        let is_last = seq == self.stored(client);
        let index = match is_last || self.chance(50) {
            true => at as u64 + 1,
            false => 0,
        };
        Some(ServerMessage::Ack {
            client,
            seq,
            index,
            slot: Slot(index * 2),
        })
    }

    pub(super) fn at_balancer(&mut self, client: ClientId, avoid: Option<ServerId>) {
        if self.balancer_down {
            self.transmit(client, Packet::BalancerFailed);
            return;
        }
        let up: Vec<ServerId> = (self.servers.iter())
            .filter(|(_, server)| !server.down && !server.cut_off)
            .map(|(&id, _)| id)
            .collect();
        let others: Vec<ServerId> = up.iter().copied().filter(|&id| Some(id) != avoid).collect();
        let candidates = if others.is_empty() { up } else { others };
        let server = match self.mishap(10) || candidates.is_empty() {
            true => self.any_server(),
            false => candidates[self.rng.random_range(0..candidates.len())],
        };
        let answer = if self.mishap(5) {
            BalancerAnswer::NotReady {
                client,
                registered: 2,
                servers: SERVERS,
            }
        } else if self.mishap(10) {
            BalancerAnswer::NoMajority {
                client,
                up: 1,
                servers: SERVERS,
            }
        } else {
            BalancerAnswer::GoTo {
                client,
                server,
                address: address(server),
            }
        };
        self.transmit(client, Packet::FromBalancer(answer));
    }

    pub(super) fn at_server(&mut self, client: ClientId, id: ServerId, message: ClientMessage) {
        let server = self.server(id);
        if server.down {
            if self.chance(80) {
                self.transmit(client, Packet::ServerFailed(id));
            }
            return;
        }
        if server.frozen {
            return;
        }
        let (last, majority) = (server.applied as u64, !server.cut_off);
        let known = server.sessions.contains_key(&client);
        match message {
            ClientMessage::Join { seen, .. } => {
                server.sessions.insert(client, seen);
                let next_seq = self.stored(client) + 1;
                self.answer(
                    client,
                    id,
                    ServerMessage::Joined {
                        client,
                        next_seq,
                        last,
                    },
                );
            }
            ClientMessage::Leave { .. } => {
                server.sessions.remove(&client);
            }
            _ if !known => {
                let reason = "unknown session".to_owned();
                self.answer(client, id, ServerMessage::GoElsewhere { client, reason });
            }
            ClientMessage::Ping { .. } => {
                let pong = ServerMessage::Pong {
                    client,
                    last,
                    majority,
                };
                self.answer(client, id, pong);
            }
            ClientMessage::Say(command) if majority => self.store(client, id, command),
            ClientMessage::Read { id: read, .. } if majority => {
                let length = self.chat.len() as u64;
                let result = ServerMessage::ReadResult {
                    client,
                    id: read,
                    length,
                };
                self.answer(client, id, result);
            }
            _ => {}
        }
    }

    /// The session rule.
    fn store(&mut self, client: ClientId, id: ServerId, command: Command) {
        assert_eq!(command.client, client);
        let (seq, next_seq) = (command.seq, self.stored(client) + 1);
        if seq > next_seq {
            self.answer(client, id, ServerMessage::Gap { client, next_seq });
            return;
        }
        if seq == next_seq {
            self.chat.push(command);
        }
        self.server(id).owed.insert((client, seq));
    }
}
