//! Chance that can be repeated: every run says its seed, and `HOOK_TEST_SEED` gives it again.

pub struct Dice(u64);

impl Dice {
    /// Seeded by `HOOK_TEST_SEED` or by the clock; prints which, to be seen when a test fails.
    #[allow(clippy::print_stderr, reason = "a seed that nobody sees cannot be used again")]
    pub fn new(what: &str) -> Self {
        let given = std::env::var("HOOK_TEST_SEED").ok().map(|s| s.parse().expect("HOOK_TEST_SEED is a number"));
        let clock = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map(|d| d.as_nanos() as u64);
        let seed: u64 = given.unwrap_or_else(|| clock().unwrap());
        eprintln!("{what}: HOOK_TEST_SEED={seed}");
        Self(seed)
    }

    /// For where chance has no say.
    pub(crate) fn fixed() -> Self {
        Self(0)
    }

    /// A number below `bound` (splitmix64).
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// True `n` times out of `of`.
    pub fn chance(&mut self, n: usize, of: usize) -> bool {
        self.below(of) < n
    }
}
