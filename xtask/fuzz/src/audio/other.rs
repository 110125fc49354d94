//! Another thread, which does one thing at a time while this one waits: so every order of things is a choice of the input's.
//!
//! Asking allocates nothing, so that a callback may ask, too.

use super::handle::{Handle, Made};
use detalloc_audio::{ReapTask, RtHeap};
use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

enum Task {
    Drop(Handle),
    Look,
    Callback(RtHeap, u64),
    Done,
    CalledBack(RtHeap, Option<Made>),
    End,
}

#[derive(Default)]
struct Desk {
    task: Mutex<Option<Task>>,
    changed: Condvar,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Option<Task>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a task down, and waits for the answer.
    fn ask(&self, task: Task) -> Option<Task> {
        let mut place = self.lock();
        *place = Some(task);
        self.changed.notify_all();
        while !matches!(*place, Some(Task::Done | Task::CalledBack(..))) {
            place = self.changed.wait(place).unwrap_or_else(PoisonError::into_inner);
        }
        place.take()
    }

    fn work(&self) {
        let mut place = self.lock();
        loop {
            let answer = match place.take() {
                Some(Task::Drop(handle)) => {
                    core::mem::drop(handle);
                    Task::Done
                }
                Some(Task::Look) => {
                    ReapTask.run();
                    Task::Done
                }
                Some(Task::Callback(mut heap, tag)) => {
                    let made = heap.enter(|rt| rt.boxed(tag).ok().map(Made::Small));
                    Task::CalledBack(heap, made)
                }
                Some(Task::End) => return,
                waiting => {
                    *place = waiting;
                    place = self.changed.wait(place).unwrap_or_else(PoisonError::into_inner);
                    continue;
                }
            };
            *place = Some(answer);
            self.changed.notify_all();
        }
    }
}

struct Other {
    desk: Arc<Desk>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Drop for Other {
    fn drop(&mut self) {
        *self.desk.lock() = Some(Task::End);
        self.desk.changed.notify_all();
        // What panicked there has been reported.
        let _ = self.thread.take().map(thread::JoinHandle::join);
    }
}

thread_local! {
    static OTHER: Other = {
        let desk = Arc::<Desk>::default();
        let theirs = Arc::clone(&desk);
        let thread = thread::spawn(move || {
            // Who waits would wait for ever.
            let aborts = Aborts;
            theirs.work();
            core::mem::forget(aborts);
        });
        Other { desk, thread: Some(thread) }
    };
}

/// Ends the program when the other thread panics.
struct Aborts;

impl Drop for Aborts {
    fn drop(&mut self) {
        std::process::abort();
    }
}

/// Starts it, where it does not run yet.
pub(super) fn start() {
    OTHER.with(|_| ());
}

pub(super) fn drop(handle: Handle) {
    OTHER.with(|other| other.desk.ask(Task::Drop(handle)));
}

pub(super) fn look() {
    OTHER.with(|other| other.desk.ask(Task::Look));
}

/// A callback that makes a box of this number. Gives the heap back.
pub(super) fn callback(heap: RtHeap, tag: u64) -> (RtHeap, Option<Made>) {
    match OTHER.with(|other| other.desk.ask(Task::Callback(heap, tag))) {
        Some(Task::CalledBack(heap, made)) => (heap, made),
        _ => unreachable!("that is what a callback is answered with"),
    }
}
