//! The download: what comes is looked at before it is handed out.

use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use super::scripted::{Step, answer, ca, lost, names, new_order, now, placed};
use crate::acme::{AnyOrder, CertificateKey, ErrorKind, Order, Valid};
use crate::x509;

/// A CA with a root and an intermediate that the root or another one signed.
struct Authority {
    intermediate: Issuer<'static, KeyPair>,
    params: CertificateParams,
}

impl Authority {
    fn new() -> Self {
        let params = authority("Intermediate");
        Self { intermediate: Issuer::new(params.clone(), KeyPair::generate().unwrap()), params }
    }

    /// The intermediate as a root of this name signed it.
    fn under(&self, root: &str) -> String {
        let root = Issuer::new(authority(root), KeyPair::generate().unwrap());
        self.params.signed_by(self.intermediate.key(), &root).unwrap().pem()
    }

    fn leaf(&self, name: &str, key: &CertificateKey, days: u64) -> String {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = (now() - Duration::from_secs(3_600)).into();
        params.not_after = (now() - Duration::from_secs(1_800) + Duration::from_secs(days * 86_400)).into();
        let key = KeyPair::from_pem(&key.to_pem()).unwrap();
        params.signed_by(&key, &self.intermediate).unwrap().pem()
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

async fn valid(
    steps: impl IntoIterator<Item = Step>,
) -> (std::sync::Arc<super::scripted::Script>, Order<Valid>) {
    let (script, account) = ca([placed("valid")].into_iter().chain(steps)).await;
    let AnyOrder::Valid(order) = account.new_order(&new_order()).await.unwrap().order else {
        panic!("not valid")
    };
    (script, order)
}

#[tokio::test(start_paused = true)]
async fn only_certificates_are_taken_from_what_comes() {
    let (authority, key) = (Authority::new(), CertificateKey::generate().unwrap());
    let (leaf, intermediate) = (authority.leaf("a.test", &key, 90), authority.under("Root"));
    let foreign = KeyPair::generate().unwrap().serialize_pem();
    let (script, order) =
        valid([answer(200, format!("# hello\n{foreign}{leaf}{foreign}{intermediate}"))]).await;

    let pair = order.certificate(&key, None).await.unwrap();

    assert_eq!(pair.chain().to_pem(), leaf + &intermediate);
    assert_eq!(pair.key_to_pem(), key.to_pem());
    assert!(pair.chain().check(&names(), now()).is_ok());
    assert_eq!(script.seen()[1].headers["accept"], "application/pem-certificate-chain");
}

#[tokio::test(start_paused = true)]
async fn what_was_not_asked_for_is_not_handed_out() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (key, other) = (CertificateKey::generate().unwrap(), CertificateKey::generate().unwrap());
    let (leaf, intermediate) = (authority.leaf("a.test", &key, 90), authority.under("Root"));
    for (body, expected) in [
        (String::new(), "there is no CERTIFICATE block"),
        ("<html>".to_owned(), "there is no CERTIFICATE block"),
        (leaf.replace("MII", "AII"), "not an X.509 certificate"),
        (leaf[..leaf.len() / 2].to_owned(), "not an X.509 certificate"),
        (authority.leaf("b.test", &key, 90), "the certificate is not for a.test"),
        (authority.leaf("a.test", &other, 90), "the key belongs to another certificate"),
        (intermediate.clone() + &leaf, "the certificate is not for a.test"),
        (
            leaf.clone() + &stranger.under("Root"),
            "the leaf is not signed by the next certificate of the chain",
        ),
    ] {
        let (_script, order) = valid([answer(200, body)]).await;
        let error = order.certificate(&key, None).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Certificate(_)), "{error}");
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), expected);
        assert!(!error.is_retryable());
    }
    let (_script, order) = valid([answer(200, authority.leaf("a.test", &key, 0))]).await;
    let error = order.certificate(&key, None).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Certificate(x509::Error::NotValid { .. })), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_alternate_is_found_however_it_is_linked() {
    let (authority, key) = (Authority::new(), CertificateKey::generate().unwrap());
    let leaf = authority.leaf("a.test", &key, 90);
    let chain = |root: &str| answer(200, leaf.clone() + &authority.under(root));
    for links in [
        &[
            r#"<https://ca.test/dir>;rel="index""#,
            r#"<https://ca.test/1>;rel="alternate""#,
            r#"<https://ca.test/2>;rel="alternate""#,
        ][..],
        &["<https://ca.test/1>;rel=alternate,<https://ca.test/2>; rel=alternate"],
    ] {
        let default = links.iter().fold(chain("Default Root"), |step, link| step.header("link", link));
        let (script, order) = valid([default, chain("Other Root"), chain("Wanted Root")]).await;

        let pair = order.certificate(&key, Some("Wanted Root")).await.unwrap();

        assert_eq!(pair.chain().issuers().last().unwrap().issuer_name(), Some("Wanted Root"));
        let urls: Vec<String> = script.seen().iter().map(|seen| seen.url.clone()).skip(2).collect();
        assert_eq!(urls, ["https://ca.test/1", "https://ca.test/2"]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_default_chain_is_better_than_none() {
    let (authority, key) = (Authority::new(), CertificateKey::generate().unwrap());
    let leaf = authority.leaf("a.test", &key, 90);
    let chain = |root: &str| answer(200, leaf.clone() + &authority.under(root));
    let stranger = answer(200, authority.leaf("b.test", &key, 90) + &authority.under("Wanted Root"));
    let links = "<http://ca.test/0>;rel=alternate,<https://ca.test/1>;rel=alternate,<https://ca.test/2>;rel=alternate,<https://ca.test/3>;rel=alternate";
    let steps = [chain("Default Root").header("link", links), stranger, answer(404, ""), chain("Other Root")];
    let (script, order) = valid(steps).await;

    let pair = order.certificate(&key, Some("Wanted Root")).await.unwrap();

    assert_eq!(pair.chain().issuers().last().unwrap().issuer_name(), Some("Default Root"));
    assert!(script.is_done());
    let (script, order) = valid([chain("Default Root").header("link", links)]).await;
    order.certificate(&key, Some("Default Root")).await.unwrap();
    assert!(script.is_done(), "no alternate was needed");
    let (_script, order) = valid([lost(), lost(), lost(), lost()]).await;
    assert_eq!(order.certificate(&key, None).await.unwrap_err().kind(), &ErrorKind::Transport);
}
