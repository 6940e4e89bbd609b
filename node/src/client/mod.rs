//! The client session as a state machine.
