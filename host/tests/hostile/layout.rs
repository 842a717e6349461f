//! Where in the component's memory does a part of a value of the contract lie, by the canonical ABI?

use std::{path::Path, sync::LazyLock};

use wit_parser::{Resolve, SizeAlign, Type, TypeDefKind};

/// How a function of `lifecycle` takes and gives its values in memory.
pub(crate) struct Layout {
    contract: &'static Contract,
    takes: Vec<Type>,
    gives: Type,
}

impl Layout {
    /// The layout of this function.
    pub(crate) fn of(function: &str) -> Self {
        static CONTRACT: LazyLock<Contract> = LazyLock::new(Contract::read);
        let contract = &*CONTRACT;
        let lifecycle = contract.types.interfaces.iter().find(|(_, one)| is(one, "lifecycle"));
        let function = &lifecycle.unwrap().1.functions[function];
        let takes = function.params.iter().map(|parameter| parameter.ty).collect();
        Self { contract, takes, gives: function.result.unwrap() }
    }

    /// A part of the first argument, where the arguments lie together: `request.key`.
    pub(crate) fn given(&self, path: &str) -> Place {
        self.contract.walk(self.takes[0], path)
    }

    /// A part of what it gives: `write.entry.stage`, `write.identities.0.names`.
    ///
    /// Options and results are opened on the way to a part of them: the first is `some` there, the second `ok`.
    pub(crate) fn given_back(&self, path: &str) -> Place {
        self.contract.walk(self.gives, path)
    }
}

/// A place in memory, seen from the address of the whole.
pub(crate) struct Place {
    contract: &'static Contract,
    /// Where pointers lie on the way there, each seen from where the one before it leads; last, the place.
    pub(crate) hops: Vec<u64>,
    ty: Type,
}

impl Place {
    /// The number of this case of an enum or a variant, or of `none` and `some`; it is a byte at this place.
    pub(crate) fn case(&self, name: &str) -> i32 {
        let found = match self.contract.kind(self.ty) {
            Some(TypeDefKind::Option(_)) => ["none", "some"].iter().position(|case| *case == name),
            Some(TypeDefKind::Enum(kind)) => kind.cases.iter().position(|case| case.name == name),
            Some(TypeDefKind::Variant(kind)) => {
                kind.cases.iter().position(|case| case.name == name)
            }
            _ => None,
        };
        i32::try_from(found.unwrap()).unwrap()
    }

    /// The place of what an option holds; this one where it is none.
    pub(crate) fn held(&self) -> Self {
        let mut hops = self.hops.clone();
        let (at, ty) = self.contract.opened(self.ty);
        *hops.last_mut().unwrap() += at;
        Self { hops, ty, ..*self }
    }

    /// Whether it is an option.
    pub(crate) fn is_option(&self) -> bool {
        matches!(self.contract.kind(self.ty), Some(TypeDefKind::Option(_)))
    }

    /// How many bytes it has here; of a list, each of its elements.
    pub(crate) fn bytes(&self) -> usize {
        let ty = match self.contract.kind(self.ty) {
            Some(TypeDefKind::List(element)) => *element,
            _ => self.ty,
        };
        self.contract.sizes.size(&ty).size_wasm32()
    }
}

struct Contract {
    types: Resolve,
    sizes: SizeAlign,
}

impl Contract {
    fn read() -> Self {
        let (mut types, mut sizes) = (Resolve::default(), SizeAlign::default());
        types.push_dir(Path::new(FOLDER)).unwrap();
        sizes.fill(&types);
        Self { types, sizes }
    }

    fn walk(&'static self, ty: Type, path: &str) -> Place {
        let start = Place { contract: self, hops: vec![0], ty };
        path.split('.').fold(start, |place, name| self.part(&place, name))
    }

    fn part(&'static self, whole: &Place, name: &str) -> Place {
        let Place { mut hops, ty, .. } = whole.held();
        let (at, ty) = match self.kind(ty).unwrap() {
            TypeDefKind::Record(record) => {
                let offsets = self.sizes.field_offsets(record.fields.iter().map(|field| &field.ty));
                let position = record.fields.iter().position(|field| field.name == name).unwrap();
                (bytes(offsets[position].0), record.fields[position].ty)
            }
            TypeDefKind::Variant(variant) => {
                let cases = variant.cases.iter().map(|case| case.ty.as_ref());
                let case = variant.cases.iter().find(|case| case.name == name).unwrap();
                (bytes(self.sizes.payload_offset(variant.tag(), cases)), case.ty.unwrap())
            }
            TypeDefKind::List(element) => {
                let position: u64 = name.parse().unwrap();
                hops.push(0);
                (position * bytes(self.sizes.size(element)), *element)
            }
            other => panic!("{other:?} has no parts"),
        };
        *hops.last_mut().unwrap() += at;
        Place { contract: self, hops, ty }
    }

    /// What an option or a result holds, and how far behind its beginning.
    fn opened(&self, ty: Type) -> (u64, Type) {
        let (at, held) = match self.kind(ty) {
            Some(TypeDefKind::Option(held)) => {
                (self.sizes.payload_offset(wit_parser::Int::U8, [Some(held)]), *held)
            }
            Some(TypeDefKind::Result(result)) => {
                let cases = [result.ok.as_ref(), result.err.as_ref()];
                (self.sizes.payload_offset(wit_parser::Int::U8, cases), result.ok.unwrap())
            }
            _ => return (0, ty),
        };
        let (further, ty) = self.opened(held);
        (bytes(at) + further, ty)
    }

    /// What a type is, by whatever name.
    fn kind(&self, ty: Type) -> Option<&TypeDefKind> {
        let Type::Id(id) = ty else { return None };
        match &self.types.types[id].kind {
            TypeDefKind::Type(named) => self.kind(*named),
            kind => Some(kind),
        }
    }
}

fn is(interface: &wit_parser::Interface, name: &str) -> bool {
    interface.name.as_deref() == Some(name)
}

fn bytes(size: wit_parser::ArchitectureSize) -> u64 {
    u64::try_from(size.size_wasm32()).unwrap()
}

/// The contract.
pub(crate) const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../wit");
