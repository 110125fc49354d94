//! One of the six, ready to take its turn, and what helping threads do for it.

use super::{
    FRAMES,
    fixed::Fixed,
    heaps::Heaped,
    memory::Memory,
    ours::{Handles, RoutedPools},
    scenario::Task,
    score::Score,
    synth::{LOADED, Spent, Synth},
};
use crate::{
    allocators::{self, Room},
    traces::{Random, grain_bytes},
};
use core::hint::black_box;
use ringbuf::{
    HeapCons, HeapProd, HeapRb,
    traits::{Consumer, Observer, Producer, Split},
};
use serde::Serialize;
use std::rc::Rc;

/// Steps of what only computes, between two looks whether it is to stop: some microseconds.
const COMPUTED: u64 = 10_000;

/// How many values a loader makes ahead.
const AHEAD: usize = 256;

/// How many blocks a churning thread keeps.
const CHURNED: usize = 200;

/// How many blocks are churned before memory is given back.
const BETWEEN_RELEASES: usize = 100;

/// The memory that the synth is played on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// The system heap.
    System,
    /// mimalloc, called directly.
    #[cfg(feature = "c-rivals")]
    Mimalloc,
    /// jemalloc, called directly.
    #[cfg(feature = "c-rivals")]
    Jemalloc,
    /// The handles of an `RtHeap`.
    Detalloc,
    /// Ordinary vectors, which the routing global allocator takes from an `RtHeap`.
    DetallocRouted,
    /// Fixed places.
    Control,
}

impl Engine {
    /// All that were built.
    pub const ALL: &[Self] = &[
        Self::System,
        #[cfg(feature = "c-rivals")]
        Self::Mimalloc,
        #[cfg(feature = "c-rivals")]
        Self::Jemalloc,
        Self::Detalloc,
        Self::DetallocRouted,
        Self::Control,
    ];

    pub(super) fn seat(self, score: &Rc<Score>) -> Box<dyn Turn> {
        let room = Room::ample(&score.demand());
        match self {
            Self::System => Seat::boxed(Heaped::new(allocators::SYSTEM, &room, allocators::trim), score),
            #[cfg(feature = "c-rivals")]
            Self::Mimalloc => {
                let release = super::heaps::collect_mimalloc;
                Seat::boxed(Heaped::new(allocators::MIMALLOC, &room, release), score)
            }
            #[cfg(feature = "c-rivals")]
            Self::Jemalloc => {
                let release = super::heaps::purge_jemalloc;
                Seat::boxed(Heaped::new(allocators::JEMALLOC, &room, release), score)
            }
            Self::Detalloc => Seat::boxed(Handles::new(&room.config), score),
            Self::DetallocRouted => Seat::boxed(RoutedPools::new(&room.config), score),
            Self::Control => Seat::boxed(Fixed::new(score), score),
        }
    }
}

/// A step of a helping thread.
pub(super) type Step = Box<dyn FnMut() + Send>;

/// An engine in the round.
pub(super) trait Turn {
    /// Plays one callback.
    fn callback(&mut self, out: &mut [f32; FRAMES]) -> Spent;

    /// Whether a loader has made as much as a callback frees, or never will.
    fn is_supplied(&self) -> bool;

    /// What a helping thread does while it is this one's turn.
    fn step(&mut self, task: Task) -> Step;
}

struct Seat<M: Memory> {
    synth: Synth<M>,
    loaded: HeapCons<M::Loaded>,
    /// Until a loader has it.
    sending: Option<HeapProd<M::Loaded>>,
    /// Whether a loader has it.
    is_loaded: bool,
}

impl<M: Memory + 'static> Seat<M> {
    fn boxed(memory: M, score: &Rc<Score>) -> Box<dyn Turn> {
        let (sending, loaded) = HeapRb::new(AHEAD).split();
        let synth = Synth::new(memory, Rc::clone(score));
        Box::new(Self { synth, loaded, sending: Some(sending), is_loaded: false })
    }
}

impl<M: Memory> Turn for Seat<M> {
    fn callback(&mut self, out: &mut [f32; FRAMES]) -> Spent {
        self.synth.callback(&mut || self.loaded.try_pop(), out)
    }

    fn is_supplied(&self) -> bool {
        !self.is_loaded || self.loaded.occupied_len() >= LOADED
    }

    fn step(&mut self, task: Task) -> Step {
        let make = self.synth.memory().loader();
        let mut kept = Vec::with_capacity(CHURNED);
        let mut number = 0_usize;
        match task {
            Task::Load => {
                let mut sending = self.sending.take().filter(|_| M::FREES_LOADED);
                self.is_loaded = sending.is_some();
                Box::new(move || {
                    number += 1;
                    if let Some(sending) = sending.as_mut().filter(|sending| !sending.is_full()) {
                        _ = sending.try_push(make(loaded_bytes(number)));
                    }
                    keep(&mut kept, make(loaded_bytes(number * 31)), number);
                })
            }
            Task::Churn => {
                let mut random = Random::new();
                Box::new(move || {
                    number += 1;
                    keep(&mut kept, make(grain_bytes(&mut random)), number);
                })
            }
            Task::Release => {
                let release = self.synth.memory().releaser();
                Box::new(move || {
                    for _ in 0..BETWEEN_RELEASES {
                        number += 1;
                        keep(&mut kept, make(loaded_bytes(number)), number);
                    }
                    release();
                })
            }
            Task::Map => Box::new(map),
            Task::Compute => Box::new(|| {
                black_box((0..COMPUTED).fold(0_u64, |sum, number| black_box(sum.rotate_left(7) ^ number)));
            }),
        }
    }
}

/// Larger than what glibc keeps for each thread without a lock.
fn loaded_bytes(number: usize) -> usize {
    2_000 + (number * 677) % 60_000
}

/// Keeps a block, and lets another one go when there are enough.
fn keep<T>(kept: &mut Vec<T>, block: T, number: usize) {
    if kept.len() == CHURNED {
        kept.swap_remove(number % CHURNED);
    }
    kept.push(block);
}

/// Maps, touches and unmaps a mebibyte.
fn map() {
    #[cfg(target_os = "linux")]
    {
        const BYTES: usize = 1 << 20;
        const PAGE_BYTES: usize = 4096;
        // SAFETY: new memory, which is written to inside its bounds and goes before anybody else knows of it.
        unsafe {
            let (access, kind) =
                (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            let memory = libc::mmap(core::ptr::null_mut(), BYTES, access, kind, -1, 0);
            if memory != libc::MAP_FAILED {
                let memory = memory.cast::<u8>();
                (0..BYTES).step_by(PAGE_BYTES).for_each(|at| memory.add(at).write_volatile(1));
                libc::munmap(memory.cast(), BYTES);
            }
        }
    }
}
