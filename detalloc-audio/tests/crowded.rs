//! Several threads of one bucket of the table of threads are in callbacks: everything works as ever. And where they are more than
//! the bucket has places for, the last one works and is counted.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use detalloc_audio::{AudioBudget, ReapTask, Refusal, RtHeap};
use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc, Barrier, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread::{self, ThreadId},
};

const BUCKETS: usize = 256;

/// As many as a bucket has places.
const PLACES: usize = 7;

/// Where the table puts this thread.
fn bucket() -> u64 {
    // SAFETY: asks for this thread's identity, which is the thread register here.
    unsafe { libc::pthread_self() }.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56
}

fn heap(budget: impl FnOnce(AudioBudget) -> AudioBudget) -> RtHeap {
    let mut heap = RtHeap::reaped_by_task();
    heap.reconfigure(&budget(AudioBudget::new(48_000.0, 64))).unwrap();
    heap
}

/// Runs `body` on a thread whose bucket has so many others in callbacks. One at a time: two crowds may meet in one bucket.
fn crowded(others: usize, body: impl FnOnce() + Send) {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    // Enough that so many share a bucket, however they are spread.
    let threads = BUCKETS * others + 1;
    let (ids, barrier) = (Mutex::new(Vec::new()), Barrier::new(threads));
    let (inside, done, body) = (AtomicUsize::new(0), AtomicBool::new(false), Mutex::new(Some(body)));
    thread::scope(|scope| {
        for number in 0..threads {
            let (ids, barrier, inside, done, body) = (&ids, &barrier, &inside, &done, &body);
            let run = move || {
                ids.lock().unwrap().push((bucket(), number));
                barrier.wait();
                let mut sorted = ids.lock().unwrap().clone();
                sorted.sort_unstable();
                let mut together = sorted.windows(others + 1);
                let together =
                    together.find(|some| some[0].0 == some[others].0).expect("so many in a bucket");
                match together.iter().position(|&(_, of)| of == number) {
                    None => {}
                    Some(last) if last == others => {
                        while inside.load(SeqCst) < others {
                            thread::yield_now();
                        }
                        let body = body.lock().unwrap().take().unwrap();
                        let panicked = catch_unwind(AssertUnwindSafe(body)).err();
                        done.store(true, SeqCst);
                        if let Some(panic) = panicked {
                            resume_unwind(panic);
                        }
                    }
                    Some(_) => heap(|budget| budget.objects::<u64>(1)).enter(|_| {
                        inside.fetch_add(1, SeqCst);
                        while !done.load(SeqCst) {
                            thread::yield_now();
                        }
                    }),
                }
            };
            thread::Builder::new().stack_size(128 << 10).spawn_scoped(scope, run).unwrap();
        }
    });
}

#[test]
#[cfg_attr(miri, ignore = "its threads have no register that says where a thread belongs")]
fn a_map_is_made() {
    crowded(PLACES - 1, || {
        let mut heap = heap(|budget| budget.map::<u8, u8>(4));
        assert_eq!(heap.enter(|rt| rt.map::<u8, u8>(4).map(drop)), Ok(()));
    });
}

#[test]
#[cfg_attr(miri, ignore = "its threads have no register that says where a thread belongs")]
fn another_heap_is_refused() {
    crowded(PLACES - 1, || {
        let mut heaps = [heap(|budget| budget.objects::<u64>(1)), heap(|budget| budget.objects::<u64>(1))];
        let [first, second] = &mut heaps;
        let refusal = first.enter(|_| second.enter(|rt| rt.boxed(1_u64).map(drop).map_err(|no| no.refusal)));
        assert_eq!(refusal, Err(Refusal::Nested));
    });
}

#[test]
#[cfg_attr(miri, ignore = "its threads have no register that says where a thread belongs")]
fn destructors_wait_for_the_end_of_the_callback() {
    struct Where(Arc<Mutex<Option<ThreadId>>>);
    impl Drop for Where {
        fn drop(&mut self) {
            *self.0.lock().unwrap() = Some(thread::current().id());
        }
    }
    crowded(PLACES - 1, || {
        let at = Arc::new(Mutex::new(None));
        let mut heap = heap(|budget| budget.objects::<Where>(1));
        heap.enter(|rt| {
            drop(rt.boxed(Where(Arc::clone(&at))).ok());
            ReapTask.run();
            assert_eq!(*at.lock().unwrap(), None);
        });
        ReapTask.run();
        assert!(at.lock().unwrap().is_some());
    });
}

#[test]
#[cfg_attr(miri, ignore = "its threads have no register that says where a thread belongs")]
fn one_too_many_works_and_is_counted() {
    crowded(PLACES, || {
        let mut heap = heap(|budget| budget.objects::<u64>(1));
        assert_eq!(heap.enter(|rt| rt.boxed(7_u64).map(|boxed| *boxed).ok()), Some(7));
        assert_eq!(heap.meter().unwrap().snapshot().uncontained, 1);
    });
}

#[test]
#[cfg_attr(miri, ignore = "its threads have no register that says where a thread belongs")]
fn as_many_as_there_are_places_are_contained() {
    crowded(PLACES - 1, || {
        let mut heap = heap(|budget| budget.objects::<u64>(1));
        heap.enter(|rt| drop(rt.boxed(7_u64).ok()));
        assert_eq!(heap.meter().unwrap().snapshot().uncontained, 0);
    });
}
