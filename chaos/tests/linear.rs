//! The linearizability checker on whole files: public ones with their publisher's verdicts,
//! hand-made ones, and large ones.

use std::cell::Cell;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use paxosctl_chaos::linear::{Budget, ImportError, Judgement, ModelKind, Verdict, import, judge};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const MEMORY: usize = 1 << 30;

fn judged(text: &str, model: ModelKind) -> Judgement {
    let history = import(text.as_bytes(), model, MEMORY).expect("a history");
    let budget = Budget {
        bytes: MEMORY,
        give_up: &|| false,
    };
    judge(&history, &budget)
}

fn verdict(text: &str, model: ModelKind) -> Verdict {
    judged(text, model).verdict
}

fn refused(text: &str, model: ModelKind) -> (u64, String) {
    match import(text.as_bytes(), model, MEMORY).expect_err("refused") {
        ImportError::Malformed { line, reason, help } => {
            assert!(!help.is_empty(), "{reason}");
            (line, format!("{reason}; {help}"))
        }
        other => panic!("{other}"),
    }
}

#[test]
fn the_verdicts_of_public_histories_are_their_publishers() {
    use Verdict::{Linearizable, NotLinearizable};
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/histories/porcupine");
    for (file, model, wanted) in [
        ("etcd_000.log", ModelKind::CasRegister, NotLinearizable),
        ("etcd_002.log", ModelKind::CasRegister, Linearizable),
        ("etcd_005.log", ModelKind::CasRegister, Linearizable),
        ("etcd_007.log", ModelKind::CasRegister, Linearizable),
        ("etcd_018.log", ModelKind::CasRegister, Linearizable),
        ("etcd_099.log", ModelKind::CasRegister, NotLinearizable),
        ("c01-ok.txt", ModelKind::KeyValue, Linearizable),
        ("c01-bad.txt", ModelKind::KeyValue, NotLinearizable),
    ] {
        let text = fs::read_to_string(dir.join(file)).expect("a file of the repository");
        assert_eq!(verdict(&text, model), wanted, "{file}");
    }
}

/// `p w 3` calls, `p ok` returns, and so on, as log lines.
fn log(events: &[&str]) -> String {
    events.iter().fold(String::new(), |mut text, event| {
        let _ = writeln!(text, "INFO  jepsen.util - {event}");
        text
    })
}

#[test]
fn an_unknown_write_takes_effect_later_or_never() {
    let begin = [
        "0 :invoke :write 1",
        "0 :ok :write 1",
        "1 :invoke :write 2",
        "1 :info :write :timed-out",
    ];
    let later = |more: &[&str]| verdict(&log(&[&begin, more].concat()), ModelKind::Register);
    let read = |value| {
        [
            "2 :invoke :read nil".to_string(),
            format!("2 :ok :read {value}"),
        ]
    };
    let (one, two, three) = (read(1), read(2), read(3));
    let ones: Vec<&str> = one.iter().map(String::as_str).collect();
    let twos: Vec<&str> = two.iter().map(String::as_str).collect();
    let threes: Vec<&str> = three.iter().map(String::as_str).collect();
    assert_eq!(later(&ones), Verdict::Linearizable);
    assert_eq!(later(&twos), Verdict::Linearizable);
    assert_eq!(
        later(&[ones.clone(), twos.clone()].concat()),
        Verdict::Linearizable
    );
    assert_eq!(
        later(&[twos.clone(), ones].concat()),
        Verdict::NotLinearizable
    );
    assert_eq!(later(&threes), Verdict::NotLinearizable);
    // It takes effect once.
    let write = ["3 :invoke :write 1", "3 :ok :write 1"];
    let twice = [twos.as_slice(), &write, &twos].concat();
    assert_eq!(later(&twice), Verdict::NotLinearizable);
}

/// The unknown put does not change the state, but hides the first put from everybody.
#[test]
fn an_unknown_put_of_what_is_there_may_be_needed() {
    let line =
        |process, kind: &str, what: &str| format!("{{:process {process}, :type {kind}, {what}}}\n");
    let (put_b, put_a) = (":f :put, :value \"b\"", ":f :put, :value \"a\"");
    let (add_a, add_b) = (":f :append, :value \"a\"", ":f :append, :value \"b\"");
    let text = [
        line(0, ":invoke", put_b),
        line(1, ":invoke", put_a),
        line(2, ":invoke", add_a),
        line(3, ":invoke", add_b),
        line(1, ":info", put_a),
        line(2, ":ok", add_a),
        line(3, ":ok", add_b),
        line(0, ":ok", put_b),
        line(4, ":invoke", ":f :get, :value nil"),
        line(4, ":ok", ":f :get, :value \"ab\""),
    ]
    .concat();
    assert_eq!(verdict(&text, ModelKind::KeyValue), Verdict::Linearizable);
}

#[test]
fn a_failed_cas_found_another_value_and_a_failed_write_did_not_happen() {
    let of = |events: &[&str]| verdict(&log(events), ModelKind::CasRegister);
    let one = ["0 :invoke :write 1", "0 :ok :write 1"];
    let failed = |cas| {
        [
            format!("1 :invoke :cas {cas}"),
            format!("1 :fail :cas {cas}"),
        ]
    };
    for (cas, wanted) in [
        ("[2 3]", Verdict::Linearizable),
        ("[1 3]", Verdict::NotLinearizable),
        ("[nil 3]", Verdict::Linearizable),
    ] {
        let [call, end] = failed(cas);
        assert_eq!(of(&[&one[..], &[&call, &end]].concat()), wanted, "{cas}");
    }
    // A time-out compares nothing.
    assert_eq!(
        of(&[
            one[0],
            one[1],
            "1 :invoke :cas [1 3]",
            "1 :fail :cas :timed-out"
        ]),
        Verdict::Linearizable
    );
    let write = [
        "0 :invoke :write 1",
        "0 :fail :write 1",
        "1 :invoke :read nil",
    ];
    assert_eq!(
        of(&[&write[..], &["1 :ok :read 1"]].concat()),
        Verdict::NotLinearizable
    );
    assert_eq!(
        of(&[&write[..], &["1 :ok :read nil"]].concat()),
        Verdict::Linearizable
    );
    assert_eq!(
        of(&[&write[..], &["1 :fail :read :timed-out"]].concat()),
        Verdict::Linearizable
    );
}

#[test]
fn the_longest_prefix_and_the_operation_that_fits_nowhere_are_told() {
    let judgement = judged(
        &log(&[
            "0 :invoke :write 1",
            "0 :ok :write 1",
            "1 :invoke :write 2",
            "2 :invoke :read nil",
            "2 :ok :read 2",
            "3 :invoke :read nil",
            "3 :ok :read 1",
            "1 :ok :write 2",
            "4 :invoke :read nil",
            "4 :ok :read 2",
        ]),
        ModelKind::Register,
    );
    let violation = &judgement.violations[0];
    let prefix: Vec<&str> = violation
        .prefix
        .iter()
        .map(|placed| placed.operation.what.as_str())
        .collect();
    assert_eq!(prefix, ["write 1", "write 2", "read → 2"]);
    assert_eq!(violation.state, "2");
    assert_eq!(violation.stuck.what, "read → 1");
    assert_eq!(violation.stuck.called_line, 6);
    assert_eq!(violation.stuck.returned_line, Some(7));
    let concurrent: Vec<_> = violation
        .concurrent
        .iter()
        .map(|placed| (placed.place, placed.operation.what.as_str()))
        .collect();
    assert_eq!(concurrent, [(Some(2), "write 2")]);
}

#[test]
fn edn_is_read_in_any_order_with_marks_lists_and_tuples() {
    let read = "{:value 3 :f :read, :type :ok, :process 1, :time 12, :index 3, :error nil}";
    let text = format!(
        "\u{feff}; a comment\r\n{{:process 0, :type :invoke, :f :write, :value 3}}\r\n\r\n\
         {{:process :nemesis, :type :info, :f :start, :value nil}}\r\n\
         {{:type :ok, :process 0, :f :write, :value 3}}\r\n\
         {{:process 1, :type :invoke, :f :read, :value nil}}\r\n{read}\r\n"
    );
    assert_eq!(verdict(&text, ModelKind::Register), Verdict::Linearizable);
    let wrong = text.replace("{:value 3 :f", "{:value 4 :f");
    assert_eq!(
        verdict(&wrong, ModelKind::Register),
        Verdict::NotLinearizable
    );
    let list = format!("[{}]", text.trim_start_matches('\u{feff}'));
    assert_eq!(verdict(&list, ModelKind::Register), Verdict::Linearizable);
    let tuples = "\
        {:process 0, :type :invoke, :f :write, :value [:a 1]}\n\
        {:process 0, :type :ok, :f :write, :value [:a 1]}\n\
        {:process 0, :type :invoke, :f :cas, :value [:b [1 2]]}\n\
        {:process 0, :type :fail, :f :cas, :value [:b [1 2]]}\n\
        {:process 0, :type :invoke, :f :read, :value [:a nil]}\n\
        {:process 0, :type :ok, :f :read, :value [:a 1]}\n";
    let judgement = judged(tuples, ModelKind::CasRegister);
    assert_eq!(
        (judgement.verdict, judgement.keys),
        (Verdict::Linearizable, 2)
    );
    let wrong = tuples.replace("read, :value [:a 1]", "read, :value [:a nil]");
    let judgement = judged(&wrong, ModelKind::CasRegister);
    assert_eq!(judgement.verdict, Verdict::NotLinearizable);
    assert_eq!(judgement.violations[0].key.as_deref(), Some(":a"));
}

#[test]
fn a_log_is_read_whole_or_by_its_length_and_names_places() {
    let text = "\
        {:process 0, :type :invoke, :f :append, :value \"a\"}\n\
        {:process 1, :type :invoke, :f :append, :value \"b\"}\n\
        {:process 1, :type :ok, :f :append, :value \"b\", :position 1}\n\
        {:process 2, :type :invoke, :f :append, :value \"c\"}\n\
        {:process 2, :type :info, :f :append, :value \"c\"}\n\
        {:process 0, :type :ok, :f :append, :value \"a\", :position 3}\n\
        {:process 1, :type :invoke, :f :read, :value nil}\n\
        {:process 1, :type :ok, :f :read, :value 3}\n";
    assert_eq!(verdict(text, ModelKind::Log), Verdict::Linearizable);
    // Without the unknown append nothing can be in the second place.
    let without: String = text
        .lines()
        .filter(|line| !line.contains(":process 2"))
        .fold(String::new(), |text, line| text + line + "\n");
    assert_eq!(verdict(&without, ModelKind::Log), Verdict::NotLinearizable);
    let whole = text.replace(":f :read, :value 3", ":f :read, :value [\"b\" \"c\" \"a\"]");
    assert_eq!(verdict(&whole, ModelKind::Log), Verdict::Linearizable);
    let other = text.replace(":f :read, :value 3", ":f :read, :value [\"b\" \"a\" \"c\"]");
    assert_eq!(verdict(&other, ModelKind::Log), Verdict::NotLinearizable);
}

#[test]
fn what_makes_no_sense_is_refused_with_its_line() {
    let edn = |kind: &str, more: &str| format!("{{:process 1, :type {kind}, {more}}}\n");
    let call = edn(":invoke", ":f :write, :value 1");
    let done = edn(":ok", ":f :write, :value 1");
    for (text, line, words) in [
        (done.clone(), 1, "it never began one"),
        ([&*call, &done, &done].concat(), 3, "ended on line 2"),
        ([&*call, &call].concat(), 2, "line 1 has not returned"),
        (
            [&*call, &edn(":ok", ":f :read, :value 1")].concat(),
            2,
            "began :write",
        ),
        (
            [&*call, &edn(":ok", ":f :write, :value 2")].concat(),
            2,
            "was called on line 1 with 1",
        ),
        (
            [&*call, "{:process 1, :type :ok"].concat(),
            2,
            "`}` is missing",
        ),
        (edn(":done", ":f :write"), 1, ":type is :done"),
        ("{:type :ok, :f :read}".into(), 1, ":process is missing"),
        (edn(":invoke", ":f :drain"), 1, "it knows :read and :write"),
        (
            edn(":invoke", ":f :cas, :value [1 2]"),
            1,
            "--model cas-register knows :cas",
        ),
        ("{\"process\": 1}".into(), 1, "JSON"),
        ("nothing of the kind\n".into(), 0, "no operation"),
        (
            log(&["0 :invoke :write 1", "0 :ok :write [1"]),
            2,
            "cannot be read",
        ),
    ] {
        let (found, reason) = refused(&text, ModelKind::Register);
        assert_eq!(found, line, "{text}: {reason}");
        assert!(reason.contains(words), "{text}: {reason}");
    }
    let (line, reason) = refused(
        &log(&["0 :invoke :cas 3", "0 :info :cas 3"]),
        ModelKind::CasRegister,
    );
    assert_eq!(line, 1, "{reason}");
    assert!(matches!(
        import(call.as_bytes(), ModelKind::Register, 100),
        Err(ImportError::TooLarge { .. })
    ));
    let empty = import("".as_bytes(), ModelKind::Register, MEMORY).expect("empty");
    assert!(empty.operations.is_empty());
}

/// The history of a key-value store that is linearizable: each operation happens at one moment.
/// `unknown`: which share of a thousand writes is never answered.
fn key_value_history(operations: u32, clients: u32, keys: u32, unknown: u32) -> String {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut state = vec![String::new(); keys as usize];
    // What each client is doing: function, key, value, and whether it happened.
    let mut doing: Vec<Option<(&str, u32, String, bool)>> = vec![None; clients as usize];
    let mut process: Vec<u32> = (0..clients).collect();
    let mut text = String::new();
    let mut begun = 0;
    while begun < operations || doing.iter().any(Option::is_some) {
        let client = random.random_range(0..clients) as usize;
        let number = process[client];
        match &mut doing[client] {
            None if begun < operations => {
                let key = random.random_range(0..keys);
                let (function, value) = match random.random_range(0..20) {
                    0 => ("put", format!("x {begun} y")),
                    1..10 => ("append", format!("x {begun} y")),
                    _ => ("get", String::new()),
                };
                begun += 1;
                let shown = if function == "get" {
                    "nil".into()
                } else {
                    format!("\"{value}\"")
                };
                let _ = writeln!(
                    text,
                    "{{:process {number}, :type :invoke, :f :{function}, :key \"{key}\", :value {shown}}}"
                );
                doing[client] = Some((function, key, value, false));
            }
            None => {}
            Some((function, key, value, happened @ false)) => {
                *happened = true;
                let state = &mut state[*key as usize];
                let lost = *function != "get" && random.random_range(0..1000) < unknown;
                let happens = !lost || random.random();
                match *function {
                    _ if !happens => {}
                    // A long value makes the file quadratic; begin anew.
                    "put" => *state = value.clone(),
                    "append" => state.push_str(value),
                    _ => *value = state.clone(),
                }
                if lost {
                    doing[client] = None;
                    process[client] += clients;
                }
            }
            Some((function, key, value, true)) => {
                let _ = writeln!(
                    text,
                    "{{:process {number}, :type :ok, :f :{function}, :key \"{key}\", :value \"{value}\"}}"
                );
                doing[client] = None;
            }
        }
    }
    text
}

/// The history of one register with distinct values.
fn register_history(operations: u32, clients: u32) -> String {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let mut state = 0;
    let mut doing: Vec<Option<(bool, u32, bool)>> = vec![None; clients as usize];
    let mut text = String::from("0 :invoke :write 0\n0 :ok :write 0\n");
    let mut begun = 0;
    while begun < operations || doing.iter().any(Option::is_some) {
        let client = random.random_range(0..clients) as usize;
        match &mut doing[client] {
            None if begun < operations => {
                begun += 1;
                let write = random.random();
                let shown = if write {
                    format!(":write {begun}")
                } else {
                    ":read nil".into()
                };
                let _ = writeln!(text, "{client} :invoke {shown}");
                doing[client] = Some((write, begun, false));
            }
            None => {}
            Some((write, value, happened @ false)) => {
                *happened = true;
                if *write {
                    state = *value;
                } else {
                    *value = state;
                }
            }
            Some((write, value, true)) => {
                let function = if *write { "write" } else { "read" };
                let _ = writeln!(text, "{client} :ok :{function} {value}");
                doing[client] = None;
            }
        }
    }
    text
}

/// What a client does: read, write or cas; its values; and once it happened, how it came out.
type Doing = (u32, u32, u32, Option<bool>);

/// The history of one register of five values with reads, writes and compare-and-sets, as Jepsen
/// makes them. `unknown`: which share of a thousand operations times out. `stale`: a read in the
/// middle returns another value than the one that is there.
fn cas_history(operations: u32, clients: u32, unknown: u32, stale: bool) -> String {
    let mut random = ChaCha8Rng::seed_from_u64(13);
    let mut state = 0;
    let mut text = String::from("0 :invoke :write 0\n0 :ok :write 0\n");
    let mut doing: Vec<Option<Doing>> = vec![None; clients as usize];
    let mut process: Vec<u32> = (0..clients).collect();
    let (mut begun, mut told) = (0, false);
    while begun < operations || doing.iter().any(Option::is_some) {
        let client = random.random_range(0..clients) as usize;
        let number = process[client];
        let shown = |what, from: u32, to: u32| match what {
            0 => format!(":read {from}"),
            1 => format!(":write {from}"),
            _ => format!(":cas [{from} {to}]"),
        };
        match &mut doing[client] {
            None if begun < operations => {
                begun += 1;
                let what = random.random_range(0..3);
                let (from, to) = (random.random_range(0..5), random.random_range(0..5));
                let asked = if what == 0 {
                    ":read nil".into()
                } else {
                    shown(what, from, to)
                };
                let _ = writeln!(text, "{number} :invoke {asked}");
                doing[client] = Some((what, from, to, None));
            }
            None => {}
            Some((what, from, to, came_out @ None)) => {
                let lost = *what != 0 && random.random_range(0..1000) < unknown;
                let happens = !lost || random.random();
                *came_out = Some(*what != 2 || state == *from);
                match *what {
                    0 if stale && !told && begun >= operations / 2 => {
                        *from = (state + 1) % 5;
                        told = true;
                    }
                    0 => *from = state,
                    1 if happens => state = *from,
                    2 if happens && state == *from => state = *to,
                    _ => {}
                }
                if lost {
                    doing[client] = None;
                    process[client] += clients;
                }
            }
            Some((what, from, to, Some(ok))) => {
                let end = if *ok { ":ok" } else { ":fail" };
                let _ = writeln!(text, "{number} {end} {}", shown(*what, *from, *to));
                doing[client] = None;
            }
        }
    }
    text
}

/// The history with the answer of one read in the middle exchanged for an older one.
fn with_a_stale_get(text: &str) -> String {
    let is_get = |line: &str| line.contains(":type :ok, :f :get");
    let mut lines: Vec<String> = text.lines().map(String::from).collect();
    let middle = lines.len() / 2;
    let old = lines[..middle - middle / 50]
        .iter()
        .rfind(|line| is_get(line))
        .expect("an old get");
    let old = old.split(":value ").nth(1).expect("a value").to_string();
    let later = lines[middle..]
        .iter_mut()
        .find(|line| is_get(line))
        .expect("a get");
    let call = later.split(":value ").next().expect("a call").to_string();
    *later = format!("{call}:value {old}");
    lines.join("\n")
}

#[test]
fn large_histories_with_one_wrong_answer_are_decided() {
    let text = with_a_stale_get(&key_value_history(5_000, 10, 1, 0));
    assert_eq!(
        verdict(&text, ModelKind::KeyValue),
        Verdict::NotLinearizable
    );
    let text = register_history(5_000, 10);
    let old = text
        .lines()
        .filter(|line| line.contains(":ok :read"))
        .nth(1_500)
        .expect("a read");
    let wrong = text.replacen(old, "PROCESS :ok :read 9999", 1);
    let process = old.split(' ').next().expect("a process");
    let judgement = judged(&wrong.replace("PROCESS", process), ModelKind::Register);
    assert_eq!(judgement.verdict, Verdict::NotLinearizable);
    assert_eq!(judgement.violations[0].stuck.what, "read → 9999");
    assert!(judgement.violations[0].prefix_length > 1_500);
}

#[test]
fn large_well_behaved_histories_are_decided() {
    let text = key_value_history(5_000, 10, 1, 0);
    assert_eq!(verdict(&text, ModelKind::KeyValue), Verdict::Linearizable);
    let text = key_value_history(5_000, 10, 5, 20);
    assert_eq!(verdict(&text, ModelKind::KeyValue), Verdict::Linearizable);
    let text = cas_history(5_000, 5, 30, false);
    assert_eq!(
        verdict(&text, ModelKind::CasRegister),
        Verdict::Linearizable
    );
    let text = register_history(5_000, 10);
    assert_eq!(verdict(&text, ModelKind::Register), Verdict::Linearizable);
}

/// Concurrent writes of `values` values, each of them read while they last, and then one read
/// again: no order can do that, and there are very many to try.
fn adversarial(values: u32) -> String {
    let mut text = String::new();
    for value in 0..values {
        let _ = writeln!(text, "{value} :invoke :write {value}");
    }
    for _ in 0..2 {
        for value in 0..values {
            let _ = writeln!(text, "100 :invoke :read nil\n100 :ok :read {value}");
        }
    }
    for value in 0..values {
        let _ = writeln!(text, "{value} :ok :write {value}");
    }
    text
}

#[test]
fn thirty_concurrent_writes_and_an_impossible_read_do_not_explode() {
    let mut text = String::new();
    for value in 0..30 {
        let _ = writeln!(text, "{value} :invoke :write {value}");
    }
    for value in 0..30 {
        let _ = writeln!(text, "{value} :ok :write {value}");
    }
    text += "99 :invoke :read nil\n99 :ok :read 77\n";
    assert_eq!(
        verdict(&text, ModelKind::Register),
        Verdict::NotLinearizable
    );
    assert_eq!(
        verdict(&adversarial(30), ModelKind::Register),
        Verdict::NotLinearizable
    );
    // The same, unknown for ever.
    let unknown = adversarial(30).replace(":ok :write", ":info :write");
    assert_eq!(
        verdict(&unknown, ModelKind::Register),
        Verdict::NotLinearizable
    );
}

/// Concurrent compare-and-sets between few values, and a final read that none of them leads to
/// when all have happened: every subset in every state must be gone through.
fn hard(operations: u32) -> String {
    let mut text = String::from("200 :invoke :write 0\n200 :ok :write 0\n");
    for process in 0..operations {
        let _ = writeln!(text, "{process} :invoke :write {}", process + 1);
    }
    for process in 0..operations {
        let _ = writeln!(text, "{} :invoke :cas [{} 999]", 100 + process, process + 1);
    }
    for process in 0..operations {
        let _ = writeln!(text, "{process} :ok :write {}", process + 1);
    }
    for process in 0..operations {
        let _ = writeln!(text, "{} :ok :cas [{} 999]", 100 + process, process + 1);
    }
    text += "201 :invoke :read nil\n201 :ok :read 0\n";
    text
}

#[test]
fn the_budget_ends_in_unknown() {
    let text = hard(30);
    let history = import(text.as_bytes(), ModelKind::CasRegister, MEMORY).expect("a history");
    let asked = Cell::new(0);
    let give_up = || {
        asked.set(asked.get() + 1);
        asked.get() > 100
    };
    let judgement = judge(
        &history,
        &Budget {
            bytes: MEMORY,
            give_up: &give_up,
        },
    );
    assert_eq!(judgement.verdict, Verdict::Unknown);
    assert_eq!(judgement.undecided.len(), 1);
    let judgement = judge(
        &history,
        &Budget {
            bytes: 8 << 20,
            give_up: &|| false,
        },
    );
    assert_eq!(judgement.verdict, Verdict::Unknown);
    let json = serde_json::to_value(&judgement).expect("JSON");
    assert_eq!(json["undecided"][0]["why"], "memory");
    // A key that is violated decides, whatever else is undecided.
    let mut both = String::new();
    for line in text.lines() {
        let (process, rest) = line.split_once(' ').expect("fields");
        let (kind, rest) = rest.split_once(' ').expect("fields");
        let (function, value) = rest.split_once(' ').expect("fields");
        let _ = writeln!(
            both,
            "{{:process {process}, :type {kind}, :f {function}, :key 1, :value {value}}}"
        );
    }
    both += "{:process 300, :type :invoke, :f :read, :key 2}\n";
    both += "{:process 300, :type :ok, :f :read, :key 2, :value 5}\n";
    let history = import(both.as_bytes(), ModelKind::CasRegister, MEMORY).expect("a history");
    let judgement = judge(
        &history,
        &Budget {
            bytes: 8 << 20,
            give_up: &|| false,
        },
    );
    assert_eq!(judgement.verdict, Verdict::NotLinearizable);
    assert_eq!(judgement.undecided_keys, 1);
}

/// `cargo test --release -p paxosctl-chaos --test linear -- --ignored --nocapture`
#[test]
#[ignore = "prints figures"]
fn figures() {
    let mut figures = String::new();
    let mut row = |name: &str, text: &str, model| {
        let begun = Instant::now();
        let history = import(text.as_bytes(), model, MEMORY).expect("a history");
        let read = begun.elapsed();
        let begun = Instant::now();
        let budget = Budget {
            bytes: MEMORY,
            give_up: &|| begun.elapsed() > Duration::from_secs(60),
        };
        let judgement = judge(&history, &budget);
        let _ = writeln!(
            figures,
            "{name:<52} {:>7} operations {:>6.1} MiB  read {:>7.1} ms  judged {:>8.1} ms  {:?}",
            history.operations.len(),
            text.len() as f64 / (1 << 20) as f64,
            read.as_secs_f64() * 1e3,
            begun.elapsed().as_secs_f64() * 1e3,
            judgement.verdict,
        );
    };
    for operations in [12_500, 25_000, 50_000] {
        row(
            &format!("kv, 10 clients, 10 keys, {operations}"),
            &key_value_history(operations, 10, 10, 0),
            ModelKind::KeyValue,
        );
        row(
            &format!("kv, 10 clients, 1 key, {operations}"),
            &key_value_history(operations, 10, 1, 0),
            ModelKind::KeyValue,
        );
        row(
            &format!("kv, 50 clients, 10 keys, {operations}"),
            &key_value_history(operations, 50, 10, 0),
            ModelKind::KeyValue,
        );
        row(
            &format!("kv, 10 clients, 10 keys, 1% unknown, {operations}"),
            &key_value_history(operations, 10, 10, 10),
            ModelKind::KeyValue,
        );
        row(
            &format!("register, 10 clients, {operations}"),
            &register_history(operations, 10),
            ModelKind::Register,
        );
        row(
            &format!("cas-register, 10 clients, {operations}"),
            &cas_history(operations, 10, 0, false),
            ModelKind::CasRegister,
        );
        row(
            &format!("cas-register, 5 clients, 3% unknown, {operations}"),
            &cas_history(operations, 5, 30, false),
            ModelKind::CasRegister,
        );
    }
    for clients in [10, 20, 50] {
        row(
            &format!("kv, {clients} clients, 1 key, a stale get"),
            &with_a_stale_get(&key_value_history(20_000, clients, 1, 0)),
            ModelKind::KeyValue,
        );
        row(
            &format!("kv, {clients} clients, 1 key, 1% unknown, a stale get"),
            &with_a_stale_get(&key_value_history(20_000, clients, 1, 10)),
            ModelKind::KeyValue,
        );
        row(
            &format!("cas-register, {clients} clients, 3% unknown, a changed read"),
            &cas_history(2_000, clients, 30, true),
            ModelKind::CasRegister,
        );
    }
    row(
        "30 concurrent writes, contradicting reads",
        &adversarial(30),
        ModelKind::Register,
    );
    row(
        "60 concurrent operations, exponential",
        &hard(30),
        ModelKind::CasRegister,
    );
    print_figures(&figures);
}

fn print_figures(figures: &str) {
    use std::io::Write as _;
    let _ = std::io::stdout().write_all(figures.as_bytes());
}
