/* What the heaps of <detalloc/zephyr.h> promise. */
#include <detalloc/zephyr.h>

#include <errno.h>
#include <string.h>

#include <zephyr/ztest.h>

#define SMALL 4
#define LARGE 2

DET_HEAP_DEFINE(heap, 8192, {64, SMALL}, {256, LARGE});
DET_HEAP_DEFINE_STATIC(other, 8192, {64, 4});
DET_HEAP_DEFINE(too_small, 256, {64, 100});
DET_HEAP_DEFINE(impossible, 8192, {64, 4}, {64, 4});

static struct sys_memory_stats stats_of(struct det_heap *of)
{
	struct sys_memory_stats stats = {0};

	zassert_equal(det_heap_runtime_stats_get(of, &stats), 0);
	return stats;
}

ZTEST(detalloc, test_a_heap_serves_every_block_and_then_refuses)
{
	void *held[SMALL + LARGE];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(held); i++) {
		held[i] = det_heap_alloc(&heap, 48);
		zassert_not_null(held[i]);
		zassert_equal((uintptr_t)held[i] % 16, 0);
		memset(held[i], (int)i, 64);
	}

	zassert_is_null(det_heap_alloc(&heap, 48));
	zassert_equal(det_heap_num_used_get(&heap, 0), SMALL);
	zassert_equal(det_heap_num_free_get(&heap, 0), 0);
	zassert_equal(det_heap_num_used_get(&heap, 1), LARGE);
	zassert_equal(stats_of(&heap).free_bytes, 0);

	for (i = 0; i < ARRAY_SIZE(held); i++) {
		zassert_equal(det_heap_free(&heap, held[i]), 0);
	}

	zassert_equal(det_heap_max_used_get(&heap, 0), SMALL);
	zassert_equal(stats_of(&heap).allocated_bytes, 0);
	zassert_equal(stats_of(&heap).free_bytes, SMALL * 64 + LARGE * 256);
	zassert_equal(stats_of(&heap).max_allocated_bytes, SMALL * 64 + LARGE * 256);
}

ZTEST(detalloc, test_wrong_frees_are_refused_and_change_nothing)
{
	char *mem = det_heap_alloc(&heap, 48);
	int on_stack;

	zassert_not_null(mem);
	zassert_equal(det_heap_free(&heap, mem + 16), -EINVAL);
	zassert_equal(det_heap_free(&heap, &on_stack), -EINVAL);
	zassert_equal(det_heap_free(&other, mem), -EINVAL);
	zassert_equal(det_heap_num_used_get(&heap, 0), 1);
	zassert_equal(det_heap_free(&heap, mem), 0);
	zassert_equal(det_heap_free(&heap, mem), -EALREADY);
	zassert_equal(det_heap_free(&heap, NULL), 0);
	zassert_true(det_heap_validate(&heap));
}

ZTEST(detalloc, test_impossible_requests_get_no_block)
{
	zassert_is_null(det_heap_alloc(&heap, 0));
	zassert_is_null(det_heap_alloc(&heap, 257));
	zassert_is_null(det_heap_alloc(&heap, SIZE_MAX));
	zassert_is_null(det_heap_calloc(&heap, SIZE_MAX, 2));
	zassert_is_null(det_heap_calloc(&heap, 0, 2));
	zassert_is_null(det_heap_calloc(&heap, 2, 0));
	zassert_is_null(det_heap_aligned_alloc(&heap, 3, 8));
	zassert_is_null(det_heap_aligned_alloc(&heap, 8192, 8));
	zassert_is_null(det_heap_realloc(&heap, NULL, 0));
	zassert_equal(det_heap_usable_size(&heap, NULL), 0);
	zassert_equal(stats_of(&heap).allocated_bytes, 0);
}

ZTEST(detalloc, test_blocks_are_aligned_cleared_and_moved)
{
	uint8_t *mem = det_heap_aligned_alloc(&heap, 64, 8);

	zassert_not_null(mem);
	zassert_equal((uintptr_t)mem % 64, 0);
	memset(mem, 7, 64);
	zassert_equal(det_heap_free(&heap, mem), 0);

	mem = det_heap_calloc(&heap, 8, 8);
	zassert_not_null(mem);
	zassert_equal(mem[0], 0);
	zassert_equal(mem[63], 0);
	zassert_equal(det_heap_usable_size(&heap, mem), 64);
	mem[63] = 9;
	mem = det_heap_realloc(&heap, mem, 200);
	zassert_not_null(mem);
	zassert_equal(mem[63], 9);
	zassert_equal(det_heap_usable_size(&heap, mem), 256);
	zassert_is_null(det_heap_realloc(&heap, mem, 300));
	zassert_equal(mem[63], 9);
	zassert_is_null(det_heap_realloc(&heap, mem, 0));
	zassert_equal(stats_of(&heap).allocated_bytes, 0);
}

ZTEST(detalloc, test_a_heap_that_cannot_be_refuses_everything)
{
	struct sys_memory_stats stats;
	int on_stack;

	zassert_equal(det_heap_init(&too_small), -ENOMEM);
	zassert_equal(det_heap_init(&impossible), -EINVAL);
	zassert_equal(det_heap_init(&heap), -EALREADY);
	zassert_is_null(det_heap_alloc(&too_small, 1));
	zassert_equal(det_heap_free(&too_small, &on_stack), -EINVAL);
	zassert_equal(det_heap_num_used_get(&too_small, 0), 0);
	zassert_equal(det_heap_runtime_stats_get(&too_small, &stats), -EINVAL);
	zassert_equal(det_heap_runtime_stats_get(NULL, &stats), -EINVAL);
	zassert_equal(det_heap_runtime_stats_get(&heap, NULL), -EINVAL);
	zassert_equal(det_heap_num_used_get(&heap, 99), 0);
	zassert_false(det_heap_validate(&too_small));
}

ZTEST(detalloc, test_a_heap_needs_no_more_than_is_documented)
{
	static const det_pool_config_t one[] = {{32, 1}};
	static const det_pool_config_t powers[] = {{64, 200}, {128, 100}, {1024, 10}, {4096, 2}};
	static const det_pool_config_t others[] = {{48, 1000}, {112, 168}, {272, 80}, {544, 40}};
	static const struct {
		const det_pool_config_t *pools;
		size_t count;
	} heaps[] = {{one, ARRAY_SIZE(one)}, {powers, ARRAY_SIZE(powers)}, {others, ARRAY_SIZE(others)}};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(heaps); i++) {
		size_t bytes = 0, documented = sizeof(void *) > 4 ? 1200 : 400, align = 64, pool;
		size_t needed = det_alloc_size_pools(heaps[i].pools, heaps[i].count);

		for (pool = 0; pool < heaps[i].count; pool++) {
			size_t size = heaps[i].pools[pool].block_size;
			size_t natural = size & (~size + 1);

			bytes += size * heaps[i].pools[pool].block_count;
			documented += 128 + heaps[i].pools[pool].block_count / 4;
			align = natural > align ? natural : align;
		}

		zassert_true(needed > bytes && needed <= bytes + bytes / 64 + documented + align);
	}
}

ZTEST(detalloc, test_no_heap_refuses_everything)
{
	int on_stack;

	zassert_equal(det_heap_init(NULL), -EINVAL);
	zassert_is_null(det_heap_alloc(NULL, 1));
	zassert_is_null(det_heap_aligned_alloc(NULL, 16, 1));
	zassert_is_null(det_heap_calloc(NULL, 1, 1));
	zassert_is_null(det_heap_realloc(NULL, NULL, 1));
	zassert_equal(det_heap_free(NULL, &on_stack), -EINVAL);
	zassert_equal(det_heap_usable_size(NULL, &on_stack), 0);
	zassert_equal(det_heap_num_used_get(NULL, 0), 0);
	zassert_equal(det_heap_max_used_get(NULL, 0), 0);
	zassert_equal(det_heap_num_free_get(NULL, 0), 0);
	zassert_false(det_heap_validate(NULL));
}

ZTEST(detalloc, test_overwritten_metadata_is_named)
{
	struct sys_memory_stats stats;
	uint8_t *start = (uint8_t *)other.buffer;
	size_t i;

	zassert_equal(det_heap_runtime_stats_get(&other, &stats), 0);

	for (i = 256; i < 512; i++) {
		start[i] ^= 0x5A;
	}

	zassert_equal(det_heap_runtime_stats_get(&other, &stats), -EILSEQ);

	for (i = 256; i < 512; i++) {
		start[i] ^= 0x5A;
	}

	zassert_equal(det_heap_runtime_stats_get(&other, &stats), 0);
}

ZTEST_SUITE(detalloc, NULL, NULL, NULL, NULL, NULL);
