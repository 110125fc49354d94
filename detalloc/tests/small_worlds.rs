//! Every sequence of operations on small heaps, to a depth of ten and more, against a model that is as plain as can be: which
//! block comes, what is refused, and what is told of frees that are none.
//!
//! A heap lies in its region and nowhere else, so a world is put back by copying the region's bytes, and every sequence is
//! gone through without running its beginning again.
#![cfg(target_has_atomic = "ptr")]

use core::{
    alloc::Layout,
    mem::MaybeUninit,
    ptr::{self, NonNull},
};
use detalloc::{
    AllocError, Allocate, Borrow, Config, FreeError, Heap, PoolConfig, RemoteFree, SharedHeap, Spin,
    Unchecked,
};

/// The most blocks of a world.
const MOST: usize = 4;

/// What can be done in a world. Blocks go by their number, the blocks of the smallest class first.
#[derive(Clone, Copy, Debug)]
enum Operation {
    Allocate {
        class: usize,
    },
    AllocateTooMuch,
    Free {
        block: usize,
    },
    FreeRemotely {
        block: usize,
    },
    Adopt,
    /// Of an address within a block.
    FreeInside {
        block: usize,
    },
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Block(usize),
    Exhausted,
    Unsupported,
    Freed,
    NoBlock(FreeError),
    Adopted(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    Live,
    /// Freed by another thread, and not adopted.
    Remote,
}

/// The model.
#[derive(Clone, Copy)]
struct Model {
    /// The class of each block.
    classes: [usize; MOST],
    states: [State; MOST],
    blocks: usize,
    borrows: bool,
    /// Frees of other threads are free at once.
    adopts_at_once: bool,
}

impl Model {
    fn new(config: &Config) -> Self {
        let mut model = Self {
            classes: [0; MOST],
            states: [State::Free; MOST],
            blocks: 0,
            borrows: config.borrow() == Borrow::Larger,
            adopts_at_once: false,
        };
        for (class, pool) in config.pools().iter().enumerate() {
            for _ in 0..pool.blocks {
                model.classes[model.blocks] = class;
                model.blocks += 1;
            }
        }
        model
    }

    fn first(&self, class: usize, state: State) -> Option<usize> {
        (0..self.blocks).find(|&block| self.classes[block] == class && self.states[block] == state)
    }

    fn adopt(&mut self, class: usize) -> usize {
        let mut adopted = 0;
        for block in 0..self.blocks {
            if self.classes[block] == class && self.states[block] == State::Remote {
                self.states[block] = State::Free;
                adopted += 1;
            }
        }
        adopted
    }

    /// The class itself comes first, then what is on its way home to it, then larger classes: free blocks before those on
    /// their way home.
    fn allocate(&mut self, class: usize) -> Outcome {
        let last = if self.borrows { self.classes[self.blocks - 1] } else { class };
        if self.first(class, State::Free).is_none() && self.adopt(class) == 0 {
            let none_is_free = (class..=last).all(|class| self.first(class, State::Free).is_none());
            if none_is_free
                && let Some(class) = (class..=last).find(|&class| self.first(class, State::Remote).is_some())
            {
                self.adopt(class);
            }
        }
        match (class..=last).find_map(|class| self.first(class, State::Free)) {
            Some(block) => {
                self.states[block] = State::Live;
                Outcome::Block(block)
            }
            None => Outcome::Exhausted,
        }
    }

    fn free(&mut self, block: usize, to: State) -> Outcome {
        if self.states[block] != State::Live {
            return Outcome::NoBlock(FreeError::DoubleFree);
        }
        self.states[block] = if self.adopts_at_once { State::Free } else { to };
        Outcome::Freed
    }

    fn run(&mut self, operation: Operation) -> Outcome {
        match operation {
            Operation::Allocate { class } => self.allocate(class),
            Operation::AllocateTooMuch => Outcome::Unsupported,
            Operation::Free { block } => self.free(block, State::Free),
            Operation::FreeRemotely { block } => self.free(block, State::Remote),
            Operation::Adopt => Outcome::Adopted((0..MOST).map(|class| self.adopt(class)).sum()),
            Operation::FreeInside { .. } => Outcome::NoBlock(FreeError::Interior),
        }
    }
}

/// A heap of any mode.
trait World {
    fn allocate(&mut self, layout: Layout) -> Result<NonNull<u8>, AllocError>;
    /// # Safety
    /// What the mode asks of its frees.
    unsafe fn free(&mut self, block: NonNull<u8>) -> Result<(), FreeError>;
    /// # Safety
    /// As [`World::free`].
    unsafe fn free_remotely(&mut self, block: NonNull<u8>) -> Result<(), FreeError>;
    fn adopt(&mut self) -> usize;
}

struct Owned<'r, H>(H, RemoteFree<'r>);

impl<P: detalloc::Policy> World for Owned<'_, Heap<'_, P>> {
    fn allocate(&mut self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        self.0.allocate(layout)
    }

    unsafe fn free(&mut self, block: NonNull<u8>) -> Result<(), FreeError> {
        // SAFETY: the caller's promise.
        unsafe { self.0.free(block) }
    }

    unsafe fn free_remotely(&mut self, block: NonNull<u8>) -> Result<(), FreeError> {
        // SAFETY: the caller's promise.
        unsafe { self.1.free(block) }
    }

    fn adopt(&mut self) -> usize {
        self.0.adopt_remote_frees(usize::BITS as usize)
    }
}

/// Any thread may do anything.
struct Anyone<H>(H);

impl<H> World for Anyone<H>
where
    for<'h> &'h H: Allocate,
{
    fn allocate(&mut self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        (&self.0).allocate(layout)
    }

    unsafe fn free(&mut self, block: NonNull<u8>) -> Result<(), FreeError> {
        // SAFETY: the caller's promise.
        unsafe { (&self.0).free(block) }
    }

    unsafe fn free_remotely(&mut self, block: NonNull<u8>) -> Result<(), FreeError> {
        // SAFETY: the caller's promise.
        unsafe { (&self.0).free(block) }
    }

    fn adopt(&mut self) -> usize {
        0
    }
}

/// Goes through all sequences.
struct Search<'s> {
    config: &'s Config,
    alphabet: Vec<Operation>,
    /// Where the blocks are.
    addresses: [*mut u8; MOST],
    /// Frees that are none may be asked for.
    is_checked: bool,
    gone_through: u64,
    /// The bytes of the region at each depth.
    snapshots: Vec<Vec<MaybeUninit<u8>>>,
    region: *mut MaybeUninit<u8>,
    bytes: usize,
    path: Vec<Operation>,
}

impl Search<'_> {
    fn all(&mut self, world: &mut impl World, model: Model, depth: usize) {
        if depth == 0 {
            return;
        }
        let mut snapshot = core::mem::take(&mut self.snapshots[depth]);
        // SAFETY: the region, and a vector of its size; nobody runs the heap meanwhile.
        unsafe { ptr::copy_nonoverlapping(self.region, snapshot.as_mut_ptr(), self.bytes) };
        for number in 0..self.alphabet.len() {
            let operation = self.alphabet[number];
            if !self.is_possible(operation, &model) {
                continue;
            }
            self.path.push(operation);
            let mut after = model;
            let expected = after.run(operation);
            let outcome = self.run(world, operation);
            assert_eq!(outcome, expected, "{:?} on {:?}, before: {:?}", self.path, self.config, model.states);
            self.gone_through += 1;
            if matches!(outcome, Outcome::NoBlock(_) | Outcome::Adopted(0)) {
                // What follows is what follows here anyway.
                assert!(
                    self.is_as_in(&snapshot),
                    "{:?} on {:?} has changed something",
                    self.path,
                    self.config
                );
            } else {
                self.all(world, after, depth - 1);
                // SAFETY: as above, back.
                unsafe { ptr::copy_nonoverlapping(snapshot.as_ptr(), self.region, self.bytes) };
            }
            self.path.pop();
        }
        self.snapshots[depth] = snapshot;
    }

    fn is_as_in(&self, snapshot: &[MaybeUninit<u8>]) -> bool {
        // SAFETY: the region and a copy of it, all of which were written before the heap was made.
        unsafe {
            let now = core::slice::from_raw_parts(self.region.cast::<u8>(), self.bytes);
            now == core::slice::from_raw_parts(snapshot.as_ptr().cast::<u8>(), self.bytes)
        }
    }

    fn is_possible(&self, operation: Operation, model: &Model) -> bool {
        match operation {
            // Without checks, wrong frees are not allowed; with them, one that another thread has announced already is told by the
            // one that comes second, whichever that is.
            Operation::Free { block } | Operation::FreeRemotely { block } => match model.states[block] {
                State::Live => true,
                State::Free => self.is_checked,
                State::Remote => false,
            },
            Operation::FreeInside { .. } => self.is_checked,
            _ => true,
        }
    }

    fn run(&self, world: &mut impl World, operation: Operation) -> Outcome {
        let freed = |result: Result<(), FreeError>| result.map_or_else(Outcome::NoBlock, |()| Outcome::Freed);
        let at = |block: usize| NonNull::new(self.addresses[block]).expect("a block");
        match operation {
            Operation::Allocate { class } => {
                let bytes = self.config.pools()[class].block_bytes;
                match world.allocate(Layout::from_size_align(bytes, 1).expect("a size")) {
                    Ok(block) => Outcome::Block(
                        self.addresses
                            .iter()
                            .position(|&known| known == block.as_ptr())
                            .expect("a block of the world"),
                    ),
                    Err(AllocError::Exhausted { .. }) => Outcome::Exhausted,
                    Err(other) => panic!("{other:?}"),
                }
            }
            Operation::AllocateTooMuch => match world.allocate(Layout::new::<[u8; 100_000]>()) {
                Err(AllocError::Unsupported { .. }) => Outcome::Unsupported,
                other => panic!("{other:?}"),
            },
            // SAFETY: blocks of this heap, live where it does not check; the addresses are its own.
            Operation::Free { block } => freed(unsafe { world.free(at(block)) }),
            // SAFETY: as above.
            Operation::FreeRemotely { block } => freed(unsafe { world.free_remotely(at(block)) }),
            Operation::Adopt => Outcome::Adopted(world.adopt()),
            // SAFETY: of a heap that checks.
            Operation::FreeInside { block } => freed(unsafe { world.free(at(block).add(16)) }),
        }
    }
}

/// What is done in these worlds: everything that can be, with blocks of up to this many.
fn alphabet(config: &Config, remote: bool, wrong: bool) -> Vec<Operation> {
    let blocks: usize = config.pools().iter().map(|pool| pool.blocks).sum();
    let mut alphabet: Vec<_> = (0..config.pools().len()).map(|class| Operation::Allocate { class }).collect();
    alphabet.extend((0..blocks).map(|block| Operation::Free { block }));
    if remote {
        alphabet.extend((0..blocks).map(|block| Operation::FreeRemotely { block }));
        alphabet.push(Operation::Adopt);
    }
    if wrong {
        alphabet.extend([Operation::AllocateTooMuch, Operation::FreeInside { block: 0 }]);
    }
    alphabet
}

/// Goes through a world of this configuration, and says how many operations that were.
fn explore<'r, W: World>(
    config: &Config,
    region: &'r mut [MaybeUninit<u8>],
    make: impl FnOnce(&'r mut [MaybeUninit<u8>]) -> W,
    (remote, is_checked, adopts_at_once): (bool, bool, bool),
    depth: usize,
) -> u64 {
    let (start, bytes) = (region.as_mut_ptr(), region.len());
    let mut world = make(region);
    let mut search = Search {
        config,
        alphabet: alphabet(config, remote, is_checked),
        addresses: [ptr::null_mut(); MOST],
        is_checked,
        gone_through: 0,
        snapshots: vec![vec![MaybeUninit::uninit(); bytes]; depth + 1],
        region: start,
        bytes,
        path: Vec::new(),
    };
    let model = Model { adopts_at_once, ..Model::new(config) };
    // Where the blocks are: each class' lowest first, as the model has it.
    let mut block = 0;
    for pool in config.pools() {
        let layout = Layout::from_size_align(pool.block_bytes, 1).expect("a size");
        let first = block;
        for _ in 0..pool.blocks {
            search.addresses[block] = world.allocate(layout).expect("a block").as_ptr();
            block += 1;
        }
        search.addresses[first..block].sort_unstable();
    }
    for &address in &search.addresses[..block] {
        // SAFETY: all of them are live, and freed once.
        unsafe { world.free(NonNull::new(address).expect("a block")) }.expect("a block");
    }
    search.all(&mut world, model, depth);
    search.gone_through
}

fn configurations() -> [Config; 5] {
    let pools = |pools: &[(usize, usize)]| {
        let pools: Vec<_> = pools.iter().map(|&(bytes, blocks)| PoolConfig::new(bytes, blocks)).collect();
        Config::new(&pools).expect("pools that are possible")
    };
    [
        pools(&[(48, 2)]),
        pools(&[(48, 3)]),
        pools(&[(32, 1), (64, 1)]),
        pools(&[(32, 1), (64, 2)]).with_borrow(Borrow::Never),
        pools(&[(32, 1), (64, 1), (128, 1)]),
    ]
}

/// The deepest that this many operations allow, if all are possible everywhere.
fn depth_for(operations: u64, alphabet: usize) -> usize {
    let alphabet = u64::try_from(alphabet).expect("few");
    (1..).take_while(|&depth| alphabet.checked_pow(depth).is_some_and(|all| all <= operations)).count()
}

/// All modes of all configurations, each to about so many operations.
fn explore_all(operations: u64, least_depth: usize) -> u64 {
    let mut gone_through = 0;
    for config in &configurations() {
        let depth =
            |remote, wrong| depth_for(operations, alphabet(config, remote, wrong).len()).max(least_depth);
        let bytes = config.bytes_needed();
        let mut region = vec![MaybeUninit::new(0); bytes];
        let checked = |region| {
            let heap = Heap::new(region, config).expect("enough memory");
            let remote = heap.remote();
            Owned(heap, remote)
        };
        gone_through += explore(config, &mut region, checked, (true, true, false), depth(true, true));
        let mut region = vec![MaybeUninit::new(0); bytes];
        let unchecked = |region| {
            // SAFETY: what is freed below is live.
            let heap: Heap<'_, Unchecked> =
                unsafe { Heap::unchecked(region, config) }.expect("enough memory");
            let remote = heap.remote();
            Owned(heap, remote)
        };
        gone_through += explore(config, &mut region, unchecked, (true, false, false), depth(true, false));
        let mut region = vec![MaybeUninit::new(0); bytes];
        let spin = |region| Anyone(Spin::new(Heap::new(region, config).expect("enough memory")));
        gone_through += explore(config, &mut region, spin, (false, true, true), depth(false, true));
        let mut region = vec![MaybeUninit::new(0); SharedHeap::bytes_needed(config)];
        let shared = |region| Anyone(SharedHeap::new(region, config).expect("enough memory"));
        gone_through += explore(config, &mut region, shared, (false, true, true), depth(false, true));
    }
    gone_through
}

#[test]
#[cfg_attr(miri, ignore = "it puts the region's bytes back behind the heap's back")]
fn agree_with_the_model_in_every_sequence_of_a_few_operations() {
    println!("{} operations", explore_all(20_000, 4));
}

#[test]
#[ignore = "takes minutes"]
fn agree_with_the_model_in_every_sequence_of_ten_operations() {
    println!("{} operations", explore_all(200_000, 10));
}
