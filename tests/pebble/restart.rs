//! Ends of the process at any moment: what is left must be whole, and the next process goes on with it.

mod aborts;
mod calls;
mod child;
mod kills;
mod two_processes;
