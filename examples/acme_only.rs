//! A certificate by HTTP-01, with docquay's ACME client alone:
//!
//!     acme_only https://acme-staging-v02.api.letsencrypt.org/directory docs.example.com [LISTEN [CA_FILE]]
//!
//! LISTEN is the address that port 80 of the name leads to, 0.0.0.0:80 if not said; CA_FILE (PEM) a root to trust
//! beside Mozilla's. Running it agrees to the CA's terms. Chain and key are written to stdout.

use std::error::Error;
use std::sync::{Arc, Mutex};

use docquay::acme::{
    Account, AccountKey, AnyOrder, CertificateKey, ChallengeKind, Client, HttpTransport, Limits, NewAccount,
    NewOrder, Terms, transport,
};
use docquay::clock::SystemClock;
use docquay::names::Identifier;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What is published: path and body.
type Published = Arc<Mutex<Vec<(String, String)>>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, name, more @ ..] = arguments.as_slice() else {
        return Err("usage: acme_only DIRECTORY NAME [LISTEN [CA_FILE]]".into());
    };
    let listener = TcpListener::bind(more.first().map_or("0.0.0.0:80", String::as_str)).await?;
    let published = Published::default();
    tokio::spawn(serve(listener, Arc::clone(&published)));

    let mut options = transport::Options::default();
    options.ca_pem = more.get(1).map(std::fs::read).transpose()?;
    let transport = Arc::new(HttpTransport::new(&options)?);
    let client = Client::connect(directory, transport, Arc::new(SystemClock), Limits::default()).await?;

    // A real program stores the key and the account's URL here, and uses both the next time.
    let mut new = NewAccount::default();
    new.terms = Terms::Agreed;
    let account = Account::create(&client, AccountKey::generate()?, &new).await?;
    eprintln!("account {}", account.url());

    let placed = account.new_order(&NewOrder::of([Identifier::parse(name)?])).await?;
    let ready = match placed.order {
        AnyOrder::Pending(order) => {
            for authorization in order.authorizations().await? {
                if let Some(challenge) = authorization.challenge(ChallengeKind::Http01) {
                    let path = format!("/.well-known/acme-challenge/{}", challenge.token());
                    let body = challenge.key_authorization().as_str().to_owned();
                    published.lock().unwrap().push((path, body));
                }
                authorization.validate(ChallengeKind::Http01).await?;
                eprintln!("{} validated", authorization.identifier());
            }
            order.into_ready().await?
        }
        AnyOrder::Ready(order) => order,
        other => return Err(format!("a new account's order is {other:?}").into()),
    };

    let key = CertificateKey::generate()?;
    let valid = ready.finalize(&key).await?.into_valid().await?;
    let pair = valid.certificate(&key, None).await?;
    print!("{}{}", pair.chain().to_pem(), pair.key_to_pem());
    Ok(())
}

async fn serve(listener: TcpListener, published: Published) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream, Arc::clone(&published)));
    }
}

/// One request, one answer: the body that is published at its path, exactly.
async fn answer(mut stream: TcpStream, published: Published) -> std::io::Result<()> {
    let mut head = BufReader::new(&mut stream).lines();
    let request = head.next_line().await?.unwrap_or_default();
    while head.next_line().await?.is_some_and(|line| !line.is_empty()) {}
    let path = request.split(' ').nth(1).unwrap_or_default();
    let body = published.lock().unwrap().iter().find(|(at, _)| at == path).map(|(_, body)| body.clone());
    let (status, body) = body.map_or(("404 Not Found", String::new()), |body| ("200 OK", body));
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    stream.write_all((head + &body).as_bytes()).await
}
