//! The server as a state machine.
