//! A heap that an interrupt and the main program share in critical sections: both allocate, write what they hold, and free, while
//! the interrupt comes at any instruction of the other, and waits where the other is in a section.

use core::{
    alloc::Layout,
    cell::RefCell,
    mem::MaybeUninit,
    ptr::NonNull,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};
use critical_section::Mutex;
use detalloc::{Allocate, Config, Heap, PoolConfig};

/// One block for each, and one for the interrupt's next.
const CONFIG: Config = Config::constant(&[PoolConfig::new(32, 3)]);

static mut REGION: [MaybeUninit<u8>; CONFIG.bytes_needed()] = [MaybeUninit::uninit(); CONFIG.bytes_needed()];

static SHARED: Mutex<RefCell<Option<Shared>>> = Mutex::new(RefCell::new(None));

/// How often the interrupt has come. It alone writes; relaxed: a number.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// Interrupts of a run.
const ENOUGH: u32 = 200;

/// Ticks between them: 2,000 instructions, several times what the interrupt takes.
#[expect(clippy::cast_possible_truncation, reason = "a board's clock is not that fast")]
const PERIOD: u32 = 2_000 * crate::number(env!("TICKS_PER_INSTRUCTION")) as u32;

struct Shared {
    heap: Heap<'static>,
    /// The interrupt's block.
    held: Option<Block>,
    /// Whether the interrupt has met what it should.
    is_well: bool,
}

/// A block of 32 bytes, all of which say whose it is.
struct Block(NonNull<[u8; 32]>);

// SAFETY: the only pointer to memory that nobody else uses.
unsafe impl Send for Block {}

impl Block {
    fn new(heap: &mut Heap<'_>, owner: u8) -> Option<Self> {
        let block = heap.allocate(Layout::new::<[u8; 32]>()).ok()?.cast();
        // SAFETY: as large, and nobody else's.
        unsafe { block.write([owner; 32]) };
        Some(Self(block))
    }

    fn is_of(&self, owner: u8) -> bool {
        // SAFETY: it was written. Volatile, so that it is read each time.
        unsafe { self.0.read_volatile() == [owner; 32] }
    }

    fn free(self, heap: &mut Heap<'_>) -> bool {
        // SAFETY: nothing uses the block after this.
        unsafe { heap.free(self.0.cast()) }.is_ok()
    }
}

const MAIN: u8 = 0x4D;
const INTERRUPT: u8 = 0x49;

/// What the interrupt does: its block was left alone, and a new one takes its place.
fn come() {
    COUNT.store(COUNT.load(Relaxed).wrapping_add(1), Relaxed);
    critical_section::with(|token| {
        let mut shared = SHARED.borrow_ref_mut(token);
        let Some(Shared { heap, held, is_well }) = shared.as_mut() else { return };
        let next = Block::new(heap, INTERRUPT);
        *is_well &= next.is_some();
        if let Some(block) = core::mem::replace(held, next) {
            *is_well &= block.is_of(INTERRUPT) && block.free(heap);
        }
    });
}

/// Runs both against each other. Once.
pub fn shares() -> Option<bool> {
    let region = &raw mut REGION;
    // SAFETY: called once, and nothing else names the static.
    let heap = Heap::new(unsafe { &mut *region }, &CONFIG).ok()?;
    let shared = Shared { heap, held: None, is_well: true };
    critical_section::with(|token| SHARED.borrow_ref_mut(token).replace(shared));
    timer::start();
    let (mut is_well, mut waited, mut between) = (true, 0, 0);
    let mut round = 0_u32;
    while COUNT.load(Relaxed) < ENOUGH {
        round = round.wrapping_add(1);
        let before = COUNT.load(Relaxed);
        let block = critical_section::with(|token| {
            let mut shared = SHARED.borrow_ref_mut(token);
            // Every second time, the interrupt comes while the heap is being used, and waits.
            if round.is_multiple_of(2) {
                let within = COUNT.load(Relaxed);
                while !timer::is_pending() {}
                is_well &= COUNT.load(Relaxed) == within;
                waited += 1;
            }
            Block::new(&mut shared.as_mut()?.heap, MAIN)
        })?;
        // Here it comes at any time, and takes the section for itself.
        for _ in 0..16 {
            is_well &= block.is_of(MAIN);
        }
        between += u32::from(COUNT.load(Relaxed) != before);
        is_well &= critical_section::with(|token| {
            SHARED.borrow_ref_mut(token).as_mut().is_some_and(|shared| block.free(&mut shared.heap))
        });
    }
    timer::stop();
    let Shared { mut heap, held, is_well: was_well } =
        critical_section::with(|token| SHARED.borrow_ref_mut(token).take())?;
    is_well &= was_well && held.is_some_and(|block| block.free(&mut heap));
    Some(is_well && waited > 0 && between > 0 && heap.live_blocks() == 0 && heap.validate().is_ok())
}

/// SysTick.
#[cfg(target_arch = "arm")]
mod timer {
    use cortex_m::peripheral::{SCB, SYST, syst::SystClkSource};

    fn systick() -> SYST {
        // SAFETY: nothing else of this program has it.
        unsafe { cortex_m::Peripherals::steal() }.SYST
    }

    pub fn start() {
        let mut systick = systick();
        systick.set_clock_source(SystClkSource::Core);
        systick.set_reload(super::PERIOD);
        systick.clear_current();
        systick.enable_interrupt();
        systick.enable_counter();
    }

    pub fn stop() {
        let mut systick = systick();
        systick.disable_counter();
        systick.disable_interrupt();
    }

    pub fn is_pending() -> bool {
        SCB::is_pendst_pending()
    }

    #[cortex_m_rt::exception]
    fn SysTick() {
        super::come();
    }
}

/// The timer of the machine (RISC-V privileged architecture, 3.2.1), where QEMU's `virt` has it.
#[cfg(target_arch = "riscv32")]
mod timer {
    use riscv::register::{mie, mip};

    const COMPARE: *mut u32 = core::ptr::without_provenance_mut(0x0200_4000);
    const TIME: *const u32 = core::ptr::without_provenance(0x0200_BFF8);

    /// The next one comes a period from now: in the first seven minutes, which are all that the lower half tells.
    fn set() {
        // SAFETY: the board's registers, which nothing else uses; the upper half is zero, and goes to its greatest first, so that
        // no interrupt comes in between.
        unsafe {
            COMPARE.add(1).write_volatile(u32::MAX);
            COMPARE.write_volatile(TIME.read_volatile().saturating_add(super::PERIOD));
            COMPARE.add(1).write_volatile(0);
        }
    }

    pub fn start() {
        set();
        // SAFETY: there is a handler for it.
        unsafe {
            mie::set_mtimer();
            riscv::interrupt::enable();
        }
    }

    pub fn stop() {
        riscv::interrupt::disable();
        // SAFETY: nothing waits for it any more.
        unsafe { mie::clear_mtimer() };
    }

    pub fn is_pending() -> bool {
        mip::read().mtimer()
    }

    #[riscv_rt::core_interrupt(riscv::interrupt::Interrupt::MachineTimer)]
    fn on_timer() {
        set();
        super::come();
    }
}
