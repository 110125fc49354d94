// A processor as JUCE calls one: prepareToPlay gets the memory, processBlock takes blocks from it and gives them back.
// (Not JUCE itself: the two small types below stand for its own.)
#include "detalloc.hpp"

#include <cstdio>
#include <vector>

struct AudioBuffer {
    std::vector<float> samples;
};

struct Voice {
    float phase;
    float step;
};

class Synth {
  public:
    // Not real-time: hosts call it as often as they like.
    bool prepareToPlay(double, int samplesPerBlock) {
        voices.clear();
        memory.reset();
        det_config_t config = det_config_for_use_case(DET_USE_CASE_AUDIO);
        config.enable_stats = false;
        buffer.resize(det_alloc_size(&config));
        memory = std::make_unique<detalloc::allocator>(buffer.data(), buffer.size(), config);
        maxSamples = static_cast<std::size_t>(samplesPerBlock);
        voices.reserve(64);
        return static_cast<bool>(*memory);
    }

    // Real-time: everything inside comes from the pools.
    void processBlock(AudioBuffer &block, bool noteOn) {
        if (noteOn && voices.size() < voices.capacity())
            if (auto voice = memory->try_make<Voice>(Voice{0.0F, 0.01F}))
                voices.push_back(std::move(voice));
        auto *scratch = static_cast<float *>(memory->allocate(maxSamples * sizeof(float), 64));
        if (scratch == nullptr)
            return; // No scratch, no sound: and nothing else has happened.
        for (std::size_t i = 0; i < block.samples.size() && i < maxSamples; ++i) {
            scratch[i] = 0.0F;
            for (auto &voice : voices) {
                voice->phase += voice->step;
                scratch[i] += voice->phase - static_cast<float>(static_cast<int>(voice->phase));
            }
            block.samples[i] = scratch[i];
        }
        memory->free(scratch);
        if (voices.size() == 32)
            voices.clear();
    }

    const detalloc::allocator &pools() const { return *memory; }

  private:
    std::vector<unsigned char> buffer;
    std::unique_ptr<detalloc::allocator> memory;
    std::vector<detalloc::unique_ptr<Voice>> voices;
    std::size_t maxSamples = 0;
};

static bool containers() {
    static unsigned char buffer[8192];
    detalloc::allocator memory(buffer, sizeof buffer);
    detalloc::memory_resource resource(memory);
    {
        std::pmr::vector<int> numbers(&resource);
        numbers.reserve(100);
        numbers.assign(100, 7);
        std::vector<float, detalloc::std_allocator<float>> floats{detalloc::std_allocator<float>(memory)};
        floats.push_back(1.0F);
        if (memory.stats().used_memory == 0)
            return false;
        try {
            std::pmr::vector<int> larger(1000, &resource);
            return false;
        } catch (const std::bad_alloc &) {
        }
    }
    return memory.stats().used_memory == 0 && memory.validate();
}

int main() {
    Synth synth;
    if (!synth.prepareToPlay(48000.0, 64) || !synth.prepareToPlay(48000.0, 64))
        return 1;
    AudioBuffer block{std::vector<float>(64)};
    for (int callback = 0; callback < 10000; ++callback)
        synth.processBlock(block, callback % 4 == 0);
    det_stats_t stats = synth.pools().stats();
    std::printf("refused: %zu, valid: %d, containers: %d\n", stats.refused, synth.pools().validate(), containers());
    return 0;
}
