//! Properties, each judged from the history alone.
