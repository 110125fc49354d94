//! Beside `misuse/large.rs`: six words, and more of them in a box.

use detalloc_audio::Foreign;

fn main() {
    drop(Foreign::new([0_usize; 6]));
    drop(Foreign::new(Box::new([0_usize; 7])));
}
