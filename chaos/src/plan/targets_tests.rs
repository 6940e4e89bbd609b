use super::*;

fn names() -> Names {
    Names {
        servers: 3,
        clients: vec!["ann".to_owned(), "bob".to_owned(), "load1".to_owned()],
    }
}

/// A target read and written again, or each mistake as `start+length message`.
fn told<T: std::fmt::Display>(read: Result<T, Vec<Wrong>>) -> Result<String, Vec<String>> {
    read.map(|value| value.to_string()).map_err(|wrongs| {
        let text = |w: &Wrong| format!("{}+{} {}", w.start, w.length, w.message);
        wrongs.iter().map(text).collect()
    })
}

#[test]
fn targets_are_read_and_written_alike() {
    for text in [
        "s1",
        "balancer",
        "ann",
        "leader",
        "follower",
        "followers",
        "servers",
        "clients",
        "all",
        "random(2)",
        "server-of(bob)",
        "s1,s2",
        "leader,s1,random(1)",
        "load1",
    ] {
        assert_eq!(told(nodes(text, &names())), Ok(text.to_owned()));
    }
    assert_eq!(
        told(nodes(" s1 , random( 2 ) ", &names())),
        Ok("s1,random(2)".into())
    );
}

#[test]
fn each_wrong_target_is_told_with_its_characters() {
    let wrong = |text: &str| told(nodes(text, &names())).unwrap_err();
    assert_eq!(
        wrong("s1, s9, zoe"),
        ["4+2 unknown server `s9`", "8+3 unknown node `zoe`"]
    );
    assert_eq!(wrong("s1,"), ["3+1 a node is missing here"]);
    assert_eq!(wrong("s1,s1"), ["3+2 `s1` is named twice"]);
    assert_eq!(wrong("s01"), ["0+3 unknown server `s01`"]);
    assert_eq!(wrong("random(4)"), ["7+1 4 is out of range"]);
    assert_eq!(wrong("random(0)"), ["7+1 0 is out of range"]);
    assert_eq!(wrong("random(x"), ["0+8 a `)` is missing"]);
    assert_eq!(wrong("random"), ["0+6 `random`: how many?"]);
    assert_eq!(wrong("server-of(zoe)"), ["10+3 unknown client `zoe`"]);
    assert_eq!(wrong("nearest(ann)"), ["0+12 unknown target `nearest(…)`"]);
    assert_eq!(
        wrong("rest"),
        ["0+4 `rest` means what the other side or the other groups leave"]
    );
    assert_eq!(wrong("s1 -> s2"), ["0+8 a node is expected here"]);
}

#[test]
fn links_have_directions() {
    let read = |text: &str| {
        links(text, &names()).map(|links| {
            let texts: Vec<String> = links.iter().map(Link::to_string).collect();
            texts.join(" ")
        })
    };
    assert_eq!(read("s1->s2"), Ok("s1->s2".into()));
    assert_eq!(read("s1 <- leader"), Ok("leader->s1".into()));
    assert_eq!(read("ann <-> s1,s2"), Ok("ann->s1,s2 s1,s2->ann".into()));
    assert_eq!(read("s1 <-> rest"), Ok("s1->rest rest->s1".into()));
    assert_eq!(read("all <-> all"), Ok("all->all all->all".into()));
    let wrong = |text: &str| told(links(text, &names()).map(|_| "")).unwrap_err();
    assert_eq!(wrong("rest <-> rest"), ["0+13 `rest` of whom?"]);
    assert_eq!(
        wrong("s1,rest -> s2"),
        ["3+4 `rest` means what the other side or the other groups leave"]
    );
    assert_eq!(wrong("s1"), ["0+2 `s1` is not a link"]);
    assert_eq!(wrong("s1 -> s9"), ["6+2 unknown server `s9`"]);
    assert_eq!(
        wrong("s8 <-> s9"),
        ["0+2 unknown server `s8`", "7+2 unknown server `s9`"]
    );
    assert_eq!(
        wrong("leader->leader"),
        ["0+14 a link from a node to itself"]
    );
    assert_eq!(wrong("s1 -> "), ["5+1 a node is missing here"]);
    assert_eq!(wrong("s1 -> s2 -> s3"), ["6+8 a node is expected here"]);
}

#[test]
fn groups_are_parted_and_do_not_overlap() {
    let read = |text: &str| told(partition(text, &names()));
    for text in [
        "leader | rest",
        "s1,ann | s2,s3,bob",
        "s1 | s2 | s3",
        "s1 -> s2,s3",
        "leader -> rest",
        "follower | rest,clients",
    ] {
        assert_eq!(read(text), Ok(text.to_owned()));
    }
    let wrong = |text: &str| read(text).unwrap_err();
    assert_eq!(
        wrong("s1,s2 | s2"),
        ["8+2 `s2` is named twice: the groups overlap"]
    );
    assert_eq!(
        wrong("rest | rest"),
        ["7+4 `rest` is named twice: the groups overlap"]
    );
    assert_eq!(
        wrong("s1 | servers"),
        ["5+7 `s1` is named twice: the groups overlap"]
    );
    assert_eq!(
        wrong("clients | ann"),
        ["10+3 `ann` is named twice: the groups overlap"]
    );
    assert_eq!(wrong("s1"), ["0+2 a partition needs at least two groups"]);
    assert_eq!(wrong("s1 |"), ["4+1 an empty group"]);
    assert_eq!(
        wrong("| s1 | s9"),
        ["0+1 an empty group", "7+2 unknown server `s9`"]
    );
    assert_eq!(
        wrong("s1 <-> s2"),
        ["0+9 a partition has groups, not links"]
    );
}
