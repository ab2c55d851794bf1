//! What is shipped beside the program: the manifests say what docquay understands, and agree with each other.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use docquay::config::{Config, Flags, Security};
use saphyr::{LoadableYamlNode as _, Yaml};

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// The configuration by these variables, all of which must mean something.
fn config(variables: &HashMap<String, String>) -> Config {
    let known: Vec<String> = ["CONFIG".to_owned()].into_iter().chain(options()).collect();
    for name in variables.keys() {
        let option = name.strip_prefix("DOCQUAY_").unwrap_or_else(|| panic!("{name} is not docquay's"));
        assert!(known.iter().any(|known| known == option), "there is no {name}");
    }
    let variable = |name: &str| variables.get(name).map(Into::into);
    Config::load(Flags::default(), &variable, None, Path::new("/nowhere"))
        .unwrap_or_else(|error| panic!("{}: {}", error.what, error.cause))
}

/// Every option as a variable has it, from the manual's table.
fn options() -> impl Iterator<Item = String> {
    let rows = read("src/docs/manual/configuration.md");
    let rows: Vec<String> =
        rows.lines().filter_map(|line| line.strip_prefix("| `")).map(str::to_owned).collect();
    rows.into_iter().flat_map(|row| {
        let keys = row.split(" | ").next().unwrap_or_default().replace('`', "");
        keys.split(", ").map(str::to_ascii_uppercase).collect::<Vec<_>>()
    })
}

fn text<'a>(yaml: &'a Yaml<'_>) -> &'a str {
    yaml.as_str().unwrap_or_else(|| panic!("no text: {yaml:?}"))
}

#[test]
fn the_dockerfile_builds_with_the_toolchain_of_the_project() {
    let channel = read("rust-toolchain.toml");
    let channel = channel.lines().find_map(|line| line.strip_prefix("channel = ")).unwrap().trim_matches('"');
    let dockerfile = read("Dockerfile");
    for line in [format!("library/rust:{channel}-"), format!("RUSTUP_TOOLCHAIN={channel}\n")] {
        assert!(dockerfile.contains(&line), "{line}");
    }
}

#[test]
fn the_image_and_the_compose_file_set_options_that_there_are() {
    let dockerfile = read("Dockerfile");
    let image = dockerfile.lines().find_map(|line| line.strip_prefix("ENV DOCQUAY_BIND")).unwrap();
    let image = format!("DOCQUAY_BIND{image}");
    let mut variables: HashMap<String, String> = image
        .split(' ')
        .map(|variable| variable.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    assert_eq!(config(&variables).address().to_string(), "[::]:8080");

    let compose = read("dist/compose.yaml");
    let compose = Yaml::load_from_str(&compose).unwrap();
    let service = &compose[0]["services"]["docs"];
    for (name, value) in service["environment"].as_mapping().unwrap() {
        // `${NAME:-default}`: as without the variables.
        let value = text(value);
        let value = value.split_once(":-").map_or(value, |(_, default)| default.trim_end_matches('}'));
        variables.insert(text(name).to_owned(), value.to_owned());
    }
    let plain = config(&variables);
    assert!(matches!(plain.security(), Ok(Security::Plain)));
    variables.insert("DOCQUAY_DOMAIN".to_owned(), "docs.example.com".to_owned());
    variables.insert("DOCQUAY_AGREE_TOS".to_owned(), "true".to_owned());
    let secured = config(&variables);
    assert!(matches!(secured.security(), Ok(Security::Acme { .. })));
    let ports: Vec<&str> = service["ports"].as_sequence().unwrap().iter().map(text).collect();
    for port in [secured.address().port(), secured.certificates.acme_port, plain.address().port()] {
        assert!(ports.iter().any(|mapped| mapped.ends_with(&format!(":{port}"))), "{port} in {ports:?}");
    }
    assert!(service["volumes"].as_sequence().unwrap().iter().any(|volume| text(volume) == "certs:/certs"));
}

#[test]
fn the_kubernetes_manifest_sets_options_that_there_are_and_its_parts_agree() {
    let manifest = read("dist/kubernetes.yaml");
    let documents = Yaml::load_from_str(&manifest).unwrap();
    let of_kind = |kind: &str| documents.iter().find(|document| text(&document["kind"]) == kind).unwrap();
    let pod = &of_kind("Deployment")["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let variables = container["env"].as_sequence().unwrap().iter();
    let variables =
        variables.map(|entry| (text(&entry["name"]).to_owned(), text(&entry["value"]).to_owned()));
    let config = config(&variables.collect());
    assert!(matches!(config.security(), Ok(Security::Acme { .. })));
    // Links carry the port inside unless the public address is named.
    assert!(config.base_url.is_some());

    let ports: HashMap<&str, i64> = container["ports"]
        .as_sequence()
        .unwrap()
        .iter()
        .map(|port| (text(&port["name"]), port["containerPort"].as_integer().unwrap()))
        .collect();
    assert_eq!(ports["https"], i64::from(config.address().port()));
    assert_eq!(ports["http"], i64::from(config.certificates.acme_port));
    for probe in ["livenessProbe", "readinessProbe"] {
        assert!(ports.contains_key(text(&container[probe]["httpGet"]["port"])), "{probe}");
    }
    for port in of_kind("Service")["spec"]["ports"].as_sequence().unwrap() {
        assert!(ports.contains_key(text(&port["targetPort"])));
    }
    let user = pod["securityContext"]["runAsUser"].as_integer().unwrap();
    assert!(read("Dockerfile").contains(&format!("\nUSER {user}:{user}\n")));
    assert_eq!(pod["securityContext"]["fsGroup"].as_integer(), Some(user));
    let grace = pod["terminationGracePeriodSeconds"].as_integer().unwrap();
    assert!(u64::try_from(grace).unwrap() > config.http.drain.as_secs());
    let claim = &of_kind("PersistentVolumeClaim")["metadata"]["name"];
    assert!(pod["volumes"].as_sequence().unwrap().iter().any(|volume| {
        volume.as_mapping_get("persistentVolumeClaim").is_some_and(|source| source["claimName"] == *claim)
    }));
}
