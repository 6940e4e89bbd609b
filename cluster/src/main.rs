use std::process::ExitCode;

fn main() -> ExitCode {
    paxosctl::main()
}
