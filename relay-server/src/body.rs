//! The body of one event: complete, immutable, in memory when small and in an unlinked file when large.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

/// A body of at most this many bytes stays in memory.
pub const IN_MEMORY: usize = 1024 * 1024;
/// Pieces of a larger body are gathered up to this size before the file is written.
const WRITE_SIZE: usize = 256 * 1024;
/// What arrives is counted in such steps; a body of at most one is not counted.
const STEP: usize = 16 * 1024;

/// A complete body. Clones share the bytes.
#[derive(Clone)]
pub enum Body {
    Memory(Bytes),
    Spooled(Arc<Spooled>),
}

/// A body in a file that has no name: it is gone when its last owner is, also after a crash.
pub struct Spooled {
    file: File,
    len: u64,
}

impl Body {
    pub fn empty() -> Self {
        Self::Memory(Bytes::new())
    }

    pub fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Spooled(spooled) => spooled.len,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes from `offset` on, at most `max` of them; fewer only at the end, none behind it. Does not copy what is in memory.
    pub async fn chunk(&self, offset: u64, max: usize) -> io::Result<Bytes> {
        self.begin_chunk(offset, max).ready().await
    }

    /// Begins to read a chunk, for whoever has something to do meanwhile.
    pub(crate) fn begin_chunk(&self, offset: u64, max: usize) -> Reading {
        match self {
            Self::Memory(bytes) => Reading::Done(slice(bytes, offset, max)),
            Self::Spooled(spooled) if offset >= spooled.len => Reading::Done(Bytes::new()),
            Self::Spooled(spooled) => {
                let spooled = Arc::clone(spooled);
                Reading::Begun(tokio::task::spawn_blocking(move || spooled.read(offset, max)))
            }
        }
    }

    /// Fills `buffer` with the bytes from `offset` on; gives how many there were. Waits for the disk.
    pub(crate) fn read_blocking(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let count = within(self.len(), offset, buffer.len());
        match self {
            Self::Memory(bytes) => buffer[..count].copy_from_slice(&slice(bytes, offset, count)),
            Self::Spooled(spooled) => spooled.file.read_exact_at(&mut buffer[..count], offset)?,
        }
        Ok(count)
    }
}

/// A chunk on its way from the disk.
pub(crate) enum Reading {
    Done(Bytes),
    Begun(JoinHandle<io::Result<Bytes>>),
}

impl Reading {
    pub(crate) async fn ready(self) -> io::Result<Bytes> {
        match self {
            Self::Done(bytes) => Ok(bytes),
            Self::Begun(read) => read.await.map_err(io::Error::other)?,
        }
    }
}

/// Contents are the sender's and may hold anything, so only the size is shown.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self {
            Self::Memory(_) => "in memory",
            Self::Spooled(_) => "spooled",
        };
        write!(f, "Body({} bytes {place})", self.len())
    }
}

impl Spooled {
    /// Copies `chunks` into a new file. Waits for the disk.
    pub(crate) fn collect(dir: &Path, chunks: impl Iterator<Item = io::Result<Vec<u8>>>) -> io::Result<Self> {
        let file = tempfile::tempfile_in(dir)?;
        let mut len = 0;
        for chunk in chunks {
            let chunk = chunk?;
            file.write_all_at(&chunk, len)?;
            len += chunk.len() as u64;
        }
        Ok(Self { file, len })
    }

    fn read(&self, offset: u64, max: usize) -> io::Result<Bytes> {
        let mut bytes = vec![0; within(self.len, offset, max)];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes.into())
    }
}

fn slice(bytes: &Bytes, offset: u64, max: usize) -> Bytes {
    let count = within(bytes.len() as u64, offset, max);
    if count == 0 {
        return Bytes::new();
    }
    // An offset below the length fits.
    let start = offset as usize;
    bytes.slice(start..start + count)
}

/// How many of at most `max` bytes there are from `offset` on in a body of `len` bytes.
fn within(len: u64, offset: u64, max: usize) -> usize {
    usize::try_from(len.saturating_sub(offset)).unwrap_or(usize::MAX).min(max)
}

/// The memory that all arriving bodies may have together. A body that finds none left goes to its file early.
#[derive(Clone)]
pub struct Budget(Arc<Semaphore>);

impl Budget {
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes / STEP)))
    }
}

/// Takes in a body piece by piece.
///
/// A writer whose `push` failed or was dropped half-way has lost bytes, and so refuses everything from then on.
pub struct BodyWriter {
    spool_dir: Arc<Path>,
    budget: Budget,
    held: Vec<u8>,
    /// How much will come, as the sender says.
    announced: u64,
    /// What of the budget is this body's.
    share: Option<OwnedSemaphorePermit>,
    file: Option<Arc<File>>,
    written: u64,
    lost: bool,
}

impl BodyWriter {
    /// Nothing is created in `spool_dir`, which must exist, before the body is too large for memory.
    pub fn new(spool_dir: Arc<Path>, budget: Budget) -> Self {
        Self { spool_dir, budget, held: Vec::new(), announced: 0, share: None, file: None, written: 0, lost: false }
    }

    /// Says how much will come. Only what came takes memory.
    pub fn announce(&mut self, bytes: u64) {
        self.announced = bytes;
    }

    /// How many bytes were pushed.
    pub fn len(&self) -> u64 {
        self.written + self.held.len() as u64
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    // By value, as the pieces of an HTTP body come.
    #[allow(clippy::needless_pass_by_value)]
    pub async fn push(&mut self, piece: Bytes) -> io::Result<()> {
        self.whole()?;
        let most = if self.file.is_some() { WRITE_SIZE } else { IN_MEMORY };
        if self.held.len() >= STEP && self.held.capacity() - self.held.len() < piece.len() {
            // Once, instead of twice as much each time. A sender that announces and does not send gets nothing.
            let left = usize::try_from(self.announced.saturating_sub(self.len())).unwrap_or(usize::MAX);
            self.held.reserve_exact(left.min(most.saturating_sub(self.held.len())).max(piece.len()));
        }
        self.held.extend_from_slice(&piece);
        if self.held.len() > most || !self.may_hold() { self.write().await } else { Ok(()) }
    }

    /// Takes its share of the budget for what is held.
    fn may_hold(&mut self) -> bool {
        let has = self.share.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = (self.held.len().saturating_sub(1) / STEP).saturating_sub(has);
        if missing == 0 {
            return true;
        }
        let Ok(more) = self.budget.0.clone().try_acquire_many_owned(u32::try_from(missing).unwrap_or(u32::MAX)) else {
            return false;
        };
        match &mut self.share {
            Some(share) => share.merge(more),
            none => *none = Some(more),
        }
        true
    }

    pub async fn finish(mut self) -> io::Result<Body> {
        self.whole()?;
        if self.file.is_some() && !self.held.is_empty() {
            self.write().await?;
        }
        let len = self.written;
        match self.file.take() {
            None => Ok(Body::Memory(self.held.into())),
            // The only other owner was the task of a finished write.
            Some(file) => {
                let file = Arc::into_inner(file).ok_or_else(lost)?;
                Ok(Body::Spooled(Arc::new(Spooled { file, len })))
            }
        }
    }

    async fn write(&mut self) -> io::Result<()> {
        let (file, dir, at) = (self.file.take(), Arc::clone(&self.spool_dir), self.written);
        let data = std::mem::take(&mut self.held);
        self.lost = true;
        let (file, count) = blocking(move || {
            let file = match file {
                Some(file) => file,
                None => Arc::new(tempfile::tempfile_in(dir)?),
            };
            file.write_all_at(&data, at)?;
            Ok((file, data.len()))
        })
        .await?;
        self.lost = false;
        self.file = Some(file);
        self.written += count as u64;
        // The buffer is not kept: many slow senders would keep as many.
        self.share = None;
        Ok(())
    }

    fn whole(&self) -> io::Result<()> {
        if self.lost { Err(lost()) } else { Ok(()) }
    }
}

fn lost() -> io::Error {
    io::Error::other("an earlier write of this body failed")
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn written(dir: &Path, pieces: &[&[u8]]) -> Body {
        let mut writer = BodyWriter::new(dir.into(), Budget::new(2 * IN_MEMORY));
        for piece in pieces {
            writer.push(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        assert_eq!(writer.len(), pieces.iter().map(|piece| piece.len() as u64).sum::<u64>());
        writer.finish().await.unwrap()
    }

    #[tokio::test]
    async fn a_body_comes_back_in_any_chunks() {
        let dir = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..2_500_001_u32).map(|i| (i * 7 + (i >> 10)) as u8).collect();
        for (len, in_memory) in [(0, true), (5, true), (IN_MEMORY, true), (IN_MEMORY + 1, false), (bytes.len(), false)]
        {
            for piece in [1000, 65_536, 3_000_000] {
                let pieces: Vec<_> = bytes[..len].chunks(piece).collect();
                let body = written(dir.path(), &pieces).await;
                assert_eq!((body.len(), matches!(body, Body::Memory(_))), (len as u64, in_memory));
                let mut back = Vec::new();
                while let chunk = body.chunk(back.len() as u64, 77_777).await.unwrap()
                    && !chunk.is_empty()
                {
                    assert_eq!(chunk.len(), 77_777.min(len - back.len()));
                    back.extend_from_slice(&chunk);
                }
                assert!(back == bytes[..len]);
                assert!(body.chunk(u64::MAX, usize::MAX).await.unwrap().is_empty());
            }
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "spooled bodies have no names");
    }

    #[tokio::test]
    async fn bodies_that_find_no_memory_left_go_to_their_files_and_give_it_back() {
        let dir = tempfile::tempdir().unwrap();
        let budget = Budget::new(IN_MEMORY);
        let bytes: Vec<u8> = (0..IN_MEMORY as u32).map(|i| (i * 13 + (i >> 9)) as u8).collect();
        for _ in 0..3 {
            let mut writers: Vec<_> = (0..3).map(|_| BodyWriter::new(dir.path().into(), budget.clone())).collect();
            for piece in bytes.chunks(10_000) {
                for writer in &mut writers {
                    writer.push(Bytes::copy_from_slice(piece)).await.unwrap();
                }
                let held: usize = writers.iter().map(|writer| writer.held.len()).sum();
                assert!(held <= IN_MEMORY + 3 * STEP, "{held} bytes are in memory");
            }
            let mut spooled = 0;
            for writer in writers {
                let body = writer.finish().await.unwrap();
                spooled += usize::from(matches!(body, Body::Spooled(_)));
                assert!(body.chunk(0, usize::MAX).await.unwrap() == bytes);
            }
            assert!(spooled > 1, "there was memory for one at most");
        }
        let mut one = BodyWriter::new(dir.path().into(), budget);
        one.push(bytes.clone().into()).await.unwrap();
        assert!(matches!(one.finish().await.unwrap(), Body::Memory(_)), "all of it was given back");
    }

    #[tokio::test]
    async fn a_writer_that_lost_bytes_gives_no_body() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = BodyWriter::new(dir.path().join("missing").into(), Budget::new(2 * IN_MEMORY));
        writer.push(Bytes::from(vec![0; IN_MEMORY])).await.unwrap();
        assert!(writer.push(Bytes::from_static(b"x")).await.is_err());
        assert!(writer.push(Bytes::from_static(b"x")).await.is_err());
        assert!(writer.finish().await.is_err());
    }
}
