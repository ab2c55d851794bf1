//! The project's own rules, held: layers, sizes, notes on dependencies, crates per feature set.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A row of ARCHITECTURE.md's layer table.
#[derive(Debug)]
struct Row {
    layer: String,
    may_import: BTreeSet<String>,
}

#[test]
fn imports_follow_the_layer_table() {
    let table = layer_table();
    let mut faults = Vec::new();
    for file in sources() {
        let module = module_of(&file);
        if module == "lib" {
            continue;
        }
        let owner = row_name(&table, &module);
        let Some(row) = table.get(owner.as_str()) else {
            faults.push(format!("{}: `{module}` has no row in ARCHITECTURE.md", file.display()));
            continue;
        };
        for path in crate_paths(&without_tests(&read(&file))) {
            let target = row_name(&table, &path);
            if target != owner && !row.may_import.contains(&target) {
                faults.push(format!(
                    "{}: `{owner}` ({}) imports `{target}` (crate::{path})",
                    file.display(),
                    row.layer
                ));
            }
        }
    }
    assert!(
        faults.is_empty(),
        "imports against ARCHITECTURE.md's layer table; move the code or argue for the row:\n{}",
        faults.join("\n")
    );
}

#[test]
fn the_layer_table_only_points_down() {
    let order = ["leaf", "sibling", "glue", "root"];
    let rank = |layer: &str| order.iter().position(|name| *name == layer).expect("a known layer");
    let table = layer_table();
    for (name, row) in &table {
        for target in &row.may_import {
            let below =
                &table.get(target).unwrap_or_else(|| panic!("{name} may import unknown `{target}`")).layer;
            let parent = name.starts_with(&format!("{target}::"));
            let same = rank(below) == rank(&row.layer) && ["root", "leaf"].contains(&below.as_str());
            assert!(
                parent || same || rank(below) < rank(&row.layer),
                "`{name}` may not import `{target}`: it is no layer below"
            );
        }
    }
}

#[test]
fn files_stay_short() {
    let long: Vec<String> = sources()
        .into_iter()
        .filter_map(|file| {
            let lines = without_tests(&read(&file)).lines().count();
            (lines > 400).then(|| format!("{lines} {}", file.display()))
        })
        .collect();
    assert!(long.is_empty(), "longer than 400 lines without tests; split along a seam:\n{}", long.join("\n"));
}

#[test]
fn every_direct_dependency_has_a_true_page() {
    let root = root();
    let lock = read(&root.join("Cargo.lock"));
    let mut faults = Vec::new();
    for name in direct_dependencies() {
        let page = root.join("vendor-notes").join(format!("{name}.md"));
        let Ok(text) = std::fs::read_to_string(&page) else {
            faults.push(format!("{name}: vendor-notes/{name}.md is missing"));
            continue;
        };
        let versions = locked_versions(&lock, &name);
        if !versions.iter().any(|version| text.contains(version.as_str())) {
            faults.push(format!("{name}: its page names none of the locked versions {versions:?}"));
        }
        for word in ["Why", "Licence", "Unsafe", "Features", "Looked at", "Instead"] {
            if !text.contains(word) {
                faults.push(format!("{name}: its page has no line on {word}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_tree_stays_within_its_count_of_crates() {
    for (features, goal) in [
        (&["--no-default-features"][..], 60),
        (&["--no-default-features", "--features", "docs"], 70),
        (&["--no-default-features", "--features", "acme"], 115),
        (&[], 150),
    ] {
        let output = Command::new(env!("CARGO"))
            .args(["tree", "--locked", "--edges", "normal", "--prefix", "none"])
            .args(features)
            .current_dir(root())
            .output()
            .expect("cargo tree runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let crates: BTreeSet<&str> = text.lines().map(|line| line.trim_end_matches(" (*)")).collect();
        println!("{} crates with {features:?} (goal {goal})", crates.len());
        assert!(crates.len() <= goal, "{} crates with {features:?}, the goal is {goal}", crates.len());
    }
}

#[test]
fn one_file_knows_the_operating_system() {
    let words = [
        "std::os::",
        "signal::unix",
        "signal::windows",
        "cfg(unix)",
        "cfg(not(unix))",
        "cfg(windows)",
        "cfg!(unix)",
        "target_os",
        "raw_os_error",
    ];
    let mut faults = Vec::new();
    for file in
        sources().into_iter().filter(|file| !file.ends_with("src/platform.rs") && !file.ends_with("tests.rs"))
    {
        let code = without_tests(&read(&file));
        let found = words.iter().filter(|word| code.contains(**word));
        faults.extend(found.map(|word| format!("{}: {word}", file.display())));
    }
    assert!(faults.is_empty(), "what differs between systems stands in platform.rs:\n{}", faults.join("\n"));
}

#[test]
fn every_row_of_the_readmes_table_is_a_test_and_every_test_of_it_a_row() {
    let readme = read(&root().join("README.md"));
    let table = readme.lines().skip_while(|line| !line.contains("| 2024-11-05 |")).skip(2);
    let rows: BTreeSet<&str> = table
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.rsplit('`').nth(1).unwrap_or_else(|| panic!("a row without a test: {line}")))
        .collect();
    let code = read(&root().join("tests/it/table.rs"));
    let tests: BTreeSet<&str> = code
        .split("#[tokio::test]\nasync fn ")
        .skip(1)
        .map(|test| test.split_once('(').expect("a function").0)
        .collect();
    assert_eq!(rows, tests);
}

#[test]
fn nothing_in_the_project_names_a_developers_machine() {
    let needles = [["/", "work/"].concat(), ["/", "root/"].concat(), ["/", "home/"].concat()];
    let mut faults = Vec::new();
    for file in tracked() {
        let Ok(text) = std::fs::read_to_string(root().join(&file)) else { continue };
        for (number, line) in text.lines().enumerate() {
            if needles.iter().any(|needle| line.contains(needle.as_str())) {
                faults.push(format!("{file}:{}: {line}", number + 1));
            }
        }
    }
    assert!(faults.is_empty(), "paths of one machine:\n{}", faults.join("\n"));
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file of the project that is text and no build product.
fn tracked() -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() && !["target", ".git", ".cache", "node_modules"].contains(&name.as_str()) {
                folders.push(path);
            } else if path.is_file() && name != ".git" {
                let short = path.strip_prefix(root()).expect("inside");
                found.push(short.to_string_lossy().into_owned());
            }
        }
    }
    found
}

fn sources() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = tracked()
        .into_iter()
        .filter(|file| file.starts_with("src/") && file.ends_with(".rs"))
        .map(|file| root().join(file))
        .collect();
    files.sort();
    files
}

/// `src/mcp/tools/mod.rs` → `mcp::tools`.
fn module_of(file: &Path) -> String {
    let inside = file.strip_prefix(root().join("src")).expect("in src").with_extension("");
    let mut parts: Vec<String> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    parts.join("::")
}

/// The longest row that is `path` or a parent of it; the first segment if there is none.
fn row_name(table: &BTreeMap<String, Row>, path: &str) -> String {
    let within = |row: &&String| path == row.as_str() || path.starts_with(&format!("{row}::"));
    table
        .keys()
        .filter(within)
        .max_by_key(|row| row.len())
        .cloned()
        .unwrap_or_else(|| path.split("::").next().unwrap_or(path).to_owned())
}

fn layer_table() -> BTreeMap<String, Row> {
    let text = read(&root().join("ARCHITECTURE.md"));
    let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let mut table = BTreeMap::new();
    for line in text
        .lines()
        .skip_while(|line| !line.starts_with("| module |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
    {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [module, layer, imports] = cells[..] else { panic!("a row of three cells: {line}") };
        let module = names(module).pop().expect("a module");
        table.insert(
            module,
            Row { layer: layer.to_owned(), may_import: names(imports).into_iter().collect() },
        );
    }
    assert!(table.len() > 10, "ARCHITECTURE.md has no layer table");
    table
}

/// The part of a file before its unit tests.
fn without_tests(text: &str) -> String {
    text.lines()
        .take_while(|line| !line.starts_with("#[cfg(test)]") && !line.starts_with("#[cfg(all(test"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Every `crate::…` path of a file, comments left out, nested imports unfolded one level.
fn crate_paths(text: &str) -> BTreeSet<String> {
    let code: String =
        text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n");
    let mut paths = BTreeSet::new();
    for (start, _) in code.match_indices("crate::") {
        let rest = &code[start + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            for item in group.split([',', '\n']) {
                let name: String = item
                    .trim()
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_' || *c == ':')
                    .collect();
                if depth == 0 && !name.is_empty() {
                    paths.insert(name.trim_end_matches(':').to_owned());
                }
                depth += item.matches('{').count() as i32 - item.matches('}').count() as i32;
                if depth < 0 {
                    break;
                }
            }
        } else {
            let name: String =
                rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_' || *c == ':').collect();
            paths.insert(name.trim_end_matches(':').to_owned());
        }
    }
    paths
}

/// The names under every `[…dependencies]` table of Cargo.toml.
fn direct_dependencies() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut inside = false;
    for line in read(&root().join("Cargo.toml")).lines() {
        if line.starts_with('[') {
            inside = line.trim_end().ends_with("dependencies]");
        } else if inside && let Some((name, _)) = line.split_once('=') {
            names.insert(name.trim().to_owned());
        }
    }
    names.retain(|name| !name.starts_with('#'));
    names
}

fn locked_versions(lock: &str, name: &str) -> Vec<String> {
    let lines: Vec<&str> = lock.lines().collect();
    let is_it = |pair: &&[&str]| pair[0] == format!("name = \"{name}\"");
    lines
        .windows(2)
        .filter(is_it)
        .filter_map(|pair| Some(pair[1].strip_prefix("version = \"")?.trim_end_matches('"').to_owned()))
        .collect()
}

#[test]
fn a_crate_path_is_found_in_every_form() {
    let text = "use crate::http::Body;\nuse crate::{names::Origin, docs::{Page, Index}};\n// crate::not\nfn f() { crate::mcp::tools::x() }";
    let found = crate_paths(text);
    for path in ["http::Body", "names::Origin", "mcp::tools::x"] {
        assert!(found.contains(path), "{path} in {found:?}");
    }
    assert!(found.iter().any(|path| path.starts_with("docs")) && !found.contains("not"));
}
