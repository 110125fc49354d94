//! Writing a trace while the program runs.

use super::format::{HEADER_BYTES, MAGIC, Writer, kind};
use crate::{
    error::ResizeError,
    observe::{Event, Observer},
};
use core::{error, fmt, ptr::NonNull};

/// Records what is asked of a heap into memory of the caller's.
///
/// The memory holds a whole trace after every operation, so that it can be read after a crash, too. When the
/// memory is full, recording ends: a trace with a hole could not be replayed. How many events were lost is
/// counted.
///
/// Recording changes nothing about which blocks are handed out. It costs every operation a bounded number of
/// instructions: they depend on the number of bytes written, of which there are at most [`MAX_RECORD_BYTES`].
///
/// ```
/// use core::{alloc::Layout, mem::MaybeUninit};
/// use detalloc::{
///     Allocate, Config, Heap, Observed, PoolConfig,
///     trace::{Record, Recorder, Trace},
/// };
///
/// const CONFIG: Config = Config::constant(&[PoolConfig::new(64, 16)]);
/// let mut region = [MaybeUninit::uninit(); CONFIG.bytes_needed()];
/// let mut memory = [0; 4096];
/// let mut heap = Observed::new(Heap::new(&mut region, &CONFIG)?, Recorder::new(&mut memory)?);
///
/// heap.observer_mut().mark(1);
/// let block = heap.allocate(Layout::new::<[f32; 12]>())?;
/// // SAFETY: nothing uses the block after this.
/// unsafe { heap.free(block)? };
///
/// let trace = Trace::parse(heap.observer().trace())?;
/// assert!(matches!(trace.records().next(), Some(Ok(Record::Mark(1)))));
/// assert_eq!(trace.records().count(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`MAX_RECORD_BYTES`]: super::MAX_RECORD_BYTES
#[derive(Debug)]
pub struct Recorder<'m> {
    /// At least `HEADER_BYTES`.
    memory: &'m mut [u8],
    /// How much of `memory` is written.
    len: usize,
    lost: u64,
    /// The block that was last spoken of.
    previous: Option<u64>,
}

impl<'m> Recorder<'m> {
    /// An empty trace in `memory`, every byte of which is set to zero.
    ///
    /// # Errors
    /// [`RecorderTooSmall`] if and only if the memory does not even hold the head of a trace.
    ///
    /// # Time complexity
    /// Linear in the memory. Not for real-time paths.
    pub fn new(memory: &'m mut [u8]) -> Result<Self, RecorderTooSmall> {
        memory.fill(0);
        let given = memory.len();
        let Some(start) = memory.first_chunk_mut() else {
            return Err(RecorderTooSmall { needed: HEADER_BYTES, given });
        };
        *start = head(0, 0);
        Ok(Self { memory, len: HEADER_BYTES, lost: 0, previous: None })
    }

    /// A recorder that goes on where another one, or this one with other memory, left off: for a trace that is to outgrow the
    /// memory. A [`head`](super::head) and the [`records`](Self::records) of all of them, one after the other, are one trace.
    ///
    /// # Errors
    /// As [`Recorder::new`].
    ///
    /// # Time complexity
    /// As [`Recorder::new`].
    ///
    /// ```
    /// use detalloc::trace::{Position, Recorder, Trace, head};
    ///
    /// let (mut position, mut records) = (Position::default(), Vec::new());
    /// for number in 0..100 {
    ///     let mut memory = [0; 64];
    ///     let mut recorder = Recorder::continued(&mut memory, position)?;
    ///     recorder.mark(number);
    ///     records.extend_from_slice(recorder.records());
    ///     position = recorder.position();
    /// }
    /// let whole = [&head(records.len() as u64, 0)[..], &records].concat();
    /// assert_eq!(Trace::parse(&whole)?.records().count(), 100);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn continued(memory: &'m mut [u8], from: Position) -> Result<Self, RecorderTooSmall> {
        Ok(Self { previous: from.previous, ..Self::new(memory)? })
    }

    /// Where this recorder leaves off.
    #[must_use]
    pub const fn position(&self) -> Position {
        Position { previous: self.previous }
    }

    /// The trace so far without its head.
    #[must_use]
    pub fn records(&self) -> &[u8] {
        self.memory.get(HEADER_BYTES..self.len).unwrap_or_default()
    }

    /// How many bytes are left for records.
    #[must_use]
    pub const fn room(&self) -> usize {
        self.memory.len() - self.len
    }

    /// Records a mark: the beginning of a callback, for example.
    ///
    /// # Time complexity
    /// Constant: at most [`MAX_RECORD_BYTES`](super::MAX_RECORD_BYTES) bytes.
    pub fn mark(&mut self, number: u64) {
        self.record(|writer, _| {
            writer.head(kind::OTHER, false, kind::other::MARK)?;
            writer.varint(number)
        });
    }

    /// The trace so far.
    #[must_use]
    pub fn trace(&self) -> &[u8] {
        self.memory.get(..self.len).unwrap_or_default()
    }

    /// The trace, for as long as its memory lives.
    #[must_use]
    pub fn into_trace(self) -> &'m [u8] {
        self.memory.get(..self.len).unwrap_or_default()
    }

    /// How many events were lost because the memory was full.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// Appends a record, if all of it fits.
    #[inline]
    fn record(&mut self, write: impl FnOnce(&mut Writer<'_>, &mut Option<u64>) -> Option<()>) {
        let mut writer = Writer { bytes: self.memory, at: self.len };
        let mut previous = self.previous;
        if self.lost == 0 && write(&mut writer, &mut previous).is_some() {
            (self.len, self.previous) = (writer.at, previous);
        } else {
            self.lost = self.lost.saturating_add(1);
        }
        let records = (self.len - HEADER_BYTES) as u64;
        if let Some(start) = self.memory.first_chunk_mut() {
            *start = head(records, self.lost);
        }
    }
}

/// Writes a head that leads from the previous block to this one.
fn lead(writer: &mut Writer<'_>, kind: u8, previous: &mut Option<u64>, block: NonNull<u8>) -> Option<()> {
    let to = block.as_ptr().addr() as u64;
    writer.block(kind, previous.unwrap_or(to), to)?;
    *previous = Some(to);
    Some(())
}

impl Observer for Recorder<'_> {
    type Start = ();

    #[inline]
    fn start(&mut self) {}

    fn observe(&mut self, (): (), event: &Event) {
        match *event {
            Event::Allocated { layout, block } => self.record(|writer, previous| {
                lead(writer, kind::ALLOCATED, previous, block)?;
                writer.layout(layout)
            }),
            Event::Freed { block, .. } => {
                self.record(|writer, previous| lead(writer, kind::FREED, previous, block));
            }
            Event::Reallocated { block, new_bytes, moved_to, .. } => self.record(|writer, previous| {
                lead(writer, kind::REALLOCATED, previous, block)?;
                lead(writer, kind::ALLOCATED, previous, moved_to)?;
                writer.varint(new_bytes as u64)
            }),
            Event::Refused { layout, .. } => self.record(|writer, _| {
                writer.head(kind::OTHER, false, kind::other::REFUSED)?;
                writer.layout(layout)
            }),
            Event::ReallocateRefused { block, new_bytes, error: ResizeError::Memory(_), .. } => {
                self.record(|writer, previous| {
                    writer.head(kind::OTHER, false, kind::other::REALLOCATE_REFUSED)?;
                    lead(writer, kind::ALLOCATED, previous, block)?;
                    writer.varint(new_bytes as u64)
                });
            }
            // A wrong pointer asks for no memory.
            Event::ReallocateRefused { error: ResizeError::Block(_), .. } | Event::FreeRefused { .. } => {}
        }
    }
}

/// Where a recorder left off, and another one goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    previous: Option<u64>,
}

/// The head of a trace whose records have so many bytes, and behind which so many events were lost.
#[must_use]
pub fn head(records_bytes: u64, lost: u64) -> [u8; HEADER_BYTES] {
    let mut head = [0; HEADER_BYTES];
    head[..8].copy_from_slice(&MAGIC);
    head[8..16].copy_from_slice(&records_bytes.to_le_bytes());
    head[16..].copy_from_slice(&lost.to_le_bytes());
    head
}

/// The memory is too small for a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecorderTooSmall {
    /// What an empty trace takes, in bytes.
    pub needed: usize,
    /// What was given, in bytes.
    pub given: usize,
}

impl fmt::Display for RecorderTooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an empty trace takes {} bytes and the memory has {}", self.needed, self.given)
    }
}

impl error::Error for RecorderTooSmall {}
