//! Targets that nothing here runs: the libraries are compiled to machine code for them.

use super::build::Build;
use super::c;
use super::report::Row;
use crate::failure::Failure;

/// The core, with the features that every system has, and the integration.
const PACKAGES: [&[&str]; 2] = [&["--package", "detalloc"], &["--package", "detalloc-audio"]];

/// Compiles the core, the integration and the C library.
///
/// # Errors
///
/// [`Failure::CannotRun`] if and only if one does not compile.
pub fn run(build: &Build<'_>, row: &mut Row) -> Result<(), Failure> {
    for package in PACKAGES {
        let status = build.cargo(".", "build").args(["--release", "--lib"]).args(package).status();
        if !status.is_ok_and(|status| status.success()) {
            return Err(Failure::CannotRun(format!(
                "{} does not compile for {}",
                package[1], build.target.triple
            )));
        }
    }
    c::library(build, &[])?;
    row.built = true;
    Ok(())
}
