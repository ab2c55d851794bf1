//! Arguments of a tool that its callers repeat in headers: `x-mcp-header` in the input schema.
//!
//! Spec: 2026-07-28 basic/transports/streamable-http §Custom Headers from Tool Parameters. What is read here is
//! compared with a request's headers by `transport`.

use std::collections::HashSet;
use std::fmt;

use serde_json::Value;

use crate::mcp::jsonrpc::Object;

/// One argument that is repeated in the header `Mcp-Param-…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterHeader {
    name: String,
    path: Vec<String>,
}

impl ParameterHeader {
    /// Those that an input schema asks for.
    ///
    /// # Errors
    /// A name that is no header name or stands twice, a parameter that is not a string, an integer or a boolean, an
    /// annotation where no chain of `properties` leads.
    pub fn of(schema: &Value) -> Result<Vec<Self>, HeaderFault> {
        let mut found = Vec::new();
        visit(schema, &mut Vec::new(), Place::Root, &mut found)?;
        let mut names = HashSet::new();
        match found.iter().find(|header| !names.insert(header.name.as_str())) {
            Some(twice) => Err(HeaderFault(format!("two parameters ask for the header {}", twice.name))),
            None => Ok(found),
        }
    }

    /// The header's name in lower case: `mcp-param-region`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the arguments hold of it; null and absent are none.
    #[must_use]
    pub fn value<'a>(&self, arguments: &'a Object) -> Option<&'a Value> {
        let (first, rest) = self.path.split_first()?;
        let value = rest.iter().try_fold(arguments.get(first)?, |value, key| value.get(key))?;
        (!value.is_null()).then_some(value)
    }
}

/// Why a tool's schema asks for headers that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderFault(String);

impl fmt::Display for HeaderFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "x-mcp-header: {}", self.0)
    }
}

impl std::error::Error for HeaderFault {}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    /// A chain of `properties` leads here from the root.
    Reachable,
    Elsewhere,
}

fn visit(
    schema: &Value,
    path: &mut Vec<String>,
    place: Place,
    found: &mut Vec<ParameterHeader>,
) -> Result<(), HeaderFault> {
    let Value::Object(members) = schema else {
        let items = schema.as_array().into_iter().flatten();
        return items.into_iter().try_for_each(|item| visit(item, path, Place::Elsewhere, found));
    };
    if let Some(name) = members.get(ANNOTATION) {
        found.push(header(name, members, path, place)?);
    }
    for (key, value) in members.iter().filter(|(key, _)| !INSTANCES.contains(&key.as_str())) {
        match value {
            Value::Object(properties) if NAMED.contains(&key.as_str()) => {
                let chain = key == "properties" && place != Place::Elsewhere;
                let place = if chain { Place::Reachable } else { Place::Elsewhere };
                for (name, property) in properties {
                    path.push(name.clone());
                    visit(property, path, place, found)?;
                    path.pop();
                }
            }
            _ => visit(value, path, Place::Elsewhere, found)?,
        }
    }
    Ok(())
}

fn header(
    name: &Value,
    schema: &Object,
    path: &[String],
    place: Place,
) -> Result<ParameterHeader, HeaderFault> {
    let at = path.join(".");
    let name = name.as_str().filter(|name| !name.is_empty() && name.bytes().all(is_token));
    let name = name.ok_or_else(|| HeaderFault(format!("`{at}` needs a name fit for a header")))?;
    if place != Place::Reachable {
        return Err(HeaderFault(format!("{name} stands where no chain of `properties` leads from the root")));
    }
    let kind = schema.get("type").and_then(Value::as_str);
    if !kind.is_some_and(|kind| ["string", "integer", "boolean"].contains(&kind)) {
        return Err(HeaderFault(format!("`{at}` must be of type string, integer or boolean")));
    }
    Ok(ParameterHeader { name: format!("mcp-param-{}", name.to_ascii_lowercase()), path: path.to_vec() })
}

/// RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

const ANNOTATION: &str = "x-mcp-header";
/// Keywords whose members are schemas by names of the author's.
const NAMED: [&str; 5] = ["properties", "patternProperties", "dependentSchemas", "$defs", "definitions"];
/// Keywords that hold values, no schemas.
const INSTANCES: [&str; 5] = ["const", "default", "enum", "examples", ANNOTATION];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(properties: Value) -> Result<Vec<ParameterHeader>, HeaderFault> {
        ParameterHeader::of(&json!({ "type": "object", "properties": properties }))
    }

    #[test]
    fn a_value_is_read_at_the_exact_path_of_its_property() {
        let nested = json!({ "type": "object", "properties": { "zone": { "type": "integer", "x-mcp-header": "Zone" } } });
        let found =
            of(json!({ "region": { "type": "string", "x-mcp-header": "Region" }, "at": nested })).unwrap();
        let names: Vec<&str> = found.iter().map(ParameterHeader::name).collect();
        assert_eq!(names, ["mcp-param-zone", "mcp-param-region"]);
        let arguments = json!({ "at": { "zone": 7 }, "region": null, "zone": 1 });
        let values: Vec<_> = found.iter().map(|it| it.value(arguments.as_object().unwrap())).collect();
        assert_eq!(values, [Some(&json!(7)), None]);
    }

    #[test]
    fn a_property_or_a_value_of_that_name_is_no_annotation() {
        let schema =
            json!({ "x-mcp-header": { "type": "string" }, "b": { "default": { "x-mcp-header": "No" } } });
        assert_eq!(of(schema), Ok(Vec::new()));
    }

    #[test]
    fn an_annotation_against_the_rules_is_a_fault() {
        let annotated = |kind: &str, name: &str| json!({ "type": kind, "x-mcp-header": name });
        for properties in [
            json!({ "a": annotated("string", "") }),
            json!({ "a": annotated("string", "a b") }),
            json!({ "a": annotated("number", "A") }),
            json!({ "a": { "x-mcp-header": "A" } }),
            json!({ "a": { "type": "string", "x-mcp-header": 1 } }),
            json!({ "a": annotated("string", "X"), "b": annotated("string", "x") }),
            json!({ "a": { "type": "array", "items": annotated("string", "A") } }),
            json!({ "a": { "anyOf": [annotated("string", "A")] } }),
        ] {
            assert!(of(properties.clone()).is_err(), "{properties}");
        }
        assert!(ParameterHeader::of(&annotated("string", "Root")).is_err());
        assert!(ParameterHeader::of(&json!({ "$defs": { "a": annotated("string", "A") } })).is_err());
    }
}
