//! How does the core module become the component that a host runs?
//!
//! [`pack`] turns bytes into bytes; [`build`] runs cargo first. Nothing here runs a component, and
//! nothing here knows what it computes.

mod build;

use std::{fmt, path::Path};

use anyhow::{Context as _, Result, bail, ensure};
use sha2::{Digest as _, Sha256};
use wasmparser::{Encoding, Parser, Payload};
use wit_component::{ComponentEncoder, DecodedWasm, WitPrinter};
use wit_parser::Resolve;

pub use build::{Toolchain, World, build, watched};

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
/// [`BYTES_MOST`], and where the module holds no description of its world.
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
    let component = without_names(&component)?;
    ensure!(
        component.len() <= BYTES_MOST,
        "the component has {} bytes, more than the {BYTES_MOST} that it may have",
        component.len()
    );
    let world = describe(&component)?;
    let sha256 = sha256(&component);
    Ok(Packed { core_module: core_module.to_vec(), component, world, sha256 })
}

/// What a component exports, as WIT text.
///
/// # Errors
///
/// Where it imports anything, be it only a type, or exports nothing, and where the bytes are no component.
pub fn describe(component: &[u8]) -> Result<String> {
    let decoded = wit_component::decode(component).context("reading the component")?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        bail!("these bytes are a WIT package, not a component");
    };
    let world = resolve.worlds.get(world).context("the component has no world")?;
    let imports: Vec<String> =
        world.imports.keys().map(|key| resolve.name_world_key(key)).collect();
    ensure!(imports.is_empty(), "the component imports {}", imports.join(", "));
    ensure!(!world.exports.is_empty(), "the component exports nothing; it holds no contract");
    let main = world.package.context("the component's world belongs to no package")?;
    let packages = resolve.packages.iter().map(|(id, _)| id);
    let others: Vec<_> = packages.filter(|id| *id != main).collect();
    let mut printer = WitPrinter::default();
    printer.print(&resolve, main, &others).context("printing the component's world")?;
    Ok(printer.output.to_string())
}

/// The contract in `folder` as one WIT text, without its prose: names, types, order and `@since`.
///
/// # Errors
///
/// Where the folder holds no WIT package.
pub fn print_package(folder: &Path) -> Result<String> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(folder).context("reading the WIT package")?;
    let mut printer = WitPrinter::default();
    printer.emit_docs(false);
    printer.print(&resolve, package, &[]).context("printing the WIT package")?;
    Ok(printer.output.to_string())
}

/// The SHA-256 of `bytes`, in lower-case hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A component without what it says for debuggers only: names of its parts, and the tools that made it.
fn without_names(component: &[u8]) -> Result<Vec<u8>> {
    let (mut kept, mut end, mut depth) = (Vec::new(), 0, 0);
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload.context("reading the component")?;
        depth += i32::from(matches!(payload, Payload::Version { .. }));
        depth -= i32::from(matches!(payload, Payload::End(_)));
        if let Payload::CustomSection(section) = &payload
            && depth == 1
        {
            let range = section.range();
            // A section is its number, its length and its content; no number is longer than a byte.
            let start = range.start - 1 - length_bytes(range.len());
            kept.extend_from_slice(component.get(end..start).context("a section out of order")?);
            end = range.end;
        }
    }
    kept.extend_from_slice(component.get(end..).context("a section behind the end")?);
    Ok(kept)
}

/// How many bytes a length takes in a module: seven bits in each.
fn length_bytes(length: usize) -> usize {
    let bits = usize::BITS - length.max(1).leading_zeros();
    usize::try_from(bits.div_ceil(7)).unwrap_or(usize::MAX)
}

/// What a core module imports, as `module.name`.
#[expect(clippy::wildcard_enum_match_arm, reason = "no other section imports")]
fn core_imports(core_module: &[u8]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for payload in Parser::new(0).parse_all(core_module) {
        match payload.context("reading the core module")? {
            Payload::Version { encoding: Encoding::Component, .. } => {
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

/// 400 KiB: a component is loaded by every product that embeds it.
pub const BYTES_MOST: usize = 400 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    /// `(module (import "env" "clock" (func)))`, by hand.
    const IMPORTS_A_FUNCTION: &[u8] =
        b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x02\x0d\x01\x03env\x05clock\0\0";

    #[test]
    fn a_module_that_imports_a_function_is_refused() {
        let error = pack(IMPORTS_A_FUNCTION).expect_err("refused");
        assert!(error.to_string().contains("imports `env.clock`"), "{error}");
    }

    #[test]
    fn what_is_no_module_of_a_component_is_refused() {
        pack(b"").expect_err("empty");
        pack(b"\0asm\x01\0\0\0").expect_err("no contract");
        describe(b"\0asm\x01\0\0\0").expect_err("no component");
    }
}
