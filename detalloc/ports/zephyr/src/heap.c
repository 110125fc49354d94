/* Heaps of pools: detalloc's operations under a spin lock. MIT License. */
#include <detalloc/zephyr.h>

#include <errno.h>
#include <string.h>

#include <zephyr/init.h>
#include <zephyr/sys/iterable_sections.h>

int det_heap_init(struct det_heap *heap)
{
	size_t needed;

	if (heap == NULL) {
		return -EINVAL;
	}

	if (heap->alloc != NULL) {
		return -EALREADY;
	}

	/* Where the linker puts the buffer must not decide whether there is a heap. */
	needed = det_alloc_size_pools(heap->pools, heap->pool_count);

	if (needed > heap->bytes) {
		return -ENOMEM;
	}

	if (needed > 0) {
		heap->alloc = det_alloc_init_pools(heap->buffer, heap->bytes, heap->pools,
						   heap->pool_count);
	}

	return heap->alloc != NULL ? 0 : -EINVAL;
}

void *det_heap_alloc(struct det_heap *heap, size_t bytes)
{
	void *mem = NULL;

	if (heap != NULL && bytes > 0) {
		k_spinlock_key_t key = k_spin_lock(&heap->lock);

		mem = det_alloc(heap->alloc, bytes);
		k_spin_unlock(&heap->lock, key);
	}

	return mem;
}

void *det_heap_aligned_alloc(struct det_heap *heap, size_t align, size_t bytes)
{
	void *mem = NULL;

	if (heap != NULL && bytes > 0) {
		k_spinlock_key_t key = k_spin_lock(&heap->lock);

		mem = det_alloc_aligned(heap->alloc, bytes, align > 0 ? align : 1);
		k_spin_unlock(&heap->lock, key);
	}

	return mem;
}

void *det_heap_calloc(struct det_heap *heap, size_t num, size_t size)
{
	void *mem = NULL;

	if (size > 0 && num <= SIZE_MAX / size) {
		mem = det_heap_alloc(heap, num * size);
	}

	if (mem != NULL) {
		memset(mem, 0, num * size);
	}

	return mem;
}

void *det_heap_realloc(struct det_heap *heap, void *mem, size_t bytes)
{
	void *moved = NULL;

	if (heap != NULL && (mem != NULL || bytes > 0)) {
		k_spinlock_key_t key = k_spin_lock(&heap->lock);

		moved = det_realloc(heap->alloc, mem, bytes);
		k_spin_unlock(&heap->lock, key);
	}

	return moved;
}

int det_heap_free(struct det_heap *heap, void *mem)
{
	det_error_t error = DET_ERR_NULL;

	if (heap != NULL) {
		k_spinlock_key_t key = k_spin_lock(&heap->lock);

		error = det_free(heap->alloc, mem);
		k_spin_unlock(&heap->lock, key);
	}

	switch (error) {
	case DET_OK:
		return 0;
	case DET_ERR_DOUBLE_FREE:
		return -EALREADY;
	default:
		return -EINVAL;
	}
}

size_t det_heap_usable_size(struct det_heap *heap, void *mem)
{
	size_t bytes = 0;

	if (heap != NULL) {
		k_spinlock_key_t key = k_spin_lock(&heap->lock);

		bytes = det_alloc_usable_size(heap->alloc, mem);
		k_spin_unlock(&heap->lock, key);
	}

	return bytes;
}

/* The counts of a pool; all zero if there is none. */
static det_pool_stats_t counts(struct det_heap *heap, size_t pool)
{
	det_pool_stats_t stats = {0};

	if (heap != NULL) {
		k_spinlock_key_t key = k_spin_lock(&heap->lock);

		(void)det_get_pool_stats(heap->alloc, pool, &stats);
		k_spin_unlock(&heap->lock, key);
	}

	return stats;
}

uint32_t det_heap_num_used_get(struct det_heap *heap, size_t pool)
{
	return (uint32_t)counts(heap, pool).used;
}

uint32_t det_heap_max_used_get(struct det_heap *heap, size_t pool)
{
	return (uint32_t)counts(heap, pool).peak;
}

uint32_t det_heap_num_free_get(struct det_heap *heap, size_t pool)
{
	det_pool_stats_t stats = counts(heap, pool);

	return (uint32_t)(stats.block_count - stats.used);
}

int det_heap_runtime_stats_get(struct det_heap *heap, struct sys_memory_stats *stats)
{
	size_t pool;

	if (heap == NULL || stats == NULL || heap->alloc == NULL) {
		return -EINVAL;
	}

	if (IS_ENABLED(CONFIG_DETALLOC_VALIDATION) && !det_heap_validate(heap)) {
		return -EILSEQ;
	}

	*stats = (struct sys_memory_stats){0};

	for (pool = 0; pool < heap->pool_count; pool++) {
		det_pool_stats_t of_pool = counts(heap, pool);

		stats->allocated_bytes += of_pool.used * of_pool.block_size;
		stats->free_bytes += (of_pool.block_count - of_pool.used) * of_pool.block_size;
		stats->max_allocated_bytes += of_pool.peak * of_pool.block_size;
	}

	return 0;
}

bool det_heap_validate(struct det_heap *heap)
{
	bool is_valid = false;

	if (heap != NULL) {
		k_spinlock_key_t key = k_spin_lock(&heap->lock);

		is_valid = det_validate(heap->alloc);
		k_spin_unlock(&heap->lock, key);
	}

	return is_valid;
}

/* Sets up every heap that was defined. One that cannot be says so here, and refuses everything afterwards. */
static int init_all(void)
{
	int result = 0;

	STRUCT_SECTION_FOREACH(det_heap, heap) {
		int error = det_heap_init(heap);

		if (error != 0) {
			printk("detalloc: a heap of %u bytes and %u pools cannot be: %d\n",
			       (unsigned int)heap->bytes, (unsigned int)heap->pool_count, error);
			result = error;
		}
	}

	return result;
}

SYS_INIT(init_all, PRE_KERNEL_1, CONFIG_DETALLOC_INIT_PRIORITY);
