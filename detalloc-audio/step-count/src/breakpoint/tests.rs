use super::*;
use std::{
    arch::naked_asm,
    collections::{BTreeMap, BTreeSet},
    hint::black_box,
    io::Write,
    sync::atomic::AtomicBool,
    thread,
};

#[unsafe(naked)]
unsafe extern "C-unwind" fn rounds(_: *mut (), _: *mut u8, _rounds: usize, _: usize) {
    naked_asm!("2: dec rdx", "jnz 2b", "ret")
}

#[unsafe(naked)]
unsafe extern "C-unwind" fn calls(_: *mut (), _: *mut u8, _rounds: usize, _: usize) -> *mut u8 {
    // 2 + (3 + 2 rounds + 1) + 4 + 1, and the address of this function's own frame comes back.
    naked_asm!(
        "push rbx",
        "lea rbx, [rip + {rounds}]",
        "push rbx",
        "call [rsp]",
        "pop rbx",
        "mov rax, rsp",
        "jmp 2f",
        "ud2",
        "2: pop rbx",
        "ret",
        rounds = sym rounds,
    )
}

unsafe extern "C-unwind" fn echo(_: *mut (), block: *mut u8, _: usize, _: usize) -> *mut u8 {
    block
}

fn rounds_counted(rounds_wanted: usize) -> u64 {
    // SAFETY: counts a register down to zero.
    unsafe { Stepper::new().unwrap().call(rounds, ptr::null_mut(), ptr::null_mut(), rounds_wanted, 0) }.1
}

#[test]
fn a_loop_costs_what_its_rounds_cost() {
    assert_eq!([1, 2, 1000].map(rounds_counted), [2, 4, 2000]);
}

#[test]
fn calls_returns_and_jumps_are_followed_and_counted() {
    let mut stepper = Stepper::new().unwrap();
    // SAFETY: the function leaves the stack as it was.
    let (frame, count) = unsafe { stepper.call(calls, ptr::null_mut(), ptr::null_mut(), 10, 0) };
    assert!(!frame.is_null());
    assert_eq!(count, 4 + 20 + 1 + 4);
}

#[test]
fn what_the_operation_returns_comes_back() {
    let mut stepper = Stepper::new().unwrap();
    let mut byte = 0;
    // SAFETY: the block is only handed through.
    let (block, count) = unsafe { stepper.call(echo, ptr::null_mut(), &raw mut byte, 0, 0) };
    assert_eq!(block, &raw mut byte);
    assert!((1..=10).contains(&count), "{count}");
}

/// Library code of all kinds, and its result without counting.
#[test]
fn counted_code_computes_what_it_computes_otherwise() {
    let work = |seed: u64| {
        let mut words = BTreeMap::new();
        for number in 0..seed {
            *words.entry(format!("{:x}", number * 7919 % 101)).or_insert(0.5) *= 1.5;
        }
        format!("{words:?}")
    };
    let mut stepper = Stepper::new().unwrap();
    stepper.step(|| work(black_box(60)));
    let (first, count) = stepper.step(|| work(black_box(60)));
    assert_eq!(first, work(60));
    assert!(count > 10_000);
    // Ten times the work; a little more would not do, because what the system's allocator takes depends on its history.
    assert!(stepper.step(|| work(black_box(600))).1 > 2 * count);
}

#[test]
fn every_condition_is_decided_as_the_processor_decides_it() {
    /// One bit for each of the conditional jumps, after comparing size and alignment.
    #[unsafe(naked)]
    unsafe extern "C-unwind" fn conditions(_: *mut (), _: *mut u8, _: usize, _: usize) -> *mut u8 {
        macro_rules! all {
            ($($jump:literal)*) => {
                naked_asm!(
                    "xor eax, eax",
                    $("lea rax, [rax + rax]", "cmp rdx, rcx", concat!($jump, " 3f"), "inc rax", "3:",)*
                    "ret"
                )
            };
        }
        all!("jo" "jno" "jb" "jae" "je" "jne" "jbe" "ja" "js" "jns" "jp" "jnp" "jl" "jge" "jle" "jg" "jrcxz")
    }
    let mut stepper = Stepper::new().unwrap();
    let values = [0, 1, 2, 3, usize::MAX, usize::MAX - 1, 1 << 63, (1 << 63) - 1];
    for one in values {
        for other in values {
            // SAFETY: the function compares two numbers.
            let (counted, natural) = unsafe {
                let (counted, _) = stepper.call(conditions, ptr::null_mut(), ptr::null_mut(), one, other);
                (counted, conditions(ptr::null_mut(), ptr::null_mut(), one, other))
            };
            assert_eq!(counted, natural, "{one} and {other}");
        }
    }
}

#[test]
fn threads_count_one_after_the_other_while_others_run_the_same_code() {
    let running: Vec<_> = (0..2)
        .map(|_| {
            thread::spawn(|| {
                for _ in 0..20_000 {
                    // SAFETY: counts a register down to zero.
                    unsafe { rounds(ptr::null_mut(), ptr::null_mut(), black_box(100), 0) };
                }
            })
        })
        .collect();
    let counting: Vec<_> = (0..2).map(|_| thread::spawn(|| rounds_counted(100))).collect();
    for thread in counting {
        assert_eq!(thread.join().unwrap(), 200);
    }
    for thread in running {
        thread.join().unwrap();
    }
}

/// A thread may meet the last breakpoint of a stepper, and hear of it when the stepper is gone.
#[test]
fn steppers_come_and_go_while_others_run_the_same_code() {
    let going_on = AtomicBool::new(true);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while going_on.load(SeqCst) {
                    // SAFETY: counts a register down to zero.
                    unsafe { rounds(ptr::null_mut(), ptr::null_mut(), black_box(3), 0) };
                }
            });
        }
        let counted: BTreeSet<_> = (0..20_000).map(|_| rounds_counted(3)).collect();
        going_on.store(false, SeqCst);
        assert_eq!(counted, BTreeSet::from([6]));
    });
}

/// The code of the kernel's own page cannot be written: it is stepped through.
#[test]
fn the_clock_is_read_and_costs_more_than_nothing() {
    let mut stepper = Stepper::new().unwrap();
    let before = std::time::Instant::now();
    let (counted, count) = stepper.step(std::time::Instant::now);
    assert!(counted >= before && counted <= std::time::Instant::now());
    assert!(count > 20, "{count}");
}

#[test]
fn a_panic_passes_through_and_the_next_count_is_right() {
    let mut stepper = Stepper::new().unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| stepper.step(|| resume_unwind(Box::new(7)))));
    assert_eq!(panic.map(|((), _)| ()).unwrap_err().downcast_ref(), Some(&7));
    // SAFETY: counts a register down to zero.
    assert_eq!(unsafe { stepper.call(rounds, ptr::null_mut(), ptr::null_mut(), 5, 0) }.1, 10);
}

/// The processor's own single steps are another way to count. Where no breakpoint can be put, they are what counts.
#[test]
fn breakpoints_count_what_single_steps_count() {
    // Not on the system heap, which remembers what was before.
    unsafe extern "C-unwind" fn work(_: *mut (), _: *mut u8, seed: usize, _: usize) {
        let mut numbers: [usize; 64] = std::array::from_fn(|n| n * 7919 % seed);
        numbers.sort_unstable();
        let mut text = [0_u8; 2048];
        let mut left = &mut text[..];
        for number in numbers {
            _ = write!(left, "{number:x} ");
        }
        black_box(text);
    }
    let mut stepper = Stepper::new().unwrap();
    // SAFETY: the function takes any number, and nothing runs while the stretches are marked.
    unsafe {
        let mut count = || stepper.call(work, ptr::null_mut(), ptr::null_mut(), black_box(101), 0).1;
        count();
        let by_breakpoints = count();
        for block in &mut (*COUNTING.load(SeqCst)).blocks.0 {
            // The first stretch is the one that needs a breakpoint.
            block.is_writable = block.start == work as *const () as u64;
        }
        assert_eq!(count(), by_breakpoints);
        assert!(by_breakpoints > 5000, "{by_breakpoints}");
    }
}
