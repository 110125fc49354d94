//! The lane that events take from any thread to the reaper: wait-free, and in the order in which they happened.
//!
//! A producer takes a ticket, which is its place in the order, writes its event into that place of a ring, and says so in
//! the place itself. The consumer reads places in order and stops at the first that is not written yet.
//!
//! - **(L1)** The place of a ticket is written by its producer alone, and only while the ticket is less than one round ahead of
//!   what has been read. So what was written there before has been read.
//! - **(L2)** A producer whose ticket is a whole round ahead writes nothing. Nobody else ever writes that ticket, so the lane
//!   ends before it: what is received is all that happened until then.
//!
//! Tickets are in the order of what happened: an event that happened before another one took its ticket first, as both took
//! them from one atomic word. `tests/loom.rs` explores this.

use crate::sync::{AtomicUsize, Ordering};

/// How many words an event has.
pub const WORDS: usize = 2;

/// One place of the ring.
struct Place {
    /// The ticket of what was written here last, plus one.
    written: AtomicUsize,
    event: [AtomicUsize; WORDS],
}

/// The lane.
pub struct Lane {
    places: Box<[Place]>,
    /// The next ticket.
    next: AtomicUsize,
    /// How many have been read.
    read: AtomicUsize,
    /// 1 as soon as a ticket found the lane full.
    full: AtomicUsize,
}

impl Lane {
    /// An empty lane with so many places, all of them touched.
    #[must_use]
    pub fn new(places: usize) -> Self {
        let place =
            || Place { written: AtomicUsize::new(0), event: [AtomicUsize::new(0), AtomicUsize::new(0)] };
        let places: Box<[Place]> = (0..places).map(|_| place()).collect();
        // Memory that is zero from the start may have no pages yet.
        // Relaxed: nobody else has the lane yet.
        places.iter().for_each(|place| place.written.store(0, Ordering::Relaxed));
        Self { places, next: AtomicUsize::new(0), read: AtomicUsize::new(0), full: AtomicUsize::new(0) }
    }

    /// Sends an event. A full lane ends instead.
    ///
    /// # Time complexity
    /// Wait-free where an atomic addition is.
    #[inline]
    pub fn send(&self, event: [usize; WORDS]) {
        // Relaxed: all that counts is the order of this one word, which keeps to what happened before.
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        // Acquire: what was in the place has been read (L1).
        let ahead = ticket.wrapping_sub(self.read.load(Ordering::Acquire));
        let place =
            if ahead < self.places.len() { self.places.get(ticket % self.places.len()) } else { None };
        let Some(place) = place else {
            // (L2) Relaxed: a count that comes late.
            return self.full.store(1, Ordering::Relaxed);
        };
        for (word, value) in place.event.iter().zip(event) {
            word.store(value, Ordering::Relaxed);
        }
        // Release: whoever sees this sees the event.
        place.written.store(ticket.wrapping_add(1), Ordering::Release);
    }

    /// The next event, if it has been written.
    ///
    /// # Safety
    /// Nobody else receives at the same time.
    pub unsafe fn receive(&self) -> Option<[usize; WORDS]> {
        // Relaxed: only this side writes it.
        let ticket = self.read.load(Ordering::Relaxed);
        let place = self.places.get(ticket % self.places.len())?;
        // Acquire: the event is seen.
        if place.written.load(Ordering::Acquire) != ticket.wrapping_add(1) {
            return None;
        }
        let [first, second] = &place.event;
        let event = [first.load(Ordering::Relaxed), second.load(Ordering::Relaxed)];
        // Release: the event was read before the place is written again.
        self.read.store(ticket.wrapping_add(1), Ordering::Release);
        Some(event)
    }

    /// How many events will never be received, because the lane was full; 0 as long as all is well. Exact when all others have
    /// been received.
    #[must_use]
    pub fn lost(&self) -> usize {
        // Relaxed: counts that come late, here and below.
        if self.full.load(Ordering::Relaxed) == 0 { 0 } else { self.waiting() }
    }

    /// Whether nothing is left to receive, if nobody sends any more.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting() == self.lost()
    }

    fn waiting(&self) -> usize {
        self.next.load(Ordering::Relaxed).wrapping_sub(self.read.load(Ordering::Relaxed))
    }
}
