//! Heaps behind locks, in cells and beneath guards are reached as those allow.

use core::{alloc::Layout, mem::MaybeUninit};
use detalloc::{Allocate, Config, Heap, Local, SharedHeap, Spin, guard::Guarded};
use std::rc::Rc;

fn another_heap_behind_a_lock<'r>(lock: &Spin<Heap<'r>>, other: Heap<'r>) {
    lock.lock(|heap| *heap = other);
}

fn a_heap_that_leaves_its_lock<'a>(lock: &'a Spin<Heap<'a>>) -> &'a Heap<'a> {
    lock.lock(|heap| heap)
}

// Allowed.
fn a_handle_that_leaves_its_lock<'a>(lock: &'a Spin<Heap<'a>>) -> detalloc::RemoteFree<'a> {
    lock.lock(|heap| heap.remote())
}

fn allocating_where_one_may_look(lock: &Spin<Heap<'_>>) {
    lock.lock(|heap| heap.allocate(Layout::new::<u8>()).ok());
}

fn a_lock_around_what_stays_on_its_thread(lock: &Spin<Rc<u8>>) {
    std::thread::scope(|scope| _ = scope.spawn(|| lock.lock(|counted| **counted)));
}

fn a_heap_of_one_thread_on_two(heap: &Local<Heap<'_>>) {
    std::thread::scope(|scope| _ = scope.spawn(|| heap.with(Heap::live_blocks)));
}

fn a_heap_that_leaves_its_cell<'a>(local: &'a Local<Heap<'a>>) -> Option<&'a Heap<'a>> {
    local.with(|heap| heap)
}

fn allocating_behind_the_back_of_a_guard(guarded: &mut Guarded<Heap<'_>>) {
    Allocate::allocate(&mut **guarded, Layout::new::<u8>()).ok();
}

// Allowed.
fn looking_behind_the_back_of_a_guard(guarded: &Guarded<Heap<'_>>) -> usize {
    guarded.live_blocks()
}

fn a_guard_without_a_promise(heap: Heap<'_>) {
    Guarded::over(heap);
}

fn a_guard_on_two_threads(guarded: &Guarded<Heap<'_>>) {
    std::thread::scope(|scope| _ = scope.spawn(|| guarded.live_blocks()));
}

// Allowed.
fn a_shared_heap_on_two_threads(heap: &SharedHeap<'_>) {
    std::thread::scope(|scope| _ = scope.spawn(|| heap.allocate(Layout::new::<u8>()).is_ok()));
}

fn a_shared_heap_without_its_region() -> SharedHeap<'static> {
    let mut region = [MaybeUninit::uninit(); SharedHeap::bytes_needed(&Config::DEFAULT)];
    SharedHeap::new(&mut region, &Config::DEFAULT).unwrap()
}

fn freeing_without_a_promise(heap: &SharedHeap<'_>, block: core::ptr::NonNull<u8>) {
    heap.free(block).ok();
}

fn main() {}
