//! The words below the options: examples of each command, and its exit codes.

pub(super) const ABOUT: &str = "Documentation behind the Model Context Protocol";
pub(super) const LONG_ABOUT: &str = "\
Documentation behind the Model Context Protocol: point docquay at a folder of Markdown or a site's
JSON index, and MCP clients search and read it at http://127.0.0.1:8080/mcp.";
pub(super) const AFTER_HELP: &str = "\
Examples:
  docquay                                   serve docquay's own manual
  docquay docs                              serve a folder of Markdown
  docquay https://docs.example.com/index.json
  docquay docs --bind '[::]' --base-url https://docs.example.com
  docquay docs --domain docs.example.com --email ops@example.com --agree-tos
  docquay search 'rotate a key' docs
  docquay check docs --domain docs.example.com --agree-tos
  claude mcp add docs -- docquay stdio docs

Every option is also a variable (--base-url: DOCQUAY_BASE_URL; lists with commas) and a key of
docquay.toml (base_url; a limit: [limits.http] body_bytes). A flag beats a variable beats the file.
Exit codes: 0 done, 1 failed while running, 2 wrong usage or configuration.
SIGHUP reads docquay.toml, the sources, the tokens and the certificate's files again; SIGTERM and SIGINT let running
requests finish, and end at once when they come again.";
pub(super) const STDIO_HELP: &str = "\
Examples:
  claude mcp add docs -- docquay stdio ./docs
  docquay stdio https://docs.example.com/index.json

Nothing but messages goes to stdout; logs go to stderr.
Exit codes: 0 the client has ended, 1 failed while running, 2 wrong usage or configuration.";
pub(super) const CERT_HELP: &str = "\
Examples:
  docquay cert status --domain docs.example.com
  docquay cert renew --config /etc/docquay.toml
  docquay cert revoke --config /etc/docquay.toml --reason key-compromise

Takes the options, or the docquay.toml, of the server whose certificate it is.
Exit codes: 0 all is well, 1 not so, 2 wrong usage or configuration.";
pub(super) const SEARCH_HELP: &str = "\
Examples:
  docquay search 'rotate a key' ./docs
  docquay search --json --limit 3 max_connections https://docs.example.com/index.json

Exit codes: 0 found, 1 nothing found, 2 wrong usage or configuration.";
pub(super) const CHECK_HELP: &str = "\
Examples:
  docquay check ./docs
  docquay check ./docs --domain docs.example.com --agree-tos
  docquay check --config /etc/docquay.toml --json
  docquay check --config /etc/docquay.toml --dry-run

Takes the options, or the docquay.toml, of the server. Changes nothing that lasts: --dry-run orders a
certificate from Let's Encrypt's staging CA (or --acme-directory) and keeps nothing of it. Ports that
the server is to use must be free, or be docquay's own.
Exit codes: 0 all is well, or only warnings; 1 a check failed; 2 wrong usage or configuration.";
pub(super) const EVAL_HELP: &str = "\
Examples:
  docquay eval questions.tsv ./docs
  docquay eval --json -n 3 questions.tsv ./docs | jq .mean_reciprocal_rank

A question stands on a line of its own: the words, a tab, and the ids of the pages or sections that
answer it, any of which will do: rotate a key<TAB>guide/keys#rotation guide/tls
Exit codes: 0 every question was found, 1 one was not, 2 wrong usage or configuration.";
pub(super) const CONFIG_HELP: &str = "\
Examples:
  docquay config                            what takes effect here, and where it came from
  docquay config --port 9000 > docquay.toml
  docquay config --json | jq .port

Takes the options of the server. Passwords in URLs are left out.
Exit codes: 0 done, 2 wrong usage or configuration.";
pub(super) const COMPLETIONS_HELP: &str = "\
Examples:
  docquay completions bash > /etc/bash_completion.d/docquay
  docquay completions zsh > \"${fpath[1]}/_docquay\"
  docquay completions fish > ~/.config/fish/completions/docquay.fish
  docquay completions powershell | Out-String | Invoke-Expression

Exit codes: 0 done, 2 wrong usage.";
pub(super) const MAN_HELP: &str = "\
Examples:
  docquay man | man -l -
  docquay man cert renew | man -l -
  docquay man --write /usr/local/share/man/man1

Exit codes: 0 done, 1 the pages could not be written, 2 no such command.";

pub(super) const TOKEN_HELP: &str = "\
Examples:
  docquay token --name ci
  docquay ./docs --token-file ./tokens

Give the token to the client, which sends it as `Authorization: Bearer TOKEN`; add the line to the file. The file is
read again within 30 seconds, and on SIGHUP.";
