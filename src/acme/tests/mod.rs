//! The client against a scripted CA: the branches that a real one rarely takes.

mod account;
mod certificate;
mod issuance;
mod requests;
mod scripted;
