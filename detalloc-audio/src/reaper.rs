//! The reaper: the thread that runs the destructors of what callbacks have dropped, and ends regions.
//!
//! One a process, started by the first heap that gets memory and joined when the last one goes, so that no thread is
//! left in a plugin library when the host unloads it. It looks every few milliseconds instead of being woken, because
//! waking takes a system call on the audio thread.
//!
//! A heap that goes while some of its blocks are still held leaves its item here until the last one has come home. If
//! the reaper ends before that, the item waits in a list of orphans, and whoever frees the last block ends the region.

use crate::{deferred::Deferred, shared::Shared};
use core::{
    ptr::NonNull,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use ringbuf::{HeapCons, traits::Consumer};
use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

/// How long a dropped value waits at most, if the system lets the reaper run. Short beside the life of a voice, and
/// long enough that an idle reaper costs nothing to speak of (200 looks a second).
const PERIOD: Duration = Duration::from_millis(5);

/// One region, seen from the reaper.
pub(crate) struct Item {
    pub(crate) shared: Arc<Shared>,
    pub(crate) lane: HeapCons<Deferred>,
}

impl Item {
    /// Destroys what has been dropped so far.
    fn reap(&mut self) {
        let shared = NonNull::from(self.shared.as_ref());
        while let Some(value) = self.lane.try_pop() {
            // A destructor that panics has been reported by the panic hook; the others must still run.
            // SAFETY: (A3, A5) the lane hands over values that are nobody else's, each once.
            let _ = catch_unwind(AssertUnwindSafe(|| unsafe { Shared::drop_here(shared, &value) }));
        }
    }

    fn can_end(&self) -> bool {
        self.shared.can_end()
    }
}

#[derive(Default)]
struct Inbox {
    items: Mutex<Vec<Item>>,
    stop: AtomicBool,
}

struct Running {
    inbox: Arc<Inbox>,
    thread: JoinHandle<()>,
    members: usize,
}

static RUNNING: Mutex<Option<Running>> = Mutex::new(None);
static ORPHANS: Mutex<Vec<Item>> = Mutex::new(Vec::new());

/// What panics under these locks leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A heap's share in the reaper, which runs while there is one.
pub(crate) struct Membership(());

impl Membership {
    /// Hands a region to the reaper, and starts it if need be.
    pub(crate) fn new(item: Item) -> io::Result<Self> {
        let mut running = lock(&RUNNING);
        let reaper = match &mut *running {
            Some(reaper) => reaper,
            None => {
                let inbox = Arc::<Inbox>::default();
                let theirs = Arc::clone(&inbox);
                let thread =
                    thread::Builder::new().name("detalloc-reaper".into()).spawn(move || run(&theirs))?;
                running.insert(Running { inbox, thread, members: 0 })
            }
        };
        reaper.members += 1;
        lock(&reaper.inbox.items).push(item);
        Ok(Self(()))
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut running = lock(&RUNNING);
        let Some(reaper) = &mut *running else { return };
        reaper.members -= 1;
        if reaper.members > 0 {
            return;
        }
        let last = running.take();
        drop(running);
        if let Some(Running { inbox, thread, .. }) = last {
            inbox.stop.store(true, Ordering::Release);
            thread.thread().unpark();
            // A heap can be dropped by a destructor, on the reaper itself: then it ends by itself, just after.
            if thread.thread().id() != thread::current().id() {
                // It does not panic; if it did, there would be nothing to add to what the panic hook said.
                let _ = thread.join();
            }
        }
    }
}

fn run(inbox: &Inbox) {
    let mut items = core::mem::take(&mut *lock(&ORPHANS));
    items.iter().for_each(|item| item.shared.visits().adopt());
    loop {
        // Before the look, so that nothing dropped before the stop is missed.
        let stop = inbox.stop.load(Ordering::Acquire);
        items.append(&mut lock(&inbox.items));
        items.iter_mut().for_each(Item::reap);
        items.retain(|item| !item.can_end());
        if stop {
            break;
        }
        thread::park_timeout(PERIOD);
    }
    if !items.is_empty() {
        items.iter().for_each(|item| item.shared.visits().orphan());
        lock(&ORPHANS).append(&mut items);
        sweep_orphans();
    }
}

/// Ends the regions without a reaper whose blocks have all come home.
pub(crate) fn sweep_orphans() {
    // The lanes of orphans are empty, so that no destructor runs under the lock.
    lock(&ORPHANS).retain(|item| !item.can_end());
}
