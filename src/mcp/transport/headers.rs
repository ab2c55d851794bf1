//! The headers that mirror a modern request's body, and their comparison with it.
//!
//! Spec: 2026-07-28 basic/transports/streamable-http §Request Metadata, §Custom Headers from Tool Parameters.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use serde_json::Value;

use crate::mcp::catalog::ParameterHeader;
use crate::mcp::error::{Error, ErrorKind};
use crate::mcp::jsonrpc::Object;
use crate::mcp::modern;
use crate::mcp::revision::Revision;

/// The revision a request speaks.
pub(super) const VERSION: &str = "mcp-protocol-version";
/// The legacy session it belongs to.
pub(super) const SESSION: &str = "mcp-session-id";
/// The last event of a broken stream (legacy era).
pub(super) const LAST_EVENT: &str = "last-event-id";
const METHOD: &str = "mcp-method";
const NAME: &str = "mcp-name";

/// Whether the version header makes a request modern, whatever its body says: it is neither absent
/// nor a legacy revision.
pub(super) fn are_modern(headers: &HeaderMap) -> bool {
    headers.get_all(VERSION).iter().any(|value| {
        let revision = value.to_str().ok().and_then(|value| Revision::parse(trimmed(value)));
        !revision.is_some_and(|revision| revision.rules().handshake)
    })
}

/// Compares the version header with `_meta`. Without a version in `_meta` the header is only
/// checked for support: what is wrong then is the `_meta`, unless the revision is not served.
///
/// # Errors
/// [`ErrorKind::HeaderMismatch`], [`ErrorKind::UnsupportedProtocolVersion`].
pub(super) fn check_version(headers: &HeaderMap, params: &Object) -> Result<(), Error> {
    let header = single(headers, VERSION)?;
    let body = params.get("_meta").and_then(|meta| meta.get(modern::PROTOCOL_VERSION));
    match (header, body.and_then(Value::as_str)) {
        (Some(header), Some(body)) if header == body => Ok(()),
        (Some(header), Some(body)) => Err(mismatch(format!(
            "the MCP-Protocol-Version header says '{header}', _meta says '{body}': send the same"
        ))),
        (None, _) => Err(missing("MCP-Protocol-Version", "the protocol version of _meta")),
        (Some(header), None) if Revision::parse(header).is_none_or(|it| it != Revision::MODERN) => {
            Err(modern::unsupported(header))
        }
        (Some(_), None) => Ok(()),
    }
}

/// Compares `Mcp-Method` and `Mcp-Name` with the body.
///
/// # Errors
/// [`ErrorKind::HeaderMismatch`] when one is missing, malformed, or says something else.
pub(super) fn check_mirrors(headers: &HeaderMap, method: &str, params: &Object) -> Result<(), Error> {
    let mirrored = single(headers, METHOD)?.ok_or_else(|| missing("Mcp-Method", "the method"))?;
    if mirrored != method {
        return Err(mismatch(format!(
            "the Mcp-Method header says '{mirrored}', the body says '{method}': send the same"
        )));
    }
    let source = match method {
        "tools/call" | "prompts/get" => "name",
        "resources/read" => "uri",
        "tasks/get" | "tasks/update" | "tasks/cancel" => "taskId",
        _ => return Ok(()),
    };
    let header = single(headers, NAME)?.map(|value| decode(NAME, value)).transpose()?;
    let body = params.get(source).and_then(Value::as_str);
    match (header, body) {
        (None, Some(_)) => Err(missing("Mcp-Name", &format!("params.{source}"))),
        (header, body) if header.as_deref() == body => Ok(()),
        _ => Err(mismatch(format!("the Mcp-Name header and params.{source} differ: send the same"))),
    }
}

/// Compares the headers that repeat a tool's arguments with these.
///
/// # Errors
/// [`ErrorKind::HeaderMismatch`] when one is missing, malformed, or says something else.
pub(super) fn check_parameters(
    headers: &HeaderMap,
    declared: &[ParameterHeader],
    params: &Object,
) -> Result<(), Error> {
    let none = Object::new();
    let arguments = params.get("arguments").and_then(Value::as_object).unwrap_or(&none);
    declared.iter().try_for_each(|parameter| {
        let name = parameter.name();
        let header = single(headers, name)?.map(|value| decode(name, value)).transpose()?;
        match (header, parameter.value(arguments)) {
            (None, None) => Ok(()),
            (Some(header), Some(value)) if says(&header, value) => Ok(()),
            (None, Some(_)) => {
                Err(missing(name, "the argument that the tool's schema marks with x-mcp-header"))
            }
            (Some(_), _) => {
                Err(mismatch(format!("the header {name} and the argument it repeats differ: send the same")))
            }
        }
    })
}

/// Whether a header's text is that value: integers by their number, so that `42.0` is 42.
fn says(header: &str, value: &Value) -> bool {
    match value {
        Value::String(text) => header == text,
        Value::Bool(value) => header == if *value { "true" } else { "false" },
        Value::Number(number) => match (header.parse::<i64>(), number.as_i64()) {
            (Ok(header), Some(number)) => header == number,
            _ => header.parse::<f64>().ok().is_some_and(|header| number.as_f64() == Some(header)),
        },
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

/// A field's one value, trimmed; none if it is absent.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Error> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(mismatch(format!("the header {name} came twice: send it once")));
    }
    // `to_str` admits visible ASCII, space and tab: what RFC 9110 §5.5 leaves of a field value.
    match value.to_str() {
        Ok(value) => Ok(Some(trimmed(value))),
        Err(_) => Err(mismatch(format!("the header {name} has characters outside ASCII: encode them"))),
    }
}

/// Without the optional white space around it (RFC 9110 §5.6.3).
fn trimmed(value: &str) -> &str {
    value.trim_matches([' ', '\t'])
}

/// A mirrored value as it was before the Base64 sentinel was put around it.
fn decode(name: &str, value: &str) -> Result<String, Error> {
    let Some(encoded) = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) else {
        return Ok(value.to_owned());
    };
    let bytes = STANDARD.decode(encoded).ok();
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| mismatch(format!("the header {name} is not the Base64 of UTF-8 text")))
}

fn missing(header: &str, source: &str) -> Error {
    mismatch(format!("the {header} header is missing: it must repeat {source}"))
}

fn mismatch(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::HeaderMismatch, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;
    use serde_json::json;

    fn headers(fields: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            let name: HeaderName = name.parse().unwrap();
            map.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        map
    }

    fn object(value: Value) -> Object {
        value.as_object().unwrap().clone()
    }

    fn version(fields: &[(&str, &str)], meta: Option<&str>) -> Result<(), ErrorKind> {
        let params = match meta {
            Some(meta) => object(json!({ "_meta": { modern::PROTOCOL_VERSION: meta } })),
            None => Object::new(),
        };
        check_version(&headers(fields), &params).map_err(|error| error.kind())
    }

    #[test]
    fn a_version_header_is_modern_unless_it_names_a_legacy_revision() {
        assert!(!are_modern(&headers(&[])));
        assert!(!are_modern(&headers(&[("mcp-method", "tools/list"), ("mcp-session-id", "x")])));
        for legacy in ["2024-11-05", "2025-03-26", " 2025-06-18\t", "2025-11-25"] {
            assert!(!are_modern(&headers(&[(VERSION, legacy)])), "{legacy}");
        }
        for modern in ["2026-07-28", "2099-01-01", "", "2025-11-25, 2025-11-25", "Ω"] {
            assert!(are_modern(&headers(&[(VERSION, modern)])), "{modern}");
        }
        assert!(are_modern(&headers(&[(VERSION, "2025-11-25"), (VERSION, "2026-07-28")])));
    }

    #[test]
    fn the_version_header_must_repeat_meta() {
        assert_eq!(version(&[("MCP-Protocol-Version", " 2026-07-28 ")], Some("2026-07-28")), Ok(()));
        // An agreed revision that is not served is for `modern::call` to refuse.
        assert_eq!(version(&[(VERSION, "2099-01-01")], Some("2099-01-01")), Ok(()));
        assert_eq!(version(&[], Some("2026-07-28")), Err(ErrorKind::HeaderMismatch));
        assert_eq!(version(&[(VERSION, "2025-11-25")], Some("2026-07-28")), Err(ErrorKind::HeaderMismatch));
        let twice = [(VERSION, "2026-07-28"), (VERSION, "2026-07-28")];
        assert_eq!(version(&twice, Some("2026-07-28")), Err(ErrorKind::HeaderMismatch));
        assert_eq!(version(&[(VERSION, "2026-07-28")], None), Ok(()));
        assert_eq!(version(&[(VERSION, "nonsense")], None), Err(ErrorKind::UnsupportedProtocolVersion));
    }

    fn mirrors(fields: &[(&str, &str)], method: &str, params: Value) -> Result<(), Value> {
        check_mirrors(&headers(fields), method, &object(params))
            .map_err(|error| json!(format!("{:?}: {error}", error.kind())))
    }

    #[test]
    fn mcp_method_must_repeat_the_method_case_and_all() {
        assert_eq!(mirrors(&[("MCP-METHOD", "\ttools/list ")], "tools/list", json!({})), Ok(()));
        assert!(mirrors(&[], "tools/list", json!({})).is_err());
        assert!(mirrors(&[("mcp-method", "Tools/List")], "tools/list", json!({})).is_err());
        let twice = [("mcp-method", "tools/list"), ("mcp-method", "tools/list")];
        assert!(mirrors(&twice, "tools/list", json!({})).is_err());
    }

    #[test]
    fn mcp_name_must_repeat_the_name_or_the_uri() {
        let call = |name: &str| {
            mirrors(
                &[("mcp-method", "tools/call"), ("mcp-name", name)],
                "tools/call",
                json!({"name": "search"}),
            )
        };
        assert_eq!(call(" search "), Ok(()));
        assert_eq!(call("=?base64?c2VhcmNo?="), Ok(()));
        for wrong in
            ["Search", "", "=?BASE64?c2VhcmNo?=", "=?base64?c2VhcmNo", "=?base64?%%?=", "=?base64?/w==?="]
        {
            assert!(call(wrong).is_err(), "{wrong}");
        }
        assert!(mirrors(&[("mcp-method", "tools/call")], "tools/call", json!({"name": "search"})).is_err());
        let read = [("mcp-method", "resources/read"), ("mcp-name", "docs:///a")];
        assert_eq!(mirrors(&read, "resources/read", json!({"uri": "docs:///a", "name": "b"})), Ok(()));
        // Nothing to repeat: what is wrong is the body, and the method says so.
        assert_eq!(mirrors(&[("mcp-method", "tools/call")], "tools/call", json!({})), Ok(()));
        assert!(mirrors(&read, "resources/read", json!({})).is_err());
        // Other methods have no name.
        let list = [("mcp-method", "tools/list"), ("mcp-name", "whatever")];
        assert_eq!(mirrors(&list, "tools/list", json!({})), Ok(()));
    }

    proptest! {
        #[test]
        fn every_name_survives_the_sentinel(name in ".*") {
            let encoded = format!("=?base64?{}?=", STANDARD.encode(&name));
            prop_assert_eq!(decode(NAME, &encoded).unwrap(), name);
        }

        #[test]
        fn arbitrary_header_values_never_panic(value in "\\PC{0,40}") {
            if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                let mut map = HeaderMap::new();
                map.insert("mcp-method", HeaderValue::from_static("tools/call"));
                map.insert("mcp-name", value.clone());
                map.insert(VERSION, value);
                let params = object(json!({"name": "x"}));
                let _ = check_mirrors(&map, "tools/call", &params);
                let _ = check_version(&map, &params);
                let _ = are_modern(&map);
            }
        }
    }
}
