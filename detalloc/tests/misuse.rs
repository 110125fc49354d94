//! What safe code must not do does not compile, and for the reason that it is forbidden: what the compiler says is compared with
//! what is kept beside each file. Beside what is forbidden stands what is allowed, of which the compiler says nothing.
//!
//! `TRYBUILD=overwrite cargo test -p detalloc -p detalloc-audio --test misuse` writes anew what is kept.

use std::{collections::BTreeSet, env, fs, path::PathBuf, process::Command};

/// The compiler whose words are kept.
const TOOLCHAIN: &str = include_str!("../../rust-toolchain.toml");

/// Where both packages have their cases.
const CASES: &str = "tests/misuse";

/// What the compiler says of itself under a name.
fn compiler(name: &str) -> String {
    let said = String::from_utf8(Command::new("rustc").arg("-vV").output().unwrap().stdout).unwrap();
    let line = said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap().to_owned()
}

/// Whether this compiler is the one whose words are kept.
fn is_pinned() -> bool {
    let version = compiler("release");
    let is_pinned = TOOLCHAIN.contains(&format!("channel = \"{version}\""));
    if !is_pinned {
        println!("Not checked: rustc {version} has words of its own");
    }
    is_pinned
}

/// Makes the compiler say the same where the component `rust-src` is installed, from which it would quote, and where it is not.
fn quote_no_library() {
    let flags = format!("CARGO_TARGET_{}_RUSTFLAGS", compiler("host").replace('-', "_").to_uppercase());
    // SAFETY: nothing else in this program reads the environment but through std, which has a lock for it.
    unsafe {
        env::set_var(flags, "-Ztranslate-remapped-path-to-local-path=no");
        env::set_var("RUSTC_BOOTSTRAP", "1");
    }
}

/// The cases, by file.
fn files() -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(CASES).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
}

/// The lines of a file that the compiler refuses: it names them right behind what is wrong.
fn refused_lines(file: &str, said: &str) -> BTreeSet<usize> {
    let place = format!("--> {CASES}/{file}:");
    let lines: Vec<_> = said.lines().collect();
    let refused = lines.windows(2).filter(|pair| pair[0].starts_with("error"));
    let refused = refused.filter_map(|pair| pair[1].split_once(&place)?.1.split(':').next());
    refused.map(|line| line.parse().unwrap()).collect()
}

#[test]
#[cfg_attr(miri, ignore = "there are no processes")]
fn what_safe_code_must_not_do_does_not_compile() {
    if is_pinned() {
        quote_no_library();
        let cases = trybuild::TestCases::new();
        // With one that is built, all are: some things are found only when code is made.
        cases.pass(format!("{CASES}/allowed/*.rs"));
        cases.compile_fail(format!("{CASES}/*.rs"));
    }
}

/// So that nothing is taken for refused because something beside it is.
#[test]
#[cfg_attr(miri, ignore = "there are no files")]
fn every_function_is_refused_unless_it_is_marked_as_allowed() {
    let (mut refused, mut allowed) = (0, 0);
    for path in files() {
        let file = path.file_name().unwrap().to_str().unwrap();
        let said = fs::read_to_string(path.with_extension("stderr")).unwrap();
        let lines = refused_lines(file, &said);
        let source = fs::read_to_string(&path).unwrap();
        let source: Vec<_> = source.lines().collect();
        let begins = |line: &&str| line.starts_with("fn ") && !line.starts_with("fn main");
        for begin in (0..source.len()).filter(|&line| begins(&source[line])) {
            let ends = |line: &usize| source[*line] == "}" || source[*line].ends_with("{}");
            let end = (begin..source.len()).find(ends).unwrap();
            let is_refused = lines.range(begin + 1..=end + 1).next().is_some();
            let is_allowed = source[begin - 1] == "// Allowed.";
            assert_ne!(is_refused, is_allowed, "{file}: {}", source[begin]);
            refused += usize::from(is_refused);
            allowed += usize::from(is_allowed);
        }
    }
    println!("{refused} misuses do not compile, beside {allowed} uses that do");
    assert!(refused >= 40 && allowed >= 10);
}
