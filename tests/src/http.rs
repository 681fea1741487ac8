//! HTTP/1.1 read byte by byte, by code that shares nothing with what is tested.

use std::io::{self, BufRead, Read};

/// A request or a response as it was on the socket.
#[derive(Debug, Clone, Default)]
pub struct Message {
    /// Its first line, without the line end.
    pub start: Vec<u8>,
    /// Its field lines in order, names as they were spelt.
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
    pub trailers: Vec<(String, Vec<u8>)>,
    /// The body came in chunks, of these sizes.
    pub chunks: Vec<usize>,
    /// Nothing is missing at its end.
    pub whole: bool,
}

impl Message {
    /// The first value of a field, as text.
    pub fn header(&self, name: &str) -> Option<String> {
        self.values(name).first().map(|v| String::from_utf8_lossy(v).into_owned())
    }

    /// All values of a field, in order.
    pub fn values(&self, name: &str) -> Vec<Vec<u8>> {
        self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.clone()).collect()
    }

    /// Words of the first line.
    pub fn word(&self, n: usize) -> String {
        let word = self.start.split(|b| *b == b' ').nth(n).unwrap_or_default();
        String::from_utf8_lossy(word).into_owned()
    }

    fn is_chunked(&self) -> bool {
        self.header("transfer-encoding").is_some_and(|v| v.to_ascii_lowercase().contains("chunked"))
    }

    fn length(&self) -> Option<u64> {
        self.header("content-length")?.trim().parse().ok()
    }

    /// Reads the first line and the fields. `None`: the peer closed before it said anything.
    pub fn read_head(from: &mut impl BufRead) -> io::Result<Option<Self>> {
        let Some(start) = line(from)? else { return Ok(None) };
        let headers = fields(from)?;
        Ok(Some(Self { start, headers, ..Self::default() }))
    }

    /// Reads what follows a request's head.
    pub fn read_request_body(&mut self, from: &mut impl BufRead) -> io::Result<()> {
        if self.is_chunked() {
            return self.read_chunks(from);
        }
        self.read_exactly(from, self.length().unwrap_or(0))
    }

    /// Reads what follows a response's head. `nothing`: the request's method or the status allows none.
    pub fn read_response_body(&mut self, from: &mut impl BufRead, nothing: bool) -> io::Result<()> {
        if nothing {
            self.whole = true;
            return Ok(());
        }
        if self.is_chunked() {
            return self.read_chunks(from);
        }
        match self.length() {
            Some(length) => self.read_exactly(from, length),
            None => {
                self.whole = from.read_to_end(&mut self.body).is_ok();
                Ok(())
            }
        }
    }

    fn read_exactly(&mut self, from: &mut impl BufRead, length: u64) -> io::Result<()> {
        from.take(length).read_to_end(&mut self.body)?;
        self.whole = self.body.len() as u64 == length;
        Ok(())
    }

    fn read_chunks(&mut self, from: &mut impl BufRead) -> io::Result<()> {
        loop {
            let Some(size) = line(from)? else { return Ok(()) };
            let size = String::from_utf8_lossy(&size).split(';').next().unwrap_or_default().trim().to_owned();
            let size = u64::from_str_radix(&size, 16).map_err(io::Error::other)?;
            if size == 0 {
                self.trailers = fields(from)?;
                self.whole = true;
                return Ok(());
            }
            let before = self.body.len();
            from.take(size).read_to_end(&mut self.body)?;
            self.chunks.push(self.body.len() - before);
            if (self.body.len() - before) as u64 != size || line(from)?.is_none() {
                return Ok(());
            }
        }
    }
}

/// A line without its end; `None` at the end of the stream.
fn line(from: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    from.read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        return Ok(None);
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(Some(line))
}

fn fields(from: &mut impl BufRead) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut fields = Vec::new();
    loop {
        let line = line(from)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if line.is_empty() {
            return Ok(fields);
        }
        let colon = line.iter().position(|b| *b == b':').ok_or_else(|| io::Error::other("a field without a colon"))?;
        let value = line[colon + 1..].trim_ascii().to_vec();
        fields.push((String::from_utf8_lossy(&line[..colon]).into_owned(), value));
    }
}
