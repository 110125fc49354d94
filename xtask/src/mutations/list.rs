//! What is broken, and which proof has to see it.

/// One change of one place.
#[derive(Debug)]
pub struct Mutation<'m> {
    /// What is broken, in a few words.
    pub what: &'m str,
    /// The file, from the workspace's root.
    pub file: &'m str,
    /// What stands there, once.
    pub from: &'m str,
    /// What is put there.
    pub to: &'m str,
    /// What has to fail.
    pub proof: Proof,
    /// Why it need not, if the source says so.
    pub reason: Option<&'m str>,
}

impl Mutation<'_> {
    /// Whether its description or its file has these words.
    pub fn matches(&self, words: &str) -> bool {
        self.what.contains(words) || self.file.contains(words)
    }
}

/// A proof: a command whose failure says that something is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// The unit tests of the core.
    CoreUnits,
    /// A plain model after every operation, and everything overwritten.
    Heap,
    /// Every sequence of a few operations.
    SmallWorlds,
    /// One instruction count, whatever came before.
    ConstantTime,
    /// Overruns and writes to free blocks.
    Guard,
    /// The arena.
    Arena,
    /// The ring.
    Ring,
    /// Typed pools.
    Typed,
    /// The interleavings of the core.
    CoreLoom,
    /// The interleavings of the integration, all of them and some.
    AudioLoom,
    CountsLoom,
    HeapLoom,
    InsideLoom,
    PublishLoom,
    ReaperLoom,
    /// Those of a plugin.
    GraincloudLoom,
    /// The integration's heap, by its promises.
    AudioHeap,
    /// The integration's handles, beside those of the standard library.
    Handles,
    /// Values of the system heap, dropped in callbacks.
    Foreign,
    /// How heaps and regions end.
    Endings,
    /// Running low.
    Pressure,
    /// Ordinary collections in callbacks.
    Routed,
    /// More threads than a bucket has places.
    Crowded,
    /// No system call.
    Silence,
    /// What must not compile.
    CompileFail,
    /// The longest paths.
    Wcet,
}

impl Proof {
    /// The arguments of cargo.
    pub fn command(self) -> &'static str {
        match self {
            Self::CoreUnits => "test -p detalloc --lib",
            Self::Heap => "test -p detalloc --test heap",
            Self::SmallWorlds => "test -p detalloc --test small_worlds",
            Self::ConstantTime => "test -p detalloc --test constant_time",
            Self::Guard => "test -p detalloc --test guard",
            Self::Arena => "test -p detalloc --test arena",
            Self::Ring => "test -p detalloc --test ring",
            Self::Typed => "test -p detalloc --test typed",
            Self::CoreLoom => "test -p detalloc --release --test loom --test loom_ring --test loom_shared",
            Self::AudioLoom => {
                "test -p detalloc-audio --release --test loom --test loom_counts --test loom_heap --test loom_inside --test loom_lanes --test loom_reaper"
            }
            Self::CountsLoom => "test -p detalloc-audio --release --test loom_counts",
            Self::HeapLoom => "test -p detalloc-audio --release --test loom_heap",
            Self::InsideLoom => "test -p detalloc-audio --release --test loom_inside",
            Self::PublishLoom => "test -p detalloc-audio --release --test loom",
            Self::ReaperLoom => "test -p detalloc-audio --release --test loom_reaper",
            Self::GraincloudLoom => "test -p graincloud --release --test loom",
            Self::AudioHeap => "test -p detalloc-audio --test heap",
            Self::Handles => "test -p detalloc-audio --test handles",
            Self::Foreign => "test -p detalloc-audio --test foreign",
            Self::Endings => "test -p detalloc-audio --test endings",
            Self::Pressure => "test -p detalloc-audio --test pressure",
            Self::Routed => "test -p detalloc-audio --test routed",
            Self::Crowded => "test -p detalloc-audio --test crowded",
            Self::Silence => "test -p detalloc-audio --test silence",
            Self::CompileFail => "test --doc -p detalloc -p detalloc-audio",
            Self::Wcet => "xtask wcet --target x86-64-v3",
        }
    }

    /// Flags of the compiler that the command wants.
    pub fn rustflags(self) -> Option<&'static str> {
        let is_loom = matches!(
            self,
            Self::CoreLoom
                | Self::AudioLoom
                | Self::CountsLoom
                | Self::HeapLoom
                | Self::InsideLoom
                | Self::PublishLoom
                | Self::ReaperLoom
                | Self::GraincloudLoom
        );
        is_loom.then_some("--cfg loom")
    }

    /// For people.
    pub fn shown(self) -> String {
        let flags = self.rustflags().map_or_else(String::new, |flags| format!("RUSTFLAGS=\"{flags}\" "));
        format!("{flags}cargo {}", self.command())
    }
}

const POOL: &str = "detalloc/src/pool.rs";
const SLOW: &str = "detalloc/src/slow.rs";
const REMOTE: &str = "detalloc/src/remote.rs";
const VALIDATE: &str = "detalloc/src/validate.rs";
const INSTANCE: &str = "detalloc-audio/src/instance.rs";
const REAPER: &str = "detalloc-audio/src/reaper.rs";
const SHARED: &str = "detalloc-audio/src/shared.rs";
const ROUTED: &str = "detalloc-audio/src/routed.rs";

const fn broken(
    proof: Proof,
    what: &'static str,
    file: &'static str,
    from: &'static str,
    to: &'static str,
) -> Mutation<'static> {
    Mutation { what, file, from, to, proof, reason: None }
}

/// All of them.
pub const MUTATIONS: &[Mutation<'_>] = &[
    // The core's short way.
    broken(
        Proof::Heap,
        "a leaf that has become empty is still said to have blocks",
        POOL,
        "let top = if left == 0 { shorter } else { top };",
        "let _ = shorter;",
    ),
    broken(
        Proof::SmallWorlds,
        "a free forgets the other free blocks of its leaf",
        POOL,
        "leaf.store(free | bit, Relaxed);",
        "leaf.store(bit, Relaxed);",
    ),
    broken(
        Proof::SmallWorlds,
        "a free does not say that its leaf has a block",
        POOL,
        "self.top.set(self.top.get() | 1 << number);",
        "",
    ),
    broken(
        Proof::SmallWorlds,
        "a free does not say that its pool has a block",
        POOL,
        "available.set(available.get() | self.bit);",
        "",
    ),
    broken(
        Proof::SmallWorlds,
        "a second free on the owner is not seen",
        POOL,
        "(free | announced) & bit != 0",
        "announced & bit != 0",
    ),
    broken(
        Proof::Heap,
        "a free of what another thread has freed is not seen",
        POOL,
        "(free | announced) & bit != 0",
        "free & bit != 0",
    ),
    broken(
        Proof::Heap,
        "a free is not counted",
        POOL,
        "self.spare.set(self.spare.get().wrapping_add(1));",
        "",
    ),
    broken(Proof::Heap, "high water is the lowest block", POOL, ".max(index as i32)", ".min(index as i32)"),
    broken(
        Proof::SmallWorlds,
        "an address within a block is taken for its beginning",
        POOL,
        ".rotate_right(self.block_bytes.trailing_zeros())",
        " >> self.block_bytes.trailing_zeros()",
    ),
    broken(
        Proof::Heap,
        "a request of exactly a class' size goes to the next one",
        "detalloc/src/class.rs",
        "let last = size_bytes.wrapping_sub(1) | align_mask;",
        "let last = size_bytes | align_mask;",
    ),
    broken(
        Proof::Heap,
        "no pool is asked whether its blocks are aligned enough",
        "detalloc/src/heap.rs",
        "align_mask as u16 <= pool.align_mask",
        "align_mask as u16 <= pool.align_mask || align_mask > 0",
    ),
    broken(
        Proof::ConstantTime,
        "the lowest leaf is searched for, bit by bit",
        POOL,
        "let first_bytes = opaque(top.trailing_zeros() as usize * size_of::<usize>());",
        "let mut first = 0; while first < 63 && opaque(top) >> first & 1 == 0 { first += 1; }\n        let first_bytes = first * size_of::<usize>();",
    ),
    broken(
        Proof::Wcet,
        "the lowest leaf is searched for in a loop",
        POOL,
        "let first_bytes = opaque(top.trailing_zeros() as usize * size_of::<usize>());",
        "let mut first = 0; while first < WORD_BITS && opaque(top) >> first & 1 == 0 { first += 1; }\n        let first_bytes = first * size_of::<usize>();",
    ),
    broken(
        Proof::Wcet,
        "a free divides",
        POOL,
        "let number = index / WORD_BITS;",
        "let number = index / opaque(WORD_BITS).max(1);",
    ),
    broken(
        Proof::Wcet,
        "a free can panic",
        POOL,
        "let bit = 1 << (index % WORD_BITS);",
        "assert!(opaque(index) < SHORT_BLOCKS);\n        let bit = 1 << (index % WORD_BITS);",
    ),
    broken(
        Proof::Wcet,
        "an allocation calls through a pointer",
        POOL,
        "let left = free & free.wrapping_sub(1);",
        "let lower: fn(usize) -> usize = |free| free & free.wrapping_sub(1);\n        let left = core::hint::black_box(lower)(free);",
    ),
    broken(
        Proof::Wcet,
        "a free takes a few instructions more than the table says",
        POOL,
        "leaf.store(free | bit, Relaxed);",
        "leaf.store(opaque(opaque(free) | opaque(bit)), Relaxed);\n        leaf.store(free | bit, Relaxed);",
    ),
    // The core's longer ways.
    broken(
        Proof::CoreUnits,
        "a middle word of a deep pool is not set",
        "detalloc/src/bitmap.rs",
        "word.set(word.get() | 1 << (number % WORD_BITS));",
        "",
    ),
    broken(
        Proof::SmallWorlds,
        "a smaller class lends to a larger one",
        SLOW,
        "aligned & own.bit.wrapping_neg() & self.header().borrow",
        "aligned & self.header().borrow",
    ),
    broken(
        Proof::SmallWorlds,
        "who asks for a free of an inner address is told that it is misaligned",
        SLOW,
        "address % GRANULE_BYTES != 0",
        "address % GRANULE_BYTES == 0",
    ),
    broken(
        Proof::SmallWorlds,
        "nothing is adopted before a refusal",
        SLOW,
        "if self.header().is_awaited() {",
        "if self.header().is_awaited() && self.header().keys == 0 {",
    ),
    broken(
        Proof::SmallWorlds,
        "a remote free does not say which pool it is of",
        REMOTE,
        "self.groups.fetch_or(1 << group, Ordering::Release);\n        self.pools.fetch_or(1 << self.pool, Ordering::Release);\n        true",
        "self.groups.fetch_or(1 << group, Ordering::Release);\n        true",
    ),
    broken(
        Proof::CoreLoom,
        "the owner looks before it clears the bit of a pool",
        REMOTE,
        "self.pools.fetch_and(!(1 << self.pool), Ordering::Acquire);\n        let groups = self.groups.swap(0, Ordering::Acquire);",
        "let groups = self.groups.swap(0, Ordering::Acquire);\n        self.pools.fetch_and(!(1 << self.pool), Ordering::Acquire);",
    ),
    broken(
        Proof::CoreLoom,
        "a remote free is announced without order",
        REMOTE,
        "word.fetch_or(bit, Ordering::Release)",
        "word.fetch_or(bit, Ordering::Relaxed)",
    ),
    broken(
        Proof::Heap,
        "summaries are not validated",
        VALIDATE,
        "require(parts.bitmap().summaries_agree(), Broken::Summary)?;",
        "",
    ),
    broken(Proof::Heap, "the seal is not validated", VALIDATE, "if !region.is_sealed() {", "if false {"),
    broken(
        Proof::CoreUnits,
        "bits of pools that are none are not validated",
        VALIDATE,
        "require(header.available.get() & !region.existing() == 0, Broken::AvailableMask)",
        "require(true, Broken::AvailableMask)",
    ),
    broken(
        Proof::CoreUnits,
        "an adoption waits for a pool that is none",
        "detalloc/src/heap.rs",
        "self.region.header().pending.0.load(Relaxed) & existing;",
        "self.region.header().pending.0.load(Relaxed);",
    ),
    broken(
        Proof::Guard,
        "a guard does not look at free blocks",
        "detalloc/src/guard.rs",
        "if let Err(damage) = block.check_free() {",
        "if let (Err(damage), true) = (block.check_free(), usable == 0) {",
    ),
    broken(
        Proof::Guard,
        "a guard sees only half of its canaries",
        "detalloc/src/guard/block.rs",
        "let written = self.find_other(requested..seal, CANARY);",
        "let written = self.find_other(requested..seal.midpoint(requested), CANARY);",
    ),
    broken(
        Proof::Ring,
        "a message that goes on at the beginning leaves no word where it was to be",
        "detalloc/src/ring/protocol.rs",
        "set_header(at, SKIP);",
        "set_header(at, 0);",
    ),
    broken(
        Proof::CoreLoom,
        "a message is published without order",
        "detalloc/src/ring/protocol.rs",
        "positions.tail.0.store(self.tail, Ordering::Release);",
        "positions.tail.0.store(self.tail, Ordering::Relaxed);",
    ),
    broken(
        Proof::CoreLoom,
        "a shared block is taken without order",
        "detalloc/src/shared/bits.rs",
        "word.fetch_and(!bit, Acquire)",
        "word.fetch_and(!bit, Relaxed)",
    ),
    broken(
        Proof::Arena,
        "an arena does not round its place up",
        "detalloc/src/arena.rs",
        ".wrapping_neg() & (layout.align() - 1);",
        ".wrapping_neg() & (layout.align() - 1) & 0;",
    ),
    broken(
        Proof::Typed,
        "a typed pool forgets what was never handed out",
        "detalloc/src/typed.rs",
        "entry.set(distance as u32);",
        "entry.set(distance as u32 | FRESH);",
    ),
    broken(
        Proof::CompileFail,
        "an arena's memory may outlive it",
        "detalloc/src/arena.rs",
        "pub fn value<T>(&self, value: T) -> Result<&mut T, ArenaFull> {",
        "pub fn value<'a, T>(&self, value: T) -> Result<&'a mut T, ArenaFull> {",
    ),
    // The integration.
    broken(
        Proof::Handles,
        "scratch memory is not given back after a callback",
        INSTANCE,
        "(*self.instance.scratch.get()).reset();",
        "",
    ),
    broken(
        Proof::AudioHeap,
        "the audio thread stays the owner after its callback",
        INSTANCE,
        "self.instance.main.set_owner(0);",
        "",
    ),
    broken(
        Proof::Foreign,
        "a full lane destroys what leaves in the callback",
        INSTANCE,
        "unsafe { self.carry(value) };",
        "unsafe { (|| drop(value))() };",
    ),
    broken(
        Proof::Foreign,
        "what is dropped in a callback is destroyed there",
        "detalloc-audio/src/foreign.rs",
        "Some(instance) => unsafe { instance.as_ref().retire(Leaving::new(value)) },",
        "Some(_) => unsafe { (|| drop(value))() },",
    ),
    broken(
        Proof::Handles,
        "destructors run in the callback",
        SHARED,
        "unsafe { this.defer(value) };\n        } else {",
        "unsafe { Self::drop_here(shared, &value) };\n        } else {",
    ),
    broken(
        Proof::Endings,
        "a region ends before its last block",
        SHARED,
        "heap.live_blocks() == 0 && self.visits.none()",
        "self.visits.none()",
    ),
    broken(
        Proof::Endings,
        "a heap that goes does not say so",
        INSTANCE,
        "self.closed.close_with(|| self.regions().for_each(Shared::close));",
        "self.closed.close_with(|| ());",
    ),
    broken(
        Proof::AudioHeap,
        "a destructor that panics ends the reaper",
        REAPER,
        "catch_unwind(AssertUnwindSafe(destructor)).unwrap_or_else(core::mem::forget);",
        "destructor();",
    ),
    broken(
        Proof::Endings,
        "a look that a destructor asks for is forgotten",
        REAPER,
        "if !AGAIN.load(Ordering::Relaxed) {",
        "if true {",
    ),
    broken(
        Proof::Handles,
        "a queue does not go on from its beginning",
        "detalloc-audio/src/queue.rs",
        "if nth < until_end { self.head + nth } else { nth - until_end }",
        "if nth < until_end { self.head + nth } else { 0 }",
    ),
    broken(
        Proof::Endings,
        "a queue destroys only what lies before its end",
        "detalloc-audio/src/queue.rs",
        "ptr::slice_from_raw_parts_mut(start, self.len - until_end)",
        "ptr::slice_from_raw_parts_mut(start, 0)",
    ),
    broken(
        Proof::Pressure,
        "memory is never added",
        INSTANCE,
        "if !over && !self.top_up.is_off() {",
        "if !over && self.top_up.is_off() {",
    ),
    broken(
        Proof::Pressure,
        "low water is never reached",
        "detalloc-audio/src/pressure.rs",
        "free.saturating_mul(100) <=",
        "free.saturating_mul(100).saturating_add(1) <=",
    ),
    broken(
        Proof::Routed,
        "what is allocated in a callback goes to the system heap",
        ROUTED,
        "if !self.strict && instance.is_in_window() {",
        "if !self.strict && !instance.is_in_window() {",
    ),
    broken(
        Proof::Routed,
        "a block that grows loses half of what it held",
        ROUTED,
        "layout.size().min(new_size)",
        "layout.size().min(new_size) / 2",
    ),
    broken(
        Proof::Routed,
        "zeroed memory is not",
        ROUTED,
        "unsafe { block.write_bytes(0, layout.size()) };",
        "",
    ),
    broken(
        Proof::Crowded,
        "a thread that finds no place is entered all the same, without saying so",
        "detalloc-audio/src/inside.rs",
        "unsafe { instance.as_ref() }.counts.crowded.up();",
        "",
    ),
    broken(
        Proof::Silence,
        "a callback wakes the reaper",
        INSTANCE,
        "this.instance.violated.store(false, Relaxed);\n            violation::raise();\n        }",
        "this.instance.violated.store(false, Relaxed);\n            violation::raise();\n        }\n        std::thread::yield_now();",
    ),
    broken(
        Proof::AudioLoom,
        "dead blocks are handed over without order",
        "detalloc-audio/src/dead.rs",
        "self.0.swap(block, Ordering::Release);",
        "self.0.swap(block, Ordering::Relaxed);",
    ),
    broken(
        Proof::AudioLoom,
        "what was published is taken back under a reader",
        "detalloc-audio/src/publish/swap.rs",
        "while self.state.load(Ordering::Acquire) >= READER {",
        "while self.state.load(Ordering::Acquire) >= READER << 8 {",
    ),
    broken(
        Proof::AudioLoom,
        "what is published is read without order",
        "detalloc-audio/src/publish/swap.rs",
        "self.state.fetch_xor(1, Ordering::Release);",
        "self.state.fetch_xor(1, Ordering::Relaxed);",
    ),
    broken(
        Proof::AudioLoom,
        "a visit ends without order",
        "detalloc-audio/src/visits.rs",
        "self.0.fetch_sub(1, Ordering::Release) & ORPHANED != 0",
        "self.0.fetch_sub(1, Ordering::Relaxed) & ORPHANED != 0",
    ),
    broken(
        Proof::AudioLoom,
        "a recorded event is read before it is whole",
        "detalloc-audio/src/record/lane.rs",
        "place.written.store(ticket.wrapping_add(1), Ordering::Release);",
        "place.written.store(ticket.wrapping_add(1), Ordering::Relaxed);",
    ),
    broken(
        Proof::CompileFail,
        "a box of what lives for ever passes for one of what does not",
        "detalloc-audio/src/boxed.rs",
        "invariant: PhantomData<*mut T>,",
        "invariant: PhantomData<*const T>,",
    ),
    broken(
        Proof::CompileFail,
        "a scope may go to another thread",
        "detalloc-audio/src/scope.rs",
        "thread: PhantomData<*const ()>,",
        "thread: PhantomData<()>,",
    ),
];
