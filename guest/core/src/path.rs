//! PATCH paths and value filters (RFC 7644 §3.5.2): which values does an operation mean?
