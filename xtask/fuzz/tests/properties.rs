//! Every target on inputs from a seed, and on those that are kept: the fuzzers' harness as property tests, on stable.
//!
//! Long runs are `cargo xtask fuzz`.

use harness::{PLANTED, RECORD, TARGETS, Target, corpus, named, random::Inputs};
use std::{
    env,
    panic::catch_unwind,
    process::Command,
    sync::{Mutex, PoisonError},
};

/// The same in every run: a failure is one for everybody.
const SEED: u64 = 20_261_123;

/// A look of the reaper is the whole process's, so those who count looks are alone.
static REAPER: Mutex<()> = Mutex::new(());

fn run(name: &str, count: u64) {
    let target = named(name).expect("a target");
    for (file, input) in corpus::kept(name).expect("it can be read") {
        println!("{name}: {file}");
        let _ = (target.run)(&input);
    }
    let mut inputs = Inputs::new(SEED, target.max_len.min(2048), Vec::new());
    let (mut input, mut operations) = (Vec::new(), 0);
    for number in 0..count {
        inputs.next_into(&mut input);
        operations += run_one(target, &input, number);
    }
    println!("{name}: {operations} operations");
    assert!(operations >= count);
}

fn run_one(target: &Target, input: &[u8], number: u64) -> u64 {
    catch_unwind(|| (target.run)(input)).unwrap_or_else(|_| {
        panic!("{}: input {number} of seed {SEED} ({} bytes): {input:02x?}", target.name, input.len())
    })
}

/// Those that do not look at what is the whole process's.
macro_rules! properties {
    ($($test:ident: $target:literal, $count:literal;)+) => {$(
        #[test]
        fn $test() {
            run($target, $count);
        }
    )+};
}

properties! {
    a_heap_does_what_a_set_of_free_blocks_would: "heap", 600;
    a_shared_heap_does_what_a_set_of_free_blocks_would: "shared", 600;
    guards_find_what_was_written_and_nothing_else: "guarded", 600;
    typed_pools_keep_values_and_drop_them_once: "typed", 2_000;
    arenas_hand_out_what_a_sum_says: "arena", 2_000;
    rings_hand_on_what_a_queue_would: "ring", 2_000;
    the_c_interface_gives_blocks_or_errors: "capi", 2_000;
    configurations_give_what_they_say: "config", 1_000;
    traces_are_read_as_they_were_written: "trace", 400;
    audio_files_are_whole_samples_or_errors: "wav", 200;
}

#[test]
fn callbacks_lose_no_block_and_no_value() {
    let _alone = REAPER.lock().unwrap_or_else(PoisonError::into_inner);
    run("audio", 600);
}

#[test]
fn a_saved_state_is_taken_or_refused() {
    let _alone = REAPER.lock().unwrap_or_else(PoisonError::into_inner);
    run("state", 24);
}

/// The variable is the process's, so the run is in a child: this program again.
#[test]
fn recordings_tell_what_happened() {
    let folder = tempfile::tempdir().expect("a folder");
    let child = Command::new(env::current_exe().expect("this program"))
        .args(["--exact", "recorded", "--ignored", "--nocapture"])
        .env(RECORD, folder.path().join("session.trace"))
        .output()
        .expect("it runs");
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
}

#[test]
#[ignore = "what the child runs"]
fn recorded() {
    if env::var_os(RECORD).is_some() {
        run("recording", 60);
    }
}

#[test]
fn a_target_that_fails_is_noticed_with_its_input() {
    let mut inputs = Inputs::new(SEED, PLANTED.max_len, Vec::new());
    let mut input = Vec::new();
    let found = (0..10_000).find(|_| {
        inputs.next_into(&mut input);
        catch_unwind(|| (PLANTED.run)(&input)).is_err()
    });
    assert!(found.is_some_and(|number| number > 0));
}

#[test]
fn targets_have_names_of_their_own() {
    for (number, target) in TARGETS.iter().enumerate() {
        assert!(TARGETS[..number].iter().all(|other| other.name != target.name), "{}", target.name);
        assert!(!target.about.is_empty() && target.max_len > 0);
    }
}

/// What a seed gives, it gives again.
#[test]
fn inputs_follow_from_their_seed() {
    let all = |seed| {
        let mut inputs = Inputs::new(seed, 512, vec![vec![1, 2, 3]]);
        let mut input = Vec::new();
        (0..200)
            .map(|_| {
                inputs.next_into(&mut input);
                input.clone()
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(all(7), all(7));
    assert_ne!(all(7), all(8));
    assert!(all(7).iter().all(|input| input.len() <= 512) && all(7).iter().any(|input| input.len() > 256));
}
