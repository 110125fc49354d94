//! What is in the libraries besides what the header declares: nothing that panics, unwinds, or is in the way of other libraries.
#![cfg(all(target_os = "linux", not(miri)))]

#[path = "common/compilers.rs"]
mod compilers;
#[path = "common/library.rs"]
mod library;

use compilers::{c, output};
use library::{library, package};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The symbols of a file, one a line.
fn symbols(arguments: &[&str], file: &Path) -> String {
    output(Command::new("nm").args(arguments).arg(file))
}

fn shared() -> PathBuf {
    library().join("libdetalloc_c.so")
}

#[test]
fn nothing_unwinds() {
    let needed = symbols(&["-D", "--undefined-only"], &shared());
    assert!(!needed.contains("_Unwind") && !needed.contains("rust_"), "{needed}");
}

#[test]
fn the_shared_library_exports_what_the_header_declares_and_nothing_else() {
    let exported = symbols(&["-D", "--defined-only", "--format=just-symbols"], &shared());
    let header = fs::read_to_string(package().join("include/detalloc.h")).unwrap();
    let (_, declared) = header.split_once("extern \"C\"").unwrap();
    let names = |text: &str| -> BTreeSet<String> {
        let words = text.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
        words.filter(|word| word.starts_with("det_")).map(str::to_owned).collect()
    };
    let others: Vec<_> = exported.lines().filter(|name| !name.starts_with("det_")).collect();
    assert!(others.is_empty(), "{others:?}");
    let (exported, declared) = (names(&exported), names(declared));
    assert!(exported.len() > 30 && exported.is_subset(&declared), "{:?}", exported.difference(&declared));
}

fn without_panics(symbols: &str) {
    assert!(symbols.contains("det_alloc_init"), "the names are there");
    let panics: Vec<_> = symbols.lines().filter(|name| name.contains("panicking")).collect();
    assert!(panics.is_empty(), "{panics:?}");
}

#[test]
fn nothing_can_panic_in_the_shared_library() {
    without_panics(&symbols(&[], &shared()));
}

/// What an archive has of this library; the rest is the compiler's own, of which programs link what they need.
fn own_object(archive: &Path, folder: &Path) -> PathBuf {
    let listed = output(Command::new("ar").arg("t").arg(archive));
    let own: Vec<_> = listed.lines().filter(|name| name.starts_with("detalloc_c")).collect();
    assert_eq!(own.len(), 1, "all code of this library is one object");
    output(Command::new("ar").arg("x").arg(archive).arg(own[0]).current_dir(folder));
    folder.join(own[0])
}

#[test]
fn nothing_can_panic_in_the_static_library() {
    let folder = tempfile::tempdir().unwrap();
    without_panics(&symbols(&[], &own_object(&library().join("libdetalloc_c.a"), folder.path())));
}

#[test]
fn nothing_can_panic_on_boards() {
    for target in ["thumbv6m-none-eabi", "thumbv7em-none-eabihf", "riscv32imac-unknown-none-elf"] {
        if !library::is_installed(target) {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let built = library::build("capi-boards", "", Some(target));
        without_panics(&symbols(&[], &own_object(&built.join("libdetalloc_c.a"), folder.path())));
    }
}

/// Another library in Rust, with the standard library, whose panics are caught.
const OTHER: &str = "#[unsafe(no_mangle)] pub extern \"C\" fn other(count: usize) -> usize {\n\
    std::panic::catch_unwind(|| [1, 2, 3][count]).unwrap_or(77)\n}\n";

/// Uses both.
const PROGRAM: &str = "#include \"detalloc.h\"\n\
    size_t other(size_t count);\n\
    int main(void) {\n\
        det_config_t config = det_default_config();\n\
        return det_alloc_size(&config) > 0 && other(1) == 2 && other(3) == 77 ? 0 : 1;\n\
    }\n";

#[test]
fn a_program_links_other_rust_code_beside_it_whose_panics_are_caught() {
    let folder = tempfile::tempdir().unwrap();
    let (source, program) = (folder.path().join("other.rs"), folder.path().join("program.c"));
    fs::write(&source, OTHER).unwrap();
    fs::write(&program, PROGRAM).unwrap();
    for kind in ["staticlib", "cdylib"] {
        let mut rustc = Command::new("rustc");
        rustc.args(["--edition", "2024", "--crate-name", "other", "--crate-type", kind]).arg(&source);
        output(rustc.current_dir(folder.path()));
    }
    let (ours, theirs) = (["-l:libdetalloc_c.a", "-ldetalloc_c"], ["-l:libother.a", "-l:libother.so"]);
    for compiler in c() {
        for (first, second) in [(ours, theirs), (theirs, ours)] {
            for (first, second) in first.into_iter().flat_map(|one| second.map(|other| (one, other))) {
                let built = folder.path().join("program");
                let mut compile = Command::new(compiler);
                compile.arg(&program).arg("-o").arg(&built).arg("-I").arg(package().join("include"));
                compile.arg("-L").arg(library()).arg("-L").arg(folder.path()).args([first, second]);
                output(compile.args(["-lpthread", "-ldl", "-lm"]));
                let folders = std::env::join_paths([library(), folder.path()]).unwrap();
                output(Command::new(&built).env("LD_LIBRARY_PATH", folders));
            }
        }
    }
}
