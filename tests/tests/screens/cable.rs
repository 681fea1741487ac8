//! The cable between a listener and its relay, which can be pulled.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

pub struct Cable {
    port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    pulled: bool,
    ends: Vec<TcpStream>,
}

impl Cable {
    /// To `http://HOST:PORT`.
    pub fn to(url: &str) -> Self {
        let far = url.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = state.clone();
        // It ends with the test.
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let mut state = shared.lock().unwrap();
                let Some(far) = (!state.pulled).then(|| TcpStream::connect(&far).ok()).flatten() else { continue };
                copy(near.try_clone().unwrap(), far.try_clone().unwrap());
                copy(far.try_clone().unwrap(), near.try_clone().unwrap());
                state.ends.extend([near, far]);
            }
        });
        Self { port, state }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Ends every connection, and takes no new one.
    pub fn pull(&self) {
        let mut state = self.state.lock().unwrap();
        state.pulled = true;
        for end in state.ends.drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    pub fn plug(&self) {
        self.state.lock().unwrap().pulled = false;
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
}
