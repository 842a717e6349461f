//! A value of which copies are one until one of them changes, and whose digest is made once.

use std::{cell::OnceCell, ops::Deref, rc::Rc};

use super::digest::Digester;

/// See above.
#[derive(Clone, Debug, Default)]
pub struct Shared<T>(Rc<Kept<T>>);

#[derive(Clone, Debug, Default)]
struct Kept<T> {
    value: T,
    digest: OnceCell<u128>,
}

impl<T> Shared<T> {
    /// Of a value.
    pub fn new(value: T) -> Self {
        Self(Rc::new(Kept { value, digest: OnceCell::new() }))
    }

    /// The digest of what `take` takes in of it, which is the same each time.
    pub fn digest(&self, take: impl FnOnce(&T, &mut Digester)) -> u128 {
        *self.0.digest.get_or_init(|| {
            let mut to = Digester::default();
            take(&self.0.value, &mut to);
            to.digest()
        })
    }
}

impl<T: Clone> Shared<T> {
    /// The value, to be changed; other copies keep what they have.
    pub fn change(&mut self) -> &mut T {
        let kept = Rc::make_mut(&mut self.0);
        kept.digest = OnceCell::new();
        &mut kept.value
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

#[cfg(test)]
mod tests {
    use std::hash::Hash as _;

    use super::*;

    #[test]
    fn a_copy_keeps_what_it_has_and_what_changes_gets_another_digest() {
        let digest = |of: &Shared<u8>| of.digest(|value, to| value.hash(to));
        let one = Shared::new(1);
        let mut two = one.clone();
        let before = digest(&two);
        *two.change() = 2;
        assert_eq!((*one, *two, digest(&one)), (1, 2, before));
        assert_ne!(digest(&two), before);
    }
}
