//! What stands between the gateway and the service, and may say something else than the service does.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Reply, Service, exchange};

/// What becomes of a request.
pub(crate) enum Way {
    /// The service answers.
    Through,
    /// The service does it, and this is changed in its answer.
    Changed(Box<dyn FnOnce(&mut Reply) + Send>),
    /// The service does it, and these bytes are told.
    Told(Vec<u8>),
    /// The service does it, and these bytes are told again and again, until nobody hears them any more.
    Endless(Vec<u8>, Vec<u8>),
    /// The service does it, and the connection is reset.
    Reset,
    /// The service does it, and nothing is told.
    Silent,
    /// The service does not hear of it, and these bytes are told.
    Instead(Vec<u8>),
}

/// A server before a service; each connection has one request.
#[derive(Clone)]
pub(crate) struct Mask {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
    told: Arc<Mutex<usize>>,
}

impl Mask {
    /// Starts it; `rule` says what becomes of a request, by its text.
    pub(crate) async fn before(
        service: &Service,
        rule: impl Fn(&str) -> Way + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mask = Self {
            address: listener.local_addr().unwrap(),
            heard: Arc::default(),
            told: Arc::default(),
        };
        let (rule, behind, started) = (Arc::new(rule), service.address, mask.clone());
        drop(tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (rule, mask) = (Arc::clone(&rule), started.clone());
                drop(tokio::spawn(async move { mask.speak(stream, behind, &*rule).await }));
            }
        }));
        mask
    }

    pub(crate) fn base(&self) -> String {
        format!("http://{}/scim/v2", self.address)
    }

    /// What it was asked so far, head and body.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// How often it was asked so.
    pub(crate) fn count(&self, begins: &str) -> usize {
        self.heard().iter().filter(|request| request.starts_with(begins)).count()
    }

    /// How many bytes of endless answers went out.
    pub(crate) fn told(&self) -> usize {
        *self.told.lock().unwrap()
    }

    async fn speak(
        self,
        mut stream: TcpStream,
        behind: SocketAddr,
        rule: &(dyn Fn(&str) -> Way + Send + Sync),
    ) {
        let request = crate::scripted::read_request(&mut stream).await;
        if request.is_empty() {
            return;
        }
        self.heard.lock().unwrap().push(request.clone());
        let way = rule(&request);
        let mut answer = Vec::new();
        if !matches!(way, Way::Instead(_)) {
            let closing = request.replacen("\r\n", "\r\nConnection: close\r\n", 1);
            answer = exchange(behind, closing.into()).await;
        }
        let told = match way {
            Way::Through => answer,
            Way::Changed(change) => {
                let mut reply = Reply::read(&answer);
                change(&mut reply);
                bytes_of(&reply)
            }
            Way::Told(bytes) | Way::Instead(bytes) => bytes,
            Way::Endless(head, piece) => {
                drop(stream.write_all(&head).await);
                while stream.write_all(&piece).await.is_ok() {
                    *self.told.lock().unwrap() += piece.len();
                }
                return;
            }
            Way::Reset => return stream.set_zero_linger().unwrap(),
            Way::Silent => {
                // Until who asked gives up.
                drop(stream.read(&mut [0]).await);
                return;
            }
        };
        drop(stream.write_all(&told).await);
        drop(stream.shutdown().await);
    }
}

/// An answer with a JSON body.
pub(crate) fn json_answer(status: &str, body: &Value) -> Vec<u8> {
    answer(status, "Content-Type: application/scim+json\r\n", body.to_string())
}

/// An answer with a length.
pub(crate) fn answer(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn bytes_of(reply: &Reply) -> Vec<u8> {
    let framed = |line: &&str| {
        let name = line.split(':').next().unwrap().to_ascii_lowercase();
        !["content-length", "transfer-encoding"].contains(&name.as_str())
    };
    let head: Vec<_> = reply.head.lines().filter(framed).collect();
    let length = format!("\r\nContent-Length: {}\r\n\r\n", reply.body.len());
    [head.join("\r\n").as_bytes(), length.as_bytes(), &reply.body].concat()
}
