//! `header`: the C header, generated from the C interface. It is checked in, so that C programs need no generator.

use std::fs;

use crate::cli::HeaderArgs;
use crate::failure::Failure;
use crate::workspace::Workspace;

/// Writes the header, or compares it.
///
/// # Errors
///
/// [`Failure::Check`] if and only if it was to be compared and differs; [`Failure::CannotRun`] if the sources cannot be read or
/// the header cannot be written.
pub fn run(args: &HeaderArgs) -> Result<(), Failure> {
    let package = Workspace::find()?.root.join("detalloc/capi");
    let config = cbindgen::Config::from_file(package.join("cbindgen.toml"))
        .map_err(|error| Failure::CannotRun(format!("cbindgen.toml: {error}")))?;
    let bindings = cbindgen::Builder::new()
        .with_crate(&package)
        .with_config(config)
        .generate()
        .map_err(|error| Failure::CannotRun(format!("{}: {error}", package.display())))?;
    let mut bytes = Vec::new();
    bindings.write(&mut bytes);
    let text = String::from_utf8(bytes).map_err(|error| Failure::CannotRun(error.to_string()))?;
    let text = for_c(&text);

    let header = package.join("include/detalloc.h");
    if args.check {
        let kept = fs::read_to_string(&header).map_err(|error| Failure::file(&header, error))?;
        return match kept == text {
            true => Ok(()),
            false => Err(Failure::Check(format!("{} is out of date: cargo xtask header", header.display()))),
        };
    }
    fs::write(&header, text).map_err(|error| Failure::file(&header, error))
}

/// The documentation as C readers and Doxygen want it: errors and times in paragraphs of their own, and without Rust's section on
/// safety, whose rules the head of the file states.
fn for_c(text: &str) -> String {
    let mut kept: Vec<String> = Vec::new();
    let mut is_safety = false;
    for line in text.lines() {
        if line == " * # Safety" {
            is_safety = true;
            // The empty line before it.
            kept.pop_if(|line| *line == " *");
        }
        is_safety &= line != " */";
        if is_safety {
            continue;
        }
        match PARAGRAPHS.iter().find_map(|(begins, title)| Some((title, line.strip_prefix(begins)?))) {
            Some((title, rest)) => kept.extend([format!(" * @par {title}"), format!(" * {}", capital(rest))]),
            None => kept.push(line.to_owned()),
        }
    }
    kept.join("\n") + "\n"
}

/// How a paragraph begins in the sources, and what it is called in the header.
const PARAGRAPHS: [(&str, &str); 4] = [
    (" * Errors: ", "Errors"),
    (" * Errors, ", "Errors"),
    (" * Time: ", "Time and threads"),
    (" * Time, threads: ", "Time and threads"),
];

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_and_times_have_paragraphs_of_their_own() {
        let text = " * Errors, as before: none.\n *\n * Time: constant. Threads: any.\n */\n";
        let expected = " * @par Errors\n * As before: none.\n *\n * @par Time and threads\n * Constant. Threads: any.\n */\n";
        assert_eq!(for_c(text), expected);
    }

    #[test]
    fn the_section_on_safety_is_left_out() {
        let text = "/**\n * One.\n *\n * # Safety\n * (C1)\n */\nvoid one(void);\n";
        assert_eq!(for_c(text), "/**\n * One.\n */\nvoid one(void);\n");
    }
}
