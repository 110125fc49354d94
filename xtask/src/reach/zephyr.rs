//! Zephyr: the module's C, CMake, Kconfig and YAML, with what stands for Zephyr, which is in no registry.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::report::Row;
use crate::failure::Failure;
use crate::workspace::Workspace;

/// What is left to be done by whoever has it.
const NOT_RUN: &str =
    "not run on Zephyr, whose kernel is in no registry: on this machine, with stand-in headers";

/// The programs of the module, and the last line of each.
const PROGRAMS: [(&str, &str); 2] =
    [("samples/basic", "served 20, refused 8, most in use 20"), ("tests/heap", "all well")];

/// The symbols of processors, and the Rust target that Kconfig has to choose for each; none where there is none that fits.
const PROCESSORS: [(&str, &str); 22] = [
    ("CPU_CORTEX_M0PLUS", "thumbv6m-none-eabi"),
    ("CPU_CORTEX_M3", "thumbv7m-none-eabi"),
    ("CPU_CORTEX_M4", "thumbv7em-none-eabi"),
    ("CPU_CORTEX_M7 FP_HARDABI", "thumbv7em-none-eabihf"),
    ("CPU_CORTEX_M23", "thumbv8m.base-none-eabi"),
    ("CPU_CORTEX_M33", "thumbv8m.main-none-eabi"),
    ("CPU_CORTEX_M55 FP_HARDABI", "thumbv8m.main-none-eabihf"),
    ("ARM64 64BIT", "aarch64-unknown-none-softfloat"),
    // Zephyr passes floating-point numbers in integer registers unless it is told otherwise.
    ("RISCV_ISA_RV64I 64BIT RISCV_ISA_EXT_M RISCV_ISA_EXT_A RISCV_ISA_EXT_C", "riscv64imac-unknown-none-elf"),
    (
        "RISCV_ISA_RV64I 64BIT RISCV_ISA_EXT_M RISCV_ISA_EXT_A RISCV_ISA_EXT_C FLOAT_HARD CPU_HAS_FPU_DOUBLE_PRECISION",
        "riscv64gc-unknown-none-elf",
    ),
    ("RISCV_ISA_RV64I 64BIT RISCV_ISA_EXT_M RISCV_ISA_EXT_C", ""),
    ("RISCV_ISA_RV32I RISCV_ISA_EXT_M RISCV_ISA_EXT_A RISCV_ISA_EXT_C", "riscv32imac-unknown-none-elf"),
    (
        "RISCV_ISA_RV32I RISCV_ISA_EXT_M RISCV_ISA_EXT_A RISCV_ISA_EXT_C FLOAT_HARD",
        "riscv32imafc-unknown-none-elf",
    ),
    (
        "RISCV_ISA_RV32I RISCV_ISA_EXT_M RISCV_ISA_EXT_A RISCV_ISA_EXT_C FLOAT_HARD CPU_HAS_FPU_DOUBLE_PRECISION",
        "",
    ),
    // Without atomic exchanges, which would trap.
    ("RISCV_ISA_RV32I RISCV_ISA_EXT_M RISCV_ISA_EXT_C", "riscv32imc-unknown-none-elf"),
    ("RISCV_ISA_RV32I RISCV_ISA_EXT_M", "riscv32im-unknown-none-elf"),
    ("RISCV_ISA_RV32I RISCV_ISA_EXT_C", "riscv32i-unknown-none-elf"),
    ("RISCV_ISA_EXT_M RISCV_ISA_EXT_A RISCV_ISA_EXT_C", ""),
    ("X86_64 64BIT", "x86_64-unknown-none"),
    ("ARCH_POSIX 64BIT", "x86_64-unknown-linux-gnu"),
    ("ARCH_POSIX", "i686-unknown-linux-gnu"),
    // A processor that Kconfig knows nothing of.
    ("PRINTK", ""),
];

/// What stands for the machine at hand, beside what a program's `prj.conf` says.
const HOST: &str = "CONFIG_ARCH_POSIX=y\nCONFIG_64BIT=y\n";

/// Lints what can be linted, builds both programs as the module's own files say, and runs them.
///
/// # Errors
///
/// [`Failure::CannotRun`] if and only if a program does not build, or a file of the module cannot be read.
pub fn run(workspace: &Workspace, row: &mut Row) -> Result<(), Failure> {
    let module = workspace.root.join("detalloc/ports/zephyr");
    row.not_possible.push(NOT_RUN.to_owned());
    judge(
        "every YAML file is as yamllint demands",
        quiet(Command::new("yamllint").arg("-s").arg(&module)),
        row,
    );
    judge("the module's files are where module.yml says", names_its_files(&module)?, row);
    judge("Rust has every target that Kconfig names", has_targets(&module, &rust_targets(workspace)?)?, row);
    let folder =
        tempfile::tempdir().map_err(|error| Failure::CannotRun(format!("a temporary folder: {error}")))?;
    for (processor, target) in PROCESSORS {
        let symbols = processor.split(' ').map(|symbol| format!("CONFIG_{symbol}=y\n"));
        let wanted = symbols.chain(["CONFIG_DETALLOC=y\n".to_owned()]).collect::<String>();
        let config = configure(&module, folder.path(), &wanted)?;
        let chosen = format!("CONFIG_DETALLOC_RUST_TARGET=\"{target}\"");
        judge(
            &format!("Kconfig chooses for {processor}: {target}"),
            config.lines().any(|line| line == chosen),
            row,
        );
    }
    judge(
        "a processor without a Rust target stops the build",
        stops_without_target(&module, folder.path())?,
        row,
    );
    for (program, last) in PROGRAMS {
        let text = build_and_run(&module, program, folder.path())?;
        row.built = true;
        row.passed += u32::try_from(text.lines().filter(|line| line.starts_with("ok ")).count()).unwrap_or(0);
        judge(&format!("{program} says: {last}"), text.lines().last() == Some(last), row);
    }
    row.ran_on.push("stand-in".to_owned());
    Ok(())
}

fn judge(check: &str, good: bool, row: &mut Row) {
    if good {
        row.passed += 1;
    } else {
        row.failed.push(check.to_owned());
    }
}

/// Whether the command succeeds.
fn quiet(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(std::io::stderr()).status().is_ok_and(|status| status.success())
}

/// The configuration that the Kconfig parser makes of these lines, also as the file `config` in a folder.
fn configure(module: &Path, folder: &Path, wanted: &str) -> Result<String, Failure> {
    let (all, config) = (folder.join("wanted"), folder.join("config"));
    fs::write(&all, wanted).map_err(|error| Failure::file(&all, error))?;
    let parsed = Command::new("kconfig-conf")
        .args(["--allnoconfig", "stand-in/Kconfig"])
        .current_dir(module)
        .env("srctree", module)
        .env("KCONFIG_CONFIG", &config)
        .env("KCONFIG_ALLCONFIG", &all)
        .output();
    let text = fs::read_to_string(&config).map_err(|error| Failure::file(&config, error))?;
    // The parser is silent about a symbol that the files do not have.
    if parsed.is_ok_and(|output| output.status.success()) && takes_over(wanted, &text) {
        Ok(text)
    } else {
        Err(Failure::CannotRun(format!("Kconfig of the Zephyr module does not take:\n{wanted}")))
    }
}

/// CMake, for a program of the module with the configuration in a folder.
fn cmake(module: &Path, program: &str, folder: &Path) -> Command {
    let mut cmake = Command::new("cmake");
    cmake.arg("-S").arg(module.join("stand-in")).arg("-B").arg(folder);
    cmake.arg(definition("DETALLOC_CONFIG", &folder.join("config")));
    cmake.arg(definition("DETALLOC_PROGRAM", &module.join(program)));
    cmake
}

/// Whether CMake stops where Kconfig has chosen no target, and says why.
fn stops_without_target(module: &Path, folder: &Path) -> Result<bool, Failure> {
    let build = folder.join("no-target");
    fs::create_dir_all(&build).map_err(|error| Failure::file(&build, error))?;
    configure(module, &build, "CONFIG_PRINTK=y\nCONFIG_DETALLOC=y\n")?;
    let output = cmake(module, PROGRAMS[0].0, &build).stdin(Stdio::null()).output();
    Ok(output.is_ok_and(|output| {
        let said = String::from_utf8_lossy(&output.stderr);
        !output.status.success() && said.contains("knows no Rust target")
    }))
}

/// What a program prints, built in a folder with the configuration that the Kconfig parser makes of its `prj.conf`.
fn build_and_run(module: &Path, program: &str, folder: &Path) -> Result<String, Failure> {
    let cannot = |what: &str| Failure::CannotRun(format!("{program} of the Zephyr module: {what}"));
    let build = folder.join(program);
    fs::create_dir_all(&build).map_err(|error| Failure::file(&build, error))?;
    let own = module.join(program).join("prj.conf");
    let own = fs::read_to_string(&own).map_err(|error| Failure::file(&own, error))?;
    configure(module, &build, &(own + HOST))?;
    if !quiet(&mut cmake(module, program, &build)) || !quiet(Command::new("cmake").arg("--build").arg(&build))
    {
        return Err(cannot("it does not build"));
    }
    let output = Command::new(build.join("app")).output().map_err(|error| cannot(&error.to_string()))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether every line is among those of the configuration.
fn takes_over(wanted: &str, config: &str) -> bool {
    wanted.lines().all(|wanted| config.lines().any(|line| line == wanted))
}

/// An argument of CMake that sets a variable to a path.
fn definition(variable: &str, path: &Path) -> std::ffi::OsString {
    let mut argument = std::ffi::OsString::from(format!("-D{variable}="));
    argument.push(path);
    argument
}

/// Whether everything is there that Zephyr's build is told to look for.
fn names_its_files(module: &Path) -> Result<bool, Failure> {
    let path = module.join("zephyr/module.yml");
    let text = fs::read_to_string(&path).map_err(|error| Failure::file(&path, error))?;
    let value = |key: &str| text.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(": "));
    let listed = text.lines().filter_map(|line| line.trim().strip_prefix("- "));
    let files: Option<Vec<PathBuf>> = value("cmake").zip(value("kconfig")).map(|(cmake, kconfig)| {
        let named = [Path::new(cmake).join("CMakeLists.txt"), PathBuf::from(kconfig)];
        named.into_iter().chain(listed.map(PathBuf::from)).collect()
    });
    Ok(files.is_some_and(|files| files.iter().all(|file| module.join(file).exists())))
}

/// What the compiler can be told to compile for.
fn rust_targets(workspace: &Workspace) -> Result<String, Failure> {
    let mut rustc = Command::new("rustc");
    let output = rustc.args(["--print", "target-list"]).current_dir(&workspace.root).output();
    let output = output.map_err(|error| Failure::CannotRun(format!("rustc: {error}")))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether Kconfig names targets, and all are among these lines.
fn has_targets(module: &Path, known: &str) -> Result<bool, Failure> {
    let path = module.join("zephyr/Kconfig");
    let text = fs::read_to_string(&path).map_err(|error| Failure::file(&path, error))?;
    let behind = text.split_once("config DETALLOC_RUST_TARGET").map_or("", |(_, behind)| behind);
    let mut named =
        behind.lines().filter_map(|line| line.trim().strip_prefix("default \"")?.split('"').next());
    let are_known = named.clone().all(|target| known.lines().any(|line| line == target));
    Ok(are_known && named.next().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(file: &str, text: &str) -> tempfile::TempDir {
        let module = tempfile::tempdir().unwrap();
        fs::create_dir_all(module.path().join("zephyr")).unwrap();
        fs::write(module.path().join("zephyr").join(file), text).unwrap();
        module
    }

    #[test]
    fn a_file_that_is_not_there_is_found() {
        let text =
            "---\nname: a\nbuild:\n  cmake: zephyr\n  kconfig: zephyr/Kconfig\nsamples:\n  - samples\n";
        let module = module("module.yml", text);
        for missing in ["zephyr/CMakeLists.txt", "zephyr/Kconfig", "samples"] {
            assert!(!names_its_files(module.path()).unwrap(), "{missing}");
            fs::write(module.path().join(missing), "").unwrap();
        }
        assert!(names_its_files(module.path()).unwrap());
    }

    #[test]
    fn a_symbol_that_kconfig_does_not_know_is_found() {
        let config = "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=3\n";
        assert!(takes_over("CONFIG_C=3\nCONFIG_A=y\n", config));
        assert!(!takes_over("CONFIG_A=y\nCONFIG_B=y\n", config));
    }

    #[test]
    fn a_target_that_the_compiler_does_not_know_is_found() {
        let text = "config DETALLOC_RUST_TARGET\n\tdefault \"a-none\" if A\n\tdefault \"b-none\"\n";
        let module = module("Kconfig", text);
        let is_good = |known| has_targets(module.path(), known).unwrap();
        assert_eq!((is_good("a-none\nb-none\n"), is_good("a-none\nb-none-x\n")), (true, false));
        let empty = self::module("Kconfig", "config DETALLOC_RUST_TARGET\n");
        assert!(!has_targets(empty.path(), "a-none").unwrap());
    }
}
