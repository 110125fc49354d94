/**
 * @file
 * Heaps in constant time for Zephyr, over detalloc's C interface. MIT License.
 *
 * A heap is made of pools of blocks of fixed sizes. A request gets a whole block of the smallest size that holds it, or of a larger
 * one where that size has run dry; nothing fragments. Allocating and freeing take constant time where the size has a free block, and
 * a bounded time where another one lends or the heap refuses, under a spin lock that is held no longer. Nothing waits: a heap without
 * a block refuses at once, so that interrupts may use one too.
 *
 * What is no live block of a heap is refused with an error, and changes nothing; so is a heap that is NULL.
 *
 * These are no system calls: only threads in supervisor mode may call them, as with k_heap_alloc().
 */
#ifndef DETALLOC_ZEPHYR_H
#define DETALLOC_ZEPHYR_H

#include <detalloc.h>
#include <zephyr/kernel.h>
#include <zephyr/sys/mem_stats.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A heap. Its members are its own. */
struct det_heap {
	/** The allocator, which lies in the buffer; NULL before the heap is set up. */
	det_allocator_t *alloc;
	/** Held while an operation runs. */
	struct k_spinlock lock;
	/** The memory of metadata and blocks. */
	void *buffer;
	/** Its size in bytes. */
	size_t bytes;
	/** The pools; sizes rise. */
	const det_pool_config_t *pools;
	/** How many they are. */
	size_t pool_count;
};

/**
 * Defines a heap that is set up before the kernel starts.
 *
 * @code
 * DET_HEAP_DEFINE(messages, 4096, {32, 16}, {64, 8}, {256, 4});
 * @endcode
 *
 * @param name What the heap is called: a variable of type struct det_heap.
 * @param bytes_ Its memory in bytes, metadata included. What is enough on 32 bits, for pools of at most 1,024 blocks: the blocks,
 *               1/64 of them, 128 bytes a pool, 1/4 byte a block, 400 bytes, and the alignment of the most aligned blocks, which is
 *               the largest power of two that divides their size, at most 4,096. On 64 bits, 800 bytes more.
 *               det_alloc_size_pools() says it exactly. If it is too little, the heap refuses everything, and det_heap_init() says so.
 * @param ... The pools, as {size, count}, with sizes that rise. No request is served that is larger than the largest.
 */
#define DET_HEAP_DEFINE(name, bytes_, ...)                                                         \
	Z_DET_HEAP_MEMORY(name, bytes_, __VA_ARGS__);                                              \
	STRUCT_SECTION_ITERABLE(det_heap, name) = Z_DET_HEAP(name)

/** As DET_HEAP_DEFINE(), known in its own file only. */
#define DET_HEAP_DEFINE_STATIC(name, bytes_, ...)                                                  \
	Z_DET_HEAP_MEMORY(name, bytes_, __VA_ARGS__);                                              \
	static STRUCT_SECTION_ITERABLE(det_heap, name) = Z_DET_HEAP(name)

/** @cond INTERNAL_HIDDEN */
#define Z_DET_HEAP_MEMORY(name, bytes_, ...)                                                       \
	static uint8_t __aligned(64) _det_heap_buffer_##name[bytes_];                              \
	static const det_pool_config_t _det_heap_pools_##name[] = {__VA_ARGS__}

#define Z_DET_HEAP(name)                                                                           \
	{                                                                                          \
		.buffer = _det_heap_buffer_##name,                                                 \
		.bytes = sizeof(_det_heap_buffer_##name),                                          \
		.pools = _det_heap_pools_##name,                                                   \
		.pool_count = ARRAY_SIZE(_det_heap_pools_##name),                                  \
	}
/** @endcond */

/**
 * Sets up a heap whose buffer and pools are set, and that no other thread knows yet. Heaps of DET_HEAP_DEFINE() have been.
 *
 * @param heap The heap.
 * @return 0, -ENOMEM if the buffer is too small, -EINVAL if the pools cannot be, or -EALREADY if the heap was set up.
 *
 * @par Time
 * Linear in the size of the metadata. It takes about 850 bytes of stack on a Cortex-M4.
 */
int det_heap_init(struct det_heap *heap);

/**
 * Allocates a block.
 *
 * @param heap The heap.
 * @param bytes The bytes that are asked for; 0 gets no block.
 * @return The block, aligned to 16 bytes, or NULL.
 *
 * @par Time
 * Constant where the size has a free block; bounded where it has none. For threads and interrupts.
 */
void *det_heap_alloc(struct det_heap *heap, size_t bytes);

/**
 * As det_heap_alloc(), with an alignment.
 *
 * @param heap The heap.
 * @param align The alignment in bytes: a power of two, at most 4096; 0 for the usual one.
 * @param bytes The bytes that are asked for.
 * @return The block, or NULL.
 */
void *det_heap_aligned_alloc(struct det_heap *heap, size_t align, size_t bytes);

/**
 * As det_heap_alloc(), for an array, with all bytes zero. What overflows gets no block.
 *
 * @param heap The heap.
 * @param num How many elements.
 * @param size The bytes of one.
 * @return The block, or NULL.
 *
 * @par Time
 * Constant, and linear in the bytes for the zeroing, which happens without the lock.
 */
void *det_heap_calloc(struct det_heap *heap, size_t num, size_t size);

/**
 * Changes the size of a block, in place where it has room. NULL is allocated; a size of 0 frees.
 *
 * @param heap The heap.
 * @param mem The block, or NULL.
 * @param bytes The bytes that it is to hold.
 * @return The block, which may have moved, or NULL, with the block as it was.
 *
 * @par Time
 * Linear in the old size where it moves, with the lock held.
 */
void *det_heap_realloc(struct det_heap *heap, void *mem, size_t bytes);

/**
 * Gives a block back. NULL is nothing to free.
 *
 * @param heap The heap.
 * @param mem The block, or NULL.
 * @return 0, -EALREADY if the block is free, or -EINVAL if there is no such block in this heap: nothing has changed then.
 *
 * @par Time
 * Constant. For threads and interrupts.
 */
int det_heap_free(struct det_heap *heap, void *mem);

/**
 * How many bytes a block holds.
 *
 * @param heap The heap.
 * @param mem The block.
 * @return The bytes, or 0 for what is no live block of this heap.
 */
size_t det_heap_usable_size(struct det_heap *heap, void *mem);

/**
 * How many blocks of a pool are in use, as k_mem_slab_num_used_get().
 *
 * @param heap The heap.
 * @param pool The pool, the smallest blocks' being number 0.
 * @return The blocks, or 0 if there is no such pool.
 *
 * @par Time
 * Linear in the blocks of the pool, one step for each word of its bitmap.
 */
uint32_t det_heap_num_used_get(struct det_heap *heap, size_t pool);

/**
 * The most blocks of a pool that were ever in use, as k_mem_slab_max_used_get().
 *
 * @param heap The heap.
 * @param pool The pool.
 * @return The blocks, or 0 if there is no such pool.
 */
uint32_t det_heap_max_used_get(struct det_heap *heap, size_t pool);

/**
 * How many blocks of a pool are free, as k_mem_slab_num_free_get().
 *
 * @param heap The heap.
 * @param pool The pool.
 * @return The blocks, or 0 if there is no such pool.
 */
uint32_t det_heap_num_free_get(struct det_heap *heap, size_t pool);

/**
 * The bytes of a whole heap, as k_mem_slab_runtime_stats_get().
 *
 * @param heap The heap.
 * @param stats Where they are written: free and allocated in whole blocks; the most ever allocated is each pool's own, added up.
 * @return 0, -EINVAL for NULL or a heap that is not set up, or, with CONFIG_DETALLOC_VALIDATION, -EILSEQ if the metadata was
 *         overwritten.
 */
int det_heap_runtime_stats_get(struct det_heap *heap, struct sys_memory_stats *stats);

/**
 * Checks all metadata.
 *
 * @param heap The heap.
 * @return Whether it is what it must be.
 *
 * @par Time
 * Linear in the number of blocks, with the lock held.
 */
bool det_heap_validate(struct det_heap *heap);

#ifdef __cplusplus
}
#endif

#endif /* DETALLOC_ZEPHYR_H */
