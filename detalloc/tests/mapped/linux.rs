//! Against what Linux says; of every region about page faults, too.

use super::PLAIN;
use core::{alloc::Layout, mem::MaybeUninit};
use detalloc::{
    Allocate, Config, Heap, InitError, PoolConfig,
    memory::{Locked, MappedRegion, Options, OwnedHeap, StaticRegion, lock},
};
use std::sync::Mutex;

const CONFIG: Config = Config::constant(&[PoolConfig::new(64, 40), PoolConfig::new(4096, 1000)]);

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 1).unwrap()
}

/// The limit of locked memory is the process's, and one test changes it.
static LIMIT: Mutex<()> = Mutex::new(());

/// What the kernel says of the mapping that this address lies in: first its permissions.
fn mapping(address: usize) -> Option<(String, Vec<String>)> {
    let range = |line: &str| {
        let (from, to) = line.split_once(' ')?.0.split_once('-')?;
        let hex = |text| usize::from_str_radix(text, 16).ok();
        Some(hex(from)?..hex(to)?)
    };
    let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let mut lines =
        smaps.lines().skip_while(|line| !range(line).is_some_and(|range| range.contains(&address)));
    let permissions = lines.next()?.split_whitespace().nth(1)?.to_owned();
    Some((permissions, lines.take_while(|line| range(line).is_none()).map(str::to_owned).collect()))
}

/// One line of it, in KiB.
fn kib(address: usize, key: &str) -> usize {
    let (_, lines) = mapping(address).unwrap();
    let line = lines.iter().find(|line| line.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn minor_faults() -> i64 {
    let mut usage = MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: the system fills it in.
    unsafe {
        assert_eq!(libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr()), 0);
        usage.assume_init().ru_minflt
    }
}

/// Page faults while blocks of every size are taken, written whole and given back in bursts, 10^5 times.
fn faults_while_allocating(heap: &mut impl Allocate) -> i64 {
    let mut live = Vec::with_capacity(1000);
    live.resize(1000, None);
    let before = minor_faults();
    for step in 0..100_000 {
        let layout = if step % 50 == 0 { layout(64) } else { layout(4096) };
        if let Some(block) = live[step % 1000].replace(heap.allocate(layout).unwrap()) {
            // SAFETY: nothing uses the block after this.
            assert_eq!(unsafe { heap.free(block) }, Ok(()));
        }
        // SAFETY: a live block of this size.
        unsafe { live[step % 1000].unwrap().write_bytes(1, layout.size()) };
    }
    minor_faults() - before
}

#[test]
#[cfg_attr(miri, ignore = "it maps no pages of this kind, locks none and counts no faults")]
fn a_region_on_huge_pages_is_aligned_to_them_and_says_how_much_it_got() {
    let region = MappedRegion::new(5 << 20, Options { lock: false, huge_pages: true }).unwrap();
    assert_eq!((region.as_ptr().addr() % (2 << 20), region.len() % (2 << 20)), (0, 0));
    let start = region.as_ptr().addr();
    assert_eq!(region.got().huge_bytes, Some(kib(start, "AnonHugePages:") * 1024));
    assert_eq!(region.got().resident_bytes, region.len());
    // Whether huge pages are to be had is the system's affair; that they were asked for ("hg") is ours.
    let flags = mapping(start).unwrap().1.pop().unwrap();
    assert!(flags.contains(" hg"), "{flags}");
}

// AddressSanitizer's `mlock` does nothing and reports success.
#[cfg(not(asan))]
#[test]
#[cfg_attr(miri, ignore = "it maps no pages of this kind, locks none and counts no faults")]
fn a_region_that_says_it_is_locked_is() {
    let _limit = LIMIT.lock();
    let region = MappedRegion::new(1 << 20, Options { lock: true, huge_pages: false }).unwrap();
    let locked = kib(region.as_ptr().addr(), "Locked:");
    assert_ne!(region.got().locked, Locked::NotAsked);
    assert_eq!(region.got().locked == Locked::Yes, locked * 1024 == region.len(), "{}", region.got());
}

// AddressSanitizer's `mlock` does nothing and reports success.
#[cfg(not(asan))]
#[test]
#[cfg_attr(miri, ignore = "it maps no pages of this kind, locks none and counts no faults")]
fn a_region_that_may_not_be_locked_serves_and_says_why() {
    let _limit = LIMIT.lock();
    let limit = libc::rlimit { rlim_cur: 64 << 10, rlim_max: libc::RLIM_INFINITY };
    let mut before = MaybeUninit::<libc::rlimit>::uninit();
    // SAFETY: the system fills `before` in, and only the soft limit changes, until the end of this test.
    let before = unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_MEMLOCK, before.as_mut_ptr()), 0);
        let before = before.assume_init();
        let lower = libc::rlimit { rlim_max: before.rlim_max, ..limit };
        assert_eq!(libc::setrlimit(libc::RLIMIT_MEMLOCK, &lower), 0);
        before
    };
    let region = std::thread::spawn(|| {
        // SAFETY: by the raw call, this thread alone becomes a user without privileges.
        unsafe { libc::syscall(libc::SYS_setresuid, 65534, 65534, 65534) };
        MappedRegion::new(1 << 20, Options { lock: true, huge_pages: false })
    });
    let region = region.join().unwrap().unwrap();
    // SAFETY: the limit that it had.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &before) }, 0);
    let locked = Locked::No { errno: libc::ENOMEM, limit_bytes: Some(64 << 10) };
    assert_eq!(region.got().locked, locked);
    assert_eq!(region.got().resident_bytes, region.len());
    assert!(locked.to_string().ends_with("and the limit (ulimit -l) is 64 KiB"), "{locked}");
}

#[test]
#[cfg_attr(miri, ignore = "it maps no pages of this kind, locks none and counts no faults")]
fn a_region_lies_between_pages_that_nobody_can_touch() {
    let region = MappedRegion::new(1 << 20, PLAIN).unwrap();
    let (start, end) = (region.as_ptr().addr(), region.as_ptr_range().end.addr());
    assert_eq!((mapping(start).unwrap().0.as_str(), kib(start, "Size:")), ("rw-p", region.len() / 1024));
    assert_eq!(mapping(end).unwrap().0, "---p");
    assert_eq!(mapping(start - 1).unwrap().0, "---p");
}

#[test]
#[cfg_attr(miri, ignore = "it maps no pages of this kind, locks none and counts no faults")]
fn a_region_is_given_back_when_it_is_dropped() {
    // Another test may map something there at once, but not ten times in a row.
    let gone = (0..10).any(|_| {
        let start = MappedRegion::new(1 << 20, PLAIN).unwrap().as_ptr().addr();
        mapping(start).is_none()
    });
    assert!(gone);
}

#[test]
#[cfg_attr(miri, ignore = "it maps no pages of this kind, locks none and counts no faults")]
fn a_region_holds_a_heap_that_owns_it() {
    let region = MappedRegion::new(CONFIG.bytes_needed(), PLAIN).unwrap();
    let mut heap = OwnedHeap::in_mapped(region, &CONFIG).unwrap();
    let faults = faults_while_allocating(&mut heap);
    // AddressSanitizer's own memory, which says what may be touched, is new as well.
    assert!(cfg!(asan) || faults == 0, "{faults} faults");
    assert_eq!(heap.heap().validate(), Ok(()));
    let small = MappedRegion::new(4096, PLAIN).unwrap();
    assert!(matches!(OwnedHeap::in_mapped(small, &CONFIG), Err(InitError::TooSmall { given: 4096, .. })));
}

// AddressSanitizer's own memory, which says what may be touched, is new as well.
#[cfg(not(asan))]
#[test]
#[cfg_attr(miri, ignore = "it maps no pages of this kind, locks none and counts no faults")]
fn no_source_faults_while_blocks_are_allocated_and_written() {
    static REGION: StaticRegion<{ CONFIG.bytes_needed() }> = StaticRegion::new();
    let mut heap = Heap::new(REGION.take().unwrap(), &CONFIG).unwrap();
    assert_eq!(faults_while_allocating(&mut heap), 0);
    assert_eq!(faults_while_allocating(&mut OwnedHeap::new(&CONFIG).unwrap()), 0);
    let mut borrowed = vec![MaybeUninit::uninit(); CONFIG.bytes_needed() + 1];
    assert_eq!(faults_while_allocating(&mut Heap::new(&mut borrowed[1..], &CONFIG).unwrap()), 0);
}

#[test]
#[cfg_attr(miri, ignore = "it maps no pages of this kind, locks none and counts no faults")]
fn faults_are_counted_where_memory_is_new() {
    let before = minor_faults();
    let mut untouched = Vec::<u8>::with_capacity(4 << 20);
    untouched.resize(4 << 20, 1);
    assert!(minor_faults() > before);
}

// AddressSanitizer's `mlock` does nothing and reports success.
#[cfg(not(asan))]
#[test]
#[cfg_attr(miri, ignore = "it maps no pages of this kind, locks none and counts no faults")]
fn a_borrowed_region_can_be_locked_too() {
    let _limit = LIMIT.lock();
    let borrowed = vec![MaybeUninit::<u8>::uninit(); 20_000];
    match lock(&borrowed[1..]) {
        Locked::Yes => assert!(kib(borrowed.as_ptr().addr() + 1, "Locked:") > 0),
        locked => assert!(matches!(locked, Locked::No { limit_bytes: Some(..65_536), .. }), "{locked}"),
    }
    // SAFETY: locking changes no contents, and the pages are the process's.
    unsafe { libc::munlock(borrowed.as_ptr().cast(), borrowed.len()) };
}
