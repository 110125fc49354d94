//! Sequences of operations on a heap of any mode, each compared with the [`Model`]: which block comes, what is refused and why,
//! that blocks keep their contents, and that wrong frees are named and change nothing.

mod block;

pub(crate) use block::Block;

use crate::{
    input::Input,
    model::{Model, Place},
};
use core::{alloc::Layout, mem::MaybeUninit, ops::Range, ptr::NonNull};
use detalloc::{AllocError, Allocate, FreeError, ResizeError, Stats};

/// A heap of any mode.
pub(crate) trait World {
    type Heap: Allocate;
    /// Wrong frees may be asked for: they are refused.
    const IS_CHECKED: bool = true;
    /// High waters are exact.
    const HAS_PEAKS: bool = true;
    /// The lowest free block of a pool is the next one.
    const IS_LOWEST_FIRST: bool = true;
    /// What every block holds beside what was asked for, in bytes; where that is something, not one byte more may be used.
    const OVERHEAD_BYTES: usize = 0;

    fn heap(&mut self) -> &mut Self::Heap;
    /// As another thread would: `None` where there is no such way.
    ///
    /// # Safety
    /// As [`Allocate::free`].
    unsafe fn free_remotely(&mut self, block: NonNull<u8>) -> Option<Result<(), FreeError>>;
    /// `None` where nothing is ever to adopt.
    fn adopt(&mut self, groups: usize) -> Option<usize>;
    /// Whether it did.
    ///
    /// # Safety
    /// No block is used afterwards.
    unsafe fn reset(&mut self) -> bool {
        false
    }
    /// Allocates the short way, if there is one and it does.
    fn allocate_ready(&mut self, _layout: Layout) -> Option<NonNull<u8>> {
        None
    }
    /// What only this mode has.
    fn own_operation(&mut self, _input: &mut Input<'_>, _block: Option<&Block>) {}
    fn stats(&self) -> Stats;
    fn check(&self, model: &Model);
}

/// A region that begins so many bytes behind an aligned address.
pub(crate) fn region(
    memory: &mut Vec<MaybeUninit<u8>>,
    bytes: usize,
    shift: usize,
) -> &mut [MaybeUninit<u8>] {
    memory.clear();
    memory.resize(bytes + shift, MaybeUninit::new(0xA5));
    &mut memory[shift..]
}

/// Runs what the input says, to its end. The world is as it was made, and lies within `region`.
pub(crate) fn drive<W: World>(
    world: &mut W,
    model: &mut Model,
    region: Range<usize>,
    input: &mut Input<'_>,
) -> u64 {
    let mut run = Run { world, model, region, live: Vec::new(), operations: 0, serial: 0 };
    while !input.is_empty() {
        run.step(input);
        if run.operations.is_multiple_of(64) {
            run.check();
        }
    }
    run.end()
}

struct Run<'w, W> {
    world: &'w mut W,
    model: &'w mut Model,
    region: Range<usize>,
    live: Vec<Block>,
    operations: u64,
    serial: u8,
}

impl<W: World> Run<'_, W> {
    fn step(&mut self, input: &mut Input<'_>) {
        self.operations += 1;
        match input.byte() % 32 {
            0..=10 => self.allocate(input, |heap, layout| heap.allocate(layout)),
            11..=18 => self.free(input),
            19..=21 => self.free_remotely(input),
            22 => self.free_by_layout(input),
            23 => self.reallocate(input),
            24 => self.allocate_zeroed(input),
            25 => self.adopt(input),
            26 => self.free_wrongly(input),
            27 => self.usable(input),
            28 => self.allocate_many(input),
            29 => self.allocate_ready(input),
            30 => {
                let block = (!self.live.is_empty()).then(|| input.below(self.live.len()));
                self.world.own_operation(input, block.map(|block| &self.live[block]));
            }
            _ => self.rare(input),
        }
    }

    fn rare(&mut self, input: &mut Input<'_>) {
        match input.byte() % 16 {
            // SAFETY: the blocks are forgotten.
            0 if unsafe { self.world.reset() } => {
                self.live.clear();
                self.model.reset();
            }
            1 => {
                let len = input.size();
                let array = self.world.heap().allocate_array::<u64>(len);
                match Layout::array::<u64>(len) {
                    Ok(layout) => {
                        assert!(array.is_err() || array.is_ok_and(|array| array.len() == len));
                        self.compare(layout, array.map(NonNull::cast));
                    }
                    Err(_) => assert!(matches!(array, Err(AllocError::Unsupported { .. }))),
                }
            }
            _ => self.check(),
        }
    }

    /// A request, most of which some pool serves.
    fn layout(&self, input: &mut Input<'_>) -> Layout {
        let kind = input.byte();
        let pool = &self.model.pools[usize::from(kind >> 4) % self.model.pools.len()];
        let size = match kind % 16 {
            0 => input.size(),
            1 => pool.block_bytes + 1,
            2 => 0,
            3..=5 => pool.block_bytes.saturating_sub(usize::from(input.byte())),
            _ => pool.block_bytes - W::OVERHEAD_BYTES.min(pool.block_bytes),
        };
        let align = match kind & 3 {
            0 => 1 << (input.byte() % 14),
            _ => 8,
        };
        Layout::from_size_align(size, align).unwrap_or(Layout::new::<u64>())
    }

    /// What the heap is asked for when this is.
    fn underneath(layout: Layout) -> Option<Layout> {
        Layout::from_size_align(layout.size().checked_add(W::OVERHEAD_BYTES)?, layout.align()).ok()
    }

    fn expected(&mut self, layout: Layout) -> Result<Place, AllocError> {
        let unsupported = AllocError::Unsupported { size_bytes: layout.size(), align_bytes: layout.align() };
        let underneath = Self::underneath(layout).ok_or(unsupported)?;
        self.model.allocate(underneath).map_err(|error| match error {
            AllocError::Unsupported { .. } => unsupported,
            other => other,
        })
    }

    fn allocate(
        &mut self,
        input: &mut Input<'_>,
        allocate: impl FnOnce(&mut W::Heap, Layout) -> Result<NonNull<u8>, AllocError>,
    ) {
        let layout = self.layout(input);
        let got = allocate(self.world.heap(), layout);
        self.compare(layout, got);
    }

    fn allocate_many(&mut self, input: &mut Input<'_>) {
        let layout = self.layout(input);
        for _ in 0..=input.byte() {
            self.operations += 1;
            let got = self.world.heap().allocate(layout);
            if self.compare(layout, got).is_none() {
                break;
            }
        }
    }

    fn allocate_zeroed(&mut self, input: &mut Input<'_>) {
        let layout = self.layout(input);
        let got = self.world.heap().allocate_zeroed(layout);
        if let Ok(block) = got {
            // SAFETY: as large, and zeroed: so it is initialised.
            let bytes = unsafe { core::slice::from_raw_parts(block.as_ptr().cast_const(), layout.size()) };
            assert!(bytes.iter().all(|&byte| byte == 0), "not zeroed");
            let place = self.expected(layout).expect("the model serves it too");
            self.hold(block, layout, place);
        } else {
            self.compare(layout, got);
        }
    }

    fn allocate_ready(&mut self, input: &mut Input<'_>) {
        let layout = self.layout(input);
        if let Some(block) = self.world.allocate_ready(layout) {
            self.compare(layout, Ok(block));
        }
    }

    /// That this is what the model gives.
    fn compare(&mut self, layout: Layout, got: Result<NonNull<u8>, AllocError>) -> Option<()> {
        let expected = self.expected(layout);
        match (got, expected) {
            (Ok(block), Ok(place)) => {
                self.hold(block, layout, place);
                Some(())
            }
            (got, expected) => {
                assert_eq!(got.err(), expected.err(), "for {layout:?}");
                None
            }
        }
    }

    fn hold(&mut self, start: NonNull<u8>, layout: Layout, expected: Place) {
        let place = self.locate(start, expected);
        assert!(start.as_ptr().addr().is_multiple_of(layout.align()), "misaligned for {layout:?}");
        self.serial = self.serial.wrapping_add(1);
        let block = Block { start, layout, place, fill: self.serial };
        block.write();
        self.live.push(block);
    }

    /// Which block this is: the expected one, or, where any will do, another one of the pool.
    fn locate(&mut self, start: NonNull<u8>, expected: Place) -> Place {
        let address = start.as_ptr().addr();
        assert!(self.region.contains(&address), "outside the region");
        if W::IS_LOWEST_FIRST || self.model.address(expected).is_none() {
            self.model.seen(expected, address);
            return expected;
        }
        let place = self.model.find(address).expect("the start of a block");
        assert_eq!(place.pool, expected.pool, "of another pool");
        self.model.took(expected, place.index);
        place
    }

    fn pick(&mut self, input: &mut Input<'_>) -> Option<Block> {
        let number = input.below(self.live.len());
        let block = (number < self.live.len()).then(|| self.live.swap_remove(number))?;
        block.check(block.layout.size());
        Some(block)
    }

    fn free(&mut self, input: &mut Input<'_>) {
        if let Some(block) = self.pick(input) {
            // SAFETY: not used afterwards.
            assert_eq!(unsafe { self.world.heap().free(block.start) }, Ok(()));
            assert_eq!(self.model.free(block.place, true), Ok(()));
        }
    }

    fn free_by_layout(&mut self, input: &mut Input<'_>) {
        if let Some(block) = self.pick(input) {
            // SAFETY: not used afterwards.
            assert_eq!(unsafe { self.world.heap().free_layout(block.start, block.layout) }, Ok(()));
            assert_eq!(self.model.free(block.place, true), Ok(()));
        }
    }

    fn free_remotely(&mut self, input: &mut Input<'_>) {
        if let Some(block) = self.pick(input) {
            // SAFETY: not used afterwards.
            match unsafe { self.world.free_remotely(block.start) } {
                Some(freed) => {
                    assert_eq!(freed, Ok(()));
                    assert_eq!(self.model.free(block.place, false), Ok(()));
                }
                None => self.live.push(block),
            }
        }
    }

    fn reallocate(&mut self, input: &mut Input<'_>) {
        let new_bytes = self.layout(input).size();
        let Some(mut block) = self.pick(input) else { return };
        // SAFETY: allocated for this layout; only the result is used afterwards.
        let resized = unsafe { self.world.heap().reallocate(block.start, block.layout, new_bytes) };
        let has_room = new_bytes
            .checked_add(W::OVERHEAD_BYTES)
            .is_some_and(|needed| needed <= self.model.pools[block.place.pool].block_bytes);
        if has_room {
            assert_eq!(resized, Ok(block.start), "there is room for {new_bytes} bytes");
        } else {
            let new = Layout::from_size_align(new_bytes, block.layout.align());
            let expected = match new {
                Ok(new) => self.expected(new),
                Err(_) => {
                    Err(AllocError::Unsupported { size_bytes: new_bytes, align_bytes: block.layout.align() })
                }
            };
            match (resized, expected) {
                (Ok(moved), Ok(expected)) => {
                    block.place = {
                        let place = self.locate(moved, expected);
                        assert_eq!(self.model.free(block.place, true), Ok(()));
                        place
                    };
                    block.start = moved;
                }
                (resized, expected) => {
                    assert_eq!(resized.err(), expected.err().map(ResizeError::Memory), "{new:?}");
                    block.check(block.layout.size());
                    self.live.push(block);
                    return;
                }
            }
        }
        block.check(new_bytes.min(block.layout.size()));
        block.layout = Layout::from_size_align(new_bytes, block.layout.align()).expect("it was served");
        block.write();
        self.live.push(block);
    }

    fn adopt(&mut self, input: &mut Input<'_>) {
        let groups = usize::from(input.byte() % 8);
        if let Some(adopted) = self.world.adopt(groups) {
            assert_eq!(adopted, self.model.adopt(groups), "adopted from {groups} groups");
        }
    }

    /// An address that is, or is not, the start of a block.
    fn address(&mut self, input: &mut Input<'_>) -> usize {
        let kind = input.byte();
        let pool = usize::from(kind >> 4) % self.model.pools.len();
        let index = input.below(1 << 13);
        let within = match kind % 4 {
            0 => 0,
            1 => 16,
            2 => usize::from(input.byte()),
            _ => return self.region.start.wrapping_sub(64).wrapping_add(input.below(1 << 16)),
        };
        let place = Place { pool, index };
        self.model.address(place).unwrap_or(self.region.start).wrapping_add(within)
    }

    fn free_wrongly(&mut self, input: &mut Input<'_>) {
        let address = self.address(input);
        let Some(block) = NonNull::new(core::ptr::without_provenance_mut(address)) else { return };
        let expected = match self.model.find(address) {
            Ok(place) if self.model.is_live(place) => return,
            Ok(_) => Some(FreeError::DoubleFree),
            Err(expected) => expected,
        };
        let heap = self.world.heap();
        let said = heap.usable_bytes(block).map(|_| ());
        assert!(said.is_err() && expected.is_none_or(|expected| said == Err(expected)), "{said:?}");
        if W::IS_CHECKED {
            let remotely = input.flag();
            // SAFETY: it is no live block, and the heap checks.
            let freed = match remotely.then(|| unsafe { self.world.free_remotely(block) }).flatten() {
                Some(freed) => freed,
                // SAFETY: as above.
                None => unsafe { self.world.heap().free(block) },
            };
            assert!(
                freed.is_err() && expected.is_none_or(|expected| freed == Err(expected)),
                "{freed:?} instead of {expected:?}"
            );
        }
    }

    fn usable(&mut self, input: &mut Input<'_>) {
        let number = input.below(self.live.len());
        let Some(block) = self.live.get(number) else { return };
        let expected = match W::OVERHEAD_BYTES {
            0 => self.model.pools[block.place.pool].block_bytes,
            _ => block.layout.size(),
        };
        assert_eq!(self.world.heap().usable_bytes(block.start), Ok(expected));
    }

    fn check(&mut self) {
        self.model.compare(&self.world.stats(), W::HAS_PEAKS);
        self.model.check_places(self.region.clone());
        self.world.check(self.model);
    }

    /// Gives everything back.
    fn end(mut self) -> u64 {
        self.check();
        for block in core::mem::take(&mut self.live) {
            self.operations += 1;
            block.check(block.layout.size());
            // SAFETY: not used afterwards.
            assert_eq!(unsafe { self.world.heap().free(block.start) }, Ok(()));
            assert_eq!(self.model.free(block.place, true), Ok(()));
        }
        self.check();
        self.operations
    }
}
