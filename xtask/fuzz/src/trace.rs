//! Traces: any bytes are records or one error at the end; what the writer wrote is what the reader reads; a replay answers
//! for every trace, and a session that was recorded replays as it was.

use crate::{
    heap,
    input::Input,
    model::Model,
    world::{World, drive, region},
};
use core::ptr::NonNull;
use detalloc::{
    Borrow, Config, FreeError, Heap, Meter, Observed, PoolConfig, Profile, Stats,
    trace::{HEADER_BYTES, Record, Recorder, Request, Trace, TraceError, head, replay, requests, suggest},
};

/// The largest heap that a trace is replayed on: one of a few bytes may ask for gigabytes.
const MOST_BYTES: usize = 1 << 20;

const CONFIG: Config = Config::constant(&[
    PoolConfig::new(16, 20),
    PoolConfig::new(64, 20),
    PoolConfig::new(256, 10),
    PoolConfig::new(4096, 2),
]);

/// Runs one input.
///
/// # Panics
/// If a trace is read, replayed or written otherwise than the documentation says.
#[must_use]
pub fn run(data: &[u8]) -> u64 {
    let mut input = Input::new(data);
    match input.byte() % 4 {
        0 => any(input.rest()),
        1 => {
            let records = input.rest();
            any(&[&head(records.len() as u64, 0)[..], records].concat())
        }
        2 => any(&records(&mut input)),
        _ => session(&mut input),
    }
}

/// Bytes of which nothing is known.
fn any(bytes: &[u8]) -> u64 {
    let trace = match Trace::parse(bytes) {
        Ok(trace) => trace,
        Err(error) => {
            assert!(!matches!(error, TraceError::Malformed { .. }));
            assert!(replay(bytes, &CONFIG).is_err() && suggest(bytes).is_err());
            return 1;
        }
    };
    let mut count = 0;
    let mut broken = None;
    for record in trace.records() {
        assert!(broken.is_none(), "nothing comes after an error");
        match record {
            Ok(_) => count += 1,
            Err(error) => broken = Some(error),
        }
    }
    if let Some(TraceError::Malformed { at }) = broken {
        assert!((HEADER_BYTES..bytes.len()).contains(&at));
    }
    let mut profile = Profile::new();
    let mut live = 0_i64;
    let followed = requests(bytes, |request| match request {
        Request::Allocated(layout) => {
            profile.allocated(layout);
            live += 1;
        }
        Request::Freed(layout) => {
            profile.freed(layout);
            live -= 1;
            assert!(live >= 0, "more frees than allocations");
        }
    });
    assert_eq!(followed.is_err(), broken.is_some());
    let replayed = replay(bytes, &CONFIG);
    assert_eq!(replayed.is_err(), broken.is_some());
    if let Ok(replayed) = replayed {
        assert!(replayed.refusals <= replayed.requests && replayed.fits() == (replayed.refusals == 0));
        assert!(replayed.headroom_percent() <= 100);
        assert_eq!(replayed.lost, trace.lost());
    }
    if profile.suggest(Borrow::Larger, 100).is_ok_and(|most| most.bytes_needed() <= MOST_BYTES) {
        match suggest(bytes) {
            Ok((config, replayed)) => assert_eq!(replay(bytes, &config), Ok(replayed)),
            Err(_) => assert!(broken.is_some()),
        }
    }
    count + 1
}

/// A trace of records that can be, in any order.
fn records(input: &mut Input<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !input.is_empty() {
        let kind = input.byte();
        let mut varint = |mut value: u64| {
            while value >= 0x80 {
                bytes.push(value.to_le_bytes()[0] | 0x80);
                value >>= 7;
            }
            bytes.push(value.to_le_bytes()[0]);
        };
        // A distance of up to 15 granules, ahead or back.
        let to = u64::from(kind & 0x7C);
        match kind % 4 {
            0 => {
                varint(to);
                varint(input.number() << 1);
            }
            1 => varint(to | 1),
            2 => {
                varint(to | 2);
                varint(u64::from(input.byte() & 0x7C));
                varint(input.number());
            }
            _ => {
                let number = u64::from(kind >> 2) % 3;
                varint(3 | number << 3);
                if number == 2 {
                    varint(u64::from(input.byte() & 0x7C));
                }
                varint(input.number() & !u64::from(number == 0));
            }
        }
    }
    let lost = u64::from(bytes.len().is_multiple_of(7));
    [&head(bytes.len() as u64, lost)[..], &bytes].concat()
}

/// A session that is recorded, and replayed on the pools that it had.
fn session(input: &mut Input<'_>) -> u64 {
    let config = heap::config(input, 0);
    let mut memory = Vec::new();
    let region = region(&mut memory, config.bytes_needed(), 0);
    let range = region.as_ptr_range();
    let range = range.start.addr()..range.end.addr();
    let mut tape = vec![0; 1 << 16];
    let len = if input.flag() { tape.len() } else { HEADER_BYTES + input.below(1 << 10) };
    let recorder = Recorder::new(&mut tape[..len]).expect("room for a head");
    let heap = Heap::new(region, &config).expect("a region of `bytes_needed`");
    let meter = heap.meter();
    let mut world = Recorded { heap: Observed::new(heap, recorder), meter };
    let mut model = Model::new(&config, false);
    let operations = drive(&mut world, &mut model, range, input);
    let recorded = world.meter.snapshot();
    let trace = world.heap.observer().trace();
    assert!(trace.len() <= len);
    let parsed = Trace::parse(trace).expect("whole after every operation");
    assert!(parsed.records().all(|record| record.is_ok()));
    let replayed = replay(trace, &config).expect("whole");
    assert_eq!((replayed.unknown_blocks, replayed.unseen_frees), (0, 0));
    // Sizes that no layout can have are refused without being asked for.
    let is_absurd = |record| match record {
        Ok(Record::ReallocateRefused { new_bytes, .. }) => new_bytes > isize::MAX as usize - (1 << 14),
        _ => false,
    };
    let absurd = parsed.records().filter(|record| is_absurd(*record)).count();
    let refusals = replayed.refusals..=replayed.refusals + absurd;
    assert!(refusals.contains(&replayed.refused_when_recorded), "the same refusals as then: {replayed:?}");
    if parsed.lost() == 0 {
        let refused = recorded.refused()..=recorded.refused() + absurd;
        assert!(refused.contains(&replayed.refused_when_recorded), "{refused:?}: {replayed:?}");
        for (now, then) in replayed.stats.pools().iter().zip(recorded.pools()) {
            assert_eq!(
                (now.used, now.peak, now.refused, now.borrowed),
                (then.used, then.peak, then.refused, then.borrowed)
            );
        }
    } else {
        assert!(parsed.records().count() < usize::try_from(operations).unwrap_or(usize::MAX) + 1);
    }
    let marks = parsed.records().filter(|record| matches!(record, Ok(Record::Mark(_)))).count();
    assert!(marks as u64 <= operations);
    operations
}

struct Recorded<'r, 'm> {
    heap: Observed<Heap<'r>, Recorder<'m>>,
    meter: Meter<'r>,
}

impl<'r, 'm> World for Recorded<'r, 'm> {
    type Heap = Observed<Heap<'r>, Recorder<'m>>;

    fn heap(&mut self) -> &mut Self::Heap {
        &mut self.heap
    }

    /// A recorder would not see it.
    unsafe fn free_remotely(&mut self, _: NonNull<u8>) -> Option<Result<(), FreeError>> {
        None
    }

    fn adopt(&mut self, groups: usize) -> Option<usize> {
        self.heap.observer_mut().mark(groups as u64);
        None
    }

    fn stats(&self) -> Stats {
        self.meter.snapshot()
    }

    fn check(&self, _: &Model) {
        assert_eq!(self.heap.heap().validate(), Ok(()));
    }
}
