//! What the allocator is built for, and what runs it here.

use super::c::{BoardC, Tools};
use super::hosted::{Hosted, Skipped};
use crate::failure::Failure;

/// How far a target is taken here.
#[derive(Clone, Copy, Debug)]
pub enum Reach {
    /// The programs of `detalloc/ports/bare-metal` run on these boards, under this emulator.
    BareMetal(Boards),
    /// The programs of `detalloc/ports/freertos` run on this board.
    FreeRtos {
        /// The emulator, and what it needs for any board.
        emulator: &'static [&'static str],
        /// The board.
        board: &'static str,
    },
    /// The module of `detalloc/ports/zephyr` is linted, built and run with what stands for Zephyr.
    Zephyr,
    /// The tests and the programs in C run under an emulator.
    Hosted(Hosted),
    /// There is nothing here that could run it.
    BuiltOnly {
        /// Why.
        why: &'static str,
    },
}

/// Emulated boards of one kind of processor.
#[derive(Clone, Copy, Debug)]
pub struct Boards {
    /// The emulator, and what it needs for any board.
    pub emulator: &'static [&'static str],
    /// The boards, the one whose instructions are counted first.
    pub boards: &'static [&'static str],
    /// A board with room for the core's tests and for programs in C, whose processor runs the same instructions. None: without
    /// the features of the core that its tests need, which makes for less code.
    pub large: Option<Large>,
    /// Whether the processor has compare-and-swap. Where it has none, what needs it must not compile.
    pub swaps: bool,
    /// The most instructions an operation may take whose class has a free block.
    pub limit_instructions: Option<u32>,
    /// The most bytes of machine code that allocate and free may have together.
    pub limit_code_bytes: Option<u64>,
}

/// A board with room.
#[derive(Clone, Copy, Debug)]
pub struct Large {
    /// What the emulator calls it.
    pub board: &'static str,
    /// How programs in C are made for it.
    pub c: BoardC,
}

/// One kind of machine.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// What it is called here.
    pub name: &'static str,
    /// What the compiler calls it.
    pub triple: &'static str,
    /// How far it is taken.
    pub reach: Reach,
    /// The names of the tools, in [`TOOLS`](crate::tools::TOOLS) and [`REACH_TOOLS`](crate::tools::REACH_TOOLS), that it needs.
    pub tools: &'static [&'static str],
}

const ARM: &[&str] = &["qemu-system-arm", "-serial", "none"];
const RISCV: &[&str] = &["qemu-system-riscv32", "-serial", "none", "-bios", "none"];

const CORTEX_M4: BoardC = BoardC {
    compiler: &["arm-none-eabi-gcc", "-mthumb", "-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"],
    flash: "0",
    ram: "0x21000000",
};

const CORTEX_M0: BoardC =
    BoardC { compiler: &["arm-none-eabi-gcc", "-mthumb", "-mcpu=cortex-m0"], ..CORTEX_M4 };

const RV32IMAC: BoardC = BoardC {
    compiler: &["riscv64-unknown-elf-gcc", "-march=rv32imac", "-mabi=ilp32"],
    flash: "0x80000000",
    ram: "0x80400000",
};

/// The most that an operation of this processor may take whose class has a free block.
const STM32F4_INSTRUCTIONS: Option<u32> = Some(60);

/// Why no emulated system can run some tests: what they compile would be linked for the target by the linker of this machine.
const RUN_THE_COMPILER: &str = "they run the compiler, which is none of the target's";

/// Tests that no emulated system can run.
const MISUSE: Skipped = Skipped {
    package: "detalloc",
    names: &[
        "what_safe_code_must_not_do_does_not_compile",
        "every_function_is_refused_unless_it_is_marked_as_allowed",
    ],
    why: RUN_THE_COMPILER,
};
const MISUSE_OF_AUDIO: Skipped =
    Skipped { package: "detalloc-audio", names: &["misuse::"], why: RUN_THE_COMPILER };
const EXAMPLES: Skipped = Skipped {
    package: "detalloc-audio",
    names: &["bad_input::", "looper::", "publish::", "synth::", "third_party::"],
    why: "they build the examples by cargo, which is none of the target's",
};

impl Target {
    /// All there are.
    pub const ALL: [Target; 10] = [
        Target {
            name: "thumbv7em",
            triple: "thumbv7em-none-eabihf",
            reach: Reach::BareMetal(Boards {
                emulator: ARM,
                boards: &["netduinoplus2"],
                large: Some(Large { board: "mps2-an386", c: CORTEX_M4 }),
                swaps: true,
                limit_instructions: STM32F4_INSTRUCTIONS,
                limit_code_bytes: None,
            }),
            tools: &["QEMU for Arm boards", "C compiler for Arm boards", "C library for Arm boards"],
        },
        Target {
            name: "thumbv7em-small",
            triple: "thumbv7em-none-eabihf",
            reach: Reach::BareMetal(Boards {
                emulator: ARM,
                boards: &["netduinoplus2"],
                large: None,
                swaps: true,
                limit_instructions: STM32F4_INSTRUCTIONS,
                // 1.5 KiB.
                limit_code_bytes: Some(1536),
            }),
            tools: &["QEMU for Arm boards"],
        },
        Target {
            name: "thumbv6m",
            triple: "thumbv6m-none-eabi",
            // The second one has a larger processor, which runs the same instructions, and room for every trace.
            reach: Reach::BareMetal(Boards {
                emulator: ARM,
                boards: &["microbit", "netduinoplus2"],
                large: Some(Large { board: "mps2-an386", c: CORTEX_M0 }),
                swaps: false,
                limit_instructions: None,
                limit_code_bytes: None,
            }),
            tools: &["QEMU for Arm boards", "C compiler for Arm boards", "C library for Arm boards"],
        },
        Target {
            name: "riscv32imac",
            triple: "riscv32imac-unknown-none-elf",
            reach: Reach::BareMetal(Boards {
                emulator: RISCV,
                boards: &["virt"],
                large: Some(Large { board: "virt", c: RV32IMAC }),
                swaps: true,
                limit_instructions: None,
                limit_code_bytes: None,
            }),
            tools: &["QEMU for RISC-V boards", "C compiler for RISC-V boards"],
        },
        Target {
            name: "freertos",
            triple: "thumbv7em-none-eabihf",
            reach: Reach::FreeRtos { emulator: ARM, board: "mps2-an386" },
            tools: &["QEMU for Arm boards", "C compiler for Arm boards"],
        },
        Target {
            name: "zephyr",
            triple: "x86_64-unknown-linux-gnu",
            reach: Reach::Zephyr,
            tools: &["CMake", "Kconfig parser", "yamllint"],
        },
        Target {
            name: "aarch64-linux",
            triple: "aarch64-unknown-linux-gnu",
            reach: Reach::Hosted(Hosted {
                runner: &["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"],
                tools: Tools { c: "aarch64-linux-gnu-gcc", cpp: "aarch64-linux-gnu-g++" },
                // With the C library inside: to look for one in the cross compiler's folder makes threads hang.
                flags: "-C target-feature=+crt-static",
                skipped: &[
                    Skipped {
                        package: "detalloc",
                        names: &[
                            "a_region_holds_a_heap_that_owns_it",
                            "a_region_is_at_least_as_large_as_asked_for_and_all_in_memory",
                            "a_region_on_huge_pages_is_aligned_to_them_and_says_how_much_it_got",
                            "a_region_that_may_not_be_locked_serves_and_says_why",
                        ],
                        why: "the emulator does not say which pages are in memory",
                    },
                    Skipped {
                        package: "detalloc",
                        names: &["no_source_faults_while_blocks_are_allocated_and_written"],
                        why: "the emulator's own page faults are counted with the program's",
                    },
                    Skipped {
                        package: "detalloc-audio",
                        names: &[
                            "a_containment_is_found_unless_it_is_meant",
                            "a_refusal_is_found",
                            "callbacks_on_pools_are_clean",
                            "a_panic_in_a_callback_ends_the_watch",
                            "a_proof_goes_with_its_callbacks_to_another_thread",
                            "what_warms_up_is_not_counted",
                            "frees_of_other_threads_blocks_do_not_stall_a_callback",
                        ],
                        why: "the emulator's own page faults and waits are counted with the program's",
                    },
                    Skipped {
                        package: "detalloc-audio",
                        names: &[
                            "callbacks_go_on_beside_a_reaper_that_is_",
                            "others_go_on_beside_an_audio_thread_that_is_gone",
                            "counts_every_one",
                            "aborts_with_the_request_and_its_stack",
                            "panics_when_the_callback_has_ended",
                            "where_it_is_refused_that_is_said",
                            "a_crash_leaves_a_whole_trace",
                            "a_file_that_cannot_be_written_is_one_line",
                            "a_recording_that_ends_early",
                            "callbacks_allocations_frees_of_all_threads_and_refusals",
                            "every_heap_has_a_file_of_its_own",
                            "no_callback_is_disturbed",
                            "without_memory_there_is_nothing_to_record",
                        ],
                        why: "they start programs of the target, which nothing but the emulator can",
                    },
                    MISUSE,
                    MISUSE_OF_AUDIO,
                    EXAMPLES,
                ],
            }),
            tools: &["QEMU for Linux programs", "compilers for AArch64"],
        },
        Target {
            name: "windows",
            triple: "x86_64-pc-windows-gnu",
            reach: Reach::Hosted(Hosted {
                runner: &["wine"],
                tools: Tools { c: "x86_64-w64-mingw32-gcc", cpp: "x86_64-w64-mingw32-g++" },
                flags: "",
                skipped: &[MISUSE, MISUSE_OF_AUDIO, EXAMPLES],
            }),
            tools: &["wine", "compilers for Windows"],
        },
        Target {
            name: "macos",
            triple: "aarch64-apple-darwin",
            reach: Reach::BuiltOnly { why: "only a Mac links and runs it" },
            tools: &[],
        },
        Target {
            name: "wasm32",
            triple: "wasm32-unknown-unknown",
            reach: Reach::BuiltOnly { why: "its threads and its clock are its embedder's" },
            tools: &[],
        },
    ];

    /// The one that is called like this, here or by the compiler.
    ///
    /// # Errors
    ///
    /// [`Failure::CannotRun`] if and only if there is none.
    pub fn named(name: &str) -> Result<Self, Failure> {
        let known = || Target::ALL.iter().map(|target| target.name).collect::<Vec<_>>().join(", ");
        let found = Target::ALL.into_iter().find(|target| target.name == name || target.triple == name);
        found.ok_or_else(|| Failure::CannotRun(format!("{name}: unknown target; known are: {}", known())))
    }

    /// The parts of the standard library that its programs need, as cargo is to build them where rustup has none.
    pub fn libraries(&self) -> &'static str {
        match self.reach {
            Reach::BareMetal(_) | Reach::FreeRtos { .. } | Reach::Zephyr => "core,alloc",
            Reach::Hosted(_) => "std,panic_abort,panic_unwind,test,proc_macro",
            Reach::BuiltOnly { .. } => "std,panic_abort",
        }
    }
}
