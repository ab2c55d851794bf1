//! Completions in the shells themselves, man pages by man and mandoc, and the line of progress on a real terminal.

use std::path::Path;
use std::process::{Command, Output};

const DOCQUAY: &str = env!("CARGO_BIN_EXE_docquay");

/// Runs a program to its end; one that is not there is a failure that names its package.
fn run(package: &str, program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).output();
    output.unwrap_or_else(|error| panic!("{program}: {error}; it comes with Debian's package {package}"))
}

fn text(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
    out.into_owned()
}

/// The completion script of a shell, in a file.
fn script(folder: &Path, shell: &str) -> String {
    let file = folder.join(shell);
    std::fs::write(&file, text(&run("", DOCQUAY, &["completions", shell]))).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn bash_completes_commands_options_and_their_values() {
    let folder = tempfile::tempdir().unwrap();
    let script = script(folder.path(), "bash");
    let complete = |words: &[&str]| {
        let (last, before) = (words[words.len() - 1], words[words.len() - 2]);
        let line = format!(
            "source {script}; COMP_WORDS=({}); COMP_CWORD={}; _docquay docquay '{last}' '{before}'; echo \"${{COMPREPLY[*]}}\"",
            words.join(" "),
            words.len() - 1
        );
        text(&run("bash", "bash", &["-c", &line])).trim().to_owned()
    };
    assert_eq!(complete(&["docquay", "sea"]), "search");
    assert_eq!(complete(&["docquay", "cert", "re"]), "renew revoke");
    assert_eq!(complete(&["docquay", "check", "--dry"]), "--dry-run");
    assert_eq!(complete(&["docquay", "--base"]), "--base-url");
    assert_eq!(complete(&["docquay", "completions", "z"]), "zsh");
}

#[test]
fn fish_completes_commands_and_options() {
    let folder = tempfile::tempdir().unwrap();
    let script = script(folder.path(), "fish");
    let complete = |line: &str| {
        let command = format!("source {script}; complete --do-complete '{line}'");
        let proposed = text(&run("fish", "fish", &["--no-config", "-c", &command]));
        let words = proposed.lines().filter_map(|line| line.split('\t').next().map(str::to_owned));
        words.collect::<Vec<_>>()
    };
    assert_eq!(complete("docquay sea"), ["search"]);
    assert_eq!(complete("docquay check --dry"), ["--dry-run"]);
}

#[test]
fn zsh_loads_its_script_for_docquay() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::rename(script(folder.path(), "zsh"), folder.path().join("_docquay")).unwrap();
    let line = format!(
        "fpath=({} $fpath); autoload -Uz compinit; compinit -u -D; echo $_comps[docquay]; autoload +X _docquay && echo loaded",
        folder.path().display()
    );
    assert_eq!(text(&run("zsh", "zsh", &["-f", "-c", &line])), "_docquay\nloaded\n");
}

#[test]
fn man_shows_the_pages_and_mandoc_finds_nothing_amiss() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap();
    text(&run("", DOCQUAY, &["man", "--write", place]));
    let mut pages: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.sort();
    assert!(pages.len() > 10, "{pages:?}");
    for page in &pages {
        let page = page.to_str().unwrap();
        let lint = run("mandoc", "mandoc", &["-T", "lint", "-W", "error", page]);
        assert!(
            lint.status.success() && lint.stdout.is_empty(),
            "{page}: {}",
            String::from_utf8_lossy(&lint.stdout)
        );
        let shown = run("man-db", "man", &["--warnings", "-l", page]);
        assert!(shown.stderr.is_empty(), "{page}: {}", String::from_utf8_lossy(&shown.stderr));
    }
    let shown = text(&run("man-db", "man", &["-l", folder.path().join("docquay.1").to_str().unwrap()]));
    for part in
        ["--base-url", "docquay-check(1)", "Exit codes: 0 done", "EXAMPLES", "docquay docs --bind '[::]'"]
    {
        assert!(shown.contains(part), "{part} not in {shown}");
    }
}

#[test]
fn on_a_terminal_a_long_reading_is_shown_in_a_line_that_is_gone_at_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let words =
        "A page about ropes, knots, winches and the weather, with enough words to keep an index busy.\n\n";
    for number in 0..12_000 {
        let text = format!("# Page {number}\n\n{}", words.repeat(8));
        std::fs::write(folder.path().join(format!("{number}.md")), text).unwrap();
    }
    let docs = folder.path().to_str().unwrap();
    // script(1) gives it a terminal.
    let line = format!("{DOCQUAY} search weather {docs}");
    let watched = text(&run("bsdutils", "script", &["-qec", &line, "/dev/null"]));
    let shown = ["reading documents: ", "indexing pages: "].iter().any(|step| watched.contains(step));
    assert!(shown && watched.contains(" of 12000\x1b[K"), "{watched}");
    let (_, after) = watched.rsplit_once("\r\x1b[K").expect("the line is cleared");
    assert!(after.contains("Page ") && !after.contains(" of 12000"), "{after}");

    let quiet = run("", DOCQUAY, &["search", "weather", docs]);
    assert!(quiet.status.success() && quiet.stderr.is_empty(), "{}", String::from_utf8_lossy(&quiet.stderr));
}

#[test]
fn a_check_is_coloured_on_a_terminal_unless_somebody_says_no() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("index.md");
    std::fs::write(&page, "# Quay\n").unwrap();
    let check = |before: &str| {
        let line = format!("{before} {DOCQUAY} check {} --port 0", folder.path().display());
        text(&run("bsdutils", "script", &["-qec", &line, "/dev/null"]))
    };
    let anybody = check("env -u NO_COLOR");
    assert!(anybody.contains("\x1b[32m✓ ok"), "{anybody}");
    assert!(!check("NO_COLOR=1").contains("\x1b[32m"));
}
