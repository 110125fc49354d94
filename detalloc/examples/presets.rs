//! What each preset consists of, and what of it fits a region of 64 KiB: `cargo run -p detalloc --example presets`.

use detalloc::{Config, Preset};

const REGION_BYTES: usize = 65_536;

/// A configuration that is sized when this is compiled.
const GRAINS: Config = Preset::Audio.for_live_blocks(64);

static MEMORY_BYTES: usize = GRAINS.bytes_needed();

fn print(name: &str, config: &Config) {
    let blocks: usize = config.pools().iter().map(|pool| pool.blocks).sum();
    println!(
        "{name}: {} pools, {blocks} blocks, {} bytes needed",
        config.pools().len(),
        config.bytes_needed()
    );
    let pools = config.pools().iter().map(|pool| format!("{} x {} B", pool.blocks, pool.block_bytes));
    println!("  {}", pools.collect::<Vec<_>>().join(", "));
}

fn main() {
    print("default", &Config::DEFAULT);
    for preset in [Preset::Audio, Preset::Robotics, Preset::Networking, Preset::Embedded] {
        print(&format!("{preset:?}"), &preset.config());
        match preset.fitting(REGION_BYTES) {
            Some(config) => print(&format!("{preset:?} in {REGION_BYTES} bytes"), &config),
            None => println!("{preset:?} does not fit {REGION_BYTES} bytes"),
        }
    }
    println!("64 grains need {MEMORY_BYTES} bytes");
}
