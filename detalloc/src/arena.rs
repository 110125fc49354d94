//! An arena: memory that is handed out front to back and taken back all at once.
//!
//! Allocating is a bounds check and an addition; nothing is freed one by one. What is handed out borrows the arena, so
//! that taking everything back while something is still in use does not compile. For the temporary buffers of one
//! callback, one frame, one request.

use crate::error::ArenaFull;
use core::{
    alloc::Layout,
    cell::Cell,
    fmt,
    marker::PhantomData,
    mem::{self, MaybeUninit},
    ptr::NonNull,
    slice,
};

/// An arena in the caller's memory, of fixed capacity.
///
/// ```
/// use core::mem::MaybeUninit;
/// use detalloc::Arena;
///
/// let mut region = [MaybeUninit::uninit(); 4096];
/// let mut arena = Arena::new(&mut region);
/// for _callback in 0..3 {
///     arena.reset();
///     let left = arena.slice(64, 64, 0.0_f32)?;
///     let right = arena.slice(64, 64, 0.0_f32)?;
///     left[0] = 1.0;
///     right[0] = left[0];
/// }
/// assert_eq!(arena.high_water_bytes(), arena.used_bytes());
/// # Ok::<(), detalloc::ArenaFull>(())
/// ```
///
/// ```compile_fail
/// # let mut region = [core::mem::MaybeUninit::uninit(); 64];
/// # let mut arena = detalloc::Arena::new(&mut region);
/// let kept = arena.value(1_u8).unwrap();
/// arena.reset();
/// *kept = 2;
/// ```
pub struct Arena<'r> {
    start: NonNull<u8>,
    capacity: usize,
    /// Invariant: `used <= capacity`, and nothing beyond it has been handed out, or lent to a scope.
    used: Cell<usize>,
    high_water: Cell<usize>,
    region: PhantomData<&'r mut [MaybeUninit<u8>]>,
}

// SAFETY: the arena has its region to itself; the cells make it not `Sync`, and what it has handed out borrows it.
unsafe impl Send for Arena<'_> {}

impl<'r> Arena<'r> {
    /// An empty arena in `region`, every page of which is touched.
    ///
    /// # Time complexity
    /// Linear in the number of pages. Not for real-time paths.
    #[must_use]
    pub fn new(region: &'r mut [MaybeUninit<u8>]) -> Self {
        crate::region::touch(region);
        Self {
            capacity: region.len(),
            start: NonNull::from(region).cast(),
            used: Cell::new(0),
            high_water: Cell::new(0),
            region: PhantomData,
        }
    }

    /// Hands out memory for a layout.
    ///
    /// # Errors
    /// [`ArenaFull`] if and only if the rest of the region is too small, what alignment costs included. Nothing has
    /// changed then.
    ///
    /// # Time complexity
    /// Constant.
    #[inline]
    pub fn allocate(&self, layout: Layout) -> Result<NonNull<u8>, ArenaFull> {
        let used = self.used.get();
        // Modulo the alignment, so that an address near the end of the address space does no harm.
        let padding = (self.start.as_ptr().addr() + used).wrapping_neg() & (layout.align() - 1);
        let needed = layout.size().saturating_add(padding);
        let left = self.capacity - used;
        if needed > left {
            return Err(ArenaFull { needed_bytes: needed, left_bytes: left });
        }
        self.used.set(used + needed);
        self.high_water.set(self.high_water.get().max(used + needed));
        // SAFETY: `used + padding <= capacity`, so this lies in the region or just behind it.
        Ok(unsafe { self.start.add(used + padding) })
    }

    /// Moves a value in. It must not have a destructor, because none would run; that is checked when it is compiled.
    ///
    /// # Errors
    /// As [`Arena::allocate`]; the value is lost then, which is no loss for one without a destructor.
    ///
    /// # Time complexity
    /// Constant.
    #[inline]
    #[expect(clippy::mut_from_ref, reason = "each call hands out memory that nobody else has")]
    pub fn value<T>(&self, value: T) -> Result<&mut T, ArenaFull> {
        const {
            assert!(!mem::needs_drop::<T>(), "an arena runs no destructors");
        }
        let mut place = self.allocate(Layout::new::<T>())?.cast::<T>();
        // SAFETY: the memory is this large and aligned, nobody else has it, and it stays until the arena is reset, which
        // the borrow rules out.
        unsafe {
            place.write(value);
            Ok(place.as_mut())
        }
    }

    /// A slice of `len` times `fill`, at an alignment of `align_bytes` (a power of two) or that of the type, whichever
    /// is stricter: 64 for whole cache lines and vector instructions.
    ///
    /// # Errors
    /// As [`Arena::allocate`]; a length or alignment that exceeds the address space never fits.
    ///
    /// # Time complexity
    /// Constant, and linear in the length for the filling.
    #[inline]
    #[expect(clippy::mut_from_ref, reason = "each call hands out memory that nobody else has")]
    pub fn slice<T: Copy>(&self, len: usize, align_bytes: usize, fill: T) -> Result<&mut [T], ArenaFull> {
        let never = ArenaFull { needed_bytes: usize::MAX, left_bytes: self.capacity - self.used.get() };
        let layout = Layout::array::<T>(len).and_then(|layout| layout.align_to(align_bytes));
        let place = self.allocate(layout.map_err(|_| never)?)?.cast::<T>();
        // SAFETY: as for a value; all elements are written before the slice exists.
        unsafe {
            // wcet: call: fills what was asked for
            for element in 0..len {
                // wcet: call: fills what was asked for
                place.add(element).write(fill);
            }
            Ok(slice::from_raw_parts_mut(place.as_ptr(), len))
        }
    }

    /// Runs `scope` with an arena of what is left, and takes that back at its end: for buffers that are needed within a
    /// part of a callback. What was handed out before stays in use, and scopes nest. Until the end this arena itself is
    /// full.
    ///
    /// ```
    /// # use core::mem::MaybeUninit;
    /// # let mut region = [MaybeUninit::uninit(); 1024];
    /// let arena = detalloc::Arena::new(&mut region);
    /// let sum = arena.value(0.0_f32)?;
    /// for number in 1..=3_u8 {
    ///     arena.scope(|inner| {
    ///         *sum += inner.slice(100, 64, f32::from(number))?.iter().sum::<f32>();
    ///         Ok(())
    ///     })?;
    /// }
    /// assert_eq!(*sum, 600.0);
    /// # Ok::<(), detalloc::ArenaFull>(())
    /// ```
    ///
    /// ```compile_fail
    /// # let mut region = [core::mem::MaybeUninit::uninit(); 64];
    /// # let arena = detalloc::Arena::new(&mut region);
    /// let kept = arena.scope(|inner| inner.value(1_u8).unwrap());
    /// ```
    ///
    /// # Time complexity
    /// Constant, beside the scope itself.
    #[inline]
    pub fn scope<R>(&self, scope: impl FnOnce(&Arena<'_>) -> R) -> R {
        /// Takes the rest back, also when the scope panics.
        struct Lent<'a> {
            by: &'a Arena<'a>,
            used: usize,
            rest: Arena<'a>,
        }
        impl Drop for Lent<'_> {
            fn drop(&mut self) {
                self.by.used.set(self.used);
                let most = self.used + self.rest.high_water.get();
                self.by.high_water.set(self.by.high_water.get().max(most));
            }
        }
        // Full until the end, so that nothing of the rest is handed out here too.
        let used = self.used.replace(self.capacity);
        let rest = Arena {
            // SAFETY: `used <= capacity`, so this lies in the region or just behind it.
            start: unsafe { self.start.add(used) },
            capacity: self.capacity - used,
            used: Cell::new(0),
            high_water: Cell::new(0),
            region: PhantomData,
        };
        let lent = Lent { by: self, used, rest };
        scope(&lent.rest)
    }

    /// Takes everything back.
    ///
    /// # Time complexity
    /// Constant.
    #[inline]
    pub fn reset(&mut self) {
        self.used.set(0);
    }

    /// How much has been handed out since the last reset, in bytes, with what alignment cost; all of it within a scope.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.used.get()
    }

    /// The most that was ever handed out at once, in bytes.
    #[must_use]
    pub fn high_water_bytes(&self) -> usize {
        self.high_water.get()
    }

    /// How much the region holds, in bytes.
    #[must_use]
    pub fn capacity_bytes(&self) -> usize {
        self.capacity
    }
}

impl fmt::Debug for Arena<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arena")
            .field("used_bytes", &self.used_bytes())
            .field("high_water_bytes", &self.high_water_bytes())
            .field("capacity_bytes", &self.capacity)
            .finish()
    }
}
