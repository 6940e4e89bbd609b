//! A look at a running node from outside: a plain connection that takes part in nothing.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use paxosctl_node::ids::Slot;
use paxosctl_node::value::Value;
use paxosctl_node::wire::frame::{decode, encode};
use paxosctl_node::wire::{
    ClientMessage, FrameDecoder, FrameError, Hello, PEER_LIMIT_BYTES, Role, ServerMessage,
    ServerStatus, Welcome,
};
use serde::de::DeserializeOwned;

/// The name under which paxosctl itself appears.
const NAME: &str = "paxosctl";

/// A connection to one server.
#[derive(Debug)]
pub struct Observer {
    stream: TcpStream,
    decoder: FrameDecoder,
    patience: Duration,
}

/// Why a node did not answer.
#[derive(Debug, thiserror::Error)]
pub enum ObserverError {
    #[error("cannot connect to {address}: {source}")]
    Connect {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("no answer within {} ms", .patience.as_millis())]
    Silent { patience: Duration },
    #[error("the connection broke: {0}")]
    Broken(#[source] io::Error),
    #[error("it closed the connection")]
    Closed,
    #[error("it turned us away: {0}")]
    Refused(String),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("it stopped serving its log at slot {at} of {chosen}")]
    Stopped { at: Slot, chosen: Slot },
}

impl Observer {
    /// Connects to the server that listens there. `patience` is for each answer.
    ///
    /// # Errors
    /// Nobody listens, or not this cluster's node.
    pub fn connect(
        address: SocketAddr,
        cluster: u64,
        patience: Duration,
    ) -> Result<Observer, ObserverError> {
        let connect = || {
            let stream = TcpStream::connect_timeout(&address, patience)?;
            stream.set_nodelay(true)?;
            stream.set_write_timeout(Some(patience))?;
            Ok(stream)
        };
        let mut observer = Observer {
            stream: connect().map_err(|source| ObserverError::Connect { address, source })?,
            decoder: FrameDecoder::new(),
            patience,
        };
        observer.send(&Hello {
            cluster,
            node: NAME.into(),
            role: Role::Observer,
        })?;
        match observer.next_message()? {
            Welcome::Accepted { .. } => Ok(observer),
            Welcome::Refused { reason } => Err(ObserverError::Refused(reason)),
        }
    }

    /// How the server is doing.
    ///
    /// # Errors
    /// It did not answer in time.
    pub fn status(&mut self) -> Result<ServerStatus, ObserverError> {
        self.ask(&ClientMessage::Status, |answer| match answer {
            ServerMessage::Status(status) => Some(*status),
            _ => None,
        })
    }

    /// Every chosen value of the server's log, page by page, up to the last slot that was chosen
    /// when it was asked first.
    ///
    /// # Errors
    /// A page did not come in time.
    pub fn log(&mut self) -> Result<Vec<Value>, ObserverError> {
        let mut values: Vec<Value> = Vec::new();
        let mut last: Option<Slot> = None;
        loop {
            let next = Slot(values.len() as u64 + 1);
            let (page, chosen) = self.ask(&ClientMessage::Slots { from: next }, |answer| {
                match answer {
                    // An answer to an earlier page that came twice is none to this one.
                    ServerMessage::Slots {
                        from,
                        values,
                        chosen,
                    } if from == next => Some((values, chosen)),
                    _ => None,
                }
            })?;
            let last = *last.get_or_insert(chosen);
            let missing = last.0 - values.len() as u64;
            if missing == 0 {
                return Ok(values);
            }
            if page.is_empty() {
                return Err(ObserverError::Stopped {
                    at: next,
                    chosen: last,
                });
            }
            let wanted = usize::try_from(missing).unwrap_or(usize::MAX);
            values.extend(page.into_iter().take(wanted));
        }
    }

    /// Asks, and returns the first message that is an answer.
    fn ask<T>(
        &mut self,
        question: &ClientMessage,
        mut answer: impl FnMut(ServerMessage) -> Option<T>,
    ) -> Result<T, ObserverError> {
        self.send(question)?;
        loop {
            if let Some(answer) = answer(self.next_message()?) {
                return Ok(answer);
            }
        }
    }

    fn send<T: serde::Serialize>(&mut self, message: &T) -> Result<(), ObserverError> {
        let mut bytes = Vec::new();
        encode(message, &mut bytes)?;
        self.stream.write_all(&bytes).map_err(ObserverError::Broken)
    }

    fn next_message<T: DeserializeOwned>(&mut self) -> Result<T, ObserverError> {
        let deadline = Instant::now() + self.patience;
        let mut chunk = vec![0; 64 * 1024];
        loop {
            if let Some(body) = self.decoder.next_frame(PEER_LIMIT_BYTES)? {
                return Ok(decode(body)?);
            }
            let silent = ObserverError::Silent {
                patience: self.patience,
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(silent);
            }
            self.stream
                .set_read_timeout(Some(left))
                .map_err(ObserverError::Broken)?;
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(ObserverError::Closed),
                Ok(count) => self.decoder.extend(&chunk[..count]),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => return Err(silent),
                    io::ErrorKind::Interrupted => {}
                    _ => return Err(ObserverError::Broken(error)),
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// A server's end of one connection: answers the handshake, then each question.
    fn serve(
        welcome: Welcome,
        mut answers: impl FnMut(ClientMessage) -> Vec<ServerMessage> + Send + 'static,
    ) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = listener.local_addr().expect("address");
        thread::spawn(move || {
            let (stream, _) = listener.accept().expect("a connection");
            let mut end = Observer {
                stream,
                decoder: FrameDecoder::new(),
                patience: PATIENCE,
            };
            let hello: Hello = end.next_message().expect("hello");
            assert_eq!((hello.cluster, hello.role), (7, Role::Observer));
            end.send(&welcome).expect("sent");
            while let Ok(question) = end.next_message() {
                for answer in answers(question) {
                    end.send(&answer).expect("sent");
                }
            }
        });
        address
    }

    fn accepted() -> Welcome {
        Welcome::Accepted { node: "s1".into() }
    }

    #[test]
    fn a_log_is_read_page_by_page_up_to_what_was_chosen_at_first() {
        let address = serve(accepted(), |question| match question {
            ClientMessage::Slots { from } => {
                let page = |from: u64| ServerMessage::Slots {
                    from: Slot(from),
                    values: vec![Value::Noop; 2],
                    // It grows meanwhile.
                    chosen: Slot(4 + from),
                };
                // Each page comes twice.
                vec![page(from.0), page(from.0)]
            }
            _ => Vec::new(),
        });
        let mut observer = Observer::connect(address, 7, PATIENCE).expect("connected");
        assert_eq!(observer.log().expect("read").len(), 5);
    }

    #[test]
    fn a_log_that_ends_early_is_an_error() {
        let address = serve(accepted(), |_| {
            vec![ServerMessage::Slots {
                from: Slot(1),
                values: Vec::new(),
                chosen: Slot(9),
            }]
        });
        let mut observer = Observer::connect(address, 7, PATIENCE).expect("connected");
        let error = observer.log().expect_err("short").to_string();
        assert_eq!(error, "it stopped serving its log at slot 1 of 9");
    }

    #[test]
    fn an_empty_log_is_a_log() {
        let address = serve(accepted(), |_| {
            vec![ServerMessage::Slots {
                from: Slot(1),
                values: Vec::new(),
                chosen: Slot(0),
            }]
        });
        let mut observer = Observer::connect(address, 7, PATIENCE).expect("connected");
        assert_eq!(observer.log().expect("read"), Vec::new());
    }

    #[test]
    fn a_refusal_is_told() {
        let reason = "another cluster".to_owned();
        let address = serve(Welcome::Refused { reason }, |_| Vec::new());
        let error = Observer::connect(address, 7, PATIENCE).expect_err("refused");
        assert_eq!(error.to_string(), "it turned us away: another cluster");
    }

    #[test]
    fn a_silent_node_is_not_waited_for_for_ever() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = listener.local_addr().expect("address");
        let patience = Duration::from_millis(50);
        let error = Observer::connect(address, 7, patience).expect_err("silent");
        assert!(matches!(error, ObserverError::Silent { .. }), "{error}");
    }
}
