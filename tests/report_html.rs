//! The page of a report in a real browser: Debian's `chromium`, another in the path, or `$CHROMIUM`.
//! Where there is none, these tests say so and pass, unless `PAXOSCTL_REQUIRE_CHROMIUM=1`.
//!
//! The picture in the README is made anew from any saved run by
//!
//! ```text
//! cargo run --release -- run plans/five.yaml
//! SCREENSHOT=chaos/src/report/html/report.png RUN_DIR=.paxosctl/runs/five/latest \
//!     cargo test --test report_html -- --ignored
//! ```

mod support;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::saved::{HOSTILE, expected, saved_run};
use support::{Output, Place, finish};

fn chromium() -> Option<PathBuf> {
    let named = env::var_os("CHROMIUM").map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    let found = named.or_else(|| {
        ["chromium", "chromium-browser", "google-chrome"]
            .iter()
            .flat_map(|name| env::split_paths(&path).map(move |dir| dir.join(name)))
            .find(|candidate| candidate.is_file())
    });
    let required = env::var("PAXOSCTL_REQUIRE_CHROMIUM").is_ok_and(|text| text == "1");
    assert!(found.is_some() || !required, "there is no chromium");
    if found.is_none() {
        eprintln!(
            "skipped: no chromium, chromium-browser or google-chrome in the path, and no $CHROMIUM"
        );
    }
    found
}

/// Opens the page, and returns the document as it is then, without its data, and what the browser
/// said on standard error.
fn open(chromium: &Path, place: &Place, page: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(chromium);
    command
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
        ])
        .args(["--window-size=1150,1185", "--hide-scrollbars"])
        .args(["--enable-logging=stderr", "--timeout=60000"])
        .arg(format!(
            "--user-data-dir={}",
            place.path().join("browser").display()
        ))
        .args(more)
        .arg(format!("file://{}", page.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let output = finish(command.spawn().expect("chromium starts"));
    output.expect_code(0);
    // What the page's own script says, and every error that it makes, is a line of the console.
    for said in ["CONSOLE", "Uncaught", "Refused to"] {
        assert!(!output.stderr.contains(said), "{}", output.stderr);
    }
    output
}

/// The document after its scripts ran, without their sources.
fn dom(chromium: &Path, place: &Place, page: &Path) -> String {
    let text = open(chromium, place, page, &["--dump-dom"]).stdout;
    let mut bare = String::new();
    let mut rest = text.as_str();
    while let Some((before, script)) = rest.split_once("<script") {
        bare.push_str(before);
        rest = script.split_once("</script>").expect("a script ends").1;
    }
    bare.push_str(rest);
    bare
}

/// The number in a data attribute of the element of this id.
#[track_caller]
fn number(dom: &str, id: &str, name: &str) -> u64 {
    let element = dom
        .split('<')
        .find(|element| element.contains(&format!("id=\"{id}\"")))
        .unwrap_or_else(|| panic!("no #{id} in {dom}"));
    let value = element
        .split_once(&format!("data-{name}=\""))
        .and_then(|(_, rest)| rest.split_once('"'))
        .unwrap_or_else(|| panic!("no data-{name} in <{element}"));
    value.0.parse().expect("a number")
}

/// The page of a run of so many operations, and the same facts as JSON.
fn reported(place: &Place, operations: u64) -> (PathBuf, serde_json::Value) {
    saved_run(place, "run", operations);
    let page = place.path().join("page.html");
    place
        .run(&[
            "check",
            "run",
            "--report",
            "html=page.html",
            "--report",
            "json=result.json",
        ])
        .expect_code(1);
    let json = fs::read_to_string(place.path().join("result.json")).expect("a result");
    (page, serde_json::from_str(&json).expect("JSON"))
}

#[track_caller]
fn assert_all_is_drawn(dom: &str, operations: u64, result: &serde_json::Value) {
    assert!(dom.contains("data-ready=\"1\""), "the script did not end");
    let expected = expected(operations);
    assert_eq!(number(dom, "latency", "ok"), expected.ok);
    assert_eq!(number(dom, "latency", "unknown"), expected.unknown);
    assert_eq!(number(dom, "latency", "failed"), expected.failed);
    // Three servers, the balancer, ann, the load, and one that nobody planned.
    assert_eq!(number(dom, "nodes", "lanes"), 7);
    // s1 has two lives.
    assert_eq!(number(dom, "nodes", "ups"), 8);
    assert_eq!(number(dom, "nodes", "leads"), 2);
    assert_eq!(number(dom, "faults", "bands"), 2);
    let violations = result["checks"]
        .as_array()
        .expect("checks")
        .iter()
        .flat_map(|check| check["violations"].as_array().expect("violations"));
    let (timed, all) = violations.fold((0, 0), |(timed, all), violation| {
        (timed + u64::from(!violation["at_us"].is_null()), all + 1)
    });
    assert!(timed > 0, "{result}");
    assert_eq!(number(dom, "faults", "violations"), timed);
    assert_eq!(dom.matches("class=\"violation\"").count(), all);
}

#[test]
fn a_small_run_is_drawn_whole_and_its_texts_stay_texts() {
    let Some(chromium) = chromium() else { return };
    let place = Place::new();
    let (page, result) = reported(&place, 1_000);
    let dom = dom(&chromium, &place, &page);
    assert_all_is_drawn(&dom, 1_000, &result);
    assert!(number(&dom, "chosen", "steps") > 2_000);
    // s1 was down, and s3 cut off, for a tenth of the run.
    let behind = number(&dom, "chosen", "behind");
    assert!((90..120).contains(&behind), "{behind}");
    // A violation shows what s3 holds: as text.
    assert!(dom.contains("&lt;/script&gt;&lt;img src=x"), "{dom}");
    assert!(!dom.contains("<img") && !dom.contains("<!--"), "{dom}");
    let source = fs::read_to_string(&page).expect("the page");
    assert!(!source.contains(HOSTILE) && !source.contains("<img"));
    for outside in ["http:", "https:", "src=\"", "@import", "url("] {
        assert!(!source.contains(outside), "the page refers to {outside}");
    }
}

#[test]
fn two_hundred_thousand_operations_are_drawn() {
    let Some(chromium) = chromium() else { return };
    let place = Place::new();
    let (page, result) = reported(&place, 200_000);
    let size = fs::metadata(&page).expect("the page").len();
    assert!(size < 8_000_000, "{size} bytes");
    assert_all_is_drawn(&dom(&chromium, &place, &page), 200_000, &result);
}

/// What a person does, and what the page makes of it, as attributes of its body.
const HANDS: &str = r#"
const stack = document.getElementById("stack"), latency = document.getElementById("latency");
const box = stack.getBoundingClientRect(), seen = document.body.dataset;
const mouse = (type, share, target = stack) => target.dispatchEvent(new MouseEvent(type, {
  bubbles: true, button: 0, clientX: box.left + 88 + (box.width - 102) * share,
  clientY: target.getBoundingClientRect().top + 12,
}));
const pixels = (name) => {
  const probe = Object.assign(document.createElement("canvas"), { width: latency.width, height: latency.height + 1 });
  const context = probe.getContext("2d", { willReadFrequently: true });
  context.drawImage(latency, 0, 0);
  context.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(name);
  context.fillRect(0, latency.height, 1, 1);
  const wanted = context.getImageData(0, latency.height, 1, 1).data;
  const { data } = context.getImageData(0, 0, latency.width, latency.height);
  let found = 0;
  for (let place = 0; place < data.length; place += 4) {
    if ([0, 1, 2].every((part) => Math.abs(data[place + part] - wanted[part]) < 12)) found++;
  }
  return found;
};
seen.failedPixels = pixels("--failed");
mouse("mousedown", 0.25); mouse("mousemove", 0.5); mouse("mouseup", 0.5);
seen.zoomedOk = latency.dataset.ok;
seen.zoomedBands = document.getElementById("faults").dataset.bands;
seen.resetShown = document.getElementById("reset").hidden ? 0 : 1;
mouse("dblclick", 0.5);
seen.wholeOk = latency.dataset.ok;
mouse("mousemove", 0.45, document.getElementById("nodes"));
seen.tip = document.getElementById("tip").hidden ? 0 : 1;
const before = getComputedStyle(document.body).backgroundColor;
document.getElementById("theme").click();
seen.recoloured = before !== getComputedStyle(document.body).backgroundColor ? 1 : 0;
seen.failedPixelsAgain = pixels("--failed");
document.body.id = "seen";
"#;

#[test]
fn the_page_can_be_zoomed_and_turned_dark() {
    let Some(chromium) = chromium() else { return };
    let place = Place::new();
    let (page, _) = reported(&place, 1_000);
    let source = fs::read_to_string(&page).expect("the page");
    let nonce = source
        .split_once("<script nonce=\"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .expect("a nonce")
        .0;
    let hands = format!("<script nonce=\"{nonce}\">{{{HANDS}}}</script></body>");
    let page = place.file("hands.html", &source.replace("</body>", &hands));
    let dom = dom(&chromium, &place, &page);
    let seen = |name: &str| number(&dom, "seen", name);
    let ok = expected(1_000).ok;
    assert_eq!(seen("whole-ok"), ok);
    // A quarter of the run was chosen; the last tenth of the run is silent.
    let (least, most) = (ok * 26 / 100, ok * 30 / 100);
    let zoomed = seen("zoomed-ok");
    assert!((least..=most).contains(&zoomed), "{zoomed} of {ok}");
    assert_eq!(seen("zoomed-bands"), 1, "only the kill is in view");
    assert_eq!(seen("reset-shown"), 1);
    assert_eq!(seen("tip"), 1);
    assert_eq!(seen("recoloured"), 1);
    assert!(seen("failed-pixels") > 50);
    assert!(seen("failed-pixels-again") > 50);
}

#[test]
#[ignore = "makes the picture of the README, see above"]
fn screenshot() {
    let chromium = chromium().expect("a chromium");
    let (picture, run_dir) = (env::var("SCREENSHOT"), env::var("RUN_DIR"));
    let picture = std::path::absolute(picture.expect("$SCREENSHOT")).expect("a path");
    let run_dir = fs::canonicalize(run_dir.expect("$RUN_DIR")).expect("a saved run");
    let place = Place::new();
    let page = place.path().join("page.html");
    let run_dir = run_dir.display().to_string();
    place
        .run(&["report", &run_dir, "--report", "html=page.html"])
        .expect_code(0);
    let to = format!("--screenshot={}", picture.display());
    open(&chromium, &place, &page, &[&to]);
}
