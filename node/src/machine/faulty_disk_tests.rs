use super::*;
use crate::ids::{Ballot, ServerId};
use crate::log::{Identity, Log, LogError, LogWriter, MemoryDisk, Record};
use crate::machine::MachineRule;

/// What the world was told.
#[derive(Default)]
struct Told {
    strikes: Mutex<Vec<Strike>>,
    held_up: Mutex<Vec<Duration>>,
}

impl DiskWorld for Told {
    fn hold_up(&self, by: Duration) {
        self.held_up.lock().unwrap().push(by);
    }

    fn strike(&self, strike: Strike) {
        self.strikes.lock().unwrap().push(strike);
    }
}

/// A world that kills the process, as the shell does.
struct Killing;

impl DiskWorld for Killing {
    fn hold_up(&self, _: Duration) {}

    fn strike(&self, strike: Strike) {
        std::panic::panic_any(strike);
    }
}

/// A log on a disk with troubles, and what they told.
struct Bench {
    disk: MemoryDisk,
    troubles: Arc<Troubles>,
    told: Arc<Told>,
    writer: LogWriter,
    round: u64,
}

impl Bench {
    fn new() -> Bench {
        let told = Arc::new(Told::default());
        let troubles = Arc::new(Troubles::new(7, told.clone()));
        let disk = MemoryDisk::new();
        let writer = open(&disk, &troubles).unwrap();
        Bench {
            disk,
            troubles,
            told,
            writer,
            round: 0,
        }
    }

    fn set(&self, generation: u64, what: &[Trouble]) -> Vec<Strike> {
        let rules = what.iter().map(|&what| MachineRule {
            id: "f1".into(),
            node: "s1".into(),
            what,
        });
        self.troubles.set(&Machine {
            generation,
            rules: rules.collect(),
        })
    }

    fn write(&mut self) -> Result<(), LogError> {
        self.round += 1;
        let ballot = Ballot::new(self.round, ServerId(1));
        let written = self.writer.commit(&[Record::Promised { ballot }]);
        written.map(drop)
    }

    /// How far the log is written: blank space follows.
    fn length(&self) -> usize {
        let contents = self.disk.contents("00000001.log");
        let last = contents.iter().rposition(|&byte| byte != 0);
        last.map_or(0, |last| last + 1)
    }

    fn told(&self) -> Vec<Strike> {
        self.told.strikes.lock().unwrap().clone()
    }
}

fn open(disk: &MemoryDisk, troubles: &Arc<Troubles>) -> Result<LogWriter, LogError> {
    let disk = FaultyDisk::new(disk.clone(), troubles.clone());
    let identity = Identity {
        cluster: 1,
        server: ServerId(1),
        servers: 3,
    };
    Ok(Log::open(Arc::new(disk), identity, 5)?.writer)
}

#[test]
fn a_failed_sync_is_told_and_ends_the_log() {
    let mut bench = Bench::new();
    bench.write().unwrap();
    let before = bench.length();
    bench.set(1, &[Trouble::FailSync]);
    let error = bench.write().unwrap_err().to_string();
    assert_eq!(
        error,
        "cannot sync memory/00000001.log: Input/output error (os error 5)"
    );
    assert_eq!(bench.length(), before, "what was not synced is taken back");
    assert_eq!(
        bench.told(),
        [Strike {
            generation: 1,
            rule: "f1".into(),
            hits: 1,
            what: "a sync failed".into(),
            kills: false,
        }]
    );
    assert!(matches!(bench.write(), Err(LogError::Poisoned { .. })));
    // It strikes once: the next process finds a sound disk.
    let mut writer = open(&bench.disk, &bench.troubles).unwrap();
    assert!(writer.commit(&[Record::Formed]).is_ok());
}

#[test]
fn a_disk_fills_up_after_so_many_bytes_and_takes_what_fits() {
    let mut bench = Bench::new();
    bench.write().unwrap();
    let (before, ends) = (bench.length(), 100);
    bench.set(1, &[Trouble::Full { after_bytes: ends }]);
    let error = loop {
        if let Err(error) = bench.write() {
            break error.to_string();
        }
    };
    assert_eq!(
        error,
        "cannot write memory/00000001.log: No space left on device (os error 28)"
    );
    assert!(bench.length() > before);
    let told = bench.told();
    assert_eq!(told.len(), 1);
    assert!(
        told[0].what.starts_with("no space left: ") && !told[0].kills,
        "{told:?}"
    );
    // Nothing fits any more, not even for another process, until the rule is gone.
    assert!(open(&bench.disk, &bench.troubles).is_ok());
    let mut writer = open(&bench.disk, &bench.troubles).unwrap();
    assert!(writer.commit(&[Record::Formed]).is_err());
    bench.set(2, &[]);
    let mut writer = open(&bench.disk, &bench.troubles).unwrap();
    assert!(writer.commit(&[Record::Formed]).is_ok());
}

#[test]
fn a_torn_write_leaves_a_beginning_and_kills() {
    for seed in 0..50 {
        let mut bench = Bench::new();
        bench.write().unwrap();
        let before = bench.length();
        bench.troubles = Arc::new(Troubles::new(seed, Arc::new(Killing)));
        bench.writer = open(&bench.disk, &bench.troubles).unwrap();
        bench.set(1, &[Trouble::TornAppend]);
        let died = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| bench.write()));
        let strike = *died.unwrap_err().downcast::<Strike>().unwrap();
        assert!(strike.kills && strike.what.starts_with("killed in the middle of a write: "));
        let torn = bench.length() - before;
        assert!(torn > 0);
        bench.set(2, &[]);
        let reopened = Log::open(
            Arc::new(bench.disk.clone()),
            Identity {
                cluster: 1,
                server: ServerId(1),
                servers: 3,
            },
            5,
        );
        let recovered = reopened.unwrap().recovered;
        assert_eq!(recovered.cut_bytes, torn as u64);
        assert_eq!(recovered.promised, Ballot::new(1, ServerId(1)));
    }
}

#[test]
fn slow_syncs_are_counted_and_told_once() {
    let mut bench = Bench::new();
    let slow = Trouble::SlowSync {
        by_us: 3000,
        jitter_us: 1000,
        probability: 1.0,
    };
    bench.set(4, &[slow]);
    for _ in 0..5 {
        bench.write().unwrap();
    }
    let held_up = bench.told.held_up.lock().unwrap().clone();
    assert_eq!(held_up.len(), 5);
    let range = Duration::from_millis(2)..=Duration::from_millis(4);
    assert!(held_up.iter().all(|by| range.contains(by)), "{held_up:?}");
    assert_eq!(bench.told().len(), 1);
    assert_eq!(bench.troubles.so_far()[0].hits, 5);
    // The same rule in a new table goes on counting.
    assert_eq!(bench.set(5, &[slow]), []);
    bench.write().unwrap();
    let ended = bench.set(6, &[]);
    assert_eq!((ended.len(), ended[0].hits, ended[0].generation), (1, 6, 5));
    assert!(ended[0].what.starts_with("a sync was held up by "));
}

#[test]
fn some_syncs_are_slow() {
    let mut bench = Bench::new();
    let slow = Trouble::SlowSync {
        by_us: 1,
        jitter_us: 0,
        probability: 0.3,
    };
    bench.set(1, &[slow]);
    for _ in 0..200 {
        bench.write().unwrap();
    }
    let hits = bench.set(2, &[])[0].hits;
    assert!((20..120).contains(&hits), "{hits}");
}
