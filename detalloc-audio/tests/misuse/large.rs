//! What travels to the reaper by value has six words at most.

use detalloc_audio::Foreign;

fn main() {
    drop(Foreign::new([0_usize; 6]));
    drop(Foreign::new([0_usize; 7]));
}
