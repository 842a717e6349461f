//! Builds and packs the components, or prints the contract in a folder.

use std::{env, fs, path::Path};

use anyhow::{Context as _, Result, bail};
use replaysafe_pack::World;

fn main() -> Result<()> {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    match arguments.as_slice() {
        [root, target, out] => build(root.as_ref(), target.as_ref(), out.as_ref()),
        [verb, folder] if verb == "print" => {
            print(&replaysafe_pack::print_package(folder.as_ref())?);
            Ok(())
        }
        _ => bail!("usage: replaysafe-pack WORKSPACE TARGET OUT, or replaysafe-pack print FOLDER"),
    }
}

fn build(root: &Path, target: &Path, out: &Path) -> Result<()> {
    fs::create_dir_all(out).with_context(|| format!("making `{}`", out.display()))?;
    for (world, name) in World::ALL {
        let packed = replaysafe_pack::build(root, target, world)?;
        let files: [(&str, &[u8]); 3] = [
            ("wasm", &packed.component),
            ("core.wasm", &packed.core_module),
            ("wit", packed.world.as_bytes()),
        ];
        for (ending, bytes) in files {
            let path = out.join(format!("{name}.{ending}"));
            fs::write(&path, bytes).with_context(|| format!("writing `{}`", path.display()))?;
        }
        print(&format!("{}  {} bytes  {name}.wasm\n", packed.sha256, packed.component.len()));
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a command's answer")]
fn print(text: &str) {
    print!("{text}");
}
