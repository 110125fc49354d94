//! The memory of a recorder: bounded, and always a whole trace.

use super::*;

#[test]
fn that_does_not_hold_the_head_is_refused() {
    for given in 0..HEADER_BYTES {
        let refused = Recorder::new(&mut vec![0; given]).map(|_| ()).unwrap_err();
        assert_eq!(refused, RecorderTooSmall { needed: HEADER_BYTES, given });
    }
    assert_eq!(records(Recorder::new(&mut [0xAA; HEADER_BYTES]).unwrap().trace()), []);
}

#[test]
fn that_is_full_ends_the_trace_at_a_whole_record_and_counts_what_is_lost() {
    let whole = records(&recorded(100));
    for bytes in HEADER_BYTES..400 {
        let (mut region, mut memory) = (region(), vec![0xAA; bytes]);
        let heap = Heap::new(&mut region, &CONFIG).unwrap();
        let mut heap = Observed::new(heap, Recorder::new(&mut memory).unwrap());
        work(&mut heap, 0, 100);
        let kept = records(heap.observer().trace());
        assert_eq!(kept, whole[..kept.len()], "{bytes} bytes");
        let lost = usize::try_from(heap.observer().lost()).unwrap();
        assert_eq!(kept.len() + lost, whole.len(), "{bytes} bytes");
        assert_eq!(Trace::parse(heap.observer().trace()).unwrap().lost(), heap.observer().lost());
        assert!(lost == 0 || heap.observer().trace().len() + MAX_RECORD_BYTES > bytes);
    }
}

#[test]
fn is_a_whole_trace_after_every_operation() {
    let mut memory = [0xAA; 1000];
    for events in 0..10 {
        let mut recorder = Recorder::new(&mut memory).unwrap();
        (0..events).for_each(|number| recorder.mark(number));
        // As after a crash: nobody has told the recorder that it ends.
        assert_eq!(records(&memory).len() as u64, events);
    }
}
