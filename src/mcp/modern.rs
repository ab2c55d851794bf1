//! The modern era (2026-07-28): every request carries its revision and capabilities in `_meta`.
//!
//! Spec: basic/index §_meta, basic/versioning.

use std::sync::Arc;

use serde_json::{Value, json};

use super::dispatch::{Call, Client};
use super::error::{Error, ErrorKind};
use super::jsonrpc::{Object, Request};
use super::level::Level;
use super::method::shortened;
use super::params::invalid;
use super::revision::{Revision, Rules};
use crate::trace::Trace;

/// The key that makes a request modern.
pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";

const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";

/// Whether params carry the modern `_meta` version.
#[must_use]
pub fn is_modern(params: &Object) -> bool {
    params.get("_meta").and_then(Value::as_object).is_some_and(|meta| meta.contains_key(PROTOCOL_VERSION))
}

/// Reads `_meta`; the transport has compared the headers already.
///
/// # Errors
/// Missing or malformed `_meta` (-32602), a revision that is not served (-32022).
pub fn call(request: Request) -> Result<Call, Error> {
    let Some(Value::Object(meta)) = request.params.get("_meta") else {
        return Err(invalid(format!(
            "`params._meta` is missing; send an object with \"{PROTOCOL_VERSION}\" and \"{CLIENT_CAPABILITIES}\""
        )));
    };
    let rules = revision(meta)?;
    let client = Arc::new(client(meta)?);
    let Request { id, method, params } = request;
    Ok(Call { id, method, params, rules, client, trace: Trace::default() })
}

/// Before all else: another revision may write the rest of `_meta` differently.
fn revision(meta: &Object) -> Result<&'static Rules, Error> {
    let served = Revision::MODERN.rules();
    match meta.get(PROTOCOL_VERSION) {
        Some(Value::String(name)) if name == served.name => Ok(served),
        Some(Value::String(name)) => Err(unsupported(name)),
        Some(_) | None => {
            Err(invalid(format!("`_meta` needs \"{PROTOCOL_VERSION}\": a string, \"{}\"", served.name)))
        }
    }
}

/// -32022, with what is served.
#[must_use]
pub fn unsupported(requested: &str) -> Error {
    let (served, requested) = (Revision::MODERN.rules().name, shortened(requested));
    let message = format!(
        "MCP {requested} is not served without a handshake; send {served}, or `initialize` for an older one"
    );
    Error::new(ErrorKind::UnsupportedProtocolVersion, message)
        .with_data(json!({ "supported": [served], "requested": requested }))
}

fn client(meta: &Object) -> Result<Client, Error> {
    let Some(Value::Object(capabilities)) = meta.get(CLIENT_CAPABILITIES) else {
        return Err(invalid(format!(
            "`_meta` needs \"{CLIENT_CAPABILITIES}\": an object, {{}} if you have none"
        )));
    };
    let name = meta.get(CLIENT_INFO).and_then(|info| info.get("name")).and_then(Value::as_str);
    // server/utilities/logging: an unknown level is -32602.
    let level = meta.get(LOG_LEVEL).map(|level| Level::read(level, LOG_LEVEL)).transpose()?;
    Ok(Client {
        name: name.map(str::to_owned),
        capabilities: capabilities.clone(),
        caller: None,
        link: None,
        level,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::jsonrpc::RequestId;

    fn request(params: Value) -> Request {
        let Value::Object(params) = params else { panic!("an object") };
        Request { id: RequestId::Number(1), method: "tools/list".into(), params }
    }

    fn refusal(params: Value) -> Error {
        call(request(params)).expect_err("refused")
    }

    #[test]
    fn a_request_without_its_fields_is_invalid_and_told_what_to_send() {
        for params in [
            json!({}),
            json!({ "_meta": 1 }),
            json!({ "_meta": {} }),
            json!({ "_meta": { CLIENT_CAPABILITIES: {} } }),
            json!({ "_meta": { PROTOCOL_VERSION: 1, CLIENT_CAPABILITIES: {} } }),
            json!({ "_meta": { PROTOCOL_VERSION: "2026-07-28" } }),
            json!({ "_meta": { PROTOCOL_VERSION: "2026-07-28", CLIENT_CAPABILITIES: [] } }),
            json!({ "_meta": { PROTOCOL_VERSION: "2026-07-28", CLIENT_CAPABILITIES: {}, LOG_LEVEL: "loud" } }),
        ] {
            let error = refusal(params.clone());
            assert_eq!(error.kind(), ErrorKind::InvalidParams, "{params}");
            assert!(error.message().contains("io.modelcontextprotocol/"), "{params}");
        }
    }

    #[test]
    fn a_revision_that_is_not_served_is_answered_with_those_that_are() {
        for version in ["2025-11-25", "1900-01-01", "2027-01-01", ""] {
            let error = refusal(json!({ "_meta": { PROTOCOL_VERSION: version } }));
            assert_eq!(error.kind(), ErrorKind::UnsupportedProtocolVersion);
            assert_eq!(error.data(), Some(&json!({ "supported": ["2026-07-28"], "requested": version })));
        }
    }

    #[test]
    fn client_info_is_read_and_never_required() {
        let meta = json!({ PROTOCOL_VERSION: "2026-07-28", CLIENT_CAPABILITIES: { "roots": {} } });
        let call = call(request(json!({ "_meta": meta }))).unwrap();
        assert_eq!(call.rules.revision, Revision::MODERN);
        assert_eq!(call.client.name, None);
        assert!(call.client.capabilities.contains_key("roots"));
    }

    #[test]
    fn the_version_in_meta_makes_a_request_modern() {
        let is_modern = |params| is_modern(&request(params).params);
        assert!(is_modern(json!({ "_meta": { PROTOCOL_VERSION: 1 } })));
        assert!(!is_modern(json!({ "_meta": { "progressToken": 1 } })));
        assert!(!is_modern(json!({ "_meta": [] })));
        assert!(!is_modern(json!({})));
    }
}
