/* Messages of three sizes from one heap, until it refuses. */
#include <detalloc/zephyr.h>

DET_HEAP_DEFINE(messages, 8192, {32, 8}, {64, 8}, {256, 4});

int main(void)
{
	void *held[28];
	struct sys_memory_stats stats;
	unsigned int served = 0, refused = 0, most = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(held); i++) {
		held[i] = det_heap_alloc(&messages, 24);
		if (held[i] != NULL) {
			served++;
		} else {
			refused++;
		}
	}

	for (i = 0; i < 3; i++) {
		printk("pool %u: %u in use, %u free, at most %u\n", (unsigned int)i,
		       (unsigned int)det_heap_num_used_get(&messages, i),
		       (unsigned int)det_heap_num_free_get(&messages, i),
		       (unsigned int)det_heap_max_used_get(&messages, i));
		most += det_heap_max_used_get(&messages, i);
	}

	for (i = 0; i < ARRAY_SIZE(held); i++) {
		(void)det_heap_free(&messages, held[i]);
	}

	if (det_heap_runtime_stats_get(&messages, &stats) == 0) {
		printk("%u bytes allocated, %u free, at most %u\n",
		       (unsigned int)stats.allocated_bytes, (unsigned int)stats.free_bytes,
		       (unsigned int)stats.max_allocated_bytes);
	}

	printk("served %u, refused %u, most in use %u\n", served, refused, most);
	return 0;
}
