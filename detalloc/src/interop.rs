//! Collections in a heap on stable Rust: the `Allocator` traits of
//! [allocator-api2](https://docs.rs/allocator-api2), which hashbrown and others use, and that of the standard library.
//!
//! | feature | trait |
//! |---|---|
//! | `allocator-api2` | that of allocator-api2 0.2: the one to take, because hashbrown takes it |
//! | `allocator-api2-03`, `allocator-api2-04` | that of 0.3 and 0.4 |
//! | `nightly` | [`core::alloc::Allocator`], with a nightly compiler |
//!
//! [`Local`](crate::Local), `SharedHeap` and `Spin` implement them, so `&Local` is what a collection is given:
//!
#![cfg_attr(feature = "allocator-api2", doc = "```")]
#![cfg_attr(not(feature = "allocator-api2"), doc = "```ignore")]
//! use allocator_api2_02::vec::Vec;
//! use detalloc::{Config, Heap, Local, PoolConfig};
//!
//! const CONFIG: Config = Config::constant(&[PoolConfig::new(64, 8), PoolConfig::new(1024, 2)]);
//! let mut region = [core::mem::MaybeUninit::uninit(); CONFIG.bytes_needed()];
//! let heap = Local::new(Heap::new(&mut region, &CONFIG)?);
//!
//! let mut notes = Vec::new_in(&heap);
//! // Room for all there will be, or an error as a value.
//! if notes.try_reserve_exact(16).is_ok() {
//!     notes.push(60_u8);
//! }
//! assert!(notes.try_reserve_exact(2000).is_err());
//! # Ok::<(), detalloc::InitError>(())
//! ```
//!
//! **The infallible methods abort.** `push` and `insert` beyond the capacity, `Box::new_in`, `clone` and `collect` have no
//! way to say that memory ran out: they call `handle_alloc_error`, and the process, which in a plugin is the host, is
//! gone. Reserve with `try_reserve`, make boxes with `try_new_in`, and check the capacity before you push.
//!
//! What has no bytes takes no block. What an observer gives back to the very heap it watches stays live, because the trait
//! has no way to refuse it.
//!
//! A collection borrows its heap, so it cannot outlive it, and in a `Local` it stays on its thread:
//!
#![cfg_attr(feature = "allocator-api2", doc = "```compile_fail,E0505")]
#![cfg_attr(not(feature = "allocator-api2"), doc = "```ignore")]
//! # let mut region = [core::mem::MaybeUninit::uninit(); detalloc::Config::DEFAULT.bytes_needed()];
//! # let heap = detalloc::Heap::new(&mut region, &detalloc::Config::DEFAULT).unwrap();
//! let heap = detalloc::Local::new(heap);
//! let notes = allocator_api2_02::vec::Vec::<u8, _>::new_in(&heap);
//! drop(heap);
//! drop(notes);
//! ```
#![cfg_attr(feature = "allocator-api2", doc = "```compile_fail,E0277")]
#![cfg_attr(not(feature = "allocator-api2"), doc = "```ignore")]
//! # let mut region = [core::mem::MaybeUninit::uninit(); detalloc::Config::DEFAULT.bytes_needed()];
//! # let heap = detalloc::Heap::new(&mut region, &detalloc::Config::DEFAULT).unwrap();
//! let heap = detalloc::Local::new(heap);
//! let notes = allocator_api2_02::vec::Vec::<u8, _>::new_in(&heap);
//! std::thread::scope(|scope| { scope.spawn(move || drop(notes)); });
//! ```

#[cfg(any(
    feature = "allocator-api2",
    feature = "allocator-api2-03",
    feature = "allocator-api2-04",
    feature = "nightly"
))]
mod implementations;
