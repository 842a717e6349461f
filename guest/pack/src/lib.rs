//! How does the core module become the component that a host runs?
//!
//! [`pack`] turns bytes into bytes; [`build`] runs cargo first. Nothing here runs a component, and
//! nothing here knows what it computes.

mod build;

use std::fmt;

use anyhow::{Context as _, Result, bail, ensure};
use sha2::{Digest as _, Sha256};
use wasmparser::{Parser, Payload};
use wit_component::{ComponentEncoder, DecodedWasm, WitPrinter};

pub use build::{Toolchain, build, watched};

/// A core module, and the component made of it.
#[derive(Clone)]
pub struct Packed {
    /// The core module: for engines without components, by the canonical ABI.
    pub core_module: Vec<u8>,
    /// The component.
    pub component: Vec<u8>,
    /// What the component exports, as WIT text. Comments are not kept in a component.
    pub world: String,
    /// The SHA-256 of the component, in lower-case hexadecimal.
    pub sha256: String,
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packed")
            .field("bytes", &self.component.len())
            .field("sha256", &self.sha256)
            .finish_non_exhaustive()
    }
}

/// Packs a core module that `wit-bindgen` made into a component.
///
/// Equal modules give equal components, byte for byte.
///
/// # Errors
///
/// Where the module or the component imports anything, where the component would be larger than
/// [`COMPONENT_BYTES_MAX`], and where the module holds no description of its world.
pub fn pack(core_module: &[u8]) -> Result<Packed> {
    let imports = core_imports(core_module)?;
    ensure!(
        imports.is_empty(),
        "the core module imports {}: what it computes must follow from its arguments alone",
        imports.join(", ")
    );
    let component = ComponentEncoder::default()
        .validate(true)
        .module(core_module)
        .and_then(|mut encoder| encoder.encode())
        .context("making a component of the core module")?;
    ensure!(
        component.len() <= COMPONENT_BYTES_MAX,
        "the component has {} bytes, more than the {COMPONENT_BYTES_MAX} that it may have",
        component.len()
    );
    let world = world(&component)?;
    let sha256 = sha256(&component);
    Ok(Packed { core_module: core_module.to_vec(), component, world, sha256 })
}

/// What a component exports, as WIT text.
///
/// # Errors
///
/// Where it imports anything, be it only a type, and where the bytes are no component.
pub fn world(component: &[u8]) -> Result<String> {
    let decoded = wit_component::decode(component).context("reading the component")?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        bail!("these bytes are a WIT package, not a component");
    };
    let imports: Vec<String> = resolve
        .worlds
        .get(world)
        .into_iter()
        .flat_map(|world| world.imports.keys())
        .map(|key| resolve.name_world_key(key))
        .collect();
    ensure!(imports.is_empty(), "the component imports {}", imports.join(", "));
    let main = resolve.worlds.get(world).and_then(|world| world.package);
    let main = main.context("the component's world belongs to no package")?;
    let others: Vec<_> =
        resolve.packages.iter().map(|(id, _)| id).filter(|id| *id != main).collect();
    let mut printer = WitPrinter::default();
    printer.print(&resolve, main, &others).context("printing the component's world")?;
    Ok(printer.output.to_string())
}

/// The SHA-256 of `bytes`, in lower-case hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let mut text = String::with_capacity(2 * digest.len());
    for byte in digest {
        for nibble in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(u32::from(nibble), 16));
        }
    }
    text
}

/// What a core module imports, as `module.name`.
fn core_imports(core_module: &[u8]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for payload in Parser::new(0).parse_all(core_module) {
        match payload.context("reading the core module")? {
            Payload::Version { encoding: wasmparser::Encoding::Component, .. } => {
                bail!("these bytes are a component already");
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.context("reading the core module's imports")?;
                    names.push(format!("`{}.{}`", import.module, import.name));
                }
            }
            _ => {}
        }
    }
    Ok(names)
}

/// 640 KiB.
pub const COMPONENT_BYTES_MAX: usize = 640 * 1024;
