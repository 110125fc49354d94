//! The tools outside this workspace that its jobs use: how to find each, what it is for, how to install it. Both
//! `doctor` and `test` go by this table.

use std::path::Path;
use std::process::{Command, Stdio};

/// Which job cannot run without a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Neither `demo` nor `test` can run.
    Everything,
    /// Part of `test` cannot run.
    Tests,
    /// Only checks outside `demo` and `test` use it.
    Optional,
}

/// A tool.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    /// What it is called.
    pub name: &'static str,
    /// What it is used for here.
    pub purpose: &'static str,
    /// What cannot run without it.
    pub need: Need,
    /// The command that says it is there, and its version in the first line.
    pub probe: &'static [&'static str],
    /// The command that installs it on Debian, and there only as root.
    pub debian: Option<&'static [&'static str]>,
    /// The command to show people elsewhere, or on Debian where there is none of its own.
    pub elsewhere: &'static str,
}

/// Only Linux plays without a sound card.
const SOUND: Need = if cfg!(target_os = "linux") { Need::Tests } else { Need::Optional };

/// Every tool.
pub const TOOLS: [Tool; 14] = [
    Tool {
        name: "cargo",
        purpose: "builds everything",
        need: Need::Everything,
        probe: &["cargo", "--version"],
        debian: None,
        elsewhere: "see https://rustup.rs",
    },
    Tool {
        name: "C compiler",
        purpose: "links, and builds the C library the heap watch is tested on",
        need: Need::Everything,
        probe: &["cc", "--version"],
        debian: Some(&["apt-get", "install", "-y", "gcc", "libc6-dev"]),
        elsewhere: if cfg!(target_os = "macos") { "xcode-select --install" } else { "install gcc or clang" },
    },
    Tool {
        name: "rustfmt",
        purpose: "cargo fmt, in CI",
        need: Need::Optional,
        probe: &["cargo", "fmt", "--version"],
        debian: None,
        elsewhere: "rustup component add rustfmt",
    },
    Tool {
        name: "clippy",
        purpose: "cargo clippy, in CI",
        need: Need::Optional,
        probe: &["cargo", "clippy", "--version"],
        debian: None,
        elsewhere: "rustup component add clippy",
    },
    Tool {
        name: "C++ compiler",
        purpose: "builds programs in C++ for tests, and the rivals in C++ for opcount",
        need: Need::Tests,
        probe: &["c++", "--version"],
        debian: Some(&["apt-get", "install", "-y", "g++"]),
        elsewhere: "install g++ or clang",
    },
    Tool {
        name: "Clang",
        purpose: "builds programs in C and C++ for tests, beside GCC",
        need: Need::Tests,
        probe: &["clang", "--version"],
        debian: Some(&["apt-get", "install", "-y", "--no-install-recommends", "clang", "libclang-rt-dev"]),
        elsewhere: "install clang and its sanitizers",
    },
    Tool {
        name: "make",
        purpose: "builds the rivals in C for opcount",
        need: Need::Optional,
        probe: &["make", "--version"],
        debian: Some(&["apt-get", "install", "-y", "make"]),
        elsewhere: "install GNU make",
    },
    Tool {
        name: "CMake",
        purpose: "tests of the C library as a package, and builds the rivals in C++ for opcount",
        need: Need::Tests,
        probe: &["cmake", "--version"],
        debian: Some(&["apt-get", "install", "-y", "cmake"]),
        elsewhere: "install CMake",
    },
    Tool {
        name: "pkg-config",
        purpose: "tests of the C library as a package",
        need: Need::Tests,
        probe: &["pkg-config", "--version"],
        debian: Some(&["apt-get", "install", "-y", "pkg-config"]),
        elsewhere: "install pkg-config",
    },
    Tool {
        name: "Doxygen",
        purpose: "tests of the C headers' documentation",
        need: Need::Tests,
        probe: &["doxygen", "--version"],
        debian: Some(&["apt-get", "install", "-y", "--no-install-recommends", "doxygen"]),
        elsewhere: "install Doxygen",
    },
    Tool {
        name: "ALSA headers",
        purpose: "tests that play through cpal, and examples on a sound card",
        need: SOUND,
        probe: &["pkg-config", "--modversion", "alsa"],
        debian: Some(&["apt-get", "install", "-y", "libasound2-dev", "pkg-config"]),
        elsewhere: "only Linux has them",
    },
    Tool {
        name: "JACK headers",
        purpose: "tests that play through its dummy server",
        need: SOUND,
        probe: &["pkg-config", "--modversion", "jack"],
        debian: Some(&[
            "apt-get",
            "install",
            "-y",
            "--no-install-recommends",
            "libjack-jackd2-dev",
            "pkg-config",
        ]),
        elsewhere: "install the development files of jack2",
    },
    Tool {
        name: "JACK",
        purpose: "tests that play through its dummy server",
        need: SOUND,
        probe: &["jackd", "--version"],
        debian: Some(&["apt-get", "install", "-y", "--no-install-recommends", "jackd2"]),
        elsewhere: "install jackd2",
    },
    Tool {
        name: "valgrind",
        purpose: "tests that it is told about every block",
        need: Need::Tests,
        probe: &["valgrind", "--version"],
        debian: Some(&["apt-get", "install", "-y", "valgrind"]),
        elsewhere: "install valgrind",
    },
];

/// The tools that `reach` alone uses, and installs.
pub const REACH_TOOLS: [Tool; 12] = [
    Tool {
        name: "Rust of the distribution",
        purpose: "compiles for targets that rustup has no library for, with the sources of its own",
        need: Need::Optional,
        probe: &[
            "sh",
            "-c",
            "test -d $(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library && ld.lld --version > /dev/null && /usr/bin/cargo --version",
        ],
        debian: Some(&[
            "apt-get",
            "install",
            "-y",
            "--no-install-recommends",
            "rustc-web",
            "cargo-web",
            "rust-web-src",
            "lld",
        ]),
        elsewhere: "install rustc, cargo, the sources of Rust's library, and lld",
    },
    Tool {
        name: "QEMU for Arm boards",
        purpose: "runs programs for Cortex-M",
        need: Need::Optional,
        probe: &["qemu-system-arm", "--version"],
        debian: Some(&["apt-get", "install", "-y", "--no-install-recommends", "qemu-system-arm"]),
        elsewhere: "install qemu-system-arm",
    },
    Tool {
        name: "C compiler for Arm boards",
        purpose: "builds FreeRTOS and what runs on it",
        need: Need::Optional,
        // The second is the C library's.
        probe: &["arm-none-eabi-gcc", "--specs=nosys.specs", "--version"],
        debian: Some(&[
            "apt-get",
            "install",
            "-y",
            "--no-install-recommends",
            "gcc-arm-none-eabi",
            "libnewlib-arm-none-eabi",
        ]),
        elsewhere: "install the Arm GNU toolchain",
    },
    Tool {
        name: "C library for Arm boards",
        purpose: "starts programs in C, and prints what they say",
        need: Need::Optional,
        probe: &["arm-none-eabi-gcc", "--specs=picolibc.specs", "--version"],
        debian: Some(&["apt-get", "install", "-y", "--no-install-recommends", "picolibc-arm-none-eabi"]),
        elsewhere: "install picolibc for arm-none-eabi",
    },
    Tool {
        name: "C compiler for RISC-V boards",
        purpose: "builds programs in C that run there, with its library",
        need: Need::Optional,
        probe: &["riscv64-unknown-elf-gcc", "--specs=picolibc.specs", "--version"],
        debian: Some(&[
            "apt-get",
            "install",
            "-y",
            "--no-install-recommends",
            "gcc-riscv64-unknown-elf",
            "picolibc-riscv64-unknown-elf",
        ]),
        elsewhere: "install gcc and picolibc for riscv64-unknown-elf",
    },
    Tool {
        name: "QEMU for RISC-V boards",
        purpose: "runs programs for RISC-V",
        need: Need::Optional,
        probe: &["qemu-system-riscv32", "--version"],
        debian: Some(&["apt-get", "install", "-y", "--no-install-recommends", "qemu-system-misc"]),
        elsewhere: "install qemu-system-riscv32",
    },
    Tool {
        name: "Kconfig parser",
        purpose: "reads the Zephyr module's Kconfig",
        need: Need::Optional,
        // It has no option that only says what it is.
        probe: &["sh", "-c", "command -v kconfig-conf"],
        debian: Some(&["apt-get", "install", "-y", "--no-install-recommends", "kconfig-frontends-nox"]),
        elsewhere: "install kconfig-frontends",
    },
    Tool {
        name: "yamllint",
        purpose: "lints the Zephyr module's YAML",
        need: Need::Optional,
        probe: &["yamllint", "--version"],
        debian: Some(&["apt-get", "install", "-y", "--no-install-recommends", "yamllint"]),
        elsewhere: "install yamllint",
    },
    Tool {
        name: "QEMU for Linux programs",
        purpose: "runs tests for AArch64",
        need: Need::Optional,
        probe: &["qemu-aarch64", "--version"],
        debian: Some(&["apt-get", "install", "-y", "--no-install-recommends", "qemu-user"]),
        elsewhere: "install qemu-user",
    },
    Tool {
        name: "compilers for AArch64",
        purpose: "link tests and compile programs for AArch64",
        need: Need::Optional,
        probe: &["aarch64-linux-gnu-g++", "--version"],
        debian: Some(&[
            "apt-get",
            "install",
            "-y",
            "--no-install-recommends",
            "gcc-aarch64-linux-gnu",
            "g++-aarch64-linux-gnu",
            "libc6-dev-arm64-cross",
        ]),
        elsewhere: "install a cross compiler for aarch64-linux-gnu",
    },
    Tool {
        name: "wine",
        purpose: "runs tests for Windows",
        need: Need::Optional,
        probe: &["wine", "--version"],
        debian: Some(&["apt-get", "install", "-y", "--no-install-recommends", "wine", "wine64"]),
        elsewhere: "install wine",
    },
    Tool {
        name: "compilers for Windows",
        purpose: "link tests and compile programs for Windows",
        need: Need::Optional,
        probe: &["x86_64-w64-mingw32-g++", "--version"],
        debian: Some(&["apt-get", "install", "-y", "--no-install-recommends", "g++-mingw-w64-x86-64"]),
        elsewhere: "install mingw-w64",
    },
];

impl Tool {
    /// The first line of what the tool says about itself, if it is there.
    pub fn version(&self, root: &Path) -> Option<String> {
        let (program, args) = self.probe.split_first()?;
        let output = Command::new(program).args(args).current_dir(root).stdin(Stdio::null()).output().ok()?;
        let text =
            String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().trim().to_owned();
        output.status.success().then_some(text)
    }

    /// The command that installs it here, for people to read.
    pub fn how_to_install(&self) -> String {
        match self.debian {
            Some(command) if is_debian() => command.join(" "),
            _ => self.elsewhere.to_owned(),
        }
    }

    /// Whether it is there, if need be because it could be installed.
    pub fn is_there_or_installed(&self, root: &Path) -> bool {
        self.version(root).is_some() || (self.install() && self.version(root).is_some())
    }

    /// Installs it where that may be done without asking: as root on Debian. Says whether it tried and succeeded.
    pub fn install(&self) -> bool {
        let Some((program, args)) = self.debian.and_then(<[_]>::split_first) else { return false };
        if !is_debian() || !is_root() {
            return false;
        }
        let run = |args: &[&str]| {
            let status = Command::new(program).args(args).env("DEBIAN_FRONTEND", "noninteractive").status();
            status.is_ok_and(|status| status.success())
        };
        run(args) || (run(&["update"]) && run(args))
    }
}

fn is_debian() -> bool {
    Path::new("/etc/debian_version").exists()
}

fn is_root() -> bool {
    #[cfg(unix)]
    {
        // SAFETY: asking for the user has no preconditions and cannot fail.
        unsafe { libc::geteuid() == 0 }
    }
    #[cfg(not(unix))]
    {
        false
    }
}
