//! What is no heap: a typed pool, an arena, a ring.

use super::{Driver, step};
use crate::heap::Voice;
use core::{mem::MaybeUninit, ptr};
use detalloc::{Arena, Pool, RingConsumer, RingProducer, ring};

pub fn all(driver: &mut Driver) {
    let mut pool = Pool::<Voice, 64>::new();
    let pool: *mut Pool<Voice, 64> = &raw mut pool;
    for _ in 0..3 {
        let slots: Vec<_> = (0..66)
            .map(|_| step!(driver, heap::allocate_typed, pool))
            .filter(|slot| !slot.is_null())
            .collect();
        slots.into_iter().for_each(|slot| _ = step!(driver, heap::free_typed, pool, slot, 0, 0));
    }

    let mut region = vec![MaybeUninit::uninit(); 10_000];
    let mut arena = Arena::new(&mut region);
    for _ in 0..20 {
        for _ in 0..40 {
            let (size, align) = (driver.below(700), 1 << driver.below(13));
            step!(driver, heap::allocate_arena, &raw mut arena, ptr::null_mut(), size, align);
        }
        step!(driver, heap::allocate_arena, &raw mut arena, ptr::null_mut(), usize::MAX / 4, 1);
        arena.reset();
    }

    let mut region = vec![MaybeUninit::uninit(); 3_000];
    let (mut producer, mut consumer) = ring(&mut region).expect("enough memory");
    let (send, receive): (*mut RingProducer<'_>, *mut RingConsumer<'_>) =
        (&raw mut producer, &raw mut consumer);
    for _ in 0..3_000 {
        if driver.below(2) == 0 {
            let size = if driver.below(9) == 0 { driver.below(5_000) } else { driver.below(600) };
            step!(driver, heap::send, send, ptr::null_mut(), size, 0);
        } else {
            step!(driver, heap::receive, receive);
        }
    }
}
