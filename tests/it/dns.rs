//! Questions for CAA records over sockets: a small nameserver of the test's own, by UDP and TCP.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use docquay::dns::{Error, Resolver};
use docquay::entropy::SystemEntropy;
use docquay::names::DomainName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};

/// What the nameserver does with a question for a name.
#[derive(Clone, Copy)]
enum Manner {
    /// Answers with this `issue` record.
    Issue(&'static str),
    /// The same, but by UDP only that the answer does not fit.
    OverTcp(&'static str),
    /// The same, after a datagram that answers another question.
    AfterForgery(&'static str),
    /// No record, or no name: the response code.
    Code(u8),
}

/// Manners by name; a name without one does not exist.
async fn nameserver(manners: &'static [(&'static str, Manner)]) -> SocketAddr {
    let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = tcp.local_addr().unwrap();
    let udp = UdpSocket::bind(address).await.unwrap();
    let manner = |query: &[u8]| {
        let name = name_of(query);
        manners.iter().find(|(known, _)| *known == name).map_or(Manner::Code(3), |(_, manner)| *manner)
    };
    tokio::spawn(async move {
        let mut query = [0; 512];
        while let Ok((length, peer)) = udp.recv_from(&mut query).await {
            let query = &query[..length];
            let answers = match manner(query) {
                Manner::Issue(issuer) => vec![answer(query, 0, Some(issuer))],
                Manner::OverTcp(_) => {
                    let mut cut = answer(query, 0, None);
                    cut[2] |= 2;
                    vec![cut]
                }
                Manner::AfterForgery(issuer) => {
                    let mut forged = answer(query, 0, Some("forged.example"));
                    forged[1] ^= 1;
                    vec![forged, b"noise".to_vec(), answer(query, 0, Some(issuer))]
                }
                Manner::Code(code) => vec![answer(query, code, None)],
            };
            for answer in answers {
                udp.send_to(&answer, peer).await.unwrap();
            }
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = tcp.accept().await {
            let mut query = vec![0; usize::from(stream.read_u16().await.unwrap())];
            stream.read_exact(&mut query).await.unwrap();
            let Manner::OverTcp(issuer) = manner(&query) else { panic!("asked over TCP without need") };
            let answer = answer(&query, 0, Some(issuer));
            stream.write_u16(answer.len() as u16).await.unwrap();
            stream.write_all(&answer).await.unwrap();
        }
    });
    address
}

fn name_of(query: &[u8]) -> String {
    let mut labels = Vec::new();
    let mut rest = &query[12..];
    while rest[0] != 0 {
        let (label, behind) = rest[1..].split_at(usize::from(rest[0]));
        labels.push(String::from_utf8(label.to_vec()).unwrap());
        rest = behind;
    }
    labels.join(".")
}

fn answer(query: &[u8], code: u8, issuer: Option<&str>) -> Vec<u8> {
    let mut message = query.to_vec();
    (message[2], message[3]) = (0x81, 0x80 | code);
    if let Some(issuer) = issuer {
        message[7] = 1;
        message.extend([0xc0, 12, 1, 1, 0, 1, 0, 0, 0, 60, 0, 7 + issuer.len() as u8, 0, 5]);
        message.extend(b"issue");
        message.extend(issuer.bytes());
    }
    message
}

async fn asked(servers: Vec<SocketAddr>, name: &str) -> Result<Option<(String, String)>, Error> {
    let resolver = Resolver::new(servers, Arc::new(SystemEntropy::new()));
    let found = resolver.caa(&DomainName::parse(name).unwrap()).await?;
    Ok(found.map(|found| (found.at, found.records[0].value.clone())))
}

#[tokio::test]
async fn the_nearest_name_with_records_decides() {
    let server = nameserver(&[
        ("docs.example.test", Manner::Code(0)),
        ("example.test", Manner::Issue("ca.example")),
        ("test", Manner::Issue("far.example")),
    ])
    .await;
    let found = |at: &str, issuer: &str| Some((at.to_owned(), issuer.to_owned()));
    assert_eq!(asked(vec![server], "docs.example.test").await.unwrap(), found("example.test", "ca.example"));
    assert_eq!(asked(vec![server], "other.test").await.unwrap(), found("test", "far.example"));
    assert_eq!(asked(vec![server], "docs.example.org").await.unwrap(), None);
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_asked_for_over_tcp() {
    let server = nameserver(&[("a.test", Manner::OverTcp("ca.example"))]).await;
    assert_eq!(asked(vec![server], "a.test").await.unwrap().unwrap().1, "ca.example");
}

#[tokio::test]
async fn a_datagram_that_answers_another_question_is_passed_over() {
    let server = nameserver(&[("a.test", Manner::AfterForgery("ca.example"))]).await;
    assert_eq!(asked(vec![server], "a.test").await.unwrap().unwrap().1, "ca.example");
}

#[tokio::test]
async fn a_server_that_cannot_tell_is_followed_by_the_next_and_an_error_by_none() {
    let failing = nameserver(&[("a.test", Manner::Code(2)), ("test", Manner::Code(2))]).await;
    let error = asked(vec![failing], "a.test").await.unwrap_err();
    assert!(error.to_string().contains("a.test") && error.to_string().contains("SERVFAIL (2)"), "{error}");
    let good = nameserver(&[("a.test", Manner::Issue("ca.example"))]).await;
    assert_eq!(asked(vec![failing, good], "a.test").await.unwrap().unwrap().1, "ca.example");
    // The top of a name is no machine's own, and resolvers on a machine refuse to ask about it.
    let top = nameserver(&[("a.test", Manner::Code(0)), ("test", Manner::Code(5))]).await;
    assert_eq!(asked(vec![top], "a.test").await.unwrap(), None);
    assert!(matches!(asked(Vec::new(), "a.test").await, Err(Error::NoServer)));
}
