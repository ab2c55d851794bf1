//! `docquay token`: makes a bearer token, and the line of the token file that lets it in.

use std::io::Write as _;

use crate::access;
use crate::entropy::SystemEntropy;
use crate::server::Error;

/// Makes a token for `name` and writes it to `out`: the one time that it is seen.
///
/// # Errors
/// A name that a token file cannot hold, or no random bytes.
pub fn run(name: &str, out: &mut Vec<u8>) -> Result<(), Error> {
    let (token, line) = access::new_token(name, &SystemEntropy::new()).map_err(|kind| Error::Run {
        what: "no token can be made".to_owned(),
        cause: access::LineError::whole(kind).to_string(),
        help: kind.help().to_owned(),
    })?;
    // Writing to a Vec cannot fail.
    let _ = writeln!(out, "token  {token}\nline   {line}");
    Ok(())
}
