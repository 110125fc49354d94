//! The promises of a heap behind shared references.

use core::{
    alloc::Layout,
    cell::{OnceCell, RefCell},
    mem::MaybeUninit,
};
use detalloc::{
    AllocError, Allocate, Config, Event, FreeError, Heap, Hook, Local, Observed, PoolConfig, ResizeError,
};

const CONFIG: Config = Config::constant(&[PoolConfig::new(64, 4), PoolConfig::new(256, 2)]);

fn layout(bytes: usize) -> Layout {
    Layout::from_size_align(bytes, 8).unwrap()
}

#[test]
fn every_operation_reaches_the_heap() {
    let mut region = [MaybeUninit::uninit(); CONFIG.bytes_needed()];
    let heap = Local::new(Heap::new(&mut region, &CONFIG).unwrap());
    let mut handle = &heap;
    let block = handle.allocate(layout(60)).unwrap();
    let other = (&heap).allocate(layout(60)).unwrap();
    assert_ne!(block, other);
    assert_eq!(handle.usable_bytes(block), Ok(64));
    // SAFETY: the blocks are live, and each is given up once; what is refused changes nothing.
    unsafe {
        let moved = handle.reallocate(block, layout(60), 200).unwrap();
        assert_eq!(handle.usable_bytes(moved), Ok(256));
        assert_eq!(handle.free(block), Err(FreeError::DoubleFree));
        assert_eq!(handle.free(other), Ok(()));
        assert_eq!(handle.free_layout(moved, layout(200)), Ok(()));
    }
    assert_eq!(heap.into_inner().live_blocks(), 0);
}

#[test]
fn whoever_looks_at_the_heap_cannot_change_it_meanwhile() {
    let mut region = [MaybeUninit::uninit(); CONFIG.bytes_needed()];
    let heap = Local::new(Heap::new(&mut region, &CONFIG).unwrap());
    let meanwhile = heap.with(|_| (&heap).allocate(layout(60)));
    assert_eq!(meanwhile, Some(Err(AllocError::Busy)));
    assert!((&heap).allocate(layout(60)).is_ok());
}

#[test]
fn a_panic_while_somebody_looks_leaves_the_heap_usable() {
    let mut region = [MaybeUninit::uninit(); CONFIG.bytes_needed()];
    let heap = Local::new(Heap::new(&mut region, &CONFIG).unwrap());
    let look = std::panic::AssertUnwindSafe(|| heap.with(|_| panic!("on purpose")));
    assert!(std::panic::catch_unwind(look).is_err());
    assert!((&heap).allocate(layout(60)).is_ok());
}

#[test]
fn an_observer_that_asks_the_heap_it_watches_is_refused() {
    struct Asks<'a>(OnceCell<&'a dyn Fn()>);
    let mut region = [MaybeUninit::uninit(); CONFIG.bytes_needed()];
    let asks = Asks(OnceCell::new());
    let hook = |_: &Event| asks.0.get().into_iter().for_each(|ask| ask());
    let heap = Local::new(Observed::new(Heap::new(&mut region, &CONFIG).unwrap(), Hook(hook)));
    let block = (&heap).allocate(layout(60)).unwrap();
    let refusals = RefCell::new(Vec::new());
    let ask = || {
        let mut handle = &heap;
        // SAFETY: the block is live, and what is refused changes nothing.
        let answers = unsafe {
            (
                handle.allocate(layout(60)),
                handle.usable_bytes(block),
                handle.reallocate(block, layout(60), 200),
                handle.free(block),
                handle.free_layout(block, layout(60)),
                heap.with(|_| ()),
            )
        };
        refusals.borrow_mut().push(answers);
    };
    assert!(asks.0.set(&ask).is_ok());
    // SAFETY: the block stays where it is.
    unsafe { (&heap).reallocate(block, layout(60), 64) }.unwrap();
    let busy = FreeError::Busy;
    let all = (Err(AllocError::Busy), Err(busy), Err(ResizeError::Block(busy)), Err(busy), Err(busy), None);
    assert_eq!(*refusals.borrow(), [all]);
    assert_eq!(heap.with(|heap| heap.heap().live_blocks()), Some(1));
}
