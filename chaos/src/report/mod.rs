//! Renderings of a result.
