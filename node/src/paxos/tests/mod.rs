//! Exact effects of each handler.
