//! As much of HTTP/1.1 as it takes to read a page of an etcd on this machine.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a member may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The body of a page.
///
/// # Errors
/// It cannot be had.
pub fn get(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // An answer to HTTP/1.0 ends with the connection, and is not cut into pieces.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    body(&String::from_utf8_lossy(&answer))
}

fn body(answer: &str) -> io::Result<String> {
    let bad = || io::Error::other(answer.lines().next().unwrap_or("no answer").to_owned());
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(bad)?;
    match head.split(' ').nth(1) {
        Some("200") => Ok(body.to_owned()),
        _ => Err(bad()),
    }
}

/// Whether a member serves: it knows a leader.
pub fn is_healthy(address: SocketAddr) -> bool {
    get(address, "/health").is_ok_and(|body| body.contains("true"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_taken_from_a_good_answer_only() {
        let good = "HTTP/1.0 200 OK\r\nContent-Type: x\r\n\r\na\r\n\r\nb";
        assert_eq!(body(good).expect("good"), "a\r\n\r\nb");
        let bad = body("HTTP/1.0 503 Service Unavailable\r\n\r\n").expect_err("bad");
        assert_eq!(bad.to_string(), "HTTP/1.0 503 Service Unavailable");
        assert_eq!(body("").expect_err("nothing").to_string(), "no answer");
    }
}
