use paxosctl_node::event::Event;
use paxosctl_node::ids::Slot;

use super::*;

fn sent(at_us: u64, from: &str, to: &str, message: &str, fate: Fate) -> TraceStep {
    TraceStep {
        at_us,
        what: TraceWhat::Sent {
            from: from.into(),
            to: to.into(),
            message: message.into(),
            quiet: message == "Ping",
            fate,
        },
    }
}

fn story() -> Sequence {
    let chosen = Event::Chosen { upto: Slot(7) };
    Sequence {
        steps: vec![
            TraceStep {
                at_us: 1_000_000,
                what: TraceWhat::Action {
                    words: "kill s1".into(),
                },
            },
            sent(
                1_000_100,
                "s2",
                "s3",
                "Accept 2.s2 slot 7: no-op",
                Fate::Arrives { at_us: 1_000_200 },
            ),
            sent(1_000_100, "s2", "s1", "<b>hostile</b>", Fate::Lost),
            TraceStep {
                at_us: 1_000_300,
                what: TraceWhat::Event {
                    node: "s2".into(),
                    event: chosen,
                },
            },
            sent(
                1_100_000,
                "s3",
                "s2",
                "Late",
                Fate::Arrives { at_us: 1_900_000 },
            ),
        ],
        at_us: 1_000_300,
        violation: "agreement: slot 7 differs".into(),
        left_out: 3,
    }
}

#[test]
fn a_sequence_is_told_line_by_line() {
    assert_eq!(
        text(&story()),
        "   1.000000  === kill s1\n   \
         1.000100  s2 -> s3  Accept 2.s2 slot 7: no-op\n   \
         1.000100  s2 -> s1  <b>hostile</b>  (LOST by the network)\n   \
         1.000300  s2 *  takes slots up to 7 for chosen\n   \
         1.000300  !!! agreement: slot 7 differs\n   \
         1.100000  s3 -> s2  Late  (arrives at 1.900000)\n\
         3 steps in between that say nothing of it are left out\n"
    );
}

#[test]
fn a_diagram_has_a_lane_a_node_and_an_arrow_a_message() {
    let svg = diagram(&story());
    assert_eq!(svg.matches("class=\"message\"").count(), 3);
    assert_eq!(svg.matches("class=\"head\"").count(), 2);
    assert_eq!(svg.matches("class=\"lost\"").count(), 1);
    assert_eq!(svg.matches("class=\"event\"").count(), 1);
    assert_eq!(svg.matches("class=\"action\"").count(), 1);
    assert_eq!(svg.matches("class=\"violation\"").count(), 1);
    for lane in ["s1", "s2", "s3"] {
        assert!(svg.contains(&format!(">{lane}</text>")));
    }
    assert!(!svg.contains("<b>") && svg.contains("&lt;b&gt;hostile"));
}
