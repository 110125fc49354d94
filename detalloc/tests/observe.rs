//! What observers promise: they see every operation once, change nothing, and cost nothing where there are
//! none.

use core::{alloc::Layout, mem::MaybeUninit, ptr::NonNull};
use detalloc::{
    AllocError, Allocate, Clock, Config, Event, FreeError, Heap, Hook, HookKind, Hooks, Observed, Observer,
    OperationStats, PoolConfig, ResizeError, Wcet,
};

const CONFIG: Config = Config::constant(&[PoolConfig::new(64, 3), PoolConfig::new(1024, 1)]);

fn region() -> Vec<MaybeUninit<u8>> {
    vec![MaybeUninit::uninit(); CONFIG.bytes_needed()]
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 8).unwrap()
}

/// Writes down what it hears.
#[derive(Default)]
struct Log(Vec<Event>);

impl Observer for Log {
    type Start = usize;

    fn start(&mut self) -> usize {
        self.0.len()
    }

    fn observe(&mut self, start: usize, event: &Event) {
        assert_eq!(start, self.0.len(), "one start for each event");
        self.0.push(*event);
    }
}

mod events {
    use super::*;

    /// A heap, and what its observer heard during `work`.
    fn heard(work: impl FnOnce(&mut Observed<Heap<'_>, Log>)) -> Vec<Event> {
        let mut region = region();
        let mut heap = Observed::new(Heap::new(&mut region, &CONFIG).unwrap(), Log::default());
        work(&mut heap);
        heap.into_parts().1.0
    }

    #[test]
    fn an_allocation_is_heard_with_its_layout_and_its_block() {
        let mut blocks = Vec::new();
        let events = heard(|heap| blocks.push(heap.allocate(layout(48)).unwrap()));
        assert_eq!(events, [Event::Allocated { layout: layout(48), block: blocks[0] }]);
    }

    #[test]
    fn zeroed_blocks_and_arrays_are_heard_as_allocations() {
        let events = heard(|heap| {
            heap.allocate_zeroed(layout(48)).unwrap();
            heap.allocate_array::<u32>(5).unwrap();
        });
        assert!(matches!(events[..], [Event::Allocated { .. }, Event::Allocated { .. }]), "{events:?}");
    }

    #[test]
    fn a_refusal_is_heard_with_its_reason() {
        let events = heard(|heap| _ = heap.allocate(layout(5000)));
        let error = AllocError::Unsupported { size_bytes: 5000, align_bytes: 8 };
        assert_eq!(events, [Event::Refused { layout: layout(5000), error }]);
    }

    #[test]
    fn a_free_is_heard_with_the_layout_if_there_was_one() {
        let mut block = NonNull::dangling();
        let events = heard(|heap| {
            for with_layout in [true, false] {
                block = heap.allocate(layout(48)).unwrap();
                // SAFETY: the block is live, and not used afterwards.
                unsafe {
                    if with_layout { heap.free_layout(block, layout(48)) } else { heap.free(block) }.unwrap();
                }
            }
        });
        assert_eq!(events[1], Event::Freed { block, layout: Some(layout(48)) });
        assert_eq!(events[3], Event::Freed { block, layout: None });
    }

    #[test]
    fn a_free_that_is_refused_is_heard_with_its_reason() {
        let foreign = NonNull::from(&0_u64).cast();
        let events = heard(|heap| {
            let block = heap.allocate(layout(48)).unwrap();
            // SAFETY: the block is live and not used afterwards, and the rest is refused.
            unsafe {
                heap.free(block).unwrap();
                assert_eq!(heap.free(block), Err(FreeError::DoubleFree));
                assert_eq!(heap.free_layout(foreign, layout(8)), Err(FreeError::Foreign));
            }
        });
        assert!(matches!(events[2], Event::FreeRefused { error: FreeError::DoubleFree, .. }));
        assert_eq!(events[3], Event::FreeRefused { block: foreign, error: FreeError::Foreign });
    }

    #[test]
    fn a_reallocation_is_one_event_whether_it_moves_or_not() {
        let mut blocks = Vec::new();
        let events = heard(|heap| {
            blocks.push(heap.allocate(layout(48)).unwrap());
            for bytes in [60, 1000] {
                // SAFETY: the last block is live and of at least this layout.
                blocks.push(unsafe { heap.reallocate(blocks[0], layout(48), bytes) }.unwrap());
            }
        });
        let (layout, block, moved_to) = (layout(48), blocks[0], blocks[2]);
        assert_eq!(events[1], Event::Reallocated { block, layout, new_bytes: 60, moved_to: block });
        assert_eq!(events[2], Event::Reallocated { block, layout, new_bytes: 1000, moved_to });
        assert_eq!(events.len(), 3);
        assert_ne!(block, moved_to);
    }

    #[test]
    fn a_reallocation_that_is_refused_leaves_the_block_live() {
        let events = heard(|heap| {
            let block = heap.allocate(layout(48)).unwrap();
            for bytes in [5000, usize::MAX] {
                // SAFETY: the block is live and of this layout.
                let refused = unsafe { heap.reallocate(block, layout(48), bytes) };
                assert!(matches!(refused, Err(ResizeError::Memory(_))));
            }
            assert_eq!(heap.usable_bytes(block), Ok(64));
        });
        assert!(matches!(events[1], Event::ReallocateRefused { new_bytes: 5000, .. }));
        assert!(matches!(events[2], Event::ReallocateRefused { new_bytes: usize::MAX, .. }));
    }
}

mod composition {
    use super::*;
    use core::cell::RefCell;

    /// Writes its name at each start and each end.
    struct Named<'a>(&'static str, &'a RefCell<String>);

    impl Observer for Named<'_> {
        type Start = ();

        fn start(&mut self) {
            self.1.borrow_mut().push_str(self.0);
        }

        fn observe(&mut self, (): (), _: &Event) {
            self.1.borrow_mut().push_str(self.0);
        }
    }

    #[test]
    fn the_second_of_a_pair_is_nearer_to_the_operation() {
        let log = RefCell::default();
        let mut region = region();
        let heap = Heap::new(&mut region, &CONFIG).unwrap();
        let mut heap = Observed::new(heap, (Named("a", &log), (Named("b", &log), Named("c", &log))));
        heap.allocate(layout(1)).unwrap();
        assert_eq!(*log.borrow(), "abccba");
    }

    #[test]
    fn an_observer_can_be_lent_and_switched_off() {
        let mut region = region();
        let mut log = Log::default();
        let mut heap = Observed::new(Heap::new(&mut region, &CONFIG).unwrap(), Some(&mut log));
        heap.allocate(layout(1)).unwrap();
        *heap.observer_mut() = None;
        heap.allocate(layout(1)).unwrap();
        assert_eq!(log.0.len(), 1);
    }

    #[test]
    fn layers_stack() {
        let mut region = region();
        let heap = Observed::new(Heap::new(&mut region, &CONFIG).unwrap(), Log::default());
        let mut heap = Observed::new(heap, Log::default());
        heap.allocate(layout(1)).unwrap();
        assert_eq!(heap.heap().observer().0, heap.observer().0);
    }

    #[test]
    fn nobody_watching_takes_no_room() {
        assert_eq!(size_of::<Observed<Heap<'_>, ()>>(), size_of::<Heap<'_>>());
    }
}

mod hooks {
    use super::*;

    fn count(event: &Event, counts: &mut Vec<HookKind>) {
        counts.push(HookKind::of(event));
    }

    #[test]
    fn each_kind_reaches_its_own_hook_with_its_own_data() {
        use HookKind::{Allocated, Freed, Reallocated, Refused};
        let mut region = region();
        let mut heap = Observed::new(Heap::new(&mut region, &CONFIG).unwrap(), Hooks::new());
        for kind in [Allocated, Freed, Reallocated, Refused] {
            assert!(heap.observer_mut().set(kind, count, Vec::new()).is_none());
        }
        let block = heap.allocate(layout(8)).unwrap();
        // SAFETY: the block is live and of this layout until it is freed; the second free is refused.
        unsafe {
            heap.reallocate(block, layout(8), 9).unwrap();
            heap.reallocate(block, layout(9), 9999).unwrap_err();
            heap.free(block).unwrap();
            heap.free(block).unwrap_err();
        }
        heap.allocate(layout(9999)).unwrap_err();
        for (kind, expected) in [(Allocated, 1), (Freed, 1), (Reallocated, 1), (Refused, 3)] {
            assert_eq!(heap.observer_mut().unset(kind), Some(vec![kind; expected]));
        }
    }

    #[test]
    fn a_hook_that_is_replaced_gives_back_its_data_and_one_that_is_unset_is_silent() {
        let mut hooks = Hooks::new();
        assert!(hooks.set(HookKind::Refused, count, vec![]).is_none());
        assert_eq!(hooks.set(HookKind::Refused, count, vec![HookKind::Freed]), Some(vec![]));
        assert_eq!(hooks.unset(HookKind::Refused), Some(vec![HookKind::Freed]));
        let error = AllocError::Corrupt;
        hooks.observe((), &Event::Refused { layout: layout(1), error });
        assert_eq!(hooks.unset(HookKind::Refused), None);
    }

    /// The panic itself happens in a child process, which is this test once more.
    #[test]
    #[cfg_attr(miri, ignore = "there are no processes")]
    fn a_panicking_hook_ends_the_process_instead_of_unwinding_through_the_heap() {
        const CHILD: &str = "DETALLOC_TEST_PANICKING_HOOK";
        if std::env::var_os(CHILD).is_some() {
            let mut region = region();
            let mut heap =
                Observed::new(Heap::new(&mut region, &CONFIG).unwrap(), Hook(|_: &Event| panic!()));
            let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| heap.allocate(layout(1))));
            println!("unwound: {unwound:?}");
            std::process::exit(0);
        }
        let this = "hooks::a_panicking_hook_ends_the_process_instead_of_unwinding_through_the_heap";
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args([this, "--exact", "--nocapture"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        assert!(!child.status.success(), "{child:?}");
        assert!(!String::from_utf8_lossy(&child.stdout).contains("unwound"), "{child:?}");
    }
}

mod usage {
    use super::*;
    use detalloc::Usage;

    #[test]
    fn requests_are_counted_and_what_was_served_is_added_up() {
        let mut region = region();
        let mut heap = Observed::new(Heap::new(&mut region, &CONFIG).unwrap(), Usage::default());
        let block = heap.allocate(layout(40)).unwrap();
        heap.allocate(layout(1 << 20)).unwrap_err();
        // SAFETY: the block was allocated for this layout.
        unsafe { heap.reallocate(block, layout(40), 50) }.unwrap();
        // SAFETY: as above; not used afterwards.
        unsafe { heap.free(block) }.unwrap();
        let expected =
            Usage { requests: 3, largest_request_bytes: 1 << 20, requested_bytes: 90, block_bytes: 48 + 64 };
        assert_eq!(*heap.observer(), expected);
    }
}

mod times {
    use super::*;
    use core::cell::Cell;

    /// A heap whose operations take as long as the test says, on a clock whose readings take `reading` ticks.
    fn measured(reading: u64, durations: &[u64]) -> detalloc::WcetStats {
        let now = Cell::new(u64::MAX - 100);
        let tick = |ticks: u64| now.set(now.get().wrapping_add(ticks));
        let clock = || {
            tick(reading);
            now.get()
        };
        let mut wcet = Wcet::new(clock);
        for &duration in durations {
            let start = wcet.start();
            tick(duration);
            wcet.observe(start, &Event::Allocated { layout: layout(1), block: NonNull::dangling() });
        }
        wcet.snapshot()
    }

    #[test]
    fn what_measuring_takes_is_subtracted_and_told() {
        let stats = measured(20, &[10, 40, 12]);
        assert_eq!(stats.overhead, 20);
        let OperationStats { count, total, worst, .. } = stats.allocate;
        assert_eq!((count, total, worst), (3, 62, 40));
        assert_eq!(stats.allocate.mean(), Some(21));
    }

    #[test]
    fn every_measurement_lies_in_the_bucket_of_its_ticks() {
        let durations = [0, 1, 2, 3, 4, 7, 8, 1 << 29, (1 << 30) - 1, 1 << 30, 1 << 50, u64::MAX / 2];
        let stats = measured(0, &durations);
        for (bucket, &count) in stats.allocate.buckets.iter().enumerate() {
            let ticks = OperationStats::bucket_ticks(bucket);
            let expected = durations.iter().filter(|&it| ticks.contains(it)).count();
            assert_eq!(count as usize, expected, "bucket {bucket}, {ticks:?}");
        }
        let sum: u32 = stats.allocate.buckets.iter().sum();
        assert_eq!(sum as usize, durations.len());
    }

    #[test]
    fn buckets_follow_each_other_without_a_gap() {
        assert_eq!(OperationStats::bucket_ticks(0), 0..=0);
        for bucket in 1..OperationStats::BUCKETS {
            let (before, ticks) =
                (OperationStats::bucket_ticks(bucket - 1), OperationStats::bucket_ticks(bucket));
            assert_eq!(before.end() + 1, *ticks.start());
        }
        assert_eq!(*OperationStats::bucket_ticks(OperationStats::BUCKETS - 1).end(), u64::MAX);
        assert_eq!(OperationStats::bucket_ticks(usize::MAX), OperationStats::bucket_ticks(31));
    }

    #[test]
    fn each_operation_has_its_own_statistics_with_its_refusals() {
        let mut region = region();
        let mut now = 0;
        let clock = move || {
            now += 1;
            now
        };
        let mut heap = Observed::new(Heap::new(&mut region, &CONFIG).unwrap(), Wcet::new(clock));
        let block = heap.allocate(layout(8)).unwrap();
        heap.allocate(layout(9999)).unwrap_err();
        // SAFETY: the block is live and of this layout until it is freed; the second free is refused.
        unsafe {
            heap.reallocate(block, layout(8), 9).unwrap();
            heap.free(block).unwrap();
            heap.free(block).unwrap_err();
        }
        let stats = heap.observer().snapshot();
        assert_eq!((stats.allocate.count, stats.free.count, stats.reallocate.count), (2, 2, 1));
        heap.observer_mut().reset();
        let after = heap.observer().snapshot();
        assert_eq!((after.allocate.count, after.overhead), (0, stats.overhead));
    }

    #[test]
    fn nothing_measured_has_no_mean() {
        assert_eq!(measured(3, &[]).allocate.mean(), None);
    }

    #[test]
    fn a_narrow_clock_may_wrap() {
        /// As a Cortex-M's.
        struct Narrow(u32);
        impl Clock for Narrow {
            const BITS: u32 = 32;
            fn now(&mut self) -> u64 {
                self.0 = self.0.wrapping_add(0x7000_0000);
                self.0.into()
            }
        }
        assert_eq!(Narrow::between(0xFFFF_FFF0, 0x10), 0x20);
        assert_eq!(Wcet::new(Narrow(0)).snapshot().overhead, 0x7000_0000);
    }

    #[test]
    #[cfg_attr(miri, ignore = "there is no processor")]
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn the_processors_counter_does_not_run_backwards() {
        let mut clock = detalloc::Cycles;
        let counts: Vec<_> = (0..1000).map(|_| clock.now()).collect();
        assert!(counts.is_sorted());
        assert!(counts[0] < counts[999]);
    }
}
