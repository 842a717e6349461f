//! Building the core module from source, with the same bytes wherever it is built.
//!
//! Cargo runs in a target folder of its own, so that a build script may call this while another cargo
//! holds the workspace's. Whatever could change the bytes is taken out of the environment.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{Packed, pack};

/// Builds the core module of the workspace at `root` for a world and packs it; `target` is a folder for cargo.
///
/// # Errors
///
/// Where no toolchain for the target is there, where the build fails, and where [`pack`] refuses.
pub fn build(root: &Path, target: &Path, world: World) -> Result<Packed> {
    let root = root.canonicalize().with_context(|| format!("finding `{}`", root.display()))?;
    fs::create_dir_all(target).with_context(|| format!("making `{}`", target.display()))?;
    let target =
        target.canonicalize().with_context(|| format!("finding `{}`", target.display()))?;
    let toolchain = Toolchain::find()?;
    let mut cargo = Command::new(&toolchain.cargo);
    scrub(&mut cargo);
    cargo
        .current_dir(&root)
        .env("RUSTC", &toolchain.rustc)
        // An empty wrapper overrides one that a configuration file names.
        .env("RUSTC_WRAPPER", "")
        .env("RUSTC_WORKSPACE_WRAPPER", "")
        .env("CARGO_ENCODED_RUSTFLAGS", flags(&root, &target, &toolchain)?.join("\u{1f}"))
        .args(["build", "--locked", "--package", PACKAGE, "--profile", world.profile()])
        .args(["--target", TRIPLE, "--target-dir"])
        .arg(&target);
    if world == World::Planning {
        cargo.args(["--features", "planning"]);
    }
    if toolchain.builds_std {
        cargo.env("RUSTC_BOOTSTRAP", "1");
        cargo.args(["--ignore-rust-version", "-Zbuild-std=core,alloc,panic_abort"]);
    }
    let output =
        cargo.output().with_context(|| format!("running `{}`", toolchain.cargo.display()))?;
    ensure!(
        output.status.success(),
        "building `{PACKAGE}` for {TRIPLE} failed ({}):\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let module = target.join(TRIPLE).join(world.profile()).join(MODULE);
    pack(&fs::read(&module).with_context(|| format!("reading `{}`", module.display()))?)
}

/// A world of the contract: each has a component of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// Single requests.
    Provisioning,
    /// Populations.
    Planning,
}

impl World {
    /// Each, with the name that its files have.
    pub const ALL: [(Self, &str); 2] =
        [(Self::Provisioning, "replaysafe"), (Self::Planning, "replaysafe-planning")];

    /// The profile in the workspace's `Cargo.toml`: what is compared in millions is made to be faster, as far as its size allows.
    fn profile(self) -> &'static str {
        match self {
            Self::Provisioning => "guest",
            Self::Planning => "guest-planning",
        }
    }
}

/// What the components are made of, relative to the workspace: a change in one of these makes another.
#[must_use]
pub fn watched(root: &Path) -> Vec<PathBuf> {
    ["guest/json", "guest/core", "guest/component", "wit", "Cargo.toml", "Cargo.lock"]
        .iter()
        .map(|path| root.join(path))
        .collect()
}

/// A compiler that can build for WebAssembly.
#[derive(Clone, Debug)]
pub struct Toolchain {
    /// The cargo to run.
    pub cargo: PathBuf,
    /// The compiler that it is to use.
    pub rustc: PathBuf,
    /// The target's standard library has to be built from its source.
    pub builds_std: bool,
    /// Where the toolchain lives.
    sysroot: PathBuf,
}

impl Toolchain {
    /// Finds a toolchain: the one that runs this build, else the system's own packages.
    ///
    /// # Errors
    ///
    /// Where neither has the target: the text says how to get it.
    pub fn find() -> Result<Self> {
        let var = |name, default: &str| {
            PathBuf::from(env::var_os(name).unwrap_or_else(|| OsString::from(default)))
        };
        let current = Self::of(var("CARGO", "cargo"), var("RUSTC", "rustc"));
        let system = || Self::of("/usr/bin/cargo".into(), "/usr/bin/rustc".into());
        let Some(found) = current.or_else(system) else { bail!(MISSING) };
        Ok(found)
    }

    /// The toolchain of this compiler, if it can build for the target. `scripts/wasm-target.sh` asks the same.
    fn of(cargo: PathBuf, rustc: PathBuf) -> Option<Self> {
        let sysroot = sysroot(&rustc)?;
        let library = sysroot.join("lib/rustlib");
        let builds_std = !library.join(TRIPLE).join("lib").is_dir();
        let source = library.join("src/rust/library/core/Cargo.toml");
        // Only a distribution's compiler builds the standard library: rustup has it ready-made.
        let builds = !builds_std || (source.is_file() && rustc.starts_with("/usr"));
        builds.then_some(Self { cargo, rustc, builds_std, sysroot })
    }
}

/// Where a compiler keeps its libraries; none if it cannot be run.
fn sysroot(rustc: &Path) -> Option<PathBuf> {
    let output = Command::new(rustc).args(["--print", "sysroot"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| PathBuf::from(text.trim()))
}

/// The compiler's flags: stack, memory, and no folder of this machine in the bytes.
fn flags(root: &Path, target: &Path, toolchain: &Toolchain) -> Result<Vec<String>> {
    let mut flags = vec![
        format!("-Clink-arg=-zstack-size={STACK_BYTES}"),
        format!("-Clink-arg=--initial-memory={MEMORY_BYTES}"),
        // The linker leaves five bytes for each address otherwise: a tenth of the code.
        "-Clink-arg=--compress-relocations".into(),
        // With an allocator that frees nothing, what only drops is a loop without an effect: left out where a loop may be
        // taken to end, 14 KB. No loop of the component runs for ever; a panic is a trap.
        "-Cllvm-args=-force-attribute=mustprogress".into(),
        // 7 KB, which pay for reading JSON fast: loops are not rewritten to count addresses, and a copy of known size is
        // WebAssembly's own instruction.
        "-Cllvm-args=-disable-lsr".into(),
        "-Cllvm-args=-max-store-memcpy=1".into(),
    ];
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".cargo")));
    // The last that fits wins, so the more particular comes later.
    let folders = [
        (home.as_deref(), "/cargo"),
        (Some(toolchain.sysroot.as_path()), "/rust"),
        (Some(root), "/replaysafe"),
        (Some(target), "/target"),
    ];
    for (folder, name) in folders {
        if let Some(folder) = folder {
            let folder = folder.to_str().with_context(|| {
                format!("the folder `{}` has a name that is no UTF-8 text", folder.display())
            })?;
            flags.push(format!("--remap-path-prefix={folder}={name}"));
        }
    }
    Ok(flags)
}

/// Takes out of a command's environment what the surrounding build put there.
fn scrub(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if !keeps(&name) {
            command.env_remove(name);
        }
    }
}

/// Whether a variable may reach the inner cargo: where things are and how to fetch them, never how to compile.
fn keeps(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return true };
    let about_rust =
        ["CARGO", "RUST", "CLIPPY", "MIRI"].iter().any(|start| name.starts_with(start));
    let about_fetching = ["CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTR", "CARGO_SOURCE_", "RUSTUP_"]
        .iter()
        .any(|start| name.starts_with(start));
    // Build scripts and macros of the inner build need the machine's linker.
    let host_linker =
        name.starts_with("CARGO_TARGET_") && name.ends_with("_LINKER") && !name.contains("WASM32");
    !about_rust
        || about_fetching
        || host_linker
        || name == "CARGO_HOME"
        || name == "CARGO_MAKEFLAGS"
}

const PACKAGE: &str = "replaysafe-guest";
const TRIPLE: &str = "wasm32-unknown-unknown";
const MODULE: &str = "replaysafe_guest.wasm";

/// 128 KiB: a document of depth 32 takes a quarter of it. Pages that are not touched cost nothing.
const STACK_BYTES: usize = 128 * 1024;

/// 4 MiB: a request and what was observed fit in without growing, which would be a system call.
const MEMORY_BYTES: usize = 4 * 1024 * 1024;

const MISSING: &str = "\
no Rust toolchain here can build for wasm32-unknown-unknown, which the component needs. Do one of these:
  rustup target add wasm32-unknown-unknown
  apt-get install rustc-web cargo-web rust-web-src rust-web-llvm lld-22   (Debian 12)
  apt-get install rustc cargo libstd-rust-dev-wasm32 lld                  (other Debian releases)";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/wasm-target.sh");

    /// What the script finds, or says that it is missing, is what the build finds or misses.
    #[test]
    fn the_script_accepts_what_the_build_accepts() {
        let folder = env::temp_dir().join(format!("replaysafe-pack-{}", std::process::id()));
        let target = format!("lib/rustlib/{TRIPLE}/lib");
        let source = "lib/rustlib/src/rust/library/core";
        for (name, within) in [("ready", target.as_str()), ("source", source), ("bare", "lib")] {
            let sysroot = folder.join(name);
            fs::create_dir_all(sysroot.join(within)).unwrap();
            fs::write(sysroot.join(within).join("Cargo.toml"), "").unwrap();
            let rustc = sysroot.join("rustc");
            fs::write(&rustc, format!("#!/bin/sh\necho '{}'\n", sysroot.display())).unwrap();
            fs::set_permissions(&rustc, fs::Permissions::from_mode(0o755)).unwrap();
            // Nothing else is in reach: neither rustup nor apt-get.
            let ran = Command::new("/bin/bash")
                .arg(SCRIPT)
                .env("RUSTC", &rustc)
                .env("PATH", &folder)
                .output()
                .unwrap();
            let own = Toolchain::of("cargo".into(), rustc);
            assert_eq!(own.is_some(), name == "ready");
            let system = || Toolchain::of("/usr/bin/cargo".into(), "/usr/bin/rustc".into());
            let accepted = own.or_else(system).is_some();
            assert_eq!(ran.status.code(), Some(if accepted { 0 } else { 3 }), "{name}: {ran:?}");
            let said = String::from_utf8(ran.stderr).unwrap();
            assert!(accepted || said.trim_end() == MISSING, "{said}");
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
