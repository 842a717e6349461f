//! Client spellings: what does a request mean that says it its own way (S24)?
