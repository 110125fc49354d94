// What the C++ layer promises beside its example: owners that move, objects that are const, over-aligned or throw, and containers
// that move, swap and run dry. Prints the first line that is not so. Without exceptions and run-time type information it compiles
// too, and leaves out what throws.
#include "detalloc.hpp"

#include <cstdint>
#include <cstdio>
#include <vector>

#define CHECK(condition)                                                   \
    do {                                                                   \
        if (!(condition)) {                                                \
            std::printf("line %d: %s\n", __LINE__, #condition);            \
            return false;                                                  \
        }                                                                  \
    } while (0)

static std::size_t used(const detalloc::allocator &memory) { return memory.stats().used_memory; }

static bool owners_move() {
    std::vector<unsigned char> first_buffer(8192), second_buffer(8192);
    detalloc::allocator first(first_buffer.data(), first_buffer.size());
    detalloc::allocator second(second_buffer.data(), second_buffer.size());
    CHECK(first && second);
    det_allocator_t *first_handle = first.get(), *second_handle = second.get();

    // What is assigned to ends there and then: its buffer may go.
    first = std::move(second);
    CHECK(first.get() == second_handle && !second && second.get() == nullptr);
    CHECK(det_alloc_destroy(first_handle) == DET_ERR_NOT_INITIALIZED);
    first_buffer = std::vector<unsigned char>();
    void *block = first.allocate(16);
    CHECK(block != nullptr && first.free(block) == DET_OK && first.validate());

    detalloc::allocator &same = first;
    first = std::move(same);
    CHECK(first.get() == second_handle && first.validate());
    detalloc::allocator third(std::move(first));
    CHECK(!first && third.get() == second_handle && third.validate());

    // Of an owner without an allocator everything is refused.
    CHECK(first.allocate(16) == nullptr && first.free(block) == DET_ERR_NULL && !first.validate());
    CHECK(first.stats().pool_count == 0 && !first.try_make<int>(1));
    detalloc::allocator small(second_buffer.data(), 8);
    CHECK(!small && det_last_error(nullptr) == DET_ERR_BUFFER_TOO_SMALL);
    return true;
}

struct alignas(64) Lane {
    float samples[16];
};

struct Counted {
    static int live;
    int value;
    explicit Counted(int number) : value(number) { ++live; }
    ~Counted() { --live; }
};
int Counted::live = 0;

static bool objects() {
    std::vector<unsigned char> buffer(8192);
    detalloc::allocator memory(buffer.data(), buffer.size());
    {
        auto lane = memory.try_make<Lane>();
        CHECK(lane && reinterpret_cast<std::uintptr_t>(lane.get()) % 64 == 0);
        detalloc::unique_ptr<const Counted> constant = memory.try_make<const Counted>(7);
        CHECK(constant && constant->value == 7 && Counted::live == 1);
        std::shared_ptr<Counted> shared = memory.try_make<Counted>(8);
        CHECK(shared && shared->value == 8 && Counted::live == 2);
        auto pieces = std::allocate_shared<Counted>(detalloc::std_allocator<Counted>(memory), 9);
        CHECK(pieces->value == 9 && Counted::live == 3);
    }
    CHECK(used(memory) == 0 && Counted::live == 0);

    // The macros of C align too.
    Lane *lane = DET_NEW(memory.get(), Lane);
    CHECK(lane != nullptr && reinterpret_cast<std::uintptr_t>(lane) % 64 == 0);
    DET_FREE(memory.get(), lane);
    CHECK(lane == nullptr && used(memory) == 0);
    return true;
}

static bool containers() {
    std::vector<unsigned char> first_buffer(8192), second_buffer(8192);
    detalloc::allocator first(first_buffer.data(), first_buffer.size());
    detalloc::allocator second(second_buffer.data(), second_buffer.size());
    using Numbers = std::vector<int, detalloc::std_allocator<int>>;
    {
        Numbers here{detalloc::std_allocator<int>(first)}, there{detalloc::std_allocator<int>(second)};
        CHECK(here.get_allocator() != there.get_allocator());
        here.assign(50, 1);
        there.assign(20, 2);
        std::swap(here, there);
        CHECK(here.size() == 20 && here.get_allocator().get() == second.get());
        // The allocator moves along, and what was there goes home.
        here = std::move(there);
        CHECK(here.size() == 50 && here[49] == 1 && here.get_allocator().get() == first.get());
        CHECK(used(second) == 0);
        Numbers copy(here);
        CHECK(copy == here && copy.get_allocator() == here.get_allocator());
        detalloc::memory_resource resource(first), other(first.get());
        CHECK(resource == resource && resource != other);
        std::pmr::vector<int> polymorphic(30, 3, &resource);
        CHECK(polymorphic[29] == 3 && used(first) > 0);
    }
    CHECK(used(first) == 0 && used(second) == 0 && first.validate() && second.validate());
    return true;
}

#if defined(__cpp_exceptions)
struct Throws {
    Throws() { throw 7; }
};

static bool exceptions() {
    std::vector<unsigned char> buffer(8192);
    detalloc::allocator memory(buffer.data(), buffer.size());
    int caught = 0;
    try {
        auto none = memory.try_make<Throws>();
    } catch (int number) {
        caught += number;
    }
    CHECK(caught == 7 && used(memory) == 0);
    detalloc::std_allocator<int> allocator(memory);
    try {
        allocator.allocate(static_cast<std::size_t>(-1));
    } catch (const std::bad_array_new_length &) {
        ++caught;
    }
    try {
        allocator.allocate(100000);
    } catch (const std::bad_alloc &) {
        ++caught;
    }
    CHECK(caught == 9 && used(memory) == 0 && memory.validate());
    return true;
}
#else
static bool exceptions() { return true; }
#endif

int main() {
    if (!owners_move() || !objects() || !containers() || !exceptions())
        return 1;
    std::puts("contained");
    return 0;
}
