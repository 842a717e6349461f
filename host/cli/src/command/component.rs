//! `replaysafe component`: what makes the decisions, and how to get at it.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::{
    exit::Exit,
    output::Output,
    wiring::{self, Description},
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Tell the component's imports (none), exports, size in bytes, SHA-256 and contract
    ///
    /// Loads the component into the sandbox, so what is told is what runs. Ends with 1 if it imports anything.
    #[command(after_help = "Examples:
  replaysafe component inspect
  replaysafe component inspect --format json | jq -r .component.sha256")]
    Inspect,
    /// Write the component to a file, for a host of your own
    ///
    /// It is the one that this program runs, byte for byte; docs/embedding.md says how to run it elsewhere.
    #[command(after_help = "Examples:
  replaysafe component export replaysafe.wasm
  replaysafe component export --planning replaysafe-planning.wasm
  replaysafe component export --core - | sha256sum")]
    Export {
        /// The file, which is replaced if it exists; `-` is standard output
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Write the core module instead, for runtimes without components (canonical ABI)
        #[arg(long)]
        core: bool,
        /// Write the component that plans for populations, of the world `planning`, instead
        #[arg(long)]
        planning: bool,
    },
}

pub(super) fn run(command: &Command, output: Output) -> anyhow::Result<Exit> {
    match command {
        Command::Inspect => inspect(output),
        Command::Export { file, core, planning } => {
            let bytes = match (planning, core) {
                (false, false) => wiring::COMPONENT,
                (false, true) => wiring::CORE_MODULE,
                (true, false) => wiring::PLANNING_COMPONENT,
                (true, true) => wiring::PLANNING_CORE_MODULE,
            };
            if file.as_os_str() == "-" {
                output.bytes(bytes)?;
                return Ok(Exit::Good);
            }
            std::fs::write(file, bytes).with_context(|| format!("writing `{}`", file.display()))?;
            let (name, size) = (file.display().to_string(), bytes.len());
            let sha256 = wiring::hexadecimal(&Sha256::digest(bytes));
            output.result(
                &format!("{name}: {size} bytes, sha256 {sha256}"),
                &json!({"file": name, "bytes": size, "sha256": sha256}),
            )?;
            Ok(Exit::Good)
        }
    }
}

fn inspect(output: Output) -> anyhow::Result<Exit> {
    let Description { world, sha256, bytes, imports, exports, pooled: _ } =
        wiring::guest()?.describe();
    let core = wiring::CORE_MODULE;
    let of_core = wiring::hexadecimal(&Sha256::digest(core));
    let said = if imports.is_empty() { "none".to_owned() } else { imports.join(", ") };
    output.result(
        &format!(
            "imports    {said}\nexports    {}\ncomponent  {bytes} bytes, sha256 {sha256}\ncore       {} bytes, sha256 {of_core}\n\n{}",
            exports.join("\n           "),
            core.len(),
            world,
        ),
        &json!({
            "world": world,
            "imports": imports,
            "exports": exports,
            "component": {"bytes": bytes, "sha256": sha256},
            "core": {"bytes": core.len(), "sha256": of_core},
        }),
    )?;
    Ok(if imports.is_empty() { Exit::Good } else { Exit::Negative })
}
