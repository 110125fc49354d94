//! Beside `misuse/destructor.rs`: a value without a destructor.

fn main() {
    let mut region = [core::mem::MaybeUninit::uninit(); 64];
    let arena = detalloc::Arena::new(&mut region);
    assert!(arena.value(1_u8).is_ok());
}
