//! Through cpal and JACK to a server of its own that has no sound card: real-time callbacks, paced by its clock.
#![cfg(all(feature = "jack", target_os = "linux"))]

mod sound;

use cpal::traits::HostTrait;
use sound::{Busy, play};
use std::{
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const FRAMES: u32 = 128;

/// A dummy server under a name that no other has.
struct Server(Child);

impl Server {
    /// `None`: there is no JACK on this machine.
    fn start() -> Option<Self> {
        let name = format!("detalloc-{}", std::process::id());
        // SAFETY: this program has one test, and nothing else of it reads the environment yet.
        unsafe {
            std::env::set_var("JACK_DEFAULT_SERVER", &name);
            std::env::set_var("JACK_NO_START_SERVER", "1");
            std::env::set_var("JACK_NO_AUDIO_RESERVATION", "1");
        }
        let frames = FRAMES.to_string();
        let child = Command::new("jackd")
            .args(["-R", "-n", &name, "-d", "dummy", "-r", "48000", "-p", &frames])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        child.ok().map(Self)
    }
}

impl Drop for Server {
    /// Lets it go in order: one that is killed leaves its shared memory behind, and JACK has room for eight of those.
    fn drop(&mut self) {
        if let Ok(server) = self.0.id().try_into() {
            // SAFETY: a child of ours that nobody has waited for.
            unsafe { libc::kill(server, libc::SIGTERM) };
        }
        let asked = Instant::now();
        while let (Ok(None), true) = (self.0.try_wait(), asked.elapsed() < Duration::from_secs(10)) {
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn two_thousand_callbacks_touch_nothing_they_should_not() {
    let Some(mut server) = Server::start() else {
        assert!(std::env::var("CI").is_err(), "there is no jackd here");
        return eprintln!("not checked: there is no jackd here");
    };
    let start = Instant::now();
    let device = loop {
        let host = cpal::host_from_id(cpal::HostId::Jack);
        if let Some(device) = host.ok().and_then(|host| host.default_output_device()) {
            break device;
        }
        assert_eq!(server.0.try_wait().unwrap(), None, "the server has ended");
        assert!(start.elapsed() < Duration::from_secs(30), "the server does not answer");
        thread::sleep(Duration::from_millis(50));
    };
    let mut busy = Busy::new();
    let (report, watch, frames) = play(&device, FRAMES, 2_000, move |rt, output| busy.render(rt, output));
    report.assert_clean();
    assert_eq!(frames, FRAMES as usize);
    assert!(!watch.panicked());
}
