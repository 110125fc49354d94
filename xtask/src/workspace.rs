//! Where things are: the workspace's root, cargo's target folder and the plugins that can be bundled, as cargo itself
//! says them, so that `CARGO_TARGET_DIR` and configuration files hold.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::failure::Failure;

/// This workspace.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// The folder of the workspace's `Cargo.toml`.
    pub root: PathBuf,
    /// Cargo's target folder.
    pub target: PathBuf,
    /// Package names of the plugins, sorted.
    pub plugins: Vec<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    target_directory: PathBuf,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    crate_types: Vec<String>,
}

impl Workspace {
    /// Asks cargo.
    ///
    /// # Errors
    ///
    /// [`Failure::CannotRun`] if and only if cargo cannot be run or cannot read the workspace.
    pub fn find() -> Result<Self, Failure> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let output = Command::new("cargo")
            .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
            .arg(&manifest)
            .output()
            .map_err(|error| Failure::CannotRun(format!("cargo: {error}")))?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr);
            return Err(Failure::CannotRun(format!("cargo metadata: {}", message.trim())));
        }
        let metadata: Metadata = serde_json::from_slice(&output.stdout)
            .map_err(|error| Failure::CannotRun(format!("cargo metadata: {error}")))?;

        let folder = metadata.workspace_root.join("plugins");
        let mut plugins: Vec<String> = metadata
            .packages
            .into_iter()
            .filter(|package| package.is_plugin(&folder))
            .map(|package| package.name)
            .collect();
        plugins.sort();
        Ok(Workspace { root: metadata.workspace_root, target: metadata.target_directory, plugins })
    }
}

impl Package {
    fn is_plugin(&self, folder: &Path) -> bool {
        let library = |target: &Target| target.crate_types.iter().any(|kind| kind == "cdylib");
        self.manifest_path.starts_with(folder) && self.targets.iter().any(library)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plugins_are_the_dynamic_libraries_in_their_folder() {
        let workspace = Workspace::find().expect("cargo runs");
        assert_eq!(workspace.plugins, ["graincloud"]);
        assert!(workspace.root.join("xtask").is_dir());
    }
}
