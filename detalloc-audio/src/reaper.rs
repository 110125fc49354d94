//! The reaper: the side that runs the destructors of what callbacks have dropped, and ends regions.
//!
//! Its work is a list of chores; a *look* goes through all of them. A thread looks every few milliseconds while a heap
//! wants one: it is started by the first and joined when the last one goes, so that no thread is left in a plugin library
//! when the host unloads it. It looks instead of being woken, because waking takes a system call on the audio thread. A
//! heap that was made with [`RtHeap::reaped_by_task`](crate::RtHeap::reaped_by_task) starts no thread: there a
//! [`ReapTask`] looks, wherever the plugin runs it. And whoever drops or reconfigures a heap looks once.
//!
//! A region whose blocks are still held when its heap goes stays on the list until the last one has come home. While there
//! is a thread, that is its work. When there is none, whoever frees the last block ends the region, if it is in no
//! callback, and the next look does otherwise. That never runs a destructor.

mod asked;

use crate::{closed::Closed, inside, thread as identity};
use asked::Asked;
use core::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};
use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

/// How long a dropped value waits at most, if the system lets the reaper run. Short beside the life of a voice, and
/// long enough that an idle reaper costs nothing to speak of (200 looks a second).
const PERIOD: Duration = Duration::from_millis(5);

/// Something that the reaper does at every look.
pub(crate) trait Chore: Send {
    /// One look. `true`: there is nothing left to do, ever.
    fn look(&mut self) -> bool;

    /// Whether there is nothing left to do, without doing anything.
    fn is_over(&mut self) -> bool {
        false
    }

    /// Whether a thread looks regularly from now on.
    fn set_watched(&self, _watched: bool) {}
}

/// Destroys a value. A destructor that panics has been reported by the panic hook, and the others must still run. What it
/// panicked with may have a destructor that panics too, so that is left alone.
pub(crate) fn destroy(destructor: impl FnOnce()) {
    catch_unwind(AssertUnwindSafe(destructor)).unwrap_or_else(core::mem::forget);
}

type Chores = Vec<Box<dyn Chore>>;

/// Chores that no look has seen.
static ARRIVED: Mutex<Chores> = Mutex::new(Vec::new());

/// All others; locked for a whole look.
static CHORES: Mutex<Chores> = Mutex::new(Vec::new());

/// The thread that is looking, or 0.
static LOOKING: AtomicUsize = AtomicUsize::new(0);

/// A destructor that a look runs wants another look: it has let a heap go, or brought the last block of a region home.
static AGAIN: AtomicBool = AtomicBool::new(false);

/// Somebody wants to know which chores are over.
static ASKED: Asked = Asked(AtomicBool::new(false));

static RUNNING: Mutex<Running> = Mutex::new(Running { members: 0, thread: None });

struct Running {
    /// How many want a thread.
    members: usize,
    thread: Option<Thread>,
}

struct Thread {
    stop: Arc<Closed>,
    handle: JoinHandle<()>,
}

/// Threads that end, told to by a destructor: whoever was looking then waits for them afterwards.
static ENDING: Mutex<Vec<JoinHandle<()>>> = Mutex::new(Vec::new());

/// What panics under these locks leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds a chore, which the next look sees.
pub(crate) fn watch(chore: Box<dyn Chore>) {
    // Under the lock of both: a thread that stops afterwards says so to this chore as well.
    let running = lock(&RUNNING);
    chore.set_watched(running.thread.is_some());
    lock(&ARRIVED).push(chore);
}

/// Adds a chore that wants a thread as long as the result lives. One that is not done by then stays.
///
/// # Errors
/// The system's, if the thread could not be started. The chore is dropped.
pub(crate) fn add(chore: Box<dyn Chore>) -> io::Result<Membership> {
    let membership = Membership::new()?;
    watch(chore);
    Ok(membership)
}

/// One look: destroys everything that callbacks have dropped so far. Waits for another look that is under way. On the
/// thread that is looking, inside a destructor, it makes that look start over when it is through.
pub(crate) fn look() {
    if is_looking() {
        // Relaxed, as everywhere: this very thread reads it.
        AGAIN.store(true, Ordering::Relaxed);
        return;
    }
    let mut chores = lock(&CHORES);
    // Relaxed: see `is_looking`.
    LOOKING.store(identity::current(), Ordering::Relaxed);
    loop {
        // Only this thread stores it, while it looks.
        AGAIN.store(false, Ordering::Relaxed);
        chores.append(&mut lock(&ARRIVED));
        chores.retain_mut(|chore| !chore.look());
        if !AGAIN.load(Ordering::Relaxed) {
            break;
        }
    }
    // Relaxed: see `is_looking`.
    LOOKING.store(0, Ordering::Relaxed);
    drop(chores);
    end_what_is_over(false);
    let ending = core::mem::take(&mut *lock(&ENDING));
    ending.into_iter().for_each(join);
}

/// Whether this thread is looking. Relaxed: a thread reads its own identity if and only if it wrote it last.
fn is_looking() -> bool {
    LOOKING.load(Ordering::Relaxed) == identity::current()
}

/// Ends the chores that have nothing left to do, for a thread that has just brought the last block home. Runs no destructor,
/// waits for nobody: a look that is under way sees to it afterwards.
pub(crate) fn sweep() {
    if inside::is_inside() {
        return;
    }
    if is_looking() {
        // Relaxed: this very thread reads it.
        AGAIN.store(true, Ordering::Relaxed);
    } else {
        // wcet: call: not in a callback, as just asked
        end_what_is_over(true);
    }
}

/// Whoever holds the lock comes here after having let go of it.
fn end_what_is_over(ask: bool) {
    if ask {
        ASKED.ask();
    }
    ASKED.answer(&CHORES, |chores| {
        // Who holds that lock may be this very thread, adding a chore.
        if let Ok(mut arrived) = ARRIVED.try_lock() {
            chores.append(&mut arrived);
        }
        chores.retain_mut(|chore| !chore.is_over());
    });
}

/// A share in the reaper's thread, which runs while there is one.
pub(crate) struct Membership(());

impl Membership {
    /// Starts the thread if need be.
    pub(crate) fn new() -> io::Result<Self> {
        let mut running = lock(&RUNNING);
        if running.thread.is_none() {
            let stop = Arc::<Closed>::default();
            let theirs = Arc::clone(&stop);
            let handle = thread::Builder::new().name("detalloc-reaper".into()).spawn(move || run(&theirs))?;
            running.thread = Some(Thread { stop, handle });
        }
        running.members += 1;
        Ok(Self(()))
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut running = lock(&RUNNING);
        running.members -= 1;
        if running.members > 0 {
            return;
        }
        let last = running.thread.take();
        drop(running);
        if let Some(Thread { stop, handle }) = last {
            stop.close();
            handle.thread().unpark();
            if is_looking() {
                // Its last look waits for this one.
                lock(&ENDING).push(handle);
            } else {
                join(handle);
            }
        }
    }
}

/// Waits until a thread has ended, unless this is the one: then it ends by itself, just after.
fn join(handle: JoinHandle<()>) {
    if handle.thread().id() != thread::current().id() {
        // Nothing in it panics but destructors, and those are caught.
        let _ = handle.join();
    }
}

fn run(stop: &Closed) {
    set_watched(true);
    loop {
        // Before the look, so that nothing dropped before the stop is missed.
        let stop = stop.is_closed();
        look();
        if stop {
            break;
        }
        thread::park_timeout(PERIOD);
    }
    set_watched(false);
    // Blocks that came home in between were nobody's to see to.
    end_what_is_over(true);
}

/// Were a new thread to start while the old one ends, chores may be told that nobody looks; then those who bring the last
/// blocks home look too, which does no harm.
fn set_watched(watched: bool) {
    let mut chores = lock(&CHORES);
    chores.append(&mut lock(&ARRIVED));
    chores.iter().for_each(|chore| chore.set_watched(watched));
}

/// Does the reaper's work once, for a heap without the reaper's thread
/// ([`RtHeap::reaped_by_task`](crate::RtHeap::reaped_by_task)): a plugin's background task, or a timer, runs it. It is
/// `Copy` and has no size, so that it goes through any queue of tasks.
///
/// ```
/// use detalloc_audio::{AudioBudget, ReapTask, RtHeap};
///
/// let mut heap = RtHeap::reaped_by_task();
/// heap.reconfigure(&AudioBudget::new(48_000.0, 64).objects::<String>(1))?;
/// heap.enter(|rt| drop(rt.boxed(String::new())));
/// // Not in the callback.
/// ReapTask.run();
/// # Ok::<(), detalloc_audio::BudgetError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ReapTask;

impl ReapTask {
    /// Destroys what callbacks of all heaps of this process have dropped so far, and frees what they could not. Any thread
    /// may run it; in a callback it does nothing. It waits for a look that is under way on another thread: hold no lock
    /// that a destructor takes.
    ///
    /// # Time complexity
    /// Linear in what is there to destroy. Not for real-time paths.
    pub fn run(self) {
        if !inside::is_inside() {
            look();
        }
    }
}
