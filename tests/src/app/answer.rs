//! What an app says, good and bad.

use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::LIVENESS;

/// Holds an app back until a test lets it go on.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<usize>, Condvar)>);

impl Gate {
    pub fn closed() -> Self {
        Self::default()
    }

    /// Lets one pass.
    pub fn step(&self) {
        self.add(1);
    }

    /// Lets all pass from now on.
    pub fn open(&self) {
        self.add(1 << 40);
    }

    fn add(&self, permits: usize) {
        *self.0.0.lock().unwrap() += permits;
        self.0.1.notify_all();
    }

    /// Waits to pass. An app that nobody lets go gives up long after its test did.
    fn pass(&self) -> io::Result<()> {
        let by = LIVENESS * 6;
        let (mut permits, late) =
            self.0.1.wait_timeout_while(self.0.0.lock().unwrap(), by, |permits| *permits == 0).unwrap();
        if late.timed_out() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        *permits -= 1;
        Ok(())
    }
}

#[derive(Clone)]
pub struct Answer {
    gate: Option<Gate>,
    what: What,
}

#[derive(Clone)]
enum What {
    Http {
        status: String,
        headers: Vec<(String, Vec<u8>)>,
        body: Body,
    },
    /// Exactly these steps, and the connection's end.
    Raw(Vec<Step>),
}

#[derive(Clone)]
enum Body {
    Length(Arc<Vec<u8>>),
    Chunks {
        chunks: Vec<Vec<u8>>,
        gate: Option<Gate>,
        trailers: Vec<(String, Vec<u8>)>,
    },
    /// As 204 and 304 have it.
    None,
}

#[derive(Clone)]
enum Step {
    Send(Vec<u8>),
    Reset,
}

impl Answer {
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::status("200 OK").body(body)
    }

    /// `500 Internal Server Error`, with an empty body.
    pub fn status(status: &str) -> Self {
        let body = Body::Length(Arc::default());
        Self { gate: None, what: What::Http { status: status.to_owned(), headers: Vec::new(), body } }
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        if let What::Http { headers, .. } = &mut self.what {
            headers.push((name.to_owned(), value.as_ref().to_vec()));
        }
        self
    }

    #[must_use]
    pub fn body(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.with_body(Body::Length(Arc::new(bytes.into())))
    }

    /// No body and no word about one.
    #[must_use]
    pub fn bodiless(self) -> Self {
        self.with_body(Body::None)
    }

    #[must_use]
    pub fn chunked(self, chunks: impl IntoIterator<Item = impl Into<Vec<u8>>>) -> Self {
        let chunks = chunks.into_iter().map(Into::into).collect();
        self.with_body(Body::Chunks { chunks, gate: None, trailers: Vec::new() })
    }

    /// Chunks that each wait at a gate of their own.
    #[must_use]
    pub fn streamed(self, chunks: impl IntoIterator<Item = impl Into<Vec<u8>>>, each: &Gate) -> Self {
        let chunks = chunks.into_iter().map(Into::into).collect();
        self.with_body(Body::Chunks { chunks, gate: Some(each.clone()), trailers: Vec::new() })
    }

    #[must_use]
    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        if let What::Http { body: Body::Chunks { trailers, .. }, .. } = &mut self.what {
            trailers.push((name.to_owned(), value.as_bytes().to_vec()));
        }
        self
    }

    /// Answers only once the gate lets it.
    #[must_use]
    pub fn after(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.clone());
        self
    }

    /// These bytes, then the end of the connection.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { gate: None, what: What::Raw(vec![Step::Send(bytes.into())]) }
    }

    /// Closes without a word.
    pub fn close() -> Self {
        Self { gate: None, what: What::Raw(Vec::new()) }
    }

    /// Promises 100 bytes, sends five, and closes.
    pub fn close_midway() -> Self {
        Self::raw("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello")
    }

    pub fn reset() -> Self {
        Self { gate: None, what: What::Raw(vec![Step::Reset]) }
    }

    fn with_body(mut self, new: Body) -> Self {
        if let What::Http { body, .. } = &mut self.what {
            *body = new;
        }
        self
    }

    /// Says it. `false`: this was the connection's last answer.
    pub(super) fn send(&self, stream: &TcpStream, head_only: bool) -> io::Result<bool> {
        if let Some(gate) = &self.gate {
            gate.pass()?;
        }
        let (status, headers, body) = match &self.what {
            What::Http { status, headers, body } => (status, headers, body),
            What::Raw(steps) => {
                for step in steps {
                    match step {
                        Step::Send(bytes) => (&*stream).write_all(bytes)?,
                        // Its end, with no time to linger, is a reset.
                        Step::Reset => socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO))?,
                    }
                }
                return Ok(false);
            }
        };
        let mut out = format!("HTTP/1.1 {status}\r\n").into_bytes();
        for (name, value) in headers {
            out.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        match body {
            Body::None => out.extend(b"\r\n"),
            Body::Length(bytes) => {
                out.extend(format!("content-length: {}\r\n\r\n", bytes.len()).as_bytes());
                if !head_only {
                    // In one write, as a small answer usually comes.
                    out.extend_from_slice(bytes);
                }
            }
            Body::Chunks { chunks, gate, trailers } => {
                out.extend(b"transfer-encoding: chunked\r\n\r\n");
                for chunk in chunks {
                    (&*stream).write_all(&out)?;
                    gate.as_ref().map_or(Ok(()), Gate::pass)?;
                    out = [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat();
                }
                (&*stream).write_all(&out)?;
                gate.as_ref().map_or(Ok(()), Gate::pass)?;
                out = b"0\r\n".to_vec();
                for (name, value) in trailers {
                    out.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
                }
                out.extend(b"\r\n");
            }
        }
        (&*stream).write_all(&out)?;
        Ok(true)
    }
}
