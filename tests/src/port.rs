//! Ports that stay free while nobody listens on them. Those that the system chooses (from 32768 on) it also gives to outgoing
//! connections, and then whoever had the port before cannot have it again.

use std::net::{IpAddr, TcpListener};

/// Listens on a port that nobody is given by chance.
pub fn listen_on(ip: IpAddr) -> TcpListener {
    let first = rand::random::<u16>();
    (0..20_000)
        .map(|n: u16| 10_000 + first.wrapping_add(n.wrapping_mul(7919)) % 20_000)
        .find_map(|port| TcpListener::bind((ip, port)).ok())
        .expect("one of twenty thousand ports is free")
}
