//! One connection through a [`super::Chaos`]: a socket to each end, and a thread for each direction.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::{End, Network};

/// How often a thread that waits looks whether its pair is over.
pub const LOOK: Duration = Duration::from_millis(20);
const PIECE: usize = 16 * 1024;

pub struct Pair {
    cli: TcpStream,
    relay: TcpStream,
    /// Both ends are to be reset.
    over: AtomicBool,
    /// One end was closed, and the other is not to know.
    half_open: AtomicBool,
    /// Directions that have ended.
    ended: AtomicUsize,
    passed: AtomicU64,
}

impl Pair {
    pub fn new(cli: TcpStream, relay: TcpStream) -> io::Result<Self> {
        for socket in [&cli, &relay] {
            socket.set_nodelay(true)?;
            socket.set_read_timeout(Some(LOOK))?;
            socket.set_write_timeout(Some(LOOK))?;
        }
        Ok(Self {
            cli,
            relay,
            over: AtomicBool::default(),
            half_open: AtomicBool::default(),
            ended: AtomicUsize::default(),
            passed: AtomicU64::default(),
        })
    }

    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    pub fn is_live(&self) -> bool {
        !self.is_over() && !self.half_open.load(Ordering::SeqCst) && self.ended.load(Ordering::SeqCst) == 0
    }

    /// Its sockets are reset as soon as nobody uses them.
    pub fn end(&self) {
        for socket in [&self.cli, &self.relay] {
            let _ = socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO));
        }
        self.over.store(true, Ordering::SeqCst);
    }

    pub fn half_open(&self, told: End) {
        self.half_open.store(true, Ordering::SeqCst);
        let _ = self.socket(told).shutdown(Shutdown::Both);
    }

    fn socket(&self, end: End) -> &TcpStream {
        match end {
            End::Cli => &self.cli,
            End::Relay => &self.relay,
        }
    }
}

pub fn start(network: &Arc<Network>, pair: &Arc<Pair>) {
    for (from, to) in [(End::Cli, End::Relay), (End::Relay, End::Cli)] {
        let (network, pair) = (network.clone(), pair.clone());
        std::thread::spawn(move || {
            if pump(&network, &pair, from, to).is_err() {
                pair.end();
            }
            if pair.ended.fetch_add(1, Ordering::SeqCst) == 1 && !pair.half_open.load(Ordering::SeqCst) {
                pair.over.store(true, Ordering::SeqCst);
                network.pairs().retain(|other| !Arc::ptr_eq(other, &pair));
            }
        });
    }
}

/// Carries what one end says to the other, until it has said all. An error is to be the end of both.
fn pump(network: &Network, pair: &Pair, from: End, to: End) -> io::Result<()> {
    let mut piece = [0; PIECE];
    while !pair.is_over() && !pair.half_open.load(Ordering::SeqCst) {
        let came = pair.socket(from).read(&mut piece);
        if came.as_ref().is_err_and(is_pause) {
            continue;
        }
        let Some(weather) = network.wait_for_light(pair) else { return Ok(()) };
        if pair.half_open.load(Ordering::SeqCst) {
            return Ok(());
        }
        let mut count = came?;
        if count == 0 {
            let _ = pair.socket(to).shutdown(Shutdown::Write);
            return Ok(());
        }
        let sending = weather.bytes_per_second.map_or(0.0, |rate| count as f64 / rate.max(1) as f64);
        std::thread::sleep(weather.latency + Duration::from_secs_f64(sending));
        let before = pair.passed.fetch_add(count as u64, Ordering::SeqCst);
        let cut = weather.cut_after.filter(|limit| before + count as u64 > *limit);
        if let Some(limit) = cut {
            count = limit.saturating_sub(before) as usize;
        }
        write_all(pair, pair.socket(to), &piece[..count])?;
        if cut.is_some() {
            return Err(ErrorKind::ConnectionReset.into());
        }
    }
    Ok(())
}

fn write_all(pair: &Pair, mut to: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() && !pair.is_over() {
        match to.write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            // Its reader is slow, or asleep.
            Err(error) if is_pause(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
