//! The same with a recording of both heaps, which has to tell what the model has counted.

use super::play;
use crate::RECORD;
use detalloc::trace::{Record, Trace, replay};
use detalloc_audio::ReapTask;
use std::{env, fs, path::PathBuf};

/// Runs one input.
///
/// # Panics
/// As [`run`](super::run); if `DETALLOC_RECORD` does not name a file that can be written, or that file does not tell what happened.
#[must_use]
pub fn run_recorded(data: &[u8]) -> u64 {
    let name = env::var_os(RECORD).expect("the name of a file in DETALLOC_RECORD");
    let mut second = name.clone();
    second.push(".2");
    let files = [PathBuf::from(name), PathBuf::from(second)];
    for file in &files {
        // Left by a run that was ended.
        let _ = fs::remove_file(file);
    }
    let mut counted = Vec::new();
    let operations = play(data, |run| {
        for (heap, model) in run.heaps.iter().zip(&run.models) {
            let config = *heap.config().expect("it has memory");
            counted.push((config, [model.allocated, model.refused_in_all, model.callbacks_in_all]));
        }
    });
    // The heaps are gone, so the files are closed.
    ReapTask.run();
    for (file, (config, [allocated, refused, callbacks])) in files.iter().zip(counted) {
        let bytes = fs::read(file).expect("a recording");
        let trace = Trace::parse(&bytes).expect("a whole trace");
        let mut told = [0; 4];
        for record in trace.records() {
            told[match record.expect("a record") {
                Record::Allocated { .. } => 0,
                Record::Refused { .. } => 1,
                Record::Mark(_) => 2,
                Record::Freed { .. } => 3,
                other => panic!("{other:?}"),
            }] += 1;
        }
        assert_eq!(trace.lost(), 0);
        assert_eq!(told, [allocated, refused, callbacks, allocated], "everything came home");
        let replayed = replay(&bytes, &config).expect("it is whole");
        assert_eq!((replayed.unseen_frees, replayed.unknown_blocks), (0, 0));
        assert_eq!(replayed.refused_when_recorded, refused);
        fs::remove_file(file).expect("it is there");
    }
    operations
}
