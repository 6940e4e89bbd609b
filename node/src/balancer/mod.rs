//! The balancer as a state machine.
