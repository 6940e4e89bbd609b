#[path = "../support/mod.rs"]
mod support;
mod cluster; mod judge; mod scope; mod server; mod tamper;
use cluster::Cluster; use scope::Scope; use judge::*; use tamper::Tamper;
use stateright::{Checker, Model, HasDiscoveries};
use paxosctl_node::link::Kind;
const NOT_LEARNING: &[Kind] = &[Kind::Heartbeat, Kind::Commit, Kind::CatchUp, Kind::Learn, Kind::Forward];
fn search(scope: Scope, tamper: Option<Tamper>) {
    let begun = std::time::Instant::now();
    let checker = Cluster::new(scope, tamper).checker().threads(1);
    let checker = if tamper.is_some() { checker.finish_when(HasDiscoveries::AnyOf([Broken::Agreement.property()].into())) } else { checker };
    let checker = checker.spawn_bfs().join();
    println!("{} {tamper:?}: {} states, {} transitions, depth {}, {} server states, {:.1} s", scope.name, checker.unique_state_count(), checker.state_count(), checker.max_depth(), checker.model().server_states(), begun.elapsed().as_secs_f64());
    for sight in Sight::ALL { if checker.model().has_seen(sight) { println!("   seen: {}", sight.property()); } }
    for (name, path) in checker.discoveries() {
        let actions = path.into_actions();
        println!("   {name}: {} actions", actions.len());
        if std::env::var("PATHS").is_ok() { for a in actions { println!("      {a:?}"); } }
    }
}
fn num(name: &str, default: u8) -> u8 { std::env::var(name).ok().and_then(|s| s.parse().ok()).unwrap_or(default) }
#[test]
fn try_it() {
    let stands = num("STANDS", 110); let says = num("SAYS", 110);
    let digits = |n: u8| [n / 100, n / 10 % 10, n % 10];
    let tamper = std::env::var("TAMPER").ok().and_then(|s| s.parse::<usize>().ok()).map(|i| Tamper::ALL[i]);
    search(Scope { name: "try", stands: digits(stands), says: digits(says), same: num("SAME",0)==1, crashes: num("CRASHES", 0), waits: num("WAITS",0), lost: if num("LEARN",0)==0 { NOT_LEARNING } else if num("LEARN",0)==1 { &[Kind::Heartbeat, Kind::Forward] } else { &[] } }, tamper);
}
