//! The cluster of real processes and the command line.
