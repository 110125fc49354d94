//! Compiles the kernel, one of the heaps and the checks for QEMU's mps2-an386 (Cortex-M4).

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let kernel = PathBuf::from(env::var("DEP_FREERTOS_KERNEL")?);
    let port = kernel.join("portable/GCC/ARM_CM4F");
    let is_ours = env::var_os("CARGO_FEATURE_HEAP_4").is_none();

    let mut build = cc::Build::new();
    build.include(kernel.join("include")).include(&port).include(here.join("config"));
    build.include(here.join("../../capi/include")).include(&here).opt_level(3);
    for file in ["tasks.c", "queue.c", "list.c", "timers.c", "event_groups.c"] {
        build.file(kernel.join(file));
    }
    build.file(port.join("port.c"));
    if is_ours {
        build.define("HEAP_DETALLOC", None);
    } else {
        build.file(kernel.join("portable/MemMang/heap_4.c"));
    }
    build.try_compile("kernel")?;

    // Ours, with every warning an error.
    let mut build = cc::Build::new();
    // The kernel's headers are not ours to mend.
    build.flag("-isystem").flag(kernel.join("include")).flag("-isystem").flag(&port);
    build.include(here.join("config")).include(here.join("../../capi/include")).include(&here);
    build.opt_level(3).warnings(true).extra_warnings(true).warnings_into_errors(true);
    if is_ours {
        build.define("HEAP_DETALLOC", None).file(here.join("heap_detalloc.c"));
    }
    build.file(here.join("src/check.c")).try_compile("check")?;

    let out = PathBuf::from(env::var("OUT_DIR")?);
    let memory = "FLASH : ORIGIN = 0x00000000, LENGTH = 4M\nRAM : ORIGIN = 0x20000000, LENGTH = 4M";
    fs::write(out.join("memory.x"), format!("MEMORY {{\n{memory}\n}}\n"))?;
    println!("cargo::rustc-link-search={}", out.display());
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    for folder in ["src", "config", "heap_detalloc.c", "heap_detalloc.h", "../../capi/include"] {
        println!("cargo::rerun-if-changed={folder}");
    }
    Ok(())
}
