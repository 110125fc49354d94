//! Arenas: what is handed out is where a sum says, overlaps nothing and keeps its contents; scopes give back what they took.

use crate::{input::Input, world::region};
use core::{alloc::Layout, ops::Range, ptr::NonNull};
use detalloc::{Arena, ArenaFull};

/// The most scopes within each other.
const DEPTH: usize = 5;

/// Runs one input.
///
/// # Panics
/// If an arena and the sum disagree.
#[must_use]
pub fn run(data: &[u8]) -> u64 {
    let mut input = Input::new(data);
    let bytes = input.below(1 << 13);
    let mut memory = Vec::new();
    let shift = usize::from(input.byte() % 64);
    let region = region(&mut memory, bytes, shift);
    let start = region.as_ptr().addr();
    let mut arena = Arena::new(region);
    let mut operations = 0;
    let mut high_water = 0;
    while !input.is_empty() {
        let model = &mut Model { start, capacity: bytes, used: 0, high_water, operations: 0 };
        inside(&arena, model, &mut input, 0);
        high_water = model.high_water;
        operations += model.operations + 1;
        arena.reset();
        assert_eq!((arena.used_bytes(), arena.high_water_bytes()), (0, high_water));
    }
    operations
}

struct Model {
    start: usize,
    capacity: usize,
    used: usize,
    high_water: usize,
    operations: u64,
}

impl Model {
    /// Where a layout goes: how much is used with it, and its address.
    fn allocate(&mut self, layout: Layout) -> Result<usize, ArenaFull> {
        let at = self.start + self.used;
        let padding = at.next_multiple_of(layout.align()) - at;
        let (needed_bytes, left_bytes) = (padding + layout.size(), self.capacity - self.used);
        if needed_bytes > left_bytes {
            return Err(ArenaFull { needed_bytes, left_bytes });
        }
        self.used += needed_bytes;
        self.high_water = self.high_water.max(self.used);
        Ok(at + padding)
    }
}

/// What was handed out, and what it is filled with.
struct Part {
    start: NonNull<u8>,
    len: usize,
    fill: u8,
}

impl Part {
    fn check(&self) {
        // SAFETY: handed out and filled, and the arena still stands.
        let bytes = unsafe { core::slice::from_raw_parts(self.start.as_ptr().cast_const(), self.len) };
        assert!(bytes.iter().all(|&byte| byte == self.fill), "what was handed out has changed");
    }

    fn addresses(&self) -> Range<usize> {
        let start = self.start.as_ptr().addr();
        start..start + self.len
    }
}

fn inside(arena: &Arena<'_>, model: &mut Model, input: &mut Input<'_>, depth: usize) {
    let mut parts: Vec<Part> = Vec::new();
    while !input.is_empty() {
        model.operations += 1;
        let kind = input.byte();
        match kind % 8 {
            0..=2 => {
                let size = input.below(200);
                let layout = Layout::from_size_align(size, 1 << ((kind >> 3) % 9)).expect("small");
                let got = arena.allocate(layout);
                let expected = model.allocate(layout);
                assert_eq!(got.map(|start| start.as_ptr().addr()), expected);
                if let Ok(start) = got {
                    // SAFETY: just handed out, so large.
                    unsafe { start.write_bytes(kind, size) };
                    parts.push(Part { start, len: size, fill: kind });
                }
            }
            3 | 4 => {
                let len = input.below(200);
                let align = 1 << ((kind >> 3) % 8);
                let layout = Layout::array::<u8>(len).and_then(|layout| layout.align_to(align));
                let got = arena.slice(len, align, kind);
                let expected = model.allocate(layout.expect("small"));
                assert_eq!(got.as_ref().map(|slice| slice.as_ptr().addr()), expected.as_ref().copied());
                parts.extend(got.ok().map(|slice| Part {
                    start: NonNull::from(slice).cast(),
                    len,
                    fill: kind,
                }));
            }
            5 => {
                // Whatever the numbers are, a refusal or a slice of that length.
                let (len, align) = (input.size(), input.size());
                let left = model.capacity - model.used;
                match arena.slice(len, align, 0_u32) {
                    Ok(slice) => {
                        assert!(align.is_power_of_two() && slice.len() == len && len <= left);
                        let start = NonNull::from(&mut *slice).cast::<u8>();
                        let layout = Layout::array::<u32>(len).and_then(|layout| layout.align_to(align));
                        assert_eq!(model.allocate(layout.expect("it was served")), Ok(start.as_ptr().addr()));
                        parts.push(Part { start, len: size_of_val(slice), fill: 0 });
                    }
                    Err(full) => assert!(full.needed_bytes > full.left_bytes && full.left_bytes == left),
                }
            }
            6 if depth < DEPTH => {
                let at = model.used;
                let mut rest = Model {
                    start: model.start + at,
                    capacity: model.capacity - at,
                    used: 0,
                    high_water: 0,
                    operations: 0,
                };
                arena.scope(|inner| {
                    assert_eq!((arena.used_bytes(), inner.used_bytes()), (model.capacity, 0));
                    inside(inner, &mut rest, input, depth + 1);
                });
                model.operations += rest.operations;
                model.high_water = model.high_water.max(at + rest.high_water);
            }
            7 => break,
            _ => parts.iter().for_each(Part::check),
        }
        assert_eq!((arena.used_bytes(), arena.high_water_bytes()), (model.used, model.high_water));
    }
    parts.iter().for_each(Part::check);
    let mut addresses: Vec<_> = parts.iter().map(Part::addresses).filter(|part| !part.is_empty()).collect();
    addresses.sort_unstable_by_key(|part| part.start);
    assert!(addresses.windows(2).all(|pair| pair[0].end <= pair[1].start), "parts overlap");
}
