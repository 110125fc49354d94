//! A hash map of fixed capacity.

use crate::{
    boxed::RtBox,
    instance::Instance,
    refused::{Refusal, Refused},
    shared::Shared,
};
use allocator_api2_02::alloc::{AllocError, Allocator};
use core::{alloc::Layout, borrow::Borrow, cell::Cell, fmt, hash::Hash, ptr::NonNull};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// What is in the box: hashbrown's map over one block of the pools.
pub(crate) struct Table<K, V>(HashMap<K, V, FixedState, OneBlock>);

impl<K, V> Drop for Table<K, V> {
    /// Goes on behind an element whose destructor panics: hashbrown would leave the others and its block alone.
    fn drop(&mut self) {
        let mut panicked = None;
        for element in self.0.drain() {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(element))) {
                match panicked {
                    None => panicked = Some(payload),
                    // The first one counts, and what this one panicked with may have a destructor that panics too.
                    Some(_) => core::mem::forget(payload),
                }
            }
        }
        if let Some(payload) = panicked {
            resume_unwind(payload);
        }
    }
}

/// A hash map in blocks of its own, made by [`Rt::map`](crate::Rt::map): hashbrown's, with a capacity that is fixed. It never
/// grows, so that inserting never allocates.
///
/// Keys are hashed with a fixed seed, as a random one would want a thread-local or a system call: keys that an attacker chooses can be
/// made to collide. Dropping the map is right on any thread, as for [`RtBox`]; in a callback it goes to the reaper as a whole.
///
/// ```
/// use detalloc_audio::{AudioBudget, RtHeap};
///
/// let mut heap = RtHeap::new();
/// heap.reconfigure(&AudioBudget::new(48_000.0, 64).map::<u8, f32>(16))?;
/// let mut held = heap.enter(|rt| rt.map(16))?;
/// held.try_insert(60_u8, 0.8_f32)?;
/// assert_eq!(held.get(&60), Some(&0.8));
/// assert_eq!(held.remove(&60), Some(0.8));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Invariant, as [`RtBox`] is:
///
/// ```compile_fail
/// use detalloc_audio::RtMap;
/// fn shorten<'a>(map: RtMap<u8, &'static str>) -> RtMap<u8, &'a str> { map }
/// ```
pub struct RtMap<K, V> {
    /// `None`: no capacity.
    table: Option<RtBox<Table<K, V>>>,
    capacity: usize,
}

/// A table with at least twice the capacity is never more than half full. Then hashbrown, when removals have left it no free place,
/// cleans up in place instead of growing.
const SPACE: usize = 2;

/// The size that hashbrown's table for that many elements has at most, in bytes, and its alignment: a power of two of
/// buckets, 7/8 of which may be full, a control byte each, and a group of those more. `None`: it exceeds the address space.
pub(crate) fn table_layout<K, V>(capacity: usize) -> Option<Layout> {
    const GROUP: usize = 16;
    let buckets = capacity.checked_mul(SPACE * 8)?.div_ceil(7).max(16).checked_next_power_of_two()?;
    let elements = buckets.checked_mul(size_of::<(K, V)>())?.checked_next_multiple_of(GROUP)?;
    let bytes = elements.checked_add(buckets)?.checked_add(GROUP)?;
    Layout::from_size_align(bytes, align_of::<(K, V)>().max(GROUP)).ok()
}

impl<K: Eq + Hash, V> RtMap<K, V> {
    /// A map without room, for before the heap has memory.
    #[must_use]
    pub const fn new() -> Self {
        Self { table: None, capacity: 0 }
    }

    /// A table for that many elements, in a block of this instance. `None`: that was refused.
    ///
    /// # Safety
    /// This thread is in that instance's callback (A6).
    pub(crate) unsafe fn table(instance: &Instance, capacity: usize) -> Option<Table<K, V>> {
        let block = OneBlock(Cell::new(Source::Instance(NonNull::from(instance))));
        let mut table = HashMap::with_hasher_in(FixedState::with_seed(0x0DE7_A110C), block);
        let reserved = table.try_reserve(capacity.checked_mul(SPACE)?);
        // It never allocates again.
        if let Source::Instance(_) = table.allocator().0.get() {
            table.allocator().0.set(Source::Nothing);
        }
        reserved.ok()?;
        Some(Table(table))
    }

    pub(crate) fn in_box(table: RtBox<Table<K, V>>, capacity: usize) -> Self {
        Self { table: Some(table), capacity }
    }

    /// How many elements there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.as_ref().map_or(0, |table| table.0.len())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many elements there is room for.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Puts an element in, in place of the one with the same key, if there is one, which comes back.
    ///
    /// # Errors
    /// Key and value come back with [`Refusal::Full`] if and only if there is no such key and no room.
    ///
    /// # Time complexity
    /// Constant on average. After many removals, now and then linear in the capacity: the table is tidied in place.
    pub fn try_insert(&mut self, key: K, value: V) -> Result<Option<V>, Refused<(K, V)>> {
        let full = Refusal::Full { capacity: self.capacity };
        let Some(Table(table)) = self.table.as_deref_mut() else {
            return Err(Refused { value: (key, value), refusal: full });
        };
        if let Some(known) = table.get_mut(&key) {
            return Ok(Some(core::mem::replace(known, value)));
        }
        // The second tidies up if need be; it never allocates, for the table is at most half full.
        if table.len() == self.capacity || table.try_reserve(1).is_err() {
            return Err(Refused { value: (key, value), refusal: full });
        }
        Ok(table.insert(key, value))
    }

    /// The value of a key.
    #[must_use]
    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.table.as_ref()?.0.get(key)
    }

    /// The value of a key, to change it.
    #[must_use]
    pub fn get_mut<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.table.as_mut()?.0.get_mut(key)
    }

    /// Takes an element out.
    pub fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.table.as_mut()?.0.remove(key)
    }

    /// Keeps the elements for which `keep` says so, and drops the others, here and now.
    pub fn retain(&mut self, keep: impl FnMut(&K, &mut V) -> bool) {
        if let Some(table) = &mut self.table {
            table.0.retain(keep);
        }
    }

    /// Drops all elements, here and now.
    pub fn clear(&mut self) {
        if let Some(table) = &mut self.table {
            table.0.clear();
        }
    }

    /// All elements, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.table.iter().flat_map(|table| table.0.iter())
    }

    /// All elements, in no order, their values to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.table.iter_mut().flat_map(|table| table.0.iter_mut())
    }
}

impl<K: Eq + Hash, V> Default for RtMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Eq + Hash + fmt::Debug, V: fmt::Debug> fmt::Debug for RtMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Allocates once, from an instance, and frees that anywhere.
pub(crate) struct OneBlock(Cell<Source>);

#[derive(Clone, Copy)]
enum Source {
    /// Nothing was allocated yet. Only as long as [`RtMap::table`] runs.
    Instance(NonNull<Instance>),
    /// The region of the block.
    Region(NonNull<Shared>),
    Nothing,
}

// SAFETY: what it shares with the heap is `Sync`; the cell goes along.
unsafe impl Send for OneBlock {}
// SAFETY: the cell is written where the table is borrowed exclusively.
unsafe impl Sync for OneBlock {}

// SAFETY: a block is live until it is given back, and a second one is refused, so that every block goes back to the region
// that it came from.
unsafe impl Allocator for OneBlock {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        let Source::Instance(instance) = self.0.get() else { return Err(AllocError) };
        // SAFETY: (A6) this thread is in that instance's callback, as `table` was promised.
        let (shared, block) = unsafe { instance.as_ref().allocate(layout) }.map_err(|_| AllocError)?;
        self.0.set(Source::Region(shared));
        Ok(NonNull::slice_from_raw_parts(block, layout.size()))
    }

    unsafe fn deallocate(&self, block: NonNull<u8>, _: Layout) {
        if let Source::Region(shared) = self.0.replace(Source::Nothing) {
            // SAFETY: (A1, A3) the block came from there, and the caller gives it up.
            unsafe { Shared::free(shared, block) };
        }
    }
}
