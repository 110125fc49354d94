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

/** The C++ layer. */
namespace detalloc {

/** Not for programs. */
namespace detail {

/**
 * What the standard's interfaces do without memory.
 *
 * @tparam Error What is thrown, where exceptions are.
 */
template <typename Error> [[noreturn]] void refuse() {
#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
    throw Error();
#else
    std::abort();
#endif
}

} // namespace detail

/**
 * Gives an object back to its allocator.
 *
 * @tparam T The object's type.
 */
template <typename T> struct deleter {
    /** The allocator. */
    det_allocator_t *alloc = nullptr;

    /**
     * Ends the object and frees its block.
     *
     * @param object The object.
     */
    void operator()(T *object) const noexcept {
        object->~T();
        det_free(alloc, const_cast<std::remove_cv_t<T> *>(object));
    }
};

/**
 * Owns an object in an allocator, which has to outlive it.
 *
 * @tparam T The object's type.
 */
template <typename T> using unique_ptr = std::unique_ptr<T, deleter<T>>;

/** An allocator in a buffer of the caller's, which has to outlive it. Ends with its scope; moves, and does not copy. */
class allocator {
  public:
    /**
     * Sets up an allocator. Tells by its truth whether it did; det_last_error(nullptr) says why not.
     *
     * @param buffer The memory.
     * @param size Its size in bytes: enough is what det_alloc_size() says.
     * @param config The configuration, which is copied.
     */
    allocator(void *buffer, std::size_t size, const det_config_t &config = det_default_config()) noexcept
        : alloc_(det_alloc_init(buffer, size, &config)) {}

    allocator(const allocator &) = delete;
    allocator &operator=(const allocator &) = delete;

    /**
     * Takes an allocator over; the handle stays the same.
     *
     * @param other Who owned it, and owns none afterwards.
     */
    allocator(allocator &&other) noexcept : alloc_(std::exchange(other.alloc_, nullptr)) {}
    /**
     * Ends the allocator that is owned here, if there is one, and takes the other one over.
     *
     * @param other Who owned it, and owns none afterwards; it may be this one, which then stays as it is.
     * @return This one.
     */
    allocator &operator=(allocator &&other) noexcept {
        allocator taken(std::move(other));
        std::swap(alloc_, taken.alloc_);
        return *this;
    }

    /** Ends the allocator, if there is one. */
    ~allocator() {
        if (alloc_ != nullptr)
            det_alloc_destroy(alloc_);
    }

    /**
     * Whether there is an allocator.
     *
     * @return Whether it was set up, and not moved away.
     */
    explicit operator bool() const noexcept { return alloc_ != nullptr; }

    /**
     * For the functions of C.
     *
     * @return The handle, or null.
     */
    det_allocator_t *get() const noexcept { return alloc_; }

    /**
     * As det_alloc_aligned().
     *
     * @param size The bytes that are asked for.
     * @param align The alignment in bytes.
     * @return The block, or null; det_last_error() says why not.
     */
    void *allocate(std::size_t size, std::size_t align = alignof(std::max_align_t)) noexcept {
        return det_alloc_aligned(alloc_, size, align);
    }

    /**
     * As det_free().
     *
     * @param block The block, or null.
     * @return DET_OK or the error.
     */
    det_error_t free(void *block) noexcept { return det_free(alloc_, block); }

    /**
     * As det_validate().
     *
     * @return Whether the metadata is intact.
     */
    bool validate() const noexcept { return det_validate(alloc_); }

    /**
     * As det_get_stats().
     *
     * @return The counts; all 0 without an allocator.
     */
    det_stats_t stats() const noexcept {
        det_stats_t stats{};
        det_get_stats(alloc_, &stats);
        return stats;
    }

    /**
     * Makes an object. What its constructor throws goes through, and the block goes back.
     *
     * @tparam T The object's type, which may be const and want any alignment up to 4096.
     * @tparam Args The types of what its constructor gets.
     * @param args What its constructor gets.
     * @return The object's owner, or of nothing when there is no block for it.
     */
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
    /**
     * Over an allocator, which has to outlive it.
     *
     * @param alloc The allocator.
     */
    explicit memory_resource(det_allocator_t *alloc) noexcept : alloc_(alloc) {}
    /**
     * Over an allocator, which has to outlive it.
     *
     * @param owner Who owns it now.
     */
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

/**
 * An allocator for the standard's containers: std::vector<float, detalloc::std_allocator<float>>.
 *
 * @tparam T What the container holds.
 */
template <typename T> class std_allocator {
  public:
    /** What the container holds. */
    using value_type = T;
    /** A container that is moved takes its allocator along. */
    using propagate_on_container_move_assignment = std::true_type;
    /** Containers that are swapped swap their allocators as well. */
    using propagate_on_container_swap = std::true_type;

    /**
     * From an allocator, which has to outlive the container.
     *
     * @param alloc The allocator.
     */
    explicit std_allocator(det_allocator_t *alloc) noexcept : alloc_(alloc) {}
    /**
     * From an allocator, which has to outlive the container.
     *
     * @param owner Who owns it now.
     */
    explicit std_allocator(const allocator &owner) noexcept : alloc_(owner.get()) {}
    /**
     * The same for another type.
     *
     * @tparam U The other type.
     * @param other The allocator for that.
     */
    template <typename U> std_allocator(const std_allocator<U> &other) noexcept : alloc_(other.get()) {}

    /**
     * A block for elements.
     *
     * @param count How many.
     * @return The block. Where there is none, std::bad_alloc or std::bad_array_new_length is thrown, or the program aborts
     *         if it has no exceptions.
     */
    T *allocate(std::size_t count) {
        if (count > static_cast<std::size_t>(-1) / sizeof(T))
            detail::refuse<std::bad_array_new_length>();
        void *block = det_alloc_aligned(alloc_, count * sizeof(T), alignof(T));
        if (block == nullptr)
            detail::refuse<std::bad_alloc>();
        return static_cast<T *>(block);
    }

    /**
     * Gives a block back.
     *
     * @param block The block.
     * @param count How many elements it was for, which nobody needs.
     */
    void deallocate(T *block, [[maybe_unused]] std::size_t count) noexcept { det_free(alloc_, block); }

    /**
     * For the functions of C.
     *
     * @return The handle.
     */
    det_allocator_t *get() const noexcept { return alloc_; }

    /**
     * Whether each can free what the other has allocated.
     *
     * @tparam U The type that the other one is for.
     * @param other The other one.
     * @return Whether both are over one allocator.
     */
    template <typename U> bool operator==(const std_allocator<U> &other) const noexcept {
        return alloc_ == other.get();
    }
    /**
     * The opposite.
     *
     * @tparam U The type that the other one is for.
     * @param other The other one.
     * @return Whether they are over different allocators.
     */
    template <typename U> bool operator!=(const std_allocator<U> &other) const noexcept {
        return alloc_ != other.get();
    }

  private:
    det_allocator_t *alloc_;
};

} // namespace detalloc

#endif
