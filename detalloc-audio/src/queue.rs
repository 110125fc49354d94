//! A queue of fixed capacity.

use crate::{
    refused::{Refusal, Refused},
    shared::Shared,
};
use core::{
    alloc::Layout,
    fmt,
    marker::PhantomData,
    mem::{MaybeUninit, needs_drop},
    ptr::{self, NonNull},
};

/// What lies in the block.
#[repr(C)]
pub(crate) struct Ring<T> {
    /// The place of the first element; below the capacity, or 0.
    head: usize,
    /// (Q1) `len` places from `head` on, around the end, hold elements; it is at most the capacity. So every place that is
    /// computed from a number below the capacity is there, and there is none to compute where the capacity is 0.
    len: usize,
    places: [MaybeUninit<T>],
}

/// The layout of a ring with that many places. `None`: it exceeds the address space.
pub(crate) fn queue_layout<T>(capacity: usize) -> Option<Layout> {
    let (layout, _) = Layout::new::<[usize; 2]>().extend(Layout::array::<T>(capacity).ok()?).ok()?;
    Some(layout.pad_to_align())
}

impl<T> Ring<T> {
    /// The place of the element with this number, or of one that would have it; `nth` is below the capacity.
    fn place(&self, nth: usize) -> usize {
        let until_end = self.places.len() - self.head;
        if nth < until_end { self.head + nth } else { nth - until_end }
    }

    fn get(&self, nth: usize) -> Option<&T> {
        // SAFETY: (Q1) a place that is there, and holds an element.
        (nth < self.len).then(|| unsafe { self.places.get_unchecked(self.place(nth)).assume_init_ref() })
    }

    /// # Safety
    /// There is room.
    unsafe fn push_back(&mut self, element: T) {
        let place = self.place(self.len);
        // SAFETY: (Q1) a place that is there.
        unsafe { self.places.get_unchecked_mut(place).write(element) };
        self.len += 1;
    }

    /// # Safety
    /// There is room.
    unsafe fn push_front(&mut self, element: T) {
        self.head = self.place(self.places.len() - 1);
        // SAFETY: (Q1) a place that is there.
        unsafe { self.places.get_unchecked_mut(self.head).write(element) };
        self.len += 1;
    }

    fn pop_front(&mut self) -> Option<T> {
        self.len = self.len.checked_sub(1)?;
        let place = self.head;
        self.head = if place + 1 == self.places.len() { 0 } else { place + 1 };
        // SAFETY: (Q1) a place that is there, and held an element, which no longer counts.
        Some(unsafe { self.places.get_unchecked(place).assume_init_read() })
    }

    fn pop_back(&mut self) -> Option<T> {
        self.len = self.len.checked_sub(1)?;
        let place = self.place(self.len);
        // SAFETY: as above.
        Some(unsafe { self.places.get_unchecked(place).assume_init_read() })
    }
}

impl<T> Drop for Ring<T> {
    /// Goes on behind an element whose destructor panics, as a `Vec` does.
    fn drop(&mut self) {
        struct Last<T>(*mut [T]);
        impl<T> Drop for Last<T> {
            fn drop(&mut self) {
                // SAFETY: elements that are nobody else's, dropped once.
                unsafe { self.0.drop_in_place() };
            }
        }
        let until_end = self.len.min(self.places.len() - self.head);
        let start = self.places.as_mut_ptr().cast::<T>();
        // SAFETY: (Q1) the elements lie from the head on, and on from the first place.
        let first = ptr::slice_from_raw_parts_mut(unsafe { start.add(self.head) }, until_end);
        let _last = Last(ptr::slice_from_raw_parts_mut(start, self.len - until_end));
        // SAFETY: as above.
        unsafe { first.drop_in_place() };
    }
}

/// A queue in a block of its own, made by [`Rt::queue`](crate::Rt::queue). It never grows, so that pushing never allocates.
///
/// Dropping it is right on any thread, as for [`RtBox`](crate::RtBox): in a callback, elements with a destructor are left to
/// the reaper all together.
///
/// Invariant, as [`RtBox`](crate::RtBox) is:
///
/// ```compile_fail
/// use detalloc_audio::RtQueue;
/// fn shorten<'a>(queue: RtQueue<&'static str>) -> RtQueue<&'a str> { queue }
/// ```
///
/// ```
/// use detalloc_audio::{AudioBudget, RtHeap};
///
/// let mut heap = RtHeap::new();
/// heap.reconfigure(&AudioBudget::new(48_000.0, 64).events::<u32>(2))?;
/// let mut events = heap.enter(|rt| rt.queue(2))?;
/// events.try_push_back(1)?;
/// events.try_push_back(2)?;
/// assert_eq!(events.try_push_back(3).unwrap_err().into_value(), 3);
/// assert_eq!(events.pop_front(), Some(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RtQueue<T> {
    /// `None`: no block, and no capacity.
    ring: Option<(NonNull<Ring<T>>, NonNull<Shared>)>,
    invariant: PhantomData<*mut T>,
}

// SAFETY: the queue owns its elements; what it shares with the heap is `Sync` (see `Shared`).
unsafe impl<T: Send> Send for RtQueue<T> {}
// SAFETY: as above: a shared queue gives out shared references only.
unsafe impl<T: Sync> Sync for RtQueue<T> {}

impl<T> RtQueue<T> {
    /// A queue without room, for before the heap has memory.
    #[must_use]
    pub const fn new() -> Self {
        Self { ring: None, invariant: PhantomData }
    }

    /// # Safety
    /// `block` is a live one of `shared` that is nobody else's (A3), cut for [`queue_layout`] with this capacity, and
    /// `T: Send + 'static` (A5).
    #[inline]
    pub(crate) unsafe fn from_raw(block: NonNull<u8>, capacity: usize, shared: NonNull<Shared>) -> Self {
        let ring =
            NonNull::slice_from_raw_parts(block.cast::<MaybeUninit<T>>(), capacity).as_ptr() as *mut Ring<T>;
        // SAFETY: the block has room for it, and the places may be uninitialised.
        let ring = unsafe {
            (&raw mut (*ring).head).write(0);
            (&raw mut (*ring).len).write(0);
            NonNull::new_unchecked(ring)
        };
        Self { ring: Some((ring, shared)), invariant: PhantomData }
    }

    #[inline]
    fn ring(&self) -> Option<&Ring<T>> {
        // SAFETY: (A1, A3) the block is live and this queue's.
        self.ring.map(|(ring, _)| unsafe { ring.as_ref() })
    }

    #[inline]
    fn ring_mut(&mut self) -> Option<&mut Ring<T>> {
        // SAFETY: (A1, A3) as above, and the queue is borrowed exclusively.
        self.ring.map(|(mut ring, _)| unsafe { ring.as_mut() })
    }

    /// How many elements there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ring().map_or(0, |ring| ring.len)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many elements there is room for.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.ring().map_or(0, |ring| ring.places.len())
    }

    /// Whether there is no room for another element.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len() == self.capacity()
    }

    /// Appends an element.
    ///
    /// # Errors
    /// The element comes back with [`Refusal::Full`] if and only if there is no room.
    ///
    /// # Time complexity
    /// Constant, as for all operations but [`RtQueue::clear`] and the iterators.
    #[inline]
    pub fn try_push_back(&mut self, element: T) -> Result<(), Refused<T>> {
        self.try_push(element, Ring::push_back)
    }

    /// Puts an element in front.
    ///
    /// # Errors
    /// As [`RtQueue::try_push_back`].
    #[inline]
    pub fn try_push_front(&mut self, element: T) -> Result<(), Refused<T>> {
        self.try_push(element, Ring::push_front)
    }

    /// `push` may take it for granted that there is room.
    #[inline]
    fn try_push(&mut self, element: T, push: unsafe fn(&mut Ring<T>, T)) -> Result<(), Refused<T>> {
        match self.ring_mut() {
            Some(ring) if ring.len < ring.places.len() => {
                // SAFETY: just compared.
                unsafe { push(ring, element) };
                Ok(())
            }
            _ => Err(Refused { value: element, refusal: Refusal::Full { capacity: self.capacity() } }),
        }
    }

    /// Takes the first element out.
    #[inline]
    pub fn pop_front(&mut self) -> Option<T> {
        self.ring_mut()?.pop_front()
    }

    /// Takes the last element out.
    #[inline]
    pub fn pop_back(&mut self) -> Option<T> {
        self.ring_mut()?.pop_back()
    }

    /// The element with this number, the first one being 0.
    #[must_use]
    #[inline]
    pub fn get(&self, nth: usize) -> Option<&T> {
        self.ring()?.get(nth)
    }

    /// All elements, the first one first.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        (0..self.len()).filter_map(|nth| self.get(nth))
    }

    /// Drops all elements, here and now.
    pub fn clear(&mut self) {
        while let Some(element) = self.pop_front() {
            drop(element);
        }
    }
}

impl<T> Default for RtQueue<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for RtQueue<T> {
    #[inline]
    fn drop(&mut self) {
        if let Some((ring, shared)) = self.ring {
            // SAFETY: (A1, A3, A5) the ring and its block are this queue's, which ends here; without destructors of elements
            // there is nothing to destroy.
            unsafe {
                if needs_drop::<T>() { Shared::drop(shared, ring) } else { Shared::free(shared, ring.cast()) }
            }
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for RtQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
