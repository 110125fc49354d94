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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Controls, Engine};

    fn reported() -> serde_json::Value {
        // SAFETY: a null buffer is allowed.
        let needed = unsafe { graincloud_report(std::ptr::null_mut(), 0) };
        // Another test's instance may come in between.
        let mut buffer = vec![0; needed + 4096];
        // SAFETY: so many bytes can be written.
        let written = unsafe { graincloud_report(buffer.as_mut_ptr(), buffer.len()) };
        serde_json::from_slice(&buffer[..written]).unwrap()
    }

    #[test]
    fn an_instance_is_reported_as_long_as_it_lives() {
        let loader = Arc::new(Loader::new());
        let mut engine = Engine::new();
        engine.prepare(48_000.0, 64).unwrap();
        let instance = Arc::new(Instance::new(loader, engine.telemetry()));
        instance.set_meter(engine.meter());
        let count = || reported()["instances"].as_array().unwrap().len();
        let before = count();
        let registration = Registration::new(&instance);
        assert_eq!(count(), before + 1);

        let controls = Controls { density_hz: 500.0, ..Controls::DEFAULT };
        engine.process([], &controls, &mut [f32::NAN; 48_000], &mut [0.0; 48_000]);
        let report = reported();
        let report = report["instances"].as_array().unwrap().last().unwrap();
        assert_eq!(report["source"]["kind"], "input");
        assert_eq!(report["source"]["status"], "Live input");
        assert_eq!(report["denormals_or_nans_removed"], 48_000);
        assert!(report["grains_spawned"].as_u64().unwrap() > 400);
        let classes = report["classes"].as_array().unwrap();
        let used: u64 = classes.iter().map(|class| class["used"].as_u64().unwrap()).sum();
        assert_eq!(
            used,
            report["live"].as_u64().unwrap() + 1,
            "every grain is a block, and so is their list"
        );

        drop(registration);
        assert_eq!(count(), before);
    }

    #[test]
    fn nothing_is_written_where_there_is_no_room() {
        let mut buffer = [7_u8; 4];
        // SAFETY: so many bytes can be written.
        assert!(unsafe { graincloud_report(buffer.as_mut_ptr(), buffer.len()) } > buffer.len());
        assert_eq!(buffer, [7; 4]);
    }
}
