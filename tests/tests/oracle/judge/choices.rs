//! What the engine is free to choose: the judge tries everything that may be.

/// The choices of one packet's way, in their order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Choices {
    /// What to choose; after that always the first.
    script: Vec<usize>,
    /// What was chosen, of how many.
    made: Vec<(usize, usize)>,
}

impl Choices {
    /// With these choices first.
    pub(crate) fn new(script: Vec<usize>) -> Self {
        Self {
            script,
            made: Vec::new(),
        }
    }

    /// One of so many; the first where there is none.
    pub(crate) fn of(&mut self, number: usize) -> usize {
        let wanted = self.script.get(self.made.len()).copied();
        let choice = wanted.unwrap_or(0);
        self.made.push((choice, number.max(1)));
        choice
    }

    /// What to choose next time so that at last everything was tried.
    pub(crate) fn next(&self) -> Option<Vec<usize>> {
        let last = self.made.iter().rposition(|(n, of)| n + 1 < *of)?;
        let kept = self.made[..last].iter().map(|(n, _)| *n);
        Some(kept.chain([self.made[last].0 + 1]).collect())
    }
}
