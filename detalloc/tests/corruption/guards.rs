//! Every byte of every guard: behind a live block, in a free one, in one that was never handed out, and in front of a block.
//! AddressSanitizer ends the program at the damage that these do, which is its own report.

use crate::{
    PATTERNS,
    fenced::{Fenced, SIDES, Side},
    tally::{Fate, Row, print},
};
use core::{alloc::Layout, ops::Range, ptr::NonNull};
use detalloc::{Allocate, Config, FreeError, Heap, PoolConfig, guard::Guarded};

/// A block of 96 bytes: what is asked for, 40 bytes of canaries, and a size and a seal.
const CONFIG: Config = Config::constant(&[PoolConfig::new(96, 3)]);
const BLOCK_BYTES: usize = 96;
const ASKED_BYTES: usize = 40;
const WORD: usize = size_of::<usize>();
const SEAL: Range<usize> = BLOCK_BYTES - WORD..BLOCK_BYTES;
const SIZE: Range<usize> = SEAL.start - WORD..SEAL.start;
const CANARIES: Range<usize> = ASKED_BYTES..SIZE.start;

type Guard<'r> = Guarded<Heap<'r>>;

/// What the first of three neighbouring blocks is while its bytes are overwritten.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Live,
    /// Given back by another thread, while it was overwritten already.
    FreedElsewhere,
    Freed,
}

fn layout() -> Layout {
    Layout::from_size_align(ASKED_BYTES, 8).unwrap()
}

fn free(heap: &mut Guard<'_>, block: NonNull<u8>) -> Result<(), FreeError> {
    // SAFETY: nothing uses the block after this.
    unsafe { heap.free(block) }
}

/// Overwrites one byte of a block in this state, and says whether what meets it next says so.
fn inject(side: Side, state: State, at: usize, pattern: u8) -> Fate {
    let mut memory = Fenced::new(CONFIG.bytes_needed(), side);
    let mut heap = Guard::new(memory.region(), &CONFIG).unwrap();
    // Its neighbours before it and behind it are live.
    let blocks = [(); 3].map(|()| heap.allocate(layout()).unwrap());
    let block = blocks[1];
    match state {
        State::Live | State::FreedElsewhere => {}
        State::Freed => free(&mut heap, block).unwrap(),
        State::New => {
            // The heap before it ends here.
            heap = Guard::new(memory.region(), &CONFIG).unwrap();
            assert_eq!(heap.allocate(layout()), Ok(blocks[0]));
        }
    }
    // SAFETY: within the block, which the guard initialised.
    unsafe { *block.as_ptr().add(at) ^= pattern };
    if state == State::Live {
        return if heap.check(block).is_err() && free(&mut heap, block).is_err() {
            Fate::Refused
        } else {
            Fate::Harmless
        };
    }
    if state == State::FreedElsewhere {
        // SAFETY: nothing uses the block after this.
        unsafe { heap.remote().free(block) }.unwrap();
        assert_eq!(heap.adopt_remote_frees(1), 1);
    }
    assert_eq!((heap.allocate(layout()), heap.validate()), (Ok(block), Ok(())));
    let damage = heap.damage().filter(|damage| damage.block_addr == block.as_ptr().addr());
    if damage.is_some() && heap.damages() == 1 { Fate::Reported } else { Fate::Harmless }
}

#[test]
fn every_byte_of_every_guard_is_found() {
    use State::{Freed, FreedElsewhere, Live, New};
    let kinds = [
        ("canaries behind a live block", Live, CANARIES),
        ("its size", Live, SIZE),
        ("its seal", Live, SEAL),
        ("canaries of one freed by another thread", FreedElsewhere, CANARIES),
        ("its size", FreedElsewhere, SIZE),
        ("its seal", FreedElsewhere, SEAL),
        ("contents of a freed block", Freed, 0..SIZE.start),
        ("its size", Freed, SIZE),
        ("its seal", Freed, SEAL),
        ("contents of a block never handed out", New, 0..SIZE.start),
        ("its size", New, SIZE),
        ("its seal", New, SEAL),
    ];
    let row = |(kind, state, bytes): (_, _, Range<usize>)| {
        let mut row = Row::default();
        for at in bytes {
            for (pattern, side) in PATTERNS.into_iter().zip(SIDES.into_iter().cycle()) {
                row.add(inject(side, state, at, pattern));
            }
        }
        (kind, row)
    };
    let rows = kinds.map(row);
    print("guards", rows);
    assert!(rows.iter().all(|(_, row)| row.is_complete()), "{rows:?}");
}

/// In front of a block there is nothing but the guard of the one before.
#[test]
fn a_write_in_front_of_a_block_is_found_when_the_block_before_comes_back() {
    let mut row = Row::default();
    for back in 1..=BLOCK_BYTES - ASKED_BYTES {
        for pattern in PATTERNS {
            let mut memory = Fenced::new(CONFIG.bytes_needed(), Side::High);
            let mut heap = Guard::new(memory.region(), &CONFIG).unwrap();
            let [before, block] = [(); 2].map(|()| heap.allocate(layout()).unwrap());
            assert_eq!(block.as_ptr().addr() - before.as_ptr().addr(), BLOCK_BYTES);
            // SAFETY: the end of the block before, by its own pointer.
            unsafe { *before.as_ptr().add(BLOCK_BYTES - back) ^= pattern };
            let refused = free(&mut heap, before).is_err() && free(&mut heap, block).is_ok();
            row.add(if refused { Fate::Refused } else { Fate::Harmless });
        }
    }
    print("guards", [("in front of a block", row)]);
    assert!(row.is_complete(), "{row:?}");
}
