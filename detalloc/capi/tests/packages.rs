//! The library as others find it: `add_subdirectory`, `find_package` and pkg-config, each building and running the specification's
//! example. Needs CMake and pkg-config; where these are missing, it says so, and is a failure in CI.
#![cfg(all(target_os = "linux", not(miri)))]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Whether the tools are here.
fn is_there(tools: &[&str]) -> bool {
    let missing: Vec<_> = tools
        .iter()
        .filter(|tool| !Command::new(tool).arg("--version").output().is_ok_and(|it| it.status.success()))
        .collect();
    assert!(missing.is_empty() || env::var_os("CI").is_none(), "{missing:?} are missing");
    if !missing.is_empty() {
        println!("not checked: {missing:?} are missing");
    }
    missing.is_empty()
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {out}{err}");
    out.into_owned()
}

fn is_the_specifications(text: &str) {
    assert!(text.starts_with("[detalloc] total pools: 10\n[detalloc] peak usage: 512 bytes\n"), "{text}");
}

/// A project that links the target, which `find` makes known; built and run, static and shared.
fn consume(find: &str, arguments: &[String]) {
    for shared in ["OFF", "ON"] {
        let folder = tempfile::tempdir().unwrap();
        let example = package().join("examples/specification.c");
        let lists = format!(
            "cmake_minimum_required(VERSION 3.20)\nproject(consumer LANGUAGES C)\n{find}\n\
             add_executable(consumer \"{}\")\ntarget_link_libraries(consumer PRIVATE detalloc::detalloc)\n",
            example.display()
        );
        fs::write(folder.path().join("CMakeLists.txt"), lists).unwrap();
        let build = folder.path().join("build");
        let mut configure = Command::new("cmake");
        configure.arg("-S").arg(folder.path()).arg("-B").arg(&build).args(arguments);
        output(configure.arg(format!("-DBUILD_SHARED_LIBS={shared}")));
        output(Command::new("cmake").arg("--build").arg(&build));
        is_the_specifications(&output(&mut Command::new(build.join("consumer"))));
    }
}

/// The library, installed: where.
fn installed() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (build, prefix) = (folder.path().join("build"), folder.path().join("prefix"));
    output(Command::new("cmake").arg("-S").arg(package()).arg("-B").arg(&build));
    output(Command::new("cmake").arg("--build").arg(&build));
    output(Command::new("cmake").arg("--install").arg(&build).arg("--prefix").arg(&prefix));
    (folder, prefix)
}

#[test]
fn a_cmake_project_adds_the_folder() {
    if is_there(&["cmake"]) {
        consume(&format!("add_subdirectory(\"{}\" detalloc)", package().display()), &[]);
    }
}

#[test]
fn a_cmake_project_finds_what_is_installed() {
    if is_there(&["cmake"]) {
        let (_folder, prefix) = installed();
        consume(
            "find_package(detalloc 0.1 REQUIRED)",
            &[format!("-DCMAKE_PREFIX_PATH={}", prefix.display())],
        );
    }
}

#[test]
fn pkg_config_finds_what_is_installed() {
    if is_there(&["cmake", "pkg-config"]) {
        let (folder, prefix) = installed();
        let library = prefix.join("lib");
        let flags = output(
            Command::new("pkg-config")
                .args(["--cflags", "--libs", "detalloc"])
                .env("PKG_CONFIG_PATH", library.join("pkgconfig")),
        );
        let program = folder.path().join("program");
        let mut compile = Command::new("cc");
        compile.arg(package().join("examples/specification.c")).arg("-o").arg(&program);
        output(compile.args(flags.split_whitespace()));
        is_the_specifications(&output(Command::new(&program).env("LD_LIBRARY_PATH", library)));
    }
}
