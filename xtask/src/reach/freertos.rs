//! FreeRTOS: the same program over this heap and over the kernel's own, under an emulator, linked as users link it.

use std::path::Path;

use super::build::Build;
use super::c;
use super::emulator::{emulate, range, take_over};
use super::report::{Counted, Range, Row, Stack};
use crate::failure::Failure;

const PORT: &str = "detalloc/ports/freertos";

/// The programs, besides one for every heap of the README's.
const PROGRAMS: [&str; 3] = ["detalloc", "heap_4", "elsewhere"];

/// States in which nothing but the size of the request differs for this heap: its class has a free block, and at most as many blocks
/// as two levels of words hold.
const ALIKE: [&str; 10] = [
    "behind 0 holes",
    "behind 10 holes",
    "behind 100 holes",
    "behind 1000 holes",
    "100 bytes",
    "200 bytes",
    "500 bytes",
    "1000 bytes",
    "2000 bytes",
    "4000 bytes",
];

/// States in which the class has run dry.
const DRY: [&str; 3] =
    ["run dry, the next class lends", "run dry, the largest class lends", "refused, nothing is free"];

/// Builds them, runs them, and compares what the operations of both heaps take: ours has to be the same in every state that is alike
/// for it, and the kernel's has to grow behind holes, or the program does not show what it is for.
///
/// # Errors
///
/// [`Failure::CannotRun`] if and only if the library or a program does not build, or no program is for the README.
pub fn run(build: &Build<'_>, emulator: &[&str], board: &str, row: &mut Row) -> Result<(), Failure> {
    let programs = build.output("programs");
    // As the README says, without what needs an operating system.
    let library = c::library(build, &["--no-default-features"])?;
    let mut cargo = build.cargo(PORT, "build");
    cargo.arg("--release").env("DETALLOC_LIBRARY", library).env("FREERTOS_PROGRAMS", &programs);
    if !cargo.status().is_ok_and(|status| status.success()) {
        return Err(Failure::CannotRun(format!("{PORT} does not build")));
    }
    row.built = true;
    for name in PROGRAMS.map(str::to_owned).into_iter().chain(of_readme(&programs)?) {
        let text = emulate(emulator, board, &programs.join(&name));
        if name == "heap_4" {
            // Its checks are none of this heap's.
            let mut kernels = Row::default();
            take_over(&name, board, &text, &mut kernels);
            row.failed.append(&mut kernels.failed);
        } else {
            take_over(&name, board, &text, row);
        }
        if name == "detalloc" || name == "heap_4" {
            row.counted.extend(counted(&name, &text));
        }
        if name == "detalloc" {
            row.stack = stack(&text);
        }
    }
    row.ran_on.push(format!("QEMU {board}"));
    let ours = row.counted.iter().filter(|counted| counted.heap == "detalloc");
    let (alike, dry): (Vec<_>, Vec<_>) = ours.partition(|counted| ALIKE.contains(&counted.state.as_str()));
    (row.allocate, row.free) =
        (span(alike.iter().map(|it| it.allocate)), span(alike.iter().map(|it| it.free)));
    let dry = dry.iter().filter(|counted| DRY.contains(&counted.state.as_str()));
    row.allocate_dry = span(dry.map(|it| it.allocate));
    row.failed.extend(judge(&row.counted));
    if row.stack.is_none() {
        row.failed.push("the stack was not measured".to_owned());
    }
    Ok(())
}

/// The programs for the heaps of the README.
fn of_readme(programs: &Path) -> Result<Vec<String>, Failure> {
    let entries = programs.read_dir().map_err(|error| Failure::file(programs, error))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<_> = names.filter(|name| name.starts_with("readme-")).collect();
    names.sort_unstable();
    if names.is_empty() {
        return Err(Failure::CannotRun(format!("{PORT}/README.md names no heap to begin with")));
    }
    Ok(names)
}

/// The counts that a program has printed.
fn counted(heap: &str, text: &str) -> Vec<Counted> {
    let mut all: Vec<Counted> = Vec::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("counted ")) {
        let mut words = line.splitn(4, ' ');
        let operation = words.next().unwrap_or_default();
        let state = words.nth(2).unwrap_or_default();
        if all.last().is_none_or(|last| last.state != state) {
            all.push(Counted { heap: heap.to_owned(), state: state.to_owned(), ..Counted::default() });
        }
        if let Some(last) = all.last_mut() {
            let into = if operation == "allocate" { &mut last.allocate } else { &mut last.free };
            *into = range(line);
        }
    }
    all
}

/// The stack that a program has measured.
fn stack(text: &str) -> Option<Stack> {
    let words = |line: &str| line.split(' ').filter_map(|word| word.parse().ok()).collect::<Vec<u32>>();
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("stack ")).map(words).collect();
    match lines[..] {
        [ref set_up, ref operations] => match (&set_up[..], &operations[..]) {
            (&[set_up], &[allocate, free]) => Some(Stack { set_up, allocate, free }),
            _ => None,
        },
        _ => None,
    }
}

/// The least and the most of all.
fn span(ranges: impl Iterator<Item = Option<Range>>) -> Option<Range> {
    ranges
        .flatten()
        .reduce(|all, range| Range { least: all.least.min(range.least), most: all.most.max(range.most) })
}

/// What is not as promised.
fn judge(counted: &[Counted]) -> Vec<String> {
    let find = |heap: &str, state: &str| {
        counted.iter().find(|counted| (counted.heap.as_str(), counted.state.as_str()) == (heap, state))
    };
    let is_one = |range: Option<Range>| range.is_none_or(|range| range.least == range.most);
    let mut wrong = Vec::new();
    let mut alike =
        ALIKE.map(|state| find("detalloc", state).map(|counted| (counted.allocate, counted.free)));
    if !alike[0].is_some_and(|(allocate, free)| allocate.is_some() && free.is_some()) {
        alike[0] = None;
    }
    let are_alike = alike[0].is_some() && alike.iter().all(|counts| *counts == alike[0]);
    let mut ours = counted.iter().filter(|counted| counted.heap == "detalloc");
    if !(are_alike && ours.all(|counted| is_one(counted.allocate) && is_one(counted.free))) {
        wrong.push("this heap's operations do not take the same instructions every time".to_owned());
    }
    let most =
        |state: &str| find("heap_4", state).and_then(|counted| counted.allocate).map(|range| range.most);
    let kernels: Vec<_> = ALIKE[..4].iter().map(|state| most(state)).collect();
    if !(kernels[0].is_some() && kernels.windows(2).all(|pair| pair[0] < pair[1])) {
        wrong.push("heap_4 does not take longer behind more holes: nothing was fragmented".to_owned());
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a program prints whose operations take these many instructions, behind more and more holes and then always.
    fn text(behind: [u32; 4], free: u32) -> String {
        let allocate = |number: usize| behind.get(number).copied().unwrap_or(behind[0]);
        let lines = ALIKE.iter().enumerate().map(|(number, state)| {
            let allocate = allocate(number);
            format!("counted allocate {allocate} {allocate} {state}\ncounted free {free} {free} {state}\n")
        });
        lines.collect::<String>() + "counted allocate 7 7 run dry, the next class lends\n"
    }

    fn both(ours: &str, kernels: &str) -> Vec<Counted> {
        [counted("detalloc", ours), counted("heap_4", kernels)].concat()
    }

    #[test]
    fn what_is_constant_beside_what_grows_is_as_promised() {
        let all = both(&text([5; 4], 4), &text([3, 4, 5, 6], 9));
        assert_eq!((all.len(), judge(&all)), (2 * ALIKE.len() + 2, Vec::new()));
        let last = &all[ALIKE.len()];
        assert_eq!((last.state.as_str(), last.free), ("run dry, the next class lends", None));
        assert_eq!(span(all.iter().map(|it| it.allocate)), Some(Range { least: 3, most: 7 }));
    }

    #[test]
    fn what_varies_or_does_not_grow_is_named() {
        let (ours, kernels) = (text([5; 4], 4), text([3, 4, 5, 6], 9));
        for ours in [
            ours.replace("free 4 4 500 bytes", "free 4 5 500 bytes"),
            ours.replace("allocate 7 7", "allocate 7 8"),
            ours.replace("allocate 5 5 4000 bytes", "allocate 6 6 4000 bytes"),
            ours.replace("100 bytes", "100 B"),
            String::new(),
        ] {
            assert_eq!(judge(&both(&ours, &kernels)).len(), 1, "{ours}");
        }
        for kernels in [text([3, 4, 4, 6], 9), String::new()] {
            assert_eq!(judge(&both(&ours, &kernels)).len(), 1, "{kernels}");
        }
    }

    #[test]
    fn the_stack_is_taken_over_whole_or_not_at_all() {
        let text = "stack set-up 832\nok check a\nstack allocate 72 free 56\n";
        assert_eq!(stack(text), Some(Stack { set_up: 832, allocate: 72, free: 56 }));
        for bad in ["", "stack set-up 832\n", &text.replace("72", "x")] {
            assert_eq!(stack(bad), None, "{bad}");
        }
    }
}
