//! Programs without an operating system, under an emulator: how they are run, and the lines that they print.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::report::{Range, Row};

/// A program takes seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the program prints; an error is a line of it.
pub fn emulate(emulator: &[&str], board: &str, program: &Path) -> String {
    let (qemu, args) = emulator.split_first().unwrap_or((&"", &[]));
    let output = tempfile::tempfile().and_then(|file| {
        let mut child = Command::new(qemu)
            .args(args)
            .args(["-machine", board, "-nographic", "-monitor", "none"])
            .args(["-semihosting-config", "enable=on,target=native"])
            // A clock that is the count of instructions.
            .args(["-icount", "shift=10", "-kernel"])
            .arg(program)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            // Where the programs in C say what they have to.
            .stderr(file.try_clone()?)
            .spawn()?;
        let begun = Instant::now();
        while child.try_wait()?.is_none() {
            if begun.elapsed() > PATIENCE {
                child.kill()?;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut text = String::new();
        let mut file = file;
        std::io::Seek::rewind(&mut file)?;
        std::io::Read::read_to_string(&mut file, &mut text)?;
        Ok(text)
    });
    output.unwrap_or_else(|error| format!("FAILED {qemu}: {error}"))
}

/// Reads the lines that a program has printed. The last one has to say that all is well.
pub fn take_over(program: &str, board: &str, text: &str, row: &mut Row) {
    for line in text.lines() {
        if line.starts_with("ok ") {
            row.passed += 1;
        } else if let Some(failed) = line.strip_prefix("FAILED ") {
            row.failed.push(format!("{board}: {failed}"));
        } else if let Some(why) = line.strip_prefix("not run ") {
            row.not_possible.push(format!("{board}: {why}"));
        } else if let Some(counts) = line.strip_prefix("instructions ") {
            let range = range(counts);
            match counts.split(' ').next() {
                Some("allocate") => row.allocate = range,
                Some("allocate-dry") => row.allocate_dry = range,
                _ => row.free = range,
            }
        } else if let Some(figures) = line.strip_prefix("embedded ") {
            let figures: Vec<u64> = figures.split(' ').filter_map(|word| word.parse().ok()).collect();
            if let [all, _pools, blocks] = figures[..] {
                row.metadata_bytes = all.checked_sub(blocks);
            }
        }
    }
    if text.lines().last() != Some("all well") {
        row.failed.push(format!("{board}: {program} did not come to a good end"));
    }
}

/// The least and the most, behind a word.
pub fn range(counts: &str) -> Option<Range> {
    let mut numbers = counts.split(' ').skip(1).map(str::parse);
    let (least, most) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    (most > 0).then_some(Range { least, most })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_prints_is_counted() {
        let mut row = Row::default();
        let text = "board b\nok check a\nnot run vector c: small\ninstructions allocate 3 4\ninstructions allocate-dry 5 6\n\
                    instructions free 7 7\nembedded 300 pools 5 blocks-bytes 200\nall well\n";
        take_over("p", "b", text, &mut row);
        let range = |least, most| Some(Range { least, most });
        assert_eq!((row.passed, row.failed.len(), row.not_possible.len()), (1, 0, 1));
        assert_eq!((row.allocate, row.allocate_dry, row.free), (range(3, 4), range(5, 6), range(7, 7)));
        assert_eq!(row.metadata_bytes, Some(100));
    }

    #[test]
    fn a_program_that_does_not_come_to_its_end_has_failed() {
        for text in ["", "ok check a\n", "FAILED check a\nall well\n"] {
            let mut row = Row::default();
            take_over("p", "b", text, &mut row);
            assert_eq!(row.failed.len(), 1, "{text}");
        }
    }
}
