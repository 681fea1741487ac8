//! How many connections each address has, so that one stranger cannot have them all.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Far more than a provider opens from one address at once.
const MOST: usize = 256;

#[derive(Default)]
pub struct Peers(Mutex<HashMap<IpAddr, usize>>);

/// A connection's place, given back when it is dropped.
pub struct Place(Option<(Arc<Peers>, IpAddr)>);

impl Peers {
    /// A place for another connection of this address, if it may have one. This machine and trusted proxies always may: they
    /// speak for many.
    pub fn admit(self: &Arc<Self>, peer: IpAddr, trusted: bool) -> Option<Place> {
        if trusted || peer.is_loopback() {
            return Some(Place(None));
        }
        let address = whose(peer);
        let mut counts = self.lock();
        let count = counts.entry(address).or_default();
        if *count >= MOST {
            return None;
        }
        *count += 1;
        drop(counts);
        Some(Place(Some((self.clone(), address))))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((peers, address)) = self.0.take() else { return };
        let mut counts = peers.lock();
        if let Some(count) = counts.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&address);
            }
        }
    }
}

/// One customer of a network has a whole /64 of IPv6.
fn whose(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    #[test]
    fn an_address_has_so_many_places_and_gives_them_back() {
        let peers = Arc::new(Peers::default());
        for (mine, also_mine, anothers) in
            [("192.0.2.1", "192.0.2.1", "192.0.2.2"), ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1")]
        {
            let mut places: Vec<_> = (0..MOST).map(|_| peers.admit(ip(mine), false).expect("a place")).collect();
            assert!(peers.admit(ip(also_mine), false).is_none());
            assert!(peers.admit(ip(anothers), false).is_some());
            places.pop();
            assert!(peers.admit(ip(also_mine), false).is_some());
        }
        assert!(peers.lock().is_empty(), "nobody is remembered who is gone");
    }

    #[test]
    fn this_machine_and_proxies_have_as_many_as_they_want() {
        let peers = Arc::new(Peers::default());
        let places: Vec<_> = (0..2 * MOST)
            .flat_map(|_| [("127.0.0.1", false), ("::1", false), ("192.0.2.1", true)])
            .map(|(peer, trusted)| peers.admit(ip(peer), trusted))
            .collect();
        assert!(places.iter().all(Option::is_some) && peers.lock().is_empty());
    }
}
