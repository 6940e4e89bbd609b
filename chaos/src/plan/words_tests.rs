use super::*;

#[test]
fn durations() {
    let micros = |text: &str| duration(text).map(|d| d.as_micros());
    assert_eq!(micros("250us"), Ok(250));
    assert_eq!(micros("150ms"), Ok(150_000));
    assert_eq!(micros("1.5s"), Ok(1_500_000));
    assert_eq!(micros("1m30s"), Ok(90_000_000));
    assert_eq!(micros("0s"), Ok(0));
    assert_eq!(micros("24h"), Ok(86_400_000_000));
    for bad in [
        "", "s", "1", "1.5", "-1s", "1 s", "1s1s", "30s1m", "1.2.3s", "25h", "1e3s", "∞s", "1d",
    ] {
        assert!(duration(bad).is_err(), "{bad}");
    }
    assert_eq!(
        duration("5").map_err(|wrong| (wrong.message, wrong.help)),
        Err((
            "`5` has no unit".to_owned(),
            "did you mean 5s or 5ms?".to_owned()
        ))
    );
}

#[test]
fn durations_are_shown_as_they_are_read() {
    for text in ["0s", "250us", "150ms", "1s", "1.5s", "90s"] {
        assert_eq!(duration(text).map(show_duration), Ok(text.to_owned()));
    }
}

#[test]
fn jumps_speeds_and_bytes() {
    let s = Duration::from_secs;
    assert_eq!(signed_duration("30s"), Ok((s(30), false)));
    assert_eq!(signed_duration("+1m"), Ok((s(60), false)));
    assert_eq!(signed_duration("-30s"), Ok((s(30), true)));
    for wrong in ["", "-", "--3s", "30", "0s", "-0s", "25h"] {
        assert!(signed_duration(wrong).is_err(), "{wrong}");
    }
    assert_eq!(clock_rate("1.5"), Ok(1500));
    assert_eq!(clock_rate("0.01"), Ok(10));
    assert_eq!(clock_rate("2×"), Ok(2000));
    for wrong in [
        "", "1", "1.0001", "0.001", "-1", "101", "NaN", "inf", "fast",
    ] {
        assert!(clock_rate(wrong).is_err(), "{wrong}");
    }
    for (text, count) in [
        ("0", 0),
        ("512", 512),
        ("64KiB", 65536),
        ("1.5 MiB", 1572864),
        ("2kB", 2000),
    ] {
        assert_eq!(bytes(text), Ok(count), "{text}");
    }
    for wrong in ["", "KiB", "64K", "-1", "1.5", "2TiB", "9999999MiB", "1e3"] {
        assert!(bytes(wrong).is_err(), "{wrong}");
    }
    assert_eq!(bytes(&show_bytes(65536)), Ok(65536));
    assert_eq!(show_bytes(700), "700B");
}

#[test]
fn numbers() {
    assert_eq!(whole_number("3", 1, 9), Ok(3));
    assert!(whole_number("0", 1, 9).is_err());
    assert!(whole_number("3.0", 1, 9).is_err());
    assert_eq!(share("100%"), Ok(1.0));
    assert_eq!(share("0.25"), Ok(0.25));
    for bad in ["0", "101%", "-1", "NaN", "half", "%"] {
        assert!(share(bad).is_err(), "{bad}");
    }
    for text in ["100%", "14%", "0.001%", "0.123456789"] {
        assert_eq!(share(text).map(show_share), Ok(text.to_owned()));
    }
    assert_eq!(rate("200/s"), Ok(200.0));
    for bad in ["200", "0/s", "-1/s", "inf/s", "x/s"] {
        assert!(rate(bad).is_err(), "{bad}");
    }
    assert_eq!(byte_range("32..256"), Ok((32, 256)));
    assert_eq!(byte_range("64"), Ok((64, 64)));
    assert_eq!(byte_range("512..4KiB"), Ok((512, 4096)));
    for text in ["64", "32..256", "512..4KiB"] {
        assert_eq!(byte_range(text).map(show_byte_range), Ok(text.to_owned()));
    }
    for text in ["3s", "1.5s..2s"] {
        assert_eq!(
            duration_range(text).map(show_duration_range),
            Ok(text.to_owned())
        );
    }
    for bad in [
        "256..32",
        "0..3",
        "1..",
        "1...3",
        "1..99999999",
        "1..4GiB",
        "1MiB",
        "x",
    ] {
        assert!(byte_range(bad).is_err(), "{bad}");
    }
}

#[test]
fn every_kind_has_a_name_that_is_read_back() {
    for (name, known) in KINDS {
        assert_eq!(kinds(name), Ok(known));
        assert_eq!(kind_names(known), [name]);
    }
    let covered = |kind: &Kind| KINDS.iter().any(|(_, known)| known.contains(kind));
    assert!(Kind::ALL.iter().all(covered));
    assert_eq!(
        kind_names(&[Kind::Request, Kind::LogRead]),
        ["request", "log-read"]
    );
    assert_eq!(
        kinds("comit").map_err(|wrong| wrong.help),
        Err("did you mean `commit`?".to_owned())
    );
}

#[test]
fn distributions_and_sides_are_words() {
    for text in ["uniform", "normal", "exponential", "pareto"] {
        assert_eq!(distribution(text).map(distribution_name), Ok(text));
    }
    assert_eq!(
        distribution("gauss").map_err(|wrong| wrong.help),
        Err("write one of uniform, normal, exponential, pareto".to_owned())
    );
    assert_eq!(side("receive"), Ok(Side::Receive));
    assert_eq!(
        side("recieve").map_err(|wrong| wrong.help),
        Err("did you mean `receive`?".to_owned())
    );
}

#[test]
fn near_misses_are_found_and_far_ones_are_not() {
    let names = ["kill", "restart_after", "leader", "s1"];
    let near = |typed| closest(typed, names.iter().copied());
    assert_eq!(near("kil"), Some("kill"));
    assert_eq!(near("klil"), Some("kill"));
    assert_eq!(near("restart-after"), Some("restart_after"));
    assert_eq!(near("Leader"), Some("leader"));
    assert_eq!(near("s2"), None);
    assert_eq!(near("banana"), None);
}
