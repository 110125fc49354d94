//! Hooks: functions of the caller's that are called after allocations, frees, reallocations and refusals.
//!
//! [`Hook`] takes a closure and is all that Rust needs; [`Hooks`] holds function pointers with user data,
//! which can be set and unset while the program runs, as a C interface wants it. A hook gets values and no
//! access to the heap; what it costs is added to every operation that it hears of.

use crate::observe::{Event, Observer};

/// A closure that hears of every event.
///
/// ```
/// use core::{alloc::Layout, mem::MaybeUninit};
/// use detalloc::{Allocate, Config, Event, Heap, Hook, Observed, PoolConfig};
///
/// const CONFIG: Config = Config::constant(&[PoolConfig::new(64, 1)]);
/// let mut region = [MaybeUninit::uninit(); CONFIG.bytes_needed()];
/// let mut refused = 0;
/// let count = Hook(|event: &Event| refused += usize::from(matches!(event, Event::Refused { .. })));
/// let mut heap = Observed::new(Heap::new(&mut region, &CONFIG)?, count);
/// heap.allocate(Layout::new::<u64>())?;
/// assert!(heap.allocate(Layout::new::<u64>()).is_err());
/// drop(heap);
/// assert_eq!(refused, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Hook<F>(pub F);

impl<F: FnMut(&Event)> Observer for Hook<F> {
    type Start = ();

    #[inline]
    fn start(&mut self) {}

    #[inline]
    fn observe(&mut self, (): (), event: &Event) {
        self.0(event);
    }
}

/// What a function of [`Hooks`] hears of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookKind {
    /// [`Event::Allocated`].
    Allocated,
    /// [`Event::Freed`].
    Freed,
    /// [`Event::Reallocated`], in place or moved.
    Reallocated,
    /// The three refusals.
    Refused,
}

impl HookKind {
    const COUNT: usize = 4;

    /// The kind of hook that hears of an event.
    #[inline]
    #[must_use]
    pub const fn of(event: &Event) -> Self {
        match event {
            Event::Allocated { .. } => Self::Allocated,
            Event::Freed { .. } => Self::Freed,
            Event::Reallocated { .. } => Self::Reallocated,
            Event::Refused { .. } | Event::FreeRefused { .. } | Event::ReallocateRefused { .. } => {
                Self::Refused
            }
        }
    }
}

/// A function that is called after an event, with user data of its own.
pub type HookFn<U> = fn(&Event, &mut U);

/// At most one function of each kind, each with user data of its own. None at first.
///
/// ```
/// use core::{alloc::Layout, cell::Cell, mem::MaybeUninit};
/// use detalloc::{Allocate, Config, Event, Heap, HookKind, Hooks, Observed, PoolConfig};
///
/// fn count(_: &Event, counter: &mut &Cell<usize>) {
///     counter.set(counter.get() + 1);
/// }
///
/// const CONFIG: Config = Config::constant(&[PoolConfig::new(64, 8)]);
/// let mut region = [MaybeUninit::uninit(); CONFIG.bytes_needed()];
/// let counter = Cell::new(0);
/// let mut heap = Observed::new(Heap::new(&mut region, &CONFIG)?, Hooks::new());
/// heap.observer_mut().set(HookKind::Allocated, count, &counter);
/// heap.allocate(Layout::new::<u64>())?;
/// heap.observer_mut().unset(HookKind::Allocated);
/// heap.allocate(Layout::new::<u64>())?;
/// assert_eq!(counter.get(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Hooks<U> {
    hooks: [Option<(HookFn<U>, U)>; HookKind::COUNT],
}

impl<U> Hooks<U> {
    /// No hooks.
    #[must_use]
    pub const fn new() -> Self {
        Self { hooks: [const { None }; HookKind::COUNT] }
    }

    /// Sets the function that is called after every event of a kind, instead of the one that was. Gives back
    /// the user data of that one.
    pub fn set(&mut self, kind: HookKind, function: HookFn<U>, user_data: U) -> Option<U> {
        self.hooks[kind as usize].replace((function, user_data)).map(|(_, user_data)| user_data)
    }

    /// Removes the function of a kind. Gives back its user data.
    pub fn unset(&mut self, kind: HookKind) -> Option<U> {
        self.hooks[kind as usize].take().map(|(_, user_data)| user_data)
    }
}

impl<U> Default for Hooks<U> {
    fn default() -> Self {
        Self::new()
    }
}

impl<U> Observer for Hooks<U> {
    type Start = ();

    #[inline]
    fn start(&mut self) {}

    #[inline]
    fn observe(&mut self, (): (), event: &Event) {
        if let Some((function, user_data)) = &mut self.hooks[HookKind::of(event) as usize] {
            function(event, user_data);
        }
    }
}
