//! DNS messages: one question for CAA records, and what of its answer matters. RFC 1035 §4.1, RFC 8659 §4.1.
//!
//! Pure. Names in an answer are walked over, not read: the nameserver has followed the aliases, and every CAA record
//! in its answer belongs to the name asked for or to what that is an alias of.

use std::fmt;

use super::caa::Caa;

/// What of a message matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reply {
    /// The response code; 0 is no error, 3 no such name.
    pub code: u8,
    /// Whether the answer did not fit, and is to be asked for over TCP.
    pub is_cut: bool,
    /// The CAA records of the answer.
    pub caa: Vec<Caa>,
}

/// A message that is no answer to the question, or none at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("it is no answer to the question")
    }
}

impl std::error::Error for Malformed {}

/// The question for the CAA records of `name`; none if that is no name.
pub(super) fn query(id: [u8; 2], name: &str) -> Option<Vec<u8>> {
    let mut message = id.to_vec();
    // Recursion desired; one question.
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?;
        message.push(length);
        message.extend(label.bytes());
    }
    message.push(0);
    message.extend(CAA.to_be_bytes());
    message.extend(INTERNET.to_be_bytes());
    Some(message).filter(|message| message.len() <= HEADER + LONGEST_NAME + 4)
}

impl Reply {
    /// Reads the answer to `query`.
    ///
    /// # Errors
    /// When the message is cut short, or answers another question.
    pub fn parse(message: &[u8], query: &[u8]) -> Result<Self, Malformed> {
        Self::read(message, query).ok_or(Malformed)
    }

    fn read(message: &[u8], query: &[u8]) -> Option<Self> {
        let mut rest = Bytes(message);
        let id = rest.take(2)?;
        let flags = rest.number()?;
        let questions = rest.number()?;
        let answers = rest.number()?;
        rest.take(4)?;
        let asked = query.get(HEADER..)?;
        let is_answer = flags & 0x8000 != 0 && query.starts_with(id);
        // An error may come without the question.
        let same = questions == 0 || (questions == 1 && rest.take(asked.len())?.eq_ignore_ascii_case(asked));
        if !is_answer || !same {
            return None;
        }
        let code = u8::try_from(flags & 0xf).ok()?;
        let is_cut = flags & 0x0200 != 0;
        let mut caa = Vec::new();
        for _ in 0..answers {
            match rest.record() {
                Some((CAA, INTERNET, data)) => caa.extend(Caa::read(data)),
                Some(_) => {}
                // What is missing is asked for again.
                None if is_cut => break,
                None => return None,
            }
        }
        Some(Self { code, is_cut, caa })
    }
}

/// What is left of a message.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    /// Type, class and data of a record.
    fn record(&mut self) -> Option<(u16, u16, &'a [u8])> {
        self.skip_name()?;
        let (kind, class) = (self.number()?, self.number()?);
        // The time to live.
        self.take(4)?;
        let length = self.number()?;
        Some((kind, class, self.take(usize::from(length))?))
    }

    /// Labels up to the root, or to a pointer (RFC 1035 §4.1.4), which always ends a name.
    fn skip_name(&mut self) -> Option<()> {
        loop {
            match self.take(1)? {
                [0] => return Some(()),
                [length @ 1..=63] => drop(self.take(usize::from(*length))?),
                [192..=255] => return self.take(1).map(|_| ()),
                _ => return None,
            }
        }
    }
}

const CAA: u16 = 257;
const INTERNET: u16 = 1;
const HEADER: usize = 12;
const LONGEST_NAME: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    /// As a nameserver of the real world answers for an alias: a CNAME, then the CAA records of what it leads to.
    fn answer(query: &[u8]) -> Vec<u8> {
        let mut message = query[..2].to_vec();
        message.extend([0x81, 0x80, 0, 1, 0, 3, 0, 0, 0, 0]);
        message.extend(&query[HEADER..]);
        message.extend([0xc0, 12, 0, 5, 0, 1, 0, 0, 1, 44, 0, 7, 4, b'd', b'o', b'c', b's', 0xc0, 16]);
        for (flags, tag, value) in [(0, "issue", "letsencrypt.org"), (128, "iodef", "mailto:a@example.com")] {
            let data = [&[flags, tag.len() as u8], tag.as_bytes(), value.as_bytes()].concat();
            message.extend([0xc0, 12, 1, 1, 0, 1, 0, 0, 1, 44, 0, data.len() as u8]);
            message.extend(data);
        }
        message
    }

    #[test]
    fn the_records_are_read_behind_an_alias() {
        let query = query([7, 9], "docs.example.com").unwrap();
        assert_eq!(query[HEADER..], *b"\x04docs\x07example\x03com\x00\x01\x01\x00\x01");
        let reply = Reply::parse(&answer(&query), &query).unwrap();
        assert_eq!((reply.code, reply.is_cut), (0, false));
        let shown: Vec<String> = reply.caa.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["0 issue \"letsencrypt.org\"", "128 iodef \"mailto:a@example.com\""]);
    }

    #[test]
    fn what_answers_another_question_is_refused() {
        let asked = query([7, 9], "docs.example.com").unwrap();
        let good = answer(&asked);
        let spoil = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut message = good.clone();
            change(&mut message);
            Reply::parse(&message, &asked)
        };
        assert!(spoil(&|_| {}).is_ok());
        assert!(spoil(&|message| message[13] = b'D').is_ok());
        assert_eq!(spoil(&|message| message[0] = 8), Err(Malformed));
        assert_eq!(spoil(&|message| message[2] = 1), Err(Malformed));
        assert_eq!(spoil(&|message| message[13] = b'x'), Err(Malformed));
        assert_eq!(spoil(&|message| message.truncate(60)), Err(Malformed));
        let cut = spoil(&|message| {
            message[2] |= 2;
            message.truncate(60);
        });
        assert!(cut.unwrap().is_cut);
    }

    #[test]
    fn no_question_is_made_of_what_is_no_name() {
        for name in ["", "a..b", ".", &"a".repeat(64), &["a"; 200].join(".")] {
            assert_eq!(query([0, 0], name), None, "{name:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_survived(message: Vec<u8>, mut flags: u8) {
            let asked = query([7, 9], "docs.example.com").unwrap();
            let _ = Reply::parse(&message, &asked);
            flags |= 0x80;
            let header = [&asked[..2], &[flags, 0, 0, 1, 0, 9, 0, 0, 0, 0], &asked[HEADER..], &message].concat();
            let _ = Reply::parse(&header, &asked);
        }

        #[test]
        fn a_message_cut_anywhere_is_survived(length in 0_usize..200) {
            let asked = query([7, 9], "docs.example.com").unwrap();
            let whole = answer(&asked);
            let cut = Reply::parse(&whole[..length.min(whole.len())], &asked);
            proptest::prop_assert_eq!(cut.is_ok(), length >= whole.len());
        }
    }
}
