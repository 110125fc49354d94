//! Runs a model through its interleavings with loom, and prints how many there were.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

/// Every interleaving there is.
#[allow(dead_code, reason = "not every test has models of that size")]
pub fn explore(model: impl Fn() + Send + Sync + 'static) {
    run(None, model);
}

/// Every interleaving in which threads are interrupted at most so often, where all would take too long.
#[allow(dead_code, reason = "not every test has models of that size")]
pub fn explore_within(interruptions: usize, model: impl Fn() + Send + Sync + 'static) {
    run(Some(interruptions), model);
}

fn run(interruptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    let explored = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&explored);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = interruptions;
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let explored = explored.load(Ordering::Relaxed);
    let within = interruptions.map(|most| format!(" with at most {most} interruptions")).unwrap_or_default();
    let name = thread::current().name().unwrap_or_default().to_owned();
    println!("explored {explored} interleavings{within}: {name}");
}
