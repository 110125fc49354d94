//! `bundle`: builds a plugin and lays it out as CLAP and VST3 in `target/bundled`, through nice-plug-xtask.
//!
//! Its parts are called one by one instead of its command line, because that takes the outermost folder with a
//! `Cargo.toml` as the workspace, which is wrong for a checkout inside another one. A bundle that already holds what
//! was built is left alone: a process that has it loaded would die if its file changed underneath. Processes that bundle
//! at the same time take turns, so that none loads what another is just writing.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::cli::BundleArgs;
use crate::failure::Failure;
use crate::host::Format;
use crate::workspace::Workspace;

/// The bundles of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundles {
    /// The CLAP: a file, on macOS a folder.
    pub clap: PathBuf,
    /// The VST3: a folder.
    pub vst3: PathBuf,
}

impl Bundles {
    fn of(workspace: &Workspace, plugin: &str) -> Self {
        let folder = workspace.target.join("bundled");
        Bundles { clap: folder.join(format!("{plugin}.clap")), vst3: folder.join(format!("{plugin}.vst3")) }
    }

    /// The bundle in this format.
    pub fn path(&self, format: Format) -> &Path {
        match format {
            Format::Clap => &self.clap,
            Format::Vst3 => &self.vst3,
        }
    }
}

/// Runs the subcommand.
///
/// # Errors
///
/// See [`bundle`].
pub fn run(args: &BundleArgs) -> Result<(), Failure> {
    let bundles = bundle(&Workspace::find()?, &args.plugin, args.release)?;
    println!("{}\n{}", bundles.clap.display(), bundles.vst3.display());
    Ok(())
}

/// Builds and bundles `plugin`. Changes the process' working folder while it runs, because the build does.
///
/// # Errors
///
/// [`Failure::CannotRun`] if and only if the plugin is unknown, does not build or cannot be written.
pub fn bundle(workspace: &Workspace, plugin: &str, release: bool) -> Result<Bundles, Failure> {
    if !workspace.plugins.iter().any(|known| known == plugin) {
        let known = workspace.plugins.join(", ");
        return Err(Failure::CannotRun(format!("{plugin}: unknown plugin; known are: {known}")));
    }
    let options = if release { vec!["--release".to_owned()] } else { Vec::new() };
    let bundles = Bundles::of(workspace, plugin);

    let _inside = WorkingFolder::enter(&workspace.root)?;
    nice_plug_xtask::build(&[plugin.to_owned()], &options)
        .map_err(|error| Failure::CannotRun(format!("{plugin}: {error:#}")))?;

    let _turn = Turn::wait(&workspace.target.join("bundled"))?;
    let built = workspace.target.join(if release { "release" } else { "debug" }).join(library_name(plugin));
    let up_to_date = [Format::Clap, Format::Vst3]
        .into_iter()
        .all(|format| same_bytes(&built, &format.binary(bundles.path(format), plugin)));
    if !up_to_date {
        nice_plug_xtask::bundle(&workspace.target, plugin, &options, false)
            .map_err(|error| Failure::CannotRun(format!("{plugin}: {error:#}")))?;
    }
    Ok(bundles)
}

fn library_name(plugin: &str) -> String {
    use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
    format!("{DLL_PREFIX}{}{DLL_SUFFIX}", plugin.replace('-', "_"))
}

fn same_bytes(one: &Path, other: &Path) -> bool {
    let length = |path: &Path| path.metadata().map(|file| file.len());
    match (length(one), length(other)) {
        (Ok(a), Ok(b)) if a == b => {
            matches!((std::fs::read(one), std::fs::read(other)), (Ok(a), Ok(b)) if a == b)
        }
        _ => false,
    }
}

/// The only process that writes bundles, until dropped.
struct Turn {
    _lock: File,
}

impl Turn {
    fn wait(bundled: &Path) -> Result<Self, Failure> {
        std::fs::create_dir_all(bundled).map_err(|error| Failure::file(bundled, error))?;
        let path = bundled.join(".lock");
        let lock = File::create(&path).map_err(|error| Failure::file(&path, error))?;
        lock.lock().map_err(|error| Failure::file(&path, error))?;
        Ok(Turn { _lock: lock })
    }
}

/// The process' working folder, put back on drop.
struct WorkingFolder {
    before: PathBuf,
}

impl WorkingFolder {
    fn enter(folder: &Path) -> Result<Self, Failure> {
        let before = std::env::current_dir().map_err(|error| Failure::file(Path::new("."), error))?;
        std::env::set_current_dir(folder).map_err(|error| Failure::file(folder, error))?;
        Ok(WorkingFolder { before })
    }
}

impl Drop for WorkingFolder {
    fn drop(&mut self) {
        // The folder may be gone by now; then nothing relative to it can be meant any more.
        let _ = std::env::set_current_dir(&self.before);
    }
}
