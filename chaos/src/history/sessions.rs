//! Files messages and their acknowledgements under the sessions that they belong to.

use paxosctl_node::ids::ClientId;

use super::evidence::{Ack, Evidence, Message, Session};

/// The session of a client id, made when it is first heard of.
pub(super) fn session<'a>(
    evidence: &'a mut Evidence,
    client: ClientId,
    node: u32,
    name: &str,
) -> &'a mut Session {
    let sessions = &mut evidence.sessions;
    let place = *evidence.session_of.entry(client).or_insert_with(|| {
        sessions.push(Session {
            client,
            node,
            name: name.to_string(),
            messages: Vec::new(),
            joins: Vec::new(),
            reroutes: Vec::new(),
            told: Vec::new(),
            deliveries: Vec::new(),
            reads: Vec::new(),
            pages: Vec::new(),
        });
        sessions.len() as u32 - 1
    });
    &mut evidence.sessions[place as usize]
}

/// Notes a message that was handed to a session.
pub(super) fn say(
    evidence: &mut Evidence,
    node: u32,
    client: ClientId,
    speaker: &str,
    seq: u64,
    said_us: u64,
    text: String,
) {
    let message = evidence.messages.len() as u32;
    let session = session(evidence, client, node, speaker);
    let other_name = (session.name != speaker).then(|| speaker.into());
    let repeated = match session.messages.last() {
        Some(&(last, _)) if last >= seq => {
            match session.messages.binary_search_by_key(&seq, |&(seq, _)| seq) {
                Ok(_) => true,
                Err(place) => {
                    session.messages.insert(place, (seq, message));
                    false
                }
            }
        }
        _ => {
            session.messages.push((seq, message));
            false
        }
    };
    if repeated {
        evidence.repeated_says.push(message);
    }
    let session = evidence.session_of[&client];
    evidence.messages.push(Message {
        session,
        seq,
        said_us,
        other_name,
        text: text.into_boxed_str(),
        ack: None,
    });
}

/// Notes the acknowledgement with its message; false if there is no such message (yet).
pub(super) fn acknowledge(evidence: &mut Evidence, client: ClientId, seq: u64, ack: Ack) -> bool {
    let Some(message) = evidence
        .session(client)
        .and_then(|session| session.message(seq))
    else {
        return false;
    };
    match &evidence.messages[message as usize].ack {
        None => evidence.messages[message as usize].ack = Some(ack),
        Some(first) if !first.names_place() || !ack.names_place() => {}
        Some(first) if (first.index, first.slot) != (ack.index, ack.slot) => {
            evidence.conflicting_acks.push((message, ack));
        }
        Some(_) => {}
    }
    true
}
