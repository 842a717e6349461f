//! Limits: how much of each thing may a text have?
//!
//! The numbers are those of S44; each one says why it is so large and no larger.

/// The most that a text may have of each thing
///
/// `Default` is [`Limits::request`]. The numbers are those of S44.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Levels of arrays and objects within each other, at most 127, whatever stands here
    pub depth: usize,
    /// Members of one object
    pub members: usize,
    /// Items of one array
    pub items: usize,
    /// Bytes of the whole text
    pub bytes: usize,
}

impl Limits {
    /// 32 levels: a SCIM document needs 6, a Bulk request with patches 10; the rest is for
    /// extensions.
    pub const DEPTH: usize = 32;
    /// 10,000 members of an object: no schema comes near, and sorting them takes a few
    /// milliseconds.
    pub const MEMBERS: usize = 10_000;
    /// 200,000 items of an array: the members of the largest groups that directories sync.
    pub const ITEMS: usize = 200_000;
    /// 1 MiB for a request: a user with a photo as a data URI has some 100 KiB.
    pub const BYTES_REQUEST: usize = 1 << 20;
    /// 16 MiB for a group or a Bulk request: 200,000 members with `value` and `type`, 80 bytes
    /// each.
    pub const BYTES_GROUP: usize = 16 << 20;
    /// 64 MiB for a target's answer: the same group with `$ref` and `display` at each member.
    pub const BYTES_ANSWER: usize = 64 << 20;

    /// Gives the limits of a client's request.
    #[must_use]
    pub const fn request() -> Self {
        Self {
            depth: Self::DEPTH,
            members: Self::MEMBERS,
            items: Self::ITEMS,
            bytes: Self::BYTES_REQUEST,
        }
    }

    /// Gives the limits of a client's request about a group, or of a Bulk request.
    #[must_use]
    pub const fn group() -> Self {
        Self { bytes: Self::BYTES_GROUP, ..Self::request() }
    }

    /// Gives the limits of what a target answers.
    #[must_use]
    pub const fn answer() -> Self {
        Self { bytes: Self::BYTES_ANSWER, ..Self::request() }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::request()
    }
}
