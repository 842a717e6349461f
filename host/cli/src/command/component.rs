//! `replaysafe component`: what makes the decisions, and how to get at it.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::{exit::Exit, output::Output, wiring};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Tell the component's world, imports, exports, size and SHA-256
    Inspect,
    /// Write the component to a file, for a host of your own
    #[command(after_help = "Examples:
  replaysafe component export replaysafe.wasm
  replaysafe component export --core - | sha256sum")]
    Export {
        /// The file; `-` is standard output
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Write the core module instead, for runtimes without components
        #[arg(long)]
        core: bool,
    },
}

pub(super) fn run(command: &Command, output: Output) -> anyhow::Result<Exit> {
    match command {
        Command::Inspect => inspect(output),
        Command::Export { file, core } => {
            let bytes = if *core { wiring::core_module() } else { wiring::component() };
            if file.as_os_str() == "-" {
                output.bytes(bytes)?;
            } else {
                std::fs::write(file, bytes)
                    .with_context(|| format!("writing `{}`", file.display()))?;
            }
            Ok(Exit::Good)
        }
    }
}

fn inspect(output: Output) -> anyhow::Result<Exit> {
    let (component, core) = (wiring::component(), wiring::core_module());
    let surface = wiring::surface()?;
    let digest = |bytes| wiring::hexadecimal(&Sha256::digest(bytes));
    let (of_component, of_core) = (digest(component), digest(core));
    let imports =
        if surface.imports.is_empty() { "none".to_owned() } else { surface.imports.join(", ") };
    output.result(
        &format!(
            "world      {}\nimports    {imports}\nexports    {}\nsize       {} bytes\nsha256     {of_component}\ncore       {} bytes\nsha256     {of_core}",
            wiring::WORLD,
            surface.exports.join("\n           "),
            component.len(),
            core.len(),
        ),
        &json!({
            "world": wiring::WORLD,
            "imports": surface.imports,
            "exports": surface.exports,
            "component": {"bytes": component.len(), "sha256": of_component},
            "core": {"bytes": core.len(), "sha256": of_core},
        }),
    )?;
    Ok(if surface.imports.is_empty() { Exit::Good } else { Exit::Negative })
}
