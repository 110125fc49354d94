//! The library as others find it: `add_subdirectory`, `find_package` and pkg-config, each building and running the specification's
//! example. Needs CMake and pkg-config; where these are missing, it says so, and is a failure in CI.
#![cfg(all(target_os = "linux", not(miri)))]

#[path = "common/compilers.rs"]
mod compilers;
#[path = "common/library.rs"]
mod library;

use compilers::{is_there, output};
use library::package;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

fn is_the_specifications(text: &str) {
    assert!(text.starts_with("[detalloc] total pools: 10\n[detalloc] peak usage: 512 bytes\n"), "{text}");
}

/// A project in C and C++ that links the target, which `find` makes known; built and run, static and shared.
fn consume(find: &str, arguments: &[String]) {
    for shared in ["OFF", "ON"] {
        let folder = tempfile::tempdir().unwrap();
        let examples = package().join("examples");
        let lists = format!(
            "cmake_minimum_required(VERSION 3.20)\nproject(consumer LANGUAGES C CXX)\n{find}\n\
             foreach(example specification.c containers.cpp)\n\
             get_filename_component(name ${{example}} NAME_WE)\nadd_executable(${{name}} \"{}/${{example}}\")\n\
             target_compile_features(${{name}} PRIVATE cxx_std_17)\n\
             target_link_libraries(${{name}} PRIVATE detalloc::detalloc)\nendforeach()\n",
            examples.display()
        );
        fs::write(folder.path().join("CMakeLists.txt"), lists).unwrap();
        let build = folder.path().join("build");
        let mut configure = Command::new("cmake");
        configure.arg("-S").arg(folder.path()).arg("-B").arg(&build).args(arguments);
        output(configure.arg(format!("-DBUILD_SHARED_LIBS={shared}")));
        output(Command::new("cmake").arg("--build").arg(&build));
        is_the_specifications(&output(&mut Command::new(build.join("specification"))));
        assert_eq!(output(&mut Command::new(build.join("containers"))), "contained\n");
    }
}

/// A folder to build the library in, configured with further arguments.
fn configured(arguments: &[String]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let build = folder.path().join("build");
    output(Command::new("cmake").arg("-S").arg(package()).arg("-B").arg(&build).args(arguments));
    (folder, build)
}

/// The library, installed: where.
fn installed(arguments: &[String]) -> (TempDir, PathBuf) {
    let (folder, build) = configured(arguments);
    let prefix = folder.path().join("prefix");
    // Whatever machine somebody's other programs are for.
    output(
        Command::new("cmake").arg("--build").arg(&build).env("CARGO_BUILD_TARGET", "thumbv7em-none-eabihf"),
    );
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
        let (_folder, prefix) = installed(&[]);
        consume(
            "find_package(detalloc 0.1 REQUIRED)",
            &[format!("-DCMAKE_PREFIX_PATH={}", prefix.display())],
        );
    }
}

/// What pkg-config says compiles and links the specification's example, static and shared.
fn is_found_by_pkg_config(folder: &Path, library: &Path) {
    let said = output(
        Command::new("pkg-config")
            .args(["--cflags", "--libs", "detalloc"])
            .env("PKG_CONFIG_PATH", library.join("pkgconfig")),
    );
    let program = folder.join("program");
    let mut compile = Command::new("cc");
    compile.arg(package().join("examples/specification.c")).arg("-o").arg(&program);
    output(compile.args(said.split_whitespace()));
    is_the_specifications(&output(Command::new(&program).env("LD_LIBRARY_PATH", library)));
    let loads = output(Command::new("objdump").arg("-p").arg(&program));
    let version = env!("CARGO_PKG_VERSION").rsplit_once('.').unwrap().0;
    assert!(loads.contains(&format!("libdetalloc_c.so.{version}\n")), "loaded by its version: {loads}");
}

#[test]
fn pkg_config_finds_what_is_installed() {
    if is_there(&["cmake", "pkg-config"]) {
        let (folder, prefix) = installed(&["-DCMAKE_INSTALL_LIBDIR=lib".to_owned()]);
        is_found_by_pkg_config(folder.path(), &prefix.join("lib"));
    }
}

#[test]
fn pkg_config_finds_what_is_installed_below_the_name_of_the_machine_or_elsewhere() {
    if is_there(&["cmake", "pkg-config"]) {
        let (folder, prefix) = installed(&["-DCMAKE_INSTALL_LIBDIR=lib/a-machine".to_owned()]);
        is_found_by_pkg_config(folder.path(), &prefix.join("lib/a-machine"));
        let elsewhere = tempfile::tempdir().unwrap();
        let library = elsewhere.path().join("libraries");
        let (folder, _) = installed(&[
            format!("-DCMAKE_INSTALL_LIBDIR={}", library.display()),
            format!("-DCMAKE_INSTALL_INCLUDEDIR={}", elsewhere.path().join("headers").display()),
        ]);
        is_found_by_pkg_config(folder.path(), &library);
    }
}

/// As a file for another machine's tools says, whose compiler is not needed for an archive.
const CROSS: [&str; 3] = [
    "-DCMAKE_SYSTEM_NAME=Generic",
    "-DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY",
    "-DCMAKE_C_COMPILER=cc",
];

#[test]
fn another_machine_has_to_be_named_and_is_what_the_library_is_for() {
    if !is_there(&["cmake"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut configure = Command::new("cmake");
    let refused =
        configure.arg("-S").arg(package()).arg("-B").arg(folder.path()).args(CROSS).output().unwrap();
    let says = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && says.contains("Set DETALLOC_RUST_TARGET"), "{says}");

    let target = "thumbv7em-none-eabihf";
    if library::is_installed(target) {
        let named = CROSS.iter().map(|&argument| argument.to_owned());
        let (_folder, build) =
            configured(&named.chain([format!("-DDETALLOC_RUST_TARGET={target}")]).collect::<Vec<_>>());
        output(Command::new("cmake").arg("--build").arg(&build));
        output(Command::new("cmake").arg("--install").arg(&build).arg("--prefix").arg(build.join("prefix")));
        let archive = build.join("prefix/lib/libdetalloc_c.a");
        assert!(archive.exists() && !build.join("prefix/lib/libdetalloc_c.so").exists());
        let machine = output(Command::new("objdump").arg("-f").arg(archive));
        assert!(machine.contains("elf32"), "{machine}");
    }
}
