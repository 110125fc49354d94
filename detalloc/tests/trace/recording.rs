//! What is recorded, and that it changes nothing.

use super::*;
use detalloc::trace::{Position, head};

#[test]
fn changes_nothing_about_the_blocks_that_are_handed_out() {
    // From a page's start, so that both heaps lie alike.
    let [mut plain, mut watched] =
        [(); 2].map(|()| vec![MaybeUninit::uninit(); CONFIG.bytes_needed() + 4096]);
    let [plain, watched] = [&mut plain, &mut watched].map(|memory| {
        let start = memory.as_ptr().align_offset(4096);
        &mut memory[start..]
    });
    let addresses = [plain.as_ptr().addr(), watched.as_ptr().addr()];
    // Room for half of it, so that recording ends midway.
    let mut memory = vec![0; 10_000];
    let mut plain = Heap::new(plain, &CONFIG).unwrap();
    let heap = Heap::new(watched, &CONFIG).unwrap();
    let mut watched = Observed::new(heap, Recorder::new(&mut memory).unwrap());
    let expected = work(&mut plain, addresses[0], 5000);
    let got = work(&mut watched, addresses[1], 5000);
    assert!(watched.observer().lost() > 0, "recording ended midway");
    assert_eq!(got, expected);
}

#[test]
fn of_the_same_history_is_the_same_bytes_wherever_the_heap_lies() {
    let _elsewhere = region();
    assert_eq!(recorded(3000), recorded(3000));
}

#[test]
fn follows_every_operation() {
    let (mut region, mut memory) = (region(), vec![0; 100_000]);
    let heap = Heap::new(&mut region, &CONFIG).unwrap();
    let mut events = Vec::new();
    let log = detalloc::Hook(|event: &Event| events.push(*event));
    let mut heap = Observed::new(heap, (Recorder::new(&mut memory).unwrap(), log));
    work(&mut heap, 0, 3000);
    let trace = heap.into_parts().1.0.into_trace();
    let mut first = None;
    let mut id = |block: NonNull<u8>| {
        let address = block.as_ptr().addr() as u64;
        BlockId(address.wrapping_sub(*first.get_or_insert(address)))
    };
    let read = |given: Layout| given.align_to(16).unwrap();
    let expected: Vec<_> = events
        .iter()
        .map(|event| match *event {
            Event::Allocated { layout, block } => {
                Record::Allocated { block: id(block), layout: read(layout) }
            }
            Event::Freed { block, .. } => Record::Freed { block: id(block) },
            Event::Refused { layout, .. } => Record::Refused { layout: read(layout) },
            Event::Reallocated { block, moved_to, new_bytes, .. } => {
                Record::Reallocated { block: id(block), moved_to: id(moved_to), new_bytes }
            }
            Event::ReallocateRefused { block, new_bytes, .. } => {
                Record::ReallocateRefused { block: id(block), new_bytes }
            }
            Event::FreeRefused { .. } => panic!("nothing wrong was freed"),
        })
        .collect();
    assert_eq!(records(trace), expected);
    let kinds: std::collections::BTreeSet<_> =
        expected.iter().map(|it| format!("{it:?}").split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(kinds.len(), 5, "all kinds occurred: {kinds:?}");
}

#[test]
fn takes_four_bytes_an_operation_on_average() {
    let trace = recorded(20_000);
    let records = records(&trace).len();
    let each = trace.len() * 100 / records;
    println!("{} bytes for {records} records: {each} hundredths of a byte each", trace.len());
    assert!(each <= 400, "{each}");
}

#[test]
fn keeps_the_greatest_numbers() {
    let max = isize::MAX.unsigned_abs();
    let events = [
        Event::Allocated { layout: layout(0, 1), block: block(1) },
        Event::Allocated { layout: layout(max - 4095, 4096), block: block(usize::MAX) },
        Event::Allocated { layout: layout(0, 1 << (usize::BITS - 2)), block: block(usize::MAX / 2 + 1) },
        Event::ReallocateRefused {
            block: block(3),
            layout: layout(1, 1),
            new_bytes: usize::MAX,
            error: ResizeError::Memory(detalloc::AllocError::Corrupt),
        },
    ];
    let at = |address: usize| BlockId(address.wrapping_sub(1) as u64);
    let expected = [
        Record::Allocated { block: at(1), layout: layout(0, 16) },
        Record::Allocated { block: at(usize::MAX), layout: layout(max - 4095, 4096) },
        Record::Allocated { block: at(usize::MAX / 2 + 1), layout: layout(0, 1 << (usize::BITS - 2)) },
        Record::ReallocateRefused { block: at(3), new_bytes: usize::MAX },
    ];
    assert_eq!(records(&trace_of(&events)), expected);
}

#[test]
fn marks_what_the_program_wants_marked() {
    let mut memory = [0; 100];
    let mut recorder = Recorder::new(&mut memory).unwrap();
    recorder.mark(0);
    recorder.mark(u64::MAX);
    assert_eq!(records(recorder.trace()), [Record::Mark(0), Record::Mark(u64::MAX)]);
}

#[test]
fn leaves_out_pointers_that_were_refused() {
    let foreign = detalloc::FreeError::Foreign;
    let events = [
        Event::FreeRefused { block: block(16), error: foreign },
        Event::ReallocateRefused {
            block: block(16),
            layout: layout(1, 1),
            new_bytes: 2,
            error: ResizeError::Block(foreign),
        },
    ];
    assert_eq!(records(&trace_of(&events)), []);
}

/// As the recorder of one memory would have written it.
#[test]
fn goes_on_in_other_memory_as_if_it_were_one() {
    let mut events = Vec::new();
    for n in 0..100 {
        events.push(Event::Allocated { layout: layout(n * 7 + 1, 16), block: block(0x1000 + n * 0x140) });
        if n % 3 == 2 {
            events.push(Event::Freed { block: block(0x1000 + (n - 1) * 0x140), layout: None });
        }
    }
    let whole = trace_of(&events);
    let (mut position, mut records) = (Position::default(), Vec::new());
    for events in events.chunks(7) {
        let mut memory = [0; 512];
        let mut recorder = Recorder::continued(&mut memory, position).unwrap();
        events.iter().for_each(|event| recorder.observe((), event));
        assert_eq!(recorder.room(), 512 - recorder.trace().len());
        records.extend_from_slice(recorder.records());
        position = recorder.position();
    }
    assert_eq!([&head(records.len() as u64, 0)[..], &records].concat(), whole);
}
