//! Which thread this is, from the thread register: one instruction, no thread-local.
//!
//! The first access to a thread-local in a library that was loaded at run time can lock and allocate, on the audio
//! thread of all places. The thread register is set up before a thread runs its first instruction. Its value is
//! unique among living threads and never 0; a later thread may have the value of one that has ended.

/// A value that no other living thread has; never 0.
#[inline]
pub(crate) fn current() -> usize {
    imp::current()
}

#[cfg(all(
    not(miri),
    target_arch = "x86_64",
    any(target_os = "linux", target_os = "android", target_os = "macos", target_os = "windows")
))]
mod imp {
    use core::arch::asm;

    #[inline]
    pub(super) fn current() -> usize {
        let id: usize;
        // SAFETY: each of these platforms documents this word as the thread block's pointer to itself; reading it has
        // no other effect.
        unsafe {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            asm!("mov {}, fs:[0]", out(reg) id, options(nostack, preserves_flags, readonly));
            #[cfg(target_os = "macos")]
            asm!("mov {}, gs:[0]", out(reg) id, options(nostack, preserves_flags, readonly));
            #[cfg(target_os = "windows")]
            asm!("mov {}, gs:[0x30]", out(reg) id, options(nostack, preserves_flags, readonly));
        }
        id
    }
}

#[cfg(all(
    not(miri),
    target_arch = "aarch64",
    any(
        target_os = "linux",
        target_os = "android",
        target_os = "macos",
        target_os = "ios",
        target_os = "windows"
    )
))]
mod imp {
    use core::arch::asm;

    #[inline]
    pub(super) fn current() -> usize {
        let id: usize;
        // SAFETY: reading the thread register that these platforms reserve for it has no other effect.
        unsafe {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            asm!("mrs {}, tpidr_el0", out(reg) id, options(nomem, nostack, preserves_flags));
            #[cfg(any(target_os = "macos", target_os = "ios"))]
            // The lowest three bits may say which processor the thread runs on now.
            asm!("mrs {0}, tpidrro_el0", "bic {0}, {0}, #7", out(reg) id, options(nomem, nostack, preserves_flags));
            #[cfg(target_os = "windows")]
            asm!("mov {}, x18", out(reg) id, options(nomem, nostack, preserves_flags));
        }
        id
    }
}

#[cfg(any(
    miri,
    not(any(target_arch = "x86_64", target_arch = "aarch64")),
    not(any(
        target_os = "linux",
        target_os = "android",
        target_os = "macos",
        target_os = "ios",
        target_os = "windows"
    )),
    all(target_arch = "x86_64", target_os = "ios")
))]
mod imp {
    std::thread_local! {
        /// Its address tells threads apart where the thread register is not ours to know; `const`, so that only the
        /// platform's own set-up of thread-locals can happen on first use.
        static HERE: u8 = const { 0 };
    }

    #[inline]
    pub(super) fn current() -> usize {
        HERE.with(|here| core::ptr::from_ref(here).addr())
    }
}

#[cfg(test)]
mod tests {
    use super::current;

    #[test]
    fn threads_that_live_at_the_same_time_differ() {
        let here = current();
        assert_ne!(here, 0);
        assert_eq!(here, current());
        let there = std::thread::spawn(current).join().unwrap();
        assert_ne!(here, there);
    }
}
