//! Who may ask, and how often: bearer tokens, rates by client address, the word of trusted proxies.
//!
//! Owns the decisions and the token file. Never sees a socket, a route or a response: `admission` joins it to
//! `http`. RFC 6750 (bearer tokens), RFC 7239 (`Forwarded`).

mod credentials;
mod forwarded;
mod limits;
mod meter;
mod proxies;
mod rate;
mod token_file;
mod tokens;

pub use credentials::Credentials;
pub use limits::Limits;
pub use meter::Meter;
pub use proxies::{Proxies, Told};
pub use token_file::{TokenFile, TokenFileError};
pub use tokens::{Holder, LineError, LineErrorKind, Tokens, new_token};
