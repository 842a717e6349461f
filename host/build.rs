//! Builds the component from source, so that no binary is kept with the source.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

fn main() -> anyhow::Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").context("`OUT_DIR` is not set by cargo")?);
    let manifest = env::var_os("CARGO_MANIFEST_DIR").context("`CARGO_MANIFEST_DIR` is not set")?;
    let root = Path::new(&manifest).parent().context("the host lies in the workspace")?;
    for path in ["guest", "wit", "Cargo.lock", "Cargo.toml"] {
        println!("cargo::rerun-if-changed={}", root.join(path).display());
    }
    println!("cargo::rerun-if-env-changed=REPLAYSAFE_WASM_TOOLCHAIN");
    let module = build(root, &out)?;
    let module = fs::read(&module).with_context(|| format!("reading `{}`", module.display()))?;
    let packed = replaysafe_pack::pack(&module)?;
    fs::write(out.join("replaysafe.core.wasm"), &module).context("writing the core module")?;
    fs::write(out.join("replaysafe.wasm"), &packed.component).context("writing the component")?;
    fs::write(out.join("replaysafe.sha256"), &packed.sha256).context("writing the digest")?;
    fs::write(out.join("replaysafe.wit"), &packed.world).context("writing the world")?;
    Ok(())
}

/// Builds the core module with cargo, in a folder of its own: this build holds the lock of the other one.
fn build(root: &Path, out: &Path) -> anyhow::Result<PathBuf> {
    let folder = out.join("guest");
    let debian = env::var_os("REPLAYSAFE_WASM_TOOLCHAIN").is_some_and(|name| name == "debian");
    let cargo = if debian { "/usr/bin/cargo".into() } else { env::var_os("CARGO").unwrap_or_else(|| "cargo".into()) };
    let mut command = Command::new(cargo);
    command.current_dir(root).args(["build", "--locked", "--package", "replaysafe-guest"]);
    command.args(["--profile", "guest", "--target", TARGET, "--target-dir"]).arg(&folder);
    // What was set for the host must not reach the guest: the component is the same on every machine.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_") || text.starts_with("RUST") || text == "OUT_DIR" || text == "TARGET" {
            let kept = matches!(text.as_ref(), "CARGO_HOME" | "RUSTUP_HOME" | "RUSTUP_TOOLCHAIN" | "CARGO_NET_OFFLINE");
            let registry = text.starts_with("CARGO_REGISTR") || text.starts_with("CARGO_HTTP");
            if !kept && !registry {
                command.env_remove(&name);
            }
        }
    }
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")));
    let mut flags = vec![
        "-Clink-arg=-zstack-size=131072".to_string(),
        "-Clink-arg=--initial-memory=4194304".to_string(),
        format!("--remap-path-prefix={}=/replaysafe", root.display()),
        format!("--remap-path-prefix={}=/target", folder.display()),
    ];
    flags.extend(home.map(|home| format!("--remap-path-prefix={}=/cargo", home.display())));
    command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    if debian {
        command.env("RUSTC", "/usr/bin/rustc").env("RUSTC_BOOTSTRAP", "1");
        command.arg("-Zbuild-std=std,panic_abort");
    }
    let output = command.output().context("running cargo for the component")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        if said.contains("can't find crate for") || said.contains("target may not be installed") {
            bail!(
                "the target {TARGET} is not installed: run `rustup target add {TARGET}`, or `scripts/wasm-target.sh`\n{said}"
            );
        }
        bail!("the component could not be built:\n{said}");
    }
    Ok(folder.join(TARGET).join("guest").join("replaysafe_guest.wasm"))
}

const TARGET: &str = "wasm32-unknown-unknown";
