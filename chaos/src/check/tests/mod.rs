//! For every check: a history that violates it, and a close call that does not.

mod acceptors;
mod clients;
mod disturbed;
mod late;
mod learned;
mod limits;
mod log;
mod machine;
mod order;
mod protocol;
mod verdict;
