//! The pages that Doxygen makes of the headers, and that it fails where something is not documented. Where Doxygen is missing,
//! it says so, and that is a failure in CI.
#![cfg(all(target_os = "linux", not(miri)))]

#[path = "common/compilers.rs"]
mod compilers;
#[path = "common/library.rs"]
mod library;

use compilers::{is_there, output};
use library::package;
use std::{fs, path::Path, process::Command};

/// Runs Doxygen as the Doxyfile says, but with these folders.
fn pages(headers: &Path, into: &Path) -> Command {
    let settings = fs::read_to_string(package().join("Doxyfile")).unwrap();
    let headers = headers.display();
    let settings = settings.replace("include/", &format!("{headers}/"));
    let file = into.join("Doxyfile");
    fs::write(&file, format!("{settings}OUTPUT_DIRECTORY = {}\n", into.display())).unwrap();
    let mut doxygen = Command::new("doxygen");
    doxygen.arg(file).current_dir(package());
    doxygen
}

#[test]
fn everything_in_the_headers_has_a_place_in_the_pages() {
    if is_there(&["doxygen"]) {
        let folder = tempfile::tempdir().unwrap();
        output(&mut pages(&package().join("include"), folder.path()));
        let read = |name: &str| fs::read_to_string(folder.path().join("html").join(name)).unwrap();
        assert!(read("index.html").contains("MEMORY_SIZE 4096"), "the example is shown");
        for (page, names) in [
            (
                "detalloc_8h.html",
                &["det_alloc_aligned", "DET_NEW_ARRAY", "DET_ERR_DOUBLE_FREE", "det_ring_grant"][..],
            ),
            ("structdet__config__t.html", &["borrow_larger"]),
            ("classdetalloc_1_1allocator.html", &["try_make", "validate"]),
        ] {
            let page = read(page);
            names.iter().for_each(|name| assert!(page.contains(name), "{name}"));
        }
    }
}

#[test]
fn what_is_not_documented_is_an_error() {
    if is_there(&["doxygen"]) {
        let header = fs::read_to_string(package().join("include/detalloc.h")).unwrap();
        for (documented, not) in [
            (" * @param size The bytes that are asked for.\n", ""),
            (" * @return The block, or NULL.\n", ""),
            ("void det_prefetch(", "void det_other(void);\n\nvoid det_prefetch("),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let (headers, into) = (folder.path().join("include"), folder.path().join("pages"));
            fs::create_dir_all(&headers).unwrap();
            fs::create_dir_all(&into).unwrap();
            fs::copy(package().join("include/detalloc.hpp"), headers.join("detalloc.hpp")).unwrap();
            assert!(header.contains(documented));
            fs::write(headers.join("detalloc.h"), header.replacen(documented, not, 1)).unwrap();
            let said = pages(&headers, &into).output().unwrap();
            let text = String::from_utf8_lossy(&said.stderr).into_owned();
            assert!(
                !said.status.success() && text.contains("not documented"),
                "without {documented}: {text}"
            );
        }
    }
}
