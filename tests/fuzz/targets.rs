//! What is done with bytes that anybody may have sent or written. Nothing may panic, and what is
//! understood must mean the same when it is written and read again.

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

use paxosctl_chaos::plan::{self, written};
use paxosctl_node::ids::ServerId;
use paxosctl_node::link::{Kind, NodeLinks, Side, Table};
use paxosctl_node::log::{Disk, Identity, Log, MemoryDisk};
use paxosctl_node::wire::frame::{self, FrameDecoder};
use paxosctl_node::wire::{
    BalancerAnswer, BalancerMessage, ClientMessage, Hello, PeerMessage, ServerMessage, Welcome,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The largest frame that is looked at, in bytes.
const LIMIT_BYTES: usize = 1 << 16;

/// Bytes from a connection.
pub fn frame(bytes: &[u8]) {
    // Behind a checksum that is right, too.
    messages(bytes);
    let mut decoder = FrameDecoder::new();
    // They come in pieces.
    for piece in bytes.chunks(7) {
        decoder.extend(piece);
        while let Ok(Some(body)) = decoder.next_frame(LIMIT_BYTES) {
            messages(body);
        }
    }
}

fn messages(body: &[u8]) {
    message::<Hello>(body);
    message::<Welcome>(body);
    message::<PeerMessage>(body);
    message::<ClientMessage>(body);
    message::<ServerMessage>(body);
    message::<BalancerMessage>(body);
    message::<BalancerAnswer>(body);
}

fn message<T: Serialize + DeserializeOwned + PartialEq + Debug>(body: &[u8]) {
    let Ok(message) = frame::decode::<T>(body) else {
        return;
    };
    let mut bytes = Vec::new();
    frame::encode(&message, &mut bytes).expect("what was decoded can be encoded");
    let mut decoder = FrameDecoder::new();
    decoder.extend(&bytes);
    let again = decoder.next_frame(LIMIT_BYTES * 2).expect("a frame");
    let again: T = frame::decode(again.expect("all of it")).expect("a message");
    assert_eq!(again, message);
}

/// The identity of the logs in the corpus.
pub const IDENTITY: Identity = Identity {
    cluster: 7,
    server: ServerId(1),
    servers: 3,
};

/// The bytes of a log's first segment.
pub fn log(bytes: &[u8]) {
    let disk = MemoryDisk::new();
    let file = "00000001.log";
    disk.create(file).expect("an empty disk");
    disk.append(file, bytes).expect("room");
    disk.sync(file).expect("synced");
    disk.sync_dir().expect("synced");
    let read = Log::read_only(Arc::new(disk.fork()));
    let Ok(opened) = Log::open(Arc::new(disk.clone()), IDENTITY, 1) else {
        return;
    };
    let read = read.expect("what can be opened can be read");
    let found = opened.recovered;
    if let Some(read) = read {
        assert_eq!(read.recovered, found);
    }
    drop(opened.writer);
    let again = Log::open(Arc::new(disk), IDENTITY, 2).expect("it was opened before");
    let again = again.recovered;
    assert_eq!(
        (again.promised, again.accepted, again.chosen),
        (found.promised, found.accepted, found.chosen)
    );
}

/// The text of a plan.
pub fn plan(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match plan::parse(Path::new("fuzz.yaml"), &text) {
        Ok(plan) => {
            let text = written::yaml(&plan);
            plan::parse(Path::new("again.yaml"), &text)
                .unwrap_or_else(|errors| panic!("{errors}\n{text}"));
        }
        Err(errors) => assert!(!errors.to_string().is_empty()),
    }
}

/// The text of a link table.
pub fn links(bytes: &[u8]) {
    let Ok(table) = serde_json::from_slice::<Table>(bytes) else {
        return;
    };
    if table.check().is_err() {
        return;
    }
    let mut links = NodeLinks::with_seed("s1", 1, Vec::new());
    links.reload(table);
    for peer in ["s2", "s3", "ann", "balancer"] {
        for kind in [Kind::Prepare, Kind::Accept, Kind::Request, Kind::Control] {
            let copies = links.sending(peer, kind).copies().len();
            assert!(copies <= 16);
            links.receiving(peer, kind);
        }
        links.handshake(Side::Send, peer);
    }
    links.last_counts();
}
