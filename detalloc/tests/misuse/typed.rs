//! Handles of typed pools borrow their pool, on its thread, and nobody else has their value.

use core::{cell::Cell, ptr::NonNull};
use detalloc::{Pool, PoolBox};
use std::rc::Rc;

fn a_pool_that_moves_under_its_handles() {
    let pool = Pool::<u8, 4>::new();
    let handle = pool.insert(1).unwrap();
    let moved = pool;
    drop((handle, moved));
}

// Allowed.
fn a_pool_that_moves_between_handles() {
    let pool = Pool::<u8, 4>::new();
    drop(pool.insert(1));
    let moved = pool;
    drop(moved.insert(1));
}

fn a_handle_that_outlives_its_pool() -> PoolBox<'static, u8, 4> {
    let pool = Pool::new();
    pool.insert(1).unwrap()
}

fn a_value_that_outlives_its_handle(pool: &Pool<u8, 4>) -> &u8 {
    &pool.insert(1).unwrap()
}

fn two_handles_of_one_value(handle: PoolBox<'_, u8, 4>) {
    let other: PoolBox<'_, u8, 4> = handle.clone();
    drop((handle, other));
}

fn two_ways_to_one_value(mut handle: PoolBox<'_, u8, 4>) {
    let (one, other) = (&mut *handle, &mut *handle);
    core::mem::swap(one, other);
}

fn use_after_the_value_was_taken(handle: PoolBox<'_, u8, 4>) {
    drop(handle.into_value());
    drop(*handle);
}

fn a_handle_of_another_pool(pool: &Pool<u8, 4>) -> PoolBox<'_, u8, 5> {
    pool.insert(1).unwrap()
}

fn freeing_without_a_promise(pool: &Pool<u8, 4>, slot: NonNull<u8>) {
    pool.free(slot);
}

fn a_shorter_life_for_what_is_in_it<'a, 'p>(handle: PoolBox<'p, &'static str, 4>) -> PoolBox<'p, &'a str, 4> {
    handle
}

// Allowed.
fn a_shorter_life_for_the_handle<'a, 'p: 'a>(
    handle: PoolBox<'p, &'static str, 4>,
) -> PoolBox<'a, &'static str, 4> {
    handle
}

fn a_handle_on_another_thread(handle: PoolBox<'_, u8, 4>) {
    std::thread::scope(|scope| _ = scope.spawn(move || drop(handle)));
}

fn a_pool_on_two_threads(pool: &Pool<u8, 4>) {
    std::thread::scope(|scope| _ = scope.spawn(|| pool.used()));
}

// Allowed.
fn a_pool_on_another_thread(pool: Pool<Cell<u8>, 4>) {
    std::thread::scope(|scope| _ = scope.spawn(move || pool.used()));
}

fn a_pool_of_what_stays_on_another_thread(pool: Pool<Rc<u8>, 4>) {
    std::thread::scope(|scope| _ = scope.spawn(move || pool.used()));
}

fn main() {}
