//! The load generator: a closed loop of so many senders, each with one request under way.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::http::{self, Response};
use crate::ledger::Heard;
use crate::{payload, stats};

/// No key is used twice by a run of this program.
static NEXT_KEY: AtomicU64 = AtomicU64::new(1);
/// A sender that is refused waits this long.
const PAUSE: Duration = Duration::from_millis(2);
/// Pieces up to this size are put together.
const SMALL: usize = 16 * 1024;
/// A request that takes longer is a failure of the run.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone)]
pub struct Load {
    pub to: SocketAddr,
    pub path: String,
    pub connections: usize,
    /// A new connection for each request, as providers send.
    pub fresh: bool,
    pub body: usize,
    pub warm_up: Duration,
    pub time: Duration,
}

/// What the senders heard.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Every 2xx, of the warm-up too.
    pub heard: Vec<Heard>,
    /// Nanoseconds from the first byte of a request to the last of its reply, of those that ended within the time.
    pub latencies: Vec<u64>,
    pub time: Duration,
    /// Of the processes that were measured, within the time.
    pub cpu: Duration,
    /// 2xx that were hook's own.
    pub queued: usize,
    pub refused: usize,
    pub broken: usize,
}

impl Outcome {
    /// Requests a second.
    pub fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.time.as_secs_f64()
    }

    /// In microseconds.
    pub fn latency(&mut self, p: f64) -> f64 {
        stats::percentile(&mut self.latencies, p).map_or(f64::NAN, |ns| ns as f64 / 1000.0)
    }

    /// In microseconds.
    pub fn cpu_per_request(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.latencies.len() as f64
    }
}

impl Load {
    /// Sends for the warm-up and the time; `cpu` reads what the measured processes have used.
    pub async fn run(&self, cpu: impl Fn() -> Duration) -> Outcome {
        let begin = Instant::now() + self.warm_up;
        let end = begin + self.time;
        let local = tokio::task::LocalSet::new();
        let all = std::rc::Rc::new(RefCell::new(Outcome::default()));
        let used = local
            .run_until(async {
                let mut senders = JoinSet::new();
                for _ in 0..self.connections {
                    let (load, all) = (self.clone(), all.clone());
                    senders.spawn_local(async move { load.send(begin, end, &all).await });
                }
                tokio::time::sleep_until(begin.into()).await;
                let before = cpu();
                tokio::time::sleep_until(end.into()).await;
                let used = cpu().saturating_sub(before);
                while senders.join_next().await.is_some() {}
                used
            })
            .await;
        let outcome = std::mem::take(&mut *all.borrow_mut());
        Outcome { cpu: used, time: self.time, ..outcome }
    }

    async fn send(&self, begin: Instant, end: Instant, all: &RefCell<Outcome>) {
        let mut open = None;
        while Instant::now() < end {
            let key = NEXT_KEY.fetch_add(1, Ordering::Relaxed);
            let started = Instant::now();
            let one = tokio::time::timeout(PATIENCE, self.request(&mut open, key)).await;
            let ended = Instant::now();
            let pause = {
                let mut all = all.borrow_mut();
                match one {
                    Ok(Ok(response)) if response.is_2xx() => {
                        all.heard.push(Heard { key, size: self.body });
                        all.queued += usize::from(response.queued);
                        if ended >= begin && ended <= end {
                            all.latencies.push((ended - started).as_nanos() as u64);
                        }
                        false
                    }
                    Ok(Ok(_)) => {
                        all.refused += 1;
                        true
                    }
                    Ok(Err(_)) | Err(_) => {
                        all.broken += 1;
                        open = None;
                        true
                    }
                }
            };
            if pause {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    async fn request(&self, open: &mut Option<(TcpStream, Vec<u8>)>, key: u64) -> io::Result<Response> {
        if self.fresh {
            *open = None;
        }
        let (stream, buffer) = match open {
            Some(open) => open,
            None => {
                let stream = TcpStream::connect(self.to).await?;
                stream.set_nodelay(true)?;
                open.insert((stream, Vec::with_capacity(1024)))
            }
        };
        let (path, to, size) = (&self.path, self.to, self.body);
        let mut text = format!(
            "POST {path} HTTP/1.1\r\nhost: {to}\r\nuser-agent: hook-bench\r\ncontent-type: application/json\r\ncontent-length: {size}\r\n\r\n"
        )
        .into_bytes();
        // One write for what is small; a large body goes piece by piece.
        for piece in payload::pieces(key, size) {
            if piece.len() > SMALL {
                stream.write_all(&text).await?;
                text.clear();
                stream.write_all(&piece).await?;
            } else {
                text.extend_from_slice(&piece);
            }
        }
        stream.write_all(&text).await?;
        let response = http::response(stream, buffer).await?;
        if self.fresh || response.closes {
            *open = None;
        }
        Ok(response)
    }

    /// One request; its key counts when it heard a 2xx.
    pub async fn once(&self) -> io::Result<(Response, Heard)> {
        let key = NEXT_KEY.fetch_add(1, Ordering::Relaxed);
        let one = tokio::time::timeout(PATIENCE, self.request(&mut None, key)).await;
        let response = one.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        Ok((response, Heard { key, size: self.body }))
    }
}
