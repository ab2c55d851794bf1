//! Joins the documents to the HTTP client: a URL source is fetched by [`outbound::Client`](Client).
//!
//! Owns the words an operator reads when a URL fails. Neither side knows the other.

use std::error::Error as _;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::docs::{Fetch, Fetched, SourceError, Validators};
use crate::outbound::{Answer, Client, Error, ErrorKind, Version};

/// Fetches sources with an HTTP client.
#[derive(Clone, Debug)]
pub struct SourceFetch(Client);

impl SourceFetch {
    /// Uses this client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self(client)
    }
}

impl Fetch for SourceFetch {
    fn fetch<'a>(
        &'a self,
        url: &'a str,
        validators: &'a Validators,
        max_bytes: usize,
        deadline: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<Fetched, SourceError>> + Send + 'a>> {
        let version =
            Version { etag: validators.etag.clone(), last_modified: validators.last_modified.clone() };
        Box::pin(async move {
            match self.0.get(url, &version, max_bytes, deadline).await {
                Ok(Answer::Unchanged) => Ok(Fetched::Unchanged),
                Ok(Answer::Document { body, version }) => {
                    let Version { etag, last_modified } = version;
                    Ok(Fetched::New { body, validators: Validators { etag, last_modified } })
                }
                Err(error) => Err(explain(url, &error)),
            }
        })
    }
}

fn explain(url: &str, error: &Error) -> SourceError {
    let mut cause = error.to_string();
    let mut deeper = error.source();
    while let Some(source) = deeper {
        cause.push_str(": ");
        cause.push_str(&source.to_string());
        deeper = source.source();
    }
    let help = match error.kind() {
        ErrorKind::Url => "write it as https://HOST/PATH",
        ErrorKind::Status(status) if status.is_client_error() => "see that the URL names the index",
        ErrorKind::Status(_) => "the server's own log says more; it is asked again",
        ErrorKind::TooLarge(_) => "raise `limits.source_bytes`, or split the index",
        ErrorKind::Redirect => "name the URL that the redirect leads to",
        _ if error.proxy().is_some() => {
            "see that `outbound_proxy` is right, has its name and password, and lets this server through; \
             it is asked again"
        }
        _ => "see that the server can be reached from here; it is asked again",
    };
    SourceError { what: format!("cannot fetch {url}"), cause, help: help.to_owned() }
}
