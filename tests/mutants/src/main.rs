//! Puts all mutants of some files into one build, each behind a switch, so that a mutant costs a run of the tests and no build.
//!
//! usage: replaysafe-mutants TREE <mutants.json >applied.json
//!
//! Reads what `cargo mutants --list --json` gives, each mutant with a number (`id`) beside, and rewrites their files in TREE:
//! `a == b` becomes `if crate::mutants::on(7) { a != b } else { a == b }`. Gives the numbers of those that are in it.
//! Left out, and so to be tried one by one: what is in a `const`, where no switch can be asked, and operators of a chain of `let`.
//!
//! An operator is replaced between the operands that it has: `a - b * c` becomes `a - (b + c)`, where a change of the text alone
//! would be `(a - b) + c`.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs, io, mem,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use proc_macro2::{LineColumn, Span};
use quote::ToTokens;
use serde::Deserialize;
use syn::{
    Attribute, BinOp, Block, Expr, ExprBlock, ExprIf, ExprParen, File, ImplItemConst, ImplItemFn,
    ItemConst, ItemFn, ItemStatic, Member, Pat, Signature, Stmt, TraitItemFn, UnOp, parse_quote,
    spanned::Spanned,
    visit_mut::{self, VisitMut},
};

fn main() -> Result<()> {
    let tree = PathBuf::from(
        env::args_os().nth(1).context("usage: replaysafe-mutants TREE <mutants.json")?,
    );
    let mutants: Vec<Mutant> = serde_json::from_reader(io::stdin().lock())
        .context("the list of mutants cannot be read")?;
    let mut files: BTreeMap<PathBuf, Vec<Mutant>> = BTreeMap::new();
    for mutant in mutants {
        files.entry(tree.join(&mutant.file)).or_default().push(mutant);
    }
    let (mut applied, mut roots) = (BTreeSet::new(), BTreeSet::new());
    for (path, mutants) in files {
        applied.append(&mut rewrite(&path, mutants).with_context(|| path.display().to_string())?);
        roots.insert(root(&path)?);
    }
    for root in roots {
        let text = fs::read_to_string(&root)?;
        ensure!(!text.contains(SWITCH), "{} has the switch already", root.display());
        fs::write(&root, text + SWITCH)?;
    }
    serde_json::to_writer(io::stdout().lock(), &applied)?;
    Ok(())
}

/// Which mutant is on says `REPLAYSAFE_MUTANT`. A file that `REPLAYSAFE_REACHED` names gets the number of each that is met, once.
const SWITCH: &str = r#"
#[allow(missing_docs, unused)]
mod mutants {
    extern crate std;
    use std::{env, fs, io::Write, sync::{LazyLock, Mutex, atomic::{AtomicBool, Ordering}}};

    static ON: LazyLock<usize> = LazyLock::new(|| env::var("REPLAYSAFE_MUTANT").ok().and_then(|id| id.parse().ok()).unwrap_or(0));
    static REACHED: LazyLock<Option<Mutex<fs::File>>> = LazyLock::new(|| {
        let path = env::var_os("REPLAYSAFE_REACHED")?;
        Some(Mutex::new(fs::OpenOptions::new().create(true).append(true).open(path).expect("the file of what is reached")))
    });
    static SEEN: [AtomicBool; 1 << 16] = [const { AtomicBool::new(false) }; 1 << 16];

    #[inline]
    pub(crate) fn on(id: usize) -> bool {
        if let Some(reached) = &*REACHED && !SEEN[id].load(Ordering::Relaxed) && !SEEN[id].swap(true, Ordering::Relaxed) {
            let line = std::format!("{id}\n");
            reached.lock().unwrap_or_else(|broken| broken.into_inner()).write_all(line.as_bytes()).expect("a line of what is reached");
        }
        *ON == id
    }
}
"#;

#[derive(Debug, Deserialize)]
struct Mutant {
    id: usize,
    file: PathBuf,
    span: At,
    replacement: String,
    genre: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct At {
    start: Position,
    end: Position,
}

/// Counted from one, as cargo-mutants counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Position {
    line: usize,
    column: usize,
}

impl From<LineColumn> for Position {
    fn from(at: LineColumn) -> Self {
        Self { line: at.line, column: at.column + 1 }
    }
}

fn at(first: Span, last: Span) -> At {
    At { start: first.start().into(), end: last.end().into() }
}

/// The file in which `crate::mutants` is to be found.
fn root(path: &Path) -> Result<PathBuf> {
    let source =
        path.ancestors().find(|folder| folder.ends_with("src")).context("is in no folder `src`")?;
    Ok(source.join("lib.rs"))
}

fn rewrite(path: &Path, mutants: Vec<Mutant>) -> Result<BTreeSet<usize>> {
    let (text, applied) = rewritten(&fs::read_to_string(path)?, mutants)?;
    fs::write(path, text)?;
    Ok(applied)
}

/// The text with the mutants in it, and the numbers of those that are.
fn rewritten(text: &str, mutants: Vec<Mutant>) -> Result<(String, BTreeSet<usize>)> {
    let mut file: File = syn::parse_file(text)?;
    let mut rewriter = Rewriter { mutants: BTreeMap::new(), applied: BTreeSet::new() };
    for mutant in mutants {
        rewriter.mutants.entry((mutant.genre.clone(), mutant.span)).or_default().push(mutant);
    }
    rewriter.visit_file_mut(&mut file);
    Ok((prettyplease::unparse(&file), rewriter.applied))
}

struct Rewriter {
    mutants: BTreeMap<(String, At), Vec<Mutant>>,
    applied: BTreeSet<usize>,
}

impl Rewriter {
    fn take(&mut self, genre: &str, at: At) -> Vec<Mutant> {
        self.mutants.remove(&(genre.to_owned(), at)).unwrap_or_default()
    }

    /// The expression, and what stands in its place where a mutant is on.
    fn switch(&mut self, expression: &mut Expr, others: Vec<(usize, Expr)>) {
        for (id, other) in others.into_iter().rev() {
            self.applied.insert(id);
            let original = mem::replace(expression, Expr::PLACEHOLDER);
            let mut switch: ExprIf = parse_quote!(if crate::mutants::on(#id) {} else {});
            switch.then_branch.stmts.push(Stmt::Expr(other, None));
            switch.else_branch = Some((Default::default(), Box::new(block(original))));
            *expression = parenthesized(Expr::If(switch));
        }
    }

    /// A function returns at once where a mutant is on that replaces its value.
    fn function(
        &mut self,
        attributes: &[Attribute],
        signature: &Signature,
        block: &mut Block,
        inner: impl FnOnce(&mut Self, &mut Block),
    ) {
        if signature.constness.is_some() || attributes.iter().any(is_test) {
            return;
        }
        let whole = block
            .stmts
            .first()
            .zip(block.stmts.last())
            .map(|(first, last)| at(first.span(), last.span()));
        inner(self, block);
        for mutant in
            whole.map(|whole| self.take("FnValue", whole)).unwrap_or_default().into_iter().rev()
        {
            let (id, Ok(value)) = (mutant.id, syn::parse_str::<Expr>(&mutant.replacement)) else {
                continue;
            };
            self.applied.insert(id);
            let early: Stmt = parse_quote!(if crate::mutants::on(#id) { return #value; });
            block.stmts.insert(0, early);
        }
    }

    fn binary(&mut self, expression: &mut Expr) {
        let Expr::Binary(binary) = expression else { return };
        let original = binary.clone();
        visit_mut::visit_expr_binary_mut(self, binary);
        if [&original.left, &original.right].into_iter().any(|side| has_let(side)) {
            return;
        }
        let mutants = self.take("BinaryOperator", at(original.op.span(), original.op.span()));
        let others = mutants.into_iter().filter_map(|mutant| {
            let op: BinOp = syn::parse_str(&mutant.replacement).ok()?;
            let mut other = original.clone();
            other.op = op;
            for side in [&mut other.left, &mut other.right] {
                let inner = &**side;
                if matches!(inner, Expr::Binary(_) | Expr::Cast(_)) {
                    **side = parenthesized(inner.clone());
                }
            }
            Some((mutant.id, Expr::Binary(other)))
        });
        let others = others.collect();
        self.switch(expression, others);
    }

    fn unary(&mut self, expression: &mut Expr) {
        let Expr::Unary(unary) = expression else { return };
        let original = unary.clone();
        visit_mut::visit_expr_unary_mut(self, unary);
        if matches!(original.op, UnOp::Not(_) | UnOp::Neg(_)) {
            let mutants = self.take("UnaryOperator", at(original.op.span(), original.op.span()));
            let others =
                mutants.into_iter().map(|mutant| (mutant.id, (*original.expr).clone())).collect();
            self.switch(expression, others);
        }
    }

    fn structure(&mut self, expression: &mut Expr) {
        let Expr::Struct(structure) = expression else { return };
        let original = structure.clone();
        visit_mut::visit_expr_struct_mut(self, structure);
        let mut others = Vec::new();
        for (index, pair) in original.fields.pairs().enumerate() {
            let Member::Named(_) = pair.value().member else { continue };
            let last = pair.punct().map_or_else(|| pair.value().span(), |comma| comma.span());
            for mutant in self.take("StructField", at(pair.value().span(), last)) {
                let mut other = original.clone();
                other.fields = original
                    .fields
                    .iter()
                    .enumerate()
                    .filter(|(at, _)| *at != index)
                    .map(|(_, field)| field.clone())
                    .collect();
                others.push((mutant.id, Expr::Struct(other)));
            }
        }
        self.switch(expression, others);
    }

    fn arms(&mut self, expression: &mut Expr) {
        let Expr::Match(matching) = expression else { return };
        let places: Vec<_> = matching
            .arms
            .iter()
            .map(|arm| {
                (
                    at(arm.span(), arm.span()),
                    arm.guard
                        .as_ref()
                        .map(|(_, guard)| (at(guard.span(), guard.span()), has_let(guard))),
                )
            })
            .collect();
        visit_mut::visit_expr_match_mut(self, matching);
        for (arm, (whole, guard)) in matching.arms.iter_mut().zip(places) {
            for mutant in self.take("MatchArm", whole) {
                if arm.guard.is_some() || matches!(arm.pat, Pat::Wild(_)) {
                    continue;
                }
                let id = mutant.id;
                self.applied.insert(id);
                arm.guard = Some((parse_quote!(if), parse_quote!(!crate::mutants::on(#id))));
            }
            let (Some((place, false)), Some((_, condition))) = (guard, arm.guard.as_mut()) else {
                continue;
            };
            let others = self.take("MatchArmGuard", place).into_iter().filter_map(|mutant| {
                let other = syn::parse_str::<Expr>(&mutant.replacement).ok()?;
                Some((mutant.id, other))
            });
            let others = others.collect();
            self.switch(condition, others);
        }
    }
}

impl VisitMut for Rewriter {
    fn visit_expr_mut(&mut self, expression: &mut Expr) {
        match expression {
            Expr::Binary(_) => self.binary(expression),
            Expr::Unary(_) => self.unary(expression),
            Expr::Struct(_) => self.structure(expression),
            Expr::Match(_) => self.arms(expression),
            Expr::Const(_) => {}
            _ => visit_mut::visit_expr_mut(self, expression),
        }
    }

    fn visit_item_fn_mut(&mut self, item: &mut ItemFn) {
        let ItemFn { attrs, sig, block, .. } = item;
        self.function(attrs, sig, block, |this, block| visit_mut::visit_block_mut(this, block));
    }

    fn visit_impl_item_fn_mut(&mut self, item: &mut ImplItemFn) {
        let ImplItemFn { attrs, sig, block, .. } = item;
        self.function(attrs, sig, block, |this, block| visit_mut::visit_block_mut(this, block));
    }

    fn visit_trait_item_fn_mut(&mut self, item: &mut TraitItemFn) {
        let TraitItemFn { attrs, sig, default, .. } = item;
        if let Some(block) = default {
            self.function(attrs, sig, block, |this, block| visit_mut::visit_block_mut(this, block));
        }
    }

    // What is computed at compile time can ask no switch.
    fn visit_item_const_mut(&mut self, _: &mut ItemConst) {}
    fn visit_item_static_mut(&mut self, _: &mut ItemStatic) {}
    fn visit_impl_item_const_mut(&mut self, _: &mut ImplItemConst) {}
    fn visit_type_mut(&mut self, _: &mut syn::Type) {}
    fn visit_pat_mut(&mut self, _: &mut Pat) {}
}

fn block(expression: Expr) -> Expr {
    let stmts = vec![Stmt::Expr(expression, None)];
    Expr::Block(ExprBlock {
        attrs: Vec::new(),
        label: None,
        block: Block { brace_token: Default::default(), stmts },
    })
}

fn parenthesized(expression: Expr) -> Expr {
    Expr::Paren(ExprParen {
        attrs: Vec::new(),
        paren_token: Default::default(),
        expr: Box::new(expression),
    })
}

fn is_test(attribute: &Attribute) -> bool {
    let path = attribute.path().to_token_stream().to_string();
    path.ends_with("test")
        || (path == "cfg" && attribute.meta.to_token_stream().to_string().contains("test"))
}

/// Whether it is a `let`, or a chain with one: what it binds must be seen where it stands.
fn has_let(expression: &Expr) -> bool {
    match expression {
        Expr::Let(_) => true,
        Expr::Binary(binary) => has_let(&binary.left) || has_let(&binary.right),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each kind of mutant stands beside what it replaces, and what can ask no switch is left as it is.
    #[test]
    fn a_mutant_of_each_kind_has_its_switch() {
        let text = "\
fn f(a: u8, b: u8) -> bool {
    a + b * 2 == 5
}
fn g(s: S) -> S {
    match s.n {
        0 if s.on => S { n: 1, ..s },
        1 => s,
        _ => S { n: !s.n, ..s },
    }
}
const fn h(a: u8) -> bool {
    a == 1
}
fn i(a: Option<u8>) -> bool {
    if let Some(a) = a && a == 1 { true } else { false }
}
";
        let mutants = vec![
            mutant(1, "FnValue", (2, 5), (2, 19), "true"),
            mutant(2, "BinaryOperator", (2, 11), (2, 12), "+"),
            mutant(3, "BinaryOperator", (2, 15), (2, 17), "!="),
            mutant(4, "MatchArmGuard", (6, 14), (6, 18), "true"),
            mutant(5, "StructField", (6, 26), (6, 31), ""),
            mutant(6, "MatchArm", (7, 9), (7, 16), ""),
            mutant(7, "UnaryOperator", (8, 21), (8, 22), ""),
            mutant(8, "BinaryOperator", (12, 7), (12, 9), "!="),
            mutant(9, "BinaryOperator", (15, 24), (15, 26), "||"),
            mutant(10, "BinaryOperator", (15, 29), (15, 31), "!="),
        ];
        let (text, applied) = rewritten(text, mutants).unwrap();
        assert_eq!(applied, BTreeSet::from([1, 2, 3, 4, 5, 6, 7, 10]));
        let text: String = text.split_whitespace().collect();
        for expected in [
            "if crate::mutants::on(1usize) { return true; }",
            "if crate::mutants::on(3usize) { (a + b * 2) != 5 } else { a + (if crate::mutants::on(2usize) { b + 2 } else { b * 2 }) == 5 }",
            "0 if (if crate::mutants::on(4usize) { true } else { s.on }) =>",
            "if crate::mutants::on(5usize) { S { ..s } } else { S { n: 1, ..s } }",
            "1 if !crate::mutants::on(6usize) => s",
            "n: (if crate::mutants::on(7usize) { s.n } else { !s.n })",
            "const fn h(a: u8) -> bool { a == 1 }",
            "Some(a) = a && (if crate::mutants::on(10usize) { a != 1 } else { a == 1 })",
        ] {
            let expected: String = expected.split_whitespace().collect();
            assert!(text.contains(&expected), "{expected}\n{text}");
        }
    }

    fn mutant(
        id: usize,
        genre: &str,
        start: (usize, usize),
        end: (usize, usize),
        replacement: &str,
    ) -> Mutant {
        let position = |(line, column)| Position { line, column };
        let span = At { start: position(start), end: position(end) };
        Mutant {
            id,
            file: PathBuf::new(),
            span,
            replacement: replacement.into(),
            genre: genre.into(),
        }
    }
}
