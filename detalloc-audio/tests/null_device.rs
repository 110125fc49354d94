//! Through cpal and ALSA to a PCM that takes everything and waits for nothing: no sound card, and the real callback path.
#![cfg(all(feature = "cpal", target_os = "linux"))]

mod sound;

use cpal::{
    Device,
    traits::{DeviceTrait, HostTrait},
};
use sound::{Busy, play};
use std::{io::Write, sync::OnceLock};

/// The default device of an ALSA that has nothing but a null PCM.
fn null() -> Device {
    static CONFIG: OnceLock<tempfile::NamedTempFile> = OnceLock::new();
    CONFIG.get_or_init(|| {
        let mut config = tempfile::NamedTempFile::new().unwrap();
        config.write_all(b"pcm.!default { type null }\n").unwrap();
        // SAFETY: under the lock of the cell, and before anything of this process reads the environment: the tests here
        // begin with this.
        unsafe { std::env::set_var("ALSA_CONFIG_PATH", config.path()) };
        config
    });
    let host = cpal::host_from_id(cpal::HostId::Alsa).unwrap();
    host.default_output_device().unwrap()
}

#[test]
fn a_hundred_thousand_callbacks_touch_nothing_they_should_not() {
    let device = null();
    let mut busy = Busy::new();
    let (report, watch, _) = play(&device, 64, 100_000, move |rt, output| busy.render(rt, output));
    report.assert_clean();
    assert!(watch.callbacks() >= 100_000 && watch.chunks() >= 100_000 && !watch.panicked());
}

#[test]
fn one_that_does_is_seen() {
    let device = null();
    assert!(device.default_output_config().is_ok());
    let mut count = 0;
    let (report, ..) = play(&device, 64, 100, move |_, output| {
        count += 1;
        if count == 50 {
            // Large enough to be new memory, so that touching it faults.
            drop(std::hint::black_box(vec![1_u8; 1 << 20]));
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        output.fill(0.0);
    });
    if thread_watch::available() {
        assert_eq!((report.allocations.count, report.frees.count), (Some(1), Some(1)));
    }
    assert!(report.minor_faults.count >= Some(256) && report.voluntary_switches.count >= Some(1), "{report}");
}

#[test]
fn a_panic_leaves_the_stream_running_and_silent() {
    let (_, watch, _) = play(&null(), 64, 100, |_, _| std::panic::resume_unwind(Box::new(())));
    assert!(watch.panicked());
    assert!(watch.callbacks() >= 100);
    assert_eq!(watch.chunks(), 1);
}
