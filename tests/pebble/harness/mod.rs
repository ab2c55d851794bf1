//! What the tests of this binary share: a CA, what stands between it and docquay, docquay itself, its clients.

#![allow(dead_code, unused_imports, reason = "each test file, and each test target, uses a part of it")]

pub(crate) mod a2c;
pub(crate) mod authority;
pub(crate) mod client;
pub(crate) mod dns;
pub(crate) mod docquay;
pub(crate) mod empty_root;
pub(crate) mod load;
pub(crate) mod namespace;
pub(crate) mod pebble;
pub(crate) mod peer;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod reach;
pub(crate) mod redirect;
pub(crate) mod resource;
pub(crate) mod setup;
pub(crate) mod streams;
pub(crate) mod truth;
pub(crate) mod watcher;
pub(crate) mod wire;

pub(crate) use a2c::AcmeTwoCertifier;
pub(crate) use authority::Authority;
pub(crate) use client::Target;
pub(crate) use docquay::{Certs, Docquay, Docs};
pub(crate) use empty_root::EmptyRoot;
pub(crate) use load::Load;
pub(crate) use namespace::{Families, Network};
pub(crate) use pebble::Pebble;
pub(crate) use peer::Peer;
pub(crate) use process::Signal;
pub(crate) use proxy::{Proxy, Reply};
pub(crate) use reach::Reach;
pub(crate) use redirect::Redirect;
pub(crate) use resource::Resource;
pub(crate) use setup::Setup;
pub(crate) use streams::Streams;
pub(crate) use truth::Truth;
pub(crate) use watcher::Watcher;
