//! What a shell and a packager ask of the command line: completions, man pages, the long version.
//!
//! All of it is made from the same description of the options as the help.

use std::io;
use std::path::Path;

use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;

use super::arguments::Cli;

/// The completion script for `shell`.
pub(super) fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut built(), NAME, &mut script);
    script
}

/// The man page of docquay, or of one of its commands: `cert renew`; none if there is no such command.
pub(super) fn man(command: &[String]) -> io::Result<Option<Vec<u8>>> {
    let root = built();
    let found = command.iter().try_fold(&root, |within, name| within.find_subcommand(name));
    found.map(page).transpose()
}

/// Writes every man page into `folder` and says which.
pub(super) fn write_man(folder: &Path) -> io::Result<Vec<String>> {
    std::fs::create_dir_all(folder)?;
    let mut written = Vec::new();
    write_tree(&built(), folder, &mut written)?;
    Ok(written)
}

fn write_tree(command: &Command, folder: &Path, written: &mut Vec<String>) -> io::Result<()> {
    let name = format!("{}.1", command.get_display_name().unwrap_or(NAME));
    std::fs::write(folder.join(&name), page(command)?)?;
    written.push(name);
    command
        .get_subcommands()
        .filter(|inner| !inner.is_hide_set())
        .try_for_each(|inner| write_tree(inner, folder, written))
}

fn page(command: &Command) -> io::Result<Vec<u8>> {
    let words = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
    // Without the long version: it has the machine of the build in it.
    let command = command.clone().version(env!("CARGO_PKG_VERSION")).long_version(None::<&str>);
    let has_commands = command.get_subcommands().next().is_some();
    let man = Man::new(command).manual("docquay");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if has_commands {
        man.render_subcommands_section(&mut page)?;
    }
    page.extend_from_slice(below(&words).as_bytes());
    Ok(page)
}

/// The words below the options, in roff: examples as they are written, the rest filled, a paragraph for each line
/// that follows the end of a sentence.
fn below(words: &str) -> String {
    let mut roff = String::new();
    let mut rest = words;
    if let Some(examples) = words.strip_prefix("Examples:\n") {
        let (examples, behind) = examples.split_once("\n\n").unwrap_or((examples, ""));
        let examples: String =
            examples.lines().map(|line| format!("{}\n", escaped(line.trim_start()))).collect();
        roff.push_str(&format!(".SH EXAMPLES\n.nf\n{examples}.fi\n"));
        rest = behind;
    }
    if !rest.is_empty() {
        roff.push_str(".SH NOTES\n");
    }
    let mut ended = false;
    for line in rest.lines() {
        if ended {
            roff.push_str(".PP\n");
        }
        roff.push_str(&format!("{}\n", escaped(line)));
        ended = line.ends_with('.');
    }
    roff
}

/// A line of text: no escape, no request, hyphens as they are typed (groff_char(7)).
fn escaped(line: &str) -> String {
    let line = line.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    if line.starts_with('.') { format!("\\&{line}") } else { line }
}

/// The command with the full names of its subcommands. Without clap's `help`: its copy of the tree would be
/// completed, and get pages, like the tree itself.
fn built() -> Command {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    command
}

const NAME: &str = "docquay";

/// Below the name and the version: commit, features, target, compiler.
pub(super) const LONG_VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\ncommit:   ",
    env!("DOCQUAY_COMMIT"),
    "\nfeatures: ",
    env!("DOCQUAY_FEATURES"),
    "\ntarget:   ",
    env!("DOCQUAY_TARGET"),
    "\ncompiler: ",
    env!("DOCQUAY_COMPILER"),
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_stay_as_they_are_written_and_nothing_is_taken_for_a_request() {
        let roff = below("Examples:\n  docquay 'a' \\\n  .b\n\nOne\ntwo.\nThree");
        assert_eq!(
            roff,
            ".SH EXAMPLES\n.nf\ndocquay \\(aqa\\(aq \\e\n\\&.b\n.fi\n.SH NOTES\nOne\ntwo.\n.PP\nThree\n"
        );
        assert_eq!(below(""), "");
    }

    #[test]
    fn every_shell_has_a_script_and_every_command_a_page() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell, Shell::Elvish] {
            let script = String::from_utf8(completions(shell)).unwrap();
            for word in ["stdio", "base-url", "acme-directory"] {
                assert!(script.contains(word), "{shell} lacks {word}");
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let pages = write_man(folder.path()).unwrap();
        for name in ["docquay.1", "docquay-search.1", "docquay-cert.1", "docquay-cert-renew.1"] {
            assert!(pages.iter().any(|page| page == name), "{name} not in {pages:?}");
        }
        for page in pages {
            let text = std::fs::read_to_string(folder.path().join(&page)).unwrap();
            assert!(text.contains(".SH NAME") && text.contains(".SH SYNOPSIS"), "{page}: {text}");
        }
        assert_eq!(man(&["serch".to_owned()]).unwrap(), None);
    }
}
