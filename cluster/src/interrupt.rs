//! Ctrl-C and SIGTERM: noted, so that whoever runs a cluster can heal and tear it down first.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc;
use std::thread;

use tokio::signal::unix::{SignalKind, signal};

use crate::exit::Failure;

/// Whether somebody asked us to stop, and with which signal.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    signal: Arc<AtomicI32>,
}

impl Interrupt {
    /// From now on SIGINT and SIGTERM no longer end the process; they are noted here.
    ///
    /// # Errors
    /// The system refused the handlers.
    pub fn install() -> Result<Interrupt, Failure> {
        let interrupt = Interrupt::default();
        let noted = interrupt.clone();
        let (ready, installed) = mpsc::channel();
        // The thread lives until the process ends.
        thread::Builder::new()
            .name("signals".into())
            .spawn(move || noted.listen(&ready))
            .and_then(|_| {
                installed
                    .recv()
                    .unwrap_or_else(|_| Err(std::io::Error::other("the signal thread ended")))
            })
            .map_err(|error| Failure::Cluster(format!("cannot handle signals: {error}")))?;
        Ok(interrupt)
    }

    /// The first signal that asked us to stop.
    pub fn signal(&self) -> Option<i32> {
        match self.signal.load(Ordering::SeqCst) {
            0 => None,
            signal => Some(signal),
        }
    }

    pub fn is_set(&self) -> bool {
        self.signal().is_some()
    }

    /// # Errors
    /// [`Failure::Interrupted`] once a signal came.
    pub fn check(&self) -> Result<(), Failure> {
        match self.signal() {
            Some(signal) => Err(Failure::Interrupted { signal }),
            None => Ok(()),
        }
    }

    fn note(&self, signal: SignalKind) {
        let _ = self.signal.compare_exchange(
            0,
            signal.as_raw_value(),
            Ordering::SeqCst,
            Ordering::SeqCst,
        );
    }

    fn listen(&self, ready: &mpsc::Sender<std::io::Result<()>>) {
        let runtime = match tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
        {
            Ok(runtime) => runtime,
            Err(error) => {
                let _ = ready.send(Err(error));
                return;
            }
        };
        runtime.block_on(async {
            let handlers = signal(SignalKind::interrupt())
                .and_then(|interrupt| Ok((interrupt, signal(SignalKind::terminate())?)));
            let (mut interrupt, mut terminate) = match handlers {
                Ok(handlers) => handlers,
                Err(error) => {
                    let _ = ready.send(Err(error));
                    return;
                }
            };
            let _ = ready.send(Ok(()));
            loop {
                tokio::select! {
                    Some(()) = interrupt.recv() => self.note(SignalKind::interrupt()),
                    Some(()) = terminate.recv() => self.note(SignalKind::terminate()),
                    else => return,
                }
            }
        });
    }
}
