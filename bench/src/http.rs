//! One kept connection of one virtual user, and its cookies.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::error::Fault;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// A kept connection. It is opened when it is needed and again when the server closed it.
pub(crate) struct Link {
    address: SocketAddr,
    host: HeaderValue,
    sender: Option<SendRequest<Full<Bytes>>>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Link {
    /// To this address, with this `Host`.
    pub(crate) fn new(address: SocketAddr, host: HeaderValue) -> Self {
        Self {
            address,
            host,
            sender: None,
        }
    }

    /// Sends one request.
    pub(crate) async fn send(&mut self, mut request: Request<Full<Bytes>>) -> Result<Reply, Fault> {
        request
            .headers_mut()
            .insert(header::HOST, self.host.clone());
        match tokio::time::timeout(PATIENCE, self.exchange(request)).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(fault)) => {
                self.sender = None;
                Err(fault)
            }
            Err(_) => {
                self.sender = None;
                Err(Fault::Link("no answer in time".to_owned()))
            }
        }
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Reply, Fault> {
        let mut sender = match self.sender.take() {
            Some(sender) => sender,
            None => self.open().await?,
        };
        if sender.ready().await.is_err() {
            sender = self.open().await?;
        }
        let response = sender.send_request(request).await.map_err(broken)?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(broken)?.to_bytes();
        self.sender = Some(sender);
        Ok(Reply {
            status: parts.status,
            headers: parts.headers,
            body,
        })
    }

    async fn open(&self) -> Result<SendRequest<Full<Bytes>>, Fault> {
        let stream = TcpStream::connect(self.address).await.map_err(broken)?;
        stream.set_nodelay(true).map_err(broken)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        // It ends with the connection; whoever sends learns of it then.
        tokio::spawn(connection);
        Ok(sender)
    }
}

fn broken(error: impl std::error::Error) -> Fault {
    Fault::Link(error.to_string())
}

impl Reply {
    /// This reply if it has this status.
    pub(crate) fn having(self, status: StatusCode, path: &str) -> Result<Self, Fault> {
        if self.status == status {
            return Ok(self);
        }
        Err(self.unexpected(path))
    }

    /// What to say about a status that should not be.
    pub(crate) fn unexpected(&self, path: &str) -> Fault {
        Fault::Status {
            status: self.status.as_u16(),
            path: path.split('?').next().unwrap_or_default().to_owned(),
            text: self.text().chars().take(300).collect(),
        }
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The value of a header that is text.
    pub(crate) fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// The cookies of one host, by name and path.
#[derive(Debug, Default)]
pub(crate) struct Jar(Vec<Cookie>);

#[derive(Debug)]
struct Cookie {
    name: String,
    path: String,
    value: String,
}

impl Jar {
    /// Takes what an answer sets or removes.
    pub(crate) fn keep(&mut self, headers: &HeaderMap) {
        for line in headers.get_all(header::SET_COOKIE) {
            let Ok(line) = line.to_str() else { continue };
            let mut parts = line.split(';').map(str::trim);
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
                continue;
            };
            let mut path = "/";
            let mut is_removed = value.is_empty();
            for part in parts {
                let (key, value) = part.split_once('=').unwrap_or((part, ""));
                match key.to_ascii_lowercase().as_str() {
                    "path" => path = value,
                    "max-age" if value == "0" => is_removed = true,
                    "expires" if value.contains(" 1970 ") => is_removed = true,
                    _ => (),
                }
            }
            self.0
                .retain(|cookie| cookie.name != name || cookie.path != path);
            if !is_removed {
                self.0.push(Cookie {
                    name: name.to_owned(),
                    path: path.to_owned(),
                    value: value.to_owned(),
                });
            }
        }
    }

    /// The `Cookie` header for a path.
    pub(crate) fn header(&self, path: &str) -> Option<HeaderValue> {
        let mut text = String::new();
        for cookie in self.0.iter().filter(|cookie| is_under(path, &cookie.path)) {
            if !text.is_empty() {
                text.push_str("; ");
            }
            text.push_str(&cookie.name);
            text.push('=');
            text.push_str(&cookie.value);
        }
        HeaderValue::from_str(&text)
            .ok()
            .filter(|value| !value.is_empty())
    }
}

/// RFC 6265 §5.1.4, without the query.
fn is_under(path: &str, cookie: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    path.strip_prefix(cookie)
        .is_some_and(|rest| rest.is_empty() || cookie.ends_with('/') || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(jar: &mut Jar, line: &'static str) {
        let headers = [(header::SET_COOKIE, HeaderValue::from_static(line))];
        jar.keep(&headers.into_iter().collect());
    }

    #[test]
    fn cookies_go_to_their_path_and_below_until_they_are_removed() {
        let mut jar = Jar::default();
        set(&mut jar, "a=1; Path=/; HttpOnly");
        set(&mut jar, "b=2; path=/auth/7");
        assert_eq!(jar.header("/auth/7?x").unwrap(), "a=1; b=2");
        assert_eq!(jar.header("/auth/77").unwrap(), "a=1");
        set(&mut jar, "a=; Max-Age=0; Path=/");
        assert!(jar.header("/").is_none());
    }
}
