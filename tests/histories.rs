//! Histories from elsewhere on the command line: verdicts, exit codes, and what is said.

mod support;

use support::Place;

const GOOD: &str = "\
INFO  jepsen.util - 0\t:invoke\t:write\t3
INFO  jepsen.util - :nemesis\t:info\t:start\tnil
INFO  jepsen.util - 1\t:invoke\t:cas\t[3 4]
INFO  jepsen.util - 0\t:ok\t:write\t3
INFO  jepsen.util - 1\t:info\t:cas\t:timed-out
INFO  jepsen.util - 0\t:invoke\t:read\tnil
INFO  jepsen.util - 0\t:ok\t:read\t4
";

#[test]
fn the_exit_code_is_the_verdict() {
    let place = Place::new();
    place.file("good.log", GOOD);
    let good = place.run(&["check", "--model", "cas-register", "good.log"]);
    good.expect_code(0);
    assert!(good.stdout.starts_with("LINEARIZABLE"), "{}", good.stdout);
    assert_eq!(good.stderr, "");

    place.file("bad.log", &GOOD.replace(":ok\t:read\t4", ":ok\t:read\tnil"));
    let bad = place.run(&["check", "--model", "cas-register", "bad.log"]);
    bad.expect_code(1);
    for words in ["NOT LINEARIZABLE", "read → nil", "lines 6 to 7", "write 3"] {
        assert!(bad.stdout.contains(words), "{words}: {}", bad.stdout);
    }

    let json = place.run(&[
        "check",
        "--model",
        "cas-register",
        "bad.log",
        "--report",
        "json",
    ]);
    json.expect_code(1);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(json["verdict"], "not_linearizable");
    assert_eq!(json["violations"][0]["stuck"]["called_line"], 6);

    let budget = ["--budget-seconds", "0"];
    let arguments = [
        &["check", "--model", "cas-register", "good.log"][..],
        &budget,
    ]
    .concat();
    let unknown = place.run(&arguments);
    unknown.expect_code(4);
    assert!(
        unknown.stdout.contains("--budget-seconds"),
        "{}",
        unknown.stdout
    );
    let budget = ["--budget-memory", "0"];
    let arguments = [
        &["check", "--model", "cas-register", "good.log"][..],
        &budget,
    ]
    .concat();
    place.run(&arguments).expect_code(4);
}

#[test]
fn what_cannot_be_judged_says_what_to_do() {
    let place = Place::new();
    place.file("good.log", GOOD);
    place.file(
        "cut.edn",
        "{:process 1, :type :invoke, :f :read, :value nil}\n{:process 1,",
    );
    place.file("empty.edn", "");
    place.file("other.txt", "nothing of the kind\n");
    for (arguments, words) in [
        (
            &["check", "--model", "register", "cut.edn"][..],
            "--> cut.edn:2",
        ),
        (
            &["check", "--model", "register", "empty.edn"],
            "no operation",
        ),
        (
            &["check", "--model", "register", "other.txt"],
            "no operation",
        ),
        (
            &["check", "--model", "register", "good.log"],
            "--model cas-register",
        ),
        (&["check", "--model", "register", "absent"], "absent"),
        (&["check", "--model", "log", "."], "paxosctl export"),
        (&["check", "good.log"], "--model register"),
        (&["check", "--model", "set", "good.log"], "possible values"),
        (&["check", "good.log", "--budget-seconds", "1"], "--model"),
        (&["export", ".", "--format", "edn"], "history.jsonl"),
        (&["export", "good.log", "--format", "edn"], "history.jsonl"),
    ] {
        let output = place.run(arguments);
        output.expect_code(2);
        assert_eq!(output.stdout, "");
        assert!(output.stderr.starts_with("error"), "{}", output.stderr);
        assert!(
            output.stderr.contains(words),
            "{arguments:?}: {}",
            output.stderr
        );
    }
}
