//! The attributes of RFC 7643 §4, §7 and §8.7, one a line: name, then sub-attributes.
//!
//! Letters after the colon: `b` boolean, `c` complex, `m` multi-valued, `r` read-only, `s` secret, `x` letter case matters.

pub(super) const USER_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub(super) const GROUP_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
pub(crate) const ENTERPRISE_URN: &str =
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// RFC 7643 §3 and §3.1: every resource has these.
pub(super) const COMMON: &str = "
schemas:m
id:rx
externalId:x
meta:cr resourceType:rx created:r lastModified:r location:rx version:rx
";

/// RFC 7643 §4.1.
pub(super) const USER: &str = "
userName
name:c formatted familyName givenName middleName honorificPrefix honorificSuffix
displayName
nickName
profileUrl:x
title
userType
preferredLanguage
locale
timezone
active:b
password:sx
emails:cm value display type primary:b
phoneNumbers:cm value display type primary:b
ims:cm value display type primary:b
photos:cm value:x display type primary:b
addresses:cm formatted streetAddress locality region postalCode country type primary:b
groups:cmr value:x $ref:x display type
entitlements:cm value:x display type primary:b
roles:cm value:x display type primary:b
x509Certificates:cm value:x display type primary:b
";

/// RFC 7643 §4.2. A member's `value` is an id, and ids are exact.
pub(super) const GROUP: &str = "
displayName
members:cm value:x $ref:x display type
";

/// RFC 7643 §4.3.
pub(super) const ENTERPRISE: &str = "
employeeNumber
costCenter
organization
division
department
manager:c value:x $ref:x displayName:r
";
