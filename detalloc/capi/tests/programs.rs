//! Programs in C and C++ against the library, static and shared, compiled with every warning an error.
#![cfg(all(target_os = "linux", not(miri)))]

#[path = "common/compilers.rs"]
mod compilers;
#[path = "common/library.rs"]
mod library;

use compilers::{c, cpp, is_there, output};
use library::{library, package};
use std::{fs, mem::offset_of, path::Path, process::Command};

const WARNINGS: [&str; 4] = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"];

/// Compiles an example, with further arguments, runs it, and gives what it printed.
fn run(compiler: &str, standard: &str, example: &str, link: &[&str]) -> String {
    run_file(compiler, standard, &package().join("examples").join(example), link)
}

fn run_file(compiler: &str, standard: &str, source: &Path, link: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program");
    let mut compile = Command::new(compiler);
    compile.arg(format!("-std={standard}")).args(WARNINGS).arg("-I").arg(package().join("include"));
    compile.arg(source).arg("-o").arg(&program);
    output(compile.arg("-L").arg(library()).args(link));
    output(Command::new(&program).env("LD_LIBRARY_PATH", library()))
}

const STATIC: [&str; 1] = ["-l:libdetalloc_c.a"];
const SHARED: [&str; 1] = ["-ldetalloc_c"];

#[test]
fn the_example_of_the_specification_prints_its_three_lines() {
    for compiler in c() {
        for link in [STATIC, SHARED] {
            let text = run(compiler, "c99", "specification.c", &link);
            let lines: Vec<_> = text.lines().collect();
            assert_eq!(lines[..2], ["[detalloc] total pools: 10", "[detalloc] peak usage: 512 bytes"]);
            assert_eq!((measured(lines[2]), lines.len()), (true, 3), "{text}");
        }
    }
}

/// Whether a line says, in the specification's words, what operations took.
fn measured(line: &str) -> bool {
    let unit = if cfg!(target_arch = "aarch64") { " ticks" } else { " cycles" };
    let is_number = |text: &str| text.strip_suffix(unit).is_some_and(|number| number.parse::<u64>().is_ok());
    let took = line.strip_prefix("[detalloc] WCET alloc: ").and_then(|rest| rest.split_once(", free: "));
    took.is_some_and(|(alloc, free)| is_number(alloc) && is_number(free))
}

#[test]
fn bad_input_is_refused_and_changes_nothing() {
    for compiler in c() {
        assert_eq!(run(compiler, "c99", "misuse.c", &STATIC), "all refused\n");
    }
}

#[test]
fn hooks_hear_of_every_block_and_what_they_ask_is_served_or_refused() {
    for compiler in c() {
        assert_eq!(run(compiler, "c99", "hooks.c", &STATIC), "heard\n");
    }
}

#[test]
fn blocks_come_home_from_other_threads() {
    for compiler in c() {
        for link in [STATIC, SHARED] {
            let text = run(compiler, "c99", "threads.c", &[link[0], "-pthread"]);
            assert_eq!(text, "failures: 0, left: 0 and 0 bytes, valid: 1 and 1\n");
        }
    }
}

#[test]
fn the_program_of_the_readme_works() {
    let readme = fs::read_to_string(package().join("../../README.md")).unwrap();
    let (_, program) = readme.split_once("```c\n").unwrap();
    let (program, _) = program.split_once("```").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("readme.c");
    fs::write(&source, program).unwrap();
    for compiler in c() {
        assert_eq!(run_file(compiler, "c99", &source, &STATIC), "");
    }
}

#[test]
fn containers_and_a_process_block_work_in_cpp() {
    for compiler in cpp() {
        let text = run(compiler, "c++17", "process_block.cpp", &STATIC);
        assert_eq!(text, "refused: 0, valid: 1, containers: 1\n");
    }
}

#[test]
fn owners_objects_and_containers_keep_their_promises_in_cpp() {
    for compiler in cpp() {
        for options in ["-O2", "-fno-exceptions", "-fno-rtti"] {
            assert_eq!(run(compiler, "c++17", "containers.cpp", &[STATIC[0], options]), "contained\n");
        }
    }
}

/// Where the fields of a structure lie, by their names, and its size: as C prints it and as Rust has it.
macro_rules! layout {
    ($structure:ident: $($field:ident),+) => {
        (
            concat!("printf(\"%zu", $(layout!(@ $field)),+, "\\n\", sizeof(", stringify!($structure), ")",
                $(concat!(", offsetof(", stringify!($structure), ", ", stringify!($field), ")")),+, ");"),
            [size_of::<detalloc_c::$structure>(), $(offset_of!(detalloc_c::$structure, $field)),+].map(|it| it.to_string()).join(" "),
        )
    };
    (@ $field:ident) => { " %zu" };
}

#[test]
fn structures_lie_the_same_in_c_and_in_rust() {
    let layouts = [
        layout!(det_pool_config_t: block_size, block_count),
        layout!(det_config_t: pool_count, pools, enable_stats, enable_validation, thread_safe, borrow_larger),
        layout!(det_pool_stats_t: block_size, block_count, used, peak, refused, borrowed, freed_remotely),
        layout!(det_stats_t: version, struct_size, total_memory, used_memory, peak_memory, refused, alloc_count, free_count,
            total_cycles_alloc, total_cycles_free, wcet_alloc, wcet_free, pool_count, pool_stats),
    ];
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("layouts.c");
    let prints: String = layouts.iter().map(|(print, _)| *print).collect();
    fs::write(&source, format!("#include \"detalloc.h\"\nint main(void) {{ {prints} return 0; }}\n"))
        .unwrap();
    let expected: Vec<_> = layouts.iter().map(|(_, lies)| lies.as_str()).collect();
    for compiler in c() {
        let text = run_file(compiler, "c99", &source, &STATIC);
        assert_eq!(text.lines().collect::<Vec<_>>(), expected, "{compiler}");
    }
}

#[test]
fn the_header_says_what_every_parameter_is() {
    let header = package().join("include/detalloc.h");
    if is_there(&["clang"]) {
        output(Command::new("clang").args(["-fsyntax-only", "-Wdocumentation", "-Werror"]).arg(&header));
    }
    let header = fs::read_to_string(header).unwrap();
    let documented = header.split("/**").filter_map(|part| part.split_once("*/"));
    let is_function = |declared: &str| declared.contains(");") && !declared.contains("typedef");
    let functions: Vec<_> = documented.filter(|(_, declared)| is_function(declared)).collect();
    assert!(functions.len() > 30, "the header is read");
    for (says, declared) in functions {
        let parameters = if declared.contains("(void)") { 0 } else { declared.matches(',').count() + 1 };
        let returns = !declared.trim_start().starts_with("void det");
        let said = (says.matches("@param").count(), says.matches("@return").count());
        assert_eq!(said, (parameters, usize::from(returns)), "{declared}");
    }
}
