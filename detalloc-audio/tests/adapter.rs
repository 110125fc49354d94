//! The promises of `guarded`, arranged by promise, with a stream's library played by the test. `AllocDisabler` is the
//! global allocator, so that any use of the system heap inside the callback aborts these tests.

use detalloc_audio::{
    AllocDisabler, AudioBudget, Refusal, RtHeap,
    adapter::{Samples, guarded},
};
use std::{cell::RefCell, num::NonZero, rc::Rc};

#[cfg(debug_assertions)]
#[global_allocator]
static GLOBAL: AllocDisabler = AllocDisabler;

fn heap() -> RtHeap {
    let mut heap = RtHeap::new();
    heap.reconfigure(&AudioBudget::new(48_000.0, 64).objects::<u64>(2)).unwrap();
    heap
}

/// What a closure saw, in the order in which it saw it.
type Seen<T> = Rc<RefCell<Vec<T>>>;

fn seen<T>() -> (Seen<T>, Seen<T>) {
    let seen = Seen::<T>::default();
    seen.borrow_mut().reserve(64);
    (Rc::clone(&seen), seen)
}

/// Panics without the message's use of the system heap, which is forbidden here in debug builds.
fn panic_quietly() {
    assert_no_alloc::permit_alloc(|| std::panic::resume_unwind(Box::new("on purpose")));
}

mod an_output {
    use super::*;

    #[test]
    fn is_inside_the_heap() {
        let mut callback = guarded(heap()).output(|rt, buffer: &mut [f32], gain: &f32| {
            let _kept = rt.boxed(1_u64).unwrap();
            buffer.fill(*gain);
        });
        let mut buffer = [0.0; 8];
        callback(&mut buffer, &0.5);
        assert_eq!(buffer, [0.5; 8]);
    }

    #[test]
    fn stays_whole_unless_chunks_are_asked_for() {
        for asked in [None, Some((0, 64)), Some((2, 0)), Some((usize::MAX, usize::MAX))] {
            let (lengths, theirs) = seen();
            let stream = guarded(heap());
            let stream = match asked {
                Some((channels, max_frames)) => stream.in_chunks(channels, max_frames),
                None => stream,
            };
            let mut callback =
                stream.output(move |_, buffer: &mut [f32], (): &()| theirs.borrow_mut().push(buffer.len()));
            callback(&mut [0.0; 100_000], &());
            assert_eq!(*lengths.borrow(), [100_000], "{asked:?}");
        }
    }

    #[test]
    fn comes_in_chunks_of_what_was_announced_each_with_the_same_info() {
        let (chunks, theirs) = seen();
        let mut next = 0_i16;
        let mut callback =
            guarded(heap()).in_chunks(2, 64).output(move |_, buffer: &mut [i16], info: &u32| {
                theirs.borrow_mut().push((buffer.len(), *info));
                for sample in buffer {
                    *sample = next;
                    next += 1;
                }
            });
        let mut buffer = [-1; 2 * 150 + 1];
        callback(&mut buffer, &7);
        assert_eq!(*chunks.borrow(), [(128, 7), (128, 7), (45, 7)]);
        assert!(buffer.iter().copied().eq(0..301));
    }

    #[test]
    fn has_a_callback_of_the_heap_for_every_chunk() {
        // What the first chunk lets go of serves the second one, also if it came from the first's pool.
        let mut kept = Vec::with_capacity(2);
        let mut callback = guarded(heap()).in_chunks(1, 1).output(move |rt, _: &mut [f32], (): &()| {
            kept.clear();
            kept.push(rt.boxed(1_u64).unwrap());
            kept.push(rt.boxed(2_u64).unwrap());
            assert!(matches!(rt.boxed(3_u64).unwrap_err().refusal, Refusal::Pools(_)));
        });
        callback(&mut [0.0; 10], &());
    }

    #[test]
    fn that_is_empty_is_counted_and_not_given() {
        let stream = guarded(heap());
        let watch = stream.watch();
        let mut callback = stream.output(|_, _: &mut [f32], (): &()| panic_quietly());
        callback(&mut [], &());
        assert_eq!((watch.callbacks(), watch.chunks(), watch.panicked()), (1, 0, false));
    }

    #[test]
    fn moves_to_the_streams_thread_and_is_seen_from_here() {
        let stream = guarded(heap()).in_chunks(1, 2);
        let watch = stream.watch();
        let mut callback = stream.output(|_, buffer: &mut [f64], _: &str| buffer.fill(1.0));
        std::thread::spawn(move || callback(&mut [0.0; 6], "info")).join().unwrap();
        assert_eq!((watch.callbacks(), watch.chunks()), (1, 3));
    }
}

mod a_panic {
    use super::*;

    #[test]
    fn silences_the_output_from_then_on_and_is_seen() {
        let (calls, theirs) = seen();
        let stream = guarded(heap()).in_chunks(1, 2);
        let watch = stream.watch();
        let mut callback = stream.output(move |rt, buffer: &mut [u16], (): &()| {
            let _dropped = rt.boxed(1_u64);
            theirs.borrow_mut().push(buffer.len());
            buffer.fill(1);
            if theirs.borrow().len() == 3 {
                panic_quietly();
            }
        });
        let mut buffer = [0; 4];
        callback(&mut buffer, &());
        assert_eq!((buffer, watch.panicked()), ([1; 4], false));
        for _ in 0..3 {
            buffer.fill(9);
            callback(&mut buffer, &());
            assert_eq!((buffer, watch.panicked()), ([32_768; 4], true));
        }
        assert_eq!((calls.borrow().len(), watch.callbacks(), watch.chunks()), (3, 4, 3));
    }

    #[test]
    fn ends_an_input_without_reaching_the_streams_library() {
        let stream = guarded(heap());
        let watch = stream.watch();
        let mut callback = stream.input(|_, _: &[f32], (): &()| panic_quietly());
        callback(&[1.0], &());
        callback(&[1.0], &());
        assert_eq!((watch.callbacks(), watch.chunks(), watch.panicked()), (2, 1, true));
    }

    #[test]
    fn with_a_payload_that_panics_is_caught_too() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                std::process::abort();
            }
        }
        let stream = guarded(heap());
        let watch = stream.watch();
        let mut callback = stream.output(|_, _: &mut [f32], (): &()| {
            assert_no_alloc::permit_alloc(|| std::panic::resume_unwind(Box::new(Bomb)));
        });
        callback(&mut [1.0], &());
        assert!(watch.panicked());
    }
}

mod an_input {
    use super::*;

    #[test]
    fn comes_in_chunks_too_inside_the_heap() {
        let (chunks, theirs) = seen();
        let mut callback = guarded(heap()).in_chunks(2, 2).input(move |rt, buffer: &[u8], (): &()| {
            let sum = rt.boxed(buffer.iter().map(|&sample| u64::from(sample)).sum::<u64>()).unwrap();
            theirs.borrow_mut().push(*sum);
        });
        callback(&[1, 1, 1, 1, 2, 2, 2, 2, 3, 3], &());
        assert_eq!(*chunks.borrow(), [4, 8, 6]);
    }
}

mod silence {
    use super::*;

    fn silenced<S: Copy>(loud: S) -> S
    where
        [S]: Samples,
    {
        let mut buffer = [loud];
        buffer.silence();
        buffer[0]
    }

    #[test]
    fn is_the_middle_of_every_sample_type() {
        assert_eq!((silenced(1_i8), silenced(1_i16), silenced(1_i32), silenced(1_i64)), (0, 0, 0, 0));
        assert_eq!((silenced(1.0_f32), silenced(1.0_f64)), (0.0, 0.0));
        assert_eq!((silenced(1_u8), silenced(1_u16)), (i8::MIN.unsigned_abs(), i16::MIN.unsigned_abs()));
        assert_eq!((silenced(1_u32), silenced(1_u64)), (i32::MIN.unsigned_abs(), i64::MIN.unsigned_abs()));
    }

    #[test]
    fn chunks_of_an_empty_buffer_are_none() {
        <[f32] as Samples>::chunks(&[], NonZero::<usize>::MIN, |_| unreachable!());
    }
}
