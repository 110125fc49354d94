//! A heap has one owner, in a region that is its own; others free and look.

use core::{alloc::Layout, mem::MaybeUninit, ptr::NonNull};
use detalloc::{Allocate, Config, Heap, Meter, RemoteFree};

type Region = [MaybeUninit<u8>];

// Allowed.
fn heap(region: &mut Region) -> Heap<'_> {
    Heap::new(region, &Config::DEFAULT).unwrap()
}

fn two_owners_of_a_region(region: &mut Region) {
    let one = heap(region);
    let other = heap(region);
    drop((one, other));
}

// Allowed.
fn one_owner_after_the_other(region: &mut Region) {
    drop(heap(region));
    drop(heap(region));
}

fn two_owners_of_a_heap(region: &mut Region) {
    let one = heap(region);
    let other = one.clone();
    drop((one, other));
}

fn use_after_the_end(region: &mut Region) {
    let mut heap = heap(region);
    heap.destroy().unwrap();
    heap.allocate(Layout::new::<u8>()).ok();
}

fn a_region_that_goes_first() -> Heap<'static> {
    let mut region = [MaybeUninit::uninit(); Config::DEFAULT.bytes_needed()];
    heap(&mut region)
}

fn a_handle_that_outlives_the_region() -> (RemoteFree<'static>, Meter<'static>) {
    let mut region = [MaybeUninit::uninit(); Config::DEFAULT.bytes_needed()];
    let heap = heap(&mut region);
    (heap.remote(), heap.meter())
}

// Allowed.
fn a_handle_that_outlives_the_heap(region: &mut Region) -> (RemoteFree<'_>, Meter<'_>) {
    let heap = heap(region);
    (heap.remote(), heap.meter())
}

fn a_region_that_is_used_while_a_handle_is_there(region: &mut Region) {
    let remote = heap(region).remote();
    region[0] = MaybeUninit::new(1);
    drop(remote);
}

fn allocating_by_a_shared_reference(heap: &Heap<'_>) {
    heap.allocate(Layout::new::<u8>()).ok();
}

fn allocating_by_a_handle(remote: RemoteFree<'_>) {
    remote.allocate(Layout::new::<u8>()).ok();
}

fn a_heap_on_two_threads(heap: &Heap<'_>) {
    std::thread::scope(|scope| _ = scope.spawn(|| heap.live_blocks()));
}

// Allowed.
fn its_handles_on_two_threads(heap: &Heap<'_>) {
    let (remote, meter) = (heap.remote(), heap.meter());
    std::thread::scope(|scope| _ = scope.spawn(move || (remote, meter.snapshot())));
}

fn freeing_without_a_promise(heap: &mut Heap<'_>, block: NonNull<u8>) {
    heap.free(block).ok();
    heap.remote().free(block).ok();
    heap.reset();
}

fn a_heap_that_does_not_look_without_a_promise(region: &mut Region) {
    Heap::unchecked(region, &Config::DEFAULT).ok();
}

fn main() {}
