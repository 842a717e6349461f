//! Builds the components from source, so that no binary is kept with the source.

use std::{env, fs, path::PathBuf};

use anyhow::Context as _;
use replaysafe_pack::World;

fn main() -> anyhow::Result<()> {
    let folder =
        |name| env::var_os(name).map(PathBuf::from).with_context(|| format!("no `{name}`"));
    let out = folder("OUT_DIR")?;
    let manifest = folder("CARGO_MANIFEST_DIR")?;
    let root = manifest.parent().context("the host lies in the workspace")?;
    for path in replaysafe_pack::watched(root) {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    for (world, name) in World::ALL {
        let packed = replaysafe_pack::build(root, &out.join("guest"), world)?;
        let files: [(&str, &[u8]); 4] = [
            ("wasm", &packed.component),
            ("core.wasm", &packed.core_module),
            ("wit", packed.world.as_bytes()),
            ("sha256", packed.sha256.as_bytes()),
        ];
        for (ending, bytes) in files {
            let path = out.join(format!("{name}.{ending}"));
            fs::write(&path, bytes).with_context(|| format!("writing `{}`", path.display()))?;
        }
    }
    Ok(())
}
