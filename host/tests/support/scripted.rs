//! A server on loopback that answers as its script says, byte for byte, and tells what it was asked.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The server; each connection takes the next line of the script and is closed after it.
#[derive(Clone, Debug)]
pub(crate) struct Scripted {
    pub(crate) address: std::net::SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    /// Starts it. An empty line resets the connection once a request has come.
    pub(crate) async fn start(script: Vec<String>) -> Self {
        Self::start_with(|_| script).await
    }

    /// Starts it with a script that names its own URL.
    pub(crate) async fn start_with(script: impl FnOnce(&str) -> Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = script(&format!("http://{address}"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let server = Self { address, asked: Arc::clone(&asked) };
        drop(tokio::spawn(async move {
            for line in script {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = read_request(&mut stream).await;
                asked.lock().unwrap().push(request);
                if line.is_empty() {
                    stream.set_zero_linger().unwrap();
                    continue;
                }
                stream.write_all(line.as_bytes()).await.unwrap();
                drop(stream.shutdown().await);
            }
        }));
        server
    }

    /// Starts it with an answer for each path; whoever asks for another gets none.
    pub(crate) async fn start_by_path(answers: Vec<(&'static str, String)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let server = Self { address, asked: Arc::clone(&asked) };
        drop(tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = read_request(&mut stream).await;
                let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                asked.lock().unwrap().push(request);
                if let Some((_, line)) = answers.iter().find(|(one, _)| *one == path) {
                    stream.write_all(line.as_bytes()).await.unwrap();
                }
                drop(stream.shutdown().await);
            }
        }));
        server
    }

    /// What it was asked so far, head and body.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// The request lines of what it was asked so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().iter().map(|r| r.lines().next().unwrap_or_default().to_owned()).collect()
    }
}

/// An answer with a length.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// A page of users with these ids.
pub(crate) fn page(total: usize, ids: &[usize]) -> String {
    let users: Vec<_> = ids.iter().map(|id| format!(r#"{{"id":"{id}"}}"#)).collect();
    let body = format!(r#"{{"totalResults":{total},"Resources":[{}]}}"#, users.join(","));
    answer("200 OK", "Content-Type: application/scim+json\r\n", &body)
}

/// Reads one request with its body, framed by length or in chunks.
pub(crate) async fn read_request(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length = length.map_or(0, |length| length.parse().unwrap());
            let chunked = head.contains("transfer-encoding: chunked");
            if (chunked && body.ends_with("0\r\n\r\n")) || (!chunked && body.len() >= length) {
                return text;
            }
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return String::from_utf8_lossy(&read).into_owned(),
            Ok(length) => read.extend(buffer.iter().take(length)),
        }
    }
}
