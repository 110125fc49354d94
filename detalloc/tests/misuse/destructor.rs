//! An arena runs no destructors, so that it takes no value that has one.

fn main() {
    let mut region = [core::mem::MaybeUninit::uninit(); 64];
    let arena = detalloc::Arena::new(&mut region);
    arena.value(1_u8).ok();
    arena.value(String::new()).ok();
}
