//! Settings that the first bytes of an input choose.

/// Each byte is a choice, counted from `0`, so that a seed can be typed; those that are missing
/// are `0`.
pub(crate) struct Knobs<'a>(&'a [u8]);

impl<'a> Knobs<'a> {
    /// So many bytes are choices.
    const LENGTH: usize = 16;

    /// The choices, and what stands behind them.
    pub(crate) fn split(data: &'a [u8]) -> (Self, &'a [u8]) {
        let (knobs, rest) = data.split_at(data.len().min(Self::LENGTH));
        (Self(knobs), rest)
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        first.wrapping_sub(b'0')
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.byte() % 2 == 1
    }

    pub(crate) fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.byte()) % choices.len()].clone()
    }
}
