//! For which session a message is: many share a connection.

use crate::ids::ClientId;
use crate::wire::{BalancerAnswer, ServerMessage};

/// The session that a server's message is for; none for what only observers get.
pub fn addressee(message: &ServerMessage) -> Option<ClientId> {
    match *message {
        ServerMessage::Joined { client, .. }
        | ServerMessage::Ack { client, .. }
        | ServerMessage::Gap { client, .. }
        | ServerMessage::Busy { client, .. }
        | ServerMessage::Deliver { client, .. }
        | ServerMessage::Page { client, .. }
        | ServerMessage::ReadResult { client, .. }
        | ServerMessage::Pong { client, .. }
        | ServerMessage::GoElsewhere { client, .. } => Some(client),
        ServerMessage::Status(_) | ServerMessage::Slots { .. } => None,
    }
}

/// The session that the balancer's answer is for; none for what it tells servers, and for Who.
pub fn answer_addressee(answer: &BalancerAnswer) -> Option<ClientId> {
    match *answer {
        BalancerAnswer::GoTo { client, .. }
        | BalancerAnswer::NotReady { client, .. }
        | BalancerAnswer::NoMajority { client, .. } => Some(client),
        BalancerAnswer::Registered { .. }
        | BalancerAnswer::Refused { .. }
        | BalancerAnswer::Who(_) => None,
    }
}
