//! Bytes that are no trace, or no longer.

use super::*;

#[test]
fn bytes_that_are_no_trace_are_named() {
    assert_eq!(Trace::parse(&[]).unwrap_err(), TraceError::NotATrace);
    assert_eq!(Trace::parse(b"detrace").unwrap_err(), TraceError::NotATrace);
    assert_eq!(Trace::parse(b"RIFF\0\0\0\0WAVEfmt      ").unwrap_err(), TraceError::NotATrace);
}

#[test]
fn another_version_is_named() {
    let mut trace = recorded(10);
    for version in (0..=255).filter(|version| *version != 1) {
        trace[7] = version;
        assert_eq!(Trace::parse(&trace).unwrap_err(), TraceError::Version { given: version });
    }
}

#[test]
fn a_trace_that_was_cut_is_named() {
    let trace = recorded(10);
    for given in 8..trace.len() {
        let needed = if given < HEADER_BYTES { HEADER_BYTES } else { trace.len() } as u64;
        assert_eq!(Trace::parse(&trace[..given]).unwrap_err(), TraceError::Truncated { needed, given });
    }
}

#[test]
fn a_length_beyond_the_address_space_is_named() {
    let mut trace = recorded(10);
    for len in [u64::MAX, u64::MAX - 23, u64::MAX - 24, 1 << 63, 1 << 32] {
        trace[8..16].copy_from_slice(&len.to_le_bytes());
        assert!(matches!(Trace::parse(&trace), Err(TraceError::Truncated { .. })), "{len}");
    }
}

/// The answer to these bytes as the only record.
fn one(record: &[u8]) -> Result<Record, TraceError> {
    let mut trace = recorded(0);
    trace[8..16].copy_from_slice(&(record.len() as u64).to_le_bytes());
    trace.extend_from_slice(record);
    let mut records = Trace::parse(&trace).unwrap().records();
    let record = records.next().unwrap();
    assert_eq!(records.next(), None);
    record
}

#[test]
fn a_record_that_cannot_be_is_named_with_its_place() {
    let malformed = Err(TraceError::Malformed { at: HEADER_BYTES });
    assert_eq!(one(&[0b0000_0001]), Ok(Record::Freed { block: BlockId(0) }));
    assert_eq!(one(&[0b0001_1011]), malformed, "no such kind");
    assert_eq!(one(&[0b0000_0000]), malformed, "no layout");
    assert_eq!(one(&[0b0000_0000, 3, 64]), malformed, "an alignment of 2^64");
    assert_eq!(one(&[0b0000_0000, 3, 63]), malformed, "1 byte aligned to 2^63");
    assert_eq!(one(&[0b0000_0010, 1, 7]), malformed, "a new block that is no block");
    assert_eq!(one(&[0b1000_0001]), malformed, "half a number");
    assert_eq!(
        one(&[0, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1]),
        malformed,
        "a size past isize::MAX"
    );
}

/// Traces with bytes changed, cut out, doubled, or all random.
pub(crate) fn mutants(mut see: impl FnMut(&[u8])) {
    let original = recorded(200);
    let mut random = Random(0xBAD);
    let rounds = if cfg!(miri) { 20 } else { 20_000 };
    for round in 0..rounds {
        let mut trace = original.clone();
        for _ in 0..=random.below(4) {
            let at = HEADER_BYTES + random.below(trace.len() - HEADER_BYTES);
            match random.below(4) {
                0 => trace[at] ^= 1 << random.below(8),
                1 => trace[at] = 0xFF,
                2 => drop(trace.drain(at..(at + random.below(20)).min(trace.len()))),
                _ => trace.insert(at, random.next().to_le_bytes()[0]),
            }
            if trace.len() <= HEADER_BYTES {
                break;
            }
        }
        if round % 10 == 0 {
            trace[HEADER_BYTES..].fill_with(|| random.next().to_le_bytes()[0]);
        }
        let len = (trace.len() - HEADER_BYTES) as u64;
        if round % 5 != 0 {
            trace[8..16].copy_from_slice(&len.to_le_bytes());
        }
        see(&trace);
    }
}

#[test]
fn random_changes_lead_to_records_or_to_one_error_at_the_end() {
    let (mut whole, mut errors) = (0, 0);
    mutants(|trace| match Trace::parse(trace) {
        Ok(trace) => {
            let answers: Vec<_> = trace.records().collect();
            let wrong = answers.iter().position(Result::is_err);
            assert!(wrong.is_none_or(|wrong| wrong == answers.len() - 1));
            if wrong.is_some() { errors += 1 } else { whole += 1 }
        }
        Err(error) => assert!(matches!(error, TraceError::Truncated { .. })),
    });
    assert!(whole > 1000 && errors > 1000, "both happen: {whole} and {errors}");
}
