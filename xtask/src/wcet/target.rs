//! What the program of operations is built for, and where it is run.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::failure::Failure;
use crate::workspace::Workspace;

/// One kind of processor.
#[derive(Clone, Debug)]
pub struct Target {
    /// What it is called here.
    pub name: &'static str,
    /// What the compiler calls it.
    pub triple: &'static str,
    flags: &'static str,
    /// What cargo is told of features: the integration is there, too, or less of the core.
    features: &'static [&'static str],
    /// Whether it runs here.
    pub runs: bool,
}

const HERE: bool = cfg!(all(target_os = "linux", target_arch = "x86_64"));

const AUDIO: &[&str] = &["--features", "audio"];

impl Target {
    /// All there are.
    pub const ALL: [Target; 6] = [
        Target {
            name: "x86-64-v3",
            triple: "x86_64-unknown-linux-gnu",
            flags: "-C target-cpu=x86-64-v3 -C relocation-model=static",
            features: AUDIO,
            runs: HERE,
        },
        Target {
            name: "x86-64",
            triple: "x86_64-unknown-linux-gnu",
            flags: "-C target-cpu=x86-64 -C relocation-model=static",
            features: AUDIO,
            runs: HERE,
        },
        // Linked by the compiler's own linker against a C library that comes with the target: no other tool is needed.
        Target {
            name: "aarch64-lse",
            triple: "aarch64-unknown-linux-musl",
            flags: "-C linker=rust-lld -C relocation-model=static -C target-feature=+lse",
            features: AUDIO,
            runs: false,
        },
        Target {
            name: "aarch64",
            triple: "aarch64-unknown-linux-musl",
            flags: "-C linker=rust-lld -C relocation-model=static -C target-feature=-lse,-outline-atomics",
            features: AUDIO,
            runs: false,
        },
        Target {
            name: "thumbv7em",
            triple: "thumbv7em-none-eabihf",
            flags: "-C target-cpu=cortex-m4",
            features: &[],
            runs: false,
        },
        // The same processor, with a heap of small pools for one owner.
        Target {
            name: "thumbv7em-small",
            triple: "thumbv7em-none-eabihf",
            flags: "-C target-cpu=cortex-m4",
            features: &["--no-default-features"],
            runs: false,
        },
    ];

    /// The one that is called like this.
    ///
    /// # Errors
    ///
    /// [`Failure::CannotRun`] if and only if there is none.
    pub fn named(name: &str) -> Result<Self, Failure> {
        let known = || Target::ALL.iter().map(|target| target.name).collect::<Vec<_>>().join(", ");
        let found = Target::ALL.iter().find(|target| target.name == name).cloned();
        found.ok_or_else(|| Failure::CannotRun(format!("{name}: unknown target; known are: {}", known())))
    }

    /// Builds the program.
    ///
    /// # Errors
    ///
    /// [`Failure::CannotRun`] if and only if it does not build.
    pub fn build(&self, workspace: &Workspace) -> Result<PathBuf, Failure> {
        let folder = workspace.target.join("wcet").join(self.name);
        let mut cargo = Command::new("cargo");
        cargo
            .args([
                "build",
                "--release",
                "--locked",
                "--package",
                "operations",
                "--bin",
                "operations",
                "--target",
                self.triple,
                "--target-dir",
            ])
            .arg(&folder)
            .args(self.features)
            .env("RUSTFLAGS", self.flags)
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .current_dir(&workspace.root)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        match cargo.status() {
            Ok(status) if status.success() => Ok(folder.join(self.triple).join("release").join("operations")),
            Ok(_) => Err(Failure::CannotRun(format!(
                "the operations do not build for {}; its standard library: rustup target add {}",
                self.name, self.triple
            ))),
            Err(error) => Err(Failure::CannotRun(format!("cargo: {error}"))),
        }
    }
}
