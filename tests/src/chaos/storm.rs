//! One fault after the other, by chance that can be repeated.

use std::time::Duration;

use super::{Chaos, End};
use crate::Dice;

/// What can happen to a connection between a CLI and its relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Reset,
    HalfOpen(End),
    /// Nothing passes for this long.
    Blackhole(Duration),
    /// Nobody listens for this long.
    Refuse(Duration),
    /// The connection breaks after this many bytes, and so do those that follow it, for a while.
    CutAfter(u64),
    /// Slow and narrow for a while.
    Mud,
}

/// A schedule of faults.
pub struct Storm {
    dice: Dice,
    /// The longest blackhole or refusal.
    longest: Duration,
}

impl Storm {
    pub fn new(what: &str, longest: Duration) -> Self {
        Self { dice: Dice::new(what), longest }
    }

    /// A pause of up to this long.
    pub fn pause(&mut self, most: Duration) -> Duration {
        most.mul_f64(self.dice.below(1000) as f64 / 1000.0)
    }

    pub fn next_fault(&mut self) -> Fault {
        let time = self.pause(self.longest);
        match self.dice.below(6) {
            0 | 1 => Fault::Reset,
            2 => Fault::HalfOpen(self.dice.pick(&[End::Cli, End::Relay])),
            3 => Fault::Blackhole(time),
            4 => self.dice.pick(&[Fault::Refuse(time), Fault::Mud]),
            _ => Fault::CutAfter(200 + self.dice.below(20_000) as u64),
        }
    }
}

impl Chaos {
    /// Lets a fault happen, and heals what heals.
    pub fn suffer(&self, fault: Fault) {
        match fault {
            Fault::Reset => self.reset(),
            Fault::HalfOpen(told) => self.half_open(told),
            Fault::Blackhole(time) => {
                self.blackhole();
                std::thread::sleep(time);
            }
            Fault::Refuse(time) => {
                self.refuse();
                std::thread::sleep(time);
            }
            Fault::CutAfter(bytes) => {
                self.cut_after(bytes);
                std::thread::sleep(Duration::from_millis(500));
            }
            Fault::Mud => {
                self.latency(Duration::from_millis(30));
                self.bandwidth(50_000);
                std::thread::sleep(Duration::from_millis(500));
            }
        }
        self.heal();
    }
}
