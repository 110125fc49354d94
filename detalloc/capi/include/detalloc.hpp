/**
 * @file detalloc.hpp
 * Detalloc for C++17: an allocator that ends with its scope, a std::pmr::memory_resource, an allocator for containers, and
 * pointers that give their object back. Header only, over detalloc.h. MIT License.
 *
 * Nothing here allocates elsewhere. What is refused is a null pointer from `try_make` and `allocate`. Where the standard's
 * interfaces know no other way it is std::bad_alloc, or std::abort() in a program without exceptions: reserve containers
 * before a callback.
 */
#ifndef DETALLOC_HPP
#define DETALLOC_HPP

#include "detalloc.h"

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <memory_resource>
#include <new>
#include <type_traits>
#include <utility>

namespace detalloc {

namespace detail {

// What the standard's interfaces do without memory.
template <typename Error> [[noreturn]] void refuse() {
#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
    throw Error();
#else
    std::abort();
#endif
}

} // namespace detail

/** Gives an object back to its allocator. */
template <typename T> struct deleter {
    det_allocator_t *alloc = nullptr;

    void operator()(T *object) const noexcept {
        object->~T();
        det_free(alloc, const_cast<std::remove_cv_t<T> *>(object));
    }
};

/** Owns an object in an allocator, which has to outlive it. */
template <typename T> using unique_ptr = std::unique_ptr<T, deleter<T>>;

/** An allocator in a buffer of the caller's, which has to outlive it. Ends with its scope; moves, and does not copy. */
class allocator {
  public:
    /** Sets up an allocator. Tells by its truth whether it did; det_last_error(nullptr) says why not. */
    allocator(void *buffer, std::size_t size, const det_config_t &config = det_default_config()) noexcept
        : alloc_(det_alloc_init(buffer, size, &config)) {}

    allocator(const allocator &) = delete;
    allocator &operator=(const allocator &) = delete;
    allocator(allocator &&other) noexcept : alloc_(std::exchange(other.alloc_, nullptr)) {}
    /** Ends this allocator and takes the other one's place. Itself it may be, too. */
    allocator &operator=(allocator &&other) noexcept {
        allocator taken(std::move(other));
        std::swap(alloc_, taken.alloc_);
        return *this;
    }

    ~allocator() {
        if (alloc_ != nullptr)
            det_alloc_destroy(alloc_);
    }

    explicit operator bool() const noexcept { return alloc_ != nullptr; }

    /** For the functions of C. */
    det_allocator_t *get() const noexcept { return alloc_; }

    /** A block, or null. */
    void *allocate(std::size_t size, std::size_t align = alignof(std::max_align_t)) noexcept {
        return det_alloc_aligned(alloc_, size, align);
    }

    det_error_t free(void *block) noexcept { return det_free(alloc_, block); }

    bool validate() const noexcept { return det_validate(alloc_); }

    det_stats_t stats() const noexcept {
        det_stats_t stats{};
        det_get_stats(alloc_, &stats);
        return stats;
    }

    /** An object, or null when there is no block for it. Throws what its constructor throws, and the block goes back. */
    template <typename T, typename... Args> unique_ptr<T> try_make(Args &&...args) {
        struct Block {
            det_allocator_t *alloc;
            void *start;
            ~Block() { det_free(alloc, start); }
        } block{alloc_, allocate(sizeof(T), alignof(T))};
        if (block.start == nullptr)
            return unique_ptr<T>(nullptr, deleter<T>{alloc_});
        T *object = ::new (block.start) T(std::forward<Args>(args)...);
        block.start = nullptr;
        return unique_ptr<T>(object, deleter<T>{alloc_});
    }

  private:
    det_allocator_t *alloc_;
};

/** A memory resource over an allocator, for std::pmr containers. */
class memory_resource final : public std::pmr::memory_resource {
  public:
    explicit memory_resource(det_allocator_t *alloc) noexcept : alloc_(alloc) {}
    explicit memory_resource(const allocator &owner) noexcept : alloc_(owner.get()) {}

  private:
    void *do_allocate(std::size_t size, std::size_t align) override {
        void *block = det_alloc_aligned(alloc_, size, align);
        if (block == nullptr)
            detail::refuse<std::bad_alloc>();
        return block;
    }

    void do_deallocate(void *block, std::size_t, std::size_t) override { det_free(alloc_, block); }

    bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override {
        // Without run-time type information, which embedded programs leave out, only itself is known to be equal.
        return this == &other;
    }

    det_allocator_t *alloc_;
};

/** An allocator for the standard's containers: std::vector<float, detalloc::std_allocator<float>>. */
template <typename T> class std_allocator {
  public:
    using value_type = T;
    using propagate_on_container_move_assignment = std::true_type;
    using propagate_on_container_swap = std::true_type;

    explicit std_allocator(det_allocator_t *alloc) noexcept : alloc_(alloc) {}
    explicit std_allocator(const allocator &owner) noexcept : alloc_(owner.get()) {}
    template <typename U> std_allocator(const std_allocator<U> &other) noexcept : alloc_(other.get()) {}

    T *allocate(std::size_t count) {
        if (count > static_cast<std::size_t>(-1) / sizeof(T))
            detail::refuse<std::bad_array_new_length>();
        void *block = det_alloc_aligned(alloc_, count * sizeof(T), alignof(T));
        if (block == nullptr)
            detail::refuse<std::bad_alloc>();
        return static_cast<T *>(block);
    }

    void deallocate(T *block, std::size_t) noexcept { det_free(alloc_, block); }

    det_allocator_t *get() const noexcept { return alloc_; }

    template <typename U> bool operator==(const std_allocator<U> &other) const noexcept {
        return alloc_ == other.get();
    }
    template <typename U> bool operator!=(const std_allocator<U> &other) const noexcept {
        return alloc_ != other.get();
    }

  private:
    det_allocator_t *alloc_;
};

} // namespace detalloc

#endif
