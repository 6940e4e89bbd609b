//! The checker as a whole.

mod twin;
