//! Builds and packs the component: `replaysafe-pack WORKSPACE TARGET OUT`.

use std::{env, fs, path::Path};

use anyhow::{Context as _, Result, bail};

fn main() -> Result<()> {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let [root, target, out] = arguments.as_slice() else {
        bail!("usage: replaysafe-pack WORKSPACE TARGET OUT");
    };
    let out = Path::new(out);
    let packed = replaysafe_pack::build(Path::new(root), Path::new(target))?;
    fs::create_dir_all(out).with_context(|| format!("making `{}`", out.display()))?;
    let files: [(&str, &[u8]); 3] = [
        ("replaysafe.wasm", &packed.component),
        ("replaysafe.core.wasm", &packed.core_module),
        ("replaysafe.wit", packed.world.as_bytes()),
    ];
    for (name, bytes) in files {
        let path = out.join(name);
        fs::write(&path, bytes).with_context(|| format!("writing `{}`", path.display()))?;
    }
    print(&packed);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a command's answer")]
fn print(packed: &replaysafe_pack::Packed) {
    println!("{}  {} bytes", packed.sha256, packed.component.len());
}
