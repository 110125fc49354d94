//! Single operations of core and integration, and of what others have for the same: ready to be repeated and measured.
//!
//! Each runs where it belongs, one of ours in a callback for instance. Blocks and values are of 64 bytes.

mod boxes;
mod deferred;
mod lines;

use core::fmt;

/// An operation of one engine.
pub struct Case {
    /// What is done, in words. Those with the same words compete.
    pub operation: &'static str,
    /// Whose it is.
    pub engine: &'static str,
    play: Box<dyn FnMut(&mut Measure<'_>)>,
}

/// What a case hands its operation to.
pub type Measure<'m> = dyn FnMut(&mut dyn Repeated) + 'm;

/// An operation, to be prepared and run again and again.
pub trait Repeated {
    /// Whether it has to be prepared each time.
    fn needs_preparing(&self) -> bool {
        false
    }

    /// Does what is not to be measured.
    fn prepare(&mut self) {}

    /// Does what is.
    fn run(&mut self);
}

impl Case {
    fn new(
        operation: &'static str,
        engine: &'static str,
        play: impl FnMut(&mut Measure<'_>) + 'static,
    ) -> Self {
        Self { operation, engine, play: Box::new(play) }
    }

    /// Lets `measure` repeat the operation as often as it likes, once prepared each time.
    pub fn measure(&mut self, measure: &mut Measure<'_>) {
        (self.play)(measure);
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("operation", &self.operation).field("engine", &self.engine).finish()
    }
}

/// All of them, competitors together, ours first.
#[must_use]
pub fn all() -> Vec<Case> {
    [boxes::cases(), deferred::cases(), lines::cases()].into_iter().flatten().collect()
}

/// An operation that needs no preparation.
struct Plain<R>(R);

impl<R: FnMut()> Repeated for Plain<R> {
    fn run(&mut self) {
        (self.0)();
    }
}

/// An operation on a value that is made anew each time.
struct On<T, P, R> {
    value: Option<T>,
    prepare: P,
    run: R,
}

impl<T, P: FnMut() -> T, R: FnMut(T)> On<T, P, R> {
    fn new(prepare: P, run: R) -> Self {
        Self { value: None, prepare, run }
    }
}

impl<T, P: FnMut() -> T, R: FnMut(T)> Repeated for On<T, P, R> {
    fn needs_preparing(&self) -> bool {
        true
    }

    fn prepare(&mut self) {
        self.value = Some((self.prepare)());
    }

    fn run(&mut self) {
        if let Some(value) = self.value.take() {
            (self.run)(value);
        }
    }
}
