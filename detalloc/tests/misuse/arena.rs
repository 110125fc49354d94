//! What an arena hands out borrows it, and nothing in it has a destructor.

use core::mem::MaybeUninit;
use detalloc::Arena;

type Region = [MaybeUninit<u8>];

fn taking_back_what_is_in_use(arena: &mut Arena<'_>) {
    let kept = arena.value(1_u8).unwrap();
    arena.reset();
    *kept = 2;
}

// Allowed.
fn taking_back_what_was_in_use(arena: &mut Arena<'_>) {
    *arena.value(1_u8).unwrap() = 2;
    arena.reset();
}

fn keeping_what_a_scope_handed_out(arena: &Arena<'_>) {
    let kept = arena.scope(|inner| inner.value(1_u8).unwrap());
    *kept = 2;
}

fn carrying_it_out_of_a_scope<'a>(arena: &'a Arena<'_>, kept: &mut Option<&'a mut u8>) {
    arena.scope(|inner| *kept = inner.value(1_u8).ok());
}

fn keeping_the_arena_of_a_scope(arena: &Arena<'_>) {
    let kept = arena.scope(|inner| inner);
    kept.used_bytes();
}

fn taking_back_from_within_a_scope(arena: &mut Arena<'_>) {
    arena.scope(|_| arena.reset());
}

// Allowed.
fn what_was_handed_out_before_a_scope(arena: &Arena<'_>) -> u8 {
    let sum = arena.value(1_u8).unwrap();
    arena.scope(|inner| *sum += *inner.value(1_u8).unwrap());
    *sum
}

fn an_arena_that_outlives_its_region() -> Arena<'static> {
    let mut region = [MaybeUninit::uninit(); 64];
    Arena::new(&mut region)
}

fn what_outlives_its_arena<'a>(region: &'a mut Region) -> &'a mut u8 {
    let arena = Arena::new(region);
    arena.value(1_u8).unwrap()
}

fn an_arena_on_two_threads(arena: &Arena<'_>) {
    std::thread::scope(|scope| _ = scope.spawn(|| arena.used_bytes()));
}

// Allowed.
fn an_arena_that_moves_to_another_thread(arena: Arena<'_>) {
    std::thread::scope(|scope| _ = scope.spawn(move || arena.used_bytes()));
}

fn an_arena_that_moves_while_in_use(arena: Arena<'_>) {
    let kept = arena.value(1_u8).unwrap();
    std::thread::scope(|scope| _ = scope.spawn(move || arena.used_bytes()));
    *kept = 2;
}

fn slices_of_what_is_not_copied(arena: &Arena<'_>) {
    arena.slice(2, 1, String::new()).ok();
}

fn main() {}
