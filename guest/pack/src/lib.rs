//! Core module to component, and nothing that could do harm in it.
//!
//! Refuses a module that imports anything at all, and a component that is too large.

use anyhow::{Context, bail, ensure};
use sha2::{Digest, Sha256};
use wit_component::{ComponentEncoder, DecodedWasm, WitPrinter};

/// A component and what is worth knowing of it.
#[derive(Clone, Debug)]
pub struct Packed {
    /// The component.
    pub component: Vec<u8>,
    /// Its SHA-256, in lower-case hexadecimal.
    pub sha256: String,
    /// Its world, as WIT text.
    pub world: String,
}

/// Makes a component of a core module that was built for `wit/`.
///
/// # Errors
///
/// Where the module imports anything, is no module of a component, or is larger than [`BYTES_MOST`].
pub fn pack(module: &[u8]) -> anyhow::Result<Packed> {
    let imports = imports(module).context("reading the core module")?;
    if let Some(import) = imports.first() {
        bail!("the core module imports `{import}`: a component of ours imports nothing");
    }
    let component = ComponentEncoder::default()
        .validate(true)
        .module(module)
        .context("reading the module's contract")?
        .encode()
        .context("making the component")?;
    let world = describe(&component)?;
    ensure!(
        component.len() <= BYTES_MOST,
        "the component has {} bytes, but must have at most {BYTES_MOST}",
        component.len()
    );
    let sha256 = sha256(&component);
    Ok(Packed { component, sha256, world })
}

/// The world of a component as WIT text; refuses one with an import.
///
/// # Errors
///
/// Where the bytes are no component, or it imports anything.
pub fn describe(component: &[u8]) -> anyhow::Result<String> {
    let decoded = wit_component::decode(component).context("reading the component's world")?;
    let DecodedWasm::Component(resolve, world) = &decoded else {
        bail!("the bytes are a WIT package, not a component");
    };
    let Some(named) = resolve.worlds.get(*world) else { bail!("the component has no world") };
    ensure!(named.imports.is_empty(), "the component imports something: it must import nothing");
    let mut printer = WitPrinter::default();
    printer.print(resolve, decoded.package(), &[]).context("printing the world")?;
    Ok(printer.output.to_string())
}

/// The contract in `folder` as one WIT text, with its documentation.
///
/// # Errors
///
/// Where the folder holds no WIT package.
pub fn print_package(folder: &std::path::Path) -> anyhow::Result<String> {
    let mut resolve = wit_parser::Resolve::default();
    let (package, _) = resolve.push_dir(folder).context("reading the WIT package")?;
    let mut printer = WitPrinter::default();
    printer.print(&resolve, package, &[]).context("printing the package")?;
    Ok(printer.output.to_string())
}

/// The SHA-256 of `bytes`, in lower-case hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn imports(module: &[u8]) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for payload in wasmparser::Parser::new(0).parse_all(module) {
        let wasmparser::Payload::ImportSection(section) = payload? else { continue };
        for import in section {
            let import = import?;
            names.push(format!("{}#{}", import.module, import.name));
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
    const IMPORTS_A_FUNCTION: &[u8] = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x02\x0d\x01\x03env\x05clock\0\0";

    #[test]
    fn a_module_that_imports_a_function_is_refused() {
        let error = pack(IMPORTS_A_FUNCTION).expect_err("refused");
        assert!(error.to_string().contains("env#clock"), "{error}");
    }

    #[test]
    fn what_is_no_module_is_refused() {
        pack(b"").expect_err("empty");
        pack(b"\0asm\x01\0\0\0").expect_err("no contract");
        describe(b"\0asm\x01\0\0\0").expect_err("no component");
    }
}
