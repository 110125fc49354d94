//! What vst3-host keeps from a plugin, done to it directly through VST3's own interfaces: blocks larger than announced
//! handed over whole, activation and setup while active, missing buses. The plugin survives and its memory stays in
//! its pools.

mod common;

use std::ffi::c_void;
use std::ptr::null_mut;

use common::{PLUGIN, bundles, turn};
use vst3::Steinberg::Vst::{
    AudioBusBuffers, AudioBusBuffers__type0, BusDirections_, IAudioProcessor, IAudioProcessorTrait,
    IComponent, IComponentTrait, MediaTypes_, ProcessData, ProcessModes_, ProcessSetup, SymbolicSampleSizes_,
};
use vst3::Steinberg::{
    FUnknown, IPluginBaseTrait, IPluginFactory, IPluginFactoryTrait, PClassInfo, kResultOk,
};
use vst3::{ComPtr, Interface};
use xtask::host::{Format, Library};

/// A component and its processor, set up by hand. The interfaces go before the library they live in.
struct Raw {
    processor: ComPtr<IAudioProcessor>,
    component: ComPtr<IComponent>,
    reports: Library,
    _library: libloading::Library,
}

fn int(value: u32) -> i32 {
    i32::try_from(value).expect("a small constant")
}

impl Raw {
    fn load() -> Self {
        let binary = Format::Vst3.binary(&bundles().vst3, PLUGIN);
        // SAFETY: our own plugin; the functions have the signatures that VST3 prescribes, and ModuleEntry runs first.
        unsafe {
            let library = libloading::Library::new(&binary).expect("the library loads");
            #[cfg(target_os = "linux")]
            {
                type Entry = unsafe extern "C" fn(*mut c_void) -> bool;
                let entry = library.get::<Entry>("ModuleEntry").expect("VST3's entry");
                assert!(entry(null_mut()));
            }
            type Factory = unsafe extern "system" fn() -> *mut IPluginFactory;
            let factory = library.get::<Factory>("GetPluginFactory").expect("VST3's factory");
            let factory = ComPtr::from_raw(factory()).expect("a factory");
            let mut class: PClassInfo = std::mem::zeroed();
            assert_eq!(factory.getClassInfo(0, &raw mut class), kResultOk);
            let mut object: *mut c_void = null_mut();
            let made =
                factory.createInstance(class.cid.as_ptr(), IComponent::IID.as_ptr().cast(), &raw mut object);
            assert_eq!(made, kResultOk);
            let component = ComPtr::from_raw(object.cast::<IComponent>()).expect("a component");
            assert_eq!(component.initialize(null_mut::<FUnknown>()), kResultOk);
            let processor = component.cast::<IAudioProcessor>().expect("it processes audio");
            let audio = MediaTypes_::kAudio.try_into().expect("a small constant");
            for direction in [BusDirections_::kInput, BusDirections_::kOutput] {
                let direction = direction.try_into().expect("a small constant");
                assert_eq!(component.activateBus(audio, direction, 0, 1), kResultOk);
            }
            let reports = Library::open(&binary, PLUGIN).expect("its library opens");
            Raw { processor, component, reports, _library: library }
        }
    }

    fn set_up(&self, max_block: i32, rate_hz: f64) {
        let mut setup = ProcessSetup {
            processMode: int(ProcessModes_::kRealtime),
            symbolicSampleSize: int(SymbolicSampleSizes_::kSample32),
            maxSamplesPerBlock: max_block,
            sampleRate: rate_hz,
        };
        // SAFETY: the processor is alive and the setup is whole. That it may be active is the point of some tests.
        let result = unsafe { self.processor.setupProcessing(&raw mut setup) };
        assert_eq!(result, kResultOk);
    }

    fn activate(&self) {
        // SAFETY: the component is alive. That it may be active already is the point of some tests.
        unsafe {
            assert_eq!(self.component.setActive(1), kResultOk);
            assert_eq!(self.processor.setProcessing(1), kResultOk);
        }
    }

    /// Processes a block with these buses, whose channels point to at least `frames` samples each.
    fn process_buses(
        &self,
        frames: usize,
        inputs: &mut [AudioBusBuffers],
        outputs: &mut [AudioBusBuffers],
    ) -> i32 {
        let pointer =
            |buses: &mut [AudioBusBuffers]| if buses.is_empty() { null_mut() } else { buses.as_mut_ptr() };
        let count = |buses: &[AudioBusBuffers]| i32::try_from(buses.len()).expect("few buses");
        let mut data = ProcessData {
            processMode: int(ProcessModes_::kRealtime),
            symbolicSampleSize: int(SymbolicSampleSizes_::kSample32),
            numSamples: i32::try_from(frames).expect("a block"),
            numInputs: count(inputs),
            numOutputs: count(outputs),
            inputs: pointer(inputs),
            outputs: pointer(outputs),
            inputParameterChanges: null_mut(),
            outputParameterChanges: null_mut(),
            inputEvents: null_mut(),
            outputEvents: null_mut(),
            processContext: null_mut(),
        };
        // SAFETY: the buses live across the call, and VST3 allows every pointer that is null here to be null.
        unsafe { self.processor.process(&raw mut data) }
    }

    /// Processes a block of a tone and gives the loudest sample.
    fn play(&self, frames: usize) -> f32 {
        let mut tone: Vec<f32> =
            (0_u16..64).cycle().take(frames).map(|place| 0.3 * (f32::from(place) * 0.1).sin()).collect();
        let mut left = vec![f32::NAN; frames];
        let mut right = vec![f32::NAN; frames];
        let mut input = [tone.as_mut_ptr(), tone.as_mut_ptr()];
        let mut output = [left.as_mut_ptr(), right.as_mut_ptr()];
        let bus = |channels: &mut [*mut f32; 2]| AudioBusBuffers {
            numChannels: 2,
            silenceFlags: 0,
            __field0: AudioBusBuffers__type0 { channelBuffers32: channels.as_mut_ptr() },
        };
        let result = self.process_buses(frames, &mut [bus(&mut input)], &mut [bus(&mut output)]);
        assert_eq!(result, kResultOk);
        assert!(left.iter().chain(&right).all(|sample| sample.is_finite()), "a sample is not finite");
        left.iter().chain(&right).fold(0.0, |peak, sample| peak.max(sample.abs()))
    }

    /// Processes blocks of 64 frames and gives the loudest sample.
    fn play_blocks(&self, blocks: usize) -> f32 {
        (0..blocks).map(|_| self.play(64)).fold(0.0, f32::max)
    }

    fn check_alive(&self) {
        let loudest = self.play_blocks(1000);
        assert!(loudest > 0.01, "its input is heard: {loudest}");
        let report = self.reports.report().expect("the plugin reports");
        let report = report.instances.last().expect("an instance is alive");
        for class in &report.classes {
            assert!(class.used <= class.blocks && class.peak <= class.blocks, "{class:?}");
        }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // SAFETY: the component is alive; the order is the one VST3 prescribes.
        unsafe {
            self.processor.setProcessing(0);
            self.component.setActive(0);
            self.component.terminate();
        }
    }
}

#[test]
fn blocks_larger_than_announced_in_vst3() {
    let _turn = turn();
    let raw = Raw::load();
    raw.set_up(32, 48_000.0);
    raw.activate();
    for frames in [33, 64, 1000, 8192, 48_000, 1] {
        raw.play(frames);
    }
    raw.check_alive();
}

#[test]
fn activation_without_deactivation_in_vst3() {
    let _turn = turn();
    let raw = Raw::load();
    raw.set_up(64, 48_000.0);
    raw.activate();
    for rate_hz in [48_000.0, 44_100.0, 96_000.0] {
        raw.play_blocks(100);
        raw.activate();
        raw.play_blocks(100);
        raw.set_up(128, rate_hz);
        raw.play_blocks(100);
        raw.activate();
    }
    raw.check_alive();
}

#[test]
fn processing_without_buses_is_survived() {
    let _turn = turn();
    let raw = Raw::load();
    raw.set_up(64, 48_000.0);
    raw.activate();
    for _ in 0..100 {
        assert_eq!(raw.process_buses(64, &mut [], &mut []), kResultOk);
        assert_eq!(raw.process_buses(0, &mut [], &mut []), kResultOk);
    }
    raw.check_alive();
}
