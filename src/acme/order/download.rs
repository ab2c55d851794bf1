//! Fetching the certificate, and looking at it before anybody uses it. RFC 8555 §7.4.2.

use super::{Order, Valid};
use crate::acme::client::Post;
use crate::acme::error::{Error, ErrorKind};
use crate::acme::key::CertificateKey;
use crate::acme::reply::Reply;
use crate::x509::{self, Chain, Pair};

impl Order<Valid> {
    /// Fetches the chain and joins it with the key that the order was finalized with.
    ///
    /// The leaf is for exactly the order's names, valid now, of this key, and each link is signed by the next; what
    /// else the CA sent is left out. With `preferred_issuer`, the first chain whose last certificate was issued by a
    /// CA of this common name is taken; if there is none, the CA's default is: [`Pair::chain`] tells.
    ///
    /// # Errors
    /// [`ErrorKind::Certificate`] when the chain is not what was asked for; when it cannot be fetched.
    pub async fn certificate(
        &self,
        key: &CertificateKey,
        preferred_issuer: Option<&str>,
    ) -> Result<Pair, Error> {
        let work = async {
            let reply = self.download(self.body.certificate()?).await?;
            let default = self.checked(&reply, key)?;
            match preferred_issuer {
                Some(name) if !leads_to(default.chain(), name) => {
                    Ok(self.alternate(&reply, key, name).await.unwrap_or(default))
                }
                _ => Ok(default),
            }
        };
        work.await.map_err(|error: Error| error.while_doing("certificate"))
    }

    /// The first alternate that leads to the issuer and can be used: the others do not matter.
    async fn alternate(&self, default: &Reply, key: &CertificateKey, name: &str) -> Option<Pair> {
        for url in default.links("alternate") {
            let Ok(reply) = self.download(&url).await else { continue };
            match self.checked(&reply, key) {
                Ok(pair) if leads_to(pair.chain(), name) => return Some(pair),
                _ => {}
            }
        }
        None
    }

    async fn download(&self, url: &str) -> Result<Reply, Error> {
        let post = Post::fetch(self.account.signer(), url).accept("application/pem-certificate-chain");
        self.account.client().post(post).await
    }

    fn checked(&self, reply: &Reply, key: &CertificateKey) -> Result<Pair, Error> {
        let refused = |error: x509::Error| Error::from(ErrorKind::Certificate(error));
        let chain = Chain::from_pem(&reply.body).map_err(refused)?;
        chain.check(self.identifiers(), self.account.client().clock().system()).map_err(refused)?;
        Pair::new(chain, key.p256().to_der()).map_err(refused)
    }
}

fn leads_to(chain: &Chain, name: &str) -> bool {
    chain.certificates().last().is_some_and(|last| last.issuer_name() == Some(name))
}
