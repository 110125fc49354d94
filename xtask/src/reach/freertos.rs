//! FreeRTOS: the same program over this heap and over the kernel's own, under an emulator.

use super::build::Build;
use super::emulator::{emulate, range, take_over};
use super::report::{Behind, Range, Row};
use crate::failure::Failure;

const PORT: &str = "detalloc/ports/freertos";

/// Builds both, runs them, and compares what their operations take: ours has to be the same behind any number of holes, and the
/// kernel's has to grow, or the program does not show what it is for.
///
/// # Errors
///
/// [`Failure::CannotRun`] if and only if a program does not build.
pub fn run(build: &Build<'_>, emulator: &[&str], board: &str, row: &mut Row) -> Result<(), Failure> {
    for features in ["", "heap-4"] {
        let mut cargo = build.cargo(PORT, "build");
        if !cargo.args(["--release", "--features", features]).status().is_ok_and(|status| status.success()) {
            return Err(Failure::CannotRun(format!("{PORT} does not build")));
        }
        row.built = true;
        let program = build.output("release").join("freertos");
        let text = emulate(emulator, board, &program);
        take_over("freertos", board, &text, row);
        row.behind.extend(behind(&text));
    }
    row.ran_on.push(format!("QEMU {board}"));
    let ours: Vec<_> = row.behind.iter().filter(|counts| counts.heap == "detalloc").collect();
    (row.allocate, row.free) = ours.first().map_or((None, None), |counts| (counts.allocate, counts.free));
    row.failed.extend(judge(&row.behind));
    Ok(())
}

/// The counts that a program has printed.
fn behind(text: &str) -> Vec<Behind> {
    let heap = text.lines().find_map(|line| line.strip_prefix("heap ")).unwrap_or_default();
    let mut all: Vec<Behind> = Vec::new();
    for counts in text.lines().filter_map(|line| line.strip_prefix("behind ")) {
        let Some((fragments, counts)) = counts.split_once(' ') else { continue };
        let fragments = fragments.parse().unwrap_or(u32::MAX);
        if all.last().is_none_or(|last| last.fragments != fragments) {
            all.push(Behind { heap: heap.to_owned(), fragments, ..Behind::default() });
        }
        if let Some(last) = all.last_mut() {
            let into = if counts.starts_with("allocate") { &mut last.allocate } else { &mut last.free };
            *into = range(counts);
        }
    }
    all
}

/// What is not as promised.
fn judge(behind: &[Behind]) -> Vec<String> {
    let counts = |heap: &str| -> Vec<_> {
        let of_heap = behind.iter().filter(|counts| counts.heap == heap);
        of_heap.map(|counts| (counts.allocate, counts.free)).collect()
    };
    let (ours, kernels) = (counts("detalloc"), counts("heap_4"));
    let mut wrong = Vec::new();
    let is_one = |range: Option<Range>| range.is_some_and(|range| range.least == range.most);
    let is_constant = ours.len() > 1 && ours.iter().all(|counts| *counts == ours[0]);
    if !(is_constant && is_one(ours[0].0) && is_one(ours[0].1)) {
        wrong.push("this heap's operations do not take the same instructions every time".to_owned());
    }
    let most = |counts: &(Option<Range>, _)| counts.0.map_or(0, |range| range.most);
    if !(kernels.len() > 1 && kernels.windows(2).all(|pair| most(&pair[0]) < most(&pair[1]))) {
        wrong.push("heap_4 does not take longer behind more holes: nothing was fragmented".to_owned());
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "heap detalloc\nbehind 0 allocate 5 5\nbehind 0 free 4 4\nbehind 10 allocate 5 5\nbehind 10 free 4 4\n";
    const KERNELS: &str =
        "heap heap_4\nbehind 0 allocate 3 3\nbehind 0 free 4 4\nbehind 10 allocate 9 9\nbehind 10 free 8 9\n";

    #[test]
    fn what_is_constant_beside_what_grows_is_as_promised() {
        let all = [behind(OURS), behind(KERNELS)].concat();
        assert_eq!((all.len(), judge(&all)), (4, Vec::new()));
        assert_eq!(
            (all[3].heap.as_str(), all[3].fragments, all[3].free.map(|range| range.most)),
            ("heap_4", 10, Some(9))
        );
    }

    #[test]
    fn what_varies_or_does_not_grow_is_named() {
        for ours in [
            OURS.replace("free 4 4", "free 4 5"),
            OURS.replace("10 allocate 5 5", "10 allocate 6 6"),
            String::new(),
        ] {
            assert_eq!(judge(&[behind(&ours), behind(KERNELS)].concat()).len(), 1, "{ours}");
        }
        assert_eq!(judge(&[behind(OURS), behind(&KERNELS.replace("9 9", "3 3"))].concat()).len(), 1);
    }
}
