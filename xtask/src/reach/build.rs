//! How a target's programs are built: by the pinned compiler with the library that rustup has for the target, or by the
//! distribution's, which makes that library from its own sources.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::target::{Reach, Target};
use crate::rustup;
use crate::tools::REACH_TOOLS;
use crate::workspace::Workspace;

/// Who compiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compiler {
    /// The one that this workspace pins.
    Pinned,
    /// The one of Debian's package, whose library sources have to be its own.
    Distribution,
}

/// What a distribution's compiler is called: where rustup is installed, too, its own names lead elsewhere.
const CARGO: &str = "/usr/bin/cargo";
const RUSTC: &str = "/usr/bin/rustc";

/// The tool of [`REACH_TOOLS`] that this is.
const TOOL: &str = "Rust of the distribution";

impl Compiler {
    /// The one for a target, installed if need be: the pinned one, unless it has no library and none can be fetched, or the
    /// distribution's is asked for.
    ///
    /// # Errors
    ///
    /// What is missing, if there is none.
    pub fn of(target: &Target, workspace: &Workspace, distribution: bool) -> Result<Self, String> {
        // What stands for Zephyr is built by cargo inside of CMake.
        let is_pinned = !distribution || matches!(target.reach, Reach::Zephyr);
        if is_pinned && rustup::has_library(&workspace.root, target.triple) {
            return Ok(Self::Pinned);
        }
        let tool = REACH_TOOLS.iter().find(|tool| tool.name == TOOL);
        if tool.is_some_and(|tool| tool.is_there_or_installed(&workspace.root)) {
            return Ok(Self::Distribution);
        }
        let how = tool.map(|tool| tool.how_to_install()).unwrap_or_default();
        Err(format!("its library is missing: rustup target add {}, or: {how}", target.triple))
    }

    /// What it says it is.
    pub fn version(self, workspace: &Workspace) -> String {
        let rustc = if self == Self::Pinned { "rustc" } else { RUSTC };
        let output = Command::new(rustc).arg("--version").current_dir(&workspace.root).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    }
}

/// Builds for a target.
#[derive(Clone, Copy, Debug)]
pub struct Build<'w> {
    /// Where the sources are.
    pub workspace: &'w Workspace,
    /// What for.
    pub target: &'w Target,
    /// By whom.
    pub compiler: Compiler,
}

impl Build<'_> {
    /// Cargo, in a folder of the workspace, with this target's folder for what it builds.
    pub fn cargo(&self, folder: &str, command: &str) -> Command {
        let mut cargo = match self.compiler {
            Compiler::Pinned => Command::new("cargo"),
            Compiler::Distribution => {
                let mut cargo = Command::new(CARGO);
                // Only a nightly compiler builds libraries, or one that is told to be one; and theirs brings no linker for boards.
                cargo.env("RUSTC", RUSTC).env("RUSTC_BOOTSTRAP", "1");
                cargo.env(self.variable("LINKER"), "ld.lld");
                cargo
            }
        };
        cargo.args([command, "--locked", "--target", self.target.triple, "--target-dir"]).arg(self.folder());
        if self.compiler == Compiler::Distribution {
            cargo.arg(format!("-Zbuild-std={}", self.target.libraries()));
        }
        cargo
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env_remove("RUSTFLAGS")
            .current_dir(self.workspace.root.join(folder))
            .stdin(Stdio::null());
        cargo
    }

    /// The name of the variable by which cargo takes something for this target.
    pub fn variable(&self, what: &str) -> String {
        format!("CARGO_TARGET_{}_{what}", self.target.triple.to_uppercase().replace('-', "_"))
    }

    /// Where what is built goes, in a folder for each profile.
    pub fn output(&self, profile: &str) -> PathBuf {
        self.folder().join(self.target.triple).join(profile)
    }

    fn folder(&self) -> PathBuf {
        let by = if self.compiler == Compiler::Pinned { "" } else { "-distribution" };
        self.workspace.target.join("reach").join(format!("{}{by}", self.target.name))
    }
}
