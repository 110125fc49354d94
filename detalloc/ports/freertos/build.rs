//! Compiles the programs for QEMU's mps2-an386 (Cortex-M4) and links them with the static library, as users do:
//!
//! - `detalloc`, and the same over `heap_4`;
//! - `elsewhere`: with the heap that the application allocates, at an odd address, cleared when it is freed;
//! - `readme-0` and so on: the heaps that the README begins with, each set up and asked for the largest request that it names.
//!
//! `DETALLOC_LIBRARY` is the path of `libdetalloc_c.a`, and `FREERTOS_PROGRAMS` the folder that the programs go to.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A program: what it is called, and its macros.
struct Program {
    name: String,
    macros: Vec<(&'static str, String)>,
}

impl Program {
    fn new(name: &str, macros: &[(&'static str, &str)]) -> Self {
        let macros = macros.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { name: name.to_owned(), macros }
    }

    fn is_ours(&self) -> bool {
        self.macros.iter().any(|(name, _)| *name == OURS.0)
    }

    fn clears(&self) -> bool {
        self.macros.iter().any(|(name, _)| *name == CLEARS.0)
    }
}

const OURS: (&str, &str) = ("HEAP_DETALLOC", "1");
const CLEARS: (&str, &str) = ("configHEAP_CLEAR_MEMORY_ON_FREE", "1");

fn main() -> Result<()> {
    for variable in ["DETALLOC_LIBRARY", "FREERTOS_PROGRAMS"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    // Without them there is nothing to build: the package is only checked.
    let (Some(library), Some(programs)) = (env::var_os("DETALLOC_LIBRARY"), env::var_os("FREERTOS_PROGRAMS"))
    else {
        return Ok(());
    };
    let (library, programs) = (PathBuf::from(library), PathBuf::from(programs));
    for path in ["src", "config", "heap_detalloc.c", "heap_detalloc.h", "README.md", "../../capi/include"] {
        println!("cargo::rerun-if-changed={path}");
    }
    println!("cargo::rerun-if-changed={}", library.display());

    let mut all = vec![
        Program::new("detalloc", &[OURS]),
        Program::new("heap_4", &[]),
        Program::new("elsewhere", &[OURS, CLEARS, ("configAPPLICATION_ALLOCATED_HEAP", "1")]),
    ];
    all.extend(of_readme(&fs::read_to_string("README.md")?)?);
    if programs.is_dir() {
        fs::remove_dir_all(&programs)?;
    }
    fs::create_dir_all(&programs)?;
    let kernel = PathBuf::from(env::var("DEP_FREERTOS_KERNEL")?);
    let port = kernel.join("portable/GCC/ARM_CM4F");
    // The kernel itself knows nothing of its heap.
    let mut objects = Vec::new();
    for file in ["tasks.c", "queue.c", "list.c", "timers.c", "event_groups.c"] {
        objects.push(kernel.join(file));
    }
    objects.push(port.join("port.c"));
    let objects = build(&kernel, &port, "kernel")?.files(objects).try_compile_intermediates()?;
    for program in &all {
        link(program, &objects, &kernel, &port, &library, &programs)?;
    }
    Ok(())
}

/// The heaps of the README's table: rows of kibibytes, the largest request in bytes, and pools.
fn of_readme(readme: &str) -> Result<Vec<Program>> {
    let mut programs = Vec::new();
    for row in readme.lines().filter_map(|line| line.strip_prefix("| ")) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let [kib, largest, pools, ..] = cells[..] else { continue };
        let Some(kib) = kib.strip_suffix(" KiB") else { continue };
        let bytes = format!("((size_t)({} * 1024))", kib.parse::<u32>()?);
        programs.push(Program {
            name: format!("readme-{}", programs.len()),
            macros: vec![
                (OURS.0, OURS.1.to_owned()),
                ("configTOTAL_HEAP_SIZE", bytes),
                ("configDETALLOC_POOLS", pools.trim_matches('`').to_owned()),
                ("LARGEST_REQUEST", largest.replace(',', "").parse::<u32>()?.to_string()),
            ],
        });
    }
    if programs.is_empty() { Err("README.md has no heaps to begin with".into()) } else { Ok(programs) }
}

/// A compiler of files that see the kernel and its configuration, with a folder of its own for what it makes.
fn build(kernel: &Path, port: &Path, folder: &str) -> Result<cc::Build> {
    let mut build = cc::Build::new();
    // The kernel's headers are not ours to mend.
    build.flag("-isystem").flag(kernel.join("include")).flag("-isystem").flag(port);
    build.include("config").include("../../capi/include").include(".").opt_level(3);
    build.flag("-ffunction-sections").flag("-fdata-sections");
    let folder = PathBuf::from(env::var("OUT_DIR")?).join(folder);
    fs::create_dir_all(&folder)?;
    build.out_dir(folder);
    Ok(build)
}

fn link(
    program: &Program,
    kernel_objects: &[PathBuf],
    kernel: &Path,
    port: &Path,
    library: &Path,
    programs: &Path,
) -> Result<()> {
    let mut ours = build(kernel, port, &program.name)?;
    // With every warning an error.
    ours.warnings(true).extra_warnings(true).warnings_into_errors(true);
    for (name, value) in &program.macros {
        ours.define(name, value.as_str());
    }
    ours.files(["src/board.c", "src/check.c", "src/count.c"]);
    let mut objects = Vec::new();
    if program.is_ours() {
        ours.file("heap_detalloc.c");
    } else {
        let mut build = build(kernel, port, "heap_4")?;
        objects = build.file(kernel.join("portable/MemMang/heap_4.c")).try_compile_intermediates()?;
    }
    objects.extend(ours.try_compile_intermediates()?);
    let mut linker = ours.get_compiler().to_command();
    linker.args(&objects).args(kernel_objects).args(["-nostartfiles", "-T", "src/board.ld"]);
    // The board's memory is one piece.
    linker.args(["-Wl,--gc-sections", "-Wl,--no-warn-rwx-segments"]);
    if program.is_ours() {
        linker.arg(library);
    }
    if program.clears() {
        linker.arg("-Wl,--wrap=memset");
    }
    if linker.arg("-o").arg(programs.join(&program.name)).status()?.success() {
        Ok(())
    } else {
        Err(format!("{} does not link", program.name).into())
    }
}
