//! The reaper: the thread that runs the destructors of what callbacks have dropped, and ends regions.
//!
//! One a process, started by the first heap that gets memory and joined when the last one goes, so that no thread is
//! left in a plugin library when the host unloads it. It looks every few milliseconds instead of being woken, because
//! waking takes a system call on the audio thread.
//!
//! A region whose blocks are still held when its heap goes leaves its item here until the last one has come home. If the
//! reaper ends before that, the item waits in a list of orphans; the next reaper takes it, and while there is none,
//! whoever frees the last block ends the region: a lock and a system call, on a thread that is then in no callback.

use crate::{deferred::Deferred, shared::Shared};
use core::{
    mem::ManuallyDrop,
    ptr::NonNull,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};
use ringbuf::{HeapCons, traits::Consumer};
use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
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
            // SAFETY: (A3, A5) the lane hands over values that are nobody else's, each once.
            let destroyed = catch_unwind(AssertUnwindSafe(|| unsafe { Shared::drop_here(shared, &value) }));
            // A destructor that panics has been reported by the panic hook, and the others must still run. What it
            // panicked with may have a destructor that panics too, so that is left alone.
            destroyed.unwrap_or_else(core::mem::forget);
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
    /// How often the reaper has looked, and the signal that it has once more.
    looks: Mutex<u64>,
    looked: Condvar,
}

struct Running {
    inbox: Arc<Inbox>,
    thread: JoinHandle<()>,
}

static RUNNING: Mutex<Option<Running>> = Mutex::new(None);
static ORPHANS: Mutex<Vec<Item>> = Mutex::new(Vec::new());

/// How many heaps have memory; changed under the lock of `RUNNING`.
static MEMBERS: AtomicUsize = AtomicUsize::new(0);

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
                running.insert(Running { inbox, thread })
            }
        };
        MEMBERS.fetch_add(1, Ordering::AcqRel);
        lock(&reaper.inbox.items).push(item);
        Ok(Self(()))
    }

    /// Waits until everything has been destroyed that callbacks have dropped so far. On the reaper itself, does nothing.
    pub(crate) fn settle(&self) {
        let Some((inbox, reaper)) = lock(&RUNNING)
            .as_ref()
            .map(|running| (Arc::clone(&running.inbox), running.thread.thread().clone()))
        else {
            return;
        };
        if reaper.id() == thread::current().id() {
            return;
        }
        let mut looks = lock(&inbox.looks);
        // The look that is under way may have passed this region already.
        let enough = *looks + 2;
        while *looks < enough {
            reaper.unpark();
            looks = inbox.looked.wait(looks).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut running = lock(&RUNNING);
        if MEMBERS.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        let last = running.take();
        drop(running);
        if let Some(Running { inbox, thread }) = last {
            inbox.stop.store(true, Ordering::Release);
            thread.thread().unpark();
            // Only a heap that the destructor of a block without a heap drops can be the last one on the reaper itself,
            // which then ends by itself, just after.
            if thread.thread().id() != thread::current().id() {
                // Nothing in it panics but destructors, and those are caught.
                let _ = thread.join();
            }
        }
    }
}

fn run(inbox: &Inbox) {
    // Whatever happens, no region ends by unwinding: handles may still point to it.
    let mut items = ManuallyDrop::new(Vec::<Item>::new());
    loop {
        // Before the look, so that nothing dropped before the stop is missed.
        let stop = inbox.stop.load(Ordering::Acquire);
        let orphans = core::mem::take(&mut *lock(&ORPHANS));
        orphans.iter().for_each(|item| item.shared.visits().adopt());
        items.extend(orphans);
        items.append(&mut lock(&inbox.items));
        items.iter_mut().for_each(Item::reap);
        items.retain(|item| !item.can_end());
        *lock(&inbox.looks) += 1;
        inbox.looked.notify_all();
        if stop {
            break;
        }
        thread::park_timeout(PERIOD);
    }
    let mut left = ManuallyDrop::into_inner(items);
    left.iter().for_each(|item| item.shared.visits().orphan());
    lock(&ORPHANS).append(&mut left);
    sweep_orphans();
}

/// Ends the regions without a reaper whose blocks have all come home. While there is a reaper, that is its work: it
/// looks at the orphans too, the last time after the last heap has gone. Whoever finds that there are heaps (an
/// exchange) comes before the exchange by which the last one goes.
pub(crate) fn sweep_orphans() {
    if MEMBERS.fetch_add(0, Ordering::AcqRel) == 0 {
        // The lanes of orphans are empty, so that no destructor runs under the lock.
        lock(&ORPHANS).retain(|item| !item.can_end());
    }
}
