//! The C programs under AddressSanitizer and UndefinedBehaviorSanitizer, with a library that was built for them, so that what the
//! library itself touches is seen too.
#![cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]

#[path = "common/compilers.rs"]
mod compilers;
#[path = "common/library.rs"]
mod library;

use compilers::{c, cpp, output};
use library::package;
use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};
use tempfile::TempDir;

/// The library, with its accesses checked.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY
        .get_or_init(|| library::build("capi-asan", "-Zsanitizer=address", Some("x86_64-unknown-linux-gnu")))
}

/// A program of this source in C99, or in C++17 by its name, compiled to be checked.
fn program(compiler: &str, source: &Path) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program");
    let mut compile = Command::new(compiler);
    let standard = if source.extension().is_some_and(|it| it == "c") { "-std=c99" } else { "-std=c++17" };
    compile.args([standard, "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-I"]);
    compile.arg(package().join("include")).arg(source).arg("-o").arg(&program).arg("-L").arg(library());
    output(compile.args(["-l:libdetalloc_c.a", "-pthread"]));
    (folder, program)
}

#[test]
fn bad_input_is_refused_without_a_wrong_access() {
    for compiler in c() {
        let (_folder, program) = program(compiler, &package().join("examples/misuse.c"));
        assert_eq!(output(&mut Command::new(program)), "all refused\n", "{compiler}");
    }
}

#[test]
fn hooks_that_ask_for_anything_make_no_wrong_access() {
    for compiler in c() {
        let (_folder, program) = program(compiler, &package().join("examples/hooks.c"));
        assert_eq!(output(&mut Command::new(program)), "heard\n", "{compiler}");
    }
}

#[test]
fn the_example_of_the_specification_makes_no_wrong_access() {
    for compiler in c() {
        let (_folder, program) = program(compiler, &package().join("examples/specification.c"));
        assert!(output(&mut Command::new(program)).contains("10\n"), "{compiler}");
    }
}

#[test]
fn threads_make_no_wrong_access() {
    for compiler in c() {
        let (_folder, program) = program(compiler, &package().join("examples/threads.c"));
        assert!(output(&mut Command::new(program)).starts_with("failures: 0,"), "{compiler}");
    }
}

#[test]
fn the_layer_for_cpp_makes_no_wrong_access() {
    for compiler in cpp() {
        for (example, last) in [
            ("containers.cpp", "contained\n"),
            ("process_block.cpp", "refused: 0, valid: 1, containers: 1\n"),
        ] {
            let (_folder, program) = program(compiler, &package().join("examples").join(example));
            assert_eq!(output(&mut Command::new(program)), last, "{compiler}");
        }
    }
}

/// That those above can fail: a buffer that is smaller than its program says is written past its end by the library.
#[test]
fn what_the_library_touches_is_seen() {
    let source = "#include \"detalloc.h\"\n#include <stdlib.h>\n\
        int main(void) {\n\
            det_config_t config = det_default_config();\n\
            size_t needed = det_alloc_size(&config);\n\
            void *buffer = malloc(needed / 2);\n\
            return det_alloc_init(buffer, needed, &config) == NULL;\n\
        }\n";
    for compiler in c() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("short.c");
        std::fs::write(&file, source).unwrap();
        let (_folder, program) = program(compiler, &file);
        let said = Command::new(program).output().unwrap();
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(
            said.contains("heap-buffer-overflow") && said.contains("det_alloc_init"),
            "{compiler}: {said}"
        );
    }
}
