//! `doctor`: what this machine has and lacks, on one screen, each missing thing with the command that installs it.

use std::path::Path;
use std::process::Command;

use console::style;

use crate::failure::Failure;
use crate::tools::{Need, TOOLS};
use crate::workspace::Workspace;

enum Finding {
    /// It is there.
    Good,
    /// It is not, and something needs it.
    Missing,
    /// It is not, or not as it could be; nothing fails for it.
    Note,
}

/// Runs the subcommand.
///
/// # Errors
///
/// [`Failure::CannotRun`] if and only if `demo` or `test` could not run on this machine.
pub fn run() -> Result<(), Failure> {
    let workspace = Workspace::find()?;
    let mut missing = toolchain(&workspace.root);
    for tool in TOOLS {
        match tool.version(&workspace.root) {
            Some(version) => line(&Finding::Good, tool.name, &version),
            None => {
                let finding = if tool.need == Need::Optional { Finding::Note } else { Finding::Missing };
                if tool.need != Need::Optional {
                    missing.push(tool.name);
                }
                let text = format!("missing; for {}. Install: {}", tool.purpose, tool.how_to_install());
                line(&finding, tool.name, &text);
            }
        }
    }
    machine();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Failure::CannotRun(format!("demo and test cannot run without: {}", missing.join(", "))))
    }
}

fn line(finding: &Finding, name: &str, text: &str) {
    let mark = match finding {
        Finding::Good => style("ok     ").green(),
        Finding::Missing => style("missing").red(),
        Finding::Note => style("note   ").yellow(),
    };
    println!("{mark} {name:<18} {text}");
}

/// The compiler against the pinned one.
fn toolchain(root: &Path) -> Vec<&'static str> {
    let pin = std::fs::read_to_string(root.join("rust-toolchain.toml")).unwrap_or_default();
    let pin =
        pin.lines().find_map(|line| line.strip_prefix("channel")?.split('"').nth(1)).unwrap_or("unknown");
    let output = Command::new("rustc").arg("-V").current_dir(root).output();
    match output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()) {
        Ok(version) if version.split_whitespace().nth(1) == Some(pin) => {
            line(&Finding::Good, "rustc", &format!("{version}, as pinned"));
            Vec::new()
        }
        Ok(version) => {
            let text = format!("{version}, pinned is {pin}. Install: rustup toolchain install {pin}");
            line(&Finding::Note, "rustc", &text);
            Vec::new()
        }
        Err(error) => {
            line(&Finding::Missing, "rustc", &format!("{error}; see https://rustup.rs"));
            vec!["rustc"]
        }
    }
}

/// What the figures of `demo` depend on.
fn machine() {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    line(&Finding::Good, "processor cores", &cores.to_string());

    let governor = std::fs::read_to_string("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    match governor.as_deref().map(str::trim) {
        Ok("performance") => line(&Finding::Good, "clock governor", "performance"),
        Ok(other) => {
            let text = format!(
                "{other}; steadier: echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
            );
            line(&Finding::Note, "clock governor", &text);
        }
        Err(_) => {
            line(&Finding::Note, "clock governor", "not to be read here (a virtual machine, or not Linux)")
        }
    }

    if thread_watch::available() {
        line(&Finding::Good, "heap watch", "system heap calls of the audio thread are counted (glibc)");
    } else {
        line(
            &Finding::Note,
            "heap watch",
            "system heap calls cannot be counted here: they print as not checked",
        );
    }
    limits();
}

#[cfg(target_os = "linux")]
fn limits() {
    let limit = |resource: libc::__rlimit_resource_t| {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the pointer is to a whole `rlimit`, which the call fills.
        let status = unsafe { libc::getrlimit(resource, &raw mut limit) };
        (status == 0).then_some(limit.rlim_cur)
    };
    match limit(libc::RLIMIT_MEMLOCK) {
        Some(libc::RLIM_INFINITY) => line(&Finding::Good, "page locking", "no limit"),
        Some(bytes) => {
            let size = indicatif::HumanBytes(bytes);
            line(
                &Finding::Note,
                "page locking",
                &format!("up to {size}; nothing here needs more (ulimit -l)"),
            );
        }
        None => line(&Finding::Note, "page locking", "the limit cannot be read"),
    }
}

#[cfg(not(target_os = "linux"))]
fn limits() {
    line(&Finding::Note, "limits", "page locking and real-time priority are looked up on Linux only");
}
