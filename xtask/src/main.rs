//! The command line of the workspace's jobs; `xtask::run` has everything.

fn main() -> std::process::ExitCode {
    xtask::run(std::env::args_os())
}
