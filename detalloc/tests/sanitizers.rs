//! AddressSanitizer and Valgrind report bad accesses to guarded blocks, to the byte, and nothing else.
//!
//! ```text
//! RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address --cfg asan" \
//!     cargo test -p detalloc --test sanitizers --target x86_64-unknown-linux-gnu
//! cargo test -p detalloc --test sanitizers --features valgrind
//! ```
//! Each test runs this program again, which then does what a test below says, and reads what is reported. Valgrind
//! must be installed.
#![cfg(any(asan, feature = "valgrind"))]

use core::{alloc::Layout, hint::black_box, ptr::NonNull};
use detalloc::{Allocate, Config, FreeError, Heap, PoolConfig, guard::Guarded, memory::StaticRegion};
use std::process::{Command, Output};

const CONFIG: Config = Config::constant(&[PoolConfig::new(64, 8), PoolConfig::new(256, 8)]).with_guards();

/// Which of the misdeeds below this program is to commit.
const MISDEED: &str = "DETALLOC_TEST_MISDEED";

type Guard<'r> = Guarded<Heap<'r>>;

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 1).unwrap()
}

fn read(block: NonNull<u8>, at: usize) {
    // SAFETY: still inside of the region.
    black_box(unsafe { block.add(at).read_volatile() });
}

fn write(block: NonNull<u8>, at: usize) {
    // SAFETY: still inside of the region.
    unsafe { block.add(at).write_volatile(1) };
}

fn free(heap: &mut Guard, block: NonNull<u8>) -> Result<(), FreeError> {
    // SAFETY: what uses the block afterwards does so on purpose.
    unsafe { heap.free(block) }
}

fn reallocate(heap: &mut Guard, block: NonNull<u8>, old: usize, new: usize) -> NonNull<u8> {
    // SAFETY: the block was allocated for this size.
    unsafe { heap.reallocate(block, layout(old), new) }.unwrap()
}

fn nothing_wrong(heap: &mut Guard) {
    let mut live = Vec::new();
    for size in [0, 1, 7, 8, 9, 40, 64, 200] {
        let block = heap.allocate(layout(size)).unwrap();
        (0..size).for_each(|at| write(block, at));
        (0..size).for_each(|at| read(block, at));
        live.push((block, size));
    }
    for (block, size) in live {
        assert_eq!(heap.usable_bytes(block), Ok(size));
        let mut block = block;
        let mut old = size;
        for new in [size / 2, 0, size + 3, size + 40] {
            block = reallocate(heap, block, old, new);
            (0..old.min(new)).for_each(|at| read(block, at));
            (0..new).for_each(|at| write(block, at));
            old = new;
        }
        assert_eq!(free(heap, block), Ok(()));
    }
    let zeroed = heap.allocate_zeroed(layout(40)).unwrap();
    // SAFETY: live, and all of it was zeroed.
    assert_eq!(unsafe { zeroed.cast::<[u8; 40]>().read() }, [0; 40]);
    // SAFETY: nothing uses the block after this.
    assert_eq!(unsafe { heap.remote().free(zeroed) }, Ok(()));
    heap.adopt_remote_frees(8);
    while heap.allocate(layout(40)).is_ok() {}
    assert_eq!(heap.damages(), 0);
}

fn read_after_free(heap: &mut Guard) {
    let block = heap.allocate(layout(40)).unwrap();
    write(block, 3);
    assert_eq!(free(heap, block), Ok(()));
    read(block, 3);
}

fn write_after_free(heap: &mut Guard) {
    let block = heap.allocate(layout(40)).unwrap();
    assert_eq!(free(heap, block), Ok(()));
    write(block, 39);
}

fn read_past_the_size_asked_for(heap: &mut Guard) {
    let block = heap.allocate(layout(41)).unwrap();
    read(block, 41);
}

fn write_past_the_size_asked_for(heap: &mut Guard) {
    let block = heap.allocate(layout(41)).unwrap();
    write(block, 41);
}

fn write_past_a_size_that_shrank(heap: &mut Guard) {
    let block = heap.allocate(layout(40)).unwrap();
    let block = reallocate(heap, block, 40, 13);
    write(block, 13);
}

fn free_twice(heap: &mut Guard) {
    let block = heap.allocate(layout(40)).unwrap();
    assert_eq!(free(heap, block), Ok(()));
    assert_eq!(free(heap, block), Err(FreeError::DoubleFree));
}

type Misdeed = fn(&mut Guard);

const MISDEEDS: [(&str, Misdeed); 7] = [
    ("nothing_wrong", nothing_wrong),
    ("read_after_free", read_after_free),
    ("write_after_free", write_after_free),
    ("read_past_the_size_asked_for", read_past_the_size_asked_for),
    ("write_past_the_size_asked_for", write_past_the_size_asked_for),
    ("write_past_a_size_that_shrank", write_past_a_size_that_shrank),
    ("free_twice", free_twice),
];

/// Not a test by itself: what this program does when a test has started it again.
#[test]
fn child() {
    let Ok(wanted) = std::env::var(MISDEED) else { return };
    let (_, misdeed) = MISDEEDS.into_iter().find(|(name, _)| *name == wanted).unwrap();
    // Not from `malloc`, because Valgrind then names the outer block where it should name a free one inside.
    static REGION: StaticRegion<{ CONFIG.bytes_needed() }> = StaticRegion::new();
    let memory = REGION.take().unwrap();
    misdeed(&mut Guarded::<Heap>::new(memory, &CONFIG).unwrap());
    // Once the guard is gone, the memory may be used for anything again.
    let sum: usize = memory.iter_mut().map(|byte| usize::from(*byte.write(2))).sum();
    assert_eq!(sum, 2 * memory.len());
}

/// Runs this program again: whether it succeeded, and what was reported.
fn run(misdeed: &str, under: &[&str]) -> (bool, String) {
    let this = std::env::current_exe().unwrap();
    let mut command = match under.split_first() {
        Some((program, args)) => {
            let mut command = Command::new(program);
            command.args(args).arg(this);
            command
        }
        None => Command::new(this),
    };
    command.args(["--exact", "child", "--nocapture", "--test-threads=1"]).env(MISDEED, misdeed);
    let Output { status, stderr, .. } =
        command.output().unwrap_or_else(|error| panic!("{}: {error}", under[0]));
    (status.success(), String::from_utf8_lossy(&stderr).into_owned())
}

#[cfg(asan)]
mod address_sanitizer {
    use super::run;

    fn reports(misdeed: &str, what: &str) {
        let (succeeded, report) = run(misdeed, &[]);
        let told = report.contains("ERROR: AddressSanitizer: use-after-poison") && report.contains(what);
        assert!(!succeeded && told, "{report}");
    }

    #[test]
    fn reports_nothing_where_nothing_is_wrong() {
        let (succeeded, report) = run("nothing_wrong", &[]);
        assert!(succeeded && !report.contains("AddressSanitizer"), "{report}");
    }

    #[test]
    fn reports_a_read_after_free() {
        reports("read_after_free", "READ of size 1");
    }

    #[test]
    fn reports_a_write_after_free() {
        reports("write_after_free", "WRITE of size 1");
    }

    #[test]
    fn reports_a_read_past_the_size_asked_for() {
        reports("read_past_the_size_asked_for", "READ of size 1");
    }

    #[test]
    fn reports_a_write_past_the_size_asked_for() {
        reports("write_past_the_size_asked_for", "WRITE of size 1");
    }

    #[test]
    fn reports_a_write_past_a_size_that_shrank() {
        reports("write_past_a_size_that_shrank", "WRITE of size 1");
    }
}

#[cfg(feature = "valgrind")]
mod valgrind {
    use super::run;

    const VALGRIND: [&str; 3] = ["valgrind", "--error-exitcode=99", "--quiet"];

    fn reports(misdeed: &str, what: [&str; 2]) {
        let (succeeded, report) = run(misdeed, &VALGRIND);
        assert!(!succeeded && what.iter().all(|what| report.contains(what)), "{report}");
    }

    #[test]
    fn reports_nothing_where_nothing_is_wrong() {
        let (succeeded, report) = run("nothing_wrong", &VALGRIND);
        assert!(succeeded, "{report}");
    }

    #[test]
    fn reports_a_read_after_free() {
        reports("read_after_free", ["Invalid read of size 1", "is 3 bytes inside a block of size 40 free'd"]);
    }

    #[test]
    fn reports_a_write_after_free() {
        reports(
            "write_after_free",
            ["Invalid write of size 1", "is 39 bytes inside a block of size 40 free'd"],
        );
    }

    #[test]
    fn reports_a_read_past_the_size_asked_for() {
        let after = "is 0 bytes after a block of size 41 alloc'd";
        reports("read_past_the_size_asked_for", ["Invalid read of size 1", after]);
    }

    #[test]
    fn reports_a_write_past_the_size_asked_for() {
        let after = "is 0 bytes after a block of size 41 alloc'd";
        reports("write_past_the_size_asked_for", ["Invalid write of size 1", after]);
    }

    #[test]
    fn reports_a_write_past_a_size_that_shrank() {
        let after = "is 0 bytes after a block of size 13 alloc'd";
        reports("write_past_a_size_that_shrank", ["Invalid write of size 1", after]);
    }

    #[test]
    fn reports_a_second_free() {
        reports("free_twice", ["Invalid free()", "is 0 bytes inside a block of size 40 free'd"]);
    }
}
