//! A vector of fixed capacity.

use crate::{
    refused::{Refusal, Refused},
    shared::Shared,
};
use core::{
    fmt,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    ptr::{self, NonNull},
    slice,
};

/// A vector in a block of its own, made by [`Rt::vec`](crate::Rt::vec). It never grows, so that pushing never
/// allocates.
///
/// Dropping it is right on any thread, as for [`RtBox`](crate::RtBox): inside the callback of its heap, elements with a
/// destructor are left to the reaper all together. Elements that are taken out one by one are the caller's to drop, and
/// [`RtVec::truncate`] drops them where it is called.
///
/// Invariant, as [`RtBox`](crate::RtBox) is:
///
/// ```compile_fail
/// use detalloc_audio::RtVec;
/// fn shorten<'a>(vec: RtVec<&'static str>) -> RtVec<&'a str> { vec }
/// ```
pub struct RtVec<T> {
    elements: NonNull<T>,
    capacity: usize,
    len: usize,
    /// `None`: no block, and no capacity.
    shared: Option<NonNull<Shared>>,
    invariant: PhantomData<*mut T>,
}

// SAFETY: the vector owns its elements; what it shares with the heap is `Sync` (see `Shared`).
unsafe impl<T: Send> Send for RtVec<T> {}
// SAFETY: as above: a shared vector gives out shared references only.
unsafe impl<T: Sync> Sync for RtVec<T> {}

impl<T> RtVec<T> {
    /// A vector without room, for before the heap has memory.
    #[must_use]
    pub const fn new() -> Self {
        Self { elements: NonNull::dangling(), capacity: 0, len: 0, shared: None, invariant: PhantomData }
    }

    /// # Safety
    /// `elements` begins a live block of `shared` that is nobody else's (A3), with room for `capacity` elements, and
    /// `T: Send + 'static` (A5).
    #[inline]
    pub(crate) unsafe fn from_raw(elements: NonNull<T>, capacity: usize, shared: NonNull<Shared>) -> Self {
        Self { elements, capacity, len: 0, shared: Some(shared), invariant: PhantomData }
    }

    /// How many elements there is room for.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Whether there is no room for another element.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len == self.capacity
    }

    /// Appends an element.
    ///
    /// # Errors
    /// The element comes back with [`Refusal::Full`] if and only if there is no room.
    ///
    /// # Time complexity
    /// Constant.
    #[inline]
    pub fn try_push(&mut self, element: T) -> Result<(), Refused<T>> {
        if self.is_full() {
            return Err(Refused { value: element, refusal: Refusal::Full { capacity: self.capacity } });
        }
        // SAFETY: `len < capacity`, so the place lies in the block and holds nothing.
        unsafe { self.elements.add(self.len).write(element) };
        self.len += 1;
        Ok(())
    }

    /// Appends copies of all elements of a slice.
    ///
    /// # Errors
    /// [`Refusal::Full`] if and only if there is no room for all of them. Nothing has changed.
    ///
    /// # Time complexity
    /// Linear in the length of the slice.
    pub fn try_extend_from_slice(&mut self, elements: &[T]) -> Result<(), Refusal>
    where
        T: Copy,
    {
        if elements.len() > self.capacity - self.len {
            return Err(Refusal::Full { capacity: self.capacity });
        }
        // SAFETY: there is room behind the last element, in a block that a slice from elsewhere cannot overlap.
        unsafe {
            self.elements
                .add(self.len)
                .copy_from_nonoverlapping(NonNull::from(elements).cast(), elements.len());
        }
        self.len += elements.len();
        Ok(())
    }

    /// Puts an element before the one at `index`, and moves those behind it one place back.
    ///
    /// # Errors
    /// The element comes back with [`Refusal::Full`] if and only if there is no room, or with [`Refusal::OutOfBounds`] if
    /// and only if `index` lies past the end.
    ///
    /// # Time complexity
    /// Linear in the number of elements behind it.
    pub fn try_insert(&mut self, index: usize, element: T) -> Result<(), Refused<T>> {
        if index > self.len {
            return Err(Refused { value: element, refusal: Refusal::OutOfBounds { len: self.len } });
        }
        self.try_push(element)?;
        if let Some(behind) = self.get_mut(index..) {
            behind.rotate_right(1);
        }
        Ok(())
    }

    /// Takes the last element out.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        self.len = self.len.checked_sub(1)?;
        // SAFETY: this element was initialised, and no longer counts.
        Some(unsafe { self.elements.add(self.len).read() })
    }

    /// Takes an element out, and puts the last one into its place. `None`: there is no such element.
    ///
    /// # Time complexity
    /// Constant.
    #[inline]
    pub fn swap_remove(&mut self, index: usize) -> Option<T> {
        if index >= self.len {
            return None;
        }
        let last = self.len - 1;
        self.swap(index, last);
        self.pop()
    }

    /// Takes an element out, and moves those behind it one place forward. `None`: there is no such element.
    ///
    /// # Time complexity
    /// Linear in the number of elements behind it.
    pub fn remove(&mut self, index: usize) -> Option<T> {
        let behind = self.get_mut(index..).filter(|behind| !behind.is_empty())?;
        behind.rotate_left(1);
        self.pop()
    }

    /// Drops all elements but the first `len`, here and now.
    pub fn truncate(&mut self, len: usize) {
        if len < self.len {
            let rest =
                ptr::slice_from_raw_parts_mut(self.elements.as_ptr().wrapping_add(len), self.len - len);
            // First, so that a destructor that panics cannot lead to a second drop.
            self.len = len;
            // SAFETY: these elements were initialised, and no longer count.
            unsafe { rest.drop_in_place() };
        }
    }

    /// Drops all elements, here and now.
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// Keeps the elements for which `keep` says so, in their order, and drops the others, here and now.
    ///
    /// # Time complexity
    /// Linear.
    pub fn retain_mut(&mut self, mut keep: impl FnMut(&mut T) -> bool) {
        let mut kept = 0;
        for index in 0..self.len {
            if keep(&mut self[index]) {
                self.swap(kept, index);
                kept += 1;
            }
        }
        self.truncate(kept);
    }
}

impl<T> Default for RtVec<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for RtVec<T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(shared) = self.shared {
            let elements = NonNull::slice_from_raw_parts(self.elements, self.len);
            // SAFETY: (A1, A3, A5) the elements and their block are this vector's, which ends here.
            unsafe { Shared::drop(shared, elements) };
        }
    }
}

impl<T> Deref for RtVec<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: (A1, A3) that many elements are initialised, in a block that is live and this vector's.
        unsafe { slice::from_raw_parts(self.elements.as_ptr(), self.len) }
    }
}

impl<T> DerefMut for RtVec<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and the vector is borrowed exclusively.
        unsafe { slice::from_raw_parts_mut(self.elements.as_ptr(), self.len) }
    }
}

impl<'a, T> IntoIterator for &'a RtVec<T> {
    type Item = &'a T;
    type IntoIter = slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, T> IntoIterator for &'a mut RtVec<T> {
    type Item = &'a mut T;
    type IntoIter = slice::IterMut<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl<T: fmt::Debug> fmt::Debug for RtVec<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
