//! Threads that are in callbacks beside this one, and in its way in the table of threads.

use core::arch::asm;
use detalloc_audio::{AudioBudget, RtHeap};
use std::{
    sync::{Arc, Condvar, Mutex, PoisonError, mpsc},
    thread::{self, JoinHandle},
};

/// Other threads of this thread's bucket, each in a callback until this is dropped.
#[derive(Default)]
pub struct Crowd {
    /// How many may leave, and who waits for that.
    leaving: Arc<(Mutex<usize>, Condvar)>,
    threads: Vec<JoinHandle<()>>,
    /// How many have left.
    left: usize,
}

/// Where the table puts the calling thread: as the integration does, which tells nobody.
fn bucket() -> usize {
    let thread: usize;
    // SAFETY: the word is the thread block's pointer to itself.
    unsafe { asm!("mov {}, fs:[0]", out(reg) thread, options(nostack, preserves_flags, readonly)) };
    thread.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (usize::BITS - 8)
}

/// Sixteen times as many threads as there are buckets: one of them leads to any.
const MOST: usize = 4_096;

impl Crowd {
    /// Another one enters.
    pub fn grow(&mut self) {
        let own = bucket();
        // Those of other buckets stay meanwhile, so that the next one lies elsewhere.
        let mut others = Vec::new();
        while others.len() < MOST {
            let (said, told) = mpsc::channel();
            let (stay, go) = mpsc::channel::<()>();
            let (leaving, number) = (Arc::clone(&self.leaving), self.left + self.threads.len());
            let run = move || {
                if bucket() != own {
                    drop(said);
                    // Fails when it may go.
                    let _ = go.recv();
                    return;
                }
                let mut heap = RtHeap::reaped_by_task();
                heap.reconfigure(&AudioBudget::new(48_000.0, 64).objects::<u64>(1)).expect("enough memory");
                heap.enter(|_| {
                    // Whoever waits for it is there.
                    let _ = said.send(());
                    let (leaving, changed) = &*leaving;
                    let leaving = leaving.lock().unwrap_or_else(PoisonError::into_inner);
                    drop(changed.wait_while(leaving, |leaving| *leaving <= number));
                });
            };
            let thread = thread::Builder::new().stack_size(128 << 10).spawn(run).expect("a thread");
            if told.recv().is_ok() {
                self.threads.push(thread);
                others.into_iter().for_each(|(stay, thread): (mpsc::Sender<()>, JoinHandle<()>)| {
                    drop(stay);
                    thread.join().expect("it does not panic");
                });
                return;
            }
            others.push((stay, thread));
        }
        panic!("no thread of {MOST} leads to bucket {own}");
    }

    /// The first ones leave, all but the last so many.
    pub fn leave(&mut self, rest: usize) {
        let (leaving, changed) = &*self.leaving;
        let leave = self.threads.len().saturating_sub(rest);
        self.left += leave;
        *leaving.lock().unwrap_or_else(PoisonError::into_inner) = self.left;
        changed.notify_all();
        self.threads.drain(..leave).for_each(|thread| drop(thread.join()));
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.leave(0);
    }
}
