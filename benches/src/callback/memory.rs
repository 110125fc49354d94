//! What the synth asks of its memory.

/// How a synth gets the memory of its grains, and what it does with what others made.
pub(super) trait Memory {
    /// What a grain sounds from. Dropping it gives the memory back.
    type Block: Samples;

    /// What stands for being in a callback.
    type Scope<'s>;

    /// What a loader made, and the callback frees.
    type Loaded: Send + 'static;

    /// Whether callbacks free what a loader made. Only the control does not.
    const FREES_LOADED: bool = true;

    /// Runs one callback.
    fn callback<R>(&mut self, run: impl FnOnce(&Self::Scope<'_>) -> R) -> R;

    /// Memory for so many samples. `None` is a refusal. The control finds its own by the slot.
    fn allocate(scope: &Self::Scope<'_>, slot: usize, samples: usize) -> Option<Self::Block>;

    /// What makes so many bytes on another thread, every one written.
    fn loader(&self) -> impl Fn(usize) -> Self::Loaded + Send + 'static;

    /// What gives free memory back to the system, on another thread.
    fn releaser(&self) -> fn();
}

/// Memory of a grain.
pub(super) trait Samples {
    /// Writes more samples behind those that are there. There is room for them.
    fn append(&mut self, samples: &[f32]);

    /// What was written.
    fn samples(&self) -> &[f32];
}

impl Samples for Vec<f32> {
    fn append(&mut self, samples: &[f32]) {
        self.extend_from_slice(samples);
    }

    fn samples(&self) -> &[f32] {
        self
    }
}
