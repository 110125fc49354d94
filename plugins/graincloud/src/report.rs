//! What every live instance has done, as JSON through a C function of the library: for tests and for the demo, which
//! have no other way into a plugin that a host has loaded.
//!
//! Reading takes a lock that no audio thread ever takes, and snapshots of counters that audio threads write with plain
//! stores.

use crate::{
    engine::{Counts, Telemetry},
    loader::{Loader, SourceStatus},
};
use detalloc_audio::{Meter, PoolStats};
use serde::Serialize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

static INSTANCES: Mutex<Vec<Arc<Instance>>> = Mutex::new(Vec::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What can be seen of one plugin instance.
#[derive(Debug)]
pub(crate) struct Instance {
    loader: Arc<Loader>,
    telemetry: Arc<Telemetry>,
    meter: Mutex<Option<Meter>>,
}

impl Instance {
    pub(crate) fn new(loader: Arc<Loader>, telemetry: Arc<Telemetry>) -> Self {
        Self { loader, telemetry, meter: Mutex::new(None) }
    }

    /// The instance has these pools from now on.
    pub(crate) fn set_meter(&self, meter: Option<Meter>) {
        *lock(&self.meter) = meter;
    }

    fn report(&self) -> InstanceReport {
        let Counts { spawned, live, live_peak, stolen, refusals, voices_stolen, removed } =
            self.telemetry.snapshot();
        let stats = lock(&self.meter).as_ref().map(Meter::snapshot);
        InstanceReport {
            source: self.loader.status(),
            grains_spawned: spawned,
            live,
            live_peak,
            stolen,
            refusals,
            voices_stolen,
            denormals_or_nans_removed: removed,
            classes: stats
                .map_or_else(Vec::new, |stats| stats.pools().iter().map(ClassReport::from).collect()),
        }
    }
}

/// An instance's place in the report, until this is dropped.
#[derive(Debug)]
pub(crate) struct Registration(Arc<Instance>);

impl Registration {
    pub(crate) fn new(instance: &Arc<Instance>) -> Self {
        lock(&INSTANCES).push(Arc::clone(instance));
        Self(Arc::clone(instance))
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        lock(&INSTANCES).retain(|instance| !Arc::ptr_eq(instance, &self.0));
    }
}

#[derive(Serialize)]
struct Report {
    instances: Vec<InstanceReport>,
}

#[derive(Serialize)]
struct InstanceReport {
    source: SourceStatus,
    grains_spawned: u64,
    live: u64,
    live_peak: u64,
    stolen: u64,
    refusals: u64,
    voices_stolen: u64,
    denormals_or_nans_removed: u64,
    classes: Vec<ClassReport>,
}

#[derive(Serialize)]
struct ClassReport {
    block_bytes: usize,
    blocks: usize,
    used: usize,
    peak: usize,
    refused: usize,
    borrowed: usize,
}

impl From<&PoolStats> for ClassReport {
    fn from(pool: &PoolStats) -> Self {
        let PoolStats { block_bytes, blocks, used, peak, refused, borrowed, .. } = *pool;
        Self { block_bytes, blocks, used, peak, refused, borrowed }
    }
}

fn json() -> String {
    let instances = lock(&INSTANCES).iter().map(|instance| instance.report()).collect();
    // Only strings and numbers: there is nothing that serde_json could refuse.
    serde_json::to_string(&Report { instances }).unwrap_or_default()
}

/// Writes a report of all live instances, as UTF-8 JSON without a final zero, into `buffer` if `capacity` bytes are
/// enough, and returns how many bytes it has. Call it with a capacity of 0 first, and again if it has grown since.
///
/// Not for an audio thread: it allocates and takes a lock.
///
/// # Safety
/// `buffer` is null, or `capacity` bytes can be written there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graincloud_report(buffer: *mut u8, capacity: usize) -> usize {
    let json = json();
    if !buffer.is_null() && json.len() <= capacity {
        // SAFETY: the caller's promise, and so many bytes are wanted; what was just made overlaps with nothing.
        unsafe { buffer.copy_from_nonoverlapping(json.as_ptr(), json.len()) };
    }
    json.len()
}
