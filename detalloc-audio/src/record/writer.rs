//! The reaper's side: encodes what the lane brings and appends it to the file.

use super::{Happened, lane::Lane};
use crate::reaper::Chore;
use detalloc::{
    Observer,
    trace::{HEADER_BYTES, MAX_RECORD_BYTES, Position, Recorder, head},
};
use std::{
    ffi::OsString,
    fs::{File, OpenOptions},
    io::{self, ErrorKind, Seek, SeekFrom, Write},
    path::PathBuf,
    sync::Arc,
};

/// What names the file.
const VARIABLE: &str = "DETALLOC_RECORD";

/// How many names are tried beside the first one.
const NAMES: u32 = 9_999;

/// The bytes that are encoded before they are written.
const CHUNK_BYTES: usize = 8 << 10;

/// A file that is there for us alone, if one is wanted. That none can be had is said on the standard error stream.
pub(super) fn open() -> Option<File> {
    let wanted = std::env::var_os(VARIABLE).filter(|name| !name.is_empty())?;
    match create(wanted.clone()).and_then(|(file, path)| start(file).map(|file| (file, path))) {
        Ok((file, path)) => {
            eprintln!("detalloc: recording into {}", path.display());
            Some(file)
        }
        Err(error) => {
            eprintln!("detalloc: {VARIABLE}={}: {error}; nothing is recorded", wanted.display());
            None
        }
    }
}

/// The first of `name`, `name.2`, `name.3` … that is not there yet.
fn create(name: OsString) -> io::Result<(File, PathBuf)> {
    if PathBuf::from(&name).is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    for number in 1..=NAMES {
        let mut path = name.clone();
        if number > 1 {
            path.push(format!(".{number}"));
        }
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            other => return other.map(|file| (file, path.into())),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

fn start(mut file: File) -> io::Result<File> {
    file.write_all(&head(0, 0))?;
    Ok(file)
}

/// The chore of one recorded heap. It is over when the heap and all its blocks are gone.
pub(super) struct Writer {
    lane: Arc<Lane>,
    /// `None` after it could not be written to.
    file: Option<File>,
    records_bytes: u64,
    lost: u64,
    position: Position,
}

impl Writer {
    pub(super) fn new(lane: Arc<Lane>, file: File) -> Self {
        Self { lane, file: Some(file), records_bytes: 0, lost: 0, position: Position::default() }
    }

    /// Writes what the lane holds, and makes a whole trace of the file.
    fn write(&mut self) -> io::Result<()> {
        let mut memory = [0; CHUNK_BYTES];
        let before = (self.records_bytes, self.lost);
        loop {
            // The memory is larger than a head.
            let Ok(mut recorder) = Recorder::continued(&mut memory, self.position) else { return Ok(()) };
            while recorder.room() >= MAX_RECORD_BYTES
                // SAFETY: the writer is the only one that receives, and nobody else has it.
                && let Some(event) = unsafe { self.lane.receive() }
            {
                match Happened::unpack(event).map(Happened::event) {
                    Some(Some(event)) => recorder.observe((), &event),
                    Some(None) => recorder.mark(0),
                    None => {}
                }
            }
            self.position = recorder.position();
            let records = recorder.records();
            let Some(file) = self.file.as_mut().filter(|_| !records.is_empty()) else { break };
            file.seek(SeekFrom::Start(HEADER_BYTES as u64 + self.records_bytes))?;
            file.write_all(records)?;
            self.records_bytes += records.len() as u64;
        }
        self.lost = u64::try_from(self.lane.lost()).unwrap_or(u64::MAX);
        // Last, so that the file is a whole trace at any time.
        if (self.records_bytes, self.lost) == before { Ok(()) } else { self.write_head() }
    }

    fn write_head(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&head(self.records_bytes, self.lost))
    }
}

impl Chore for Writer {
    fn look(&mut self) -> bool {
        if let Err(error) = self.write() {
            eprintln!("detalloc: {VARIABLE}: {error}; the recording ends here");
            // The trace is no whole one, and says so if it still can.
            self.lost = self.lost.max(1);
            let _ = self.write_head();
            self.file = None;
        }
        self.is_over()
    }

    fn is_over(&mut self) -> bool {
        // Who finds nobody else sees what the last one has sent.
        Arc::get_mut(&mut self.lane).is_some_and(|lane| lane.is_empty())
    }
}
