//! Following a trace: which record speaks of which block.

use super::reader::{BlockId, Record, Trace, TraceError};
use alloc::collections::BTreeMap;
use core::alloc::Layout;

/// What is led through a trace: it is told of every request, and keeps what it has to know of a block.
pub(super) trait Follower: Sized {
    type Block;

    /// What follows belongs to the record of this number.
    fn at(&mut self, record: usize);
    fn allocate(&mut self, layout: Layout) -> Self::Block;
    fn free(&mut self, block: Self::Block, layout: Layout);
    /// Resizes a block from `layout` to `new`; in the recording, it `moved` or stayed in place. An error is
    /// the block as it was.
    fn reallocate(
        &mut self,
        block: Self::Block,
        layout: Layout,
        new: Layout,
        moved: bool,
    ) -> Result<Self::Block, Self::Block>;

    /// Goes through a trace.
    fn follow(&mut self, trace: Trace<'_>) -> Result<Seen, TraceError> {
        let mut live = Live { follower: self, blocks: BTreeMap::new(), seen: Seen::default() };
        for (number, record) in trace.records().enumerate() {
            live.follower.at(number);
            live.take(record?);
        }
        Ok(live.seen)
    }
}

/// What a trace shows beside its requests.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) refused: usize,
    pub(super) unseen_frees: usize,
    pub(super) unknown_blocks: usize,
}

/// The blocks that live at one moment of a trace, and the layouts that they have.
struct Live<'f, F: Follower> {
    follower: &'f mut F,
    blocks: BTreeMap<BlockId, (F::Block, Layout)>,
    seen: Seen,
}

impl<F: Follower> Live<'_, F> {
    fn take(&mut self, record: Record) {
        match record {
            Record::Allocated { block, layout } => {
                self.vacate(block);
                let allocated = self.follower.allocate(layout);
                self.blocks.insert(block, (allocated, layout));
            }
            Record::Freed { block } => match self.blocks.remove(&block) {
                Some((block, layout)) => self.follower.free(block, layout),
                None => self.seen.unknown_blocks += 1,
            },
            Record::Reallocated { block, moved_to, new_bytes } => {
                if block != moved_to {
                    self.vacate(moved_to);
                }
                self.resize(block, moved_to, new_bytes);
            }
            Record::Refused { layout } => {
                self.seen.refused += 1;
                let allocated = self.follower.allocate(layout);
                self.follower.free(allocated, layout);
            }
            Record::ReallocateRefused { block, new_bytes } => {
                self.seen.refused += 1;
                self.resize(block, block, new_bytes);
            }
            Record::Mark(_) => {}
        }
    }

    /// A block is handed out at the place of this one, so if it lives, then another thread has freed it
    /// unseen.
    fn vacate(&mut self, block: BlockId) {
        if let Some((block, layout)) = self.blocks.remove(&block) {
            self.seen.unseen_frees += 1;
            self.follower.free(block, layout);
        }
    }

    fn resize(&mut self, block: BlockId, moved_to: BlockId, new_bytes: usize) {
        let Some((old, layout)) = self.blocks.remove(&block) else {
            self.seen.unknown_blocks += 1;
            return;
        };
        // A size that no layout can have is no request that any configuration could serve.
        let Ok(new) = Layout::from_size_align(new_bytes, layout.align()) else {
            self.blocks.insert(moved_to, (old, layout));
            return;
        };
        let resized = match self.follower.reallocate(old, layout, new, block != moved_to) {
            Ok(resized) => (resized, new),
            Err(old) => (old, layout),
        };
        self.blocks.insert(moved_to, resized);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// Refuses to make blocks larger than 100 bytes, and writes down the sizes that blocks are said to have.
    #[derive(Default)]
    struct Sizes(Vec<usize>);

    impl Follower for Sizes {
        type Block = ();

        fn at(&mut self, _: usize) {}

        fn allocate(&mut self, _: Layout) {}

        fn free(&mut self, (): (), layout: Layout) {
            self.0.push(layout.size());
        }

        fn reallocate(&mut self, (): (), _: Layout, new: Layout, _: bool) -> Result<(), ()> {
            if new.size() > 100 { Err(()) } else { Ok(()) }
        }
    }

    /// The sizes that blocks had when they were freed, and the frees that no record told of.
    fn freed(records: &[Record]) -> (Vec<usize>, usize) {
        let mut sizes = Sizes::default();
        let mut live = Live { follower: &mut sizes, blocks: BTreeMap::new(), seen: Seen::default() };
        records.iter().for_each(|record| live.take(*record));
        let unseen = live.seen.unseen_frees;
        (sizes.0, unseen)
    }

    fn allocated(block: u64, size: usize) -> Record {
        Record::Allocated { block: BlockId(block), layout: Layout::from_size_align(size, 16).unwrap() }
    }

    fn resized(block: u64, moved_to: u64, new_bytes: usize) -> Record {
        Record::Reallocated { block: BlockId(block), moved_to: BlockId(moved_to), new_bytes }
    }

    #[test]
    fn a_block_has_the_last_size_that_it_got() {
        let free = Record::Freed { block: BlockId(16) };
        assert_eq!(freed(&[allocated(0, 10), resized(0, 16, 50), free]), (Vec::from([50]), 0));
        assert_eq!(freed(&[allocated(0, 10), resized(0, 16, 500), free]), (Vec::from([10]), 0));
        assert_eq!(freed(&[allocated(0, 10), resized(0, 16, usize::MAX), free]), (Vec::from([10]), 0));
    }

    #[test]
    fn a_block_that_moves_to_where_another_lives_shows_that_the_other_was_freed() {
        let free = Record::Freed { block: BlockId(16) };
        let records = [allocated(0, 10), allocated(16, 20), resized(0, 16, 50), free];
        assert_eq!(freed(&records), (Vec::from([20, 50]), 1));
    }
}
