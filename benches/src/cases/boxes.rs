//! Blocks of 64 bytes: made and dropped by their owner, by any thread, and in scopes.

use super::{Case, Plain};
use crate::{
    allocators::{ALL, Room},
    replay::Request,
    traces::{Demand, Operation, layout},
};
use core::{alloc::Layout, hint::black_box, mem::MaybeUninit, ptr};
use detalloc::{Allocate, Arena, Config, Heap, Pool, PoolConfig, SharedHeap, Spin};
use detalloc_audio::{AudioBudget, RtHeap};
use heapless::{box_pool, pool::boxed::BoxBlock};

type Voice = [u64; 8];

const VOICE: Layout = Layout::new::<Voice>();

/// How many there is room for.
const ROOM: usize = 64;

const CONFIG: Config = Config::constant(&[PoolConfig::new(size_of::<Voice>(), ROOM)]);

const PAIR: &str = "make and drop a block";
const ANY: &str = "make and drop a block of what all threads share";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("enter and leave a callback", "detalloc-audio", |measure| {
            let mut heap = heap();
            measure(&mut Plain(|| heap.enter(|_| ())));
        }),
        Case::new(PAIR, "detalloc-audio", |measure| {
            heap().enter(|rt| {
                measure(&mut Plain(|| drop(black_box(rt.boxed(black_box([0_u64; 8]))))));
            });
        }),
        Case::new(PAIR, "detalloc-routed", |measure| {
            heap().enter(|_| measure(&mut Plain(|| drop(black_box(Box::new(black_box([0_u64; 8])))))));
        }),
    ];
    cases.extend(ALL.iter().map(|&(name, build)| {
        Case::new(PAIR, if name == "glibc" { "system" } else { name }, move |measure| {
            let layout = layout(VOICE.size());
            let room = Room::ample(&Demand::of([Operation::Allocate { slot: 0, layout }].into_iter()));
            let mut subject = build(&room);
            let request = Request { calls: subject.calls(layout), block: ptr::null_mut(), layout };
            measure(&mut Plain(|| {
                // SAFETY: the subject is there, and frees what it just allocated.
                unsafe {
                    let block = black_box(request).perform();
                    black_box(Request { block, ..request }).perform();
                }
            }));
        })
    }));
    cases.extend([
        Case::new(PAIR, "slab", |measure| {
            let mut slab = slab::Slab::<Voice>::with_capacity(ROOM);
            measure(&mut Plain(|| {
                let key = slab.insert(black_box([0; 8]));
                black_box(slab.remove(black_box(key)));
            }));
        }),
        Case::new("make and drop a value of a typed pool", "detalloc", |measure| {
            let pool = Pool::<Voice, ROOM>::new();
            measure(&mut Plain(|| drop(black_box(pool.insert(black_box([0; 8]))))));
        }),
        Case::new("allocate and free through a lock", "detalloc-spin", |measure| {
            let mut region = [MaybeUninit::uninit(); CONFIG.bytes_needed()];
            let heap = Spin::new(Heap::new(&mut region, &CONFIG).expect("as large as it says"));
            measure(&mut Plain(|| {
                let mut heap = &heap;
                if let Ok(block) = heap.allocate(black_box(VOICE)) {
                    // SAFETY: live, and not used afterwards.
                    _ = unsafe { heap.free(black_box(block)) };
                }
            }));
        }),
        Case::new(ANY, "detalloc-shared", |measure| {
            let mut region = vec![MaybeUninit::uninit(); SharedHeap::bytes_needed(&CONFIG)];
            let heap = SharedHeap::new(&mut region, &CONFIG).expect("as large as it says");
            measure(&mut Plain(|| {
                if let Ok(block) = heap.allocate(black_box(VOICE)) {
                    // SAFETY: live, and not used afterwards.
                    _ = unsafe { heap.free(black_box(block)) };
                }
            }));
        }),
        Case::new(ANY, "heapless", |measure| {
            box_pool!(Voices: Voice);
            Voices.manage(Box::leak(Box::new(BoxBlock::new())));
            measure(&mut Plain(|| drop(black_box(Voices.alloc(black_box([0; 8]))))));
        }),
        Case::new("16 floats of scratch in a scope", "detalloc-arena", |measure| {
            let mut region = [MaybeUninit::uninit(); 1024];
            let arena = Arena::new(&mut region);
            measure(&mut Plain(|| {
                arena.scope(|scope| drop(black_box(scope.slice(16, 64, black_box(0.0_f32)))));
            }));
        }),
    ]);
    cases
}

fn heap() -> RtHeap {
    let mut heap = RtHeap::reaped_by_task();
    heap.reconfigure(&AudioBudget::new(48_000.0, 64).objects::<Voice>(ROOM)).expect("a small budget");
    heap
}
