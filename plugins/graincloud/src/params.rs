//! The parameters as a host sees them: eight that can be automated, the source as text, and the sample's path in the
//! state.

use crate::{
    engine::Controls,
    loader::{Loader, SamplePath},
};
use nice_plug::prelude::*;
use std::{ops::RangeInclusive, sync::Arc};

/// The parameters. No parameter smooths itself: the engine takes their values at the frame they change, gives each grain
/// its own at birth, and smooths what belongs to the sum.
#[derive(Params)]
pub(crate) struct GraincloudParams {
    #[id = "density"]
    density: FloatParam,
    #[id = "size"]
    size: FloatParam,
    #[id = "spray"]
    spray: FloatParam,
    #[id = "pitch"]
    pitch: FloatParam,
    #[id = "pan_spread"]
    pan_spread: FloatParam,
    #[id = "shape"]
    shape: FloatParam,
    #[id = "feedback"]
    feedback: FloatParam,
    #[id = "mix"]
    mix: FloatParam,
    /// Turns nothing: its text says what is played, in every host's generic view.
    #[id = "source"]
    source: IntParam,
    /// Empty: the live input.
    #[persist = "sample-path"]
    sample: SamplePath,
}

impl GraincloudParams {
    pub(crate) fn new(loader: &Arc<Loader>) -> Self {
        let default = Controls::DEFAULT;
        let shown = Arc::clone(loader);
        Self {
            density: FloatParam::new("Density", default.density_hz, skewed(Controls::DENSITY_HZ, 1.0))
                .with_unit(" grains/s")
                .with_value_to_string(formatters::v2s_f32_rounded(1)),
            size: FloatParam::new("Size", 1e3 * default.size_s, skewed(Controls::SIZE_S, 1e3))
                .with_unit(" ms")
                .with_value_to_string(formatters::v2s_f32_rounded(0)),
            spray: FloatParam::new("Spray", 1e3 * default.spray_s, skewed(Controls::SPRAY_S, 1e3))
                .with_unit(" ms")
                .with_value_to_string(formatters::v2s_f32_rounded(0)),
            pitch: FloatParam::new("Pitch", default.pitch_semitones, linear(Controls::PITCH_SEMITONES))
                .with_unit(" st")
                .with_value_to_string(formatters::v2s_f32_rounded(2)),
            pan_spread: percentage("Pan Spread", default.pan_spread, Controls::SHARE),
            shape: percentage("Shape", default.shape, Controls::SHARE),
            feedback: percentage("Feedback", default.feedback, Controls::FEEDBACK),
            mix: percentage("Mix", default.mix, Controls::SHARE),
            source: IntParam::new("Source", 0, IntRange::Linear { min: 0, max: 1 })
                .non_automatable()
                .with_value_to_string(Arc::new(move |_| shown.status().to_string()))
                .with_string_to_value(Arc::new(|_| None)),
            sample: SamplePath(Arc::clone(loader)),
        }
    }

    /// The values at this moment.
    pub(crate) fn controls(&self) -> Controls {
        Controls {
            density_hz: self.density.value(),
            size_s: 1e-3 * self.size.value(),
            spray_s: 1e-3 * self.spray.value(),
            pitch_semitones: self.pitch.value(),
            pan_spread: self.pan_spread.value(),
            shape: self.shape.value(),
            feedback: self.feedback.value(),
            mix: self.mix.value(),
        }
    }
}

fn linear(range: RangeInclusive<f32>) -> FloatRange {
    FloatRange::Linear { min: *range.start(), max: *range.end() }
}

/// Half of the way covers the lowest eighth, as ears do with rates and times.
fn skewed(range: RangeInclusive<f32>, scale: f32) -> FloatRange {
    let (min, max) = (scale * range.start(), scale * range.end());
    FloatRange::Skewed { min, max, factor: FloatRange::skew_factor(-1.6) }
}

fn percentage(name: &str, default: f32, range: RangeInclusive<f32>) -> FloatParam {
    FloatParam::new(name, default, linear(range))
        .with_unit(" %")
        .with_value_to_string(formatters::v2s_f32_percentage(0))
        .with_string_to_value(formatters::s2v_f32_percentage())
}
