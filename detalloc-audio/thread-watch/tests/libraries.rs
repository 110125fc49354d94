//! What a library loaded at run time does to the heap is counted, in C and in Rust alike, with the stack that shows
//! where; what happens outside a watched section or on another thread is not.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::ffi::{c_int, c_void};
use std::path::{Path, PathBuf};
use std::process::Command;

use libloading::{Library, Symbol};
use thread_watch::{Counts, TouchKind, available, take_touches, watch};

const C_SOURCE: &str = r#"
#include <stdlib.h>
#include <string.h>

static void *volatile kept;

int planted_in_c(void) {
    kept = malloc(100);                  /* 1, 0 */
    kept = realloc(kept, 5000);          /* 1, 1 */
    free(kept);                          /* 0, 1 */
    kept = calloc(3, 7);                 /* 1, 0 */
    free(kept);                          /* 0, 1 */
    void *aligned = NULL;
    if (posix_memalign(&aligned, 256, 1000) != 0) return 1; /* 1, 0 */
    kept = aligned;
    free(kept);                          /* 0, 1 */
    if (posix_memalign(&aligned, 3, 8) == 0) return 2;
    kept = aligned_alloc(64, 128);       /* 1, 0 */
    free(kept);                          /* 0, 1 */
    kept = strdup("inside the C library"); /* 1, 0 */
    free(kept);                          /* 0, 1 */
    kept = reallocarray(NULL, 4, 4);     /* 1, 0 */
    free(kept);                          /* 0, 1 */
    kept = NULL;
    free(kept);                          /* 0, 0 */
    return 0;
}
"#;

const RUST_SOURCE: &str = r#"
#[unsafe(no_mangle)]
pub extern "C" fn planted_in_rust() -> i32 {
    let boxed = std::hint::black_box(Box::new([0_u8; 200]));
    drop(boxed);
    let mut grown = std::hint::black_box(Vec::<u64>::with_capacity(1));
    grown.push(1);
    grown.push(std::hint::black_box(2));
    i32::from(std::hint::black_box(grown).len() != 2)
}
"#;

fn build(folder: &Path, compiler: &str, source: &str, text: &str, args: &[&str]) -> PathBuf {
    let source = folder.join(source);
    std::fs::write(&source, text).expect("the source is written");
    let library = source.with_extension("so");
    let status = Command::new(compiler).args(args).arg("-o").arg(&library).arg(&source).status();
    assert!(status.is_ok_and(|status| status.success()), "{compiler} builds {}", source.display());
    library
}

/// Calls `name` in the library at `path` within a watched section.
fn call_watched(path: &Path, name: &[u8]) -> (c_int, Option<Counts>) {
    // SAFETY: the library was built from the source above and runs nothing on load.
    let library = unsafe { Library::new(path) }.expect("the library loads");
    // SAFETY: the source above defines the function with this signature.
    let function: Symbol<unsafe extern "C" fn() -> c_int> =
        unsafe { library.get(name) }.expect("it is exported");
    take_touches();
    // SAFETY: as above.
    watch(|| unsafe { function() })
}

#[test]
fn libraries_get_this_crate_s_malloc() {
    assert!(available());
}

#[test]
fn every_heap_function_of_a_c_library_is_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let library =
        build(folder.path(), "cc", "planted.c", C_SOURCE, &["-shared", "-fPIC", "-O1", "-D_GNU_SOURCE"]);
    let (result, counts) = call_watched(&library, b"planted_in_c");
    assert_eq!(result, 0);
    assert_eq!(counts, Some(Counts { allocs: 7, frees: 7 }));
}

#[test]
fn a_rust_library_s_allocations_are_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let args = ["--crate-type", "cdylib", "--edition", "2024", "-Copt-level=2"];
    let library = build(folder.path(), "rustc", "planted.rs", RUST_SOURCE, &args);
    let (result, counts) = call_watched(&library, b"planted_in_rust");
    assert_eq!(result, 0);
    // A box, a vector of one and its growth, each freed.
    assert_eq!(counts, Some(Counts { allocs: 3, frees: 3 }));
}

#[inline(never)]
fn the_guilty_function() -> Box<[u8; 123]> {
    std::hint::black_box(Box::new([1; 123]))
}

#[test]
fn a_touch_names_what_it_did_and_where() {
    take_touches();
    let (_kept, counts) = watch(the_guilty_function);
    assert_eq!(counts, Some(Counts { allocs: 1, frees: 0 }));
    let touches = take_touches();
    assert_eq!(touches.len(), 1);
    assert_eq!(touches[0].kind, TouchKind::Allocation { bytes: 123 });
    let frames = touches[0].frames();
    assert!(frames.iter().any(|frame| frame.function.contains("the_guilty_function")), "{frames:#?}");
    let files = frames.iter().filter_map(|frame| frame.place.as_ref()).map(|(file, _)| file);
    assert!(
        files.clone().count() > 0 && !files.into_iter().any(|file| file.contains("thread-watch/src")),
        "{frames:#?}"
    );
    assert!(take_touches().is_empty(), "taken once");
}

#[test]
fn only_the_first_touches_keep_their_stacks_but_all_are_counted() {
    take_touches();
    let ((), counts) = watch(|| {
        for size in 1..=100_usize {
            drop(std::hint::black_box(vec![0_u8; size]));
        }
    });
    assert_eq!(counts, Some(Counts { allocs: 100, frees: 100 }));
    assert_eq!(take_touches().len(), thread_watch::MAX_TOUCHES);
}

#[test]
fn a_quiet_section_counts_nothing() {
    let mut sum = 0_u64;
    let ((), counts) = watch(|| {
        for value in 0..1000_u64 {
            sum = std::hint::black_box(sum + value);
        }
    });
    assert_eq!(counts, Some(Counts::default()));
}

#[test]
fn other_threads_are_not_counted() {
    let other = std::thread::spawn(|| {
        for size in 1..=100_000_usize {
            drop(std::hint::black_box(vec![0_u8; size % 64 + 1]));
        }
    });
    let mut spins = 0_u64;
    let ((), counts) = watch(|| {
        while !other.is_finished() {
            spins = std::hint::black_box(spins + 1);
        }
    });
    assert_eq!(counts, Some(Counts::default()));
    other.join().expect("the other thread ends well");
}

#[test]
fn sections_nest_and_end_with_a_panic() {
    let (_, outer) = watch(|| watch(|| drop(std::hint::black_box(Box::new(1_u32)))));
    assert_eq!(outer, Some(Counts { allocs: 1, frees: 1 }));

    let panicked = std::panic::catch_unwind(|| watch(|| std::panic::resume_unwind(Box::new(()))));
    assert!(panicked.is_err());
    take_touches();
    drop(std::hint::black_box(Box::new(1_u32)));
    assert!(take_touches().is_empty(), "a panic in the section ended the watch");
}

#[test]
fn a_failed_product_is_refused_as_c_expects() {
    unsafe extern "C" {
        fn reallocarray(block: *mut c_void, count: usize, size: usize) -> *mut c_void;
    }
    // SAFETY: null is a valid block to resize; the product overflows, so nothing is returned to own.
    let block = unsafe { reallocarray(std::ptr::null_mut(), usize::MAX, 2) };
    assert!(block.is_null());
    assert_eq!(std::io::Error::last_os_error().raw_os_error(), Some(12));
}
