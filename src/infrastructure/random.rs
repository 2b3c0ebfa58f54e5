//! Randomness: a generator that the operating system seeds, separate in every thread.

use rand::Rng as _;

use crate::application::ports::Rng;

/// The process's cryptographically secure generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRng;

impl Rng for SystemRng {
    fn fill(&self, bytes: &mut [u8]) {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that draws randomness"
        )]
        rand::rng().fill_bytes(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        let (mut one, mut two) = ([0_u8; 32], [0_u8; 32]);
        SystemRng.fill(&mut one);
        SystemRng.fill(&mut two);
        assert_ne!(one, two);
        assert_ne!(one, [0; 32]);
    }
}
