//! Constant time, counted: the instructions of `det_alloc` and `det_free` are the same every time, in the library as C
//! programs get it. That is the short way: no statistics, no hook, one owner, and pools that have a block ready.
#![cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]

#[path = "common/library.rs"]
mod library;

use detalloc_c::{Flag, det_config_t, det_default_config};
use libloading::{Library, Symbol};
use std::{collections::BTreeSet, ffi::c_void, ptr};
use step_count::{Operation, Returned, Stepper};

/// The instructions of `det_alloc` and of `det_free`, without their return, on a processor without bit counting and with the
/// compiler of `rust-toolchain.toml`. Another one may need a few more or less: then these change with it.
const COSTS: [u64; 2] = [73, 72];

type Size = unsafe extern "C" fn(*const det_config_t) -> usize;
type Init = unsafe extern "C" fn(*mut c_void, usize, *const det_config_t) -> *mut c_void;

/// A function of the library whose arguments are pointers or sizes, as the stepper calls it.
fn operation<R: Returned>(library: &Library, name: &str) -> Operation<R> {
    // SAFETY: it takes two registers; further ones it does not look at.
    let found: Symbol<'_, Operation<R>> = unsafe { library.get(name) }.unwrap();
    *found
}

#[test]
fn every_allocation_costs_the_same_and_every_free_does() {
    // SAFETY: loading it runs nothing.
    let library = unsafe { Library::new(library::library().join("libdetalloc_c.so")) }.unwrap();
    // SAFETY: of these types, as the header says.
    let (size, init): (Symbol<'_, Size>, Symbol<'_, Init>) =
        unsafe { (library.get("det_alloc_size").unwrap(), library.get("det_alloc_init").unwrap()) };
    let (allocate, free) =
        (operation::<*mut u8>(&library, "det_alloc"), operation::<()>(&library, "det_free"));
    let mut config: det_config_t = det_default_config();
    config.enable_stats = Flag::default();
    for pool in &mut config.pools[..config.pool_count] {
        pool.block_count = 100;
    }
    // SAFETY: a configuration.
    let mut buffer = vec![0_u8; unsafe { size(&raw const config) }];
    // SAFETY: a configuration, and a buffer of the size that it needs.
    let alloc: *mut () = unsafe { init(buffer.as_mut_ptr().cast(), buffer.len(), &raw const config) }.cast();
    assert!(!alloc.is_null());
    let mut counts = [BTreeSet::new(), BTreeSet::new()];
    let mut stepper = Stepper::new().unwrap();
    let mut live = Vec::new();
    for step in 0..2000_usize {
        if step % 3 == 2 || live.len() > 50 {
            let block = live.swap_remove(step * 7 % live.len());
            // SAFETY: a live block.
            counts[1].insert(unsafe { stepper.call(free, alloc, block, 0, 0) }.1);
        } else {
            let size = ptr::without_provenance_mut(1 + step * 13 % 512);
            // SAFETY: the allocator; the second argument is a size.
            let (block, cost) = unsafe { stepper.call(allocate, alloc, size, 0, 0) };
            assert!(!block.is_null());
            live.push(block);
            counts[0].insert(cost);
        }
    }
    println!("det_alloc: {:?}, det_free: {:?} instructions", counts[0], counts[1]);
    assert_eq!(counts, COSTS.map(|cost| BTreeSet::from([cost])));
}
