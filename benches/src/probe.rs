//! How long the disk takes to make 4 KiB durable: the unit in which waiting for it is counted.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use crate::{Result, stats};

const TIMES: usize = 200;

/// The median of appending 4 KiB and `fdatasync`, in microseconds.
pub fn fdatasync(dir: &Path) -> Result<f64> {
    fs::create_dir_all(dir)?;
    let path = dir.join("probe");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(&path)?;
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let begin = Instant::now();
        file.write_all(&[b'.'; 4096])?;
        file.sync_data()?;
        times.push(begin.elapsed().as_nanos() as u64);
    }
    fs::remove_file(path)?;
    Ok(stats::percentile(&mut times, 0.5).ok_or("no time was taken")? as f64 / 1000.0)
}
