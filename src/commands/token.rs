//! `docquay token`: makes a bearer token, and the line of the token file that lets it in.

use std::io::Write as _;

use crate::access::{self, LineError, LineErrorKind};
use crate::config;
use crate::entropy::SystemEntropy;
use crate::server::Error;

/// Makes a token for `name` and writes it to `out`: the one time that it is seen.
///
/// # Errors
/// A name that a token file cannot hold, or no random bytes.
pub fn run(name: &str, out: &mut Vec<u8>) -> Result<(), Error> {
    let (token, line) = access::new_token(name, &SystemEntropy::new()).map_err(refused)?;
    // Writing to a Vec cannot fail.
    let _ = writeln!(out, "token  {token}\nline   {line}");
    Ok(())
}

fn refused(kind: LineErrorKind) -> Error {
    let (what, help) = ("no token can be made".to_owned(), kind.help().to_owned());
    let cause = LineError::whole(kind).to_string();
    match kind {
        LineErrorKind::Entropy => Error::Run { what, cause, help },
        _ => Error::Config(config::Error { what, cause, help }),
    }
}
