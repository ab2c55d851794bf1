//! The bearer tokens that are let in, by their hashes.
//!
//! Owns the format of the token file, the making of a token, and the comparison. Keeps no token: from what is kept
//! here none can be sent. A token's hash needs no salt and no slow function, since a token of 256 random bits
//! cannot be guessed from it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::{digest, hmac};

use super::credentials::is_token;
use crate::entropy::{Entropy, EntropyError};

/// Every token that is let in.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// New for each reading, and nobody's to know: compared are MACs under it.
    key: hmac::Key,
    entries: Vec<Entry>,
}

#[derive(Clone)]
struct Entry {
    name: Arc<str>,
    mac: hmac::Tag,
}

impl fmt::Debug for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
}

/// Who has a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// As in the file.
    pub name: Arc<str>,
    /// The token's hash.
    pub hash: [u8; 32],
}

/// What is wrong with a token file, and in which line, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LineError {
    /// The line; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong.
    pub kind: LineErrorKind,
}

/// The kinds of [`LineError`]. None shows what the line says: it may be a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineErrorKind {
    /// It does not begin with `sha256:`.
    NotHashed,
    /// What follows is not 64 hexadecimal digits.
    NotSha256,
    /// It has no name.
    Unnamed,
    /// The name is longer than 64 characters, or has others than letters, digits and `._@+-`.
    BadName,
    /// The hash stands in this earlier line too.
    Repeated(usize),
    /// There are more tokens than this.
    TooMany(usize),
    /// The system's random generator failed.
    Entropy,
}

impl LineErrorKind {
    /// What to do about it.
    #[must_use]
    pub fn help(self) -> &'static str {
        match self {
            Self::NotHashed => {
                "make a token with its line: docquay token --name NAME\n\
                 or hash one that you have: printf %s TOKEN | sha256sum, and write sha256:HEX NAME"
            }
            Self::NotSha256 => "hash the token anew: printf %s TOKEN | sha256sum, and write sha256:HEX NAME",
            Self::Unnamed => "write who it is for behind the hash: sha256:HEX NAME",
            Self::BadName => "use up to 64 letters, digits and . _ @ + - for the name",
            Self::Repeated(_) => "remove one of the lines, or make another token: docquay token --name NAME",
            Self::TooMany(_) => "remove the tokens that are not used",
            Self::Entropy => "see to the system's random generator (getrandom)",
        }
    }
}

impl LineError {
    /// Of no line in particular.
    #[must_use]
    pub fn whole(kind: LineErrorKind) -> Self {
        Self { line: 0, kind }
    }
}

impl fmt::Display for LineError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(formatter, "line {}: ", self.line)?;
        }
        match self.kind {
            LineErrorKind::NotHashed => formatter.write_str("no hash: tokens are not kept as they are"),
            LineErrorKind::NotSha256 => formatter.write_str("a SHA-256 has 64 hexadecimal digits"),
            LineErrorKind::Unnamed => formatter.write_str("the token has no name"),
            LineErrorKind::BadName => formatter.write_str("the name cannot be used"),
            LineErrorKind::Repeated(line) => write!(formatter, "the same token as in line {line}"),
            LineErrorKind::TooMany(most) => write!(formatter, "more than {most} tokens"),
            LineErrorKind::Entropy => formatter.write_str("no random bytes to compare under"),
        }
    }
}

impl std::error::Error for LineError {}

impl Tokens {
    /// Reads the text of a token file: `sha256:HEX NAME` a line, `#` for comments. Two tokens may share a name, so
    /// that one can follow the other. No token at all lets nobody in.
    ///
    /// # Errors
    /// The first line that is neither; there is no reading of the others then.
    pub fn parse(text: &str, entropy: &dyn Entropy) -> Result<Self, LineError> {
        let failed = |line, kind| LineError { line, kind };
        let mut secret = [0_u8; 32];
        let filled = entropy.fill(&mut secret);
        filled.map_err(|EntropyError| failed(0, LineErrorKind::Entropy))?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        let (mut entries, mut lines) = (Vec::new(), HashMap::new());
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (hash, name) = entry(line).map_err(|kind| failed(number, kind))?;
            if let Some(first) = lines.insert(hash, number) {
                return Err(failed(number, LineErrorKind::Repeated(first)));
            }
            if entries.len() == MOST {
                return Err(failed(number, LineErrorKind::TooMany(MOST)));
            }
            entries.push(Entry { name: name.into(), mac: hmac::sign(&key, &hash) });
        }
        Ok(Self { key, entries })
    }

    /// Who has this token; none if it is not let in.
    #[must_use]
    pub fn holder(&self, token: &str) -> Option<Holder> {
        let hash = sha256(token.as_bytes());
        self.name_of(&hash).map(|name| Holder { name: Arc::clone(name), hash })
    }

    /// Whether the token of this hash is let in.
    #[must_use]
    pub fn have(&self, hash: &[u8; 32]) -> bool {
        self.name_of(hash).is_some()
    }

    /// Takes the same time whichever token it is like: `hmac::verify` compares in constant time, and every entry is
    /// compared with.
    fn name_of(&self, hash: &[u8; 32]) -> Option<&Arc<str>> {
        self.entries.iter().fold(None, |found, entry| {
            let verdict = hmac::verify(&self.key, hash, entry.mac.as_ref());
            if verdict.is_ok() { Some(&entry.name) } else { found }
        })
    }

    /// The names, in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| &*entry.name)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nobody is let in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// A new token, and the line of the token file that lets it in.
///
/// # Errors
/// A name that the file would refuse, or no random bytes.
pub fn new_token(name: &str, entropy: &dyn Entropy) -> Result<(String, String), LineErrorKind> {
    if !is_name(name) {
        return Err(if name.is_empty() { LineErrorKind::Unnamed } else { LineErrorKind::BadName });
    }
    let mut bytes = [0_u8; 32];
    entropy.fill(&mut bytes).map_err(|EntropyError| LineErrorKind::Entropy)?;
    let token = URL_SAFE_NO_PAD.encode(bytes);
    let line = format!("{PREFIX}{} {name}", hex(&sha256(token.as_bytes())));
    debug_assert!(is_token(&token));
    Ok((token, line))
}

/// The hash and the name of a line.
fn entry(line: &str) -> Result<([u8; 32], &str), LineErrorKind> {
    let rest = line.strip_prefix(PREFIX).ok_or(LineErrorKind::NotHashed)?;
    let (hash, name) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let hash = unhex(hash).ok_or(LineErrorKind::NotSha256)?;
    match name.trim() {
        "" => Err(LineErrorKind::Unnamed),
        name if is_name(name) => Ok((hash, name)),
        _ => Err(LineErrorKind::BadName),
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._@+-".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(allowed)
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> =
        text.chars().map(|digit| u8::try_from(digit.to_digit(16)?).ok()).collect::<Option<_>>()?;
    let bytes: Vec<u8> =
        digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
    (digits.len() == 64).then(|| bytes.try_into().ok()).flatten()
}

const PREFIX: &str = "sha256:";
/// Each is compared with for each request; with more, tokens of one's own kind belong elsewhere.
const MOST: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    fn parse(text: &str) -> Result<Tokens, LineError> {
        Tokens::parse(text, &SystemEntropy::new())
    }

    fn new(name: &str) -> (String, String) {
        new_token(name, &SystemEntropy::new()).unwrap()
    }

    #[test]
    fn a_new_token_is_let_in_by_its_line_and_no_other_is() {
        let ((first, first_line), (second, second_line)) = (new("ci"), new("ana@example.com"));
        assert_eq!(first.len(), 43);
        let tokens = parse(&format!("# tokens\n\n{first_line}\r\n  {second_line}  \n")).unwrap();
        assert_eq!(tokens.holder(&first).map(|holder| holder.name.to_string()), Some("ci".to_owned()));
        assert_eq!(tokens.holder(&second).unwrap().name.to_string(), "ana@example.com");
        for wrong in ["", "a", &first[1..], &first_line, &first.to_uppercase(), &format!("{first}=")] {
            assert_eq!(tokens.holder(wrong), None, "{wrong:?}");
        }
        assert_eq!(tokens.names().collect::<Vec<_>>(), ["ci", "ana@example.com"]);
    }

    #[test]
    fn the_hash_is_what_sha256sum_prints() {
        // printf %s hello | sha256sum
        let hash = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        for hash in [hash.to_owned(), hash.to_uppercase()] {
            let tokens = parse(&format!("sha256:{hash} greeting")).unwrap();
            assert!(tokens.holder("hello").is_some() && tokens.holder("hell").is_none());
        }
    }

    #[test]
    fn no_line_lets_nobody_in() {
        for text in ["", "\n\n", "# nobody\n"] {
            let tokens = parse(text).unwrap();
            assert!(tokens.is_empty() && tokens.holder("").is_none());
        }
    }

    #[test]
    fn a_line_that_cannot_be_used_is_named_and_never_shown() {
        let (secret, line) = new("ci");
        let hash = line.split(' ').next().unwrap();
        for (text, number, kind) in [
            (secret.clone(), 1, LineErrorKind::NotHashed),
            (format!("{line}\nci: {secret}"), 2, LineErrorKind::NotHashed),
            (format!("sha256:{secret} ci"), 1, LineErrorKind::NotSha256),
            (format!("{hash}0 ci"), 1, LineErrorKind::NotSha256),
            (hash.to_owned(), 1, LineErrorKind::Unnamed),
            (format!("{hash} two words"), 1, LineErrorKind::BadName),
            (format!("{hash} {}", "n".repeat(65)), 1, LineErrorKind::BadName),
            (format!("#\n{line}\n\n{hash} other"), 4, LineErrorKind::Repeated(2)),
        ] {
            let error = parse(&text).unwrap_err();
            assert_eq!((error.line, error.kind), (number, kind), "{text}");
            assert!(!format!("{error} {} {error:?}", error.kind.help()).contains(&secret), "{text}");
        }
        let many: String = (0..=MOST).map(|number| format!("sha256:{number:064x} n{number}\n")).collect();
        assert_eq!(parse(&many).unwrap_err().kind, LineErrorKind::TooMany(MOST));
    }

    #[test]
    fn two_tokens_may_share_a_name() {
        let ((old, first), (new, second)) = (new("ci"), new("ci"));
        let tokens = parse(&format!("{first}\n{second}")).unwrap();
        assert_eq!(tokens.holder(&old).unwrap().name, tokens.holder(&new).unwrap().name);
        assert_eq!(tokens.len(), 2);
    }

    #[test]
    fn what_is_kept_shows_names_alone() {
        let (_, line) = new("ci");
        let shown = format!("{:?}", parse(&line).unwrap());
        assert!(shown.contains("[ci]") && !shown.contains(&line[7..20]), "{shown}");
    }

    #[test]
    fn a_name_that_the_file_would_refuse_gets_no_token() {
        let refused = |name| new_token(name, &SystemEntropy::new()).unwrap_err();
        assert_eq!((refused(""), refused("a b")), (LineErrorKind::Unnamed, LineErrorKind::BadName));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reading_fail_otherwise_than_by_an_error(text in "(?s).*") {
            let _ = parse(&text);
        }
    }
}
